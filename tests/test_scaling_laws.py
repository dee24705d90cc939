import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from energy_route_env import ModelPool, ScalingLaws, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.pool.scaling_laws import (
    PUBLISHED,
    FloatArray,
    attempt_budget,
    inference_energy,
    inference_latency,
    pretraining_loss,
    skill_success,
    token_budget,
)

SMALL, LARGE = 1e9, 1e10
DIFFICULTIES = np.linspace(1.7, 1.9, 10)

# The published figures, to the digits that are printed.
ENERGY_J = {
    SMALL: [1037.89, 899.67, 782.05, 681.66, 595.72, 521.94, 458.40, 403.55, 356.07, 314.86],
    LARGE: [956.92, 869.54, 791.42, 721.57, 659.12, 603.26, 553.30, 508.61, 468.63, 432.85],
}
LATENCY_S = {
    SMALL: [34.351, 29.251, 24.990, 21.420, 18.420, 15.892, 13.754, 11.941, 10.399, 9.083],
    LARGE: [24.077, 21.866, 19.891, 18.127, 16.551, 15.143, 13.884, 12.759, 11.753, 10.853],
}
ENERGY_CROSSING, LATENCY_CROSSING = 1.73864, 1.82968


def half_a_digit(decimals: int) -> float:
    """The most that a figure printed with so many decimals is off, and a little for its own last bit."""
    return 0.5001 * 10.0**-decimals


@pytest.mark.parametrize("n_params", [SMALL, LARGE])
def test_energies_are_the_published_ones(n_params: float) -> None:
    energies = inference_energy(n_params, DIFFICULTIES)
    np.testing.assert_allclose(energies, ENERGY_J[n_params], rtol=0, atol=half_a_digit(2))


@pytest.mark.parametrize("n_params", [SMALL, LARGE])
def test_latencies_are_the_published_ones(n_params: float) -> None:
    latencies = inference_latency(n_params, DIFFICULTIES)
    np.testing.assert_allclose(latencies, LATENCY_S[n_params], rtol=0, atol=half_a_digit(3))


def test_pretraining_losses_are_the_published_ones() -> None:
    losses = pretraining_loss([SMALL, LARGE])
    np.testing.assert_allclose(losses, [2.473768, 2.048251], rtol=0, atol=half_a_digit(6))


def test_frontier_coefficient_is_hoffmanns_a_times_one_plus_alpha_over_beta() -> None:
    assert PUBLISHED.frontier_coefficient == pytest.approx(899.886, abs=half_a_digit(3))


@pytest.mark.parametrize(("method", "published", "decimals"), [("normal", 594.07, 2), ("exact", 586.8, 1)])
def test_mean_demand_of_error_free_routing_is_the_published_bound(method: str, published: float, decimals: int) -> None:
    scenario = make_scenario("paper", models=ModelPool((SMALL, LARGE), method=method))
    cheapest = inference_energy([SMALL, LARGE], DIFFICULTIES[:, None], method).min(axis=1)
    assert cheapest.mean() == pytest.approx(published, abs=half_a_digit(decimals))
    assert scenario.mean_demand_j == pytest.approx(cheapest.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("cost", "published"), [(inference_energy, ENERGY_CROSSING), (inference_latency, LATENCY_CROSSING)]
)
def test_the_large_model_is_the_better_one_below_the_published_crossing_only(
    cost: Callable[..., FloatArray], published: float
) -> None:
    def large_minus_small(difficulty: float) -> float:
        small, large = cost([SMALL, LARGE], difficulty)
        return float(large - small)

    assert optimize.brentq(large_minus_small, 1.7, 1.9, xtol=1e-12) == pytest.approx(published, abs=half_a_digit(5))
    assert large_minus_small(published - 1e-4) < 0 < large_minus_small(published + 1e-4)


def test_energy_and_latency_of_a_task_worked_out_by_hand() -> None:
    """Where loss = difficulty an attempt succeeds half the time; with epsilon = 1/2, z = 0 and K = m / p = 100.

    So T = 2000 tokens and F = 2 * 1e9 * 2000 + 48 * 2048 * 2000^2 = 4.393216e12 operations.
    """
    laws = ScalingLaws(failure_probability=0.5, batch_size=4.0)
    difficulty = pretraining_loss(SMALL, laws)
    assert token_budget(SMALL, difficulty, laws=laws) == pytest.approx(2000, rel=1e-12)
    assert inference_energy(SMALL, difficulty, laws=laws) == pytest.approx(20 / 4 + 4.393216, rel=1e-12)
    assert inference_latency(SMALL, difficulty, laws=laws) == pytest.approx(0.4 / 4 + 0.2196608, rel=1e-12)


def test_skill_success_is_logistic_in_difficulty_minus_loss() -> None:
    success = skill_success(LARGE, DIFFICULTIES)
    log_odds = np.log(success / (1 - success))
    np.testing.assert_allclose(log_odds, 5 * (DIFFICULTIES - pretraining_loss(LARGE)), rtol=1e-12)


def test_difficulties_and_models_broadcast() -> None:
    assert inference_energy([SMALL, LARGE, 1e11], DIFFICULTIES[:, None]).shape == (10, 3)
    assert inference_latency(SMALL, 1.8).shape == ()


@pytest.mark.parametrize("skills", [1.0, 7.0, 50.0, 1000.0])
@pytest.mark.parametrize("failure_probability", [1e-6, 0.1, 0.5, 0.99])
def test_normal_budget_leaves_m_skills_z_standard_deviations_below_the_mean(
    skills: float, failure_probability: float
) -> None:
    laws = ScalingLaws(skills=skills, failure_probability=failure_probability)
    p = np.append(np.geomspace(1e-6, 0.999, 50), 1.0)
    attempts = attempt_budget(p, "normal", laws)
    z = stats.norm.isf(failure_probability)
    np.testing.assert_allclose(attempts * p - z * np.sqrt(attempts * p * (1 - p)), skills, rtol=1e-9)


@pytest.mark.parametrize(
    ("pool", "difficulty"),
    [
        (ModelPool((1e6, 1e9), method="exact"), 1.8),
        (ModelPool((1e9,), method="exact"), -5.0),
        (ModelPool((1e9,), method="exact"), -100.0),
        (ModelPool((1e9,), ScalingLaws(failure_probability=1e-20), "exact"), 1.8),
    ],
    ids=["small model", "hard task", "no success", "failure too improbable"],
)
def test_what_takes_too_many_attempts_to_count_is_refused(pool: ModelPool, difficulty: float) -> None:
    with pytest.raises(InputError, match=r"attempts of method 'exact' is .* at most 9\.0072e"):
        pool.energy_j(difficulty)


def test_the_exact_budget_counts_up_to_where_whole_numbers_end() -> None:
    """Where successes are rare their number is Poisson: K p is the mean at which 49 or fewer have probability 0.1."""
    p = 2.5e-14
    assert attempt_budget(p, "exact") * p == pytest.approx(special.gammainccinv(50, 0.1), rel=1e-9)


@pytest.mark.parametrize("skills", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("failure_probability", [1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999])
def test_exact_budget_is_the_smallest_number_of_attempts_that_suffices(skills: int, failure_probability: float) -> None:
    laws = ScalingLaws(skills=float(skills), failure_probability=failure_probability)
    p = np.append(np.geomspace(1e-6, 0.999, 80), 1 - 1e-9)
    attempts = attempt_budget(p, "exact", laws)
    np.testing.assert_array_equal(attempts, np.round(attempts))
    assert (stats.binom.sf(skills - 1, attempts, p) >= 1 - failure_probability).all()
    assert (stats.binom.sf(skills - 1, attempts - 1, p) < 1 - failure_probability).all()


def test_exact_budget_of_an_attempt_that_never_fails_is_m_whatever_stands_beside_it() -> None:
    np.testing.assert_array_equal(attempt_budget([1.0, 0.5, 1e-3], "exact")[0], 50)
    np.testing.assert_array_equal(attempt_budget(1.0, "exact"), 50)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("observed", [1.7, 1.7889, 1.9])
def test_expected_energy_over_noise_is_the_integral_over_the_normal_law(observed: float, noise: float) -> None:
    pool = ModelPool((SMALL, LARGE))

    def integrand(z: float) -> FloatArray:
        return pool.energy_j(observed + noise * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    # Energy grows like exp(-10 l) towards the hard end: the integrand's bulk lies at z = -10 noise.
    expected, _ = integrate.quad_vec(integrand, -10 * noise - 12, 12, epsrel=1e-11)
    np.testing.assert_allclose(pool.expected_energy_j(observed, noise), expected, rtol=1e-9)


def test_expected_energy_without_noise_is_the_energy() -> None:
    pool = ModelPool((SMALL, LARGE))
    np.testing.assert_array_equal(pool.expected_energy_j(DIFFICULTIES, 0.0), pool.energy_j(DIFFICULTIES))


@pytest.mark.parametrize("n_params", [(7e9,), (SMALL, 4e9, LARGE)])
def test_a_pool_of_one_or_three_models_costs_what_each_of_them_costs(n_params: tuple[float, ...]) -> None:
    pool = ModelPool(n_params)
    for k, count in enumerate(n_params):
        np.testing.assert_array_equal(pool.energy_j(DIFFICULTIES)[:, k], inference_energy(count, DIFFICULTIES))
        np.testing.assert_array_equal(pool.latency_s(DIFFICULTIES)[:, k], inference_latency(count, DIFFICULTIES))
    expected = pool.expected_energy_j(DIFFICULTIES, 0.1)
    assert expected.shape == (10, len(pool)) == (10, len(n_params))
    assert (expected > pool.energy_j(DIFFICULTIES)).all()  # energy is convex in the difficulty


def test_the_harder_the_task_the_larger_the_cheapest_of_three_models() -> None:
    scenario = make_scenario("paper", models=(SMALL, 3e9, LARGE), difficulties=np.linspace(1.1, 2.3, 41))
    cheapest = scenario.expected_energy_j(scenario.difficulties).argmin(axis=-1)
    assert (np.diff(cheapest) <= 0).all()
    assert set(cheapest.tolist()) == {0, 1, 2}
    assert scenario.n_actions == 3


def test_scenario_energy_is_the_pools_times_the_queries_at_its_own_levels_and_between_them() -> None:
    scenario = make_scenario("paper", queries_per_task=3.0, difficulties=(1.8, 1.7, 1.75, 1.9))
    difficulty = np.array([[1.7, 1.9], [1.75, 1.8]])
    np.testing.assert_array_equal(scenario.energy_j(difficulty), 3 * scenario.models.energy_j(difficulty))
    between = difficulty + 0.01
    np.testing.assert_array_equal(scenario.energy_j(between), 3 * scenario.models.energy_j(between))
    np.testing.assert_array_equal(scenario.latency_s(difficulty), scenario.models.latency_s(difficulty))


def test_a_known_level_beside_an_unknown_one_is_computed_like_it() -> None:
    scenario, mixed = make_scenario("paper"), np.array([1.7, 1.7123, 1.9])
    np.testing.assert_allclose(scenario.energy_j(mixed), scenario.models.energy_j(mixed), rtol=1e-15)


@pytest.mark.parametrize("difficulty", [np.nan, -np.inf, -1e300])
def test_a_difficulty_without_a_finite_energy_is_refused(difficulty: float) -> None:
    with pytest.raises(InputError, match=r"difficulty is .*large enough \(easy enough\) for a finite energy"):
        make_scenario("paper").energy_j([1.8, difficulty])
