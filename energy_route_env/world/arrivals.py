"""Tasks of an episode: when they arrive, how difficult they are, how long they may wait."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

import numpy as np

from energy_route_env.checks import require, require_real, require_sequence
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
    def long_run_variance(self) -> float | None:
        """The variance plus twice the sum of all autocovariances; None where it is unknown.

        Over n slots the variance of the number of tasks tends to n times this. Where slots are independent it is the
        variance.
        """

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Arrival slot of every task in `n_slots` slots, not decreasing, shape (n_tasks,)."""


@dataclass(frozen=True)
class PoissonArrivals:
    """A Poisson process with so many tasks per slot on average."""

    mean: float

    @property
    def variance(self) -> float:
        return self.mean

    @property
    def long_run_variance(self) -> float:
        return self.mean

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Draw a Poisson total, then each task's slot, and sort them."""
        return np.sort(draw_index(rng, n_slots, rng.poisson(self.mean * n_slots)))


@dataclass(frozen=True)
class MarkovArrivals:
    """Poisson arrivals whose rate switches between two values (a Markov-modulated Poisson process).

    The state is drawn from its stationary law at first. Slots k apart have rates of the correlation r^k, where
    r = 1 - a - b.

    Args:
        rates: mean tasks of a slot in states 0 and 1.
        switching: probabilities a from state 0 to 1 and b back, from a slot to the next one, in (0, 1].

    Raises:
        InputError: if a rate is negative, or a probability lies outside (0, 1].
    """

    rates: tuple[float, float]
    switching: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("rates", "switching"):
            pair = require_sequence(name, getattr(self, name), "two numbers")
            require(len(pair) == 2, name, pair, "two numbers")
            object.__setattr__(self, name, pair)
        for rate in self.rates:
            require_real("rates (one of them)", rate, 0.0)
        for probability in self.switching:
            require_real("switching (one of them)", probability, 0.0, 1.0, above=True)

    @property
    def mean(self) -> float:
        low, high = self.rates
        return low + self._share * (high - low)

    @property
    def variance(self) -> float:
        return self.mean + self._rate_variance

    @property
    def long_run_variance(self) -> float:
        r = 1 - sum(self.switching)
        return self.mean + self._rate_variance * (1 + r) / (1 - r)

    @property
    def _share(self) -> float:
        """Share of the slots in state 1."""
        a, b = self.switching
        return a / (a + b)

    @property
    def _rate_variance(self) -> float:
        return self._share * (1 - self._share) * (self.rates[1] - self.rates[0]) ** 2

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Draw the states, then a Poisson number of tasks in each slot."""
        first, *later = rng.random(n_slots).tolist()
        a, b = self.switching
        states = accumulate(later, lambda high, u: u >= b if high else u < a, initial=first < self._share)
        counts = rng.poisson(np.take(self.rates, list(states)))
        return np.repeat(np.arange(n_slots), counts)


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
