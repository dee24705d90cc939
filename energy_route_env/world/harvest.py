"""Sources of harvest."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from energy_route_env.units import FloatArray


@runtime_checkable
class HarvestSource(Protocol):
    """Anything that draws the harvest of an episode's slots. To add one, write a class with these members."""

    @property
    def mean_j(self) -> float:
        """Mean harvest of a slot in joules."""

    @property
    def variance_j2(self) -> float:
        """Variance of a slot's harvest in joules squared."""

    @property
    def has_independent_slots(self) -> bool:
        """Whether slots are independent of each other."""

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        """Harvest of `n_slots` consecutive slots in joules, shape (n_slots,)."""


@dataclass(frozen=True)
class GammaHarvest:
    """Independent Gamma harvests; with a coefficient of variation below 1e-8, every slot's harvest is the mean."""

    mean_j: float
    coefficient_of_variation: float
    has_independent_slots: ClassVar[bool] = True

    @property
    def variance_j2(self) -> float:
        return (self.mean_j * self.coefficient_of_variation) ** 2

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
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
    has_independent_slots: ClassVar[bool] = False

    @property
    def mean_j(self) -> float:
        return float(self.series_j.mean())

    @property
    def variance_j2(self) -> float:
        return float(self.series_j.std()) ** 2

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        start = self.slots_per_day * rng.integers(len(self.series_j) // self.slots_per_day)
        return self.series_j.take(np.arange(start, start + n_slots), mode="wrap")


@dataclass(frozen=True)
class ScaledHarvest:
    """A source's harvest times a factor."""

    source: HarvestSource
    factor: float

    @property
    def mean_j(self) -> float:
        return self.factor * self.source.mean_j

    @property
    def variance_j2(self) -> float:
        return self.factor**2 * self.source.variance_j2

    @property
    def has_independent_slots(self) -> bool:
        return self.source.has_independent_slots

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        return self.factor * self.source.draw(rng, n_slots)
