"""Episodes under way: traces, state and clock of n environments. `env.py` is this at n = 1, `vector_env.py` at n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import require
from energy_route_env.decision import Decision, Encoder
from energy_route_env.dynamics import (
    Arrays,
    Flag,
    Floats,
    Ops,
    Queue,
    Real,
    Store,
    Whole,
    advance,
    charge,
    draw,
    open_queue,
)
from energy_route_env.scenario import Scenario
from energy_route_env.world.trace import AFTER_J, BEFORE_J, TASK_ENERGIES, TASK_FEATURE, Rows, Tables, Trace

BALANCE = ("initial_j", "harvested_j", "auxiliary_j", "consumed_j", "stored_j", "spilled_j", "lost_j")
"""An episode's whole balance: the first three add up to the last four."""


class Outcome(NamedTuple):
    """What one step did, as numbers or as arrays (n,)."""

    energy_j: Real
    """Energy of the tasks dispatched by this step."""
    auxiliary_j: Real
    """What of it came from the auxiliary supply."""
    model: Whole
    """The model that the task at hand went to, -1 if it was deferred."""
    forced: Flag
    """Whether a deferral of a due task was overridden."""
    slot: Whole
    """The slot in which the decision was taken."""
    ended: Flag
    """Whether the episode is over."""


class Batch:
    """n environments of one scenario, stepped together.

    Args:
        scenario: what is simulated.
        n: how many environments.
        ops: `Arrays`, or `Floats` for a single environment: then every value is a Python number.
    """

    def __init__(self, scenario: Scenario, n: int, ops: Ops = Arrays) -> None:
        """Make room for the episodes; `load` starts them."""
        self.scenario, self.n, self.ops = scenario, n, ops
        self.encoder = Encoder(scenario)
        self.battery = scenario.battery
        self.n_models = len(scenario.models)
        expected = scenario.arrival_rate * scenario.horizon_slots
        room = math.ceil(expected + 6 * math.sqrt(expected)) + 1
        self.tables = Tables(n, scenario.horizon_slots, self.n_models, scenario.can_wait, room)
        self.rows: Rows
        self.store: Store
        self.queue: Queue

    def load(self, traces: Sequence[Trace], rows: NDArray[np.intp] | None = None) -> None:
        """Start an episode in every row, or in the given ones (one trace each)."""
        for row, trace in zip(range(self.n) if rows is None else rows.tolist(), traces, strict=True):
            cheapest = self.scenario.cheapest_model(trace.observed_difficulty) if self.scenario.can_wait else None
            energy_j = self.scenario.energy_j(trace.difficulty)
            feature = self.encoder.difficulty_feature(trace.observed_difficulty)
            self.tables.load(row, trace, energy_j, feature, cheapest, self.encoder.blank_difficulty)
        self.rows = self.tables.rows(0 if self.ops is Floats else np.arange(self.n))  # loading can move them
        if rows is None:
            self.store, self.queue = self._begin(self.rows)
            return
        store, queue = self._begin(self.tables.rows(rows))
        self.store = Store(*(_with_rows(old, rows, new) for old, new in zip(self.store, store, strict=True)))
        self.queue = Queue(*(_with_rows(old, rows, new) for old, new in zip(self.queue, queue, strict=True)))

    def check_trace(self, trace: Any) -> None:
        """Refuse a trace that does not fit the scenario.

        Raises:
            ValueError: naming the field, the value and what is allowed.
        """
        require(isinstance(trace, Trace), "options['trace']", type(trace).__name__, "a Trace")
        trace.check()
        horizon = self.scenario.horizon_slots
        require(len(trace.harvest_j) == horizon, "harvest_j.shape", trace.harvest_j.shape, f"({horizon},), the horizon")
        longest = int(trace.deadline_slots.max(initial=0))
        no_wait = "0, since no task of this scenario can wait (give it deadline_slots)"
        require(longest == 0 or self.scenario.can_wait, "trace.deadline_slots", longest, no_wait)

    def _begin(self, rows: Rows) -> tuple[Store, Queue]:
        """The first decision: slots before the first task have closed by themselves."""
        queue = open_queue(self.ops, self.tables, rows)
        zero = 0.0 * queue.slot
        store = Store(self.battery.initial_battery_j + zero, *[zero + 0.0 for _ in Store._fields[1:]])
        return self._close(store, queue.slot >= 0, queue), queue

    def _close(self, store: Store, closes: Flag, queue: Queue) -> Store:
        """Close a slot where it says so, and open the queue's."""
        here = queue.slot_record
        return charge(self.ops, self.battery, store, closes, here[BEFORE_J], here[AFTER_J])

    def step(self, action: Whole) -> Outcome:
        """Route the tasks at hand. Where an episode is over, nothing happens.

        Args:
            action: the models' indices, or `n_models` to defer; must be valid.
        """
        ops, rows, before = self.ops, self.rows, self.queue
        model, dispatches, defers, forced = self._resolve(action)
        energy = ops.field(before.task_record, TASK_ENERGIES + model)
        if self.tables.can_wait:
            energy = dispatches * energy
        store, auxiliary = draw(ops, self.battery, self.store, energy)
        self.queue, closes = advance(ops, self.tables, rows, before, dispatches, defers)
        self.store = self._close(store, closes, self.queue)
        ended = self.queue.slot >= self.scenario.horizon_slots
        if self.tables.can_wait:
            settled, more = self._settle(ended)
            energy, auxiliary = energy + settled, auxiliary + more
        return Outcome(energy, auxiliary, ops.where(dispatches, model, -1), forced, before.slot, ended)

    def _resolve(self, action: Whole) -> tuple[Whole, Flag, Flag, Flag]:
        """The model, whether the task is dispatched, whether it is deferred, whether a deferral was overridden."""
        is_due = self.queue.due > 0
        if not self.tables.can_wait:
            return action, is_due, False, action < 0
        asks = action == self.n_models
        forced = asks & is_due
        defers = asks ^ forced
        cheapest = self._read_task(self.tables.cheapest)
        model = self.ops.where(asks, cheapest, action)
        return model, (is_due | (self.queue.waiting > 0)) & (defers ^ True), defers, forced

    def _settle(self, ended: Flag) -> tuple[Real, Real]:
        """After the last slot the remaining backlog runs at its cheapest models: joules, and auxiliary joules."""
        left = ended & (self.queue.due + self.queue.waiting > 0)
        if not self.ops.any(left):
            return 0.0, 0.0
        energy = self._left_over_j(left)
        self.store, auxiliary = draw(self.ops, self.battery, self.store, energy)
        none_left = (ended ^ True) * 1
        self.queue = self.queue._replace(
            dispatched=self.queue.dispatched + (self.queue.due + self.queue.waiting) * ended,
            due=self.queue.due * none_left,
            waiting=self.queue.waiting * none_left,
        )
        return energy, auxiliary

    def _left_over_j(self, left: Flag) -> Real:
        if self.ops is Floats:
            return self.tables.settle(0)
        energy = np.zeros(self.n)
        for row in np.flatnonzero(left).tolist():
            energy[row] = self.tables.settle(row)
        return energy

    def observation(self) -> NDArray[np.float32]:
        """The features of the decisions at hand, shape (9,) for a single environment of numbers, else (n, 9)."""
        return self._encode(self.store, self.queue, self._slack())

    def _encode(self, store: Store, queue: Queue, slack: Whole) -> NDArray[np.float32]:
        waiting = queue.waiting if self.tables.can_wait else 0.0
        difficulty = queue.task_record[TASK_FEATURE]
        features = self.encoder.features(
            self.ops, store.battery_j, store.harvest_left_j, difficulty, slack, waiting, queue.due, queue.slot
        )
        if self.ops is Floats:
            return np.array(features, np.float32)
        observation = np.empty((len(features), self.n), np.float32)
        for row, feature in zip(observation, features, strict=True):
            row[:] = feature
        return observation.T

    def _read_task(self, table: NDArray[Any]) -> Any:
        return self.ops.read(table, self.rows.first_task + self.queue.task)

    def _slack(self) -> Whole:
        if not self.tables.can_wait:
            return 0.0
        return (self._read_task(self.tables.due_slot) - self.queue.slot) * (self.queue.due == 0)

    def decision(self, privileged: bool = False) -> Decision:
        """What a dispatcher sees now.

        Args:
            privileged: whether it also sees the true difficulty.
        """
        store, queue, array = self.store, self.queue, np.atleast_1d
        observed, slack = self._read_task(self.tables.observed_difficulty), self._slack()
        return Decision(
            battery_j=array(store.battery_j),
            harvest_left_j=array(store.harvest_left_j),
            observed_difficulty=array(observed),
            slack_slots=array(slack + 0 * queue.due),
            backlog=array(queue.waiting),
            due=array(queue.due),
            slots_left=array(self.scenario.horizon_slots - queue.slot),
            observe=lambda: np.atleast_2d(self._encode(store, queue, slack)),
            difficulty=array(self._read_task(self.tables.difficulty)) if privileged else None,
        )

    def balance(self) -> dict[str, Real]:
        """The totals since the episode's start, by the names in `BALANCE`."""
        store = self.store
        stored = store.battery_j + store.harvest_left_j
        came = (self.battery.initial_battery_j + 0.0 * stored, store.harvested_j, store.auxiliary_j)
        went = (store.consumed_j, stored, store.spilled_j, store.lost_j)
        return {name: value + 0.0 for name, value in zip(BALANCE, (*came, *went), strict=True)}


def _with_rows(old: NDArray[Any], rows: NDArray[np.intp], new: NDArray[Any]) -> NDArray[Any]:
    """A copy with new entries in these rows; what was handed out before stays as it was."""
    after = old.copy()
    after[..., rows] = new
    return after
