"""The policies that come with the project, on traces that none of them was trained or tuned on."""

import json
from typing import Any

import numpy as np
import pytest

from agents import Dispatcher, make_dispatcher
from agents.policies import shipped_policies
from energy_route_env import SCENARIOS, Decision, Scenario, make_scenario
from eval.gap import optimal_value
from eval.pool import question_table
from eval.regret import regret_j
from eval.rollout import simulate
from eval.statistics import Estimate

SEED = 77
RULE = "variance-aware"


class Compared(Dispatcher):
    """Follows one dispatcher and counts how often another one agrees; finished episodes do not count."""

    privileged = True

    def __init__(self, followed: Dispatcher, other: Dispatcher) -> None:
        self.followed, self.other = followed, other
        self.decisions = self.agreed = 0

    def act(self, decision: Decision) -> Any:
        actions = self.followed.act(decision)
        under_way = decision.due > 0
        self.decisions += int(under_way.sum())
        self.agreed += int((under_way & (actions == self.other.act(decision))).sum())
        return actions


def drawn(scenario: Scenario, name: str, episodes: int) -> np.ndarray:
    """What each episode counts in the scenario's unit."""
    return simulate(scenario, make_dispatcher(name, scenario), episodes, SEED).cost[:, -1]


def test_every_shipped_policy_is_small_with_a_card_that_says_how_to_make_it() -> None:
    assert set(shipped_policies()) <= set(SCENARIOS)
    for name, path in shipped_policies().items():
        card = json.loads(path.with_suffix(".json").read_text())
        assert path.stat().st_size + path.with_suffix(".json").stat().st_size < 100_000
        assert card["command"].startswith(f"python -m train ppo --scenario {name}")
        assert card["evaluation"]["episodes"] >= 10_000


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_in_paper_one_policy_agrees_with_the_oracle_at_every_ratio(ratio: float) -> None:
    scenario = make_scenario("paper", renewable_ratio=ratio)
    oracle = make_dispatcher("oracle", scenario)
    both = Compared(make_dispatcher("learned", scenario), oracle)
    # 200 episodes are 2e5 decisions: the share's standard error is below 0.03 %, the shipped policy's share 99.9 %.
    learned = simulate(scenario, both, 200, SEED).auxiliary_j[:, -1]
    best = simulate(scenario, oracle, 200, SEED).auxiliary_j[:, -1]
    assert both.decisions > 190_000
    assert both.agreed / both.decisions >= 0.99
    assert best.mean() <= learned.mean() <= 1.01 * best.mean()


def test_in_uncertain_the_policy_is_bayes_optimal_to_one_percent() -> None:
    scenario = make_scenario("uncertain")
    learned, myopic = drawn(scenario, "learned", 2000), drawn(scenario, "myopic", 2000)
    difference = Estimate.of(learned - myopic)
    # Expected: 0; the bound is 1 % of the optimum beyond 4 standard errors of the paired difference.
    assert difference.mean <= 0.01 * myopic.mean() + 4 * difference.standard_error
    assert drawn(scenario, "scaling-law", 2000).mean() > 1.2 * learned.mean()


def test_in_solar_the_policy_is_far_below_myopic_and_level_with_the_best_heuristic() -> None:
    scenario = make_scenario("solar")
    learned, myopic, best = (drawn(scenario, name, 1000) for name in ("learned", "myopic", "surplus-deferral"))
    for other, bound in ((myopic, 0.6), (best, 1.02)):
        # Expected: 0.52 x myopic, 0.99 x surplus-deferral; 4 standard errors of the paired difference are granted.
        difference = Estimate.of(learned - bound * other)
        assert difference.mean <= 4 * difference.standard_error
    assert learned.mean() < 0.6 * myopic.mean()


def test_in_volatile_the_policy_is_within_one_percent_of_the_optimum_and_below_the_variance_aware_rule() -> None:
    scenario = make_scenario("volatile")
    best_j = optimal_value(scenario)
    assert best_j is not None
    learned, rule = (regret_j(scenario, make_dispatcher(name, scenario), 500, SEED) for name in ("learned", RULE))
    # Expected: 9 J and 22 J of 1827, with standard errors of 0.3 and 0.9 J; four of them are asked for.
    assert learned.mean + 4 * learned.standard_error <= 0.01 * best_j
    assert learned.mean + 4 * learned.standard_error < rule.mean - 4 * rule.standard_error


def test_in_carbon_the_policy_is_far_below_greedy_deferral_and_not_above_the_rule_it_learned_from() -> None:
    """Expected: 0.92 and 0.99. The first by 4 standard errors of the paired difference; the second grants them."""
    scenario = make_scenario("carbon")
    learned, greedy, rule = (drawn(scenario, name, 500) for name in ("learned", "greedy-deferral", "cheap-hours"))
    below, level = Estimate.of(learned - 0.97 * greedy), Estimate.of(learned - rule)
    assert below.mean < -4 * below.standard_error
    assert level.mean < 4 * level.standard_error


def test_in_gusty_the_policy_is_level_with_surplus_deferral() -> None:
    """Expected: 0.996; at most 1.01, and 4 standard errors of the paired difference are granted."""
    scenario = make_scenario("gusty")
    learned, best = (drawn(scenario, name, 500) for name in ("learned", "surplus-deferral"))
    difference = Estimate.of(learned - 1.01 * best)
    assert difference.mean <= 4 * difference.standard_error


def test_in_measured_the_policy_takes_no_more_for_a_question_than_the_best_order() -> None:
    """On every question for testing, where nobody has learned from: the two try the entries in the same order."""
    questions = question_table(make_scenario("measured").models)
    assert questions["learned"].to_numpy() == pytest.approx(questions["best-order"].to_numpy())
    assert questions["learned"].sum() < questions["cascade"].sum()


@pytest.mark.parametrize("name", shipped_policies())
@pytest.mark.parametrize("changes", [{}, {"renewable_ratio": 0.9}, {"renewable_ratio": 1.1, "horizon_slots": 1000}])
def test_no_warning_where_a_policy_is_meant_to_be_used(name: str, changes: dict[str, Any]) -> None:
    make_dispatcher("learned", make_scenario(name, **changes))  # warnings are errors here


@pytest.mark.parametrize("name", shipped_policies())
def test_the_cards_evaluation_is_what_the_policy_does(name: str) -> None:
    scenario = make_scenario(name)
    card = json.loads(shipped_policies()[name].with_suffix(".json").read_text())
    again = Estimate.of(drawn(scenario, "learned", 500))
    told = card["evaluation"]
    # Other traces: 4 standard errors of the difference, of which the card's own are told as a half width of 1.96.
    error = np.hypot(again.standard_error, told["auxiliary_j_half_width"] / 1.96)
    assert abs(again.mean - told["auxiliary_j"]) < 4 * error
