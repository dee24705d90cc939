"""Columns of tables of one's own: times of any kind as nanoseconds, numbers, and what had to be repaired (pandas)."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import InputError, require
from energy_route_env.units import FloatArray
from energy_route_env.world.files import load_pandas

if TYPE_CHECKING:
    import pandas as pd

Nanoseconds = NDArray[np.int64]
UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
"""Units of times that are numbers, in nanoseconds."""
DAY_NS = 24 * UNITS_NS["h"]
FEW = 0.01
"""Of the rows, at most this share may be missing, twice there, or below 0 by less than this share of the largest."""
RULES = {
    "unsorted": "earlier than the row before: sorted",
    "duplicate": "equal to another row: left out",
    "same time": "of the same time as another row, with other values: their mean is taken",
    "no time": "without a time: left out",
    "no value": "without a value: a gap",
    "negative": "below 0 by at most 1 % of the largest value: taken as 0",
    "filled": "missing in gaps of up to two hours: interpolated",
    "days left out": "days with a longer gap: left out",
    "offset": "of another UTC offset than the first row: all are put into one time",
    "repeated hour": "in the hour that the clock repeats: summer time up to where it steps back, then standard time",
    "rounded": "with times in whole seconds or minutes: those of the same time are different tasks",
}
"""What is repaired, by name, and how."""
LARGEST = 1e100
"""What is beyond would overflow in sums and squares."""
TIME_WORDS = {"t", "ts", "time", "times", "timestamp", "timestep", "date", "datetime"}
"""A column whose name has one of these words, or ends with one of the next, is said to be of times."""
LAST_WORDS = ("at", "on")
OFFSETS = "written as Z, +01, +0100 or +01:00"
_OFFSET = re.compile(r"[T :](?:\d\d){1,3}(?:[.,]\d+)? *(Z|[+-]\d\d(?::?\d\d)?)$", re.MULTILINE)


@dataclass(frozen=True)
class Repairs:
    """What was taken from a file and what was repaired; `str` says it in a line.

    Args:
        file: its path.
        rows: rows that were read.
        taken: which columns, in what unit, over what span.
        counts: for the names in `RULES` that were found, how many rows (or days).
    """

    file: str
    rows: int
    taken: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, clock: Clock, n_slots: int, slot_ns: int, values: Sequence[str] = ()) -> Repairs:
        """Freeze what the clock of a file has found, and log it."""
        whole = f"{n_slots} whole slots of {slot_ns / 1e9:g} s"
        taken = ", ".join([clock.span, *(f"values from {name!r}" for name in values), whole])
        found = {name: clock.found[name] for name in RULES if clock.found[name]}
        repairs = cls(clock.file, clock.rows, taken, found)
        logging.getLogger("energy_route_env").info("%s", repairs)
        return repairs

    def __str__(self) -> str:
        said = "; ".join(f"{count} {RULES[name]}" for name, count in self.counts.items())
        return f"{self.file}: {self.rows} rows; {self.taken}; {said or 'nothing to repair'}."


def refuse(file: str, row: int, column: str, value: Any, allowed: str) -> InputError:
    """Return the error for a value; rows are counted from 1 below the head."""
    plain = value.item() if isinstance(value, np.generic) else value
    return InputError(f"{column} of {file}, row {row + 1}, is {plain!r}, but it must be {allowed}.")


def require_few(file: str, what: str, count: int, rows: int, first: int) -> None:
    """Require that a repair concerns at most 1 % of the rows."""
    at = f", the first in row {first + 1}"
    require(count <= FEW * rows, f"rows of {file} {RULES[what].split(':')[0]}", count, f"at most 1 % of {rows}{at}")


def says_time(column: str) -> bool:
    """Say whether a column is one of times by its name.

    Example:
        >>> [name for name in ("t_s", "startTime", "created_at", "request_id", "rate") if says_time(name)]
        ['t_s', 'startTime', 'created_at']
    """
    words = [word.lower() for word in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", column) if word]
    return not TIME_WORDS.isdisjoint(words) or words[-1:] in [[word] for word in LAST_WORDS]


def find_times(file: str, table: pd.DataFrame) -> str:
    """Return the column of times where none was named, by the rule in docs/scenarios.md."""
    names = [str(name) for name in table.columns]
    if len(names) == 1 or says_time(names[0]) or _has_dates(table.iloc[:, 0]):
        return names[0]
    others = [name for name in names if says_time(name)]
    clear = f"named, as one of {names}: the first is no time, and by their names these are: {others or 'none'}"
    require(len(others) == 1, f"time_column of {file}", "", clear)
    return others[0]


def _has_dates(column: pd.Series[Any]) -> bool:
    """Say whether a column's first value is a date, not a number."""
    pd, first = load_pandas(), column.dropna()[:1].astype(str)
    dates = pd.to_datetime(first, format="ISO8601", errors="coerce", utc=True).notna()
    return bool((dates & pd.to_numeric(first, errors="coerce").isna()).any())


def find_values(file: str, table: pd.DataFrame, time_column: str) -> str:
    """Return the column of values where none was named: the one after the times, or before them where they are last."""
    names = list(table.columns)
    require(len(names) > 1, f"columns of {file}", names, "two or more: times and values")
    return str([*names, names[-2]][names.index(time_column) + 1])


def numbers(file: str, first_row: int, column: pd.Series[Any]) -> FloatArray:
    """Return a column of numbers, nan where it is empty; refuse dates, durations, flags and other text."""
    values = load_pandas().to_numeric(column, errors="coerce").to_numpy(float)
    if column.dtype.kind not in "iuf":
        values = np.where([_may_be_number(value) for value in column], values, np.nan)
    bad = (np.isnan(values) & column.notna().to_numpy()) | (np.abs(values) > LARGEST)
    if bad.any():
        at = int(bad.argmax())
        allowed = f"a finite number, at most {LARGEST:g} and at least {-LARGEST:g}"
        raise refuse(file, first_row + at, str(column.name), column.iloc[at], allowed)
    return values


def _may_be_number(value: Any) -> bool:
    """Say whether what pandas would turn into a number is meant as one: no date, duration or flag."""
    return isinstance(value, (str, Decimal, Real)) and not isinstance(value, bool)


def zone_of(zone: str) -> tzinfo:
    """Return the zone of a name or of a UTC offset.

    Raises:
        InputError: if there is none.

    Example:
        >>> zone_of("-07:00").utcoffset(None)
        datetime.timedelta(days=-1, seconds=61200)
    """
    allowed = "the name of a time zone, as America/Denver, or a UTC offset, as -07:00"
    require(isinstance(zone, str), "zone", zone, allowed)
    if fixed := re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", zone):
        sign, hours, minutes = fixed.groups()
        return timezone(int(f"{sign}1") * timedelta(hours=int(hours), minutes=int(minutes)))
    try:
        return ZoneInfo(zone)
    except (ValueError, LookupError, OSError) as error:
        raise InputError(f"zone is {zone!r}, but it must be {allowed}.") from error


def _standard_offset(zone: tzinfo, time_ns: int) -> int:
    """Return the zone's UTC offset of standard time in the year of this time, the smaller of winter and summer."""
    year = datetime.fromtimestamp(time_ns / 1e9, timezone.utc).year
    offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7)]
    return round(min(offsets).total_seconds()) * UNITS_NS["s"]


class Clock:
    """Turns a column of times into nanoseconds of universal time, chunk by chunk.

    Times are numbers in a unit, or ISO 8601. Without a UTC offset they are local times of `zone`, or universal time if
    there is none.

    Args:
        file: whose times, for messages.
        column: of the times; empty: that of `find_times`.
        unit: unit of times that are numbers, one of `UNITS_NS`.
        zone: name of a time zone or a UTC offset; None: that of the file.
        is_log: whether rows may have the same time. In a table the same time again is a step back of the clock.
    """

    def __init__(self, file: str, column: str, unit: str, zone: str | None, is_log: bool) -> None:
        require(unit in UNITS_NS, "unit", unit, f"one of {list(UNITS_NS)}")
        self.file, self.column, self.unit, self.is_log = file, column, unit, is_log
        self.found: Counter[str] = Counter()
        self.zone = None if zone is None else zone_of(zone)
        self.rows, self.first_without, self.coarse_ns = 0, 0, UNITS_NS["min"]
        self._offsets: list[str] = []
        self._kind: str | None = None
        self._latest_local: Any = None
        self._switched: Any = None
        self._latest_ns = self._first_ns = -(2**63)
        self._ends_ns: list[int] = []

    def read(self, first_row: int, table: pd.DataFrame) -> tuple[NDArray[np.bool_], Nanoseconds]:
        """Return which rows have a time, and these times in the file's order."""
        self.column = self.column or find_times(self.file, table)
        column = table[self.column]
        given = column.notna().to_numpy()
        self.rows += len(column)
        if not given.all():
            self.first_without = self.first_without if self.found["no time"] else first_row + int(given.argmin())
            self.found["no time"] += int((~given).sum())
        if not given.any():
            return given, np.empty(0, np.int64)
        times = self._in_utc(first_row, column)[given]
        before = np.append(self._latest_ns, times[:-1])
        self.found["unsorted"] += int((times < before).sum())
        if self._first_ns == -(2**63):
            self._first_ns = int(times[0])
        self._latest_ns = int(times[-1])
        ends = [*self._ends_ns, int(times.min()), int(times.max())]
        self._ends_ns = [min(ends), max(ends)]
        while self.coarse_ns and (times % self.coarse_ns).any():
            self.coarse_ns = UNITS_NS["s"] if self.coarse_ns > UNITS_NS["s"] else 0
        return given, times

    @property
    def offset_ns(self) -> int:
        """The UTC offset of standard time, which says when midnight is: the zone's, or the file's smallest."""
        if self.zone is not None:
            return _standard_offset(self.zone, self._first_ns)
        return min((_as_ns(offset) for offset in self._offsets), default=0)

    @property
    def span(self) -> str:
        """From which column the times are, in what unit, from when to when."""
        if self._kind == "numbers":
            unit, ends = f" in {self.unit}", [f"{end / UNITS_NS[self.unit]:.15g}" for end in self._ends_ns]
        else:
            unit, ends = "", [f"{np.datetime64(end, 'ns').astype('datetime64[s]')}Z" for end in self._ends_ns]
        return f"times from {self.column!r}{unit}: {ends[0]} to {ends[1]}"

    def check(self) -> None:
        """Refuse a file in which too many rows have no time."""
        require(self._kind is not None, f"times in {self.file}", 0, "1 or more")
        require_few(self.file, "no time", self.found["no time"], self.rows, self.first_without)

    def _in_utc(self, first_row: int, column: pd.Series[Any]) -> Nanoseconds:
        """Return the times of all rows; of rows without one, anything."""
        pd = load_pandas()
        if column.dtype.kind == "M":
            self._take_kind(first_row, column, "times with a UTC offset" if column.dt.tz else "times without one")
            return self._localised(first_row, column) if column.dt.tz is None else _ns(column)
        values = pd.to_numeric(column, errors="coerce")
        if not pd.isna(values[column.notna()].iloc[0]):
            self._take_kind(first_row, column, "numbers")
            return self._from_numbers(first_row, column)
        return self._from_text(first_row, column.astype(str).where(column.notna(), None))

    def _take_kind(self, first_row: int, column: pd.Series[Any], kind: str) -> None:
        """Require that all chunks have the same kind of times."""
        if self._kind not in (None, kind):
            raise refuse(self.file, first_row, str(column.name), column.iloc[0], f"as before: {self._kind}")
        self._kind = kind

    def _from_numbers(self, first_row: int, column: pd.Series[Any]) -> Nanoseconds:
        unit_ns = UNITS_NS[self.unit]
        values = numbers(self.file, first_row, column)
        far = np.abs(values) >= 2**63 / unit_ns
        if far.any():
            at = int(far.argmax())
            allowed = f"a time in {self.unit} before the year 2262: mind the unit"
            raise refuse(self.file, first_row + at, str(column.name), column.iloc[at], allowed)
        if column.dtype.kind in "iu":
            return column.fillna(0).to_numpy(np.int64) * unit_ns
        return np.rint(np.nan_to_num(values) * unit_ns).astype(np.int64)

    def _from_text(self, first_row: int, column: pd.Series[Any]) -> Nanoseconds:
        """Read ISO 8601; refuse a file in which some times have an offset and others have none."""
        given = column.dropna()
        offsets = _OFFSET.findall("\n".join(given))
        kind = "times with a UTC offset" if offsets else "times without one"
        self._take_kind(first_row, column, kind)
        if offsets and len(offsets) < len(given):
            at = next(at for at, time in enumerate(given) if not _OFFSET.search(time))
            row = first_row + int(np.flatnonzero(column.notna())[at])
            raise refuse(
                self.file, row, str(column.name), given.iloc[at], f"a time with a UTC offset, {OFFSETS}, as others are"
            )
        try:
            times = load_pandas().to_datetime(column, format="ISO8601", utc=bool(offsets))
            whole = _ns(times)
        except (ValueError, OverflowError) as error:
            raise self._first_bad(first_row, column) from error
        if not offsets and times.dt.tz is not None:
            raise refuse(self.file, first_row, str(column.name), given.iloc[0], f"a time whose UTC offset is {OFFSETS}")
        self._offsets += sorted(set(offsets) - set(self._offsets), key=offsets.index)
        self.found["offset"] += sum(offset != self._offsets[0] for offset in offsets)
        return whole if offsets else self._localised(first_row, times)

    def _first_bad(self, first_row: int, column: pd.Series[Any]) -> InputError:
        """Return the error for the first time that cannot be read."""
        read = load_pandas().to_datetime(column, format="ISO8601", utc=True, errors="coerce")
        far = (read.dt.year < 1678) | (read.dt.year > 2261)
        at = int(((read.isna() & column.notna()) | far).to_numpy().argmax())
        allowed = "a time: ISO 8601, as 2024-03-31 12:00:00+01:00, or a number, between the years 1678 and 2262"
        return refuse(self.file, first_row + at, str(column.name), column.iloc[at], allowed)

    def _localised(self, first_row: int, local: pd.Series[Any]) -> Nanoseconds:
        """Return local times of the zone as universal ones."""
        if self.zone is None:
            return _ns(local)
        summer = self._is_summer_time(local)
        times = local.dt.tz_localize(self.zone, ambiguous=summer, nonexistent="NaT")
        skipped = (times.isna() & local.notna()).to_numpy()
        if skipped.any():
            at = int(skipped.argmax())
            allowed = f"a time that clocks in {self.zone} show: they skip this one. A clock that does not has an offset"
            raise refuse(self.file, first_row + at, str(local.name), str(local.iloc[at]), f"{allowed}, as -07:00")
        either = local.dt.tz_localize(self.zone, ambiguous="NaT", nonexistent="NaT")
        self.found["repeated hour"] += int((either.isna() & local.notna()).sum())
        return _ns(times.dt.tz_convert("UTC"))

    def _is_summer_time(self, local: pd.Series[Any]) -> NDArray[np.bool_]:
        """Say for each time, if it is in the hour that the clock repeats, whether it is in the first pass of it.

        That ends where the times step back, on each day by itself.
        """
        pd = load_pandas()
        before = local.ffill().shift(fill_value=pd.NaT if self._latest_local is None else self._latest_local)
        day = local.dt.floor("D")
        stepped = (local < before if self.is_log else local <= before).groupby(day).cumsum().to_numpy() > 0
        stepped |= (day == self._switched).to_numpy()
        if stepped.any():
            self._switched = day[stepped].iloc[-1]
        self._latest_local = local.dropna().iloc[-1]
        return ~stepped


def _ns(times: pd.Series[Any]) -> Nanoseconds:
    """Return times as nanoseconds since 1970."""
    naive = times.dt.tz_convert(None) if times.dt.tz is not None else times
    return naive.dt.as_unit("ns").to_numpy().astype(np.int64)


def _as_ns(offset: str) -> int:
    """Return a UTC offset as text, as Z, +01, +0100 or +01:00, in nanoseconds."""
    if offset == "Z":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return int(f"{offset[0]}1") * minutes * UNITS_NS["min"]
