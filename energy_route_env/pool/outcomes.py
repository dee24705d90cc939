"""Tables of outcomes: what questions took on each model when they were asked, and whether the answer was right.

An **entry** is a model at an effort: the same model thinking and not thinking is two entries. A **run** is one answer
of an entry to a question.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import InputError, require, require_known, require_real
from energy_route_env.pool.rows import MOST, Row, read_rows, require_columns
from energy_route_env.units import FloatArray

COLUMNS = (
    "question",
    "model",
    "correct",
    "joules",
    "output_tokens",
    "seconds",
    "run",
    "prompt_length",
    "family",
)
"""The columns of a table of outcomes; the first three are needed, and joules or output_tokens."""
MOST_WAYS = 1000
"""Most ways that a question can go: the least common multiple of the numbers of runs."""


class Rates(NamedTuple):
    """What a token takes on each entry, by its name."""

    joules: Mapping[str, float]
    seconds: Mapping[str, float] = {}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What n questions took on M entries in each of k ways; every way is equally likely.

    Way w of a question takes, on every entry, its run number w modulo the number of its runs: one number for all
    entries, and every run of an entry is equally likely.
    """

    questions: tuple[str, ...]
    """Their names."""
    entries: tuple[str, ...]
    """Their names."""
    energy_j: FloatArray
    """Joules, shape (n, M, k)."""
    solved: NDArray[np.bool_]
    """Whether the answer was right, likewise."""
    families: tuple[str, ...]
    """The family of each question; all the same where the table says none."""
    prompt_length: FloatArray | None = None
    """Length of each question's prompt, shape (n,), in any unit; None where the table says none."""
    seconds: FloatArray | None = None
    """Seconds, shape (n, M, k); None where they are not known."""
    dropped: int = 0
    """Questions of the table that lack an entry and were left out."""

    @cached_property
    def digest(self) -> bytes:
        """What tells two tables apart: SHA-256 of all that they hold."""
        said = repr((self.questions, self.entries, self.families, self.dropped, self.energy_j.shape))
        total = hashlib.sha256(said.encode())
        for array in (self.energy_j, self.solved, self.prompt_length, self.seconds):
            total.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return total.digest()

    def take(self, at: ArrayLike) -> Outcomes:
        """Return the questions at these places."""
        places = np.asarray(at, int)
        length, seconds = (a if a is None else a[places] for a in (self.prompt_length, self.seconds))
        names, families = (tuple(values[i] for i in places) for values in (self.questions, self.families))
        energy_j, solved = self.energy_j[places], self.solved[places]
        return Outcomes(names, self.entries, energy_j, solved, families, length, seconds, self.dropped)


def read_outcomes(
    file: str | Path,
    columns: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    rates: Rates | None = None,
    entries: Sequence[str] = (),
) -> Outcomes:
    """Read a table of outcomes, one row for each run of an entry on a question.

    Args:
        file: its path (CSV, `.csv.gz` or Parquet), or the name of one that ships with the package.
        columns: for each of `COLUMNS` that the file calls otherwise, what it calls it.
        names: for each model that shall be called otherwise, what the entry shall be called.
        rates: joules (and seconds) per output token of each entry, in place of the column `joules` (and `seconds`).
        entries: those to keep, in this order; by default all, by rising mean joules.

    Questions that lack one of the entries are left out and counted (`Outcomes.dropped`). Without a column `run`, the
    rows of an entry on a question are its runs in the file's order. Other columns are ignored.

    Raises:
        InputError: naming file, row and reason, where a value is missing or not valid, a run stands there twice, or the
            rows of a question disagree on its prompt's length or its family.
        MissingExtra: if the file is Parquet and pyarrow is not installed.
    """
    rows, wanted = read_rows(file), tuple(entries)
    known = _columns_in(rows, dict(columns or {}), rates)
    require_known(f"model of {file}", names or (), {row.values[known["model"]].strip() for row in rows})
    table = [_read(row, known, dict(names or {}), rates, wanted) for row in rows]
    kept = _entries(table, wanted, str(file))
    if rates is not None:
        require_known(f"joules per token: entry of {file}", rates.joules, {run.entry for run in table})
    runs = _gather(table, set(kept))
    complete = [question for question, found in runs.items() if len(found) == len(kept)]
    every = f"{list(kept)}: no question has a run of each; mind --entries" if kept else "one or more"
    require(bool(complete), f"questions of {file} with every entry", 0, every)
    return _build({question: runs[question] for question in complete}, kept, len(runs) - len(complete))


@dataclass(frozen=True)
class _Run:
    """One row, checked."""

    row: Row
    question: str
    entry: str
    number: str
    joules: float
    solved: bool
    seconds: float
    length: float
    family: str


def _columns_in(rows: list[Row], columns: dict[str, str], rates: Rates | None) -> dict[str, str]:
    """Return what the file calls each of `COLUMNS` that it has; those that are needed must be there."""
    require_known("column", columns, COLUMNS)
    require_columns(rows, columns.values())
    called = {name: columns.get(name, name) for name in COLUMNS}
    energy = "joules" if rates is None else "output_tokens"
    require_columns(rows, [called[name] for name in ("question", "model", "correct", energy)])
    return {name: column for name, column in called.items() if column in rows[0].values}


def _read(row: Row, known: dict[str, str], names: dict[str, str], rates: Rates | None, wanted: tuple[str, ...]) -> _Run:
    """Check a row; without wanted entries all are."""
    model = row.text(known["model"])
    entry = names.get(model, model)
    if rates is not None and entry in (wanted or (entry,)):
        require_known(f"{row.file}, row {row.number}: joules per token of", [entry], rates.joules)
    joules, seconds = _taken(row, known, entry, rates)
    return _Run(
        row=row,
        question=row.text(known["question"]),
        entry=entry,
        number=row.text(known["run"]) if "run" in known else "",
        joules=joules,
        solved=row.truth(known["correct"]),
        seconds=seconds,
        length=row.real(known["prompt_length"]) if "prompt_length" in known else math.nan,
        family=row.text(known["family"]) if "family" in known else "",
    )


def _taken(row: Row, known: dict[str, str], entry: str, rates: Rates | None) -> tuple[float, float]:
    """Return joules and seconds of a row; nan where they are not known."""
    if rates is None:
        return row.real(known["joules"]), row.real(known["seconds"]) if "seconds" in known else math.nan
    tokens = row.real(known["output_tokens"])
    return tokens * rates.joules.get(entry, math.nan), tokens * rates.seconds.get(entry, math.nan)


def _entries(table: Iterable[_Run], wanted: tuple[str, ...], file: str) -> tuple[str, ...]:
    """Return the entries to keep: those wanted, or all by rising mean joules."""
    for entry in wanted:
        require(wanted.count(entry) == 1, "entry", entry, "named once")
    joules: dict[str, list[float]] = {}
    for run in table:
        joules.setdefault(run.entry, []).append(run.joules)
    require_known(f"entry of {file}", wanted, joules)
    return wanted or tuple(sorted(joules, key=lambda entry: (np.mean(joules[entry]), entry)))


def _gather(table: Iterable[_Run], kept: set[str]) -> dict[str, dict[str, list[_Run]]]:
    """Return the runs by question and entry; the rows of a question must agree."""
    runs: dict[str, dict[str, list[_Run]]] = {}
    first: dict[str, _Run] = {}
    seen: set[tuple[str, str, str]] = set()
    for run in table:
        one = first.setdefault(run.question, run)
        if run.family != one.family or (run.length != one.length and run.length == run.length):
            raise _conflict(run, f"family and prompt_length differ from row {one.row.number} of the same question")
        if run.number and (run.question, run.entry, run.number) in seen:
            raise _conflict(run, f"run {run.number!r} of {run.entry!r} on this question stands in an earlier row too")
        seen.add((run.question, run.entry, run.number))
        found = runs.setdefault(run.question, {})
        if run.entry in kept:
            found.setdefault(run.entry, []).append(run)
    return runs


def _conflict(run: _Run, reason: str) -> InputError:
    return InputError(f"{run.row.file}, row {run.row.number}: question {run.question!r}: {reason}.")


def _build(runs: dict[str, dict[str, list[_Run]]], entries: tuple[str, ...], dropped: int) -> Outcomes:
    """Lay the runs out by question, entry and way."""
    counts = {len(found) for by_entry in runs.values() for found in by_entry.values()}
    ways = math.lcm(*counts)
    few = f"at most {MOST_WAYS}: give every entry the same number of runs on every question"
    require(ways <= MOST_WAYS, f"least common multiple of the numbers of runs {sorted(counts)}", ways, few)
    laid = [
        [[found[way % len(found)] for way in range(ways)] for found in (q[e] for e in entries)] for q in runs.values()
    ]
    firsts = [by_entry[0][0] for by_entry in laid]
    seconds = np.array([[[run.seconds for run in found] for found in by_entry] for by_entry in laid])
    length = np.array([run.length for run in firsts])
    return Outcomes(
        questions=tuple(runs),
        entries=entries,
        energy_j=np.array([[[run.joules for run in found] for found in by_entry] for by_entry in laid]),
        solved=np.array([[[run.solved for run in found] for found in by_entry] for by_entry in laid]),
        families=tuple(run.family for run in firsts),
        prompt_length=None if np.isnan(length).any() else length,
        seconds=None if np.isnan(seconds).any() else seconds,
        dropped=dropped,
    )


def require_rates(joules: Mapping[str, float], seconds: Mapping[str, float]) -> Rates:
    """Return the rates; an InputError unless each is above 0 and at most `MOST`."""
    for kind, rates in (("joules", joules), ("seconds", seconds)):
        for entry, rate in rates.items():
            require_real(f"{kind} per token of {entry}", rate, 0.0, MOST, above=True)
    return Rates(dict(joules), dict(seconds))
