"""Rows of a table in a file, CSV or Parquet, with their numbers, so that a bad one can be named."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from energy_route_env.checks import InputError, MissingExtra, require, require_known
from energy_route_env.world.recorded import find_file, is_parquet

TRUTHS = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}
"""How a table may write yes and no; letters may be large."""
MOST = 1e50
"""Largest number in a table: sums of products and of their squares stay finite."""


class Row(NamedTuple):
    """One row of a table."""

    file: str
    number: int
    """The line of a CSV file that it begins in, counted from 1; the row of a Parquet file, counted from 1."""
    values: dict[str, str]
    """What stands in every column; empty where nothing does."""

    def bad(self, column: str, allowed: str) -> InputError:
        """Return the error that says what is wrong with a value."""
        return InputError(
            f"{self.file}, row {self.number}: {column} is {self.values[column]!r}, but it must be {allowed}."
        )

    def text(self, column: str) -> str:
        """Return a name; an InputError where there is none."""
        if not (value := self.values[column].strip()):
            raise self.bad(column, "a name")
        return value

    def real(self, column: str, *, above: bool = False) -> float:
        """Return a number; an InputError unless it lies from 0, or `above` it, to `MOST`."""
        text = self.values[column]
        try:
            value = math.nan if "_" in text else float(text)
        except ValueError:
            value = math.nan
        if not (0 < value <= MOST if above else 0 <= value <= MOST):
            raise self.bad(column, f"a finite number, {'above' if above else 'at least'} 0 and at most {MOST:g}")
        return value

    def truth(self, column: str) -> bool:
        """Return yes or no; an InputError unless it is one of `TRUTHS`."""
        if (value := self.values[column].strip().lower()) not in TRUTHS:
            raise self.bad(column, "1 or 0, true or false")
        return TRUTHS[value]


def read_rows(file: str | Path) -> list[Row]:
    """Read a table: CSV (`.gz` too; lines with # above the head are comments) or Parquet, by the file's ending.

    Args:
        file: its path, or the name of one that ships with the package.

    Raises:
        InputError: if there is no such file, it holds no rows, two columns have the same name, or a row has more or
            fewer values than columns.
        MissingExtra: if it is Parquet and the extra `parquet` is not installed.
    """
    path = find_file(str(file), "a table, CSV or Parquet")
    rows = list(_parquet_rows(path) if is_parquet(path) else _csv_rows(path))
    if not rows:
        raise InputError(f"rows of {path} is 0, but it must be 1 or more.")
    return rows


def require_columns(rows: list[Row], columns: Iterable[str]) -> None:
    """Require columns of a table, with an InputError that gives the nearest one."""
    require_known(f"column of {rows[0].file}", columns, rows[0].values)


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        with _opened(path) as stream:
            above = 0
            for head in stream:
                if head.strip() and head[0] != "#":
                    break
                above += 1
            else:
                return
            yield from _records(str(path), csv.reader(itertools.chain([head], stream), strict=True), above)
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(f"file is {str(path)!r}, but it must be a table in CSV or Parquet: {error}") from error


def _opened(path: Path) -> IO[str]:
    """Open a text, compressed or not; a byte order mark, as Excel writes one, is no part of it."""
    options: dict[str, Any] = {"encoding": "utf-8-sig", "newline": ""}
    return gzip.open(path, "rt", **options) if path.suffix.lower() == ".gz" else path.open(**options)


def _records(file: str, reader: Any, above: int) -> Iterator[Row]:
    """Yield the rows below the head, which has so many lines above it; a row counts as the line that it begins in."""
    names = [name.strip() for name in next(reader)]
    for name in filter(None, names):
        require(names.count(name) == 1, f"column of {file}", name, "named once")
    line = above + reader.line_num + 1
    for values in reader:
        row = Row(file, line, dict(zip(names, values, strict=False)))
        line = above + reader.line_num + 1
        if len(values) < 2 and not "".join(values).strip():
            continue
        if len(values) != len(names):
            raise InputError(
                f"{file}, row {row.number}: it has {len(values)} values, but there are {len(names)} columns."
            )
        yield row


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtra("Parquet needs pyarrow: pip install 'energy-route-env[parquet]'.") from error
    try:
        table = parquet.read_table(path)
    except ArrowException as error:
        raise InputError(f"file is {str(path)!r}, but it must be a table in Parquet: {error}") from error
    for number, values in enumerate(table.to_pylist(), 1):
        yield Row(str(path), number, {name: "" if value is None else str(value) for name, value in values.items()})
