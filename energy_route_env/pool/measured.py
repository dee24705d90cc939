"""A pool that takes what was measured: a task is a question, and one of its runs on every entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import InputError, require, require_array, require_real
from energy_route_env.pool.base import Attempts, Pool, PossibleAttempts
from energy_route_env.pool.outcomes import Outcomes, Rates, read_outcomes
from energy_route_env.units import FloatArray, IntArray

Split = Literal["train", "test", "all"]
TEST_SHARE = 0.5
"""Share of the questions that are for testing, on average."""


class Estimates(NamedTuple):
    """What a dispatcher may see of n questions: estimates that never used their own outcomes."""

    energy_j: FloatArray
    """Expected joules of a run on every entry, shape (n, n_models)."""
    chance: FloatArray
    """The probability that it is solved, likewise."""


@dataclass(frozen=True, eq=False)
class MeasuredPool(Pool):
    """Entries whose joules and successes are those of a table of outcomes.

    The "difficulty" of a task is the number of its question: those for training come first, then those for
    testing, each part by the hash of their names. It says nothing of how hard a question is, and observations do not
    show it.

    A question is for testing where the first 8 bytes of the SHA-256 of its name, as a big-endian number divided by
    2^64, lie below `test_share`. So all rows of a question are on one side, and a question stays on its side whatever
    else the table holds.

    Two pools are equal where all that they hold is.

    Args:
        outcomes: the table; `from_table` reads one.
        test_share: between 0 and 1.
        estimates: what dispatchers see of each question, in the order of the pool's numbers; by default the mean over
            the training questions of the same family (over all of them where there are none).

    Raises:
        InputError: if there is no question for training or none for testing, or an entry never takes energy there.
    """

    outcomes: Outcomes
    test_share: float = TEST_SHARE
    estimates: Estimates | None = None

    def __post_init__(self) -> None:
        require_real("test_share", self.test_share, 0.0, 1.0)
        hashes = np.array([_hash(name) for name in self.outcomes.questions])
        tested = hashes < self.test_share
        object.__setattr__(self, "outcomes", self.outcomes.take(np.lexsort((hashes, tested))))
        counts = {"training": int((~tested).sum()), "testing": int(tested.sum())}
        some = f"such that some questions are for training and some for testing (now {counts})"
        require(min(counts.values()) > 0, "test_share", self.test_share, some)
        taken = self.outcomes.energy_j[: counts["training"]].mean(axis=(0, 2))
        for entry, mean_j in zip(self.names, taken, strict=True):
            require(mean_j > 0, f"mean joules of {entry} on the training questions", float(mean_j), "above 0")
        self._check_estimates()

    def _check_estimates(self) -> None:
        shape = self.outcomes.energy_j.shape[:2]
        for name, array in () if self.estimates is None else self.estimates._asdict().items():
            require(
                np.shape(array) == shape, f"estimates.{name}.shape", np.shape(array), f"{shape}, questions and entries"
            )
            ok = np.isfinite(array) & (array >= 0) & ((array > 0) if name == "energy_j" else (array <= 1))
            allowed = "finite and above 0" if name == "energy_j" else "in [0, 1]"
            require_array(f"estimates.{name}", array, ok, allowed)

    @classmethod
    def from_table(
        cls,
        file: str | Path,
        columns: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        rates: Rates | None = None,
        entries: Sequence[str] = (),
        test_share: float = TEST_SHARE,
    ) -> MeasuredPool:
        """Read a table with the columns question, model, correct, and joules (or output_tokens, with `rates`).

        The columns seconds, run, prompt_length and family may be there too. Arguments are as in
        `pool.outcomes.read_outcomes`, which says how a table is checked.

        Example:
            >>> pool = MeasuredPool.from_table("misguided_energy.csv")
            >>> len(pool), len(pool.questions("train")), len(pool.questions("test"))
            (6, 31, 21)
        """
        return cls(read_outcomes(file, columns, names, rates, entries), test_share)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeasuredPool) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        held = f"{len(self.outcomes.questions)} questions, entries {list(self.names)}"
        return f"{type(self).__name__}({held}, test_share={self.test_share})"

    @cached_property
    def _digest(self) -> bytes:
        total = hashlib.sha256(self.table.encode())
        for array in self.seen:
            total.update(np.ascontiguousarray(array, float).tobytes())
        return total.digest()

    @property
    def table(self) -> str:
        """What tells outcomes and test share from others, whatever is estimated of them: a SHA-256 in hexadecimal."""
        return hashlib.sha256(self.outcomes.digest + repr(float(self.test_share)).encode()).hexdigest()

    @property
    def n_params(self) -> tuple[float, ...]:
        """A table says none: nan for each entry."""
        return (float("nan"),) * len(self)

    @property
    def skill_slope(self) -> float:
        """Infinitely steep, as good as: no difficulty noise is allowed, since the number of a question has none."""
        return 1e18

    @property
    def names(self) -> tuple[str, ...]:
        return self.outcomes.entries

    @property
    def difficulty_shown(self) -> bool:
        """False: a policy would learn the training questions by heart, and be misled by numbers of others."""
        return False

    def __len__(self) -> int:
        return len(self.outcomes.entries)

    @cached_property
    def n_training(self) -> int:
        """The number of questions for training; theirs are the first numbers."""
        return sum(_hash(name) >= self.test_share for name in self.outcomes.questions)

    def numbers(self, split: Split) -> IntArray:
        """Return the numbers of the questions of a part: "train", "test" or "all"."""
        require(split in get_args(Split), "split", split, "'train', 'test' or 'all'")
        first = self.n_training if split == "test" else 0
        return np.arange(first, self.n_training if split == "train" else len(self.outcomes.questions))

    def questions(self, split: Split = "test") -> tuple[float, ...]:
        """Return the numbers of a part's questions, for `Scenario.difficulties`."""
        return tuple(self.numbers(split).astype(float).tolist())

    @cached_property
    def seen(self) -> Estimates:
        """What a dispatcher may see of every question: `estimates`, or the training means of the question's family."""
        return self.estimates or training_means(self)

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Return the mean joules of a question's runs; for the privileged."""
        return self._of(self.outcomes.energy_j.mean(axis=-1), difficulty)

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Return the mean seconds of a question's runs; nan where the table has none."""
        seconds = self.outcomes.seconds
        means = np.full(self.outcomes.energy_j.shape[:2], np.nan) if seconds is None else seconds.mean(axis=-1)
        return self._of(means, difficulty)

    def expected_energy_j(self, observed: ArrayLike, noise: float) -> FloatArray:
        _require_no_noise(noise)
        return self._of(self.seen.energy_j, observed)

    def success_chance(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Return the estimated probability that each entry solves a question; shape `observed.shape + (n_models,)`."""
        _require_no_noise(noise)
        return self._of(self.seen.chance, observed)

    def possible_energy_j(self, observed: ArrayLike, noise: float) -> tuple[FloatArray, FloatArray]:
        """Return the expected joules as the only possible ones: more a dispatcher cannot see."""
        return self.expected_energy_j(observed, noise)[..., None], np.ones(1)

    def draw_attempts(self, rng: np.random.Generator, difficulty: FloatArray) -> Attempts:
        """Draw for every task one of its question's ways, each equally likely."""
        way = rng.integers(self.outcomes.energy_j.shape[-1], size=len(difficulty))
        at = self._places(difficulty)
        return Attempts(self.outcomes.energy_j[at, :, way], self.outcomes.solved[at, :, way])

    def possible_attempts(self, difficulty: FloatArray) -> PossibleAttempts:
        """Return every way of every question; whether an entry solves it is certain in each."""
        at = self._places(difficulty)
        energy_j = self.outcomes.energy_j[at].transpose(0, 2, 1)
        chance = self.outcomes.solved[at].transpose(0, 2, 1).astype(float)
        return PossibleAttempts(energy_j, chance, np.full(energy_j.shape[:2], 1 / energy_j.shape[1]))

    def _of(self, table: FloatArray, difficulty: ArrayLike) -> FloatArray:
        return table[self._places(difficulty)]

    def _places(self, difficulty: ArrayLike) -> IntArray:
        """Return the questions' numbers as integers, with an InputError where one is no number of a question."""
        wanted = np.asarray(difficulty, float)
        last = len(self.outcomes.questions) - 1
        bad = ~((wanted >= 0) & (wanted <= last) & (wanted == np.floor(wanted)))
        if bad.any():
            allowed = f"the number of a question, whole and from 0 to {last}"
            require(False, "difficulty", float(wanted[bad].ravel()[0]), allowed)
        return wanted.astype(np.int64)


def training_means(pool: MeasuredPool) -> Estimates:
    """Return each entry's mean joules and share solved over the training questions of the same family.

    A family without training questions gets the means over all of them.
    """
    train, families = pool.numbers("train"), np.array(pool.outcomes.families)
    energy_j, solved = pool.outcomes.energy_j.mean(axis=-1), pool.outcomes.solved.mean(axis=-1)
    tables: list[NDArray[Any]] = []
    for known in (energy_j, solved):
        seen = np.broadcast_to(known[train].mean(axis=0), known.shape).copy()
        for family in set(families[train].tolist()):
            seen[families == family] = known[train[families[train] == family]].mean(axis=0)
        tables.append(seen)
    return Estimates(*tables)


def _hash(name: str) -> float:
    """Return a number from 0 to 1 that depends on the name alone, on any machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _require_no_noise(noise: float) -> None:
    if noise != 0:
        raise InputError(f"difficulty_noise is {noise!r}, but it must be 0: a question's number has no noise.")
