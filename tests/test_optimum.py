"""The optimum by dynamic programming, against Spitzer's identity, its own episodes and every other dispatcher."""

import itertools
from typing import Any

import numpy as np
import pytest
from helpers.decisions import BOUND, decision
from helpers.refusals import refused
from numpy.typing import NDArray

from agents import Myopic, Optimal, make_dispatcher, slot_distribution
from agents.variance_aware import best_blind_moments
from energy_route_env import Scenario, make_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy, expected_auxiliary_energy
from energy_route_env.theory.optimum import _Grid, optimum
from energy_route_env.theory.slot import routed_moments, volatility
from energy_route_env.world.harvest import GammaHarvest
from eval.rollout import simulate
from eval.statistics import Estimate

UNCERTAIN, VOLATILE = make_scenario("uncertain"), make_scenario("volatile")
SMALL_BATTERY = make_scenario("volatile", capacity_j=2000.0, initial_battery_j=1500.0)


def at_ratio(name: str, factor: float) -> Scenario:
    scenario = make_scenario(name)
    return make_scenario(scenario, renewable_ratio=factor * scenario.renewable_ratio)


def exact_j(scenario: Scenario, dispatcher: str) -> float:
    slot = slot_distribution(make_dispatcher(dispatcher, scenario))
    return float(exact_expected_auxiliary_energy(slot, scenario.horizon_slots))


def optimum_j(scenario: Scenario, choose: bool = True) -> float:
    return float(optimum(scenario, choose).value(scenario.initial_battery_j, scenario.horizon_slots))


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("name", ["uncertain", "volatile", pytest.param("paper", marks=pytest.mark.slow)])
def test_with_the_myopic_choice_the_value_is_spitzers(name: str, factor: float) -> None:
    scenario = at_ratio(name, factor)
    assert optimum_j(scenario, choose=False) == pytest.approx(exact_j(scenario, "myopic"), rel=1e-4)


@pytest.mark.parametrize(
    "fields",
    [
        {"harvest_cv": 0.0, "horizon_slots": 30},
        {"harvest_cv": 2.0, "horizon_slots": 30},
        {"renewable_ratio": 0.0, "horizon_slots": 30},
        {"arrival_rate": 4.0, "horizon_slots": 30},
        {"models": (1e9,), "horizon_slots": 30},
        {"renewable_ratio": 5.0, "horizon_slots": 30},
        {"queries_per_task": 1e5, "horizon_slots": 30},
        {"horizon_slots": 1},
    ],
)
def test_the_grid_serves_other_slots_too(fields: dict[str, Any]) -> None:
    scenario = make_scenario("uncertain", **fields)
    assert optimum_j(scenario, choose=False) == pytest.approx(exact_j(scenario, "myopic"), rel=3e-4)


def test_without_tasks_nothing_is_to_come() -> None:
    assert optimum_j(make_scenario("uncertain", arrival_rate=0.0)) == 0.0


def test_in_paper_the_optimum_is_the_oracles_exact_value() -> None:
    paper = make_scenario("paper")
    assert optimum_j(paper) == pytest.approx(exact_j(paper, "oracle"), rel=1e-4)


def test_in_volatile_the_optimum_is_the_models_check_value() -> None:
    assert optimum_j(VOLATILE) == pytest.approx(1827.3, rel=1e-3)


@pytest.mark.parametrize("scenario", [UNCERTAIN, VOLATILE], ids=lambda scenario: scenario.name)
def test_the_value_falls_with_the_energy_at_hand_and_is_convex_in_it(scenario: Scenario) -> None:
    value = optimum(scenario).value_j
    tiny = 1e-9 * scenario.volatility_j
    assert np.diff(value, axis=1).max() <= tiny
    assert np.diff(value, axis=1).min() >= -optimum(scenario).step_j - tiny  # a joule at hand saves at most one
    assert np.diff(value, 2, axis=1).min() >= -tiny
    assert np.diff(value, axis=0).min() >= -tiny  # more slots need more


def test_a_debt_adds_itself() -> None:
    found = optimum(VOLATILE)
    assert found.value(-500.0, 7) == pytest.approx(found.value(0.0, 7) + 500.0, rel=1e-12)
    assert found.value_within(np.array(-500.0), np.array(0), np.array(0)) == 500.0


EPISODES = {"uncertain": (UNCERTAIN, 1000), "volatile": (VOLATILE, 2000), "small battery": (SMALL_BATTERY, 1000)}


@pytest.fixture(scope="module", params=EPISODES)
def played(request: pytest.FixtureRequest) -> tuple[Scenario, dict[str, NDArray[np.float64]]]:
    scenario, episodes = EPISODES[request.param]
    names = ("optimal", "myopic", "scaling-law", "fixed-0", "fixed-1", "variance-aware")
    runs = {name: simulate(scenario, make_dispatcher(name, scenario), episodes, 4) for name in names}
    return scenario, {name: run.auxiliary_j[:, 0] for name, run in runs.items()}


def test_the_value_is_what_its_own_policy_draws(played: tuple[Scenario, dict[str, NDArray[np.float64]]]) -> None:
    """Expected: V_T at the start. Standard error: 250 J of 9555, 70 of 1827, 130 of 10 000. Bound: four of them."""
    scenario, auxiliary_j = played
    drawn = Estimate.of(auxiliary_j["optimal"])
    assert drawn.standard_error < 0.05 * drawn.mean
    assert abs(drawn.deviation(optimum_j(scenario))) < BOUND


def test_no_other_dispatcher_draws_less(played: tuple[Scenario, dict[str, NDArray[np.float64]]]) -> None:
    """Expected paired differences: 0 or more. Bound: four standard errors."""
    _, auxiliary_j = played
    for name, values in auxiliary_j.items():
        difference = Estimate.of(values - auxiliary_j["optimal"])
        assert difference.mean > -BOUND * difference.standard_error or name == "optimal", name


def test_the_optimum_draws_a_quarter_less_than_the_myopic_dispatcher_in_volatile() -> None:
    """Myopic draws 2490.3 J, always-large 2689 J: values of one recursion and of Spitzer's identity, not drawn."""
    assert optimum_j(VOLATILE) < 0.74 * optimum_j(VOLATILE, choose=False)
    assert optimum_j(VOLATILE) < 0.7 * exact_j(VOLATILE, "fixed-1")


def test_an_empty_battery_takes_the_lowest_mean_and_a_full_one_the_steadier_model() -> None:
    seen = decision(VOLATILE, np.full(3, 2.05), slots_left=100, battery_j=np.array([0.0, 20e3, 1e9]))
    assert Optimal(VOLATILE).act(seen).tolist() == [0, 1, 0]  # a battery that outlasts all tasks takes the mean again


def test_a_difficulty_between_two_levels_is_decided_by_its_own_energies() -> None:
    """At 5 kJ and 100 slots left the hard end takes the large model, the easy end the small one, with one change."""
    between = np.linspace(1.9, 2.05, 400)
    chosen = Optimal(VOLATILE).act(decision(VOLATILE, between, battery_j=5000.0, slots_left=100))
    assert (np.diff(chosen) <= 0).all()
    assert chosen[[0, -1]].tolist() == [1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"capacity_j": 2000.0, "charge_efficiency": 0.8, "discharge_efficiency": 0.7},
        {"harvest_source": GammaHarvest(1.0, 0.3)},
    ],
)
def test_with_exact_difficulty_the_optimum_is_the_cheapest_model_in_any_world(fields: dict[str, Any]) -> None:
    scenario = make_scenario("paper", **fields)
    seen = decision(scenario, np.tile(scenario.difficulties, 2), battery_j=np.repeat([0.0, 2000.0], 10))
    np.testing.assert_array_equal(Optimal(scenario).act(seen), Myopic(scenario).act(seen))


@pytest.mark.parametrize(
    ("fields", "value", "allowed"),
    [
        ({"deadline_slots": 3}, "3", "0: a backlog"),
        ({"harvest_source": GammaHarvest(1.0, 0.3)}, "0.3", "None"),
        ({"discharge_efficiency": 0.9}, "0.9", "lossless"),
        ({"charge_efficiency": 0.9}, "0.9", "lossless"),
        ({"difficulty_noise": 0.25}, "0.25", "for the optimum"),
        ({"horizon_slots": 10**6}, "1000000", "at most about"),
    ],
)
def test_where_there_is_no_such_optimum_the_field_is_named(fields: dict[str, Any], value: str, allowed: str) -> None:
    scenario = make_scenario("uncertain", **fields)
    with refused(next(iter(fields)), value, allowed):
        Optimal(scenario)


def test_tasks_that_wait_are_refused_where_the_difficulty_is_exact_too() -> None:
    with refused("deadline_slots", "96", "0: a backlog"):
        Optimal(make_scenario("solar"))


@pytest.mark.parametrize("cv", [0.0, 0.02, 0.5, 1.5])
def test_the_grid_keeps_mass_mean_and_variance_of_a_harvest(cv: float) -> None:
    grid = _Grid(10.0, 3000)
    masses, x = grid.gamma_masses(613.7, cv), 10.0 * np.arange(3001)
    assert masses.sum() == pytest.approx(1.0, rel=1e-12)
    assert masses @ x == pytest.approx(613.7, rel=1e-9)
    assert masses @ (x - 613.7) ** 2 == pytest.approx((613.7 * cv) ** 2, rel=1e-6, abs=1e-3)


def test_the_grid_keeps_mass_mean_and_variance_of_energies() -> None:
    grid, energies, weights = _Grid(10.0, 100), np.array([3.0, 487.2, 995.0]), np.array([0.2, 0.5, 0.3])
    masses, x = grid.masses(energies, weights), 10.0 * np.arange(101)
    for power in range(3):
        assert masses @ x**power == pytest.approx(weights @ energies**power, rel=1e-12)


def test_variance_awareness_looks_ahead_by_the_best_routing_of_all_that_ignore_the_battery() -> None:
    """Expected: the lowest E[M_T] of all 32 routings of five levels to two models."""
    every = [routed_moments(VOLATILE, np.array(models)) for models in itertools.product(range(2), repeat=5)]
    expected = [
        expected_auxiliary_energy(mean_j - VOLATILE.harvest.mean_j, volatility(VOLATILE, mean_j, square_j2), 200)
        for mean_j, square_j2 in every
    ]
    assert best_blind_moments(VOLATILE) == every[int(np.argmin(expected))]
    assert best_blind_moments(UNCERTAIN) == UNCERTAIN.myopic_moments
