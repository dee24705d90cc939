"""One slot's distribution against its own derivatives, sums over tasks, quadrature and the scenario's moments."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from agents import Myopic, Oracle, VarianceAware, make_dispatcher, slot_distribution, slot_for_theory
from energy_route_env import ModelPool, ScalingLaws, Scenario, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.pool.noise_grid import noise_grid
from energy_route_env.pool.scaling_laws import inference_energy
from energy_route_env.theory import SlotDistribution, SlotLaw, exact_expected_auxiliary_energy, why_no_theory
from energy_route_env.theory.lattice import auxiliary_distribution
from energy_route_env.theory.slot import Tasks, with_errors
from energy_route_env.world.arrivals import PoissonArrivals
from energy_route_env.world.harvest import GammaHarvest

PAPER = make_scenario("paper")
SLOTS = [
    slot_distribution(make_dispatcher(name, replace(PAPER, renewable_ratio=ratio, harvest_cv=cv)))
    for name, ratio, cv in (("oracle", 0.9, 0.5), ("error-0.2", 1.1, 0.5), ("oracle", 0.8, 0.0), ("oracle", 0.8, 2.0))
]


@pytest.mark.parametrize("slot", SLOTS)
def test_drift_and_volatility_are_derivatives_of_the_characteristic_function(slot: SlotDistribution) -> None:
    u = 1e-7
    forward, backward = np.log(slot.characteristic_function([u, -u]))
    assert ((forward - backward) / (2j * u)).real == pytest.approx(slot.drift, rel=1e-5)
    assert -((forward + backward) / u**2).real == pytest.approx(slot.volatility**2, rel=1e-5)


def test_characteristic_function_is_the_mean_of_exp_iux() -> None:
    u = np.array([-1e-2, 1e-4, 1e-3, 2e-2])
    slot = SlotDistribution(1.3, np.array([200.0, 500.0]), np.array([0.3, 0.7]), 450.0, 0.5)
    tasks = np.arange(60)
    demand = (stats.poisson.pmf(tasks, 1.3 * 0.3) @ np.exp(1j * np.outer(tasks * 200.0, u))) * (
        stats.poisson.pmf(tasks, 1.3 * 0.7) @ np.exp(1j * np.outer(tasks * 500.0, u))
    )
    x, weights = special.roots_genlaguerre(150, 3.0)  # shape 4, scale 450 / 4
    harvest = (weights / weights.sum()) @ np.exp(-1j * np.outer(450.0 / 4 * x, u))
    np.testing.assert_allclose(slot.characteristic_function(u), demand * harvest, rtol=1e-9, atol=1e-9)


def test_the_former_name_still_stands() -> None:
    assert SlotLaw is SlotDistribution


@pytest.mark.parametrize("noise", [0.1, 0.18, 0.25, 0.3])
@pytest.mark.parametrize("slope", [2.5, 5.0, 10.0])
def test_the_scenarios_moments_are_those_of_the_slot_distribution(noise: float, slope: float) -> None:
    """A Gauss rule and an even grid, to 1e-4, at the same slope times noise for every slope."""
    models = ModelPool(laws=ScalingLaws(skill_slope=slope))
    scenario = replace(PAPER, models=models, difficulty_noise=noise * 5.0 / slope)
    slot = slot_distribution(Myopic(scenario))
    assert slot.demand_mean_j == pytest.approx(scenario.mean_demand_j, rel=1e-4)
    assert slot.drift == pytest.approx(scenario.drift_j, abs=1e-4 * scenario.mean_demand_j)
    assert slot.volatility == pytest.approx(scenario.volatility_j, rel=1e-4)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_mean_and_mean_square_are_those_of_an_adaptive_quadrature(noise: float) -> None:
    """One difficulty, one model: E e and E e^2 over z in [-20, 12], split where their bulk lies."""
    slot = slot_distribution(Myopic(replace(PAPER, models=(1e9,), difficulties=(1.7,), difficulty_noise=noise)))

    def weighed(power: int, z: float) -> float:
        return float(inference_energy(1e9, 1.7 + noise * z)) ** power * stats.norm.pdf(z)

    for power in (1, 2):
        expected, _ = integrate.quad(partial(weighed, power), -20, 12, points=[-20 * noise, 0.0], epsrel=1e-10)
        assert slot.energies_j**power @ slot.probabilities == pytest.approx(expected, rel=1e-4)


def test_the_grid_of_the_noise_is_wider_the_steeper_the_noise() -> None:
    """Six standard deviations up to 0.1 in the published laws, ten at 0.3, always 20 nodes for each."""
    np.testing.assert_array_equal(noise_grid(0.1, 5.0)[0], np.linspace(-6, 6, 241))
    np.testing.assert_array_equal(noise_grid(0.3, 5.0)[0], np.linspace(-10, 10, 401))
    np.testing.assert_array_equal(noise_grid(0.0, 5.0), [[0.0], [1.0]])


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [1, 20, 200])
@pytest.mark.parametrize("noise", [0.1, 0.18, 0.2])
def test_spitzer_and_the_lattice_agree_up_to_the_steepest_noise(noise: float, horizon: int) -> None:
    slot = slot_distribution(Myopic(make_scenario("uncertain", difficulty_noise=noise)))
    found = auxiliary_distribution(slot, horizon)
    assert found.method == "lattice"
    assert found.mean_j == pytest.approx(float(exact_expected_auxiliary_energy(slot, horizon)), rel=1e-3)


@pytest.mark.parametrize(("slope", "most"), [(5.0, 0.3), (2.0, 0.75)])
def test_more_noise_than_can_be_integrated_is_refused_with_the_reason(slope: float, most: float) -> None:
    models = ModelPool(laws=ScalingLaws(skill_slope=slope))
    assert replace(PAPER, models=models, difficulty_noise=most).difficulty_noise == most
    with pytest.raises(InputError, match=rf"difficulty_noise is .* at most 1\.5 / .* is {slope:g}: .* variance"):
        replace(PAPER, models=models, difficulty_noise=most + 1e-9)


def test_only_a_privileged_routing_is_shown_what_tasks_really_take() -> None:
    seen: list[Tasks] = []

    def routing(tasks: Tasks) -> NDArray[np.float64]:
        seen.append(tasks)
        return np.tile([1.0, 0.0], (10, 1))

    for privileged in (False, True):
        SlotDistribution.of(PAPER, routing, privileged=privileged)
    assert [(tasks.difficulty is None, tasks.energy_j is None) for tasks in seen] == [(True, True), (False, False)]


def test_errors_are_shared_equally_between_the_other_models() -> None:
    np.testing.assert_allclose(with_errors(np.eye(3), 0.3)[1], [0.15, 0.7, 0.15])
    np.testing.assert_array_equal(with_errors(np.ones((2, 1)), 0.0), np.ones((2, 1)))


def test_a_slots_harvest_can_be_given_in_place_of_the_scenarios() -> None:
    slot = SlotDistribution.of(PAPER, Myopic(PAPER).probabilities, harvest_mean_j=500.0)
    assert (slot.harvest_mean_j, slot.demand_mean_j) == (500.0, pytest.approx(594.0715, rel=1e-6))


OBSTACLES = {
    "weather_file is": make_scenario("solar"),
    "difficulty_noise is 0.21": make_scenario("uncertain", difficulty_noise=0.21),
    "harvest_source is": make_scenario("paper", harvest_cv=None, harvest_source=GammaHarvest(1.0, 0.5)),
    "arrival_source is": make_scenario("paper", arrival_source=PoissonArrivals(1.0)),
    "deadline_slots is 5": make_scenario("paper", deadline_slots=5),
    "capacity_j is 1.0": make_scenario("paper", capacity_j=1.0),
    "charge_efficiency is 0.9": make_scenario("paper", charge_efficiency=0.9),
    "discharge_efficiency is 0.9": make_scenario("paper", discharge_efficiency=0.9),
    "initial_battery_j is 1.0": make_scenario("paper", initial_battery_j=1.0),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_theory_says_why_it_does_not_apply(obstacle: str) -> None:
    reason = why_no_theory(OBSTACLES[obstacle])
    assert reason is not None
    assert reason.startswith(obstacle)
    assert slot_for_theory(OBSTACLES[obstacle], Myopic(OBSTACLES[obstacle])) is None


@pytest.mark.parametrize("scenario", [PAPER, make_scenario("uncertain"), replace(PAPER, deferrable_share=0.5)])
def test_theory_applies_to_independent_slots_and_the_ideal_battery(scenario: Scenario) -> None:
    assert why_no_theory(scenario) is None
    assert slot_for_theory(scenario, Oracle(scenario)) is not None
    looks_at_the_battery = scenario.difficulty_noise > 0  # else it acts as the myopic one
    assert (slot_for_theory(scenario, VarianceAware(scenario)) is None) == looks_at_the_battery
