"""Which model of a pool wins for which difficulty."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from energy_route_env.pool.base import Pool
from energy_route_env.units import FloatArray


@dataclass(frozen=True)
class Winner:
    """A range of difficulties and the model that needs least there."""

    low: float
    high: float
    model: int
    """The model's place in the pool."""
    n_params: float


def winners(values: Callable[[FloatArray], FloatArray], pool: Pool, low: float, high: float) -> tuple[Winner, ...]:
    """Return the ranges of difficulty in [low, high] in which each model has the least of something.

    `values` maps difficulties (n,) to that something, (n, n_models), such as `pool.energy_j`. Ranges narrower than a
    2000th of the whole can be missed.
    """
    grid = np.linspace(low, high, 2001)
    best = values(grid).argmin(axis=-1)
    last = np.append(np.flatnonzero(np.diff(best)), len(grid) - 1)  # the last point of each range
    crossings = [_crossing(values, best[at], grid[at], grid[at + 1]) for at in last[:-1]]
    ranges = zip([low, *crossings], [*crossings, high], best[last].tolist(), strict=True)
    return tuple(Winner(start, end, model, pool.n_params[model]) for start, end, model in ranges)


def _crossing(values: Callable[[FloatArray], FloatArray], model: int, low: float, high: float) -> float:
    """Bisect for the difficulty where the model stops winning."""
    for _ in range(60):
        middle = (low + high) / 2
        wins = values(np.array([middle]))[0].argmin() == model
        low, high = (middle, high) if wins else (low, middle)
    return float(low + high) / 2
