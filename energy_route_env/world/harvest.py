"""What draws the harvest of an episode's slots from a Generator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from energy_route_env.units import FloatArray


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
