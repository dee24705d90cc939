"""From files of one's own to sources: a log of requests, a table of rates, a series of power."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import InputError, require, require_real
from energy_route_env.world.arrivals import RateArrivals, RecordedArrivals
from energy_route_env.world.files import chunks, load_pandas
from energy_route_env.world.harvest import RecordedHarvest, equal_shares
from energy_route_env.world.recorded import Part, Record
from energy_route_env.world.series import MOST_SLOTS, Table
from energy_route_env.world.tables import DAY_NS, FEW, UNITS_NS, Clock, Nanoseconds, Repairs, require_few

if TYPE_CHECKING:
    import pandas as pd

Start: TypeAlias = Literal["any", "midnight"]
YEAR_S = 366 * 86_400
PAGE = 1 << 16
"""Slots that are counted in one array."""


def read_log(
    file: str,
    slot_seconds: float,
    *,
    time_column: str = "",
    unit: str = "s",
    zone: str | None = None,
    mean: float | None = None,
    start: Start = "any",
    block_slots: int | None = None,
    part: Part = "all",
) -> tuple[RecordedArrivals, Repairs]:
    """Count the requests of a log by slot, chunk by chunk: memory goes by slots, not by rows.

    Args:
        file: path of a CSV or Parquet file, one row for each request.
        slot_seconds: length of a slot.
        time_column: the column of times; by default the first, or the one that is said to be of times (`find_times`).
        unit: unit of times that are numbers.
        zone: time zone or UTC offset of times without one, and of midnights.
        mean: wanted mean requests of a slot; the record's by default.
        start: whether episodes begin at any slot of the record, or at a midnight. Then only whole days are kept.
        block_slots: see `Record`.
        part: see `Record`.

    Returns:
        The source, and what was taken and repaired.

    Raises:
        InputError: naming file, row and reason, if a row can neither be read nor repaired.
        MissingExtra: if pandas is missing.
    """
    slot_ns = _slot_ns(slot_seconds)
    clock, counts, twice = Clock(file, time_column, unit, zone, is_log=True), _Counts(file, slot_ns), _Duplicates()
    for first_row, chunk in chunks(file, (time_column,)):
        given, times = clock.read(first_row, chunk)
        again = twice.find(chunk[given], times, first_row + np.flatnonzero(given))
        counts.add(times[~again], first_row)
    clock.check()
    clock.found["duplicate"] = twice.count
    require_few(file, "duplicate", twice.count, clock.rows, twice.first_row)
    if clock.coarse_ns:
        clock.found["rounded"] = clock.rows
        stamps = f"a multiple of {clock.coarse_ns / 1e9:g} s, to which the times in {file} are rounded"
        require(slot_ns % clock.coarse_ns == 0, "slot_seconds", slot_seconds, stamps)
    record = _record(file, *counts.series(), clock.offset_ns, slot_ns, (start, block_slots, part))
    repairs = Repairs.of(clock, len(record.series), slot_ns)
    return RecordedArrivals(record, record.mean if mean is None else mean), repairs


class _Duplicates:
    """Finds requests written twice: rows of two or more columns, equal to the one before, in no whole second."""

    def __init__(self) -> None:
        self.count = self.first_row = 0
        self._last: pd.DataFrame | None = None
        self._last_time = -(2**63)

    def find(self, rows: pd.DataFrame, times: Nanoseconds, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these rows, of these numbers in the file, repeat the one before."""
        before = np.append(self._last_time, times)[:-1]
        alike = np.flatnonzero((times == before) & (times % UNITS_NS["s"] != 0) & (rows.shape[1] > 1))
        same = np.zeros(len(times), bool)
        if len(alike) > 0:
            pd = load_pandas()
            ahead = pd.concat([rows.iloc[:1] if self._last is None else self._last, rows]).iloc[alike].to_numpy(object)
            these = rows.iloc[alike].to_numpy(object)
            same[alike] = ((these == ahead) | (pd.isna(these) & pd.isna(ahead))).all(axis=1)
            if not self.count and same.any():
                self.first_row = int(numbers[same][0])
            self.count += int(same.sum())
        if len(times) > 0:
            self._last, self._last_time = rows.iloc[-1:], int(times[-1])
        return same


class _Counts:
    """Requests by slot, in pages that are made when they are needed."""

    def __init__(self, file: str, slot_ns: int) -> None:
        self.file, self.slot_ns = file, slot_ns
        self.pages: dict[int, NDArray[np.uint32]] = {}
        self.ends: list[tuple[int, int]] = []
        """The first and the last slot, and the chunk's first row of each."""

    def add(self, times: Nanoseconds, first_row: int) -> None:
        """Count these times."""
        if len(times) == 0:
            return
        slots, counts = np.unique(times // self.slot_ns, return_counts=True)
        pages, where = np.unique(slots // PAGE, return_index=True)
        for page, these, n in zip(pages.tolist(), np.split(slots, where[1:]), np.split(counts, where[1:]), strict=True):
            if page not in self.pages:
                spread_over = (len(self.pages) + 1) * PAGE
                require(spread_over <= 2 * MOST_SLOTS, f"slots in {self.file}", spread_over, f"{MOST_SLOTS} at most")
                self.pages[page] = np.zeros(PAGE, np.uint32)
            self.pages[page][these - page * PAGE] += n.astype(np.uint32)
        ends = [*self.ends, (int(slots[0]), first_row), (int(slots[-1]), first_row)]
        self.ends = [min(ends), max(ends)]

    def series(self) -> tuple[int, NDArray[np.uint32]]:
        """Return the first slot and the counts from it on, without the slots that the record's ends cut."""
        (first, first_row), (last, last_row) = self.ends
        n = last - first - 1
        rows = f"its earliest time is in row {first_row + 1} or after it, its latest in row {last_row + 1} or after it"
        require(2 <= n <= MOST_SLOTS, f"whole slots in {self.file}", n, f"2 to {MOST_SLOTS}: {rows}")
        series = np.zeros(n, np.uint32)
        while self.pages:
            page, counts = self.pages.popitem()
            start = page * PAGE - first - 1
            series[max(start, 0) : max(start + PAGE, 0)] = counts[max(-start, 0) : max(n - start, 0)]
        return first + 1, series


def read_rates(
    file: str,
    slot_seconds: float,
    *,
    rate_column: str = "",
    time_column: str = "",
    unit: str = "s",
    zone: str | None = None,
    cv: float | str = 1.0,
    mean: float | None = None,
    start: Start = "any",
    block_slots: int | None = None,
    part: Part = "all",
) -> tuple[RateArrivals, Repairs]:
    """Read a table of rates: each holds from its time to the next row's.

    Args:
        file: path of a CSV or Parquet file.
        slot_seconds: length of a slot.
        rate_column: the column of requests a second; the one after the times by default.
        time_column: the column of times; by default the first, or the one that is said to be of times (`find_times`).
        unit: unit of times that are numbers.
        zone: time zone or UTC offset of times without one, and of midnights.
        cv: coefficient of variation of the times between requests, or the column that has it (empty: 1); one cv is used
            for all, whose square is the mean square by requests.
        mean: wanted mean requests of a slot; the record's by default.
        start: whether episodes begin at any slot of the record, or at a midnight. Then only whole days are kept.
        block_slots: see `Record`.
        part: see `Record`.

    Returns:
        The source, and what was taken and repaired.

    Raises:
        InputError: naming file, row and reason, if a row can neither be read nor repaired.
        MissingExtra: if pandas is missing.
    """
    slot_ns = _slot_ns(slot_seconds)
    columns = (rate_column, cv) if isinstance(cv, str) else (rate_column,)
    table = Table.read(Clock(file, time_column, unit, zone, is_log=False), columns, slot_ns, blank=1.0)
    for begin, end, before, after in np.vstack([table.bounds, table.rows + 1])[:, table.is_long].T.tolist():
        gap = f"{(end - begin) / 3.6e12:g} h from {np.datetime64(begin, 'ns')}"
        raise InputError(
            f"the gap between rows {before} and {after} of {file} is {gap}, but it must be at most two hours."
        )
    edges = _edges(table, slot_ns, slot_ns)
    require(len(edges) > 2, f"whole slots in {file}", len(edges) - 1, "2 or more")
    rates = table.amounts(0, edges)
    record = _record(file, int(edges[0]) // slot_ns, rates, table.clock.offset_ns, slot_ns, (start, block_slots, part))
    used = math.sqrt(table.mean_square(1)) if isinstance(cv, str) else cv
    repairs = Repairs.of(table.clock, len(record.series), slot_ns, table.names)
    return RateArrivals(record, record.mean if mean is None else mean, used), repairs


def read_power(
    file: str,
    slot_seconds: float,
    *,
    columns: tuple[str, ...] = (),
    time_column: str = "",
    unit: str = "s",
    zone: str | None = None,
    stamped: Literal["start", "end"] = "start",
    part: Part = "all",
) -> tuple[RecordedHarvest, Repairs]:
    """Read a series of power at any step: each value holds from its time to the next row's. Energy is kept.

    Args:
        file: path of a CSV or Parquet file.
        slot_seconds: length of a slot, a divisor of the day.
        columns: the columns of power, in W; the one after the times by default. Each of several brings the same mean.
        time_column: the column of times; by default the first, or the one that is said to be of times (`find_times`).
        unit: unit of times that are numbers.
        zone: time zone or UTC offset of times without one, and of midnights: those of its standard time.
        stamped: whether a row's time is the start or the end of what it holds for.
        part: see `RecordedHarvest`.

    Returns:
        The source, whole days in joules (per mean W and column where there are several); what was taken and repaired.

    Raises:
        InputError: naming file, row and reason, if a row can neither be read nor repaired.
        MissingExtra: if pandas is missing.
    """
    slot_ns = _slot_ns(slot_seconds)
    day = _day_slots(slot_ns)
    require(stamped in ("start", "end"), "stamped", stamped, "'start' or 'end'")
    clock = Clock(file, time_column, unit, zone, is_log=False)
    table = Table.read(clock, columns or ("",), slot_ns, stamped, FEW)
    edges = _edges(table, slot_ns, DAY_NS)
    require(len(edges) > day, f"whole days in {file}", 0, "1 or more")
    kept = table.whole_days(edges, day)
    require(bool(kept.any()), f"days without a long gap in {file}", 0, "1 or more")
    series = [table.amounts(k, edges).reshape(-1, day)[kept].ravel() for k in range(len(table.values))]
    joules = series[0] if len(series) == 1 else equal_shares(file, columns, series)
    require(bool(joules.sum() > 0), f"harvest in {file}", 0.0, "above 0")
    return RecordedHarvest(joules, day, part), Repairs.of(clock, len(joules), slot_ns, table.names)


def _edges(table: Table, slot_ns: int, unit_ns: int) -> Nanoseconds:
    """Return the edges of the slots within a table, from a multiple of a unit (a day: a midnight) to one."""
    offset = table.clock.offset_ns if unit_ns == DAY_NS else 0
    first, last = -(-(table.times[0] + offset) // unit_ns), (table.times[-1] + offset) // unit_ns
    n_slots = int(last - first) * (unit_ns // slot_ns)
    return first * unit_ns - offset + slot_ns * np.arange(n_slots + 1)


def _slot_ns(slot_seconds: float) -> int:
    require_real("slot_seconds", slot_seconds, 0.0, above=True)
    require(1e-6 <= slot_seconds <= YEAR_S, "slot_seconds", slot_seconds, f"from a microsecond to a year, {YEAR_S} s")
    return round(slot_seconds * 1e9)


def _day_slots(slot_ns: int) -> int:
    """Return the slots of a day."""
    require(DAY_NS % slot_ns == 0, "slot_seconds", slot_ns / 1e9, "a divisor of the day (86400 s) for midnights")
    return DAY_NS // slot_ns


def _record(
    file: str,
    first_slot: int,
    series: NDArray[Any],
    offset_ns: int,
    slot_ns: int,
    cut: tuple[Start, int | None, Part],
) -> Record:
    """Return a series as a record, cut to whole days where episodes begin at midnight; slots count from 1970 on."""
    start, block_slots, part = cut
    require(start in get_args(Start), "start", start, f"one of {get_args(Start)}")
    if start == "any":
        return Record(series, 1, block_slots, part)
    day = _day_slots(slot_ns)
    require(offset_ns % slot_ns == 0, "slot_seconds", slot_ns / 1e9, "a divisor of the UTC offset for midnights")
    skipped = -(first_slot + offset_ns // slot_ns) % day
    days = (len(series) - skipped) // day
    require(days >= 1, f"whole days in {file}", max(days, 0), "1 or more to begin at midnight")
    return Record(series[skipped : skipped + days * day], day, block_slots, part)
