"""One episode of the outside world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import require, require_array
from energy_route_env.units import FloatArray, IntArray

BY_TASK = ("task_slot", "difficulty", "observed_difficulty", "deadline_slots")
OPTIONAL = ("grid_weight", "past_harvest_j", "past_grid_weight", "energy_j", "solved")
MOST_J = 1e300
"""Largest energy of an episode in joules: sums of it stay finite."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One episode's outside world, independent of what is chosen inside.

    Args:
        harvest_j: harvest of every slot in joules, shape (horizon_slots,).
        task_slot: arrival slot of every task, not decreasing, shape (n_tasks,).
        difficulty: true difficulty of every task in units of pretraining loss, smaller is harder, shape (n_tasks,).
        observed_difficulty: what the dispatcher sees of it, shape (n_tasks,).
        deadline_slots: slots that each task may wait, 0 for one that cannot, shape (n_tasks,).
        grid_weight: what a joule from the grid counts in every slot, shape (horizon_slots,); None: 1 everywhere.
        past_harvest_j: harvest of the day before the first slot, shape (slots of a day,); None if it is not known.
        past_grid_weight: what a joule from the grid counted in that day, likewise.
        start_slot: slot of the harvest's record at which the episode begins; None if it is no record.
        energy_j: joules that every task takes on every model, shape (n_tasks, n_models); None: the pool's own.
        solved: whether every model solves every task, likewise; None: all do.
    """

    harvest_j: FloatArray
    task_slot: IntArray
    difficulty: FloatArray
    observed_difficulty: FloatArray
    deadline_slots: IntArray
    grid_weight: FloatArray | None = None
    past_harvest_j: FloatArray | None = None
    past_grid_weight: FloatArray | None = None
    start_slot: int | None = None
    energy_j: FloatArray | None = None
    solved: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        harvest_j: Any,
        task_slot: Any,
        difficulty: Any,
        observed_difficulty: Any = None,
        deadline_slots: Any = None,
        grid_weight: Any = None,
        past_harvest_j: Any = None,
        past_grid_weight: Any = None,
        energy_j: Any = None,
        solved: Any = None,
    ) -> Trace:
        """Build and check a trace from anything array-like.

        Arguments are as in the class. Without `observed_difficulty` the true one is seen; without `deadline_slots` no
        task can wait. What does not fit raises an InputError.

        Example:
            >>> Trace.of(harvest_j=[900.0, 0.0], task_slot=[0, 1], difficulty=[1.7, 1.9]).n_tasks
            2
        """
        given: dict[str, Any] = {
            "harvest_j": harvest_j,
            "task_slot": task_slot,
            "difficulty": difficulty,
            "observed_difficulty": difficulty if observed_difficulty is None else observed_difficulty,
            "deadline_slots": np.zeros(np.shape(task_slot), int) if deadline_slots is None else deadline_slots,
        }
        optional = zip(OPTIONAL, (grid_weight, past_harvest_j, past_grid_weight, energy_j, solved), strict=True)
        given |= {name: value for name, value in optional if value is not None}
        kinds = dict.fromkeys(("task_slot", "deadline_slots"), int) | {"solved": bool}
        arrays: Any = {name: _as_array(name, value, kinds.get(name, float)) for name, value in given.items()}
        trace = cls(**arrays)
        trace.check()
        return trace

    @property
    def n_tasks(self) -> int:
        return len(self.task_slot)

    def check(self) -> None:
        """Check shapes, types and values."""
        for name in (*BY_TASK, "harvest_j"):
            kinds = "iu" if name in ("task_slot", "deadline_slots") else "f"
            self._check_array(name, kinds, len(self.harvest_j) if name == "harvest_j" else self.n_tasks)
        for name in OPTIONAL[:3]:
            if (array := getattr(self, name)) is not None:
                self._check_array(name, "f", len(self.harvest_j) if name == "grid_weight" else len(array))
                require_array(name, array, np.isfinite(array) & (array >= 0), "finite and at least 0")
        self._check_attempts()
        self._check_values()

    def _check_attempts(self) -> None:
        """Check what happens to each task on each model."""
        for name, kind in (("energy_j", "f"), ("solved", "b")):
            if (array := getattr(self, name)) is not None:
                self._check_array(name, kind, self.n_tasks, array.shape[1:2] or (1,))
        if self.energy_j is not None:
            ok = np.isfinite(self.energy_j) & (self.energy_j >= 0)
            require_array("energy_j", self.energy_j, ok, "finite and at least 0")
            _require_sum("energy_j", self.energy_j)

    def _check_array(self, name: str, kinds: str, length: int, more: tuple[int, ...] = ()) -> None:
        array = getattr(self, name)
        require(isinstance(array, np.ndarray), name, type(array).__name__, "a numpy array")
        require(array.dtype.kind in kinds, f"{name}.dtype", str(array.dtype), f"of kind {kinds!r}")
        require(array.shape == (length, *more), f"{name}.shape", array.shape, str((length, *more)))

    def check_fits(self, horizon_slots: int, can_wait: bool, n_models: int, day_slots: int = 0) -> None:
        """Check that it can be an episode of a scenario with this horizon and pool, with or without waiting tasks.

        `day_slots` are the slots of a day where the scenario has a grid source, 0 where it has none.
        """
        self.check()
        shape, longest = self.harvest_j.shape, int(self.deadline_slots.max(initial=0))
        require(shape == (horizon_slots,), "harvest_j.shape", shape, f"({horizon_slots},), the horizon")
        no_wait = "0, since no task of this scenario can wait (give it deadline_slots)"
        require(longest == 0 or can_wait, "trace.deadline_slots", longest, no_wait)
        for name in ("energy_j", "solved"):
            if (array := getattr(self, name)) is not None:
                shape = (self.n_tasks, n_models)
                require(array.shape == shape, f"trace.{name}.shape", array.shape, f"{shape}, tasks and models")
        for name in ("grid_weight", "past_grid_weight") if day_slots else ():
            allowed = "given, since the scenario has a grid source"
            require(getattr(self, name) is not None, f"trace.{name}", None, allowed)
        for name in ("past_harvest_j", "past_grid_weight") if day_slots else ():
            if (array := getattr(self, name)) is not None:
                require(len(array) == day_slots, f"trace.{name}.shape", array.shape, f"({day_slots},), a day")

    def _check_values(self) -> None:
        harvest, slot, horizon = self.harvest_j, self.task_slot, len(self.harvest_j)
        require(horizon > 0, "harvest_j.shape", harvest.shape, "of one slot or more")
        require_array("harvest_j", harvest, np.isfinite(harvest) & (harvest >= 0), "finite and at least 0")
        _require_sum("harvest_j", harvest)
        require_array("task_slot", slot, (slot >= 0) & (slot < horizon), f"a slot from 0 to {horizon - 1}")
        later = np.append(True, slot[1:] >= slot[:-1])[: len(slot)]
        require_array("task_slot", slot, later, "at least the slot of the task before it")
        for name in ("difficulty", "observed_difficulty"):
            require_array(name, getattr(self, name), np.isfinite(getattr(self, name)), "finite")
        require_array("deadline_slots", self.deadline_slots, self.deadline_slots >= 0, "at least 0")


def _require_sum(field: str, energies_j: FloatArray) -> None:
    with np.errstate(over="ignore"):
        total_j = float(energies_j.sum())
    require(total_j <= MOST_J, f"sum({field})", total_j, f"at most {MOST_J:g} J in an episode")


def _as_array(field: str, value: Any, kind: type) -> np.ndarray:
    """Return anything array-like as an array of the kind; refuse floats for integers, and numbers for truth values."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    numbers = array.dtype.kind in {int: "iu", bool: "b"}.get(kind, "iuf") or array.size == 0
    require(
        numbers and (array.ndim > 0 or field not in ("harvest_j", "task_slot")),
        field,
        value,
        f"an array of {kind.__name__} values",
    )
    return array.astype(kind)
