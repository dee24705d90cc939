"""Tasks that fail stay at hand until a model solves them or all have failed, and every attempt takes its energy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.decisions import decision
from helpers.episodes import play
from helpers.refusals import refused

from agents import ErrorProne, Myopic, Oracle, make_dispatcher, slot_distribution
from agents.analytic import choices
from agents.dispatcher import Actions, Dispatcher
from agents.variance_aware import best_blind_moments
from energy_route_env import Decision, EnergyRouteEnv, EnergyRouteVectorEnv, Scenario, Trace, make_scenario
from energy_route_env.decision import features_of
from energy_route_env.pool.base import Attempts, Pool
from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws, budget_success, inference_energy
from energy_route_env.rendering import RENDER_MODES
from energy_route_env.theory import exact_expected_auxiliary_energy
from energy_route_env.theory.optimum import optimum
from energy_route_env.theory.planning import PlanQuestion
from energy_route_env.theory.slot import cheapest, possible_tasks, retried_energies
from eval.bounds import hindsight_bound
from eval.gap import best_known, optimal_value
from eval.rollout import run_traces, simulate
from eval.runs import dispatcher_names, make_run
from eval.statistics import Estimate
from eval.summary import summarise

UNIT_J = 100.0
EASY = 1.9
PER_TASK = UNIT_J / float(inference_energy(1e9, EASY))
OTHER_J = PER_TASK * float(inference_energy(1e10, EASY))
"""Joules of an easy task on model 1, about 137; on model 0 it takes 100."""
YES, NO = True, False


def small_world(horizon_slots: int, **fields: Any) -> Scenario:
    return make_scenario("paper", queries_per_task=PER_TASK, horizon_slots=horizon_slots, failures="retried", **fields)


def easy_tasks(
    solved: Sequence[Sequence[bool]], task_slot: Sequence[int], harvest_j: Any, deadlines: Any = None
) -> Trace:
    return Trace.of(harvest_j, task_slot, [EASY] * len(task_slot), deadline_slots=deadlines, solved=solved)


def approximately(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


# Steps worked out by hand


def test_a_model_that_fails_has_spent_its_energy_and_the_task_stays_at_hand() -> None:
    """Task 0 fails on model 0 and is solved by model 1; task 1 is solved at once. 150 J are there."""
    trace = easy_tasks([[NO, YES], [YES, NO]], [0, 0], [150.0])
    played = play(small_world(1), trace, iter([0, 1, 0]))
    assert [int(seen.task[0]) for seen in played.decisions] == [0, 0, 1]
    assert [int(seen.due[0]) for seen in played.decisions] == [2, 2, 1]
    assert [seen.tried[0].tolist() for seen in played.decisions] == [[NO, NO], [YES, NO], [NO, NO]]
    assert played.column("solved") == [NO, YES, YES]
    assert played.column("energy_j") == approximately([100, OTHER_J, 100])
    assert played.column("auxiliary_j") == approximately([0, OTHER_J - 50, 100])
    assert played.infos[-1]["tally"] == {"attempts": 3, "solved": 2, "unsolved": 0}


def test_a_task_on_which_every_model_fails_is_taken_off_unsolved() -> None:
    played = play(small_world(2), easy_tasks([[NO, NO], [YES, YES]], [0, 1], [0.0, 0.0]), iter([1, 0, 0]))
    assert [int(seen.task[0]) for seen in played.decisions] == [0, 0, 1]
    assert played.column("slot") == [0, 0, 1]
    assert played.column("solved") == [NO, NO, YES]
    assert played.balance["consumed_j"] == approximately(2 * UNIT_J + OTHER_J)
    assert played.infos[-1]["tally"] == {"attempts": 3, "solved": 1, "unsolved": 1}


def test_a_model_that_failed_is_replaced_by_the_cheapest_untried_one_and_masked() -> None:
    """Of the three models the last takes least, and of the other two the second."""
    scenario = small_world(1, models=(1e10, 1e9, 3e9))
    assert scenario.expected_energy_j(EASY).argsort().tolist() == [2, 1, 0]
    played = play(scenario, easy_tasks([[NO, YES, NO]], [0], [0.0]), iter([2, 2]))
    assert played.column("model") == [2, 1]
    assert played.column("forced") == [NO, YES]
    assert played.infos[0]["action_mask"].tolist() == [1, 1, 0]
    assert played.infos[0]["tried"].tolist() == [NO, NO, YES]
    assert played.infos[1]["action_mask"].tolist() == [1, 1, 1], "no task is at hand"


def test_a_task_that_failed_may_be_deferred_and_comes_back_first_with_what_was_tried() -> None:
    """Task 0 fails in slot 0 and waits; in slot 1 it is offered before task 1, and model 1 solves it."""
    trace = easy_tasks([[NO, YES], [YES, YES]], [0, 0], [0.0, 500.0, 0.0], [2, 2])
    played = play(small_world(3, deadline_slots=2), trace, iter([0, 2, 1, 0]))
    assert [int(seen.task[0]) for seen in played.decisions] == [0, 0, 0, 1]
    assert played.column("slot") == [0, 0, 1, 1]
    assert [seen.tried[0].tolist() for seen in played.decisions] == [[NO, NO], [YES, NO], [YES, NO], [NO, NO]]
    assert played.column("auxiliary_j") == approximately([100, 0, 0, 0])
    masks = [[0, 1, 1], [0, 1, 1], [1, 1, 1], [1, 1, 1]]
    assert [mask.tolist() for mask in played.column("action_mask")] == masks


def test_a_due_task_that_failed_cannot_be_deferred() -> None:
    trace = easy_tasks([[NO, YES]], [0], [0.0, 0.0], [1])
    played = play(small_world(2, deadline_slots=1), trace, iter([2, 0, 2]))
    assert played.column("model") == [-1, 0, 1]
    assert played.column("forced") == [NO, NO, YES]
    assert played.column("slot") == [0, 1, 1]


def test_what_is_left_at_the_end_is_tried_on_its_untried_models_the_cheapest_first() -> None:
    """Task 0 has failed on model 0; task 1 is solved by model 1 alone; task 2 by none; task 3 by model 0."""
    solved = [[NO, YES], [NO, YES], [NO, NO], [YES, NO]]
    trace = easy_tasks(solved, [0] * 4, [0.0], [9] * 4)
    played = play(small_world(1, deadline_slots=9, overhead_j=7.0), trace, iter([0, 2]))
    assert played.column("energy_j") == approximately([107, 7 + OTHER_J + 2 * (UNIT_J + OTHER_J) + UNIT_J])
    assert played.infos[-1]["tally"] == {"attempts": 7, "solved": 3, "unsolved": 1}
    assert played.infos[-1]["tried"].tolist() == [NO, NO], "no task is at hand"


def test_every_attempt_is_a_decision_with_its_overhead() -> None:
    played = play(small_world(1, overhead_j=7.0), easy_tasks([[NO, YES]], [0], [0.0]), iter([0, 1]))
    assert played.column("energy_j") == approximately([107, 7 + OTHER_J])


def test_where_failures_are_ignored_an_attempt_is_enough() -> None:
    scenario = replace(small_world(1), failures="ignored")
    played = play(scenario, easy_tasks([[NO, YES]], [0], [0.0]), iter([0]))
    assert played.balance["consumed_j"] == approximately(UNIT_J)
    assert not {"solved", "tried", "tally"} & set(played.infos[-1])
    assert played.decisions[0].tried is None and played.decisions[0].success_chance is None


# What is drawn


def test_a_scenario_that_ignores_failures_draws_what_it_drew() -> None:
    """The paper's pool draws whether tasks are solved after all else, and only where that counts."""
    ignored, retried = make_scenario("uncertain"), make_scenario("uncertain", failures="retried")
    rngs = [np.random.default_rng(3) for _ in range(3)]
    traces = [scenario.draw(rng) for scenario, rng in zip((ignored, retried), rngs, strict=False)]
    assert traces[0].solved is None and traces[0].energy_j is None and traces[1].energy_j is None
    np.testing.assert_array_equal(traces[0].difficulty, traces[1].difficulty)
    np.testing.assert_array_equal(traces[0].task_slot, traces[1].task_slot)
    assert rngs[0].random() != rngs[1].random()


@pytest.mark.parametrize("method", ["normal", "exact"])
def test_models_fail_as_often_as_their_budget_says_and_independently(method: str) -> None:
    """Expected: epsilon, or the binomial tail; four standard errors of 40 000 tasks or so, one model and both."""
    pool = ModelPool(method=method, laws=ScalingLaws(failure_probability=0.3))
    scenario = make_scenario("paper", models=pool, failures="retried", horizon_slots=40_000)
    trace = scenario.draw(np.random.default_rng(1))
    chance = budget_success([1e9, 1e10], trace.difficulty[:, None], method, pool.laws)
    assert chance.min() >= 0.7 - 1e-12
    failed = (1 - chance[:, 0], 1 - chance[:, 1], (1 - chance).prod(axis=1))
    found = (~trace.solved[:, 0], ~trace.solved[:, 1], ~trace.solved.any(axis=1))
    for expected, counted in zip(failed, found, strict=True):
        error = np.sqrt((expected * (1 - expected)).mean() / trace.n_tasks)
        assert abs(counted.mean() - expected.mean()) < 4 * error


def test_the_exact_tail_is_that_of_the_binomial() -> None:
    """20 attempts at p = 0.5: the budget for 3 skills with probability 0.9 is 9, and P(Bin(9, 1/2) >= 3) = 466/512."""
    laws = ScalingLaws(skills=3.0, failure_probability=0.1)
    from energy_route_env.pool.scaling_laws import attempt_budget, pretraining_loss

    even = float(pretraining_loss(1e9, laws))
    assert attempt_budget(0.5, "exact", laws) == 9
    assert budget_success(1e9, even, "exact", laws) == pytest.approx(466 / 512)
    assert budget_success(1e9, even, "normal", laws) == pytest.approx(0.9)


class Doubtful(Pool):
    """Draws its own attempts, whether or not failures count."""

    n_params = (1e9, 7e9)
    skill_slope = 5.0

    def energy_j(self, difficulty: Any) -> Any:
        return np.broadcast_to([100.0, 150.0], (*np.shape(difficulty), 2))

    def latency_s(self, difficulty: Any) -> Any:
        return np.broadcast_to([1.0, 10.0], (*np.shape(difficulty), 2))

    def success_chance(self, observed: Any, noise: float) -> Any:
        return np.broadcast_to([0.25, 0.75], (*np.shape(observed), 2))


class Drawing(Doubtful):
    def draw_attempts(self, rng: np.random.Generator, difficulty: Any) -> Attempts:
        return Attempts(np.full((len(difficulty), 2), 10.0), rng.random((len(difficulty), 2)) < 0.5)


def test_a_pool_that_draws_attempts_itself_is_asked_once() -> None:
    ignored, retried = (make_scenario("paper", models=Drawing(), failures=way) for way in ("ignored", "retried"))
    first, second = (scenario.draw(np.random.default_rng(0)) for scenario in (ignored, retried))
    np.testing.assert_array_equal(first.solved, second.solved)
    np.testing.assert_array_equal(first.energy_j, second.energy_j)


# What dispatchers see and answer

DOUBTFUL = make_scenario("paper", models=Doubtful(), failures="retried", horizon_slots=40)


@pytest.mark.parametrize("many", [False, True])
def test_the_observation_shows_what_was_tried_what_it_takes_and_the_chance(many: bool) -> None:
    """An attempt takes 100 J on model 0 and 150 J on model 1: 125 J on average."""
    env = EnergyRouteVectorEnv(1, DOUBTFUL) if many else EnergyRouteEnv(DOUBTFUL)
    names = ("tried_0", "tried_1", "energy_0", "energy_1", "chance_0", "chance_1")
    assert env.feature_names[-6:] == names
    trace = Trace.of(np.zeros(40), [0, 0], [1.8, 1.8], solved=[[NO, YES], [YES, YES]])
    first, _ = env.reset(options={"trace": trace})
    steps = [env.step(np.array([model]) if many else model)[0] for model in (0, 1, 0)]
    shown = [np.ravel(observation)[-6:].tolist() for observation in (first, *steps)]
    energies = [100 / 225, 150 / 275]
    assert shown[0] == pytest.approx([0, 0, *energies, 0.25, 0.75])
    assert shown[1] == pytest.approx([1, 0, *energies, 0.25, 0.75])
    assert shown[2] == pytest.approx([0, 0, *energies, 0.25, 0.75])
    assert shown[3] == [0] * 6, "no task is at hand"


THREE = make_scenario(
    "uncertain",
    models=ModelPool((1e9, 3e9, 1e10), ScalingLaws(failure_probability=0.6)),
    failures="retried",
    horizon_slots=30,
)
WAITING = replace(THREE, deadline_slots=4, deferrable_share=0.5, capacity_j=5000.0)
BLIND = ("oracle", "myopic", "scaling-law", "fixed-0", "fixed-1", "fixed-2", "random", "error-0.5", "router-1e9")
DEFERRING = ("greedy-deferral", "surplus-deferral", "receding-climatology")


class Watched(Dispatcher):
    """Answers as another does, and looks whether that has failed on the task."""

    def __init__(self, base: Dispatcher) -> None:
        self.base, self.privileged, self.memory_size, self.failures = base, base.privileged, base.memory_size, 0

    def act(self, decision: Decision) -> Actions:
        answer = self.base.act(decision)
        tried = np.pad(decision.tried, ((0, 0), (0, 1)))[np.arange(decision.n), answer]
        assert not tried.any()
        self.failures += int(decision.tried.any(axis=1).sum())
        return answer


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(THREE, name) for name in BLIND] + [(WAITING, name) for name in ("myopic", *DEFERRING)],
)
def test_no_dispatcher_answers_with_a_model_that_failed(scenario: Scenario, name: str) -> None:
    watched = Watched(make_dispatcher(name, scenario))
    simulate(scenario, watched, 4, seed=2)
    assert watched.failures > 20


def test_preferences_among_the_untried() -> None:
    """Of three models the first is the cheapest, then the second; the fixed one keeps to its own as long as it can."""
    seen = decision(THREE, [1.9] * 8)
    order_j = seen.expected_energy_j[0]
    cheapest_first = order_j.argsort().tolist()
    tried = np.array([[bits >> k & 1 == 1 for k in range(3)] for bits in range(7)] + [[NO] * 3])
    seen = replace(seen, tried=tried)
    expected = [next(k for k in cheapest_first if not row[k]) for row in tried]
    assert Myopic(THREE).act(seen).tolist() == expected
    expected = [2 if not row[2] else next(k for k in cheapest_first if not row[k]) for row in tried]
    assert make_dispatcher("fixed-2", THREE).act(seen).tolist() == expected


def test_errors_go_to_models_that_were_not_tried() -> None:
    tasks = possible_tasks(THREE).tasks
    tried = np.zeros((len(tasks.observed_difficulty), 3), bool)
    tried[:, 0] = True
    chances = ErrorProne(Oracle(THREE), 0.2).probabilities(tasks._replace(tried=tried))
    assert chances[:, 0].max() == 0
    assert np.sort(chances, axis=1) == approximately(np.tile([0.0, 0.2, 0.8], (len(tried), 1)))
    tried[:, 1] = True
    assert ErrorProne(Oracle(THREE), 0.2).probabilities(tasks._replace(tried=tried))[:, 2].min() == 1


def test_a_learned_policy_takes_the_highest_score_among_the_untried(tmp_path: Path) -> None:
    """Its scores are 3, 2 and 1 whatever it sees."""
    learned = pytest.importorskip("agents.learned")
    torch = pytest.importorskip("torch")
    n = len(features_of(THREE))
    layers = {"0.weight": torch.zeros(3, n), "0.bias": torch.tensor([3.0, 2.0, 1.0])}
    card = {"observation": learned.observation_meaning(THREE), "trained_for": learned.trained_for(THREE)}
    card["network"] = {"activation": "tanh", "sizes": [n, 3], "masked": True}
    learned.save_policy(tmp_path / "p.safetensors", layers, card)
    policy = make_dispatcher(str(tmp_path / "p.safetensors"), THREE)
    env = EnergyRouteEnv(THREE)
    env.reset(options={"trace": Trace.of(np.zeros(30), [0], [1.8], solved=[[NO, NO, NO]])})
    answers = []
    for _ in range(3):
        answers.append(int(policy.act(env.decision())[0]))
        env.step(answers[-1])
    assert answers == [0, 1, 2]


def test_a_privileged_dispatcher_is_shown_who_solves_the_task() -> None:
    env = EnergyRouteEnv(DOUBTFUL)
    env.reset(options={"trace": Trace.of(np.zeros(40), [0], [1.8], solved=[[NO, YES]])})
    assert env.decision(privileged=True).solved.tolist() == [[NO, YES]]
    assert env.decision().solved is None


def test_dispatchers_that_would_go_on_otherwise_are_not_the_same() -> None:
    """Both begin with model 2; then one takes the cheapest, the other any."""
    assert choices(make_dispatcher("fixed-0", THREE)) != choices(make_dispatcher("fixed-1", THREE))
    order = choices(Myopic(THREE))
    n = len(possible_tasks(THREE).probability)
    assert len(order) == 1 + 3 * n
    assert all({order[1 + i], order[1 + n + i], order[1 + 2 * n + i]} == {0, 1, 2} for i in range(n))


@pytest.mark.parametrize(
    "refusing",
    [
        lambda: make_dispatcher("variance-aware", DOUBTFUL),
        lambda: make_dispatcher("optimal", DOUBTFUL),
        lambda: best_blind_moments(DOUBTFUL),
        lambda: optimum(DOUBTFUL),
        lambda: PlanQuestion(DOUBTFUL),
    ],
)
def test_what_counts_on_one_attempt_refuses(refusing: Any) -> None:
    with refused("failures", "retried", "'ignored'"):
        refusing()
    assert not {"variance-aware", "optimal"} & set(dispatcher_names(DOUBTFUL))


def test_the_field_and_the_pools_size_are_checked() -> None:
    with refused("failures", "'twice'", "one of ('ignored', 'retried')"):
        make_scenario("paper", failures="twice")
    many = tuple(np.linspace(1e9, 2e9, 63))
    with refused("len(models)", "63", "at most 62 where failures are retried"):
        make_scenario("paper", failures="retried", models=many)
    scenario = make_scenario("paper", failures="retried", models=many[:62], horizon_slots=1)
    trace = Trace.of([0.0], [0], [1.8], solved=np.zeros((1, 62), bool))
    envs = EnergyRouteVectorEnv(1, scenario)
    envs.reset(options={"trace": trace})
    steps = [envs.step(np.array([0])) for _ in range(62)]
    assert [bool(step[2][0]) for step in steps] == [False] * 61 + [True]
    assert play(scenario, trace, cycle([0])).infos[-1]["tally"] == {"attempts": 62, "solved": 0, "unsolved": 1}


# Theory


def test_the_law_of_a_task_with_retries_worked_out_by_hand() -> None:
    """Model 0 solves it with probability 1/4, else 150 J more are taken; a random order has the other start as well."""
    overhead = replace(DOUBTFUL, overhead_j=7.0)
    found = retried_energies(overhead, lambda tasks: cheapest(tasks.open_energy_j), False)
    by_energy = {energy: found.probability[found.energy_j == energy].sum() for energy in (100.0, 250.0)}
    assert by_energy == approximately({100.0: 0.25, 250.0: 0.75})
    np.testing.assert_array_equal(found.decisions, np.where(found.energy_j == 100, 1, 2))
    slot = slot_distribution(make_dispatcher("random", overhead))
    law = {energy: slot.probabilities[np.isclose(slot.energies_j, energy)].sum() for energy in (107, 157, 264)}
    assert law == approximately({107: 0.125, 157: 0.375, 264: 0.5})
    assert slot.demand_mean_j == approximately(0.125 * 107 + 0.375 * 157 + 0.5 * 264)


def test_the_renewable_ratio_counts_retries() -> None:
    """In `paper` epsilon = 0.1 of the tasks take the other model's energy too."""
    scenario = make_scenario("paper", failures="retried")
    energy_j = scenario.energy_j(scenario.difficulties)
    expected = energy_j.min(axis=1).mean() + 0.1 * energy_j.max(axis=1).mean()
    assert scenario.mean_demand_j == approximately(expected)
    assert scenario.harvest.mean_j == approximately(expected)
    second = (0.9 * energy_j.min(axis=1) ** 2 + 0.1 * energy_j.sum(axis=1) ** 2).mean()
    assert scenario.myopic_moments[1] == approximately(second)


RETRIED: dict[str, dict[str, Any]] = {
    "normal": {},
    "exact": {"models": ModelPool(method="exact")},
    "three that often fail": {"models": ModelPool((1e9, 3e9, 1e10), ScalingLaws(failure_probability=0.4))},
    "uncertain, overhead": {"difficulty_noise": 0.1, "overhead_j": 20.0},
}


@pytest.mark.parametrize("name", ["myopic", "oracle", "fixed-1", "error-0.2", "random"])
@pytest.mark.parametrize("case", RETRIED)
def test_mean_auxiliary_energy_is_the_exact_expectation(case: str, name: str) -> None:
    """Expected: Spitzer's E[D_100] of the law of all attempts; standard error of 1000 episodes; bound: 4 of them."""
    scenario = make_scenario("paper", failures="retried", horizon_slots=100, **RETRIED[case])
    dispatcher = make_dispatcher(name, scenario)
    expected_j = float(exact_expected_auxiliary_energy(slot_distribution(dispatcher), 100))
    found = simulate(scenario, dispatcher, 1000, 20_261)
    assert abs(Estimate.of(found.auxiliary_j[:, -1]).deviation(expected_j)) < 4
    assert (found.tally["solved"] + found.tally["unsolved"] == found.tasks).all()


def test_leaving_the_retries_out_would_be_seen() -> None:
    """Without them E[D_100] is some 40 % lower at the same harvest: tens of standard errors."""
    scenario = make_scenario("paper", failures="retried", horizon_slots=100)
    slot = slot_distribution(Myopic(scenario))
    once = slot_distribution(Myopic(replace(scenario, failures="ignored")))
    once = replace(once, harvest_mean_j=slot.harvest_mean_j)
    found = Estimate.of(simulate(scenario, Myopic(scenario), 1000, 20_261).auxiliary_j[:, -1])
    assert found.deviation(float(exact_expected_auxiliary_energy(once, 100))) > 8


# The bound, tables, pictures


@pytest.mark.parametrize("deadline_slots", [0, 3])
def test_the_bound_takes_the_cheapest_model_that_solves_a_task_or_all_of_them(deadline_slots: int) -> None:
    """Task 0 takes 137 J, task 1 100 J, task 2 both: 374 + 100 J, 200 of them harvested."""
    scenario = small_world(1, deadline_slots=deadline_slots)
    trace = easy_tasks([[NO, YES], [YES, NO], [NO, NO]], [0] * 3, [200.0], [deadline_slots] * 3)
    assert hindsight_bound(scenario, trace) == pytest.approx(2 * OTHER_J + 2 * UNIT_J - 200, rel=1e-6)


@pytest.mark.parametrize("scenario", [THREE, WAITING])
def test_no_dispatcher_goes_below_the_bound(scenario: Scenario) -> None:
    for seed in range(5):
        trace = scenario.draw(np.random.default_rng(seed))
        bound = hindsight_bound(scenario, trace)
        for name in ("oracle", "myopic", *(DEFERRING[:2] if scenario.can_wait else ("fixed-0",))):
            drawn = run_traces(scenario, make_dispatcher(name, scenario), [trace]).cost[0, -1]
            assert drawn >= bound * (1 - 1e-6)


def test_dispatchers_are_measured_by_the_bound() -> None:
    """No optimum is known where failures are retried."""
    costs = {"myopic": simulate(THREE, Myopic(THREE), 20, seed=3).cost[:, -1]}
    best = best_known(THREE, costs, seed=3)
    assert best is not None and best.kind == "bound" and best.costs.shape == (20,)
    assert (best.costs <= costs["myopic"] * (1 + 1e-9)).all() and best.mean < costs["myopic"].mean()
    assert optimal_value(DOUBTFUL) is None


def test_simulations_and_tables_count_attempts_and_what_was_solved() -> None:
    """Of four tasks one is solved at once, one by model 1, one by none; the last waits and is solved at the end."""
    scenario = replace(DOUBTFUL, deadline_slots=100, horizon_slots=2)
    solved = [[YES, NO], [NO, YES], [NO, NO], [YES, YES]]
    trace = Trace.of([0.0, 0.0], [0, 0, 0, 1], [1.8] * 4, None, [0, 0, 0, 100], solved=solved)
    found = run_traces(scenario, make_dispatcher("greedy-deferral", scenario), [trace])
    assert {name: counts.tolist() for name, counts in found.tally.items()} == {
        "attempts": [6],
        "solved": [3],
        "unsolved": [1],
    }
    assert found.balance["consumed_j"].tolist() == [100 + 250 + 250 + 100]
    assert found.latency_s.tolist() == [(1 + 11 + 11 + 1) / 4]


def test_the_summary_has_shares_and_joules_for_each_solved_task_where_failures_are_retried() -> None:
    run = make_run(replace(DOUBTFUL, renewable_ratio=0.0), "myopic")
    row = summarise(run.episodes(50, 0), [run]).iloc[0]
    table = run.episodes(50, 0)
    tasks, solved = table["tasks"].sum(), table["solved"].sum()
    assert row["solved_share"] == approximately(solved / tasks)
    assert row["attempts_per_task"] == approximately(table["attempts"].sum() / tasks)
    assert row["energy_per_solved_j"] == approximately(table["consumed_j"].sum() / solved)
    assert abs(row["solved_share"] - (1 - 0.75 * 0.25)) < 4 * np.sqrt(0.8125 * 0.1875 / tasks)
    ignored = make_run(make_scenario("paper", horizon_slots=5), "myopic")
    assert "solved_share" not in summarise(ignored.episodes(2, 0), [ignored])
    assert "attempts" not in ignored.episodes(2, 0)


def test_text_tells_of_failures_and_of_answers_overridden() -> None:
    assert "ansi" in RENDER_MODES
    env = EnergyRouteEnv(DOUBTFUL, render_mode="ansi")
    env.reset(options={"trace": Trace.of(np.zeros(40), [0], [1.8], solved=[[NO, YES]])})
    env.step(0)
    assert "1B failed, used 100" in env.render()
    env.step(0)
    assert "7B (in place of the answer), used 150" in env.render()
