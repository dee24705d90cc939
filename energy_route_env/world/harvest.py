"""Sources of harvest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from energy_route_env.checks import require, require_real, require_sequence
from energy_route_env.units import FloatArray
from energy_route_env.world.recorded import Part, described, draw_starts, read_columns, require_part, window


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
    def long_run_variance_j2(self) -> float | None:
        """The variance plus twice the sum of all autocovariances, in joules squared; None where it is unknown.

        Over n slots the harvest's variance tends to n times this. Where slots are independent it is the variance.
        """

    @property
    def correlation(self) -> float:
        """The rho of a slot with the next one, if slots k apart have rho^k; 0 under another law, or an unknown one.

        The receding-climatology dispatcher expects what departs from the mean to fade so.
        """

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        """Harvest of `n_slots` consecutive slots in joules, shape (n_slots,)."""


@dataclass(frozen=True)
class GammaHarvest:
    """Independent Gamma harvests; with a coefficient of variation below 1e-8, every slot's harvest is the mean."""

    mean_j: float
    coefficient_of_variation: float
    correlation: ClassVar[float] = 0.0

    @property
    def variance_j2(self) -> float:
        return (self.mean_j * self.coefficient_of_variation) ** 2

    @property
    def long_run_variance_j2(self) -> float:
        return self.variance_j2

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        if self.coefficient_of_variation < 1e-8 or self.mean_j == 0:
            return np.full(n_slots, self.mean_j)
        shape = self.coefficient_of_variation**-2
        return rng.standard_gamma(shape, n_slots) * (self.mean_j / shape)


@dataclass(frozen=True)
class BetaGammaHarvest:
    """Gamma harvests that remember: slots k apart have the correlation rho^k (Lewis, McKenzie and Hugus 1989).

    H' = B H + G with kappa = cv^-2, B ~ Beta(kappa rho, kappa (1 - rho)) and G ~ Gamma(kappa (1 - rho)) of the scale
    mean / kappa. Every slot is Gamma like those of `GammaHarvest`; so is the first.

    Args:
        mean_j: mean harvest of a slot in joules.
        coefficient_of_variation: of a slot's harvest.
        correlation: rho in [0, 1), of a slot with the next one; 0 draws what `GammaHarvest` draws.

    Raises:
        InputError: if an argument is negative, or the correlation is 1 or more.
    """

    mean_j: float
    coefficient_of_variation: float
    correlation: float

    def __post_init__(self) -> None:
        for name in ("mean_j", "coefficient_of_variation", "correlation"):
            require_real(name, getattr(self, name), 0.0)
        require(self.correlation < 1, "correlation", self.correlation, "below 1")

    @property
    def variance_j2(self) -> float:
        return self._independent.variance_j2

    @property
    def long_run_variance_j2(self) -> float:
        return self.variance_j2 * (1 + self.correlation) / (1 - self.correlation)

    @property
    def _independent(self) -> GammaHarvest:
        return GammaHarvest(self.mean_j, self.coefficient_of_variation)

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        if self.coefficient_of_variation < 1e-8 or self.mean_j == 0 or self.correlation == 0:
            return self._independent.draw(rng, n_slots)
        shape, rho, later = self.coefficient_of_variation**-2, self.correlation, n_slots - 1
        first_j = self._independent.draw(rng, 1).item()
        kept = rng.beta(shape * rho, shape * (1 - rho), later).tolist()
        fresh_j = (rng.standard_gamma(shape * (1 - rho), later) * (self.mean_j / shape)).tolist()
        steps = zip(kept, fresh_j, strict=True)  # lists: each slot needs the one before it
        return np.array(list(accumulate(steps, lambda h, step: step[0] * h + step[1], initial=first_j)))


@dataclass(frozen=True, eq=False)
class RecordedHarvest:
    """A recorded series that repeats; an episode starts at a random midnight of it.

    Its `repr` names the data but no part, as that of `Record`.
    Its long-run variance is unknown: days and seasons are no noise, and a record is too short to tell them apart.

    Args:
        series_j: harvest of every slot of the record in joules, whole days from a midnight on.
        slots_per_day: slots from one midnight to the next.
        part: whether episodes, each with the day before it, are taken from all of the record, or from what is for
            training or for testing (`draw_starts`). Mean and variance are the whole record's.
    """

    series_j: FloatArray
    slots_per_day: int
    part: Part = "all"
    correlation: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        require_part(self.part)

    def __repr__(self) -> str:
        return f"RecordedHarvest({described(self.series_j)}, slots_per_day={self.slots_per_day})"

    @property
    def mean_j(self) -> float:
        return float(self.series_j.mean())

    @property
    def variance_j2(self) -> float:
        return float(self.series_j.std()) ** 2

    @property
    def long_run_variance_j2(self) -> None:
        return None

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        return window(self.series_j, self.draw_start(rng, n_slots), n_slots)

    def draw_start(self, rng: np.random.Generator, n_slots: int) -> int:
        """Draw the slot at which an episode of so many slots begins."""
        days = 1 - (-n_slots // self.slots_per_day)  # the day before belongs to it
        (before,) = draw_starts(rng, self.part, len(self.series_j) // self.slots_per_day, days, 1)
        return self.slots_per_day * int(before + (self.part != "all"))


@dataclass(frozen=True)
class HarvestFile:
    """Hourly columns of a recorded file, each of which brings the same mean harvest; whole days from a midnight on.

    Args:
        file: path of a CSV file with a head, or the name of one that ships with the package.
        columns: names of its columns, one row for each hour.
        part: see `RecordedHarvest`.

    Raises:
        InputError: if the part is unknown; when it is read, if the file or a column is missing, or a column brings
            nothing.
    """

    file: str
    columns: tuple[str, ...]
    part: Part = field(default="all", repr=False)  # a policy's card holds the repr: all parts are one service
    correlation: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", require_sequence("columns", self.columns, "one or more names"))
        require_part(self.part)

    @property
    def slots_per_day(self) -> int:
        return 24

    @property
    def record(self) -> RecordedHarvest:
        """The mean over the columns, each divided by its mean."""
        series_j = equal_shares(self.file, self.columns, read_columns(self.file, self.columns))
        return RecordedHarvest(series_j, self.slots_per_day, self.part)

    @property
    def mean_j(self) -> float:
        return self.record.mean_j

    @property
    def variance_j2(self) -> float:
        return self.record.variance_j2

    @property
    def long_run_variance_j2(self) -> None:
        return None

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        return self.record.draw(rng, n_slots)


def equal_shares(file: str, names: Sequence[str], columns: Sequence[FloatArray]) -> FloatArray:
    """Return the mean over a file's columns, each divided by its mean; refuse one that brings nothing."""
    for name, column in zip(names, columns, strict=True):
        require(bool(column.mean() > 0), f"mean of {name} in {file}", 0.0, "above 0")
    return np.mean([column / column.mean() for column in columns], axis=0)


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
    def long_run_variance_j2(self) -> float | None:
        long_run = self.source.long_run_variance_j2
        return None if long_run is None else self.factor**2 * long_run

    @property
    def correlation(self) -> float:
        return self.source.correlation

    def draw(self, rng: np.random.Generator, n_slots: int) -> FloatArray:
        return self.factor * self.source.draw(rng, n_slots)
