"""How far a dispatcher is from the best that is possible in a setting."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from agents import Oracle, slot_for_theory
from energy_route_env import Scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import exact_expected_auxiliary_energy
from energy_route_env.theory.optimum import optimum, require_optimum
from energy_route_env.units import FloatArray
from eval.bounds import hindsight_bounds
from eval.rollout import draw_traces

BOUND_EPISODES = 400
"""Episodes for which the hindsight bound is computed, at most: a linear programme each."""


class Best(NamedTuple):
    """What dispatchers are measured by."""

    kind: Literal["optimum", "bound"]
    """The least mean of any unprivileged dispatcher, or what none can go below on any trace."""
    costs: FloatArray
    """D_T of the optimal dispatcher, or the bound, of the first episodes, shape (k,)."""
    mean: float
    """The exact mean where theory has it, else that of `costs`; in the scenario's unit."""
    is_exact: bool
    """Whether theory has it."""


def best_known(scenario: Scenario, costs: Mapping[str, FloatArray], seed: int) -> Best | None:
    """Return what to measure the dispatchers of a setting by, None where nothing is known.

    Args:
        scenario: the setting.
        costs: D_T of every dispatcher by name, each of shape (episodes,).
        seed: of the episodes' traces.
    """
    if scenario.over_latency:
        return None
    if scenario.can_wait or scenario.retries:
        episodes = len(next(iter(costs.values())))
        bounds = hindsight_bounds(scenario, draw_traces(scenario, range(min(episodes, BOUND_EPISODES)), seed))
        return Best("bound", bounds, float(bounds.mean()), is_exact=False)
    if "optimal" not in costs:
        return None
    exact_j = optimal_value(scenario)
    mean_j = float(costs["optimal"].mean()) if exact_j is None else exact_j
    return Best("optimum", costs["optimal"], mean_j, is_exact=exact_j is not None)


def optimal_value(scenario: Scenario) -> float | None:
    """Return the least E[D_T] of any unprivileged dispatcher in joules, None where theory has no number for it.

    Where a task's energy is known that is the oracle's, unless failures are retried.
    """
    if scenario.retries:
        return None
    if scenario.energy_is_known:
        slot = slot_for_theory(scenario, Oracle(scenario))
        return None if slot is None else float(exact_expected_auxiliary_energy(slot, scenario.horizon_slots))
    try:
        require_optimum(scenario)
    except InputError:
        return None
    return float(optimum(scenario).value(scenario.initial_battery_j, np.int64(scenario.horizon_slots)))
