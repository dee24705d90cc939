"""Correlated sources: what they declare is what they draw, and Brownian theory with their long-run variance.

Each statistical test states expected value, standard error and bound; every seed is fixed.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from agents import Myopic, VarianceAware, make_dispatcher, motion_for_theory, slot_distribution, slot_for_theory
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import expected_auxiliary_energy, why_no_theory
from energy_route_env.world.arrivals import ArrivalSource, MarkovArrivals, PoissonArrivals
from energy_route_env.world.harvest import BetaGammaHarvest, GammaHarvest, HarvestSource, ScaledHarvest
from eval.rollout import simulate
from eval.runs import make_run
from eval.statistics import Estimate
from eval.summary import summarise

SEED = 20_262
BOUND = 5.0
"""Standard errors; a normal estimate is farther off less than once in 10^6 times."""
EPISODES, SLOTS = 1000, 1000
GUSTS = BetaGammaHarvest(3.0, 0.8, 0.9)
BURSTS = MarkovArrivals((0.5, 2.5), (0.02, 0.06))
HARVESTS: list[HarvestSource] = [
    *(GammaHarvest(3.0, 0.5), BetaGammaHarvest(3.0, 0.5, 0.5), GUSTS, ScaledHarvest(GUSTS, 2.5)),
    *(BetaGammaHarvest(3.0, 0.5, 0.0), BetaGammaHarvest(3.0, 0.0, 0.5)),
]
ARRIVALS: list[ArrivalSource] = [PoissonArrivals(1.3), BURSTS, MarkovArrivals((4.0, 0.0), (0.9, 0.6))]


def harvests(source: HarvestSource) -> np.ndarray:
    """Episodes of a harvest, shape (EPISODES, SLOTS)."""
    rng = np.random.default_rng(SEED)
    return np.stack([source.draw(rng, SLOTS) for _ in range(EPISODES)])


def counts(source: ArrivalSource) -> np.ndarray:
    """Tasks of each slot of episodes, shape (EPISODES, SLOTS)."""
    rng = np.random.default_rng(SEED)
    return np.stack([np.bincount(source.draw(rng, SLOTS), minlength=SLOTS) for _ in range(EPISODES)])


def check_moments(drawn: np.ndarray, mean: float, variance: float, long_run: float | None) -> None:
    """Compare declared moments with drawn ones, whose errors come from independent episodes.

    The long-run variance is that of a batch's sum over its slots; the memory across a batch's ends takes less than the
    share 2 x 12 / 1000 off it, for the longest memory here, 1 / (1 - 0.92) slots.
    """
    assert long_run is not None
    scale = mean + math.sqrt(variance)
    for values, expected in ((drawn, mean), ((drawn - mean) ** 2, variance)):
        estimate = Estimate.of(values.mean(axis=1))
        assert abs(estimate.mean - expected) <= BOUND * estimate.standard_error + 1e-12 * scale**2
    batches = Estimate.of((drawn.sum(axis=1) - mean * SLOTS) ** 2 / SLOTS)
    assert abs(batches.mean - long_run) <= BOUND * batches.standard_error + 0.024 * (long_run != variance) * long_run


@pytest.mark.parametrize("source", HARVESTS, ids=repr)
def test_harvest_has_the_moments_that_its_source_declares(source: HarvestSource) -> None:
    check_moments(harvests(source), source.mean_j, source.variance_j2, source.long_run_variance_j2)


@pytest.mark.parametrize("source", ARRIVALS, ids=repr)
def test_arrivals_have_the_moments_that_their_source_declares(source: ArrivalSource) -> None:
    check_moments(counts(source), source.mean, source.variance, source.long_run_variance)


def check_covariance(drawn: np.ndarray, mean: float, lag: int, expected: float) -> None:
    """One lag's autocovariance within 5 standard errors over independent episodes."""
    products = (drawn[:, lag:] - mean) * (drawn[:, :-lag] - mean)
    assert abs(Estimate.of(products.mean(axis=1)).deviation(expected)) <= BOUND


@pytest.mark.parametrize("lag", [1, 2, 10])
@pytest.mark.parametrize("source", HARVESTS[:5], ids=repr)
def test_harvests_k_slots_apart_have_the_correlation_rho_to_the_k(source: HarvestSource, lag: int) -> None:
    check_covariance(harvests(source), source.mean_j, lag, source.variance_j2 * source.correlation**lag)


@pytest.mark.parametrize("lag", [1, 2, 10])
@pytest.mark.parametrize("source", ARRIVALS, ids=repr)
def test_arrivals_k_slots_apart_have_the_covariance_of_their_rates(source: ArrivalSource, lag: int) -> None:
    r = 1 - sum(source.switching) if isinstance(source, MarkovArrivals) else 0.0
    check_covariance(counts(source), source.mean, lag, (source.variance - source.mean) * r**lag)


@pytest.mark.parametrize("at", [0, 1, SLOTS - 1])
def test_every_slot_of_a_correlated_harvest_is_gamma_from_the_first_on(at: int) -> None:
    """Kolmogorov's statistic of 1000 episodes; a p-value below 1e-5 has that chance."""
    assert stats.kstest(harvests(GUSTS)[:, at], stats.gamma(0.8**-2, scale=3.0 * 0.8**2).cdf).pvalue > 1e-5


def test_the_state_of_bursty_arrivals_is_stationary_from_the_first_slot_on() -> None:
    assert abs(Estimate.of(counts(BURSTS)[:, 0]).deviation(BURSTS.mean)) <= BOUND


def test_without_correlation_the_harvest_is_the_independent_one() -> None:
    drawn = (source.draw(np.random.default_rng(0), 50) for source in (HARVESTS[0], HARVESTS[4]))
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("slots", [1, 2])
def test_sources_draw_the_shortest_episodes(slots: int) -> None:
    assert GUSTS.draw(np.random.default_rng(0), slots).shape == (slots,)
    assert set(BURSTS.draw(np.random.default_rng(0), slots)) <= set(range(slots))


@pytest.mark.parametrize(
    ("make", "arguments", "field"),
    [
        *[(BetaGammaHarvest, (-1.0, 0.5, 0.5), "mean_j"), (BetaGammaHarvest, (1.0, -1.0, 0.5), "coefficient_of")],
        *[(BetaGammaHarvest, (1.0, 0.5, 1.0), "correlation"), (BetaGammaHarvest, (1.0, 0.5, -0.1), "correlation")],
        *[(MarkovArrivals, ((1.0,), (0.1, 0.1)), "rates"), (MarkovArrivals, ((1.0, -1.0), (0.1, 0.1)), "rates")],
        *[(MarkovArrivals, ((1.0, 2.0), (0.0, 0.1)), "switching"), (MarkovArrivals, (1.0, (0.1, 0.1)), "rates")],
        (MarkovArrivals, ((1.0, 2.0), (0.1, 1.1)), "switching"),
    ],
)
def test_what_a_source_cannot_be_is_refused(make: Any, arguments: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InputError, match=rf"^{field}.* is .*, but it must be "):
        make(*arguments)


def test_scenarios_with_correlated_sources_compare_and_hash() -> None:
    one, same = (critical(harvest_source=BetaGammaHarvest(1.0, 0.5, 0.5)) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert hash(MarkovArrivals([1.0, 2.0], [0.1, 0.1])) == hash(MarkovArrivals((1.0, 2.0), (0.1, 0.1)))  # type: ignore[arg-type]
    assert one != critical(harvest_source=BetaGammaHarvest(1.0, 0.5, 0.9))


# Theory


def critical(**fields: Any) -> Scenario:
    return make_scenario("paper", **fields)


def gusts(rho: float) -> Scenario:
    return critical(harvest_source=BetaGammaHarvest(1.0, 0.5, rho))


bursts = critical(arrival_source=BURSTS, horizon_slots=4000)


def predicted_j(scenario: Scenario) -> float:
    motion = motion_for_theory(scenario, Myopic(scenario))
    assert motion is not None
    return float(expected_auxiliary_energy(*motion, scenario.horizon_slots))


@pytest.mark.parametrize(
    ("scenario", "episodes", "theory_j", "simulated_j", "half_width_j"),
    [
        *[(gusts(0.5), 1000, 20_531, 19_872, 490), (gusts(0.9), 500, 36_335, 32_998, 823)],
        (bursts, 200, 131_960, 123_228, 4714),
    ],
    ids=["harvest 0.5", "harvest 0.9", "arrivals"],
)
def test_long_run_theory_and_simulation_are_those_of_the_model(
    scenario: Scenario, episodes: int, theory_j: float, simulated_j: float, half_width_j: float
) -> None:
    """Simulated: difference 0 to the model's, four standard errors of both together (by chance beyond: 6e-5)."""
    assert predicted_j(scenario) == pytest.approx(theory_j, abs=0.51)
    found = Estimate.of(simulate(scenario, Myopic(scenario), episodes, SEED).auxiliary_j[:, 0])
    error = math.hypot(found.standard_error, half_width_j / 1.96)
    assert abs(found.mean - simulated_j) < 4 * error


@pytest.mark.parametrize(("horizon", "ratio", "episodes"), [(1000, 1.0, 2000), (4000, 0.9, 300)])
def test_long_run_theory_lies_within_a_tenth_of_simulation(horizon: int, ratio: float, episodes: int) -> None:
    """Harvest of correlation 0.5: expected 0.97 of theory or more; standard errors up to 1.7 %, so the bound is 4."""
    scenario = make_scenario(gusts(0.5), horizon_slots=horizon, renewable_ratio=ratio)
    found = Estimate.of(simulate(scenario, Myopic(scenario), episodes, SEED).auxiliary_j[:, 0])
    assert found.mean == pytest.approx(predicted_j(scenario), rel=0.1)


@pytest.mark.parametrize("name", ["oracle", "myopic", "scaling-law", "fixed-1", "error-0.2", "random"])
def test_where_slots_are_independent_the_motion_has_the_slots_moments(name: str) -> None:
    scenario = make_scenario("uncertain", renewable_ratio=0.9, arrival_rate=1.3)
    dispatcher = make_dispatcher(name, scenario)
    slot, motion = slot_distribution(dispatcher), motion_for_theory(scenario, dispatcher)
    assert motion == pytest.approx((slot.drift, slot.volatility), rel=1e-12)


def test_the_motion_of_both_sources_together_adds_their_long_run_variances() -> None:
    """sigma^2 = lambda Var e + (arrivals') (E e)^2 + harvest's; routing errors add their drift."""
    scenario = critical(harvest_source=GUSTS, arrival_source=BURSTS)
    dispatcher = make_dispatcher("error-0.2", scenario)
    alike = slot_distribution(make_dispatcher("error-0.2", critical()))
    mean = alike.energies_j @ alike.probabilities
    variance = alike.energies_j**2 @ alike.probabilities - mean**2
    harvest = (0.8 * scenario.mean_demand_j) ** 2 * 19
    arrivals = 1 + 0.25 * 0.75 * 2**2 * 1.92 / 0.08
    motion = motion_for_theory(scenario, dispatcher)
    assert motion == pytest.approx((alike.drift, math.sqrt(variance + arrivals * mean**2 + harvest)), rel=1e-9)


@pytest.mark.parametrize("scenario", [gusts(0.5), bursts], ids=["harvest", "arrivals"])
def test_exact_theory_stays_silent_where_slots_depend_on_each_other(scenario: Scenario) -> None:
    assert slot_for_theory(scenario, Myopic(scenario)) is None
    assert "_source is" in (why_no_theory(scenario) or "")
    assert why_no_theory(scenario, exact=False) is None
    assert motion_for_theory(scenario, VarianceAware(scenario)) == motion_for_theory(scenario, Myopic(scenario))
    noisy = replace(scenario, difficulty_noise=0.1)
    assert motion_for_theory(noisy, VarianceAware(noisy)) is None  # its choice depends on the battery


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        *[({"deadline_slots": 5}, "deadline_slots is 5"), ({"capacity_j": 1.0}, "capacity_j is 1.0")],
        *[({"difficulty_noise": 0.21}, "difficulty_noise is 0.21")],
        ({"weather_file": "723170TYA.CSV"}, "harvest.long_run_variance_j2 is None"),
    ],
)
def test_a_motion_takes_the_ideal_battery_and_declared_variances(fields: dict[str, Any], reason: str) -> None:
    scenario = make_scenario(critical(slot_seconds=900.0, arrival_source=BURSTS), **fields)
    assert (why_no_theory(scenario, exact=False) or "").startswith(reason)
    assert motion_for_theory(scenario, Myopic(scenario)) is None


def test_the_benchmark_predicts_correlated_worlds_by_a_brownian_motion_alone() -> None:
    run = make_run(make_scenario("correlated", horizon_slots=100), "myopic")
    row = summarise(run.episodes(20, SEED), [run]).iloc[0]
    assert row["volatility_j"] == pytest.approx(run.scenario.volatility_j)
    assert row["brownian_j"] == pytest.approx(predicted_j(run.scenario))
    assert math.isfinite(row["brownian_deviation_se"])
    assert math.isnan(row["exact_j"]) and math.isnan(row["exact_deviation_se"])


def test_in_gusty_waiting_for_surplus_beats_greed_and_greed_beats_not_waiting() -> None:
    """Paired differences of 200 traces, expected 13 % and 39 % of the larger: five standard errors from 0 or more."""
    scenario = make_scenario("gusty")
    surplus, greedy, myopic = (
        simulate(scenario, make_dispatcher(name, scenario), 200, SEED).auxiliary_j[:, 0]
        for name in ("surplus-deferral", "greedy-deferral", "myopic")
    )
    assert Estimate.of(greedy - surplus).deviation(0) > BOUND
    assert Estimate.of(myopic - greedy).deviation(0) > BOUND
