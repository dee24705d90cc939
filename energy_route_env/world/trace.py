"""One episode of the outside world: a `Trace` as drawn, and the `Tables` that a step looks things up in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from energy_route_env.checks import require, require_array
from energy_route_env.units import FloatArray, IntArray

SPARE = 1
"""Empty entries behind an episode's last task: a look-up one past the end finds no task and no energy."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What happens outside in one episode, whatever is chosen inside.

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

        Args:
            harvest_j: as in the class.
            task_slot: as in the class.
            difficulty: as in the class.
            observed_difficulty: as in the class; the true difficulty where it is left out.
            deadline_slots: as in the class; no task can wait where it is left out.

        Raises:
            ValueError: naming the field, the value and what is allowed.

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
        """How many tasks arrive."""
        return len(self.task_slot)

    def check(self) -> None:
        """Check shapes, types and values.

        Raises:
            ValueError: naming the field, the value and what is allowed.
        """
        for field in fields(self):
            array = getattr(self, field.name)
            require(isinstance(array, np.ndarray), field.name, type(array).__name__, "a numpy array")
            kinds = "iu" if field.name in ("task_slot", "deadline_slots") else "f"
            require(array.dtype.kind in kinds, f"{field.name}.dtype", str(array.dtype), f"of kind {kinds!r}")
            shape = (len(self.harvest_j),) if field.name == "harvest_j" else (self.n_tasks,)
            require(array.shape == shape, f"{field.name}.shape", array.shape, f"{shape}")
        self._check_values()

    def _check_values(self) -> None:
        harvest, slot, horizon = self.harvest_j, self.task_slot, len(self.harvest_j)
        require(horizon > 0, "harvest_j.shape", harvest.shape, "of one slot or more")
        require_array("harvest_j", harvest, np.isfinite(harvest) & (harvest >= 0), "finite and at least 0")
        require_array("task_slot", slot, (slot >= 0) & (slot < horizon), f"a slot from 0 to {horizon - 1}")
        later = np.append(True, slot[1:] >= slot[:-1])[: len(slot)]
        require_array("task_slot", slot, later, "at least the slot of the task before it")
        for name in ("difficulty", "observed_difficulty"):
            require_array(name, getattr(self, name), np.isfinite(getattr(self, name)), "finite")
        require_array("deadline_slots", self.deadline_slots, self.deadline_slots >= 0, "at least 0")


def _as_array(field: str, value: Any, kind: type) -> np.ndarray:
    """An array of the kind, from anything array-like of numbers; whole numbers must be given as such."""
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


BEFORE_J, AFTER_J, ARRIVED = range(3)
"""Columns of a slot's record: everything harvested before it and by its end, tasks that have arrived by its end."""
TASK_SLOT, TASK_FEATURE, TASK_ENERGIES = range(3)
"""Columns of a task's record: arrival slot, difficulty as observation feature, and from here on joules per model."""


class Rows(NamedTuple):
    """Where the entries of an environment (numbers) or of several (arrays) start in the tables."""

    first_slot: Any
    first_task: Any


class Tables:
    """Episodes of n environments, side by side in flat arrays that a step only looks things up in.

    Row i holds environment i's episode. An array per task starts at `i * task_stride`, one per slot at
    `i * slot_stride`; behind the last entry of each episode follow empty ones. What every step needs is kept in one
    record a slot and one a task, so that a look-up touches a single line of the cache.

    Args:
        n_rows: environments.
        horizon_slots: slots of an episode.
        n_models: models of the pool.
        can_wait: whether tasks can be deferrable.
        n_tasks: tasks that a row has room for at first; it grows when an episode brings more.
    """

    def __init__(self, n_rows: int, horizon_slots: int, n_models: int, can_wait: bool, n_tasks: int) -> None:
        """Make room, with no episode in any row."""
        self.n_rows, self.horizon_slots, self.n_models, self.can_wait = n_rows, horizon_slots, n_models, can_wait
        self.slot_stride = horizon_slots + 2
        self.slots = np.zeros((n_rows * self.slot_stride, 4))
        """The record of each slot."""
        self.due_left = np.zeros(n_rows * self.slot_stride * can_wait, np.int64)
        """Tasks due in each slot and not dispatched yet; at the horizon, those that outlast it."""
        self._make_task_room(n_tasks)

    def _make_task_room(self, n_tasks: int) -> None:
        self.task_stride = n_tasks + SPARE
        size = self.n_rows * self.task_stride
        self.tasks = np.zeros((size, TASK_ENERGIES + self.n_models))
        self.tasks[:, TASK_SLOT] = self.horizon_slots
        """The record of each task."""
        self.difficulty = np.zeros(size)
        self.observed_difficulty = np.zeros(size)
        waiting_size = size * self.can_wait
        self.due_slot = np.full(waiting_size, self.horizon_slots, np.int64)
        self.due_order = np.zeros(waiting_size, np.int64)
        """Tasks by due slot, in it those that cannot wait first, then by arrival."""
        self.waiting_order = np.zeros(waiting_size, np.int64)
        """Tasks that can wait, by arrival."""
        self.is_dispatched = np.zeros(waiting_size, bool)
        self.cheapest = np.zeros(waiting_size, np.int64)
        """The model of lowest expected energy."""

    _PER_TASK = (
        "tasks",
        "difficulty",
        "observed_difficulty",
        "due_slot",
        "due_order",
        "waiting_order",
        "is_dispatched",
        "cheapest",
    )

    def _grow(self, n_tasks: int) -> None:
        """Make room for more tasks per row; what is there stays."""
        stride, before = self.task_stride, {name: getattr(self, name) for name in self._PER_TASK}
        self._make_task_room(n_tasks)
        for name, old in before.items():
            if len(old):
                new = getattr(self, name).reshape(self.n_rows, self.task_stride, *old.shape[1:])
                new[:, :stride] = old.reshape(self.n_rows, stride, *old.shape[1:])

    def load(
        self, row: int, trace: Trace, energy_j: FloatArray, feature: FloatArray, cheapest: IntArray | None, blank: float
    ) -> None:
        """Put an episode into a row.

        Args:
            row: the environment.
            trace: its episode.
            energy_j: joules of every task on every model, shape (n_tasks, n_models).
            feature: difficulty of every task as the observation shows it, shape (n_tasks,).
            cheapest: model of lowest expected energy of every task, shape (n_tasks,); needed where tasks can wait.
            blank: the difficulty shown where there is no task.
        """
        n = trace.n_tasks
        if n + SPARE > self.task_stride:
            self._grow(n + n // 8)
        tasks, rest = self._span(row, n)
        record = self.tasks[tasks]
        record[:, TASK_SLOT], record[:, TASK_FEATURE], record[:, TASK_ENERGIES:] = trace.task_slot, feature, energy_j
        self.tasks[rest] = (self.horizon_slots, 0.0, *[0.0] * self.n_models)
        self.difficulty[tasks], self.difficulty[rest] = trace.difficulty, blank
        self.observed_difficulty[tasks], self.observed_difficulty[rest] = trace.observed_difficulty, blank
        self._load_slots(row, trace)
        if self.can_wait and cheapest is not None:
            self._load_waiting(row, trace, cheapest)

    def _load_slots(self, row: int, trace: Trace) -> None:
        slots = self.slots[self._slots(row)]
        meter_j = np.add.accumulate(trace.harvest_j)
        slots[1:-1, BEFORE_J] = slots[:-2, AFTER_J] = meter_j
        slots[-1, BEFORE_J] = slots[-2:, AFTER_J] = meter_j[-1]
        slots[:, ARRIVED] = np.add.accumulate(np.bincount(trace.task_slot, minlength=self.slot_stride))

    def _load_waiting(self, row: int, trace: Trace, cheapest: IntArray) -> None:
        n, waits = trace.n_tasks, trace.deadline_slots > 0
        tasks, rest = self._span(row, n)
        slot, deadline = trace.task_slot.astype(np.int64), trace.deadline_slots.astype(np.int64)
        due = np.minimum(slot + np.minimum(deadline, self.horizon_slots), self.horizon_slots)
        self.due_slot[tasks], self.due_slot[rest] = due, self.horizon_slots
        self.due_order[tasks], self.due_order[rest] = np.lexsort((waits, due)), n
        in_turn = np.flatnonzero(waits)
        self.waiting_order[tasks.start : tasks.start + len(in_turn)] = in_turn
        self.waiting_order[tasks.start + len(in_turn) : rest.stop] = n
        self.cheapest[tasks], self.cheapest[rest] = cheapest, 0
        self.is_dispatched[tasks.start : rest.stop] = False
        self.due_left[self._slots(row)] = np.bincount(due, minlength=self.slot_stride)

    def rows(self, row: Any) -> Rows:
        """Where the entries of this row (a number) or of these (an array) start."""
        return Rows(row * self.slot_stride, row * self.task_stride)

    def _span(self, row: int, n_tasks: int) -> tuple[slice, slice]:
        """A row's entries that hold tasks, and the empty ones behind them."""
        start = row * self.task_stride
        return slice(start, start + n_tasks), slice(start + n_tasks, start + self.task_stride)

    def _slots(self, row: int) -> slice:
        """A row's entries in a table per slot."""
        return slice(row * self.slot_stride, (row + 1) * self.slot_stride)

    def n_tasks(self, row: int) -> int:
        """Tasks of a row's episode."""
        return int(self.slots[(row + 1) * self.slot_stride - 1, 2])

    def settle(self, row: int) -> float:
        """Mark all that is left of a row's tasks as dispatched; joules to run each on its cheapest model."""
        start = row * self.task_stride
        left = start + np.flatnonzero(~self.is_dispatched[start : start + self.n_tasks(row)])
        self.is_dispatched[left] = True
        self.due_left[self._slots(row)] = 0
        return float(self.tasks[left, TASK_ENERGIES + self.cheapest[left]].sum())
