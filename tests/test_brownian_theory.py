"""The Brownian formulas against each other, against quadrature, and against the equation that they solve."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from energy_route_env.theory import (
    auxiliary_energy_cdf,
    auxiliary_energy_quantile,
    auxiliary_energy_std,
    expected_auxiliary_energy,
    regime,
    transition_horizon,
    value_function,
)

FloatArray = NDArray[np.float64]

SIGMA = 700.0
DRIFTS = (-500.0, -60.0, -1.0, 0.0, 1.0, 60.0, 500.0)

brownian_drifts = pytest.mark.parametrize("drift", DRIFTS)


@brownian_drifts
@pytest.mark.parametrize("horizon", [1, 1000])
def test_expectation_is_the_integral_of_the_tail(drift: float, horizon: int) -> None:
    reach = max(drift, 0) * horizon + 10 * SIGMA * math.sqrt(horizon)
    bulk = max(drift * horizon, SIGMA**2 / (2 * max(-drift, 1.0)))
    integral, _ = integrate.quad(
        lambda x: 1 - float(auxiliary_energy_cdf(x, drift, SIGMA, horizon)), 0, reach, points=[bulk], limit=500
    )
    assert expected_auxiliary_energy(drift, SIGMA, horizon) == pytest.approx(integral, rel=1e-6)


@brownian_drifts
def test_cdf_and_quantile_are_inverse_to_each_other(drift: float) -> None:
    q = np.array([0.0, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9])
    x = auxiliary_energy_quantile(q, drift, SIGMA, 1000)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(auxiliary_energy_cdf(x, drift, SIGMA, 1000), q, rtol=0, atol=1e-12)
    np.testing.assert_allclose(auxiliary_energy_quantile(q, drift, SIGMA, 1000), x)


@brownian_drifts
def test_cdf_rises_from_zero_to_one(drift: float) -> None:
    x = np.linspace(-1000, 2e6, 5000)
    cdf = auxiliary_energy_cdf(x, drift, SIGMA, 1000)
    assert (np.diff(cdf) >= 0).all()
    assert (cdf[x < 0] == 0).all()
    assert cdf[-1] == pytest.approx(1)


@brownian_drifts
def test_standard_deviation_is_that_of_the_law(drift: float) -> None:
    x = np.linspace(0, max(drift, 0) * 1000 + 10 * SIGMA * math.sqrt(1000), 200_001)
    tail = 1 - auxiliary_energy_cdf(x, drift, SIGMA, 1000)
    mean, square = integrate.trapezoid(tail, x), integrate.trapezoid(2 * x * tail, x)
    assert auxiliary_energy_std(drift, SIGMA, 1000) == pytest.approx(math.sqrt(square - mean**2), rel=1e-5)


@pytest.mark.parametrize("horizon", [1, 1000, 100_000])
def test_critical_law_is_a_half_normal(horizon: int) -> None:
    scale = SIGMA * math.sqrt(horizon)
    x = np.linspace(0, 6 * scale, 50)
    np.testing.assert_allclose(auxiliary_energy_cdf(x, 0.0, SIGMA, horizon), stats.halfnorm.cdf(x, scale=scale), 1e-12)
    assert auxiliary_energy_std(0.0, SIGMA, horizon) == pytest.approx(scale * math.sqrt(1 - 2 / math.pi), rel=1e-9)
    assert expected_auxiliary_energy(0.0, SIGMA, horizon) == pytest.approx(scale * math.sqrt(2 / math.pi), rel=1e-12)


def test_critical_deviation_is_three_quarters_of_the_mean_at_every_horizon() -> None:
    horizons = np.array([1, 100, 100_000])
    mean, std = expected_auxiliary_energy(0.0, SIGMA, horizons), auxiliary_energy_std(0.0, SIGMA, horizons)
    np.testing.assert_allclose(std / mean, 0.756, rtol=0, atol=5e-4)


@pytest.mark.parametrize("drift", [-500.0, -60.0, -10.0])
def test_surplus_law_becomes_exponential(drift: float) -> None:
    mean = SIGMA**2 / (2 * abs(drift))
    x = mean * np.linspace(0, 10, 50)
    np.testing.assert_allclose(auxiliary_energy_cdf(x, drift, SIGMA, 1e6), stats.expon.cdf(x, scale=mean), atol=1e-9)
    assert expected_auxiliary_energy(drift, SIGMA, 1e6) == pytest.approx(mean, rel=1e-9)
    assert auxiliary_energy_std(drift, SIGMA, 1e6) == pytest.approx(mean, rel=1e-6)


def test_deficit_law_becomes_normal() -> None:
    assert expected_auxiliary_energy(60, SIGMA, 1e5) == pytest.approx(60e5 + SIGMA**2 / 120, rel=1e-12)
    assert auxiliary_energy_std(60, SIGMA, 1e5) == pytest.approx(SIGMA * math.sqrt(1e5), rel=1e-3)


@pytest.mark.parametrize("scaled", [1e-12, 0.9e-8, 1.1e-8, 1e-6, 1e-3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_expectation_passes_smoothly_through_zero_drift(scaled: float, sign: int) -> None:
    """With a = nu sqrt(T) / sigma: E / (sigma sqrt(T)) = sqrt(2 / pi) + a / 2 + a^2 / (3 sqrt(2 pi)) + O(a^4)."""
    a, root = sign * scaled, SIGMA * math.sqrt(1000)
    expected = root * (math.sqrt(2 / math.pi) + a / 2 + a * a / (3 * math.sqrt(2 * math.pi)))
    assert expected_auxiliary_energy(a * SIGMA / math.sqrt(1000), SIGMA, 1000) == pytest.approx(expected, rel=2e-8)


@pytest.mark.parametrize("a", [1e2, 1e4, 1e6])
def test_brownian_formulas_stay_finite_for_any_drift(a: float) -> None:
    """With a = |nu| sqrt(T) / sigma large: nu T + sigma^2 / 2 nu, or sigma^2 / 2 |nu|; T = 1e4."""
    volatility, horizon = 1e-3, 10_000
    drift = a * volatility / 100
    brownian = volatility**2 / (2 * drift)
    assert expected_auxiliary_energy(drift, volatility, horizon) == pytest.approx(drift * horizon + brownian, rel=1e-12)
    assert expected_auxiliary_energy(-drift, volatility, horizon) == pytest.approx(brownian, rel=1e-12)
    assert auxiliary_energy_std(drift, volatility, horizon) == pytest.approx(volatility * 100, rel=1e-3)
    assert auxiliary_energy_std(-drift, volatility, horizon) == pytest.approx(brownian, rel=1e-6)


@pytest.mark.parametrize(("drift", "expected"), [(3.0, 300.0), (0.0, 0.0), (-3.0, 0.0)])
def test_without_volatility_only_the_drift_counts(drift: float, expected: float) -> None:
    assert expected_auxiliary_energy(drift, 0.0, 100) == expected
    assert auxiliary_energy_std(drift, 0.0, 100) == 0
    np.testing.assert_array_equal(auxiliary_energy_quantile([0.0, 0.5, 0.99], drift, 0.0, 100), expected)
    np.testing.assert_array_equal(auxiliary_energy_cdf([-1, expected, 1000], drift, 0.0, 100), [0, 1, 1])


@pytest.mark.parametrize("q", [-0.1, 1.0, math.nan])
def test_quantile_refuses_what_is_no_probability_below_one(q: float) -> None:
    with pytest.raises(ValueError, match=r"q is \[.*\], but it must be in \[0, 1\)"):
        auxiliary_energy_quantile(q, 0.0, SIGMA, 10)


@brownian_drifts
def test_value_of_an_empty_battery_is_the_expectation(drift: float) -> None:
    horizons = np.array([0, 1, 10, 1000])
    value = value_function(0.0, horizons, drift, SIGMA)
    np.testing.assert_array_equal(value, expected_auxiliary_energy(drift, SIGMA, horizons))


@brownian_drifts
@pytest.mark.parametrize("battery", [300.0, 20_000.0])
def test_value_is_the_integral_of_the_tail_beyond_the_battery(drift: float, battery: float) -> None:
    reach = battery + max(drift, 0) * 1000 + 10 * SIGMA * math.sqrt(1000)
    integral, _ = integrate.quad(
        lambda x: 1 - float(auxiliary_energy_cdf(x, drift, SIGMA, 1000)),
        battery,
        reach,
        points=[battery + max(drift * 1000, SIGMA)],
        limit=500,
        epsabs=1e-9,
    )
    assert value_function(battery, 1000, drift, SIGMA) == pytest.approx(integral, rel=1e-6, abs=1e-8)


@brownian_drifts
def test_value_falls_and_is_convex_in_the_battery(drift: float) -> None:
    battery = np.linspace(-2000, 2 * SIGMA * math.sqrt(200), 400)
    value = value_function(battery, 200, drift, SIGMA)
    slope = np.diff(value) / np.diff(battery)
    assert ((slope >= -1 - 1e-9) & (slope <= 1e-12)).all()
    assert (np.diff(slope) >= -1e-9).all()


@brownian_drifts
def test_value_of_a_debt_is_the_debt_and_the_value_of_an_empty_battery(drift: float) -> None:
    assert value_function(-500.0, 50, drift, SIGMA) == pytest.approx(500 + value_function(0.0, 50, drift, SIGMA))


@brownian_drifts
def test_value_solves_the_backward_equation(drift: float) -> None:
    """The battery falls with drift nu, so dV/dn = sigma^2 / 2 d2V/db2 - nu dV/db: no formula of the law is used."""
    b, n, h, k = np.linspace(500.0, 20_000.0, 20), 400.0, 2.0, 0.5
    below, here, above = (value_function(b + shift, n, drift, SIGMA) for shift in (-h, 0.0, h))
    by_time = (value_function(b, n + k, drift, SIGMA) - value_function(b, n - k, drift, SIGMA)) / (2 * k)
    by_battery = SIGMA**2 / 2 * (above - 2 * here + below) / h**2 - drift * (above - below) / (2 * h)
    np.testing.assert_allclose(by_time, by_battery, rtol=1e-4, atol=1e-3)


@brownian_drifts
def test_value_with_no_slot_left_is_what_is_missing(drift: float) -> None:
    np.testing.assert_array_equal(value_function([-300.0, 0.0, 300.0], 0, drift, SIGMA), [300.0, 0.0, 0.0])


def test_value_of_a_full_enough_battery_is_nothing() -> None:
    assert value_function(1e9, 1000, -60.0, SIGMA) == 0
    assert value_function(1e7, 1000, 60.0, SIGMA) < 1e-9


def test_regime_is_the_sign_of_the_drift() -> None:
    assert regime([-1e-3, 0.0, 1e-3]).tolist() == ["surplus", "critical", "deficit"]
    assert regime([-1.1, -1.0, 1.0, 1.1], tolerance=1.0).tolist() == ["surplus", "critical", "critical", "deficit"]


@pytest.mark.parametrize(("drift", "exponent"), [(60.0, 1.0), (0.0, 0.5), (-60.0, 0.0)])
def test_each_regime_grows_with_its_own_exponent(drift: float, exponent: float) -> None:
    """The slope of log E[D_T] over log T between 2e4 and 1e5: linear, square root, bounded."""
    expected = expected_auxiliary_energy(drift, SIGMA, [20_000, 100_000])
    assert np.diff(np.log(expected)) / np.log(5) == pytest.approx(exponent, abs=0.004)


@pytest.mark.parametrize("drift", [-60.0, -1.0, 3.678, 14.712])
def test_at_the_transition_horizon_the_drift_weighs_as_much_as_the_square_root(drift: float) -> None:
    horizon = transition_horizon(drift, SIGMA)
    assert abs(drift) * horizon == pytest.approx(expected_auxiliary_energy(0.0, SIGMA, horizon), rel=1e-12)


def test_without_drift_the_transition_never_comes() -> None:
    assert transition_horizon(0.0, SIGMA) == math.inf


OF_THREE: list[Callable[..., FloatArray]] = [
    expected_auxiliary_energy,
    auxiliary_energy_std,
    lambda drift, volatility, horizon: auxiliary_energy_cdf(900.0, drift, volatility, horizon),
    lambda drift, volatility, horizon: auxiliary_energy_quantile(0.4, drift, volatility, horizon),
    lambda drift, volatility, horizon: value_function(250.0, horizon, drift, volatility),
    lambda drift, volatility, horizon: transition_horizon(drift, volatility) + 0.0 * np.asarray(horizon),
]


@pytest.mark.parametrize("function", OF_THREE, ids=["mean", "std", "cdf", "quantile", "value", "transition"])
def test_arguments_broadcast(function: Callable[..., FloatArray]) -> None:
    drift, volatility, horizon = np.array([[-20.0], [0.5], [20.0]]), np.array([3.0, 700.0]), np.array([1.0, 50.0])
    result = function(drift, volatility, horizon[:, None, None])
    assert result.shape == (2, 3, 2)
    for i, j, k in np.ndindex(2, 3, 2):
        single = function(float(drift[j, 0]), float(volatility[k]), float(horizon[i]))
        assert single.shape == ()
        assert result[i, j, k] == pytest.approx(single, rel=1e-12)
