"""What can be said at any slot of what comes later, from the day before and the present."""

import numpy as np

from energy_route_env.units import FloatArray, IntArray

BLOCK_HOURS = ((0, 6), (6, 12), (12, 24))
"""The blocks of hours ahead for which a forecast is given: after the first number, up to the second."""
HALF_LIFE_HOURS = 6.0
"""In so many hours the present departure from the day before is expected to halve."""


def persistence(series: FloatArray, day_slots: int) -> FloatArray:
    """Forecast the means of the blocks in `BLOCK_HOURS`: as the day before, plus a departure that fades.

    At lead h the forecast is x(t + h - day) + `fading`(h) (x(t) - x(t - day)): known at slot t.

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
        blocks.append(day_before + fading(np.arange(low, high), day_slots).mean() * departure)
    return np.maximum(np.stack(blocks, axis=-1), 0.0)


def persistence_by_slot(past: FloatArray, so_far: FloatArray, n_slots: int) -> FloatArray:
    """Forecast the rest of an episode as `persistence` does, slot by slot; beyond a day the last day repeats.

    Args:
        past: the day before the episode, shape (slots of a day,).
        so_far: the episode's slots up to the current one.
        n_slots: slots of the whole episode.

    Returns:
        What to expect in each slot after the current one, shape (n_slots - len(so_far),).
    """
    series, day_slots, n_ahead = np.append(past, so_far), len(past), n_slots - len(so_far)
    departure = series[-1] - series[-1 - day_slots]
    day_before = np.resize(series[-day_slots:], n_ahead)
    return np.maximum(day_before + fading(np.arange(1, n_ahead + 1), day_slots) * departure, 0.0)


def fading(lead_slots: IntArray, day_slots: int) -> FloatArray:
    """Return the share of the present departure that is left so many slots later: 2^(-lead / 6 hours)."""
    return np.asarray(0.5 ** (lead_slots * (24 / HALF_LIFE_HOURS) / day_slots))
