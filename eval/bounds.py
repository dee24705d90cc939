"""What no dispatcher can beat on a trace, online or clairvoyant."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import Hindsight
from energy_route_env import Scenario, Trace
from energy_route_env.decision import Before, Outlook
from energy_route_env.env import require_trace
from energy_route_env.theory.schedule import Future, best_schedule
from energy_route_env.theory.slot import require_at_once
from energy_route_env.units import FloatArray, IntArray
from eval.rollout import run_traces


def hindsight_bound(scenario: Scenario, trace: Trace) -> float:
    """Return what of D_T, in the scenario's unit, no dispatcher can go below on this trace.

    Where tasks can wait it is the optimum of a linear programme that knows the whole trace, runs every task on its
    truly cheapest model and may split tasks (`best_schedule`). Of tasks that can wait it asks only that by every slot
    as much has run as is due by then. Where none can wait it is what the truly cheapest models draw, and so attained by
    the oracle where energies have no luck. Where failures are retried, a task's truly cheapest model is the cheapest of
    those that solve it, without which every model has to fail on it.

    Raises:
        InputError: if the trace does not fit the scenario, or tasks draw their energy over their latency: then the
            oracle is no bound, since a dearer model that runs longer may take less from the grid.
    """
    return float(hindsight_bounds(scenario, [trace])[0])


def hindsight_bounds(
    scenario: Scenario, traces: Sequence[Trace], progress: Callable[[int], object] | None = None
) -> FloatArray:
    """Return the bound of every trace, shape (len(traces),), on all cores.

    Args:
        scenario: what the traces are episodes of.
        traces: one or more.
        progress: called with the number of traces just finished.
    """
    require_at_once(scenario)
    told = progress or (lambda count: None)
    if not scenario.can_wait:
        bounds = run_traces(scenario, Hindsight(scenario), traces).cost[:, -1]
        told(len(traces))
        return bounds
    bounds = np.empty(len(traces))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the solver lets other threads run
        for i, bound in enumerate(threads.map(lambda trace: _least_auxiliary(scenario, trace), traces)):
            bounds[i] = bound
            told(1)
    return bounds


def _least_auxiliary(scenario: Scenario, trace: Trace) -> float:
    require_trace(scenario, trace)
    return best_schedule(known_future(scenario, trace), scenario.battery).auxiliary


def known_future(scenario: Scenario, trace: Trace) -> Future:
    """Return what a trace brings, with every task on its truly cheapest model and its energy drawn at once."""
    require_at_once(scenario)
    horizon = scenario.horizon_slots
    energy_j = least_energy_j(scenario, trace)
    due_slot = np.minimum(trace.task_slot + np.minimum(trace.deadline_slots, horizon), horizon)
    before = Before(None, None, None)
    return future_of(
        scenario, Outlook(0, before, trace.harvest_j, trace.grid_weight, trace.task_slot, due_slot, energy_j)
    )


def future_of(scenario: Scenario, seen: Outlook) -> Future:
    """Return what a whole episode brings, as a privileged dispatcher sees it before its first decision."""
    horizon, waits = scenario.horizon_slots, seen.due_slot > seen.task_slot
    weights = np.ones(horizon) if seen.grid_weight is None else seen.grid_weight

    def by_slot(slots: IntArray, which: NDArray[np.bool_]) -> Any:
        return np.bincount(slots[which], seen.energy_j[which], horizon + 1)

    return Future(
        harvest_j=np.append(seen.harvest_j, 0.0),
        demand_j=by_slot(seen.task_slot, ~waits),
        arrived_j=by_slot(seen.task_slot, waits).cumsum(),
        due_j=by_slot(seen.due_slot, waits).cumsum(),
        weight=np.append(weights, weights[-1]),  # what is left at the end counts as in the last slot
    )


def least_energy_j(scenario: Scenario, trace: Trace) -> FloatArray:
    """Return the joules that it takes at least to be done with each task, shape (n_tasks,)."""
    energy_j = scenario.energy_j(trace.difficulty) if trace.energy_j is None else trace.energy_j
    if not scenario.retries or trace.solved is None:
        return energy_j.min(axis=-1)
    solving_j = np.where(trace.solved, energy_j, np.inf).min(axis=-1)
    return np.where(trace.solved.any(axis=-1), solving_j, energy_j.sum(axis=-1))
