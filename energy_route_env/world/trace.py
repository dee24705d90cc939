"""One episode of the outside world."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from energy_route_env.checks import require, require_array
from energy_route_env.units import FloatArray, IntArray

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
    """

    harvest_j: FloatArray
    task_slot: IntArray
    difficulty: FloatArray
    observed_difficulty: FloatArray
    deadline_slots: IntArray

    @classmethod
    def of(
        cls,
        harvest_j: Any,
        task_slot: Any,
        difficulty: Any,
        observed_difficulty: Any = None,
        deadline_slots: Any = None,
    ) -> Trace:
        """Build and check a trace from anything array-like.

        Arguments are as in the class. Without `observed_difficulty` the true one is seen; without `deadline_slots` no
        task can wait. What does not fit raises an InputError.

        Example:
            >>> Trace.of(harvest_j=[900.0, 0.0], task_slot=[0, 1], difficulty=[1.7, 1.9]).n_tasks
            2
        """
        observed = difficulty if observed_difficulty is None else observed_difficulty
        deadlines = np.zeros(np.shape(task_slot), int) if deadline_slots is None else deadline_slots
        trace = cls(
            _as_array("harvest_j", harvest_j, float),
            _as_array("task_slot", task_slot, int),
            _as_array("difficulty", difficulty, float),
            _as_array("observed_difficulty", observed, float),
            _as_array("deadline_slots", deadlines, int),
        )
        trace.check()
        return trace

    @property
    def n_tasks(self) -> int:
        return len(self.task_slot)

    def check(self) -> None:
        """Check shapes, types and values."""
        for field in fields(self):
            array = getattr(self, field.name)
            require(isinstance(array, np.ndarray), field.name, type(array).__name__, "a numpy array")
            kinds = "iu" if field.name in ("task_slot", "deadline_slots") else "f"
            require(array.dtype.kind in kinds, f"{field.name}.dtype", str(array.dtype), f"of kind {kinds!r}")
            shape = (len(self.harvest_j),) if field.name == "harvest_j" else (self.n_tasks,)
            require(array.shape == shape, f"{field.name}.shape", array.shape, f"{shape}")
        self._check_values()

    def check_fits(self, horizon_slots: int, can_wait: bool) -> None:
        """Check that it can be an episode of a scenario with this horizon, with or without tasks that can wait."""
        self.check()
        shape, longest = self.harvest_j.shape, int(self.deadline_slots.max(initial=0))
        require(shape == (horizon_slots,), "harvest_j.shape", shape, f"({horizon_slots},), the horizon")
        no_wait = "0, since no task of this scenario can wait (give it deadline_slots)"
        require(longest == 0 or can_wait, "trace.deadline_slots", longest, no_wait)

    def _check_values(self) -> None:
        harvest, slot, horizon = self.harvest_j, self.task_slot, len(self.harvest_j)
        require(horizon > 0, "harvest_j.shape", harvest.shape, "of one slot or more")
        require_array("harvest_j", harvest, np.isfinite(harvest) & (harvest >= 0), "finite and at least 0")
        with np.errstate(over="ignore"):
            total_j = float(harvest.sum())
        require(total_j <= MOST_J, "sum(harvest_j)", total_j, f"at most {MOST_J:g} J in an episode")
        require_array("task_slot", slot, (slot >= 0) & (slot < horizon), f"a slot from 0 to {horizon - 1}")
        later = np.append(True, slot[1:] >= slot[:-1])[: len(slot)]
        require_array("task_slot", slot, later, "at least the slot of the task before it")
        for name in ("difficulty", "observed_difficulty"):
            require_array(name, getattr(self, name), np.isfinite(getattr(self, name)), "finite")
        require_array("deadline_slots", self.deadline_slots, self.deadline_slots >= 0, "at least 0")


def _as_array(field: str, value: Any, kind: type) -> np.ndarray:
    """Return anything array-like of numbers as an array of the kind; refuse floats where integers are asked for."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    numbers = array.dtype.kind in ("iu" if kind is int else "iuf") or array.size == 0
    require(
        numbers and (array.ndim > 0 or field not in ("harvest_j", "task_slot")),
        field,
        value,
        f"an array of {kind.__name__} values",
    )
    return array.astype(kind)
