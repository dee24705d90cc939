"""Regimes named, transitions found and slopes measured, beside exact theory and beside samplers of another kind.

Statistical tests state expected value, standard error and bound; every seed is fixed, so that a failure is a change of
the program and not chance.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import make_dispatcher, slot_distribution
from energy_route_env import make_scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import (
    SlotDistribution,
    exact_expected_auxiliary_energy,
    transition_horizon,
)
from eval.regime_fit import (
    NAMES,
    TOLERANCE,
    RegimeFit,
    checkpoints,
    draw_curves,
    fit_mean,
    fit_regime,
    fit_weights,
    log_slope,
    mean_curve,
    name_regime,
)
from eval.rollout import simulate
from eval.statistics import Estimate

FloatArray = NDArray[np.float64]
SEED = 20_261
CASES = {"linear": ("oracle", 0.9), "sqrt": ("oracle", 1.0), "bounded": ("oracle", 1.1)}
"""Dispatcher and ratio in `paper` of each regime; 10 000 slots show it."""
ERROR = ("error-0.05", 1.0)
"""The square root that turns linear: T* = 23 051 slots."""
CASES_AND_SLOTS = [*((case, 10_000) for case in CASES.values()), (ERROR, 100_000)]

every_case = pytest.mark.parametrize("regime", CASES)


@cache
def slot_of(dispatcher: str, ratio: float) -> SlotDistribution:
    return slot_distribution(make_dispatcher(dispatcher, make_scenario("paper", renewable_ratio=ratio)))


@cache
def curves(case: tuple[str, float], horizon: int, repetition: int = 0) -> FloatArray:
    """D of 100 episodes."""
    return draw_curves(slot_of(*case), checkpoints(horizon), 100, np.random.default_rng([SEED, repetition]))


@cache
def fits(case: tuple[str, float], horizon: int, repetitions: int) -> list[RegimeFit]:
    """Fits of independent curves of 100 episodes."""
    return [fit_regime(checkpoints(horizon), curves(case, horizon, i)) for i in range(repetitions)]


def brownian_maxima(nu: float, slots: list[int], n: int) -> FloatArray:
    """Exact running maxima at sigma = 1, shape (n, slots): normal increments, and between them the bridge's maximum."""
    rng = np.random.default_rng(SEED)
    at, peak, maxima = np.zeros(n), np.zeros(n), []
    for step in np.diff([0, *slots]):
        move = nu * step + math.sqrt(step) * rng.standard_normal(n)
        rise = (move + np.sqrt(move**2 - 2 * step * np.log1p(-rng.random(n)))) / 2
        peak, at = np.maximum(peak, at + rise), at + move
        maxima.append(peak)
    return np.stack(maxima, axis=1)


# Curves


def test_checkpoints_are_even_on_a_logarithmic_scale_and_end_at_the_horizon() -> None:
    assert checkpoints(10_000).tolist() == [10, 18, 32, 56, 100, 178, 316, 562, 1000, 1778, 3162, 5623, 10_000]
    assert checkpoints(3000, first=30, per_decade=1).tolist() == [30, 300, 3000]
    for horizon in (100, 101, 99_999):
        assert checkpoints(horizon)[[0, -1]].tolist() == [10, horizon]


@pytest.mark.parametrize("case", [*CASES.values(), ERROR], ids=str)
def test_drawn_means_are_the_exact_expectation(case: tuple[str, float]) -> None:
    """Standard errors of 5000 episodes (about 1 %); four means beyond 4.5 of them by chance: 3e-5."""
    slots = [1, 10, 100, 1000]
    drawn = draw_curves(slot_of(*case), slots, 5000, np.random.default_rng(SEED))
    expected = exact_expected_auxiliary_energy(slot_of(*case), slots)
    deviations = [Estimate.of(d).deviation(mean) for d, mean in zip(drawn.T, expected, strict=True)]
    assert np.abs(deviations).max() < 4.5


@pytest.mark.parametrize("case", [*CASES.values(), ERROR], ids=str)
def test_drawn_curves_have_the_environments_mean_and_spread(case: tuple[str, float]) -> None:
    """Mean and mean square of D_1000 in 1000 episodes of each, within 4 standard errors; by chance beyond: 1.3e-4."""
    name, ratio = case
    scenario = make_scenario("paper", renewable_ratio=ratio)
    simulated = simulate(scenario, make_dispatcher(name, scenario), 1000, SEED).auxiliary_j[:, 0]
    drawn = draw_curves(slot_of(*case), [1000], 1000, np.random.default_rng(SEED))[:, 0]
    for power in (1, 2):
        ours, theirs = Estimate.of(drawn**power), Estimate.of(simulated**power)
        assert abs(ours.mean - theirs.mean) < 4 * math.hypot(ours.standard_error, theirs.standard_error)


def test_drawn_curves_never_fall_and_follow_the_generator_alone() -> None:
    slots = checkpoints(1000)
    one, same, other = (draw_curves(slot_of(*ERROR), slots, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (20, len(slots))
    assert (np.diff(one, axis=1) >= 0).all() and (one >= 0).all()
    np.testing.assert_array_equal(one, same)
    assert (one != other).any(axis=1).all()


def test_a_constant_harvest_and_no_tasks_draw_nothing() -> None:
    idle = SlotDistribution(0.0, np.array([1.0]), np.array([1.0]), 5.0, 0.0)
    assert (draw_curves(idle, [1, 10], 3, np.random.default_rng(0)) == 0).all()


# Slope


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_slope_of_a_power_law_is_its_exponent_whatever_its_factor(power: float) -> None:
    slots = checkpoints(10_000)
    slope = log_slope(slots, np.array([[2.0], [3.0], [700.0]]) * slots**power, 10, 10_000)
    assert slope.mean == pytest.approx(power, abs=1e-12)
    assert slope.half_width == pytest.approx(0.0, abs=1e-12)


def test_the_slope_sees_its_window_alone() -> None:
    slots = checkpoints(10_000)
    bent = np.tile(np.where(slots < 1000, 1.0, slots / 1000), (3, 1))
    assert log_slope(slots, bent, 10, 999).mean == pytest.approx(0.0, abs=1e-12)
    assert log_slope(slots, bent, 1000, 10_000).mean == pytest.approx(1.0)


def test_the_slopes_interval_covers_it_in_95_percent_of_experiments() -> None:
    """1000 critical curves of 50 Brownian episodes, slope 1/2: standard error 0.7 %, bound 4 of them (6e-5)."""
    slots = [100, 300, 1000, 3000, 10_000]
    experiments = brownian_maxima(0.0, slots, 50_000).reshape(1000, 50, len(slots))
    slopes = [log_slope(slots, curves, 100, 10_000) for curves in experiments]
    covered = np.mean([abs(slope.mean - 0.5) <= slope.half_width for slope in slopes])
    assert covered == pytest.approx(0.95, abs=4 * 0.0069)


@pytest.mark.parametrize(("regime", "slope"), [("linear", 1.0), ("sqrt", 0.5), ("bounded", 0.0)])
def test_slopes_of_the_exact_expectation(regime: str, slope: float) -> None:
    """Over [1e3, 1e5] exactly 0.990, 0.504 and 0.000: within 0.03 of the paper's."""
    slots = checkpoints(100_000)
    exact = np.tile(exact_expected_auxiliary_energy(slot_of(*CASES[regime]), slots), (2, 1))
    assert log_slope(slots, exact, 1e3, 1e5).mean == pytest.approx(slope, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("regime", "slope"), [("linear", 1.0), ("sqrt", 0.5), ("bounded", 0.0)])
def test_measured_slopes(regime: str, slope: float) -> None:
    """2000 episodes to 1e5 slots: standard errors 0.0015, 0.0055 and 0.0001, so that 0.03 is 4.7 of them or more."""
    slots = checkpoints(100_000)
    drawn = draw_curves(slot_of(*CASES[regime]), slots, 2000, np.random.default_rng(SEED))
    assert log_slope(slots, drawn, 1e3, 1e5).mean == pytest.approx(slope, abs=0.03)


# Theory of the curve


@pytest.mark.parametrize("case", [*CASES.values(), ERROR], ids=str)
def test_the_fitted_curve_lies_within_a_sixth_of_sigma_of_the_exact_one(case: tuple[str, float]) -> None:
    slots = checkpoints(10_000)
    exact = exact_expected_auxiliary_energy(slot_of(*case), slots)
    off = (mean_curve(slot_of(*case).drift, slot_of(*case).volatility, slots) - exact) / slot_of(*case).volatility
    assert np.abs(off).max() < 1 / 6


# Names


@pytest.mark.parametrize(
    ("a", "name"),
    [
        *[(-3, "bounded"), (-0.81, "bounded")],
        *[(-0.78, "sqrt"), (0, "sqrt"), (0.79, "sqrt")],
        *[(0.81, "sqrt-then-linear"), (2.5, "sqrt-then-linear")],
        *[(2.55, "linear"), (50, "linear")],
    ],
)
def test_names_follow_the_transition_within_the_range_observed(a: float, name: str) -> None:
    """T* = 2 T / (pi a^2): at the end where a = 0.798, a decade before it where a = 2.523."""
    assert name_regime(a * 700 / math.sqrt(5000), 700.0, 5000) == name


def test_the_cases_deserve_their_names() -> None:
    deserved = [name_regime(slot_of(*case).drift, slot_of(*case).volatility, slots) for case, slots in CASES_AND_SLOTS]
    assert deserved == [*CASES, "sqrt-then-linear"]


# Fit


@every_case
def test_the_fit_names_the_regime(regime: str) -> None:
    """At 100 episodes and 1e4 slots; two misses of ten have chance 4.5e-5 at one miss in 1000."""
    assert sum(fit.name == regime for fit in fits(CASES[regime], 10_000, 10)) >= 9


@pytest.mark.slow
@every_case
def test_the_fit_names_the_regime_in_95_of_100_repetitions(regime: str) -> None:
    """Six misses of 100 have chance 1.2e-5 at one miss in 200."""
    assert sum(fit.name == regime for fit in fits(CASES[regime], 10_000, 100)) >= 95


def transition_factors(repetitions: int) -> FloatArray:
    """log of the transition found over T* = 23 051."""
    found = [fit.transition_slots for fit in fits(ERROR, 100_000, repetitions)]
    return np.log(found) - np.log(transition_horizon(slot_of(*ERROR).drift, slot_of(*ERROR).volatility))


def test_the_transition_lies_within_a_factor_of_two_on_average() -> None:
    """Expected log factor 0, standard error 0.26 / 2; log 2 is 5 of them."""
    factors = transition_factors(4)
    assert abs(factors.mean()) < math.log(2) and np.abs(factors).mean() < math.log(2)
    assert {fit.name for fit in fits(ERROR, 100_000, 4)} == {"sqrt-then-linear"}


@pytest.mark.slow
def test_the_transition_is_found_without_bias() -> None:
    """Expected log factor 0, standard error 0.026 over 100 repetitions; bound 0.1."""
    factors = transition_factors(100)
    assert abs(factors.mean()) < 0.1 and np.abs(factors).mean() < math.log(2)


@pytest.mark.slow
@every_case
def test_standard_errors_are_the_spread_of_the_estimates(regime: str) -> None:
    """Over 100 repetitions the ratio has a standard error of 7 %; bound 4.2 of them, 30 %."""
    found = fits(CASES[regime], 10_000, 100)
    for value, error in (("drift_j", "drift_error_j"), ("volatility_j", "volatility_error_j")):
        spread = np.std([getattr(fit, value) for fit in found], ddof=1)
        assert np.mean([getattr(fit, error) for fit in found]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize(("case", "horizon"), CASES_AND_SLOTS, ids=str)
def test_standard_errors_are_those_of_a_bootstrap(case: tuple[str, float], horizon: int) -> None:
    """The spread over 400 resamples has a standard error of 3.5 %: the bound is 4 of them, and 6 % for curvature."""
    slots, rng = checkpoints(horizon), np.random.default_rng(SEED)
    drawn, fit = curves(case, horizon), fits(case, horizon, 1)[0]
    weights = fit_weights(slots, drawn)
    again = [fit_mean(slots, drawn[rng.integers(0, 100, 100)].mean(axis=0), weights) for _ in range(400)]
    spread = np.std(again, axis=0, ddof=1)
    assert [fit.drift_error_j, fit.volatility_error_j] == pytest.approx(spread.tolist(), rel=0.2)
    if fit.name != "sqrt":
        log_transition = [math.log(transition_horizon(*one)) for one in again]
        assert fit.transition_log_error == pytest.approx(np.std(log_transition, ddof=1), rel=0.2)


@pytest.mark.parametrize(("case", "horizon"), CASES_AND_SLOTS, ids=str)
def test_the_bias_is_below_the_standard_error(case: tuple[str, float], horizon: int) -> None:
    slots, fit = checkpoints(horizon), fits(case, horizon, 1)[0]
    weights = fit_weights(slots, curves(case, horizon))
    drift, volatility = fit_mean(slots, exact_expected_auxiliary_energy(slot_of(*case), slots), weights)
    assert abs(drift - slot_of(*case).drift) < fit.drift_error_j
    assert abs(volatility - slot_of(*case).volatility) < fit.volatility_error_j


@pytest.mark.parametrize("drift", [-200.0, -20.0, -1.0, 0.0, 1.0, 20.0, 5e4])
def test_a_curve_of_the_fitted_shape_gives_its_drift_and_volatility_back(drift: float) -> None:
    slots = checkpoints(10_000)
    found = fit_mean(slots, mean_curve(drift, 700.0, slots), 1 / np.sqrt(slots))
    assert found == pytest.approx((drift, 700.0), rel=1e-4, abs=1e-3)


def test_weights_are_standard_errors_and_a_tenth_of_sigma() -> None:
    slots = checkpoints(10_000)
    still = np.tile(mean_curve(0.0, 700.0, slots), (4, 1))
    np.testing.assert_allclose(fit_weights(slots, still), 1 / (TOLERANCE * 700.0))
    spread = still + 2000 * np.array([[-1.0], [1.0], [-1.0], [1.0]]) * (slots > 10)
    error = np.hypot(TOLERANCE * 700.0, 2000 / math.sqrt(3) * (slots > 10))  # the variance of four is 4/3 x 2000^2
    np.testing.assert_allclose(fit_weights(slots, spread), 1 / error)


def test_another_unit_of_energy_changes_energies_alone() -> None:
    slots, drawn = checkpoints(100_000), curves(ERROR, 100_000)
    joules, other = fit_regime(slots, drawn), fit_regime(slots, drawn / 1000)
    assert other.name == joules.name
    assert other.drift_j == pytest.approx(joules.drift_j / 1000, rel=1e-6)
    assert other.volatility_error_j == pytest.approx(joules.volatility_error_j / 1000, rel=1e-6)
    assert other.transition_log_error == pytest.approx(joules.transition_log_error, rel=1e-6)
    assert other.slope == pytest.approx(joules.slope)


def test_name_and_transition_follow_from_drift_and_volatility_and_a_square_root_has_none() -> None:
    turning, still = fits(ERROR, 100_000, 1)[0], fits(CASES["sqrt"], 10_000, 1)[0]
    assert turning.name == name_regime(turning.drift_j, turning.volatility_j, 100_000) in NAMES
    expected = 2 * turning.volatility_j**2 / (math.pi * turning.drift_j**2)
    assert turning.transition_slots == pytest.approx(expected)
    assert still.name == "sqrt" and still.transition_slots == math.inf and math.isnan(still.transition_log_error)


# Bad input

GOOD = np.tile(np.sqrt(checkpoints(1000)), (3, 1))


@pytest.mark.parametrize(
    ("slots", "curves", "message"),
    [
        ([1, 10, 5, 100], GOOD[:, :4], r"slots is .* rising whole numbers, 1 or more"),
        ([0, 1, 10, 100], GOOD[:, :4], r"slots is .* rising whole numbers, 1 or more"),
        ([1.0, 10.0, 50.0, 100.0], GOOD[:, :4], r"slots is .* rising whole numbers, 1 or more"),
        ([1, 10, 100], GOOD[:, :3], r"slots is \[1, 10, 100\], but it must be four or more, over a decade"),
        ([10, 20, 30, 40], GOOD[:, :4], r"four or more, over a decade"),
        (checkpoints(1000), GOOD[:1], r"auxiliary_j\.shape is \(1, 9\)"),
        (checkpoints(1000), GOOD[0], r"auxiliary_j\.shape is \(9,\)"),
        (checkpoints(1000), GOOD[:, :-1], r"auxiliary_j\.shape is \(3, 8\)"),
        (checkpoints(1000), GOOD * math.nan, r"auxiliary_j\[0\] is nan"),
        (checkpoints(1000), -GOOD, r"auxiliary_j\[0\] is -"),
        (checkpoints(1000), GOOD[:, ::-1], r"steepest fall of auxiliary_j is -"),
        (checkpoints(1000), GOOD * (checkpoints(1000) > 10), r"mean of auxiliary_j is 0\.0"),
    ],
)
def test_what_is_no_curve_is_refused(slots: Any, curves: FloatArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_regime(slots, curves)


def test_an_empty_window_too_short_a_horizon_and_no_trial_are_refused() -> None:
    with pytest.raises(InputError, match=r"\[low, high\] is \[11, 17\]"):
        log_slope(checkpoints(1000), GOOD, 11, 17)
    with pytest.raises(InputError, match=r"horizon is 99"):
        checkpoints(99)
    with pytest.raises(InputError, match=r"trials is 0"):
        draw_curves(slot_of(*ERROR), [1], 0, np.random.default_rng(0))
