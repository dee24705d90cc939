"""The planner against Spitzer's exact expectation, closed forms, its own inverses, and the simulator.

Comparisons with simulation state: expected value, the planner's; standard error, that of the simulated mean; bound,
four standard errors. Seeds are fixed.
"""

import json
import math
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import Dispatcher, ErrorProne, Myopic, Oracle, slot_distribution
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import exact_expected_auxiliary_energy
from energy_route_env.theory.lattice import auxiliary_distribution
from energy_route_env.theory.planning import (
    PlanQuestion,
    answer,
    battery_for,
    budget_for,
    error_rate_for,
    harvest_for,
    horizon_for,
)
from energy_route_env.theory.winners import winners
from eval.plan import PlanArgs, main, simulated
from eval.rollout import simulate
from eval.statistics import Estimate

SEED = 20_261
BOUND = 4.0
"""In standard errors."""
OWN = [field.name for field in fields(PlanQuestion)]


def ask(**given: Any) -> PlanQuestion:
    """A question about the paper's scenario; what is not a field of a question is one of the scenario."""
    own = {name: value for name, value in given.items() if name in OWN}
    return PlanQuestion(make_scenario("paper", **{k: v for k, v in given.items() if k not in own}), **own)


PAPER = ask()
ERRING = ask(error_rate=0.05)


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
    found = answer(ask(renewable_ratio=ratio, horizon_slots=10))
    assert found.regime == {0.9: "deficit", 1.0: "critical", 1.1: "surplus"}[ratio]
    assert found.harvest_j.value == pytest.approx(ratio * found.demand_j.value)


def test_c_lb_of_a_slot_scales_with_arrivals_and_queries_per_task() -> None:
    found = answer(ask(arrival_rate=3.0, queries_per_task=7.0, horizon_slots=10))
    assert found.c_lb_task_j.value == pytest.approx(7 * 594.0715, rel=1e-6)
    assert found.c_lb_slot_j.value == pytest.approx(21 * 594.0715, rel=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_slot_distribution_is_that_of_the_erring_myopic_dispatcher(noise: float) -> None:
    scenario = make_scenario("paper", difficulty_noise=noise, renewable_ratio=0.95)
    expected = slot_distribution(ErrorProne(Myopic(scenario), 0.1))
    slot = ask(difficulty_noise=noise, renewable_ratio=0.95, error_rate=0.1).slot
    assert (slot.drift, slot.volatility) == pytest.approx((expected.drift, expected.volatility), rel=1e-6)
    means = [exact_expected_auxiliary_energy(each, [1, 10, 1000]) for each in (slot, expected)]
    np.testing.assert_allclose(*means, rtol=1e-4)


def test_c_lb_under_noise_is_the_oracles_demand() -> None:
    slot = slot_distribution(Oracle(make_scenario("uncertain")))
    found = answer(ask(difficulty_noise=0.1, horizon_slots=10))
    assert found.c_lb_slot_j.value == pytest.approx(slot.demand_mean_j, rel=1e-6)


WISHES = [(0.95, 9000.0, None), (1.05, 2500.0, None), (0.95, 12_000.0, 0.9), (1.05, 5000.0, 0.8)]


@pytest.mark.parametrize(("ratio", "budget", "confidence"), WISHES)
def test_the_harvest_that_is_solved_for_needs_the_budget(ratio: float, budget: float, confidence: float | None) -> None:
    fields: dict[str, Any] = {"renewable_ratio": ratio, "horizon_slots": 200, "error_rate": 0.1}
    wish = ask(budget_j=budget, confidence=confidence, **fields)
    harvest = harvest_for(wish).value
    assert budget_for(replace(wish, harvest_mean_j=harvest)).value == pytest.approx(budget, rel=1e-3)
    assert budget_for(replace(wish, harvest_mean_j=0.99 * harvest)).value > budget


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_the_error_rate_that_is_solved_for_needs_the_budget(confidence: float | None) -> None:
    wish = ask(confidence=confidence, horizon_slots=200, error_rate=0.3)
    budget = budget_for(wish).value
    rate = error_rate_for(replace(wish, budget_j=budget, error_rate=0.0))
    assert rate.value == pytest.approx(0.3, rel=1e-3)
    assert rate.method == ("exact" if confidence is None else "lattice")


@pytest.mark.parametrize(("ratio", "budget", "confidence"), WISHES)
def test_the_horizon_that_is_solved_for_is_the_longest(ratio: float, budget: float, confidence: float | None) -> None:
    wish = ask(renewable_ratio=ratio, budget_j=budget, confidence=confidence)
    horizon = int(horizon_for(wish).value)
    needed = [budget_for(replace(wish, horizon_slots=horizon + more)).value for more in (0, 1)]
    assert needed[0] <= budget < needed[1]


def test_wishes_that_cost_nothing_are_granted_in_full() -> None:
    """594 071 J is what 1000 slots take without any harvest."""
    assert harvest_for(ask(budget_j=600_000.0)).value == 0.0
    assert error_rate_for(ask(budget_j=600_000.0)).value == 1.0


def test_a_budget_of_nothing_with_a_confidence_is_a_probability_of_no_grid_power() -> None:
    wish = ask(budget_j=0.0, confidence=0.9, horizon_slots=50)
    harvest = harvest_for(wish).value
    found = auxiliary_distribution(replace(wish, harvest_mean_j=harvest).slot, 50)
    assert found.probability(0.0) == pytest.approx(0.9, abs=1e-4)


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
    with pytest.raises(InputError, match=sentence):
        solve(ask(**fields))


def test_a_confident_wish_that_is_impossible_names_its_confidence() -> None:
    with pytest.raises(InputError, match=r"budget_j is 100\.0 with confidence 0\.9, .*negative; .* 7\d{3}"):
        error_rate_for(ask(budget_j=100.0, confidence=0.9, horizon_slots=50))


BAD = {
    "harvest_mean_j": {"harvest_mean_j": -1.0},
    "weather_file": {"weather_file": "723170TYA.CSV"},
    "capacity_j": {"capacity_j": 5000.0},
    "initial_battery_j": {"initial_battery_j": 1.0},
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
    with pytest.raises(InputError, match=field):
        ask(**BAD[field])


def auxiliary(scenario: Scenario, dispatcher: Dispatcher, episodes: int) -> NDArray[np.float64]:
    return simulate(scenario, dispatcher, episodes, SEED).auxiliary_j[:, -1]


def test_with_the_harvest_solved_for_simulation_needs_the_budget_on_average() -> None:
    """Expected: 4000 J; bound: four standard errors of 2000 episodes, some 80 J each."""
    wish = ask(budget_j=4000.0, horizon_slots=100, error_rate=0.2)
    estimate = simulated(replace(wish, harvest_mean_j=harvest_for(wish).value), 2000, SEED)
    assert estimate is not None
    assert abs(estimate.deviation(4000.0)) < BOUND


def test_with_the_harvest_solved_for_simulation_keeps_the_budget_with_the_confidence() -> None:
    """Expected: 90 % of 3000 episodes; bound: four standard errors, 2.2 %."""
    wish = ask(budget_j=8000.0, confidence=0.9, horizon_slots=100, difficulty_noise=0.1)
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
    """Expected: 5 % more than an unlimited battery on the same 3000 traces; four standard errors of the difference.

    The mean that is told with the capacity is that of the simulation to four standard errors, too.
    """
    fields = BATTERIES[name] | {"horizon_slots": 200}
    found, mean = battery_for(ask(**fields, extra_share=0.05))
    capacity = found.value
    unlimited, finite = (make_scenario("paper", **fields, capacity_j=most) for most in (math.inf, capacity))
    base, more = (auxiliary(scenario, Oracle(scenario), 3000) for scenario in (unlimited, finite))
    extra = Estimate.of(more - 1.05 * base)
    assert extra.standard_error < 0.005 * base.mean()
    assert abs(extra.deviation(0.0)) < BOUND
    assert abs(Estimate.of(more).deviation(mean.value)) < BOUND


def test_a_larger_allowance_needs_a_smaller_battery_and_a_huge_one_none() -> None:
    sizes = [battery_for(ask(horizon_slots=100, extra_share=share))[0].value for share in (0.01, 0.1, 1.0, 100.0)]
    assert (np.diff(sizes) < 0).all()
    assert sizes[-1] == 0.0


def test_a_battery_for_too_long_a_horizon_is_refused_with_the_longest() -> None:
    with pytest.raises(InputError, match=r"horizon_slots is 100000, .* about \d+ slots at most"):
        battery_for(ask(horizon_slots=100_000))


def test_models_win_between_the_published_crossings() -> None:
    found = answer(replace(PAPER, horizon_slots=1))
    for ranges, crossing in ((found.cheapest, 1.73864), (found.fastest, 1.82968)):
        assert [part.n_params for part in ranges] == [1e10, 1e9]
        assert (ranges[0].low, ranges[1].high) == (1.7, pytest.approx(1.9))
        assert ranges[0].high == ranges[1].low == pytest.approx(crossing, abs=5.1e-6)


def test_where_all_tasks_are_alike_one_model_wins() -> None:
    (only,) = winners(PAPER.scenario.models.energy_j, PAPER.scenario.models, 1.7, 1.7)
    assert only.model == 1


@pytest.mark.parametrize("fields", [{"arrival_rate": 0.0}, {"harvest_cv": 0.0, "arrival_rate": 0.0}])
def test_without_tasks_nothing_is_needed(fields: dict[str, Any]) -> None:
    found = answer(ask(**fields, harvest_mean_j=5.0, budget_j=0.0))
    assert found.battery_j is not None
    assert found.harvest_for_mean_j is not None
    needs = (found.mean_j, found.std_j, found.quantile_j, found.battery_j, found.harvest_for_mean_j)
    assert [need.value for need in needs] == [0.0] * 5


def test_an_answer_is_strict_json() -> None:
    plain = answer(ask(horizon_slots=10, budget_j=1000.0)).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["transition_slots"] == {"value": None, "method": "Brownian"}


def test_the_command_prints_one_json_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(PlanArgs(horizon=10, ratio=0.9, check_episodes=200, json=True))
    printed = json.loads(capsys.readouterr().out)
    assert printed["mean_j"] == {"value": pytest.approx(1668.0, abs=0.051), "method": "exact"}
    check = printed["simulated_mean_j"]
    assert abs(check["mean"] - 1668.0) < BOUND * check["standard_error"]


ARGUMENTS: dict[str, Any] = {
    "models": (1e9, 3e9),
    "difficulties": (1.7, 1.8),
    "difficulty_noise": 0.05,
    "arrival_rate": 2.0,
    "queries_per_task": 3.0,
    "ratio": 0.8,
    "harvest_cv": 1.0,
    "horizon": 77,
    "error_rate": 0.1,
    "budget_j": 5.0,
    "confidence": 0.7,
    "extra_share": 0.2,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
}


def test_every_argument_of_the_command_reaches_the_question() -> None:
    names = {"ratio": "renewable_ratio", "horizon": "horizon_slots"}
    expected = ask(**{names.get(name, name): value for name, value in ARGUMENTS.items()})
    assert PlanArgs(**ARGUMENTS).question() == expected
    assert PlanArgs(harvest_mean_j=500.0).question() == ask(horizon_slots=1000, harvest_mean_j=500.0)


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
    assert "3.67 J" in printed  # of 3.68 J in the mean; a router of N parameters takes 1.01e-9 N
    assert "3.63e+09 params" in printed


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"solve_for": "harvest"}, "budget_j is None"),
        ({"solve_for": "harvets", "budget_j": 1.0}, "nearest valid one is 'harvest'"),
        ({"check_episodes": 1}, "check_episodes is 1"),
        ({"harvest_mean_j": 500.0, "ratio": 1.0}, "harvest_mean_j is 500.0, but it must be None"),
    ],
)
def test_the_command_refuses_bad_arguments(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        main(PlanArgs(**fields))


def test_the_planner_loads_none_of_the_extras() -> None:
    heavy = ("torch", "pandas", "matplotlib", "agents", "eval", "rich", "tyro")
    code = f"import sys, energy_route_env.theory.planning; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
