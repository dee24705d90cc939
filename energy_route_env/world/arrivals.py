"""Tasks of an episode: when they arrive, how difficult they are, how long they may wait."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from energy_route_env.units import FloatArray, IntArray


@runtime_checkable
class ArrivalSource(Protocol):
    """Anything that draws when tasks arrive. To add one, write a class with these members."""

    @property
    def mean(self) -> float:
        """Mean tasks of a slot."""

    @property
    def variance(self) -> float:
        """Variance of a slot's number of tasks."""

    @property
    def has_independent_slots(self) -> bool:
        """Whether slots are independent of each other."""

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Arrival slot of every task in `n_slots` slots, not decreasing, shape (n_tasks,)."""


@dataclass(frozen=True)
class PoissonArrivals:
    """A Poisson process with so many tasks per slot on average."""

    mean: float
    has_independent_slots: ClassVar[bool] = True

    @property
    def variance(self) -> float:
        return self.mean

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Draw a Poisson total, then each task's slot, and sort them."""
        return np.sort(draw_index(rng, n_slots, rng.poisson(self.mean * n_slots)))


def draw_difficulties(rng: np.random.Generator, levels: FloatArray, n_tasks: int) -> FloatArray:
    """Draw independent difficulties, every level equally likely."""
    return levels.take(draw_index(rng, len(levels), n_tasks))


def draw_deadlines(rng: np.random.Generator, share: float, deadline_slots: int, n_tasks: int) -> IntArray:
    """Give a random share of the tasks the deadline, the others 0 (cannot wait)."""
    if deadline_slots == 0:
        return np.zeros(n_tasks, np.int64)
    return deadline_slots * (rng.random(n_tasks) < share)


def draw_noise(rng: np.random.Generator, values: FloatArray, std: float) -> FloatArray:
    """Add independent normal noise; with a standard deviation of 0, return the values themselves."""
    return values if std == 0 else values + std * rng.standard_normal(len(values))


def draw_index(rng: np.random.Generator, n_choices: int, n_draws: int) -> IntArray:
    """Draw uniform indices, twice as fast as `Generator.integers`; the bias is below n_choices / 2^53."""
    return (rng.random(n_draws) * n_choices).astype(np.int64)
