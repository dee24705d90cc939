"""What a joule from the grid counts: 1, or its carbon or its price, slot by slot."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from energy_route_env.checks import require, require_real
from energy_route_env.units import FloatArray
from energy_route_env.world.recorded import read_columns, window


@runtime_checkable
class GridSource(Protocol):
    """Anything that says what a joule from the grid counts. To add one, write a class with these members."""

    @property
    def unit(self) -> str:
        """The unit of what is counted, as in "kg CO2"."""

    @property
    def mean(self) -> float:
        """What a joule counts on average, above 0."""

    def draw(self, rng: np.random.Generator, n_slots: int, start: int | None) -> FloatArray:
        """What a joule counts in `n_slots` consecutive slots, at least 0, shape (n_slots,).

        `start` is the slot of the record at which the harvest begins, None if the harvest is no record.
        """


@dataclass(frozen=True)
class RecordedGrid:
    """A column of a recorded file, times a factor. It repeats, and begins where the harvest's record does.

    Args:
        file: path of a CSV file with a head, or the name of one that ships with the package.
        column: the name of its column, one row for each slot.
        factor: what one of the column's unit counts for a joule, in `unit`.
        unit: the unit of what is counted.

    Raises:
        InputError: when it is read, if the file or its column is missing, or a value is below 0.
    """

    file: str
    column: str
    factor: float
    unit: str

    def __post_init__(self) -> None:
        require_real("factor", self.factor, 0.0, above=True)
        require(isinstance(self.unit, str), "unit", self.unit, "a string")

    @property
    def series(self) -> FloatArray:
        """What a joule counts in every slot of the record, shape (slots of the record,)."""
        return self.factor * read_columns(self.file, (self.column,))[0]

    @property
    def mean(self) -> float:
        return float(self.series.mean())

    def draw(self, rng: np.random.Generator, n_slots: int, start: int | None) -> FloatArray:
        (column,) = read_columns(self.file, (self.column,))
        return self.factor * window(column, int(rng.integers(len(column))) if start is None else start, n_slots)
