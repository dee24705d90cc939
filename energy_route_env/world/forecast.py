"""What can be said at any slot of what comes later, from the day before and the present."""

import numpy as np

from energy_route_env.units import FloatArray

BLOCK_HOURS = ((0, 6), (6, 12), (12, 24))
"""The blocks of hours ahead for which a forecast is given: after the first number, up to the second."""
HALF_LIFE_HOURS = 6.0
"""In so many hours the present departure from the day before is expected to halve."""


def persistence(series: FloatArray, day_slots: int) -> FloatArray:
    """Forecast the means of the blocks in `BLOCK_HOURS`: as the day before, plus a departure that fades.

    At lead h the forecast is x(t + h - day) + 2^(-h / 6 hours) (x(t) - x(t - day)): known at slot t.

    Args:
        series: the day before, and then the episode, shape (day_slots + n_slots,).
        day_slots: slots of a day, a multiple of 24.

    Returns:
        The forecasts at every slot of the episode, shape (n_slots, blocks).
    """
    per_hour, n_slots = day_slots // 24, len(series) - day_slots
    before = np.append(0.0, series.cumsum())
    departure = series[day_slots:] - series[:n_slots]
    blocks = []
    for first, last in BLOCK_HOURS:
        low, high = first * per_hour + 1, last * per_hour + 1
        day_before = (before[high : high + n_slots] - before[low : low + n_slots]) / (high - low)
        fading = (0.5 ** (np.arange(low, high) / (HALF_LIFE_HOURS * per_hour))).mean()
        blocks.append(day_before + fading * departure)
    return np.maximum(np.stack(blocks, axis=-1), 0.0)
