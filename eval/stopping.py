"""What oracle stopping hides: the tables behind the figure `stopping`."""

import numpy as np
import pandas as pd

from agents import Oracle, slot_distribution
from energy_route_env import ModelPool, Scenario, make_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy
from eval.rollout import simulate
from eval.statistics import Estimate

STOPPINGS = {
    "budget (the paper)": ModelPool(),
    "on success, d = 0": ModelPool(stopping="on_success"),
    "on success, d = 0.3": ModelPool(stopping="on_success", dispersion=0.3),
    "late, κ = 0.5": ModelPool(stopping="late", overspend=0.5),
}
SLOTS = np.unique(np.geomspace(1, 10_000, 33).round().astype(np.int64))
"""Slots of the exact curves."""
SIMULATED = (10, 100, 1000)
"""Slots after which the simulated episodes are read."""


def stopping_tables(episodes: int, seed: int) -> dict[str, pd.DataFrame]:
    """Compute E[D_T] in `paper` by when models stop, drift and volatility, and simulated points.

    Once on the harvest that matches the budget's demand ("planned"), once on a harvest that matches its own ("own").
    """
    curves, systems, measured = [], [], []
    for name, pool in STOPPINGS.items():
        for harvest in ("planned", "own"):
            place: dict[str, str | float] = {"stopping": name, "harvest": harvest}
            scenario = system(pool, planned=harvest == "planned")
            slot = slot_distribution(Oracle(scenario))
            exact_j = exact_expected_auxiliary_energy(slot, SLOTS)
            curves.append(pd.DataFrame(place | {"slots": SLOTS, "exact_j": exact_j}))
            at_1000_j = float(exact_expected_auxiliary_energy(slot, 1000))
            motion: dict[str, str | float] = {
                "drift_j": slot.drift,
                "volatility_j": slot.volatility,
                "exact_1000_j": at_1000_j,
            }
            systems.append(place | {"demand_j": slot.demand_mean_j} | motion)
            measured += [place | point for point in _measured(scenario, episodes, seed)]
    tables = {"stopping": pd.concat(curves, ignore_index=True), "stopping_systems": pd.DataFrame(systems)}
    return tables | {"stopping_measured": pd.DataFrame(measured)}


def system(pool: ModelPool, planned: bool) -> Scenario:
    """Make `paper` with this pool, at ratio 1 of the budgets' demand (`planned`) or of its own."""
    own = make_scenario("paper", models=pool)
    ratio = make_scenario("paper").mean_demand_j / own.mean_demand_j if planned else 1.0
    return make_scenario(own, renewable_ratio=ratio)


def _measured(scenario: Scenario, episodes: int, seed: int) -> list[dict[str, str | float]]:
    drawn = simulate(scenario, Oracle(scenario), episodes, seed, SIMULATED).auxiliary_j
    estimates = map(Estimate.of, drawn.T)
    return [
        {"slots": slots, "episodes": episodes, "mean_j": it.mean, "standard_error_j": it.standard_error}
        for slots, it in zip(SIMULATED, estimates, strict=True)
    ]
