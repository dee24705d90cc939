"""Tasks of an episode: when they arrive, how difficult they are, how long they may wait."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

import numpy as np

from energy_route_env.checks import require, require_real, require_sequence
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.recorded import Record

LEAST_CV = 1e-8
"""Smallest coefficient of variation of the times between arrivals: below, nothing changes and 1 / cv^2 overflows."""


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


@dataclass(frozen=True, eq=False)
class RecordedArrivals:
    """Recorded counts of tasks, scaled to a wanted mean; an episode is a stretch of the record.

    Below the record's mean each task is kept with the probability mean / record's mean, independently; above, each
    stands for as many tasks as that ratio says, its fraction drawn for each. Mean and variances are the whole record's.

    Args:
        record: tasks of every slot, whole numbers.
        mean: wanted mean tasks of a slot.

    Raises:
        InputError: if the record has fractions, or the mean is not above 0.
    """

    record: Record
    mean: float

    def __post_init__(self) -> None:
        kind = self.record.series.dtype.kind
        require(kind in "iu", "record.series.dtype", str(self.record.series.dtype), "of whole numbers")
        require_real("mean", self.mean, 0.0, above=True)

    @property
    def _copies(self) -> tuple[int, float]:
        """How many tasks each recorded one stands for, and the probability of one more."""
        copies, more = divmod(self.mean / self.record.mean, 1.0)
        return int(copies), more

    def _scaled(self, variance: float) -> float:
        """Return a variance of the scaled counts by that of the recorded ones."""
        more = self._copies[1]
        return (self.mean / self.record.mean) ** 2 * variance + more * (1 - more) * self.record.mean

    @property
    def variance(self) -> float:
        return self._scaled(self.record.variance)

    @property
    def long_run_variance(self) -> float | None:
        """Known for an episode made of blocks: by overlapping batch means (`Record.long_run_variance`)."""
        long_run = self.record.long_run_variance
        return None if long_run is None else self._scaled(long_run)

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Draw a stretch of the record, then what each of its tasks stands for."""
        counts = self.record.draw(rng, n_slots).astype(np.int64)
        copies, more = self._copies
        return np.repeat(np.arange(n_slots), copies * counts + rng.binomial(counts, more))


@dataclass(frozen=True, eq=False)
class RateArrivals:
    """Arrivals at recorded rates, scaled to a wanted mean; an episode is a stretch of the record.

    Poisson where the times between arrivals have the coefficient of variation 1, else a stationary renewal process with
    Gamma times between arrivals, whose clock runs with the rate (Gerhardt and Nelson 2009): at a constant rate the
    variance of many slots' tasks tends to cv^2 times their mean.

    Args:
        record: mean tasks of every slot.
        mean: wanted mean tasks of a slot.
        cv: coefficient of variation of the times between arrivals, at a constant rate.

    Raises:
        InputError: if the mean is not above 0, or the cv is below `LEAST_CV`.
    """

    record: Record
    mean: float
    cv: float = 1.0

    def __post_init__(self) -> None:
        require_real("cv", self.cv, LEAST_CV)
        require_real("mean", self.mean, 0.0, above=True)

    @property
    def _factor(self) -> float:
        return self.mean / self.record.mean

    @property
    def variance(self) -> float:
        within = _renewal_variance(self._factor * self.record.series, self.cv)
        return float(within.mean()) + self._factor**2 * self.record.variance

    @property
    def long_run_variance(self) -> float | None:
        """cv^2 times the mean and the long-run variance of the rates, which is known for an episode made of blocks."""
        long_run = self.record.long_run_variance
        return None if long_run is None else self.cv**2 * self.mean + self._factor**2 * long_run

    def draw(self, rng: np.random.Generator, n_slots: int) -> IntArray:
        """Draw a stretch of rates, then the tasks."""
        rates = self._factor * self.record.draw(rng, n_slots)
        if self.cv == 1:
            return np.repeat(np.arange(n_slots), rng.poisson(rates))
        edges = rates.cumsum()
        times = _renewals(rng, float(edges[-1]), self.cv)
        return edges.searchsorted(times, side="right")


def _renewals(rng: np.random.Generator, end: float, cv: float) -> FloatArray:
    """Draw the renewals before `end` of a stationary process of rate 1 with Gamma times between them."""
    shape = cv**-2
    times = rng.random(1) * rng.standard_gamma(shape + 1, 1) / shape  # to the first: a share of a length-biased time
    while times[-1] < end:
        more = int(end - times[-1] + 4 * cv * math.sqrt(end)) + 4
        times = np.append(times, times[-1] + rng.standard_gamma(shape, more).cumsum() / shape)
    return times[times < end]


def _renewal_variance(lengths: FloatArray, cv: float) -> FloatArray:
    """Return the variance of the renewals of that process in intervals of these lengths.

    Var N(t) = t + 2 int_0^t M - t^2 with the renewal function M(u) = sum_k P(k times are u or less); it tends to
    cv^2 t + (1 - cv^4) / 6 (Cox 1962), which is used where t is long.
    """
    from scipy import special

    if cv == 1:
        return lengths
    shape, long = cv**-2, 50 * max(1.0, cv**2)
    variance = cv**2 * lengths + (1 - cv**4) / 6
    short, where = np.unique(lengths[lengths < long], return_inverse=True)
    k = np.arange(1, int(long * 2 + 20 * max(cv, 1.0) ** 2))[:, None]
    parts = short * special.gammainc(k * shape, shape * short) - k * special.gammainc(k * shape + 1, shape * short)
    variance[lengths < long] = (short + 2 * parts.sum(axis=0) - short**2)[where]
    return variance


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
