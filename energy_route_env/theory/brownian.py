"""The paper's Theorem 2 (arXiv 2601.00823): the auxiliary energy D_T as the running maximum of a Brownian motion.

Per slot, demand minus harvest has mean nu (`drift`) and standard deviation sigma (`volatility`), in joules. With
an unlimited lossless battery that starts empty, D_T is the running maximum of the sums S_n of that difference, at
least 0. All functions take arrays that broadcast against each other. A horizon is a number of slots.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import require, require_real
from energy_route_env.units import FloatArray

NO_DRIFT = 1e-8
"""|nu| sqrt(T) / sigma below which the formulas take nu = 0: beyond, both errors are below 1e-7 relative."""


def _arrays(drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike, *more: ArrayLike) -> tuple[FloatArray, ...]:
    """Broadcast and check: finite drift, volatility and horizon finite and at least 0."""
    arrays = np.broadcast_arrays(*(np.asarray(value, float) for value in (drift, volatility, horizon, *more)))
    for name, values in zip(("drift", "volatility", "horizon"), arrays[:3], strict=True):
        ok = np.isfinite(values) & ((values >= 0) | (name == "drift"))
        least = "finite" if name == "drift" else "finite and at least 0"
        require(bool(ok.all()), name, values[~ok].ravel()[:1].tolist(), least)
    return tuple(arrays)


def _normal_density(x: FloatArray) -> FloatArray:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def expected_auxiliary_energy(drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Approximate E[D_T] in joules (the paper's Theorem 2; at drift 0 its eq. 28).

    Example:
        >>> float(expected_auxiliary_energy(0.0, 696.89, 1000).round(1))
        17583.5
    """
    return value_function(0.0, horizon, drift, volatility)


def value_function(battery: ArrayLike, slots: ArrayLike, drift: ArrayLike, volatility: ArrayLike) -> FloatArray:
    """Return V(b, n) = E[(M_n - b)^+] in joules: the auxiliary energy still to come with battery b and n slots left.

    M_n is the maximum of a Brownian motion up to n. A debt, b < 0, adds itself.

    Args:
        battery: energy at hand in joules.
        slots: slots left.
        drift: nu in joules per slot.
        volatility: sigma in joules per square root of a slot.
    """
    from scipy import special

    nu, sigma, n, battery = _arrays(drift, volatility, slots, battery)
    b = np.maximum(battery, 0.0)
    r = sigma * np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        d = (nu * n - b) / r
        spread = (nu * n - b) * special.ndtr(d) + r * _normal_density(d)
        reflected = np.exp(2 * nu * b / sigma**2 + special.log_ndtr(-(b + nu * n) / r))
        moving = spread + sigma**2 / (2 * nu) * (special.ndtr(d) - reflected)
        still = 2 * (r * _normal_density(b / r) - b * special.ndtr(-b / r))
        value = np.where(np.abs(nu) * np.sqrt(n) < NO_DRIFT * sigma, still, moving)
    value = np.where(r > 0, np.maximum(value, 0.0), np.maximum(nu * n - b, 0.0))
    return np.asarray(value + np.maximum(-battery, 0.0))


def expected_over_latency(
    drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike, running_j: ArrayLike
) -> FloatArray:
    """Approximate E[D_T] in joules where tasks draw their energy over their latency.

    Until the horizon a sum of demand minus harvest is lower by what running tasks are still to draw, R joules on
    average; at the horizon they draw it. So D_T is about max(0, M_T - R, S_T), S_T the Brownian motion at T and M_T its
    maximum (docs/theory.md). Where R = 0 it is `expected_auxiliary_energy`.

    Args:
        drift: nu in joules per slot.
        volatility: sigma in joules per square root of a slot.
        horizon: T in slots.
        running_j: R, at least 0.
    """
    from scipy import special

    nu, sigma, n, running = _arrays(drift, volatility, horizon, running_j)
    require(bool((running >= 0).all()), "running_j", float(running.min()), "at least 0")
    r = sigma * np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        a, c, k = nu * n / r, 2 * running / r, 2 * nu / sigma**2
        at_the_end = nu * n * special.ndtr(a) + r * _normal_density(a)
        before = (np.exp(special.log_ndtr(a - c) - k * running) - np.exp(special.log_ndtr(-a - c) + k * running)) / k
        still = r * _normal_density(c) - 2 * running * special.ndtr(-c)
        value = at_the_end + np.where(np.abs(nu) * np.sqrt(n) < NO_DRIFT * sigma, still, before)
    return np.asarray(np.where(r > 0, value, np.maximum(nu * n, 0.0)))


def auxiliary_energy_cdf(x: ArrayLike, drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Approximate P(D_T <= x), x in joules (Theorem 2)."""
    from scipy import special

    nu, sigma, n, x = _arrays(drift, volatility, horizon, x)
    r = sigma * np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        reflected = np.exp(2 * nu * x / sigma**2 + special.log_ndtr((-x - nu * n) / r))
        moving = np.clip(special.ndtr((x - nu * n) / r) - reflected, 0.0, 1.0)
    still = (x >= np.maximum(nu * n, 0.0)).astype(float)
    return np.asarray(np.where(x < 0, 0.0, np.where(r > 0, moving, still)))


def auxiliary_energy_quantile(q: ArrayLike, drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Invert `auxiliary_energy_cdf`: return the x in joules with P(D_T <= x) = q, q in [0, 1).

    Raises:
        InputError: if q lies outside [0, 1).
    """
    from scipy import special

    nu, sigma, n, q = _arrays(drift, volatility, horizon, q)
    ok = (q >= 0) & (q < 1)
    require(bool(ok.all()), "q", q[~ok].ravel()[:1].tolist(), "in [0, 1)")
    low = np.zeros(q.shape)
    # P(M > x) <= 2 P(N > (x - max(nu, 0) n) / r): beyond this the tail is below 1 - q.
    high = np.maximum(nu, 0) * n + sigma * np.sqrt(n) * np.maximum(-special.ndtri((1 - q) / 2), 0)
    for _ in range(200):
        middle = (low + high) / 2
        enough = auxiliary_energy_cdf(middle, nu, sigma, n) >= q
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.where(sigma * n > 0, high, np.maximum(nu * n, 0.0)))


def auxiliary_energy_std(drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Approximate the standard deviation of D_T in joules; sigma sqrt(T (1 - 2 / pi)) at drift 0.

    From E[M^2] = 2 integral of x P(M > x), by Gauss-Legendre over the range that holds all but 1e-16 of M.
    """
    nu, sigma, n = _arrays(drift, volatility, horizon)
    reach = 9 * sigma * np.sqrt(n)
    decay = 40 * sigma**2 / np.maximum(-2 * nu, 1e-300)  # in surplus D_T is about exponential
    low = np.maximum(nu * n - reach, 0.0)
    high = np.maximum(nu, 0.0) * n + np.minimum(reach, decay)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    above_low = (high - low)[..., None] * (nodes + 1) / 2
    tail = 1 - auxiliary_energy_cdf(low[..., None] + above_low, nu[..., None], sigma[..., None], n[..., None])
    step = (high - low)[..., None] * weights / 2
    mean = (tail * step).sum(-1)
    square = (2 * above_low * tail * step).sum(-1)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)))


def transition_horizon(drift: ArrayLike, volatility: ArrayLike) -> FloatArray:
    """Return T* = 2 sigma^2 / (pi nu^2), slots after which a drift outweighs the square root; infinite at drift 0."""
    nu, sigma, _ = _arrays(drift, volatility, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(nu == 0, np.inf, 2 * sigma**2 / (np.pi * nu**2)))


def regime(drift: ArrayLike, tolerance: float = 0.0) -> NDArray[np.str_]:
    """Name the regime: "deficit" (linear), "critical" (square root, |drift| <= tolerance) or "surplus" (bounded)."""
    require_real("tolerance", tolerance, 0.0)
    nu = _arrays(drift, 0.0, 0.0)[0]
    return np.asarray(np.where(np.abs(nu) <= tolerance, "critical", np.where(nu > 0, "deficit", "surplus")))
