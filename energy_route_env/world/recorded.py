"""Recorded series of a whole year or less: read once, drawn as windows that wrap around."""

from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from energy_route_env.checks import InputError, require, require_array
from energy_route_env.units import FloatArray


def window(series: FloatArray, start: int, n_slots: int) -> FloatArray:
    """Return `n_slots` values from slot `start` on (below 0: from the end); the series repeats."""
    return series.take(np.arange(start, start + n_slots), mode="wrap")


@lru_cache(maxsize=8)
def read_columns(file: str, columns: tuple[str, ...]) -> tuple[FloatArray, ...]:
    """Read columns of numbers, at least 0, from a CSV file whose first line without # names them.

    Args:
        file: its path, or the name of one that ships with the package.
        columns: names of the columns.

    Returns:
        One array per column, shape (rows,), not to be changed.

    Raises:
        InputError: naming file and column if one is missing, or a value is no number or below 0.
    """
    path = _find(file)
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    names = [name.strip() for name in lines[0].split(",")] if lines else []
    for column in columns:
        require(column in names, f"column of {file}", column, f"one of {names}")
    require(len(lines) > 1, f"rows of {file}", 0, "1 or more")
    try:
        values = np.loadtxt(lines[1:], delimiter=",", usecols=[names.index(column) for column in columns], ndmin=2).T
    except ValueError as error:
        raise InputError(f"file is {file!r}, but its columns {list(columns)} must hold numbers: {error}") from error
    for column, series in zip(columns, values, strict=True):
        require_array(f"{file}: {column}", series, np.isfinite(series) & (series >= 0), "finite and at least 0")
    values.flags.writeable = False
    return tuple(values)


def _find(file: str) -> Path:
    """Return the file itself, or the one of that name that ships with the package."""
    shipped = Path(str(resources.files("energy_route_env"))) / "data"
    for path in (Path(file), shipped / file):
        if path.is_file():
            return path
    names = sorted(path.name for path in shipped.glob("*.csv"))
    raise InputError(f"file is {file!r}, but it must be the path of a CSV file, or one of {names}.")
