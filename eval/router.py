"""What a router may spend: the tables behind the figure `router_cost`."""

import numpy as np
import pandas as pd

from agents import Router, make_dispatcher, slot_for_theory
from energy_route_env import Scenario, make_scenario
from energy_route_env.pool.scaling_laws import router_energy_j
from energy_route_env.theory import SlotDistribution, break_even_overhead, exact_expected_auxiliary_energy
from eval.rollout import simulate
from eval.statistics import Estimate

RIVALS = ("myopic", "scaling-law", "fixed-1")
"""Rules that take next to nothing for a decision."""
SIZES = np.linspace(0.0, 8e10, 17)
"""Parameters of the routers on the curve."""
SIMULATED = (1e9, 1e10, 3e10, 7e10)
"""Parameters of those that are simulated."""


def router_tables(episodes: int, seed: int) -> dict[str, pd.DataFrame]:
    """Compute E[D_T] in `uncertain` over a router's size, rivals with their break-even, and simulated points."""
    scenario = make_scenario("uncertain")
    horizon, knowing, overheads_j = scenario.horizon_slots, _slot(scenario, "oracle"), router_energy_j(SIZES)
    exact = [float(exact_expected_auxiliary_energy(knowing.with_overhead(c), horizon)) for c in overheads_j.tolist()]
    rivals = pd.DataFrame([{"dispatcher": name} | _rival(scenario, name) for name in RIVALS])
    return {
        "router_cost": pd.DataFrame({"n_params": SIZES, "overhead_j": overheads_j, "exact_j": exact}),
        "router_rivals": rivals,
        "router_measured": pd.DataFrame([_measured(scenario, size, episodes, seed) for size in SIMULATED]),
    }


def _rival(scenario: Scenario, name: str) -> dict[str, float]:
    slot, horizon = _slot(scenario, name), scenario.horizon_slots
    even_j = break_even_overhead(_slot(scenario, "oracle"), slot, horizon)
    return {
        "exact_j": float(exact_expected_auxiliary_energy(slot, horizon)),
        "break_even_j": even_j,
        "break_even_params": even_j / float(router_energy_j(1.0)),
    }


def _slot(scenario: Scenario, name: str) -> SlotDistribution:
    slot = slot_for_theory(scenario, make_dispatcher(name, scenario))
    assert slot is not None
    return slot


def _measured(scenario: Scenario, n_params: float, episodes: int, seed: int) -> dict[str, float]:
    router = Router(scenario, n_params)
    estimate = Estimate.of(simulate(scenario, router, episodes, seed).auxiliary_j[:, -1])
    return {
        "n_params": n_params,
        "overhead_j": router.overhead_j,
        "episodes": episodes,
        "mean_j": estimate.mean,
        "standard_error_j": estimate.standard_error,
    }
