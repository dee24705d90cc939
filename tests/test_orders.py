"""What is fitted on training questions, and the dispatchers that try entries in an order."""

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents import make_dispatcher, slot_for_theory
from agents.fitting import best_order, features, fitted
from agents.orders import Calibrated, Ordered
from energy_route_env import Scenario, Trace, make_scenario
from energy_route_env.checks import InputError, MissingExtra
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.pool.outcomes import Outcomes
from energy_route_env.scenarios import measured_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy
from eval.pool import question_table
from eval.rollout import run_traces, simulate
from eval.runs import ORDERS
from eval.statistics import Estimate

SCENARIO = make_scenario("measured")
POOL = SCENARIO.models
FITTING = tuple(name for name in ORDERS if name != "hindsight")


def outcomes_of(energy_j: np.ndarray, solved: np.ndarray, **more: object) -> Outcomes:
    n, n_models, _ = energy_j.shape
    names = tuple(f"q{k}" for k in range(n))
    given = {"families": ("",) * n} | more
    return Outcomes(names, tuple(f"e{k}" for k in range(n_models)), energy_j, solved, **given)


def spent_j(order: np.ndarray, energy_j: np.ndarray, solved: np.ndarray) -> np.ndarray:
    """Joules until each task is solved or every entry has failed, the mean of k ways."""
    energy_j, solved = (np.take_along_axis(array, order[..., None], axis=1) for array in (energy_j, solved))
    failed_before = np.cumsum(solved, axis=1) - solved == 0
    return (energy_j * failed_before).sum(axis=1).mean(axis=1)


# The order that takes the fewest joules


def test_the_best_order_is_the_best_of_all_orders() -> None:
    """Five entries whose successes depend on each other: 120 orders, on tables of 40 tasks."""
    rng = np.random.default_rng(8)
    for _ in range(5):
        energy_j = rng.exponential(np.array([1.0, 2.0, 4.0, 8.0, 8.0]), (40, 5))
        solved = rng.random((40, 5)) + 0.5 * rng.random((40, 1)) > 0.8
        totals = {
            order: spent_j(np.tile(order, (40, 1)), energy_j[..., None], solved[..., None]).sum()
            for order in itertools.permutations(range(5))
        }
        assert tuple(best_order(energy_j, solved)) == min(totals, key=totals.__getitem__)


def test_the_best_order_knows_who_fails_on_the_same_tasks() -> None:
    """Entry 1 solves what entry 0 solves, so after that only entry 2 helps, though it has the worst energy / chance."""
    solved = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    energy_j = np.tile([1.0, 2.0, 10.0], (4, 1))
    assert best_order(energy_j, solved).tolist() == [0, 2, 1]
    assert (energy_j.mean(axis=0) / solved.mean(axis=0)).argsort().tolist() == [0, 1, 2]


def test_too_many_entries_to_order_are_refused() -> None:
    with pytest.raises(InputError, match="entries is 17, but it must be at most 16"):
        best_order(np.ones((1, 17)), np.ones((1, 17), bool))


def test_rising_energy_by_chance_is_best_where_successes_are_independent() -> None:
    """The expectation of every order of five entries: the sum of e_k times the chance that all before it failed."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        energy_j, chance = rng.exponential(1.0, 5), rng.uniform(0.05, 0.95, 5)

        def expected_j(order: tuple[int, ...], energy_j: np.ndarray = energy_j, chance: np.ndarray = chance) -> float:
            failed = np.cumprod(np.append(1.0, 1 - chance[list(order)]))[:-1]
            return float(energy_j[list(order)] @ failed)

        best = min(itertools.permutations(range(5)), key=expected_j)
        assert tuple((energy_j / chance).argsort()) == best


# Fitting


def test_the_fit_finds_the_law_that_outcomes_follow() -> None:
    """6000 questions: success with chance 1 / (1 + exp(z)), joules 100 exp(0.5 z) G with G exponential.

    About 3000 are for training. The coefficients' standard errors are about 0.04 (chance, logit) and 0.02 (joules,
    log). At z within two of 0 the chance errs by at most 0.25 times 0.04 sqrt(1 + z^2) = 0.022 and the joules by 4 %.
    The bounds are four to five of that at the ends, more in the middle.
    """
    rng = np.random.default_rng(10)
    length = np.exp(rng.normal(5.0, 1.0, 6000))
    z = (np.log1p(length) - np.log1p(length).mean()) / np.log1p(length).std()
    solved = rng.random(6000) < 1 / (1 + np.exp(z))
    energy_j = 100 * np.exp(0.5 * z) * rng.exponential(1.0, 6000)
    table = outcomes_of(energy_j[:, None, None], solved[:, None, None], prompt_length=length)
    pool = MeasuredPool(table)
    estimates = fitted(pool)
    length = np.log1p(pool.outcomes.prompt_length)
    z = (length - length.mean()) / length.std()
    usual = np.abs(z) < 2
    assert np.abs(estimates.chance[:, 0] - 1 / (1 + np.exp(z)))[usual].max() < 0.1
    assert np.abs(estimates.energy_j[:, 0] / (100 * np.exp(0.5 * z)) - 1)[usual].max() < 0.2


def test_a_family_has_its_own_estimate_and_an_entry_that_never_fails_is_certain() -> None:
    """Family a takes 10 J and is half solved, family b takes 1000 J and is never solved by entry 0."""
    n, a = 400, np.arange(400) % 2 == 0
    energy_j = np.where(a, 10.0, 1000.0)[:, None, None] * np.ones((n, 2, 1))
    solved = np.stack([a & (np.arange(n) % 4 == 0), np.ones(n, bool)], axis=1)[..., None]
    pool = MeasuredPool(outcomes_of(energy_j, solved, families=tuple(np.where(a, "a", "b").tolist())))
    estimates, families = fitted(pool), np.array(pool.outcomes.families)
    assert features(pool).shape == (n, 2)
    assert estimates.energy_j[families == "a"] == pytest.approx(10, rel=0.1)
    assert estimates.energy_j[families == "b"] == pytest.approx(1000, rel=0.1)
    assert estimates.chance[families == "a", 0] == pytest.approx(pool.seen.chance[families == "a", 0], abs=0.02)
    assert (estimates.chance[families == "b", 0] < 0.03).all() and (estimates.chance[:, 1] == 1).all()


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtra, match=r"pip install 'energy-route-env\[fit\]'"):
        fitted(POOL)


# Dispatchers


@pytest.mark.parametrize("name", FITTING)
def test_no_order_depends_on_the_outcomes_of_test_questions(name: str) -> None:
    """All joules and successes of the test questions replaced: the scores on them stay; of training questions, not."""
    test = np.array(POOL.questions("test"))
    same = {}
    for split in ("test", "train"):
        energy_j, solved = POOL.outcomes.energy_j.copy(), POOL.outcomes.solved.copy()
        at = POOL.numbers(split)
        energy_j[at], solved[at] = 1 + energy_j[at][:, ::-1], ~solved[at][:, ::-1]
        other = measured_scenario(MeasuredPool(replace(POOL.outcomes, energy_j=energy_j, solved=solved)))
        scores = [make_dispatcher(name, scenario).scores(test) for scenario in (SCENARIO, other)]
        same[split] = np.array_equal(*scores)
    assert same == {"test": True, "train": False}


def every_way() -> tuple[Scenario, Trace]:
    """An episode in which every test question comes once in each of its ways."""
    numbers = np.array(POOL.questions("test"))
    law = POOL.possible_attempts(numbers)
    ways = law.energy_j.shape[1]
    energy_j, solved = law.energy_j.reshape(-1, len(POOL)), law.chance.reshape(-1, len(POOL)) == 1
    n = len(energy_j)
    scenario = make_scenario("measured", horizon_slots=n)
    difficulty = np.repeat(numbers, ways)
    return scenario, Trace.of(np.zeros(n), np.arange(n), difficulty, energy_j=energy_j, solved=solved)


@pytest.mark.parametrize("name", ORDERS)
def test_the_environment_takes_what_the_table_says(name: str) -> None:
    """Joules and solved tasks of an episode of every question in every way are the sums that the table gives."""
    scenario, trace = every_way()
    result = run_traces(scenario, make_dispatcher(name, scenario), [trace])
    questions = question_table(POOL)
    ways = POOL.outcomes.energy_j.shape[-1]
    assert result.balance["consumed_j"][0] == pytest.approx(questions[name].sum() * ways)
    assert result.tally["solved"][0] == pytest.approx(questions["solved_share"].sum() * ways)


@pytest.mark.parametrize("name", FITTING)
def test_a_question_takes_what_its_entries_take_up_to_the_first_success(name: str) -> None:
    test = POOL.numbers("test")
    order = make_dispatcher(name, SCENARIO).scores(test.astype(float)).argsort(axis=1, kind="stable")
    by_hand = spent_j(order, POOL.outcomes.energy_j[test], POOL.outcomes.solved[test])
    assert question_table(POOL)[name].to_numpy() == pytest.approx(by_hand)


def test_all_solve_the_same_and_hindsight_takes_least_on_every_question() -> None:
    questions = question_table(POOL)
    for name in ORDERS:
        assert (questions["hindsight"] <= questions[name] + 1e-9).all()
    assert questions["cascade"].sum() < questions["largest-first"].sum()


@pytest.mark.parametrize("name", ["cascade", "best-order", "calibrated"])
def test_theory_is_exact_on_measured_outcomes(name: str) -> None:
    """The mean of 400 episodes of 50 slots lies within four standard errors of the exact one."""
    scenario = make_scenario("measured", horizon_slots=50)
    dispatcher = make_dispatcher(name, scenario)
    slot = slot_for_theory(scenario, dispatcher)
    assert slot is not None
    measured = Estimate.of(simulate(scenario, dispatcher, 400, 11).cost[:, -1])
    assert abs(measured.deviation(float(exact_expected_auxiliary_energy(slot, 50)))) < 4


def test_elsewhere_calibrated_goes_by_what_the_pool_expects() -> None:
    scenario = make_scenario("uncertain", failures="retried")
    observed = np.array([1.7, 1.8])
    dispatcher = Calibrated(scenario)
    assert isinstance(dispatcher, Ordered)
    wanted = scenario.expected_energy_j(observed) / scenario.success_chance(observed)
    assert dispatcher.scores(observed) == pytest.approx(wanted)
    assert make_dispatcher("hindsight", scenario).privileged


@pytest.mark.parametrize(("name", "scenario"), [("best-order", "paper"), ("scaling-law", "measured")])
def test_a_dispatcher_that_does_not_fit_the_pool_is_refused(name: str, scenario: str) -> None:
    with pytest.raises(InputError, match=r"models is .*, but it must be a"):
        make_dispatcher(name, make_scenario(scenario))


def test_hindsight_needs_to_be_privileged() -> None:
    scenario, trace = every_way()
    dispatcher = make_dispatcher("hindsight", scenario)
    dispatcher.privileged = False
    with pytest.raises(ValueError, match="hindsight is privileged"):
        run_traces(scenario, dispatcher, [trace])


# The command


def run_pool(tmp_path: Path, *arguments: str) -> str:
    import contextlib
    import io

    from eval.__main__ import main

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", ["eval", *arguments, "--results", str(tmp_path), "--name", "x"])
        patch.setenv("COLUMNS", "80")
        main()
    return printed.getvalue()


def test_the_command_shows_entries_dispatchers_and_what_is_not_shown(tmp_path: Path) -> None:
    printed = run_pool(tmp_path, "pool")
    assert "52 questions with all 6 entries (0 others left out): 31 for training, 21 for testing." in printed
    assert all(name in printed for name in (*POOL.names, *ORDERS))
    assert {path.name for path in (tmp_path / "x").iterdir()} == {
        *("entries.csv", "dispatchers.csv", "questions.csv", "run.json"),
    }
    assert "not shown, since the interval reaches 0" in printed
    assert "cascade < largest-first by 15,153 ± " in printed
