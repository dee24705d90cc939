"""Values over time from a table of one's own: in order, each time once, with gaps filled."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import require
from energy_route_env.units import FloatArray
from energy_route_env.world.files import chunks
from energy_route_env.world.recorded import spread
from energy_route_env.world.tables import (
    DAY_NS,
    UNITS_NS,
    Clock,
    Nanoseconds,
    find_values,
    numbers,
    refuse,
    require_few,
)

MOST_SLOTS = 10**8
LONGEST_GAP_NS = 2 * UNITS_NS["h"]


class Table(NamedTuple):
    """A table of values over time, repaired: rows rise in time, and gaps are filled."""

    clock: Clock
    names: list[str]
    """Of the columns of values."""
    times: Nanoseconds
    """When each row begins, and when the last one ends, shape (n + 1,)."""
    values: FloatArray
    """Shape (columns, n)."""
    bounds: Nanoseconds
    """Beginning and end of each gap, shape (2, gaps)."""
    is_long: NDArray[np.bool_]
    """Which gaps are longer than two hours, shape (gaps,)."""
    rows: NDArray[np.int64]
    """The file's rows before and after each gap, from 0 on, shape (2, gaps)."""

    @classmethod
    def read(
        cls,
        clock: Clock,
        columns: tuple[str, ...],
        slot_ns: int,
        stamped: str = "start",
        negative: float = 0.0,
        blank: float = math.nan,
    ) -> Table:
        """Read columns (an empty name: that of `find_values`) whose values may be below 0 by a share of the largest.

        Refuse what spans more than `MOST_SLOTS`.
        An empty value is `blank` in the columns after the first, and a gap in the first, as nan is in all.
        """
        file, parts = clock.file, []
        for first_row, chunk in chunks(file, (clock.column, *columns)):
            given, times = clock.read(first_row, chunk)
            names = [name or find_values(file, chunk, clock.column) for name in columns]
            values = np.stack([numbers(file, first_row, chunk[name])[given] for name in names])
            parts.append((times, values, first_row + np.flatnonzero(given)))
        clock.check()
        times, values, row = (np.concatenate(some, axis=-1) for some in zip(*parts, strict=True))
        values[1:] = np.where(np.isnan(values[1:]), blank, values[1:])
        values = _without_negatives(file, names, values, row, negative, clock.found)
        times, values, row = _in_order(file, times, values, row, clock.found)
        _require_span(file, times, row, slot_ns)
        return cls._filled(clock, names, times, values, row, stamped == "end")

    @classmethod
    def _filled(
        cls, clock: Clock, names: list[str], times: Nanoseconds, values: FloatArray, row: NDArray[np.int64], ends: bool
    ) -> Table:
        """Fill the gaps: a row that would hold for more than one and a half usual steps ends after one.

        A long gap gets a single row, since nothing is taken from it.
        """
        lengths = np.diff(times)
        step = int(np.median(lengths))
        gaps = np.flatnonzero(lengths > 1.5 * step)
        shift = step if ends else 0
        bounds = np.stack([times[gaps] + step, times[gaps + 1]]) - shift
        missing = np.maximum(np.rint(lengths[gaps] / step).astype(np.int64) - 1, 1)
        is_long = bounds[1] - bounds[0] > LONGEST_GAP_NS
        missing[is_long] = 1
        filled_rows, what = int(missing[~is_long].sum()), f"rows missing in gaps of {clock.file}"
        require(filled_rows <= MOST_SLOTS, what, filled_rows, f"{MOST_SLOTS} at most")
        clock.found["filled"] += filled_rows
        new = np.repeat(times[gaps], missing) + step * _counting(missing)
        order = np.append(times, new).argsort(kind="stable")
        filled = np.stack([np.append(some, np.interp(new, times, some)) for some in values])[:, order]
        begins = np.append(times, new)[order] - shift
        return cls(
            clock,
            names,
            np.append(begins, begins[-1] + step),
            filled,
            bounds,
            is_long,
            np.stack([row[gaps], row[gaps + 1]]),
        )

    def amounts(self, column: int, edges: Nanoseconds) -> FloatArray:
        """Return a column's values times seconds, between edges."""
        seconds = (self.times - self.times[0]) / 1e9
        cumulated = np.append(0.0, (self.values[column] * np.diff(seconds)).cumsum())
        return spread(seconds, cumulated, (edges - self.times[0]) / 1e9)

    def mean_square(self, column: int) -> float:
        """Return the mean square of a column, weighted by the first one."""
        return float(np.average(self.values[column] ** 2, weights=self.values[0]))

    def whole_days(self, edges: Nanoseconds, day_slots: int) -> NDArray[np.bool_]:
        """Say which days no long gap touches, and count the others."""
        begins, ends = edges[:-1:day_slots], edges[day_slots::day_slots]
        gap_begins, gap_ends = self.bounds[:, self.is_long]
        kept = gap_ends.searchsorted(begins, side="right") == gap_begins.searchsorted(ends, side="left")
        self.clock.found["days left out"] += int((~kept).sum())
        return kept


def _without_negatives(
    file: str, names: list[str], values: FloatArray, row: NDArray[np.int64], share: float, found: Counter[str]
) -> FloatArray:
    """Take small negatives as 0; refuse those below minus this share of the largest value."""
    least = 0.0 - share * np.nanmax(values, axis=1, initial=0.0, keepdims=True)
    bad = np.argwhere(values < least)
    if len(bad):
        k, at = bad[0]
        raise refuse(file, int(row[at]), names[k], float(values[k, at]), f"at least {least[k, 0]:g}")
    found["negative"] += int((values < 0).any(axis=0).sum())
    return np.where(values < 0, 0.0, values)


def _in_order(
    file: str, times: Nanoseconds, values: FloatArray, row: NDArray[np.int64], found: Counter[str]
) -> tuple[Nanoseconds, FloatArray, NDArray[np.int64]]:
    """Sort by time, leave out rows without a value, and join those of the same time."""
    present = ~np.isnan(values).any(axis=0)
    found["no value"] += int((~present).sum())
    times, values, row = times[present], values[:, present], row[present]
    require(len(times) > 1, f"rows with a time and a value in {file}", len(times), "2 or more")
    order = times.argsort(kind="stable")
    times, values, row = times[order], values[:, order], row[order]
    again: NDArray[np.bool_] = np.append(False, np.diff(times) == 0)
    differs: NDArray[np.bool_] = again & np.append(False, (np.diff(values) != 0).any(axis=0))
    for name, rows in (("same time", differs), ("duplicate", again & ~differs)):
        found[name] += int(rows.sum())
        require_few(file, name, found[name], present.size, int(row[rows].min()) if rows.any() else 0)
    first: NDArray[np.int64] = np.flatnonzero(~again)
    if again.any():
        values = np.add.reduceat(values, first, axis=1) / np.diff(np.append(first, len(times)))
    return times[first], values, row[first]


def _require_span(file: str, times: Nanoseconds, row: NDArray[np.int64], slot_ns: int) -> None:
    """Refuse a file that a stray time stretches over more slots than there may be, with its longest gap."""
    span = int(times[-1]) - int(times[0])
    at = int(np.diff(times.astype(float)).argmax())
    days, rows = (int(times[at + 1]) - int(times[at])) / DAY_NS, row[at : at + 2] + 1
    gap = f"by time the longest gap is one of {days:g} days, between rows {rows[0]} and {rows[1]}"
    ok = span // slot_ns <= MOST_SLOTS and span < 2**63
    require(ok, f"slots in {file}", span // slot_ns, f"{MOST_SLOTS} at most, in less than 292 years: {gap}")


def _counting(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 1 to the first count, 1 to the second, and so on, in a row."""
    return np.arange(1, counts.sum() + 1) - np.repeat(counts.cumsum() - counts, counts)
