import re

import numpy as np
import pytest
from helpers.decisions import BOUND, decision, decisions_of
from numpy.typing import NDArray

from agents import (
    CheapHours,
    ErrorProne,
    FixedModel,
    GreedyDeferral,
    Myopic,
    Oracle,
    RandomModel,
    Router,
    ScalingLaw,
    SurplusDeferral,
    VarianceAware,
    make_dispatcher,
    slot_distribution,
)
from agents.analytic import BatteryBlind
from energy_route_env import Decision, make_scenario
from energy_route_env.theory.slot import Tasks
from eval.rollout import simulate
from eval.statistics import Estimate

PAPER = make_scenario("paper")
UNCERTAIN = make_scenario("uncertain")
SOLAR = make_scenario("solar")
THREE_MODELS = make_scenario("paper", models=(1e9, 3e9, 1e10))
LEVELS = np.linspace(1.7, 1.9, 10)

NAMES = {
    "oracle": Oracle,
    "myopic": Myopic,
    "scaling-law": ScalingLaw,
    "error-0.05": ErrorProne,
    "fixed-0": FixedModel,
    "fixed-1": FixedModel,
    "random": RandomModel,
    "router-1e9": Router,
    "variance-aware": VarianceAware,
    "greedy-deferral": GreedyDeferral,
    "surplus-deferral": SurplusDeferral,
    "cheap-hours": CheapHours,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_makes_its_dispatcher(name: str) -> None:
    scenario = SOLAR if "deferral" in name else PAPER
    assert type(make_dispatcher(name, scenario)) is NAMES[name]


def test_the_number_in_a_name_is_the_dispatchers() -> None:
    assert make_dispatcher("error-0.2", PAPER).rate == 0.2
    assert make_dispatcher("error-1e-3", PAPER).rate == 0.001
    assert make_dispatcher("fixed-1", PAPER).model == 1
    assert make_dispatcher("surplus-deferral-0.6", SOLAR).threshold == 0.6


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("orcale", "oracle"), ("greedy", "greedy-deferral"), ("fixed", "fixed-MODEL"), ("Myopic", "myopic")],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"dispatcher '{name}' is unknown; the nearest valid one is '{nearest}'"):
        make_dispatcher(name, PAPER)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fixed-2", "model is 2, but it must be at most 1"),
        ("error-1.5", "rate is 1.5, but it must be"),
        ("error-x", "could not convert string to float: 'x'"),
        ("surplus-deferral-2", "threshold is 2.0, but it must be"),
    ],
)
def test_a_number_that_is_not_valid_is_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^dispatcher is '{name}', but its number is not valid: .*{message}"):
        make_dispatcher(name, PAPER)


def test_in_paper_oracle_and_scaling_law_are_the_myopic_dispatcher_decision_for_decision() -> None:
    oracle, scaling_law, myopic = Oracle(PAPER), ScalingLaw(PAPER), Myopic(PAPER)
    for seen, _ in decisions_of(PAPER, RandomModel(PAPER), 16, seed=1):
        np.testing.assert_array_equal(oracle.act(seen), myopic.act(seen))
        np.testing.assert_array_equal(scaling_law.act(seen), myopic.act(seen))


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_in_paper_the_variance_aware_dispatcher_is_the_myopic_one_decision_for_decision(ratio: float) -> None:
    """With exact difficulty a lower energy leaves more in the battery, which is never worth less."""
    scenario = make_scenario("paper", renewable_ratio=ratio)
    variance_aware, myopic = VarianceAware(scenario), Myopic(scenario)
    for seen, under_way in decisions_of(scenario, myopic, 16, seed=1):
        np.testing.assert_array_equal(variance_aware.act(seen)[under_way], myopic.act(seen)[under_way])


def test_the_oracle_takes_the_large_model_for_the_two_hardest_difficulties() -> None:
    seen = decision(UNCERTAIN, np.full(10, 1.8), difficulty=LEVELS)
    assert Oracle(UNCERTAIN).act(seen).tolist() == [1] * 2 + [0] * 8


def test_under_noise_the_myopic_dispatcher_takes_the_large_model_for_the_five_hardest_levels() -> None:
    assert Myopic(UNCERTAIN).act(decision(UNCERTAIN, LEVELS)).tolist() == [1] * 5 + [0] * 5


def test_the_scaling_law_takes_its_estimate_for_the_truth_and_errs_on_three_levels() -> None:
    seen = decision(UNCERTAIN, LEVELS)
    assert ScalingLaw(UNCERTAIN).act(seen).tolist() == [1] * 2 + [0] * 8
    np.testing.assert_array_equal(
        np.flatnonzero(ScalingLaw(UNCERTAIN).act(seen) != Myopic(UNCERTAIN).act(seen)), [2, 3, 4]
    )


def test_only_the_oracle_and_those_built_on_it_are_privileged() -> None:
    privileged = {name for name in NAMES if make_dispatcher(name, UNCERTAIN).privileged}
    assert privileged == {"oracle", "error-0.05", "router-1e9"}
    assert not ErrorProne(Myopic(UNCERTAIN), 0.1).privileged


def test_the_true_difficulty_is_shown_to_privileged_dispatchers_only() -> None:
    class Peeping(Myopic):
        def act(self, decision: Decision) -> NDArray[np.int64]:
            assert decision.difficulty is None
            assert decision.energy_j is None
            return super().act(decision)

    simulate(UNCERTAIN, Peeping(UNCERTAIN), 2)
    with pytest.raises(ValueError, match="the oracle is privileged"):
        Oracle(UNCERTAIN).act(decision(UNCERTAIN, LEVELS))


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("paper", {}),
        ("uncertain", {}),
        ("uncertain", {"capacity_j": 3000.0, "charge_efficiency": 0.8, "discharge_efficiency": 0.9}),
    ],
    ids=["paper", "uncertain", "small lossy battery"],
)
def test_no_dispatcher_beats_the_oracle_on_any_trace(name: str, fields: dict[str, float], ratio: float) -> None:
    scenario = make_scenario(name, renewable_ratio=ratio, horizon_slots=200, **fields)
    checkpoints = [1, 10, 50, 100, 200]
    oracle = simulate(scenario, Oracle(scenario), 100, 3, checkpoints).auxiliary_j
    for other in NAMES:
        auxiliary = simulate(scenario, make_dispatcher(other, scenario), 100, 3, checkpoints).auxiliary_j
        assert (auxiliary - oracle).min() >= -1e-9 * oracle.max(), other


def test_in_uncertain_the_oracle_beats_the_myopic_dispatcher_and_that_one_the_scaling_law() -> None:
    """Paired differences in D_200 of 500 traces: oracle < myopic < scaling-law, each by more than four errors."""
    oracle, myopic, scaling_law = (
        simulate(UNCERTAIN, make_dispatcher(name, UNCERTAIN), 500, 5).auxiliary_j[:, 0]
        for name in ("oracle", "myopic", "scaling-law")
    )
    assert Estimate.of(myopic - oracle).deviation(0) > BOUND
    assert Estimate.of(scaling_law - myopic).deviation(0) > BOUND


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_in_uncertain_the_variance_aware_dispatcher_is_no_worse_than_the_myopic_one(ratio: float) -> None:
    """Expected paired difference in D_200: at most 0; standard error: that of 500 pairs, some 5 J; bound: four."""
    scenario = make_scenario("uncertain", renewable_ratio=ratio)
    aware, myopic = (
        simulate(scenario, dispatcher, 500, 11).auxiliary_j[:, 0]
        for dispatcher in (VarianceAware(scenario), Myopic(scenario))
    )
    difference = Estimate.of(aware - myopic)
    assert difference.deviation(0) < BOUND
    assert difference.standard_error < 0.002 * myopic.mean()  # close enough to see a loss of one percent


def test_with_something_to_lose_the_variance_aware_dispatcher_takes_the_steadier_model() -> None:
    """At 1.7968 the small model needs 0.2 % less on average, the large one varies less with the noise.

    With nothing left the value is linear and the mean alone counts; with a battery of about one task it bends.
    """
    level = 1.7968
    scenario = make_scenario("uncertain", difficulties=(1.7, level, 1.9))
    small, large = scenario.expected_energy_j(level)
    assert 0.997 * large < small < large
    aware = VarianceAware(scenario)
    assert aware.act(decision(scenario, level, battery_j=0.0, slots_left=11)).tolist() == [0]
    assert aware.act(decision(scenario, level, battery_j=1000.0, slots_left=11)).tolist() == [1]


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.9])
def test_an_error_prone_dispatcher_errs_at_its_rate(rate: float) -> None:
    """Expected: `rate` of 40 000 choices; standard error sqrt(rate (1 - rate) / 40 000); bound: four of them."""
    n = 40_000
    seen = decision(PAPER, np.tile(LEVELS, n // 10), difficulty=np.tile(LEVELS, n // 10))
    dispatcher = ErrorProne(Oracle(PAPER), rate)
    dispatcher.reset(3)
    wrong = dispatcher.act(seen) != Oracle(PAPER).act(seen)
    assert abs(wrong.mean() - rate) < BOUND * np.sqrt(rate * (1 - rate) / n)
    by_level = wrong.reshape(-1, 10).mean(axis=0)
    assert np.abs(by_level - rate).max() < BOUND * np.sqrt(rate * (1 - rate) / (n / 10))


def test_errors_go_to_each_other_model_equally_often() -> None:
    """Expected: 0.15 for each of the two others, of 40 000 choices; bound: four standard errors."""
    n = 40_000
    seen = decision(THREE_MODELS, np.full(n, 1.7))
    dispatcher = ErrorProne(FixedModel(THREE_MODELS, 1), 0.3)
    dispatcher.reset(4)
    share = np.bincount(dispatcher.act(seen), minlength=3) / n
    np.testing.assert_allclose(share, [0.15, 0.7, 0.15], rtol=0, atol=BOUND * np.sqrt(0.21 / n))
    tasks = Tasks(seen.observed_difficulty, seen.expected_energy_j)
    np.testing.assert_allclose(dispatcher.probabilities(tasks)[0], [0.15, 0.7, 0.15])


@pytest.mark.parametrize(("rate", "agrees"), [(0.0, True), (1.0, False)])
def test_an_error_rate_of_zero_or_one_leaves_nothing_to_chance(rate: float, agrees: bool) -> None:
    seen = decision(PAPER, np.tile(LEVELS, 200))
    assert ((ErrorProne(Myopic(PAPER), rate).act(seen) == Myopic(PAPER).act(seen)) == agrees).all()


def test_a_pool_of_one_model_leaves_no_room_for_errors() -> None:
    scenario = make_scenario("paper", models=(1e9,))
    assert ErrorProne(Oracle(scenario), 0.0).act(decision(scenario, [1.8], difficulty=np.array([1.8]))).tolist() == [0]
    with pytest.raises(ValueError, match="two or more, to err between"):
        ErrorProne(Oracle(scenario), 0.1)


def test_the_random_dispatcher_takes_every_model_equally_often() -> None:
    """Expected: a third of 30 000 choices; bound: four standard errors of a share."""
    n = 30_000
    dispatcher = RandomModel(THREE_MODELS)
    dispatcher.reset(5)
    share = np.bincount(dispatcher.act(decision(THREE_MODELS, np.full(n, 1.8))), minlength=3) / n
    np.testing.assert_allclose(share, 1 / 3, rtol=0, atol=BOUND * np.sqrt(2 / 9 / n))


@pytest.mark.parametrize("model", [0, 1, 2])
def test_a_fixed_dispatcher_always_takes_its_model(model: int) -> None:
    assert set(FixedModel(THREE_MODELS, model).act(decision(THREE_MODELS, LEVELS)).tolist()) == {model}


@pytest.mark.parametrize("name", ["random", "error-0.05"])
def test_a_drawing_dispatcher_repeats_itself_with_the_seed_and_only_then(name: str) -> None:
    dispatcher = make_dispatcher(name, PAPER)
    seen = decision(PAPER, np.tile(LEVELS, 100), difficulty=np.tile(LEVELS, 100))

    def answers(seed: int) -> list[int]:
        dispatcher.reset(seed)
        return dispatcher.act(seen).tolist()

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


@pytest.mark.parametrize("name", ["random", "error-0.05"])
def test_a_simulation_with_a_drawing_dispatcher_can_be_repeated(name: str) -> None:
    dispatcher = make_dispatcher(name, PAPER)
    first, again = (simulate(PAPER, dispatcher, 5, 1).auxiliary_j for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(("name", "drift"), [("oracle", 0.0), ("error-0.05", 3.678), ("error-0.20", 14.712)])
def test_the_slot_distribution_of_the_paper_has_the_published_drift(name: str, drift: float) -> None:
    assert slot_distribution(make_dispatcher(name, PAPER)).drift == pytest.approx(drift, abs=0.00051)


@pytest.mark.parametrize("name", ["oracle", "myopic", "scaling-law", "fixed-0", "random", "error-0.2"])
def test_the_slot_distribution_has_the_moments_of_the_dispatchers_own_choices(name: str) -> None:
    """Expected: mean and mean square of a task's energy; bound: four standard errors of 40 000 drawn tasks."""
    scenario = make_scenario("uncertain", models=(1e9, 3e9, 1e10), arrival_rate=200.0)
    dispatcher = make_dispatcher(name, scenario)
    assert isinstance(dispatcher, BatteryBlind)
    trace = scenario.draw(np.random.default_rng(8))
    model = dispatcher.act(decision(scenario, trace.observed_difficulty, difficulty=trace.difficulty))
    energy = scenario.energy_j(trace.difficulty)[np.arange(trace.n_tasks), model]
    slot = slot_distribution(dispatcher)
    assert abs(Estimate.of(energy).deviation(slot.energies_j @ slot.probabilities)) < BOUND
    assert abs(Estimate.of(energy**2).deviation(slot.energies_j**2 @ slot.probabilities)) < BOUND


def test_the_slot_distribution_refuses_what_is_not_independent_from_slot_to_slot() -> None:
    with pytest.raises(ValueError, match=r"weather_file is '723170TYA\.CSV', but it must be None"):
        slot_distribution(Myopic(SOLAR))
    with pytest.raises(ValueError, match="deadline_slots is 5, but it must be 0"):
        slot_distribution(Myopic(make_scenario("paper", deadline_slots=5)))


def test_names_are_told_with_every_refusal() -> None:
    with pytest.raises(ValueError, match=re.escape("error-RATE")):
        make_dispatcher("nobody", PAPER)
