"""Simulated means against the exact theory, which shares no code with the simulator.

Every comparison states: expected value, the exact E[D_T] of the dispatcher; standard error, that of the simulated mean;
bound, four standard errors. On fresh seeds a correct program would exceed it with probability 6e-5 in
one comparison and in at most 0.5 % of the runs of all 80; the seed is fixed, so that a failure is a change of the
program and not chance. What the bound can see is tested as well.
"""

import numpy as np
import pytest

from agents import ErrorProne, Myopic, Oracle, make_dispatcher, slot_distribution
from energy_route_env import Scenario, make_scenario
from energy_route_env.theory import SlotDistribution, exact_expected_auxiliary_energy
from energy_route_env.theory.slot import Tasks
from eval.rollout import Simulation, simulate
from eval.statistics import Estimate

CHECKPOINTS = (1, 10, 100, 1000)
SEED = 20_260
BOUND = 4.0
"""In standard errors."""

SCENARIOS = {
    "deficit": make_scenario("paper", renewable_ratio=0.9),
    "critical": make_scenario("paper"),
    "surplus": make_scenario("paper", renewable_ratio=1.1),
    "uncertain": make_scenario("uncertain", horizon_slots=1000),
}
DISPATCHERS = ("oracle", "scaling-law", "fixed-0", "fixed-1", "error-0.05")

every_size = pytest.mark.parametrize("episodes", [1000, pytest.param(20_000, marks=pytest.mark.slow)])


def deviations(simulation: Simulation, slot: SlotDistribution) -> list[float]:
    """(simulated mean - exact expectation) in standard errors, at every checkpoint."""
    expected = exact_expected_auxiliary_energy(slot, simulation.checkpoints)
    return [Estimate.of(d).deviation(mean) for d, mean in zip(simulation.auxiliary_j.T, expected, strict=True)]


@every_size
@pytest.mark.parametrize("name", DISPATCHERS)
@pytest.mark.parametrize("case", SCENARIOS)
def test_mean_auxiliary_energy_is_the_exact_expectation(case: str, name: str, episodes: int) -> None:
    dispatcher = make_dispatcher(name, SCENARIOS[case])
    simulation = simulate(SCENARIOS[case], dispatcher, episodes, SEED, CHECKPOINTS)
    assert np.abs(deviations(simulation, slot_distribution(dispatcher))).max() < BOUND


def with_drift(slot: SlotDistribution, drift: float) -> SlotDistribution:
    """The same demand, with the mean harvest that gives this drift."""
    harvest = slot.harvest_mean_j + slot.drift - drift
    return SlotDistribution(slot.arrival_rate, slot.energies_j, slot.probabilities, harvest, slot.harvest_cv)


@pytest.mark.parametrize(
    ("case", "episodes"), [("deficit", 2000), pytest.param("surplus", 20_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("wrong", [0.95, 1.05])
def test_a_drift_wrong_by_five_percent_is_seen_at_the_horizon(case: str, episodes: int, wrong: float) -> None:
    """It moves E[D_1000] by about 2900 J of 62865 in deficit and 190 J of 3908 in surplus: 6 standard errors or so."""
    dispatcher = Oracle(SCENARIOS[case])
    slot = slot_distribution(dispatcher)
    simulation = simulate(SCENARIOS[case], dispatcher, episodes, SEED, CHECKPOINTS)
    assert abs(deviations(simulation, with_drift(slot, wrong * slot.drift))[-1]) > BOUND


def test_routing_errors_of_five_percent_are_seen_at_criticality() -> None:
    """They move E[D_1000] from 17172 to 19153 J, some 6 standard errors of 2000 episodes."""
    scenario = SCENARIOS["critical"]
    simulation = simulate(scenario, ErrorProne(Oracle(scenario), 0.05), 2000, SEED, CHECKPOINTS)
    assert deviations(simulation, slot_distribution(Oracle(scenario)))[-1] > BOUND


def demand_and_harvest(scenario: Scenario, episodes: int) -> tuple[Estimate, Estimate]:
    """What the myopic dispatcher consumes in a slot, and what is harvested, on average over each episode."""
    simulation = simulate(scenario, Myopic(scenario), episodes, SEED)
    slots = scenario.horizon_slots
    return (
        Estimate.of(simulation.balance["consumed_j"] / slots),
        Estimate.of(simulation.balance["harvested_j"] / slots),
    )


@pytest.mark.parametrize("name", ["paper", "uncertain", "solar"])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_mean_demand_and_harvest_are_the_scenarios(name: str, ratio: float) -> None:
    """Expected: `mean_demand_j` and the ratio times it; four standard errors of 400 episodes of 96 slots, one day."""
    scenario = make_scenario(name, renewable_ratio=ratio, horizon_slots=96)
    demand, harvest = demand_and_harvest(scenario, 400)
    assert abs(demand.deviation(scenario.mean_demand_j)) < BOUND
    assert abs(harvest.deviation(ratio * scenario.mean_demand_j)) < BOUND


@pytest.mark.parametrize("case", SCENARIOS)
def test_variance_of_a_slots_demand_minus_harvest_is_sigma_squared(case: str) -> None:
    """Expected: sigma^2 of the slot distribution; 100 episodes of 1000 independent slots, one variance for each."""
    scenario = SCENARIOS[case]
    rng = np.random.default_rng(SEED)
    cheapest = Myopic(scenario)
    variances = []
    for _ in range(100):
        trace = scenario.draw(rng)
        model = cheapest.choose(Tasks(trace.observed_difficulty, scenario.expected_energy_j(trace.observed_difficulty)))
        energy = scenario.energy_j(trace.difficulty)[np.arange(trace.n_tasks), model]
        demand = np.bincount(trace.task_slot, energy, minlength=scenario.horizon_slots)
        variances.append(np.var(demand - trace.harvest_j, ddof=1))
    assert abs(Estimate.of(variances).deviation(slot_distribution(cheapest).volatility ** 2)) < BOUND
    assert scenario.volatility_j == pytest.approx(slot_distribution(cheapest).volatility, rel=1e-5)
    assert scenario.drift_j == pytest.approx(slot_distribution(cheapest).drift, rel=1e-5, abs=1e-3)
