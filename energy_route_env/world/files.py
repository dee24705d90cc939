"""Files of one's own, CSV or Parquet, as tables that are read chunk by chunk (pandas)."""

from __future__ import annotations

import csv
import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_route_env.checks import InputError, MissingExtra, require
from energy_route_env.world.recorded import find_file, is_parquet

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 100_000
BROKEN = (ValueError, OSError, EOFError, csv.Error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
"""What pandas, pyarrow and the packers raise where a file is not what its name says, or is cut."""
LONGEST_FIELD = 2**31 - 1
"""Characters; the csv module has a limit of its own, too low for a log with prompts."""


def load_pandas() -> Any:
    """Import pandas, or raise a MissingExtra."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("Reading traces needs pandas: pip install 'energy-route-env[traces]'.") from error
    return pandas


def chunks(file: str, columns: tuple[str, ...]) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield a CSV file (compressed perhaps) or a Parquet file in chunks, each with the number of its first row.

    Args:
        file: its path, or the name of one that ships with the package. Lines with # before the head are skipped.
        columns: what is needed; an empty name is not looked for.

    Raises:
        InputError: if the file or a column is missing, or it is no table with rows as long as its head.
        MissingExtra: if pandas is missing, or pyarrow for a Parquet file, or what unpacks a compressed one.
    """
    row = 0
    for chunk in _readable_chunks(file):
        for column in filter(None, columns):
            require(column in chunk, f"column of {file}", column, f"one of {list(chunk)}")
        yield row, chunk
        row += len(chunk)
    require(row > 0, f"rows of {file}", row, "1 or more")


def _readable_chunks(file: str) -> Iterator[pd.DataFrame]:
    """Yield the chunks; say in a sentence why a file cannot be read."""
    load_pandas()
    path = find_file(file)
    try:
        yield from _parquet_chunks(path) if is_parquet(path) else _csv_chunks(file, path)
    except (InputError, MissingExtra):
        raise
    except ImportError as error:
        raise MissingExtra(f"Reading {file} needs another package. {error}") from error
    except BROKEN as error:
        raise InputError(f"file is {file!r}, but it must be a table: {str(error) or type(error).__name__}") from error


def _csv_chunks(file: str, path: Path) -> Iterator[pd.DataFrame]:
    """Yield chunks of a CSV file whose rows have as many fields as the head.

    pandas fills short rows up and takes long ones for rows with a name, or cuts them with a warning. Where this may
    have happened, fields are counted.
    """
    options: dict[str, Any] = {"skiprows": _comments(path), "skipinitialspace": True, "low_memory": False}
    counted = False
    with load_pandas().read_csv(path, chunksize=CHUNK_ROWS, index_col=False, **options) as reader:
        while (chunk := _next_chunk(reader, file, path)) is not None:
            if not counted and chunk.iloc[:, -1].isna().any():
                _require_fields(file, path)
                counted = True
            yield chunk


def _next_chunk(reader: Iterator[pd.DataFrame], file: str, path: Path) -> pd.DataFrame | None:
    """Return the next chunk, None after the last one; refuse rows that are longer than the head."""
    errors = load_pandas().errors
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.ParserWarning)
        try:
            return next(reader, None)
        except (errors.ParserError, errors.ParserWarning) as error:
            _require_fields(file, path)
            raise InputError(f"file is {file!r}, but it must be a table: {error}") from error


def _require_fields(file: str, path: Path) -> None:
    """Require that all rows have as many fields as the head; empty ones after the last do not count."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        with load_pandas().io.common.get_handle(path, "r", encoding="utf-8-sig", compression="infer") as opened:
            lines = csv.reader(islice(opened.handle, _comments(path), None), skipinitialspace=True)
            _require_alike(file, (line for line in lines if len(line) > 1 or any(line)))
    finally:
        csv.field_size_limit(limit)


def _require_alike(file: str, lines: Iterator[list[str]]) -> None:
    names = next(lines, [])
    n = max((at + 1 for at, name in enumerate(names) if name), default=0)
    for row, fields in enumerate(lines):
        if len(fields) < n or any(fields[n:]):
            raise InputError(
                f"fields of {file}, row {row + 1}, are {len(fields)}, but they must be {n}, as in the head."
            )


def _comments(path: Path) -> int:
    """Count the lines before the head; those of a compressed file are not looked at."""
    if path.suffix.lower() in (".gz", ".bz2", ".zip", ".xz", ".zst"):
        return 0
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return next((at for at, line in enumerate(lines) if not line.startswith("#")), 0)


def _parquet_chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Yield chunks with all that is stored as columns, what was the index of pandas too."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("Reading a Parquet file needs pyarrow: pip install pyarrow.") from error
    with parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(CHUNK_ROWS):
            yield batch.to_pandas(ignore_metadata=True)
