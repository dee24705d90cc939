"""Episodes under way: one (`Run`), or many stepped together (`Batch`), by the same functions."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_route_env.core import tables
from energy_route_env.core.attempts import tried_models
from energy_route_env.core.battery import usable_j
from energy_route_env.core.compiled import AHEAD, borrowed, compiled, look_ahead, up_to
from energy_route_env.core.state import BALANCE, OUTCOME, STATE, TALLY, Outcome, Rules, State, World, row_of
from energy_route_env.core.step import begin, nothing_done, step
from energy_route_env.decision import Before, Decision, features_of, observe, outlook, rules_of, slack_slots
from energy_route_env.scenario import Scenario
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.trace import Trace

Observation = NDArray[np.float32]


class Run:
    """One episode of a scenario; `load` starts it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        rules = rules_of(scenario)
        clock = {name: getattr(rules.scales, name).tolist() for name in ("time_left", "day_sine", "day_cosine")}
        self.rules = rules._replace(scales=rules.scales._replace(**clock))
        self._n_features = len(features_of(scenario))
        self.state: State
        self.world: World
        self._before: Before

    def load(self, trace: Trace) -> None:
        self._before = before(trace)
        world = tables.make_room(self.scenario, 1, trace.n_tasks, apart=True)
        tables.write(world, 0, self.scenario, trace, apart=True)
        self.state, self.world = State(), row_of(tables.as_lists(world), 0)
        begin(self.state, self.world, self.rules)

    def step(self, action: int) -> Outcome:
        """Route the task at hand; the action must be valid."""
        return step(self.state, self.world, self.rules, action)

    def observation(self) -> Observation:
        """Return the features of the decision at hand, shape (n_features,)."""
        features = [0.0] * self._n_features  # written faster than an array
        observe(self.state, self.world, self.rules, features)
        return np.array(features, np.float32)

    def decision(self, privileged: bool = False) -> Decision:
        """Return what a dispatcher sees now (n = 1); a privileged one sees what is true too."""
        x, world = self.state, self.world
        facts = facts_of(x, world, x.task, x.slot, slack_slots(x, world, self.rules.can_wait), self.rules, privileged)
        return Decision(
            observation=self.observation()[None],
            outlook=lambda _: outlook(x, world, self.rules, self._before, privileged),
            **{name: np.array([fact]) for name, fact in facts.items()},
        )

    def balance(self) -> dict[str, Any]:
        """Return the totals since the episode's start, by the names in `BALANCE`."""
        return balance_of(self.state, self.rules)

    def tally(self) -> dict[str, int]:
        """Return what was counted since the episode's start, by the names in `TALLY`."""
        return tally_of(self.state)

    def tried(self) -> NDArray[np.bool_] | None:
        """Return the models that failed on the task at hand, shape (n_models,); None where failures are ignored."""
        x, rules = self.state, self.rules
        return tried_models(self.world.tried[x.task], rules.n_models) if rules.retries else None


class Batch:
    """n episodes of a scenario, stepped together; `load` starts them."""

    def __init__(self, scenario: Scenario, n: int) -> None:
        """Make room for the episodes; it grows where a trace brings more tasks than usual."""
        self.scenario, self.n = scenario, n
        self.rules, self._n_features = rules_of(scenario), len(features_of(scenario))
        self.states: Any = np.zeros(n, STATE).view(np.recarray)
        self._before = [Before(None, None, None)] * n
        expected = scenario.arrival_rate * scenario.horizon_slots
        self._apart = scenario.difficulty_noise > 0
        self.world = tables.make_room(scenario, n, math.ceil(expected + 6 * math.sqrt(expected)) + 1, self._apart)

    def load(self, traces: Iterable[Trace], rows: NDArray[np.intp]) -> None:
        """Start an episode in each of these rows, one trace each."""
        for i, trace in zip(rows.tolist(), traces, strict=True):
            self._fit(trace)
            tables.write(self.world, i, self.scenario, trace, self._apart)
            self._before[i] = before(trace)
        compiled(begin_rows)(self.states, self.world, self.rules, rows)

    def _fit(self, trace: Trace) -> None:
        """Make more room if a trace needs it."""
        room = self.world.task_slot.shape[1] - 1
        is_seen = trace.observed_difficulty is trace.difficulty and trace.energy_j is None
        apart = self._apart or not is_seen
        if trace.n_tasks > room or apart > self._apart:
            wanted = max(room, trace.n_tasks + trace.n_tasks // 8)
            self.world = tables.with_room(self.world, self.scenario, wanted, apart)
            self._apart = apart

    def step(self, actions: NDArray[np.int64], observation: Observation | None = None) -> Outcome:
        """Route the tasks at hand. Where an episode is over, nothing happens.

        Args:
            actions: of shape (n,), must be valid.
            observation: of shape (n, n_features), filled with the features of the next decisions if given.
        """
        seen = np.empty((0, self._n_features), np.float32) if observation is None else observation
        outcome = self.blank_outcome()
        compiled(step_rows)(self.states, self.world, self.rules, actions, outcome, seen)
        np.greater_equal(outcome.model, 0, out=outcome.solved)  # one more array would slow the loop by a tenth
        if self.rules.retries:
            outcome.solved[:] &= self.world.solved[np.arange(self.n), outcome.task, outcome.model]
        return outcome

    def blank_outcome(self) -> Outcome:
        """Return arrays to write an outcome to."""
        return Outcome(*(np.empty(self.n, kind) for kind in OUTCOME))

    def nothing_done(self, rows: NDArray[np.intp], outcome: Outcome) -> None:
        """Write the outcome of no step in these rows."""
        for values, value in zip(outcome, nothing_done(self.states[rows]), strict=True):
            values[rows] = value

    def observation(self) -> Observation:
        """Return the features of the decisions at hand, shape (n, n_features)."""
        out = np.empty((self.n, self._n_features), np.float32)
        self.observe(np.arange(self.n), out)
        return out

    def observe(self, rows: NDArray[np.intp], out: Observation) -> None:
        """Write the features of the decisions at hand in these rows."""
        compiled(observe_rows)(self.states, self.world, self.rules, rows, out)

    def decision(self, privileged: bool = False) -> Decision:
        """Return what dispatchers see now; a privileged one sees what is true too."""
        x, due_slot = self.states.copy(), self.world.due_slot
        task, slot = ((np.arange(self.n), index) for index in (x.task, x.slot))
        slack = due_slot[task] - x.slot if self.rules.can_wait else np.zeros(self.n, np.int64)
        return Decision(
            observation=self.observation(),
            outlook=lambda i: outlook(x[i], row_of(self.world, i), self.rules, self._before[i], privileged),
            **facts_of(x, self.world, task, slot, slack, self.rules, privileged),
        )

    def balance(self) -> dict[str, FloatArray]:
        """Return the totals since each episode's start, by the names in `BALANCE`."""
        return balance_of(self.states, self.rules)

    def tally(self) -> dict[str, IntArray]:
        """Return what was counted since each episode's start, by the names in `TALLY`."""
        return tally_of(self.states)

    def tried(self) -> NDArray[np.bool_] | None:
        """Return the models that failed on the tasks at hand, shape (n, n_models); None where failures are ignored."""
        task, rules = self.states.task, self.rules
        return tried_models(self.world.tried[np.arange(self.n), task], rules.n_models) if rules.retries else None


def before(trace: Trace) -> Before:
    """Return what is known of the time before an episode."""
    return Before(*(getattr(trace, name) for name in Before._fields))


def facts_of(
    x: Any, world: World, task: Any, slot: Any, slack_slots: Any, rules: Rules, privileged: bool
) -> dict[str, Any]:
    """Return the fields of a `Decision` but for the observation; `task` and `slot` are the tables' indices."""
    by_task = ["observed_difficulty", "expected_energy_j", *(["difficulty", "energy_j"] if privileged else [])]
    by_task += (["success_chance"] + ["solved"] * privileged) * bool(rules.retries)
    by_slot = ("grid_weight", "grid_forecast", "harvest_forecast_j") if rules.has_grid else ()
    facts = {name: getattr(world, name)[task] for name in by_task}
    tried = {"tried": tried_models(world.tried[task], rules.n_models)} if rules.retries else {}
    return (
        facts
        | tried
        | {name: getattr(world, name)[slot] for name in by_slot}
        | {
            "battery_j": x.battery_j,
            "harvest_left_j": x.harvest_left_j,
            "usable_j": usable_j(x, rules.battery),
            "slack_slots": slack_slots,
            "backlog": x.waiting,
            "due": x.due,
            "slots_left": rules.horizon_slots - x.slot,
            "task": x.task,
        }
    )


def balance_of(x: Any, rules: Rules) -> dict[str, Any]:
    """Return the balance of one state, or of an array of them."""
    stored = x.battery_j + x.harvest_left_j
    came = (rules.battery.initial_battery_j + 0.0 * stored, x.harvested_j, x.auxiliary_j)
    went = (x.consumed_j, stored, x.spilled_j, x.lost_j)
    return {name: value + 0.0 for name, value in zip(BALANCE, (*came, *went), strict=True)}


def tally_of(x: Any) -> dict[str, Any]:
    """Return the tally of one state, or of an array of them; the tasks still in the queue are not in it."""
    counts = (x.attempts, x.solved, x.dispatched - x.solved)
    return {name: np.asarray(count, np.int64)[()] for name, count in zip(TALLY, counts, strict=True)}


# Loops over environments


def begin_rows(states: Any, world: World, rules: Rules, rows: Any) -> None:
    """Go to the first decision in each of these rows."""
    world, rules = borrowed(world), borrowed(rules)
    for i in rows:
        x = states[i]
        x.harvest_left_j = x.harvested_j = x.consumed_j = x.auxiliary_j = x.spilled_j = x.lost_j = 0.0
        x.dispatched = x.due_at = x.waiting_at = x.attempts = x.solved = 0
        begin(x, row_of(world, i), rules)


def step_rows(states: Any, world: World, rules: Rules, actions: Any, to: Outcome, observation: Any) -> None:
    """Route the task at hand in every row, and observe what follows if there is room for it.

    All of the outcome is written but `solved`.
    """
    observes = len(observation) > 0
    world, rules, to = borrowed(world), borrowed(rules), borrowed(to)
    for i in up_to(len(states)):
        if i + AHEAD < len(states):
            look_ahead(states[i + AHEAD], row_of(world, i + AHEAD))
        x, here = states[i], row_of(world, i)
        outcome = step(x, here, rules, actions[i])
        to.energy_j[i] = outcome.energy_j
        to.auxiliary_j[i] = outcome.auxiliary_j
        to.cost[i] = outcome.cost
        to.model[i] = outcome.model
        to.forced[i] = outcome.forced
        to.slot[i] = outcome.slot
        to.task[i] = outcome.task
        to.battery_j[i] = outcome.battery_j
        to.harvest_left_j[i] = outcome.harvest_left_j
        to.ended[i] = outcome.ended
        if observes:
            observe(x, here, rules, observation[i])


def observe_rows(states: Any, world: World, rules: Rules, rows: Any, observation: Any) -> None:
    """Observe the decision at hand in each of these rows."""
    world, rules = borrowed(world), borrowed(rules)
    for i in rows:
        observe(states[i], row_of(world, i), rules, observation[i])
