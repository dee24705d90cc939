"""E[D_T] without approximation, by Spitzer's identity; it uses nothing of the simulator."""

import numpy as np
from numpy.typing import ArrayLike

from energy_route_env.checks import require
from energy_route_env.theory.slot import SlotDistribution
from energy_route_env.units import FloatArray

STEEPEST = 22.0
"""Largest theta times energy. Beyond, rare tasks of huge energy dominate the integrand, and no grid resolves them."""


def exact_expected_auxiliary_energy(slot: SlotDistribution, horizons: ArrayLike) -> FloatArray:
    """Return E[D_T] in joules by Spitzer's identity: the sum over n <= T of E[S_n^+] / n.

    E[S_n^+] = (1 / pi) integral over u > 0 of Re[exp(n K(z)) / z^2], z = theta + i u, for theta > 0; for theta < 0 the
    same integral is E[S_n^-] = E[S_n^+] - n nu. The sign of theta makes the integral the smaller of the two, unless the
    tail of the energies forbids (`STEEPEST`), and theta lies near the saddle point, so that nothing cancels however
    strong the drift. Horizons within a factor of two share a contour. The derivation is in docs/theory.md.

    The quadrature is good to 1e-6 relative for slots like the paper's. It ends at 1e5 times the integrand's width,
    which costs up to 4e-3 at T = 1 for harvests a thousand times the demand.

    Args:
        slot: the distribution of one slot.
        horizons: numbers of slots, whole, 0 or more.

    Returns:
        Joules, in the shape of `horizons`.

    Raises:
        InputError: if a horizon is negative or not whole.
    """
    wanted = np.asarray(horizons)
    whole = np.isfinite(wanted) & (wanted >= 0) & (wanted == np.round(wanted))
    require(bool(whole.all()), "horizons", wanted[~whole].ravel()[:1].tolist(), "whole numbers, 0 or more")
    longest = int(wanted.max(initial=0))
    octaves = [_positive_means(slot, 2**k, min(2 ** (k + 1) - 1, longest)) for k in range(longest.bit_length())]
    return np.cumsum(np.concatenate([[0.0], *octaves]))[wanted.astype(np.int64)]


def _positive_means(slot: SlotDistribution, low: int, high: int) -> FloatArray:
    """Return E[S_n^+] / n for n = low ... high, by refining the quadrature until it stands still."""
    if slot.volatility == 0 or slot.harvest_mean_j == 0 or slot.demand_mean_j == 0:
        return np.full(high - low + 1, max(slot.drift, 0.0))  # S_n has one sign: E[S_n^+] = n max(nu, 0)
    theta = _contour(slot, low, -1.0 if slot.drift > 0 else 1.0)
    if theta * slot.energies_j.max() > STEEPEST:
        theta = _contour(slot, low, -1.0)
    rising = slot.drift if theta < 0 else 0.0
    fine = _contour_integral(slot, theta, low, high, 256)
    for n_nodes in (512, 1024, 2048, 4096, 8192, 16384):
        coarse, fine = fine, _contour_integral(slot, theta, low, high, n_nodes)
        if np.abs(fine - coarse).max() <= 1e-7 * max(np.abs(fine).max(), rising):
            break
    return rising + np.maximum(fine, 0.0)


def _contour(slot: SlotDistribution, n: int, sign: float) -> float:
    """Minimise n K(theta) - 2 log |theta| over real theta of this sign."""
    from scipy import optimize

    scale = slot.harvest_mean_j * slot.harvest_cv**2

    def slope(log_size: float) -> float:  # by log |theta|; it rises from -2
        size = float(np.exp(log_size))
        return n * sign * slot.slope(sign * size) * size - 2

    limit = np.log(1 / scale) - 1e-9 if sign < 0 and scale > 0 else np.inf
    low = min(-np.log(slot.volatility * np.sqrt(n)), limit - 1)
    while slope(low) > 0:
        low -= 1
    high = low
    while high < limit and slope(high) < 0:
        high = min(high + 1, limit)
    return sign * float(np.exp(optimize.brentq(slope, low, high, xtol=1e-3) if slope(high) > 0 else high))


def _contour_integral(slot: SlotDistribution, theta: float, low: int, high: int, n_nodes: int) -> FloatArray:
    """Return (1 / pi n) integral of Re[exp(n K(z)) / z^2] du, by the trapezoidal rule in x, u = width sinh x."""
    width = min(1 / (slot.volatility * np.sqrt(high)), abs(theta))
    x = np.linspace(0.0, np.arcsinh(1e5), n_nodes)
    z = theta + 1j * width * np.sinh(x)
    weights = width * np.cosh(x) * (x[1] - x[0]) / (np.pi * z * z)
    weights[0] /= 2
    log_phi = slot.log_moment(z)
    n = np.arange(low, high + 1)
    within = np.exp(np.outer(np.arange(min(len(n), 256)), log_phi))
    blocks = [(within @ (weights * np.exp(start * log_phi))).real for start in range(low, high + 1, 256)]
    return np.concatenate(blocks)[: len(n)] / n
