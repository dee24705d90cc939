"""The planner against Spitzer's exact expectation, closed forms, its own inverses, and the simulator.

Comparisons with simulation state: expected value, the planner's; standard error, that of the simulated mean; bound,
four standard errors. Seeds are fixed.
"""

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from agents import Dispatcher, ErrorProne, Myopic, Oracle
from agents import slot_law as dispatcher_law
from energy_route_env import Scenario, make_scenario
from energy_route_env.lattice import AuxiliaryLaw, LatticeTooLongError, auxiliary_law
from energy_route_env.planning import (
    PlanQuestion,
    answer,
    battery_for,
    budget_for,
    error_rate_for,
    harvest_for,
    horizon_for,
    slot_law,
    winners,
)
from energy_route_env.theory import SlotLaw, exact_expected_auxiliary_energy
from eval.plan import PlanArgs, main, simulated
from eval.rollout import simulate
from eval.statistics import Estimate

SEED = 20_261
BOUND = 4.0
"""In standard errors."""
PAPER = PlanQuestion()
ERRING = PlanQuestion(error_rate=0.05)


def test_the_papers_system_has_the_published_numbers() -> None:
    found, erring = answer(PAPER), answer(ERRING)
    assert found.regime == erring.regime_without_errors == "critical"
    assert erring.regime == "deficit"
    assert found.c_lb_task_j.value == found.c_lb_slot_j.value == pytest.approx(594.07, abs=0.0051)
    assert found.volatility_j.value == pytest.approx(696.89, abs=0.0051)
    assert found.mean_j.value == pytest.approx(17171.5, abs=0.051)
    assert found.mean_brownian_j.value == pytest.approx(17583.5, abs=0.051)
    assert erring.mean_j.value == pytest.approx(19153.1, abs=0.051)
    assert erring.error_cost_j.value == pytest.approx(19153.1 - 17171.5, abs=0.11)
    assert erring.drift_j.value == pytest.approx(3.678, abs=0.00051)
    assert erring.transition_slots.value == pytest.approx(2 * 699.86**2 / (math.pi * 3.678**2), rel=3e-4)
    assert found.transition_slots.value == math.inf


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_the_regime_is_that_of_the_ratio(ratio: float) -> None:
    found = answer(PlanQuestion(renewable_ratio=ratio, horizon_slots=10))
    assert found.regime == {0.9: "deficit", 1.0: "critical", 1.1: "surplus"}[ratio]
    assert found.harvest_j.value == pytest.approx(ratio * found.demand_j.value)


def test_c_lb_of_a_slot_scales_with_arrivals_and_queries_per_task() -> None:
    found = answer(PlanQuestion(arrival_rate=3.0, queries_per_task=7.0, horizon_slots=10))
    assert found.c_lb_task_j.value == pytest.approx(7 * 594.0715, rel=1e-6)
    assert found.c_lb_slot_j.value == pytest.approx(21 * 594.0715, rel=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_slot_law_is_that_of_the_erring_myopic_dispatcher(noise: float) -> None:
    scenario = make_scenario("paper", difficulty_noise=noise, renewable_ratio=0.95)
    expected = dispatcher_law(ErrorProne(Myopic(scenario), 0.1))
    law = slot_law(PlanQuestion(difficulty_noise=noise, renewable_ratio=0.95, error_rate=0.1))
    assert (law.drift, law.volatility) == pytest.approx((expected.drift, expected.volatility), rel=1e-6)
    means = [exact_expected_auxiliary_energy(each, [1, 10, 1000]) for each in (law, expected)]
    np.testing.assert_allclose(*means, rtol=1e-4)


def test_c_lb_under_noise_is_the_oracles_demand() -> None:
    law = dispatcher_law(Oracle(make_scenario("uncertain")))
    found = answer(PlanQuestion(difficulty_noise=0.1, horizon_slots=10))
    assert found.c_lb_slot_j.value == pytest.approx(law.drift + law.harvest_mean_j, rel=1e-6)


def lattice(horizon: int, **fields: Any) -> tuple[SlotLaw, AuxiliaryLaw]:
    law = slot_law(PlanQuestion(**fields))
    found = auxiliary_law(law, horizon)
    assert found.method == "lattice"
    return law, found


LAWS = {
    "critical": {},
    "deficit": {"renewable_ratio": 0.9},
    "surplus": {"renewable_ratio": 1.1},
    "rich": {"renewable_ratio": 10.0},
    "poor": {"renewable_ratio": 0.1},
    "no harvest": {"harvest_mean_j": 0.0},
    "constant harvest": {"harvest_cv": 0.0},
    "wild harvest": {"harvest_cv": 2.0, "renewable_ratio": 3.0},
    "rare tasks": {"arrival_rate": 0.1, "renewable_ratio": 1.2, "harvest_cv": 0.0},
    "many tasks": {"arrival_rate": 1e4},
    "uncertain": {"difficulty_noise": 0.1, "error_rate": 0.05},
}


@pytest.mark.parametrize("horizon", [1, 30, 1000])
@pytest.mark.parametrize("name", LAWS)
def test_the_lattices_mean_is_spitzers_within_a_thousandth(name: str, horizon: int) -> None:
    """Within two thousandths in a single slot, whose atoms stand between the lattice's points."""
    law, found = lattice(horizon, **LAWS[name])
    assert found.mean_j == pytest.approx(
        float(exact_expected_auxiliary_energy(law, horizon)), rel=2e-3 if horizon == 1 else 1e-3
    )


@pytest.mark.parametrize("name", ["critical", "deficit", "surplus"])
def test_the_lattices_mean_is_spitzers_to_six_digits_where_the_slots_law_is_smooth(name: str) -> None:
    law, found = lattice(1000, **LAWS[name])
    assert found.mean_j == pytest.approx(float(exact_expected_auxiliary_energy(law, 1000)), rel=5e-6)


def test_no_grid_power_in_one_slot_has_the_probability_of_its_sum_over_tasks() -> None:
    """P(C <= H) for N tasks of one energy e and a Gamma harvest of shape 4: the sum over n of P(N = n) P(H >= n e)."""
    law, tasks = SlotLaw(0.8, np.array([500.0]), np.array([1.0]), 450.0, 0.5), np.arange(60)
    expected = stats.poisson.pmf(tasks, 0.8) @ special.gammaincc(4.0, tasks * 500.0 / (450.0 / 4))
    assert auxiliary_law(law, 1).probability(0.0) == pytest.approx(expected, abs=1e-4)


@lru_cache
def walks(ratio: float, horizon: int, n: int) -> NDArray[np.float64]:
    """D_T of n random walks in the paper's system, straight from its definition."""
    law, rng = slot_law(PlanQuestion(renewable_ratio=ratio)), np.random.default_rng(SEED)
    total, highest = np.zeros(n), np.zeros(n)
    for _ in range(horizon):
        tasks = rng.poisson(law.arrival_rate * law.probabilities, (n, len(law.probabilities)))
        total += tasks @ law.energies_j - rng.gamma(4.0, law.harvest_mean_j / 4, n)
        highest = np.maximum(highest, total)
    return highest


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_the_lattices_quantiles_and_spread_are_those_of_simulated_walks(ratio: float) -> None:
    """20 000 walks of 100 slots. Expected: P(D <= quantile) = level, E (D - E D)^2 = SD^2; four standard errors."""
    drawn, (_, found) = walks(ratio, 100, 20_000), lattice(100, renewable_ratio=ratio)
    for level in (0.3, 0.5, 0.9, 0.99):
        error = math.sqrt(level * (1 - level) / len(drawn))
        at = max(level, found.probability(0.0))
        assert (drawn <= found.quantile(level) + 1e-9).mean() == pytest.approx(at, abs=BOUND * error)
    assert abs(Estimate.of((drawn - found.mean_j) ** 2).deviation(found.std_j**2)) < BOUND


def test_a_surplus_is_followed_to_any_horizon() -> None:
    law, found = lattice(10**6, renewable_ratio=1.5)
    assert found.mean_j == pytest.approx(float(exact_expected_auxiliary_energy(law, 10_000)), rel=1e-3)


@pytest.mark.parametrize("ratio", [0.99, 1.0])
def test_beyond_the_lattice_the_law_is_brownian_and_says_so(ratio: float) -> None:
    found = answer(PlanQuestion(renewable_ratio=ratio, horizon_slots=100_000))
    assert found.std_j.method == found.quantile_j.method == "Brownian"
    assert found.battery_j is None
    law = auxiliary_law(slot_law(PlanQuestion(renewable_ratio=ratio)), 100_000)
    assert law.mean_j == pytest.approx(found.mean_j.value, rel=1e-4)
    assert law.mean_j == pytest.approx(float(integrate.trapezoid(1 - law.cdf, law.x_j)), rel=1e-3)


def test_the_brownian_law_goes_on_where_the_lattice_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two differ by the skewness that is left: 0.9 % of the SD at T = 1000, less beyond."""
    _, fine = lattice(1000)
    monkeypatch.setattr("energy_route_env.lattice.MOST_WORK", 0)
    coarse = auxiliary_law(slot_law(PAPER), 1000)
    assert coarse.method == "Brownian"
    assert coarse.std_j == pytest.approx(fine.std_j, rel=1e-2)
    assert coarse.quantile(0.95) == pytest.approx(fine.quantile(0.95), rel=1e-2)


WISHES = [(0.95, 9000.0, None), (1.05, 2500.0, None), (0.95, 12_000.0, 0.9), (1.05, 5000.0, 0.8)]


@pytest.mark.parametrize(("ratio", "budget", "confidence"), WISHES)
def test_the_harvest_that_is_solved_for_needs_the_budget(ratio: float, budget: float, confidence: float | None) -> None:
    fields: dict[str, Any] = {"renewable_ratio": ratio, "horizon_slots": 200, "error_rate": 0.1}
    wish = PlanQuestion(budget_j=budget, confidence=confidence, **fields)
    harvest = harvest_for(wish).value
    assert budget_for(wish.with_harvest(harvest)).value == pytest.approx(budget, rel=1e-3)
    assert budget_for(wish.with_harvest(0.99 * harvest)).value > budget


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_the_error_rate_that_is_solved_for_needs_the_budget(confidence: float | None) -> None:
    wish = PlanQuestion(confidence=confidence, horizon_slots=200, error_rate=0.3)
    budget = budget_for(wish).value
    rate = error_rate_for(replace(wish, budget_j=budget, error_rate=0.0))
    assert rate.value == pytest.approx(0.3, rel=1e-3)
    assert rate.method == ("exact" if confidence is None else "lattice")


@pytest.mark.parametrize(("ratio", "budget", "confidence"), WISHES)
def test_the_horizon_that_is_solved_for_is_the_longest(ratio: float, budget: float, confidence: float | None) -> None:
    wish = PlanQuestion(renewable_ratio=ratio, budget_j=budget, confidence=confidence)
    horizon = int(horizon_for(wish).value)
    needed = [budget_for(replace(wish, horizon_slots=horizon + more)).value for more in (0, 1)]
    assert needed[0] <= budget < needed[1]


def test_wishes_that_cost_nothing_are_granted_in_full() -> None:
    """594 071 J is what 1000 slots take without any harvest."""
    assert harvest_for(PlanQuestion(budget_j=600_000.0)).value == 0.0
    assert error_rate_for(PlanQuestion(budget_j=600_000.0)).value == 1.0


def test_a_budget_of_nothing_with_a_confidence_is_a_probability_of_no_grid_power() -> None:
    wish = PlanQuestion(budget_j=0.0, confidence=0.9, horizon_slots=50)
    harvest = harvest_for(wish).value
    law = auxiliary_law(slot_law(wish.with_harvest(harvest)), 50)
    assert law.probability(0.0) == pytest.approx(0.9, abs=1e-4)


IMPOSSIBLE = {
    "negative error rate": (error_rate_for, {"budget_j": 10_000.0}, r"have to be negative.* budget is 17171\.5 J"),
    "no slot": (horizon_for, {"budget_j": 200.0}, r"have to be 0 slots.* budget is 274\.829 J"),
    "every horizon": (horizon_for, {"budget_j": 5000.0, "renewable_ratio": 1.1}, r"every horizon .* needs 3915\.\d+ J"),
    "no harvest": (harvest_for, {"budget_j": 1.0, "harvest_cv": 3.0}, r"no mean harvest .* budget is \d"),
    "one model": (error_rate_for, {"budget_j": 1e5, "models": (1e9,)}, "models is .* two or more"),
    "no budget": (harvest_for, {}, "budget_j is None"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_wishes_are_refused_with_the_nearest_possible_value(case: str) -> None:
    solve, fields, sentence = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=sentence):
        solve(PlanQuestion(**fields))


def test_a_confident_wish_that_is_impossible_names_its_confidence() -> None:
    with pytest.raises(ValueError, match=r"budget_j is 100\.0 with confidence 0\.9, .*negative; .* 7\d{3}"):
        error_rate_for(PlanQuestion(budget_j=100.0, confidence=0.9, horizon_slots=50))


BAD = {
    "harvest_mean_j": {"harvest_mean_j": 500.0, "renewable_ratio": 1.0},
    "harvest_cv": {"harvest_cv": 3.1},
    "horizon_slots": {"horizon_slots": 2**20 + 1},
    "error_rate": {"error_rate": 0.1, "models": (1e9,)},
    "confidence": {"confidence": 1.0},
    "budget_j": {"budget_j": -1.0},
    "extra_share": {"extra_share": 0.0},
    "discharge_efficiency": {"discharge_efficiency": 0.0},
    "difficulties": {"difficulties": ()},
}


@pytest.mark.parametrize("field", BAD)
def test_bad_fields_are_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        PlanQuestion(**BAD[field])


def auxiliary(scenario: Scenario, dispatcher: Dispatcher, episodes: int) -> NDArray[np.float64]:
    return simulate(scenario, dispatcher, episodes, SEED).auxiliary_j[:, -1]


def test_with_the_harvest_solved_for_simulation_needs_the_budget_on_average() -> None:
    """Expected: 4000 J; bound: four standard errors of 2000 episodes, some 80 J each."""
    wish = PlanQuestion(budget_j=4000.0, horizon_slots=100, error_rate=0.2)
    estimate = simulated(wish.with_harvest(harvest_for(wish).value), 2000, SEED)
    assert estimate is not None
    assert abs(estimate.deviation(4000.0)) < BOUND


def test_with_the_harvest_solved_for_simulation_keeps_the_budget_with_the_confidence() -> None:
    """Expected: 90 % of 3000 episodes; bound: four standard errors, 2.2 %."""
    wish = PlanQuestion(budget_j=8000.0, confidence=0.9, horizon_slots=100, difficulty_noise=0.1)
    base = make_scenario("paper", horizon_slots=100, difficulty_noise=0.1)
    scenario = make_scenario(base, renewable_ratio=harvest_for(wish).value / base.mean_demand_j)
    kept = (auxiliary(scenario, Myopic(scenario), 3000) <= 8000.0).mean()
    assert kept == pytest.approx(0.9, abs=BOUND * math.sqrt(0.09 / 3000))


BATTERIES = {
    "critical": {},
    "deficit, constant harvest": {"renewable_ratio": 0.9, "harvest_cv": 0.0},
    "surplus, losses": {"renewable_ratio": 1.1, "charge_efficiency": 0.9, "discharge_efficiency": 0.8},
}


@pytest.mark.parametrize("name", BATTERIES)
def test_the_battery_solved_for_costs_the_extra_share_in_simulation(name: str) -> None:
    """Expected: 5 % more than an unlimited battery on the same 3000 traces; four standard errors of the difference."""
    fields = BATTERIES[name] | {"horizon_slots": 200}
    capacity = battery_for(PlanQuestion(**fields, extra_share=0.05)).value
    unlimited, finite = (make_scenario("paper", **fields, capacity_j=most) for most in (math.inf, capacity))
    base, more = (auxiliary(scenario, Oracle(scenario), 3000) for scenario in (unlimited, finite))
    extra = Estimate.of(more - 1.05 * base)
    assert extra.standard_error < 0.005 * base.mean()
    assert abs(extra.deviation(0.0)) < BOUND


def test_a_larger_allowance_needs_a_smaller_battery_and_a_huge_one_none() -> None:
    sizes = [battery_for(PlanQuestion(horizon_slots=100, extra_share=share)).value for share in (0.01, 0.1, 1.0, 100.0)]
    assert (np.diff(sizes) < 0).all()
    assert sizes[-1] == 0.0


def test_a_battery_for_too_long_a_horizon_is_refused_with_the_longest() -> None:
    with pytest.raises(LatticeTooLongError, match=r"horizon_slots is 100000, .* about \d+ slots at most"):
        battery_for(PlanQuestion(horizon_slots=100_000))


def test_models_win_between_the_published_crossings() -> None:
    found = answer(replace(PAPER, horizon_slots=1))
    for ranges, crossing in ((found.cheapest, 1.73864), (found.fastest, 1.82968)):
        assert [part.n_params for part in ranges] == [1e10, 1e9]
        assert (ranges[0].low, ranges[1].high) == (1.7, pytest.approx(1.9))
        assert ranges[0].high == ranges[1].low == pytest.approx(crossing, abs=5.1e-6)


def test_where_all_tasks_are_alike_one_model_wins() -> None:
    (only,) = winners(PAPER.models.energy_j, PAPER.models, 1.7, 1.7)
    assert only.model == 1


@pytest.mark.parametrize("fields", [{"arrival_rate": 0.0}, {"harvest_cv": 0.0, "arrival_rate": 0.0}])
def test_without_tasks_nothing_is_needed(fields: dict[str, Any]) -> None:
    found = answer(PlanQuestion(**fields, harvest_mean_j=5.0, budget_j=0.0))
    assert found.battery_j is not None
    assert found.harvest_for_mean_j is not None
    needs = (found.mean_j, found.std_j, found.quantile_j, found.battery_j, found.harvest_for_mean_j)
    assert [need.value for need in needs] == [0.0] * 5


def test_an_answer_is_strict_json() -> None:
    plain = answer(PlanQuestion(horizon_slots=10, budget_j=1000.0)).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["transition_slots"] == {"value": None, "method": "Brownian"}


def test_the_command_prints_one_json_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(PlanArgs(horizon=10, ratio=0.9, check_episodes=200, json=True))
    printed = json.loads(capsys.readouterr().out)
    assert printed["mean_j"] == {"value": pytest.approx(1668.0, abs=0.051), "method": "exact"}
    check = printed["simulated_mean_j"]
    assert abs(check["mean"] - 1668.0) < BOUND * check["standard_error"]


def test_the_command_prints_what_it_solved_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(PlanArgs(solve_for="error-rate", budget_j=19154.0))
    assert "kept on average: 5.0" in capsys.readouterr().out
    main(PlanArgs(solve_for="horizon", budget_j=17171.6, json=True))
    assert json.loads(capsys.readouterr().out) == {"solve_for": "horizon", "value": 1000.0, "method": "exact"}


def test_the_commands_tables_show_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    main(PlanArgs(error_rate=0.05, budget_j=20_000.0))
    printed = capsys.readouterr().out
    for shown in ("deficit regime", "594.07 J", "19.15 kJ", "19.58 kJ", "1.98 kJ", "23,051 slots", "1.7386 to 1.9000"):
        assert shown in printed


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"solve_for": "harvest"}, "budget_j is None"),
        ({"solve_for": "harvets", "budget_j": 1.0}, "nearest valid one is 'harvest'"),
        ({"check_episodes": 1}, "check_episodes is 1"),
    ],
)
def test_the_command_refuses_bad_arguments(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        main(PlanArgs(**fields))


def test_the_planner_loads_none_of_the_extras() -> None:
    heavy = ("torch", "pandas", "matplotlib", "agents", "eval", "rich", "tyro")
    code = f"import sys, energy_route_env.planning; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
