"""What a dispatcher itself costs: charged in simulation, added in theory, and how much of it pays.

Comparisons with simulation state: expected value, the exact E[D_T] with every energy shifted; standard error, that of
the simulated mean; bound, 3.9 standard errors, which chance exceeds once in 10^4. Seeds are fixed.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from helpers.episodes import play
from numpy.typing import NDArray

from agents import Dispatcher, ErrorProne, Myopic, Oracle, Router, make_dispatcher, slot_distribution, slot_for_theory
from energy_route_env import Decision, Scenario, Trace, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws, inference_energy, router_energy_j
from energy_route_env.theory import SlotDistribution, break_even_overhead, exact_expected_auxiliary_energy
from energy_route_env.theory.planning import PlanQuestion, answer
from eval.day import slot_by_slot
from eval.rollout import draw_traces, run_traces, simulate
from eval.router import router_tables
from eval.statistics import Estimate

SEED, BOUND = 20_262, 3.9
UNCERTAIN = make_scenario("uncertain", horizon_slots=100)
WAITING = make_scenario("paper", deadline_slots=3, deferrable_share=0.6, arrival_rate=2.0, horizon_slots=30)
PER_TASK = 100.0 / float(inference_energy(1e9, 1.9))


def small_world(horizon_slots: int, overhead_j: float, **fields: Any) -> Scenario:
    """A task needs 100 J on model 0."""
    named = {"queries_per_task": PER_TASK, "overhead_j": overhead_j, "horizon_slots": horizon_slots}
    return make_scenario("paper", **named, **fields)


def easy(harvest_j: Sequence[float], slots: Sequence[int], deadline_slots: Any = None) -> Trace:
    return Trace.of(harvest_j, slots, [1.9] * len(slots), deadline_slots=deadline_slots)


class Costly(Myopic):
    """The myopic dispatcher at 25 J a decision."""

    overhead_j = 25.0


def test_a_decision_draws_its_overhead_like_a_tasks_energy() -> None:
    """105 J of harvest for a task and 10 J; 5 J are missing, and all 110 J of the second task."""
    played = play(small_world(2, 10.0), easy([105, 0], [0, 1]), cycle([0]))
    assert played.column("energy_j") == pytest.approx([110, 110])
    assert played.column("auxiliary_j") == pytest.approx([5, 110])
    assert played.rewards == pytest.approx([-5, -110])
    assert played.balance["consumed_j"] == pytest.approx(220)


def test_a_deferral_costs_as_much_and_what_is_left_at_the_end_nothing() -> None:
    """Two deferrals of two tasks at 10 J, on 4 J and then on nothing; then 200 J for both tasks."""
    played = play(small_world(2, 10.0, deadline_slots=9), easy([4, 0], [0, 0], [9, 9]), cycle([2]))
    assert played.column("energy_j") == pytest.approx([10, 210])
    assert played.column("auxiliary_j") == pytest.approx([6, 210])


def test_a_forced_deferral_costs_it_once() -> None:
    played = play(small_world(1, 10.0, deadline_slots=1), easy([0], [0], [0]), cycle([2]))
    assert played.column("forced") == [True]
    assert played.column("energy_j") == pytest.approx([110])


def test_an_episode_without_a_task_costs_nothing() -> None:
    assert play(small_world(2, 10.0), easy([5, 5], []), cycle([0])).balance["consumed_j"] == 0


def test_the_decision_and_the_observation_are_those_of_the_task() -> None:
    trace = easy([50, 50], [0, 1])
    free, costly = (play(small_world(2, overhead_j), trace, cycle([0])).decisions[0] for overhead_j in (0.0, 10.0))
    np.testing.assert_array_equal(free.expected_energy_j, costly.expected_energy_j)
    np.testing.assert_array_equal(free.observation, costly.observation)


def test_a_dispatchers_own_overhead_adds_to_the_scenarios() -> None:
    scenario = make_scenario(UNCERTAIN, overhead_j=5.0)
    own = simulate(scenario, Costly(scenario), 20, SEED)
    both = simulate(make_scenario(UNCERTAIN, overhead_j=30.0), Myopic(UNCERTAIN), 20, SEED)
    for name, values in both.balance.items():
        np.testing.assert_array_equal(own.balance[name], values)
    extra = both.balance["consumed_j"] - simulate(UNCERTAIN, Myopic(UNCERTAIN), 20, SEED).balance["consumed_j"]
    np.testing.assert_allclose(extra, 30.0 * both.tasks, rtol=1e-9)
    assert slot_distribution(Costly(scenario)).drift == pytest.approx(slot_distribution(Myopic(UNCERTAIN)).drift + 30)


def test_a_given_trace_and_its_slots_are_charged_too() -> None:
    trace = draw_traces(UNCERTAIN, [0], SEED)[0]
    consumed = [run_traces(UNCERTAIN, kind(UNCERTAIN), [trace]).balance["consumed_j"][0] for kind in (Myopic, Costly)]
    assert consumed[1] - consumed[0] == pytest.approx(25.0 * trace.n_tasks)
    assert slot_by_slot(UNCERTAIN, Costly(UNCERTAIN), trace)["consumed_j"].sum() == pytest.approx(consumed[1])


def test_who_errs_from_a_costly_base_costs_as_much() -> None:
    assert ErrorProne(Costly(UNCERTAIN), 0.1).overhead_j == 25.0


def test_an_overhead_below_nothing_is_refused() -> None:
    class Gaining(Myopic):
        overhead_j = -1.0

    with pytest.raises(InputError, match=r"Gaining\.overhead_j is -1\.0, but it must be .* at least 0"):
        simulate(make_scenario(UNCERTAIN, overhead_j=5.0), Gaining(UNCERTAIN), 1)


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("overhead_j", [10.0, 60.0])
def test_simulation_with_overhead_is_exact_theory_of_shifted_energies(ratio: float, overhead_j: float) -> None:
    """Expected: E[D_100] where every energy is higher by the overhead, on the harvest of the tasks alone."""
    scenario = make_scenario(UNCERTAIN, renewable_ratio=ratio)
    alone, costly = slot_distribution(Myopic(scenario)), make_scenario(scenario, overhead_j=overhead_j)
    parts = (alone.arrival_rate, alone.energies_j + overhead_j, alone.probabilities, alone.harvest_mean_j)
    expected = float(exact_expected_auxiliary_energy(SlotDistribution(*parts, alone.harvest_cv), 100))
    predicted = float(exact_expected_auxiliary_energy(slot_distribution(Myopic(costly)), 100))
    assert predicted == pytest.approx(expected, rel=1e-12)
    simulated = Estimate.of(simulate(costly, Myopic(costly), 1500, SEED).auxiliary_j[:, 0])
    assert abs(simulated.deviation(expected)) < BOUND
    unshifted = float(exact_expected_auxiliary_energy(alone, 100))
    assert overhead_j < 60 or abs(simulated.deviation(unshifted)) > BOUND  # it would be seen if theory ignored it


@pytest.mark.parametrize("scenario", [UNCERTAIN, WAITING, make_scenario("solar")], ids=lambda scenario: scenario.name)
def test_energy_is_conserved_with_overhead(scenario: Scenario) -> None:
    """Random choices, deferrals among them."""

    class Mixed(Dispatcher):
        overhead_j = 0.05 * scenario.mean_demand_j

        def act(self, decision: Decision) -> NDArray[np.int64]:
            return (decision.task + decision.slots_left) % scenario.n_actions

    balance = simulate(scenario, Mixed(), 20, SEED).balance
    sources = balance["initial_j"] + balance["harvested_j"] + balance["auxiliary_j"]
    sinks = balance["consumed_j"] + balance["stored_j"] + balance["spilled_j"] + balance["lost_j"]
    np.testing.assert_allclose(sources, sinks, rtol=1e-9)


def test_a_router_takes_two_flops_a_parameter_and_token_and_one_reading() -> None:
    """2 * 1e9 * 500 * 1e-12 + 1e-11 * 1e9 J."""
    assert router_energy_j(1e9) == pytest.approx(1.0 + 0.01, rel=1e-12)
    assert router_energy_j([1e9, 2e9], 100) == pytest.approx([0.21, 0.42], rel=1e-12)
    assert router_energy_j(1e9, 500, ScalingLaws(batch_size=2.0)) == pytest.approx(1.005, rel=1e-12)


def test_a_router_is_an_oracle_with_its_overhead_in_simulation_and_theory() -> None:
    router = make_dispatcher("router-1e10", UNCERTAIN)
    assert isinstance(router, Router)
    assert router.overhead_j == pytest.approx(10.1)
    slot, oracle = slot_for_theory(UNCERTAIN, router), slot_for_theory(UNCERTAIN, Oracle(UNCERTAIN))
    assert slot is not None
    assert oracle is not None
    np.testing.assert_allclose(slot.energies_j, oracle.energies_j + 10.1)
    ran = simulate(UNCERTAIN, router, 1500, SEED).auxiliary_j[:, 0]
    assert abs(Estimate.of(ran).deviation(float(exact_expected_auxiliary_energy(slot, 100)))) < BOUND


def slots(ratio: float, reference: str = "myopic") -> list[SlotDistribution]:
    scenario = make_scenario("uncertain", renewable_ratio=ratio)
    return [slot_distribution(make_dispatcher(name, scenario)) for name in ("oracle", reference)]


@pytest.mark.parametrize(("ratio", "reference"), [(0.8, "myopic"), (1.0, "scaling-law"), (1.3, "fixed-1")])
@pytest.mark.parametrize("horizon", [1, 30])
def test_the_break_even_overhead_satisfies_its_equation(ratio: float, reference: str, horizon: int) -> None:
    oracle, other = slots(ratio, reference)
    even = break_even_overhead(oracle, other, horizon)
    wanted, found = (exact_expected_auxiliary_energy(slot, horizon) for slot in (other, oracle.with_overhead(even)))
    assert even > 20
    assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize(("noise", "failing"), [(0.0, 0.1), (0.1, 0.4)])
def test_where_failures_are_retried_every_attempt_takes_the_break_even_overhead(noise: float, failing: float) -> None:
    """With noise the energies are gathered: E[D_T] is right to 1e-5, and the overhead to what follows."""
    models = ModelPool((1e9, 3e9, 1e10), ScalingLaws(failure_probability=failing))
    scenario = make_scenario("paper", failures="retried", difficulty_noise=noise, models=models)
    oracle, other = (slot_distribution(make_dispatcher(name, scenario)) for name in ("oracle", "fixed-0"))
    even = break_even_overhead(oracle, other, 30)
    charged = slot_distribution(make_dispatcher("oracle", make_scenario(scenario, overhead_j=even)))
    wanted, found = (exact_expected_auxiliary_energy(slot, 30) for slot in (other, charged))
    assert even > 10
    assert found == pytest.approx(wanted, rel=1e-6)


def test_in_deficit_the_break_even_overhead_tends_to_the_difference_of_mean_energies() -> None:
    """30.8 J in `uncertain`; at 1000 slots within 0.2 %."""
    oracle, myopic = slots(0.8)
    difference = myopic.demand_mean_j - oracle.demand_mean_j
    assert difference == pytest.approx(30.84, abs=0.01)
    assert break_even_overhead(oracle, myopic, 1000) == pytest.approx(difference, rel=2e-3)


def test_nothing_may_be_spent_where_nothing_is_gained() -> None:
    oracle, myopic = slots(1.0)
    assert break_even_overhead(myopic, oracle, 10) == break_even_overhead(myopic, myopic, 10) == 0.0


def test_the_planner_says_what_perfect_knowledge_is_worth() -> None:
    found = answer(PlanQuestion(make_scenario("uncertain", renewable_ratio=0.9, horizon_slots=50)))
    assert found.knowledge_j.value == pytest.approx(30.84, abs=0.01)
    assert found.break_even_overhead_j.value == pytest.approx(break_even_overhead(*slots(0.9), 50), rel=1e-4)
    certain = answer(PlanQuestion(make_scenario("paper", horizon_slots=10)))
    assert certain.knowledge_j.value == certain.break_even_overhead_j.value == 0.0


def test_the_planner_adds_the_scenarios_overhead_to_every_decision() -> None:
    found = answer(PlanQuestion(make_scenario("paper", horizon_slots=10, overhead_j=7.0)))
    assert found.drift_j.value == pytest.approx(7.0)
    assert found.regime == found.regime_without_errors == "deficit"


def test_the_figures_points_lie_on_its_curve_and_its_break_even_on_both() -> None:
    """Expected: the exact curve at each simulated router."""
    tables = router_tables(300, SEED)
    curve = tables["router_cost"]
    for _, point in tables["router_measured"].iterrows():
        expected = np.interp(point["overhead_j"], curve["overhead_j"], curve["exact_j"])
        assert abs(point["mean_j"] - expected) < BOUND * point["standard_error_j"]
    for _, rival in tables["router_rivals"].iterrows():
        assert router_energy_j(rival["break_even_params"]) == pytest.approx(rival["break_even_j"])
        height = np.interp(rival["break_even_j"], curve["overhead_j"], curve["exact_j"])
        assert height == pytest.approx(rival["exact_j"], rel=1e-3)
