"""Dispatchers that let tasks wait."""

import numpy as np
import pytest
from helpers.decisions import BOUND, decision

from agents import Dispatcher, GreedyDeferral, Myopic, SurplusDeferral, make_dispatcher
from energy_route_env import make_scenario
from eval.rollout import simulate
from eval.statistics import Estimate

UNCERTAIN = make_scenario("uncertain")
SOLAR = make_scenario("solar")
LEVELS = np.linspace(1.7, 1.9, 10)


@pytest.mark.parametrize("ratio", [0.75, 1.0])
def test_in_solar_waiting_for_surplus_beats_greed_and_greed_beats_not_waiting(ratio: float) -> None:
    """Paired differences of 200 traces: the 95 % intervals exclude zero, and by far."""
    scenario = make_scenario("solar", renewable_ratio=ratio)
    surplus, greedy, myopic = (
        simulate(scenario, make_dispatcher(name, scenario), 200, 2).auxiliary_j[:, 0]
        for name in ("surplus-deferral", "greedy-deferral", "myopic")
    )
    for better, worse in ((surplus, greedy), (greedy, myopic)):
        saved = Estimate.of(worse - better)
        assert saved.mean - saved.half_width > 0
        assert saved.deviation(0) > BOUND


@pytest.mark.parametrize(
    ("harvest", "battery", "runs"), [(1.0, 0.0, True), (0.5, 0.6, True), (0.5, 0.5, False), (0.0, 2.0, True)]
)
def test_greedy_deferral_runs_what_harvest_and_deliverable_charge_cover(
    harvest: float, battery: float, runs: bool
) -> None:
    """In tasks; a charge of 0.5 delivers only 0.475 of a task."""
    energy = SOLAR.expected_energy_j(1.9).min()
    seen = decision(SOLAR, [1.9], due=0, backlog=1, harvest_left_j=harvest * energy, battery_j=battery * energy)
    assert GreedyDeferral(SOLAR).act(seen).tolist() == [0 if runs else 2]


@pytest.mark.parametrize(
    ("harvest", "charge", "runs"),
    [(1.0, 0.0, True), (0.99, 0.8, False), (0.99, 0.95, True), (0.0, 0.95, True), (0.0, 0.89, False)],
)
def test_surplus_deferral_runs_on_harvest_or_on_a_nearly_full_battery(
    harvest: float, charge: float, runs: bool
) -> None:
    """In tasks and in capacities; the threshold is 0.9 of a battery of 18 tasks."""
    energy = SOLAR.expected_energy_j(1.9).min()
    seen = decision(
        SOLAR, [1.9], due=0, backlog=1, harvest_left_j=harvest * energy, battery_j=charge * SOLAR.capacity_j
    )
    assert SurplusDeferral(SOLAR, 0.9).act(seen).tolist() == [0 if runs else 2]


def test_an_unlimited_battery_is_never_nearly_full() -> None:
    scenario = make_scenario("solar", capacity_j=np.inf)
    seen = decision(scenario, [1.9], due=0, backlog=1, battery_j=1e30)
    assert SurplusDeferral(scenario).act(seen).tolist() == [2]


@pytest.mark.parametrize("kind", [GreedyDeferral, SurplusDeferral])
def test_what_is_due_is_never_deferred_and_goes_to_the_cheapest_model(kind: type[Dispatcher]) -> None:
    assert kind(SOLAR).act(decision(SOLAR, [1.7, 1.9])).tolist() == [1, 0]  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [GreedyDeferral, SurplusDeferral])
def test_where_nothing_can_wait_the_deferral_dispatchers_are_myopic(kind: type[Dispatcher]) -> None:
    actions = kind(UNCERTAIN).act(decision(UNCERTAIN, LEVELS))  # type: ignore[call-arg]
    np.testing.assert_array_equal(actions, Myopic(UNCERTAIN).act(decision(UNCERTAIN, LEVELS)))
