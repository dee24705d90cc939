"""The transition core: where energy moves, and which task is offered next. Pure functions, no draw, no Gymnasium.

Written once for one environment and for many: every value below is either a Python number (one environment) or an
array with one entry per environment, and `ops` (`Floats` or `Arrays`) says which. Only +, -, *, /, minimum, maximum,
comparisons and look-ups are used. IEEE 754 rounds each of them exactly, so numbers and arrays agree to the last bit
(a power or an exponential would not; what needs those is looked up in the tables made at reset).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from energy_route_env.checks import require, require_real
from energy_route_env.world.trace import ARRIVED, TASK_SLOT, Rows, Tables

Real: TypeAlias = Any
"""A float, or a float64 array (n,)."""
Whole: TypeAlias = Any
"""An int, or an integer array (n,)."""
Flag: TypeAlias = Any
"""A bool, or a bool array (n,)."""
Operation: TypeAlias = Any
"""A function of any of these."""


def _choose(condition: bool, if_true: Any, if_false: Any) -> Any:
    return if_true if condition else if_false


class Floats:
    """Operations for one environment, whose values are Python numbers."""

    minimum: Operation = staticmethod(min)
    maximum: Operation = staticmethod(max)
    where: Operation = staticmethod(_choose)
    any: Operation = staticmethod(bool)
    read: Operation = staticmethod(np.ndarray.item)
    whole: Operation = staticmethod(int)

    @staticmethod
    def record(table: np.ndarray, at: Whole) -> Any:
        """The fields of a record."""
        return table[at].tolist()

    @staticmethod
    def field(record: Any, at: Whole) -> Real:
        """One field of a record."""
        return record[at]


class Arrays:
    """The same operations for many environments, whose values are arrays (n,)."""

    minimum: Operation = staticmethod(np.minimum)
    maximum: Operation = staticmethod(np.maximum)
    where: Operation = staticmethod(np.where)
    any: Operation = staticmethod(np.ndarray.any)
    read: Operation = staticmethod(np.ndarray.take)

    @staticmethod
    def whole(values: Real) -> Whole:
        """Real values that are whole, as integers."""
        return values.astype(np.int64)

    @staticmethod
    def record(table: np.ndarray, at: Whole) -> Any:
        """The fields of a record, each an array (n,)."""
        return table.take(at, axis=0).T

    @staticmethod
    def field(record: Any, at: Whole) -> Real:
        """One field of each record, by its index (n,)."""
        return record.T.ravel().take(np.arange(len(at)) * len(record) + at)


Ops: TypeAlias = type[Floats] | type[Arrays]


@dataclass(frozen=True, kw_only=True)
class Battery:
    """What the battery can hold and what it loses; the paper's holds everything and loses nothing.

    Raises:
        ValueError: if a capacity or an initial charge is negative, the charge exceeds the capacity, or an efficiency
            lies outside (0, 1].
    """

    capacity_j: float = math.inf
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    initial_battery_j: float = 0.0

    def __post_init__(self) -> None:
        """Check the physics."""
        if not (isinstance(self.capacity_j, float) and self.capacity_j == math.inf):
            require_real("capacity_j", self.capacity_j, 0.0)
        for name in ("charge_efficiency", "discharge_efficiency"):
            require_real(name, getattr(self, name), 0.0, 1.0, above=True)
        require_real("initial_battery_j", self.initial_battery_j, 0.0)
        fits = self.initial_battery_j <= self.capacity_j
        require(fits, "initial_battery_j", self.initial_battery_j, f"at most the capacity, {self.capacity_j}")


class Store(NamedTuple):
    """Energy at hand and the totals since the episode's start, in joules.

    In every step: initial + harvested + auxiliary = consumed + battery + harvest left + spilled + lost.
    """

    battery_j: Real
    harvest_left_j: Real
    harvested_j: Real
    consumed_j: Real
    auxiliary_j: Real
    spilled_j: Real
    lost_j: Real


class Queue(NamedTuple):
    """Which task is at hand, and how many stand behind it."""

    slot: Whole
    """The current slot; the horizon itself once the episode is over."""
    task: Whole
    """Index of the task at hand in the trace; points at an empty entry when there is none."""
    due: Whole
    """Tasks that must be dispatched in this slot, the one at hand among them."""
    waiting: Whole
    """Tasks that may wait beyond this slot."""
    dispatched: Whole
    """Tasks dispatched since the episode's start."""
    due_at: Whole
    """Position in the order of due slots."""
    waiting_at: Whole
    """Position in the first-in first-out order of the tasks that can wait."""
    slot_record: Any
    """The record of the current slot."""
    task_record: Any
    """The record of the task at hand."""


def draw(ops: Ops, battery: Battery, store: Store, energy_j: Real) -> tuple[Store, Real]:
    """Supply `energy_j`: first from this slot's harvest, then from the battery, the rest from the auxiliary supply.

    Returns:
        The store afterwards and the auxiliary energy drawn (model, Section 2).
    """
    from_harvest = ops.minimum(energy_j, store.harvest_left_j)
    unmet = energy_j - from_harvest
    from_battery = ops.minimum(unmet, battery.discharge_efficiency * store.battery_j)
    drained = ops.minimum(from_battery / battery.discharge_efficiency, store.battery_j)
    auxiliary = unmet - from_battery
    after = Store(
        store.battery_j - drained,
        store.harvest_left_j - from_harvest,
        store.harvested_j,
        store.consumed_j + energy_j,
        store.auxiliary_j + auxiliary,
        store.spilled_j,
        store.lost_j + (drained - from_battery),
    )
    return after, auxiliary


def charge(ops: Ops, battery: Battery, store: Store, closes: Flag, before_j: Real, after_j: Real) -> Store:
    """Where the slot closes: store the unused harvest and open the next slot in which there is something to decide.

    Args:
        ops: numbers or arrays.
        battery: capacity and efficiencies.
        store: before.
        closes: whether the slot closes; elsewhere nothing happens.
        before_j: everything harvested before the slot that opens. The harvest of the slots passed over goes to the
            battery with this slot's rest: nothing was drawn between, so storing at once equals storing in turn.
        after_j: everything harvested by the end of the slot that opens.
    """
    closing = closes * 1.0  # a product with 0 or 1 is exact, and faster than a choice that no processor can foresee
    surplus = closing * (store.harvest_left_j + (before_j - store.harvested_j))
    stored = ops.minimum(battery.charge_efficiency * surplus, battery.capacity_j - store.battery_j)
    charged_from = ops.minimum(stored / battery.charge_efficiency, surplus)
    return Store(
        ops.minimum(store.battery_j + stored, battery.capacity_j),
        closing * (after_j - before_j) + (1.0 - closing) * store.harvest_left_j,
        after_j + 0.0,
        store.consumed_j,
        store.auxiliary_j,
        store.spilled_j + (surplus - charged_from),
        store.lost_j + (charged_from - stored),
    )


def open_queue(ops: Ops, tables: Tables, rows: Rows) -> Queue:
    """The queue in the first slot in which a task arrives, or at the horizon where none does."""
    slot = ops.whole(ops.record(tables.tasks, rows.first_task)[TASK_SLOT])
    zero = 0 * slot
    if tables.can_wait:
        return _offer(ops, tables, rows, slot, zero, zero, zero)
    return _next_in_turn(ops, tables, rows, zero, zero)


def advance(ops: Ops, tables: Tables, rows: Rows, queue: Queue, dispatches: Flag, defers: Flag) -> tuple[Queue, Flag]:
    """Leave the task at hand, dispatched or deferred, and find the next one.

    Args:
        ops: numbers or arrays.
        tables: the episode's outside world; its marks of dispatched tasks are updated.
        rows: where the environment's (or environments') entries start in the tables.
        queue: before.
        dispatches: whether the task at hand is dispatched.
        defers: whether the backlog is closed for this slot.

    Returns:
        The queue afterwards, and whether the slot closed.
    """
    dispatched = queue.dispatched + dispatches
    if not tables.can_wait:
        after = _next_in_turn(ops, tables, rows, dispatched, queue.waiting)
        return after, after.slot > queue.slot
    _mark(ops, tables, rows, queue.task, dispatches)
    due = ops.read(tables.due_left, rows.first_slot + queue.slot)
    waiting = ops.whole(queue.slot_record[ARRIVED]) - dispatched - due
    closes = (due == 0) & (defers | (waiting == 0))
    # Where nothing is left over, as many tasks have arrived as were dispatched: their number is the next one's index.
    next_arrival = ops.whole(ops.record(tables.tasks, rows.first_task + dispatched)[TASK_SLOT])
    slot = ops.where(closes, ops.where(waiting > 0, queue.slot + 1, next_arrival), queue.slot)
    return _offer(ops, tables, rows, slot, dispatched, queue.due_at, queue.waiting_at), closes


def _next_in_turn(ops: Ops, tables: Tables, rows: Rows, dispatched: Whole, zero: Whole) -> Queue:
    """What is offered where no task can wait: the next to arrive."""
    task = ops.record(tables.tasks, rows.first_task + dispatched)
    slot = ops.whole(task[TASK_SLOT])
    here = ops.record(tables.slots, rows.first_slot + slot)
    due = ops.whole(here[ARRIVED]) - dispatched
    return Queue(slot, dispatched, due, zero, dispatched, zero, zero, here, task)


def _offer(
    ops: Ops, tables: Tables, rows: Rows, slot: Whole, dispatched: Whole, due_at: Whole, waiting_at: Whole
) -> Queue:
    """What this slot offers where tasks can wait: due tasks first, then the backlog, oldest first."""
    here = ops.record(tables.slots, rows.first_slot + slot)
    due = ops.read(tables.due_left, rows.first_slot + slot)
    waiting = ops.whole(here[ARRIVED]) - dispatched - due
    due_at = _skip_dispatched(ops, tables, rows, tables.due_order, due_at)
    waiting_at = _skip_dispatched(ops, tables, rows, tables.waiting_order, waiting_at)
    first_due = ops.read(tables.due_order, rows.first_task + due_at)
    oldest = ops.read(tables.waiting_order, rows.first_task + waiting_at)
    task = ops.where(due > 0, first_due, oldest)
    record = ops.record(tables.tasks, rows.first_task + task)
    return Queue(slot, task, due, waiting, dispatched, due_at, waiting_at, here, record)


def _mark(ops: Ops, tables: Tables, rows: Rows, task: Whole, dispatches: Flag) -> None:
    """Note that the task is dispatched: it waits no longer and is no longer due."""
    at = rows.first_task + task
    tables.is_dispatched[at] |= dispatches
    tables.due_left[rows.first_slot + ops.read(tables.due_slot, at)] -= dispatches


def _skip_dispatched(ops: Ops, tables: Tables, rows: Rows, order: np.ndarray, at: Whole) -> Whole:
    """The first position from `at` on whose task is not dispatched (the empty entry behind the last one never is)."""
    while True:
        stale = ops.read(tables.is_dispatched, rows.first_task + ops.read(order, rows.first_task + at))
        if not ops.any(stale):
            return at
        at = at + stale
