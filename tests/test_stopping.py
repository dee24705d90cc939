"""When a model stops: at its budget, once it has succeeded, or late.

Simulated means are held against exact ones. Bound: four standard errors of the simulated mean, which chance exceeds
with probability 6e-5; seeds are fixed.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from helpers.decisions import decision
from scipy import integrate, stats

from agents import Myopic, Optimal, Oracle, VarianceAware, make_dispatcher, slot_distribution
from energy_route_env import ModelPool, ScalingLaws, Scenario, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.pool import stopping
from energy_route_env.pool.scaling_laws import energy_of_tokens, skill_success
from energy_route_env.theory import SlotDistribution, exact_expected_auxiliary_energy
from energy_route_env.theory.optimum import optimum
from energy_route_env.theory.planning import PlanQuestion, answer
from energy_route_env.theory.slot import possible_tasks
from eval.bounds import hindsight_bounds
from eval.gap import optimal_value
from eval.plan import PlanArgs
from eval.rollout import draw_traces, run_traces, simulate
from eval.statistics import Estimate
from eval.stopping import stopping_tables, system

SEED, BOUND = 7, 4.0
SUCCESS = np.array([0.02, 0.1, 0.3, 0.9])
LEVELS = np.linspace(1.7, 1.9, 10)
BUDGET, LATE = ModelPool(), ModelPool(stopping="late", overspend=0.5)
EVEN, SPREAD = ModelPool(stopping="on_success"), ModelPool(stopping="on_success", dispersion=0.3)
POOLS = {"even": EVEN, "spread": SPREAD, "late": LATE}
MEASURED = Path(__file__).parents[2] / "shared" / "data" / "reasoning_outcomes" / "token_economy.csv"


def paper(pool: ModelPool, **fields: Any) -> Scenario:
    return make_scenario("paper", models=pool, **{"horizon_slots": 100} | fields)


@pytest.mark.parametrize("success", SUCCESS)
def test_without_dispersion_the_rule_has_the_moments_of_the_negative_binomial_law(success: float) -> None:
    """Expected: the means of X^k, X = K p / m, summed over the law's own probabilities; k = 1 to 6."""
    failures = np.arange(200_000)
    probability = stats.nbinom.pmf(failures, 50, success)
    share = (50 + failures) * success / 50
    nodes, weights = stopping.rule(np.array(success), 50.0, 0.0)
    for power in range(1, 7):
        assert nodes**power @ weights == pytest.approx(share**power @ probability, rel=1e-9)


@pytest.mark.parametrize("dispersion", [0.0, 0.3, 1.0])
def test_nodes_rise_and_carry_mean_one_and_the_stated_variance(dispersion: float) -> None:
    nodes, weights = stopping.rule(SUCCESS, 50.0, dispersion)
    assert (np.diff(nodes) > 0).all() and (nodes > 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose((nodes * weights).sum(axis=-1), 1.0, rtol=1e-9)
    variance = ((nodes - 1) ** 2 * weights).sum(axis=-1)
    expected = (1 + (1 - SUCCESS) / 50) * (1 + dispersion**2) - 1  # m (1-p)/p^2 over (m/p)^2, and the Gamma's d^2
    np.testing.assert_allclose(variance, expected, rtol=1e-9)
    np.testing.assert_allclose(stopping.squared_variation(SUCCESS, 50.0, dispersion), expected, rtol=1e-12)


def test_third_and_fourth_moments_are_products_of_those_of_attempts_and_tokens() -> None:
    """Of a Gamma variable of mean 1 and variance v: E G^k = (1 + v) (1 + 2 v) ... (1 + (k-1) v)."""
    even, weights = stopping.rule(SUCCESS, 50.0, 0.0)
    spread, spread_weights = stopping.rule(SUCCESS, 50.0, 0.3)
    for power in (3, 4, 9):
        gamma = np.prod(1 + 0.09 * np.arange(power))
        expected = gamma * (even**power * weights).sum(axis=-1)
        np.testing.assert_allclose((spread**power * spread_weights).sum(axis=-1), expected, rtol=1e-9)


@pytest.mark.parametrize(("success", "dispersion"), [(1.0, 0.0), (1.0, 1e-9), (1.0, 0.3), (1e-12, 0.3)])
def test_the_rule_serves_an_attempt_that_never_fails_and_one_that_hardly_succeeds(
    success: float, dispersion: float
) -> None:
    nodes, weights = stopping.rule(np.array(success), 50.0, dispersion)
    variance = stopping.squared_variation(np.array(success), 50.0, dispersion)
    assert nodes @ weights == pytest.approx(1.0, rel=1e-9)
    assert (nodes - 1) ** 2 @ weights == pytest.approx(variance, rel=1e-6, abs=1e-16)


@pytest.mark.parametrize("dispersion", [0.0, 0.3])
def test_what_is_drawn_has_the_stated_mean_and_variance(dispersion: float) -> None:
    """Expected: 1 and Var X; standard errors those of 40 000 draws; four of them, at four rates of success."""
    success = np.broadcast_to(SUCCESS, (40_000, 4))
    drawn = stopping.draw(np.random.default_rng(SEED), success, 50.0, dispersion)
    variance = stopping.squared_variation(SUCCESS, 50.0, dispersion)
    for column, expected in zip(drawn.T, variance, strict=True):
        assert abs(Estimate.of(column).deviation(1.0)) < BOUND
        assert abs(Estimate.of((column - 1) ** 2).deviation(expected)) < BOUND


def test_fifty_skills_allow_at_most_fourteen_percent_and_dispersion_adds_to_them() -> None:
    """m = 50: sqrt((1-p)/m), below 0.1415. With d = 0.3 tokens vary by 0.3 to sqrt(1.02 * 1.09 - 1) = 0.3344."""
    success = np.linspace(1e-6, 1.0, 101)
    even, spread = (np.sqrt(stopping.squared_variation(success, 50.0, d)) for d in (0.0, 0.3))
    assert even.max() < 0.1415 and even.max() == pytest.approx(50**-0.5, rel=1e-5)
    assert spread.min() == pytest.approx(0.3) and spread.max() == pytest.approx(0.3344, abs=1e-4)


@pytest.mark.skipif(not MEASURED.is_file(), reason="the measured tokens are not here")
def test_the_measured_tokens_of_a_prompt_vary_more_than_fifty_skills_allow() -> None:
    """Of 433 pairs of model and prompt with four answers or more, 78 % vary by more than 1/sqrt(50); median 24 %."""
    table = pd.read_csv(MEASURED)
    tokens = table[table["tokens_completion"] > 0].groupby(["model_name", "prompt_id"])["tokens_completion"]
    variation = (tokens.std() / tokens.mean())[tokens.size() >= 4]
    assert len(variation) == 433
    assert (variation > 50**-0.5).mean() == pytest.approx(0.783, abs=1e-3)
    assert variation.quantile([0.25, 0.5, 0.75]).tolist() == pytest.approx([0.149, 0.238, 0.375], abs=1e-3)


@pytest.mark.parametrize("pool", [EVEN, SPREAD], ids=["even", "spread"])
def test_a_tasks_energy_is_the_mean_of_what_it_can_take(pool: ModelPool) -> None:
    attempts = pool.possible_attempts(LEVELS)
    mean = (attempts.energy_j * attempts.probability[..., None]).sum(axis=1)
    np.testing.assert_allclose(mean, pool.energy_j(LEVELS), rtol=1e-9)
    np.testing.assert_allclose(attempts.probability.sum(axis=1), 1.0, rtol=1e-12)
    assert (attempts.chance == 1).all()


def test_the_mean_square_of_an_energy_is_exact() -> None:
    """Expected: summed over the attempts' own probabilities and integrated over the Gamma law, on both models."""
    attempts = SPREAD.possible_attempts(np.array([1.7]))
    found = (attempts.energy_j**2 * attempts.probability[..., None]).sum(axis=1)[0]
    for k, n_params in enumerate(SPREAD.n_params):
        failures, success = np.arange(20_000), skill_success(n_params, 1.7)
        probability = stats.nbinom.pmf(failures, 50, success)

        def integrand(share: float, n_params=n_params, failures=failures, probability=probability) -> float:
            squares = energy_of_tokens(n_params, 20.0 * (50 + failures) * share) ** 2
            return float(squares @ probability * stats.gamma.pdf(share, 1 / 0.09, scale=0.09))

        expected, _ = integrate.quad(integrand, 0.0, 5.0, epsrel=1e-9)
        assert found[k] == pytest.approx(expected, rel=1e-7)


def test_on_success_a_task_takes_less_than_its_budget_and_late_more() -> None:
    assert (EVEN.energy_j(LEVELS) < BUDGET.energy_j(LEVELS)).all()
    assert (LATE.energy_j(LEVELS) > 1.5 * BUDGET.energy_j(LEVELS)).all()  # the square of the tokens grows faster


def test_latency_is_that_of_the_mean_tokens() -> None:
    """On success with p = 1/2: 100 attempts, 2000 tokens; the budget at epsilon = 1/2 is as many."""
    half = ScalingLaws(failure_probability=0.5)
    level = float(np.log(1.0) / 5 + 2.4737684)  # where L(1e9) = difficulty
    on_success, budget = (ModelPool((1e9,), half, stopping=kind) for kind in ("on_success", "budget"))
    assert on_success.latency_s(level) == pytest.approx(budget.latency_s(level), rel=1e-6)
    late = ModelPool((1e9,), half, stopping="late", overspend=1.0)
    assert late.latency_s(level) > 2 * budget.latency_s(level)


def test_the_budget_is_as_before_to_the_bit_and_draws_nothing() -> None:
    assert BUDGET.draw_attempts(np.random.default_rng(0), LEVELS) is None
    assert paper(BUDGET).draw(np.random.default_rng(0)).energy_j is None
    np.testing.assert_array_equal(ModelPool(stopping="late").energy_j(LEVELS), BUDGET.energy_j(LEVELS))
    assert paper(BUDGET).energy_is_known and paper(LATE).energy_is_known
    assert not paper(EVEN).energy_is_known and not make_scenario("uncertain").energy_is_known


def test_coupled_models_keep_their_own_laws() -> None:
    """Each model's nodes have its own probabilities, and all models' nodes rise together."""
    probability = np.random.default_rng(1).dirichlet(np.ones(8), (5, 3)).swapaxes(1, 2)
    shared, node = stopping.coupled(probability)
    assert (np.diff(node, axis=1) >= 0).all()
    for n, k in np.ndindex(5, 3):
        own = np.bincount(node[n, :, k], shared[n], 8)
        np.testing.assert_allclose(own, probability[n, :, k], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dispatcher", ["oracle", "error-0.2", "fixed-0"])
@pytest.mark.parametrize("name", POOLS)
def test_simulated_auxiliary_energy_is_spitzers(name: str, dispatcher: str) -> None:
    """Expected: the exact E[D_10] and E[D_100] at ratio 1; 1500 episodes."""
    scenario = paper(POOLS[name])
    agent = make_dispatcher(dispatcher, scenario)
    expected = exact_expected_auxiliary_energy(slot_distribution(agent), [10, 100])
    simulated = simulate(scenario, agent, 1500, SEED, [10, 100]).auxiliary_j
    for column, mean in zip(simulated.T, expected, strict=True):
        assert abs(Estimate.of(column).deviation(float(mean))) < BOUND


@pytest.mark.parametrize("dispatcher", ["oracle", "myopic"])
def test_noise_and_luck_together_are_spitzers_too(dispatcher: str) -> None:
    """Expected: the exact E[D_100] at ratio 1 with s = 0.1; 1500 episodes."""
    scenario = paper(SPREAD, difficulty_noise=0.1)
    agent = make_dispatcher(dispatcher, scenario)
    expected = float(exact_expected_auxiliary_energy(slot_distribution(agent), 100))
    assert abs(Estimate.of(simulate(scenario, agent, 1500, SEED).auxiliary_j[:, -1]).deviation(expected)) < BOUND


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_moments_of_scenario_and_slot_agree(noise: float) -> None:
    scenario = paper(SPREAD, difficulty_noise=noise)
    slot = slot_distribution(Myopic(scenario))
    assert slot.demand_mean_j == pytest.approx(scenario.mean_demand_j, rel=1e-5)
    assert slot.volatility == pytest.approx(scenario.volatility_j, rel=1e-5)
    tasks, energy_j, _, probability = possible_tasks(scenario)
    np.testing.assert_allclose(probability @ energy_j, probability @ tasks.energy_j, rtol=1e-9)


def test_more_nodes_change_nothing_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `NODES` says: less than 2e-6 of E[D_1], E[D_10] and E[D_1000] at dispersion 0.3, `gather_energies` aside."""
    exact = []
    for nodes in (stopping.NODES, 24):
        monkeypatch.setattr(stopping, "NODES", nodes)
        attempts = SPREAD.possible_attempts(LEVELS)
        energies, weights = attempts.energy_j[..., 1].ravel(), attempts.probability.ravel() / len(LEVELS)
        exact.append(
            exact_expected_auxiliary_energy(SlotDistribution(1.0, energies, weights, 600.0, 0.5), [1, 10, 1000])
        )
    np.testing.assert_allclose(*exact, rtol=2e-6)


def test_the_optimum_with_the_myopic_choice_is_spitzers_and_its_choice_is_never_worse() -> None:
    scenario = make_scenario("volatile", models=SPREAD, horizon_slots=50)
    at = (0.0, np.int64(50))
    myopic = float(exact_expected_auxiliary_energy(slot_distribution(Myopic(scenario)), 50))
    assert optimum(scenario, choose=False).value(*at) == pytest.approx(myopic, rel=1e-4)
    assert optimum(scenario).value(*at) < myopic


RISKY = ModelPool(stopping="on_success", dispersion=1.0)
"""Its small model's energy rises faster with the tokens, so it varies more."""


def test_luck_alone_makes_variance_count() -> None:
    """At 1.806 the small model takes 1.1 % less on average and varies more: with a filled battery the large one is due.

    There is no noise. With nothing left the mean alone counts.
    """
    scenario = paper(RISKY, difficulties=(1.7, 1.806, 1.9))
    small, large = scenario.expected_energy_j(1.806)
    assert 0.98 * large < small < large
    for agent in (VarianceAware(scenario), Optimal(scenario)):
        assert agent.acts_as is agent
        assert agent.act(decision(scenario, 1.806, battery_j=0.0, slots_left=11)).tolist() == [0]
        assert agent.act(decision(scenario, 1.806, battery_j=2000.0, slots_left=11)).tolist() == [1]


def test_the_optimal_dispatcher_meets_its_value_with_luck_alone() -> None:
    """Expected: the optimum's exact value, below the myopic dispatcher's; 3000 episodes."""
    scenario = paper(RISKY, difficulties=(1.8, 1.806, 1.812), renewable_ratio=1.2)
    expected, blind = optimal_value(scenario), slot_distribution(Myopic(scenario))
    assert expected is not None and expected < exact_expected_auxiliary_energy(blind, 100)
    drawn = simulate(scenario, Optimal(scenario), 3000, SEED).auxiliary_j[:, -1]
    assert abs(Estimate.of(drawn).deviation(expected)) < BOUND


def test_the_oracle_knows_the_difficulty_and_not_the_luck() -> None:
    """In simulation it takes the model of the lower mean, whatever was drawn."""
    scenario = paper(SPREAD)
    trace = scenario.draw(np.random.default_rng(SEED))
    by_mean = scenario.energy_j(trace.difficulty).argmin(axis=-1)
    assert (by_mean != trace.energy_j.argmin(axis=-1)).mean() > 0.2
    ran = run_traces(scenario, Oracle(scenario), [trace])
    expected_j = trace.energy_j[np.arange(trace.n_tasks), by_mean].sum()
    assert ran.balance["consumed_j"][0] == pytest.approx(expected_j, rel=1e-9)


@pytest.mark.parametrize("fields", [{}, {"deadline_slots": 5}], ids=["at once", "can wait"])
def test_the_hindsight_bound_knows_the_luck(fields: dict[str, Any]) -> None:
    scenario = paper(SPREAD, **fields)
    traces = draw_traces(scenario, range(10), SEED)
    bounds = hindsight_bounds(scenario, traces)
    drawn = run_traces(scenario, Oracle(scenario), traces).auxiliary_j[:, -1]
    assert (bounds <= drawn).all() and bounds.mean() < 0.5 * drawn.mean()
    least = [max(0.0, trace.energy_j.min(axis=-1).sum() - trace.harvest_j.sum()) for trace in traces]
    assert (bounds >= np.array(least) - 1e-6).all()


def test_an_episode_takes_what_was_drawn_and_all_of_it_is_solved() -> None:
    env = gym.make("EnergyRoute-v0", scenario=paper(SPREAD))
    env.reset(seed=SEED)
    trace = paper(SPREAD).draw(np.random.default_rng(SEED))
    assert trace.solved.all()
    taken = [env.step(1)[4]["energy_j"] for _ in range(10)]
    assert len(set(np.round(taken, 6))) == 10  # ten difficulties alone would repeat


def test_a_plan_takes_the_stopping() -> None:
    """The lower bound on the demand is that of the mean energies: nobody foresees luck."""
    question = PlanArgs(stopping="on_success", dispersion=0.3).question()
    assert question.scenario.models == SPREAD
    found = answer(PlanQuestion(paper(SPREAD, horizon_slots=1000)))
    assert found.c_lb_task_j.value == pytest.approx(SPREAD.energy_j(LEVELS).min(axis=-1).mean(), rel=1e-9)
    assert found.mean_j.value == pytest.approx(15188.16, rel=1e-5)


@pytest.mark.slow
def test_what_oracle_stopping_hides() -> None:
    """Simulated points lie within four standard errors of the exact curves; 300 episodes.

    On the planned harvest, on success is in surplus and late in deficit; drift and E[D_1000] are the printed ones.
    """
    tables = stopping_tables(300, SEED)
    points = tables["stopping_measured"].set_index(["stopping", "harvest", "slots"])
    curves = tables["stopping"].set_index(["stopping", "harvest", "slots"])["exact_j"]
    assert len(points) == 4 * 2 * 3
    for place, point in points.iterrows():
        assert abs(point["mean_j"] - curves[place]) < BOUND * point["standard_error_j"]
    systems = tables["stopping_systems"].set_index(["harvest", "stopping"])
    assert systems.loc["planned", "drift_j"].round(2).tolist() == [0.0, -108.18, -100.48, 344.68]
    assert systems.loc["planned", "exact_1000_j"].round().tolist() == [17171, 1404, 1752, 345556]
    assert systems.loc["own", "exact_1000_j"].round().tolist() == [17171, 14228, 15188, 26904]
    planned = system(LATE, planned=True)
    assert planned.harvest.mean_j == pytest.approx(make_scenario("paper").harvest.mean_j, rel=1e-12)


def test_a_riskier_stopping_draws_more_on_the_same_mean() -> None:
    """At ratio 1 each, relative to the mean demand: budget < on success < on success with dispersion."""
    relative = []
    for pool in (BUDGET, EVEN, SPREAD):
        scenario = paper(pool)
        exact_j = float(exact_expected_auxiliary_energy(slot_distribution(Oracle(scenario)), 100))
        relative.append(exact_j / scenario.mean_demand_j)
    assert all(low < high for low, high in pairwise(relative))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stopping": "never"}, "stopping is 'never', but it must be 'budget', 'on_success' or 'late'"),
        ({"dispersion": 0.3}, "dispersion is 0.3, but it must be 0 unless stopping is 'on_success'"),
        ({"stopping": "late", "dispersion": 0.3}, "dispersion is 0.3"),
        ({"stopping": "on_success", "dispersion": 1.5}, "dispersion is 1.5, but it must be .* at most 1"),
        ({"stopping": "on_success", "dispersion": -0.1}, "dispersion is -0.1"),
        ({"stopping": "on_success", "dispersion": 1e-200}, "dispersion is 1e-200, but it must be 0, or 1e-08 or more"),
        ({"stopping": "on_success", "overspend": 0.5}, "overspend is 0.5, but it must be 0 unless stopping is 'late'"),
        ({"stopping": "late", "overspend": -0.5}, "overspend is -0.5"),
        ({"stopping": "late", "overspend": np.inf}, "overspend is inf"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelPool(**fields)


def test_attempts_beyond_counting_are_refused() -> None:
    with pytest.raises(InputError, match=r"success of one attempt is .* too hard or the model too small"):
        EVEN.draw_attempts(np.random.default_rng(0), np.array([-8.0]))
