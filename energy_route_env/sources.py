"""What draws an episode's outside world from a Generator: the only place in this package that draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from energy_route_env.scaling_laws import FloatArray
from energy_route_env.traces import IntArray


class HarvestSource(Protocol):
    """Anything that draws the harvest of an episode's slots."""

    @property
    def mean_j(self) -> float:
        """Mean harvest of a slot in joules."""

    @property
    def std_j(self) -> float:
        """Standard deviation of a slot's harvest in joules."""

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        """Harvest of `n_slots` consecutive slots in joules."""


@dataclass(frozen=True)
class GammaHarvest:
    """Independent Gamma harvests; a coefficient of variation of 0 (below 1e-8) makes every slot's harvest the mean."""

    mean_j: float
    coefficient_of_variation: float

    @property
    def std_j(self) -> float:
        """Standard deviation of a slot's harvest in joules."""
        return self.mean_j * self.coefficient_of_variation

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        """Harvest of `n_slots` slots in joules."""
        if self.coefficient_of_variation < 1e-8 or self.mean_j == 0:
            return np.full(n_slots, self.mean_j)
        shape = self.coefficient_of_variation**-2
        return rng.standard_gamma(shape, n_slots) * (self.mean_j / shape)


@dataclass(frozen=True)
class RecordedHarvest:
    """A recorded series that repeats; an episode starts at a random midnight of it.

    Args:
        series_j: harvest of every slot of the record in joules, whole days from a midnight on.
        slots_per_day: slots from one midnight to the next.
    """

    series_j: FloatArray = field(repr=False)
    slots_per_day: int

    @property
    def mean_j(self) -> float:
        """Mean harvest of a slot in joules."""
        return float(self.series_j.mean())

    @property
    def std_j(self) -> float:
        """Standard deviation of a slot's harvest in joules, over the whole record."""
        return float(self.series_j.std())

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        """Harvest of `n_slots` slots from a random midnight on, in joules."""
        start = self.slots_per_day * rng.integers(len(self.series_j) // self.slots_per_day)
        return self.series_j.take(np.arange(start, start + n_slots), mode="wrap")


def draw_arrivals(rng: np.random.Generator, rate: float, n_slots: int) -> IntArray:
    """Arrival slots of a Poisson process, in order: a Poisson total, each task in a slot of its own drawing.

    Args:
        rng: the generator.
        rate: mean arrivals per slot.
        n_slots: slots of the episode.
    """
    return np.sort(_draw_index(rng, n_slots, rng.poisson(rate * n_slots)))


def draw_difficulties(rng: np.random.Generator, levels: FloatArray, n_tasks: int) -> FloatArray:
    """Independent difficulties, every level equally likely."""
    return levels.take(_draw_index(rng, len(levels), n_tasks))


def draw_deadlines(rng: np.random.Generator, share: float, deadline_slots: int, n_tasks: int) -> IntArray:
    """The deadline for a random share of the tasks, 0 (cannot wait) for the others."""
    if deadline_slots == 0:
        return np.zeros(n_tasks, np.int64)
    return deadline_slots * (rng.random(n_tasks) < share)


def draw_noise(rng: np.random.Generator, values: FloatArray, std: float) -> FloatArray:
    """The values plus independent normal noise; with a standard deviation of 0 the values themselves."""
    return values if std == 0 else values + std * rng.standard_normal(len(values))


def _draw_index(rng: np.random.Generator, n_choices: int, n_draws: int) -> IntArray:
    """Uniform indices. Half the time of `Generator.integers`; the bias is below n_choices / 2^53."""
    return (rng.random(n_draws) * n_choices).astype(np.int64)
