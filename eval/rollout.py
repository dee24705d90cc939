"""Any dispatcher on any scenario, on traces that depend on the seed alone."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents import Dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace, make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.core.attempts import tried_models
from energy_route_env.core.batch import Batch
from energy_route_env.core.state import BALANCE
from energy_route_env.env import require_trace
from energy_route_env.units import FloatArray, IntArray

BATCH_SIZE = 1024
"""Episodes stepped together: large enough to spread the cost of a call, small enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """Results of a dispatcher, episode by episode; energies in joules."""

    checkpoints: NDArray[np.int64]
    """Slots after which the auxiliary energy was read, shape (checkpoints,)."""
    auxiliary_j: FloatArray
    """Auxiliary energy up to the checkpoints, shape (episodes, checkpoints)."""
    cost: FloatArray
    """What it counts in the scenario's unit: D_T, likewise. The same in joules where there is no grid source."""
    balance: dict[str, FloatArray]
    """Balance of the whole episode by the names in `core.state.BALANCE`, each of shape (episodes,)."""
    tasks: NDArray[np.int64]
    """Tasks of each episode, shape (episodes,)."""
    latency_s: FloatArray
    """Mean latency of a query in each episode, all its attempts, shape (episodes,); 0 where no task arrived."""
    tally: dict[str, IntArray]
    """What was counted in each episode by the names in `core.state.TALLY`, each of shape (episodes,).

    It is empty where failures are ignored.
    """


def draw_traces(scenario: Scenario, episodes: Iterable[int], seed: int) -> list[Trace]:
    """Draw the traces of these episodes; each depends on the seed and its own number alone."""
    return [scenario.draw(np.random.default_rng([seed, episode])) for episode in episodes]


def simulate(
    scenario: str | Scenario,
    dispatcher: Dispatcher,
    episodes: int,
    seed: int = 0,
    checkpoints: Sequence[int] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Simulation:
    """Run a dispatcher through whole episodes; its own overhead adds to the scenario's.

    Args:
        scenario: where, as a name or a value.
        dispatcher: who decides.
        episodes: how many episodes.
        seed: seed of the traces; every dispatcher meets the same ones.
        checkpoints: slots after which the auxiliary energy is read, rising, from 1 to the horizon; by default the
            horizon alone. A backlog left at the end runs in the last slot. Where tasks draw their energy over their
            latency, what they are still to draw after a checkpoint does not count, except at the horizon.
        progress: called with the number of episodes just finished.

    Raises:
        ValueError: if an argument is not valid, or the dispatcher answers with something that is no action.
    """
    require_whole("episodes", episodes, 1)
    require_whole("seed", seed, 0)
    scenario = make_scenario(scenario)
    horizon = scenario.horizon_slots
    allowed = f"rising whole numbers from 1 to the horizon, {horizon}"
    slots = rising_slots("checkpoints", [horizon] if checkpoints is None else checkpoints, allowed, horizon)
    dispatcher.reset(seed)
    scenario = dispatcher.charged(scenario)
    parts = []
    for start in range(0, episodes, BATCH_SIZE):
        numbers = range(start, min(start + BATCH_SIZE, episodes))
        parts.append(_run(scenario, dispatcher, draw_traces(scenario, numbers, seed), slots))
        if progress is not None:
            progress(len(numbers))
    balance = {name: np.concatenate([part.balance[name] for part in parts]) for name in BALANCE}
    tally = {name: np.concatenate([part.tally[name] for part in parts]) for name in parts[0].tally}
    names = ("auxiliary_j", "cost", "tasks", "latency_s")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Simulation(checkpoints=slots, balance=balance, tally=tally, **arrays)


def rising_slots(field: str, slots: ArrayLike, allowed: str, last: float = math.inf) -> NDArray[np.int64]:
    """Return the slots as an array.

    Raises:
        InputError: unless they are whole numbers that rise from 1 or more to at most `last`.
    """
    values = np.asarray(slots)
    ok = values.ndim == 1 and len(values) > 0 and values.dtype.kind in "iu" and values[0] >= 1 and values[-1] <= last
    require(bool(ok and (np.diff(values) > 0).all()), field, values.tolist(), allowed)
    return values.astype(np.int64)


def run_traces(scenario: Scenario, dispatcher: Dispatcher, traces: Sequence[Trace]) -> Simulation:
    """Run a dispatcher through given traces as `simulate` does; read the auxiliary energy at the horizon.

    Raises:
        InputError: if a trace does not fit the scenario.
    """
    for trace in traces:
        require_trace(scenario, trace)
    return _run(dispatcher.charged(scenario), dispatcher, traces, np.array([scenario.horizon_slots]))


def play(env: EnergyRouteEnv, dispatcher: Dispatcher, trace: Trace) -> Iterator[dict[str, Any]]:
    """Step a single environment through a trace and yield each step's info; the last one holds the balance."""
    env.reset(options={"trace": trace})
    info: dict[str, Any] = {}
    memory = np.zeros((1, dispatcher.memory_size))
    while "balance" not in info:
        decision = replace(env.decision(dispatcher.privileged), memory=memory)
        *_, info = env.step(int(dispatcher.act(decision)[0]))
        yield info


def _run(
    scenario: Scenario, dispatcher: Dispatcher, traces: Sequence[Trace], checkpoints: NDArray[np.int64]
) -> Simulation:
    n = len(traces)
    batch, every = Batch(scenario, n), np.arange(n)
    batch.load(traces, every)
    interval = np.searchsorted(checkpoints, np.arange(scenario.horizon_slots + 1), side="right")
    supplied, counted = np.zeros((2, len(checkpoints) + 1, n))
    chosen = np.full(batch.world.task_slot.shape, -1)
    ended, memory = np.zeros(n, bool), np.zeros((n, dispatcher.memory_size))
    while not ended.all():
        outcome = batch.step(_answer(dispatcher, batch, memory))
        chosen[every, outcome.task] = outcome.model
        supplied[interval[outcome.slot], every] += outcome.auxiliary_j
        counted[interval[outcome.slot], every] += outcome.cost
        ended = outcome.ended
    auxiliary, cost = (sums[:-1].cumsum(axis=0).T for sums in (supplied, counted))
    if scenario.over_latency:  # a step may have drawn in several slots, before and after a checkpoint
        before = checkpoints < scenario.horizon_slots
        auxiliary[:, before], cost[:, before] = _drawn_before(batch, checkpoints[before])
    tasks = np.array([trace.n_tasks for trace in traces])
    latency, tally = _latency(batch, chosen, tasks), batch.tally() if scenario.retries else {}
    return Simulation(checkpoints, auxiliary, cost, batch.balance(), tasks, latency, tally)


def _drawn_before(batch: Batch, slots: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Return what had come from the auxiliary supply before these slots, in joules and in the scenario's unit.

    Both have shape (n, len(slots)).
    """
    auxiliary_j = batch.world.auxiliary_before_j
    if batch.scenario.grid_source is None:
        return auxiliary_j[:, slots], auxiliary_j[:, slots]
    counted = np.diff(auxiliary_j, axis=1) * batch.world.grid_weight[:, :-1]
    return auxiliary_j[:, slots], counted.cumsum(axis=1)[:, slots - 1]


def _answer(dispatcher: Dispatcher, batch: Batch, memory: FloatArray) -> NDArray[np.int64]:
    """Return the dispatcher's actions, checked."""
    decision = replace(batch.decision(dispatcher.privileged), memory=memory)
    actions = np.asarray(dispatcher.act(decision))
    name, n, n_actions = type(dispatcher).__name__, batch.n, batch.scenario.n_actions
    if actions.shape != (n,) or actions.dtype.kind not in "iu":
        found = f"an array of {actions.dtype} and shape {actions.shape}"
        raise ValueError(f"{name}.act returned {found}, but it must be one of integers and shape ({n},).")
    wrong = actions[(actions < 0) | (actions >= n_actions)]
    if len(wrong) > 0:
        raise ValueError(f"{name}.act returned {wrong[0]}, but actions must be from 0 to {n_actions - 1}.")
    return actions


def _latency(batch: Batch, chosen: NDArray[np.int64], tasks: NDArray[np.int64]) -> FloatArray:
    """Return the mean latency of each episode's queries; a task left to the end ran on its cheapest model."""
    scenario, world = batch.scenario, batch.world
    is_task = np.arange(chosen.shape[1]) < tasks[:, None]
    latency = scenario.latency_s(np.where(is_task, world.difficulty, scenario.difficulties[0]))
    if scenario.retries:
        taken = (latency * tried_models(world.tried, len(scenario.models))).sum(axis=-1)
    else:
        model = np.where(chosen < 0, world.expected_energy_j.argmin(axis=-1), chosen)
        taken = np.take_along_axis(latency, model[..., None], axis=-1)[..., 0]
    return (taken * is_task).sum(axis=1) / np.maximum(tasks, 1)
