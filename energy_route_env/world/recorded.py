"""Recorded series: read once, drawn as windows of which those for testing never overlap those for training."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import InputError, require, require_array, require_whole
from energy_route_env.units import FloatArray, IntArray

Part: TypeAlias = Literal["all", "train", "test"]
BLOCKS = 20
"""A record is cut into so many equal blocks; every fifth of them is for testing."""
TEST_EVERY = 5
AT_ONCE = 1 << 20
"""Slots of a long series that are computed with at once."""


def window(series: NDArray[Any], start: int, n_slots: int) -> NDArray[Any]:
    """Return `n_slots` values from slot `start` on (below 0: from the end); the series repeats."""
    return series.take(np.arange(start, start + n_slots), mode="wrap")


def draw_starts(rng: np.random.Generator, part: Part, n_units: int, length: int, count: int) -> IntArray:
    """Draw where windows begin, every place equally likely.

    Of the whole record a window may begin anywhere, since the record repeats. One for training or testing lies within
    blocks of its own kind: of the 20 equal blocks of the record the 5th, 10th, 15th and 20th are for testing.

    Args:
        rng: source of randomness.
        part: which windows.
        n_units: length of the record in units, slots or days.
        length: of a window, in the same units.
        count: how many windows.

    Returns:
        The first unit of each window, shape (count,).

    Raises:
        InputError: if no window of this length fits into the part.
    """
    if part == "all":
        return rng.integers(n_units, size=count)
    edges = np.arange(BLOCKS + 1) * n_units // BLOCKS
    runs, tests = edges[:-1:TEST_EVERY], edges[TEST_EVERY - 1 :: TEST_EVERY]
    first, last = (tests, edges[TEST_EVERY::TEST_EVERY]) if part == "test" else (runs, tests)
    longest = int((last - first).max())
    require(length <= longest, f"length of a window for part {part!r}", length, f"at most {longest} of {n_units}")
    before = np.append(0, np.maximum(last - first - length + 1, 0).cumsum())  # places in the runs before each one
    place = rng.integers(before[-1], size=count)
    run = before.searchsorted(place, side="right") - 1
    return first[run] + place - before[run]


def require_part(part: Part) -> None:
    """Require the name of a part, with an InputError."""
    require(part in get_args(Part), "part", part, f"one of {get_args(Part)}")


@dataclass(frozen=True, eq=False)
class Record:
    """A recorded series, and how episodes are cut out of it.

    Its `repr` names the data (`described`) but no part: what is trained on one part is meant for the other.

    Args:
        series: a value for every slot, at least 0, shape (slots of the record,).
        start_every: an episode begins at a multiple of so many slots: 1 for any, a day's for a midnight.
        block_slots: an episode is made of windows of so many slots, each from another place, joined: what is farther
            apart is independent. None: it is a single window.
        part: whether windows are taken from all of the record, or from what is for training or for testing.

    Raises:
        InputError: if the series is empty or has a value below 0, or another argument is not allowed.
    """

    series: NDArray[Any]
    start_every: int = 1
    block_slots: int | None = None
    part: Part = "all"

    def __post_init__(self) -> None:
        series = np.asarray(self.series)
        require(series.ndim == 1 and len(series) > 0, "series.shape", series.shape, "of one slot or more")
        for at, some in _pieces(series):
            require_array(f"series from slot {at} on", some, np.isfinite(some) & (some >= 0), "finite and at least 0")
        object.__setattr__(self, "series", series)
        require_whole("start_every", self.start_every, 1)
        whole = len(series) % self.start_every == 0
        require(whole, "start_every", self.start_every, f"a divisor of {len(series)}, the slots of the record")
        require(self.mean > 0, "mean of series", self.mean, "above 0")
        if self.block_slots is not None:
            require_whole("block_slots", self.block_slots, 1)
            whole = self.block_slots % self.start_every == 0
            require(whole, "block_slots", self.block_slots, f"a multiple of start_every, {self.start_every}")
        require_part(self.part)

    def __repr__(self) -> str:
        cut = f"start_every={self.start_every}, block_slots={self.block_slots}"
        return f"Record({described(self.series)}, {cut})"

    @cached_property
    def mean(self) -> float:
        """Mean of the whole record, whatever the part: training and testing meet one and the same service."""
        return float(self.series.sum(dtype=np.float64) / len(self.series))

    @cached_property
    def variance(self) -> float:
        """Variance of a slot of the whole record."""
        squares = sum(float(np.square(some - self.mean).sum()) for _, some in _pieces(self.series))
        return squares / len(self.series)

    @cached_property
    def long_run_variance(self) -> float | None:
        """Variance of a block's sum, over its slots (overlapping batch means): exact for blocks from all of the record.

        None where an episode is a single window: a record is too short to tell slow changes from noise.
        """
        n, length = len(self.series), self.block_slots
        if length is None:
            return None
        rest = length % n  # whole rounds of the record bring the same to every block
        before = np.append(0.0, np.append(self.series, self.series[:rest]).cumsum(dtype=np.float64))
        sums = (before[rest:] - before[: len(before) - rest])[: n : self.start_every]
        return float(sums.var() / length)

    def draw(self, rng: np.random.Generator, n_slots: int) -> NDArray[Any]:
        """Draw the values of an episode, shape (n_slots,)."""
        length = self.block_slots or n_slots
        unit = self.start_every
        starts = draw_starts(rng, self.part, len(self.series) // unit, -(-length // unit), -(-n_slots // length))
        return np.concatenate([window(self.series, unit * start, length) for start in starts.tolist()])[:n_slots]


def _pieces(series: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield a long series in pieces, each with its first slot, so that nothing of its length has to be copied."""
    return ((at, series[at : at + AT_ONCE]) for at in range(0, len(series), AT_ONCE))


def described(series: NDArray[Any]) -> str:
    """Name a series in a few words, which differ where the data do; the last digits may, from platform to platform.

    Example:
        >>> described(np.array([1.0, 2.0]))
        '2 slots of mean 1.5, sha256 b0eec0c951be'
    """
    mean, digest = series.sum(dtype=np.float64) / max(len(series), 1), hashlib.sha256()
    with np.errstate(all="ignore"):  # whoever sees it may be told that the data are bad
        for _, some in _pieces(series):
            digest.update(np.rint(some / mean * 1e6).astype("<i8").tobytes())
    return f"{len(series)} slots of mean {mean:.6g}, sha256 {digest.hexdigest()[:12]}"


def spread(times: FloatArray, cumulated: FloatArray, edges: FloatArray) -> FloatArray:
    """Return what falls between edges, given how much has fallen up to some times: sums are kept.

    Between two times the cumulated amount is interpolated monotonely (PCHIP).

    Args:
        times: rising, shape (n + 1,).
        cumulated: not falling, shape (n + 1,).
        edges: rising, within the times, shape (slots + 1,).

    Returns:
        Shape (slots,), at least 0.
    """
    from scipy.interpolate import PchipInterpolator

    return np.maximum(np.diff(PchipInterpolator(times, cumulated)(edges)), 0.0)


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
    try:
        text = find_file(file).read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"file is {file!r}, but it must be text in UTF-8: {error}") from error
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
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


def find_file(file: str, kind: str = "a CSV file") -> Path:
    """Return the file itself, or the one of that name that ships with the package; an InputError where neither is."""
    shipped = Path(str(resources.files("energy_route_env"))) / "data"
    for path in (Path(file), shipped / file):
        if path.is_file():
            return path
    names = sorted(path.name for path in shipped.glob("*.csv"))
    raise InputError(f"file is {file!r}, but it must be the path of {kind}, or one of {names}.")


def is_parquet(path: Path) -> bool:
    """Return whether a file's ending says that it is Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")
