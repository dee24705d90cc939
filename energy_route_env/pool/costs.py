"""What tasks take on a pool's models, from a table where their difficulties are a scenario's own."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import require
from energy_route_env.pool.base import Attempts, Pool, PossibleAttempts
from energy_route_env.units import FloatArray, IntArray

Compute: TypeAlias = Callable[[ArrayLike], FloatArray]
IsBad: TypeAlias = Callable[[FloatArray], NDArray[np.bool_]]


def _not_finite(values: FloatArray) -> NDArray[np.bool_]:
    return ~np.isfinite(values)


class TaskCosts:
    """Energies and latencies of tasks; those of the known difficulties are computed once, on first use.

    Args:
        pool: the models.
        difficulties: the known ones.
        noise: standard deviation of true minus observed difficulty.
        queries_per_task: a task takes this many times one query's energy.
    """

    def __init__(self, pool: Pool, difficulties: Sequence[float], noise: float, queries_per_task: float) -> None:
        self._pool, self._noise, self._queries = pool, noise, queries_per_task
        self._levels = np.unique(difficulties)
        self._last = len(self._levels) - 1
        self._per_level = self._last / ((self._levels[-1] - self._levels[0]) or 1.0)
        self._tables: dict[str, FloatArray] = {}

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Joules of tasks of these true difficulties on every model, shape `difficulty.shape + (n_models,)`."""
        return self._look_up("energy_j", difficulty, lambda d: self._queries * self._pool.energy_j(d))

    def expected_energy_j(self, observed: ArrayLike) -> FloatArray:
        """Mean joules of tasks that look this difficult on every model, shape `observed.shape + (n_models,)`."""
        expected = self._pool.expected_energy_j
        return self._look_up("expected_energy_j", observed, lambda d: self._queries * expected(d, self._noise))

    def success_chance(self, observed: ArrayLike) -> FloatArray:
        """Chances of tasks that look this difficult on every model, shape `observed.shape + (n_models,)`."""
        return self._look_up("success_chance", observed, lambda d: self._pool.success_chance(d, self._noise))

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Seconds of one query of these true difficulties on every model, shape `difficulty.shape + (n_models,)`.

        They are nan where the pool does not know them.
        """
        return self._look_up("latency_s", difficulty, self._pool.latency_s, np.isinf)

    def draw_attempts(self, rng: np.random.Generator, difficulty: FloatArray) -> Attempts | None:
        """Draw what happens to tasks of these true difficulties, shape (n,), on every model (see `Pool`)."""
        attempts = self._pool.draw_attempts(rng, difficulty)
        return attempts and attempts._replace(energy_j=self._queries * attempts.energy_j)

    def draw_solved(self, rng: np.random.Generator, difficulty: FloatArray) -> NDArray[np.bool_]:
        """Draw which models solve tasks of these true difficulties, shape (n,), where the energies follow from them."""

        def chance(at: ArrayLike) -> FloatArray:
            return self._pool.possible_attempts(np.asarray(at, float)).chance[:, 0]

        chances = self._look_up("chance", difficulty, chance)
        return rng.random(chances.shape) < chances

    def possible_attempts(self, difficulty: FloatArray) -> PossibleAttempts:
        """Return the law that these are drawn from (see `Pool`)."""
        attempts = self._pool.possible_attempts(difficulty)
        return attempts._replace(energy_j=self._queries * attempts.energy_j)

    def _look_up(self, name: str, difficulty: ArrayLike, compute: Compute, is_bad: IsBad = _not_finite) -> FloatArray:
        wanted = np.asarray(difficulty, float)
        at = self._index(wanted)
        if not (self._levels.take(at) == wanted).all():
            return _checked(wanted, compute, is_bad)
        if name not in self._tables:
            self._tables[name] = compute(self._levels)
        return self._tables[name].take(at, axis=0)

    def _index(self, wanted: FloatArray) -> IntArray:
        """Return the nearest level if they are evenly spaced, as in the paper, without a search; else some level."""
        steps = (wanted - self._levels[0]) * self._per_level + 0.5
        return np.fmin(np.fmax(steps, 0), self._last).astype(np.int64)  # nan becomes 0


def _checked(wanted: FloatArray, compute: Compute, is_bad: IsBad) -> FloatArray:
    """Compute, and refuse a difficulty that takes no finite number of joules or seconds."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        values = compute(wanted)
    bad = is_bad(values).any(axis=-1)
    if bad.any():
        require(False, "difficulty", float(wanted[bad].ravel()[0]), "large enough (easy enough) for a finite energy")
    return values
