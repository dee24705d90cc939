"""Traces as the tables that a step looks things up in: a `World` of lists for one environment, of arrays for many."""

import numpy as np
from numpy.typing import NDArray

from energy_route_env.core.state import World, row_of
from energy_route_env.scenario import Scenario
from energy_route_env.world.forecast import BLOCK_HOURS, persistence
from energy_route_env.world.trace import Trace


def make_room(scenario: Scenario, n: int, n_tasks: int, apart: bool) -> World:
    """Return empty tables of n rows, each with room for so many tasks.

    What is true of a task and what is seen of it are the same arrays unless they are to be held `apart`.
    """
    by_task, waits = (n, n_tasks + 1), (n, (n_tasks + 1) * scenario.can_wait)
    energy_j, difficulty = np.zeros((*by_task, len(scenario.models))), np.zeros(by_task)
    slots = scenario.horizon_slots
    by_slot = (n, (slots + 1) * (scenario.grid_source is not None))
    by_open_slot = (n, (slots + 1) * scenario.over_latency)
    fails = (n, (n_tasks + 1) * scenario.retries)
    return World(
        harvested_before_j=np.zeros((n, slots + 2)),
        arrived=np.zeros((n, slots + 1), np.int32),
        task_slot=np.full(by_task, slots, np.int32),
        energy_j=energy_j,
        expected_energy_j=np.zeros_like(energy_j) if apart else energy_j,
        difficulty=difficulty,
        observed_difficulty=np.zeros_like(difficulty) if apart else difficulty,
        due_slot=np.full(waits, slots, np.int32),
        due_order=np.zeros(waits, np.int32),
        waiting_order=np.zeros(waits, np.int32),
        is_dispatched=np.zeros(waits, bool),
        due_left=np.zeros((n, (slots + 1) * scenario.can_wait), np.int32),
        grid_weight=np.ones(by_slot),
        grid_forecast=np.zeros((*by_slot, len(BLOCK_HOURS))),
        harvest_forecast_j=np.zeros((*by_slot, len(BLOCK_HOURS))),
        run_slots=np.ones((n, (n_tasks + 1) * scenario.over_latency, len(scenario.models)), np.int64),
        committed_j=np.zeros(by_open_slot),
        auxiliary_before_j=np.zeros(by_open_slot),
        solved=np.zeros((*fails, len(scenario.models)), bool),
        success_chance=np.zeros((*fails, len(scenario.models))),
        tried=np.zeros(fails, np.int64),
    )


def with_room(old: World, scenario: Scenario, n_tasks: int, apart: bool) -> World:
    """Return the same tables with room for more tasks, or with what is true and what is seen held apart."""
    new = make_room(scenario, len(old.arrived), n_tasks, apart)
    for before, after in zip(old, new, strict=True):
        after[:, : before.shape[1]] = before
    return new


def write(world: World, i: int, scenario: Scenario, trace: Trace, apart: bool) -> None:
    """Put a trace into environment i's tables; `apart` says that what is true and what is seen are held apart."""
    horizon, n = scenario.horizon_slots, trace.n_tasks
    before_j = world.harvested_before_j[i]
    np.add.accumulate(trace.harvest_j, out=before_j[1:-1])
    before_j[-1] = before_j[-2]
    np.add.accumulate(np.bincount(trace.task_slot, minlength=horizon + 1), out=world.arrived[i])
    _write_tasks(world.task_slot[i], trace.task_slot, horizon)
    _write_tasks(world.difficulty[i], trace.difficulty, scenario.middle_difficulty)
    world.energy_j[i, :n] = scenario.energy_j(trace.difficulty) if trace.energy_j is None else trace.energy_j
    world.energy_j[i, n] = 0.0
    if apart:
        _write_tasks(world.observed_difficulty[i], trace.observed_difficulty, scenario.middle_difficulty)
        world.expected_energy_j[i, :n] = scenario.expected_energy_j(trace.observed_difficulty)
        world.expected_energy_j[i, n] = 0.0
    if scenario.can_wait:
        _write_waiting(row_of(world, i), horizon, trace)
    if scenario.grid_source is not None:
        _write_grid(row_of(world, i), scenario, trace)
    if scenario.over_latency:
        world.run_slots[i, :n] = scenario.run_slots(trace.difficulty)
        world.committed_j[i] = world.auxiliary_before_j[i] = 0.0
    if scenario.retries:
        _write_attempts(row_of(world, i), scenario, trace)


def _write_tasks(table: NDArray[np.generic], values: NDArray[np.generic], blank: float) -> None:
    table[: len(values)] = values
    table[len(values)] = blank


def _write_waiting(tables: World, horizon_slots: int, trace: Trace) -> None:
    n, waits = trace.n_tasks, trace.deadline_slots > 0
    slot, deadline = trace.task_slot.astype(np.int64), trace.deadline_slots.astype(np.int64)
    due = np.minimum(slot + np.minimum(deadline, horizon_slots), horizon_slots)
    _write_tasks(tables.due_slot, due, horizon_slots)
    _write_tasks(tables.due_order, np.lexsort((waits, due)), n)
    _write_tasks(tables.waiting_order, np.flatnonzero(waits), n)
    tables.is_dispatched[: n + 1] = False
    tables.due_left[:] = np.bincount(due, minlength=len(tables.due_left))


def _write_grid(tables: World, scenario: Scenario, trace: Trace) -> None:
    assert trace.grid_weight is not None and trace.past_grid_weight is not None
    day, mean_j, past_j = scenario.day_slots, scenario.harvest.mean_j, trace.past_harvest_j
    _write_tasks(tables.grid_weight, trace.grid_weight, trace.grid_weight[-1])
    tables.grid_forecast[:-1] = persistence(np.append(trace.past_grid_weight, trace.grid_weight), day)
    tables.harvest_forecast_j[:] = mean_j  # what can be said where the day before is not known
    if past_j is not None:
        tables.harvest_forecast_j[:-1] = persistence(np.append(past_j, trace.harvest_j), day)


def _write_attempts(tables: World, scenario: Scenario, trace: Trace) -> None:
    n = trace.n_tasks
    tables.solved[:n] = True if trace.solved is None else trace.solved
    tables.success_chance[:n] = scenario.success_chance(trace.observed_difficulty)
    tables.success_chance[n] = 0.0
    tables.tried[:] = 0


def as_lists(world: World) -> World:
    """Return the tables as lists, which a single environment reads several times as fast."""
    return World(*(table.tolist() for table in world))
