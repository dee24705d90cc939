"""What theory predicts for the auxiliary energy D_T, beside the simulator and independent of it.

Per slot, demand minus harvest has mean nu (`drift`) and standard deviation sigma (`volatility`), in joules. With
an unlimited lossless battery that starts empty, D_T is the running maximum of the sums S_n of that difference, at
least 0. The Brownian formulas are the paper's Theorem 2 (arXiv 2601.00823); the exact ones use Spitzer's identity.
All functions take arrays that broadcast against each other. A horizon is a number of slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

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
    """Brownian approximation of E[D_T] in joules (the paper's Theorem 2; at drift 0 its eq. 28).

    Example:
        >>> float(expected_auxiliary_energy(0.0, 696.89, 1000).round(1))
        17583.5
    """
    return value_function(0.0, horizon, drift, volatility)


def value_function(battery: ArrayLike, slots: ArrayLike, drift: ArrayLike, volatility: ArrayLike) -> FloatArray:
    """V(b, n) = E[(M_n - b)^+], the auxiliary energy still to come with battery b and n slots left, in joules.

    M_n is the maximum of a Brownian motion up to n. Below b = 0 it goes on with slope -1: what is missing already.

    Args:
        battery: energy at hand in joules.
        slots: slots left.
        drift: nu in joules per slot.
        volatility: sigma in joules per square root of a slot.
    """
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


def auxiliary_energy_cdf(x: ArrayLike, drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Brownian approximation of P(D_T <= x), x in joules (Theorem 2)."""
    nu, sigma, n, x = _arrays(drift, volatility, horizon, x)
    r = sigma * np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        reflected = np.exp(2 * nu * x / sigma**2 + special.log_ndtr((-x - nu * n) / r))
        moving = np.clip(special.ndtr((x - nu * n) / r) - reflected, 0.0, 1.0)
    still = (x >= np.maximum(nu * n, 0.0)).astype(float)
    return np.asarray(np.where(x < 0, 0.0, np.where(r > 0, moving, still)))


def auxiliary_energy_quantile(q: ArrayLike, drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """The x in joules with P(D_T <= x) = q under the Brownian approximation, q in [0, 1).

    Raises:
        ValueError: if q lies outside [0, 1).
    """
    nu, sigma, n, q = _arrays(drift, volatility, horizon, q)
    require(bool(((q >= 0) & (q < 1)).all()), "q", q[~((q >= 0) & (q < 1))].ravel()[:1].tolist(), "in [0, 1)")
    low = np.zeros(q.shape)
    # P(M > x) <= 2 P(N > (x - max(nu, 0) n) / r): beyond this the tail is below 1 - q.
    high = np.maximum(nu, 0) * n + sigma * np.sqrt(n) * np.maximum(-special.ndtri((1 - q) / 2), 0)
    for _ in range(200):
        middle = (low + high) / 2
        enough = auxiliary_energy_cdf(middle, nu, sigma, n) >= q
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.where(sigma * n > 0, high, np.maximum(nu * n, 0.0)))


def auxiliary_energy_std(drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> FloatArray:
    """Brownian approximation of the standard deviation of D_T in joules; sigma sqrt(T (1 - 2 / pi)) at drift 0.

    From E[M^2] = 2 integral of x P(M > x), by Gauss-Legendre over the range that holds all but 1e-16 of the law.
    """
    nu, sigma, n = _arrays(drift, volatility, horizon)
    reach = 9 * sigma * np.sqrt(n)
    decay = 40 * sigma**2 / np.maximum(-2 * nu, 1e-300)  # in surplus the law is about exponential
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
    """T* = 2 sigma^2 / (pi nu^2), the slots after which a drift outweighs the square root; infinite at drift 0."""
    nu, sigma, _ = _arrays(drift, volatility, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(nu == 0, np.inf, 2 * sigma**2 / (np.pi * nu**2)))


def regime(drift: ArrayLike, tolerance: float = 0.0) -> NDArray[np.str_]:
    """The regime's name: "deficit" (linear), "critical" (square root, |drift| <= tolerance) or "surplus" (bounded)."""
    require_real("tolerance", tolerance, 0.0)
    nu = _arrays(drift, 0.0, 0.0)[0]
    return np.asarray(np.where(np.abs(nu) <= tolerance, "critical", np.where(nu > 0, "deficit", "surplus")))


@dataclass(frozen=True, eq=False)
class SlotLaw:
    """The law of one slot's demand minus harvest: a compound Poisson sum minus an independent Gamma variable.

    Args:
        arrival_rate: mean tasks per slot.
        energies_j: energies that a task can need, in joules, shape (k,).
        probabilities: their probabilities, shape (k,).
        harvest_mean_j: mean harvest of a slot in joules.
        harvest_cv: the harvest's coefficient of variation; 0 makes it constant.

    Raises:
        ValueError: naming the field, the value and what is allowed.
    """

    arrival_rate: float
    energies_j: FloatArray
    probabilities: FloatArray
    harvest_mean_j: float
    harvest_cv: float

    def __post_init__(self) -> None:
        """Check the fields; array-likes become arrays."""
        for name in ("arrival_rate", "harvest_mean_j", "harvest_cv"):
            require_real(name, getattr(self, name), 0.0)
        for name in ("energies_j", "probabilities"):
            values = np.atleast_1d(np.asarray(getattr(self, name), float))
            object.__setattr__(self, name, values)
            ok = values.ndim == 1 and np.isfinite(values).all() and (values >= 0).all() and len(values) > 0
            require(bool(ok), name, values, "a list of finite numbers, at least 0")
        shapes = self.energies_j.shape == self.probabilities.shape
        require(shapes, "probabilities.shape", self.probabilities.shape, f"that of energies_j, {self.energies_j.shape}")
        total = float(self.probabilities.sum())
        require(abs(total - 1) < 1e-9, "sum(probabilities)", total, "1")

    @property
    def drift(self) -> float:
        """Drift nu = lambda E e - E H in joules per slot."""
        return float(self.arrival_rate * self.energies_j @ self.probabilities - self.harvest_mean_j)

    @property
    def volatility(self) -> float:
        """Volatility sigma = sqrt(lambda E e^2 + Var H) in joules per square root of a slot."""
        harvest_std = self.harvest_mean_j * self.harvest_cv
        return float(np.sqrt(self.arrival_rate * self.energies_j**2 @ self.probabilities + harvest_std**2))

    def characteristic_function(self, u: ArrayLike) -> NDArray[np.complex128]:
        """phi(u) = E exp(i u X) of one slot's demand minus harvest X, u in 1/J."""
        return np.asarray(np.exp(self.log_moment(1j * np.asarray(u, float))))

    def log_moment(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """K(z) = log E exp(z X) for complex z with Re z > -1 / (scale of the harvest)."""
        demand = np.zeros(z.shape, complex)
        for energy, probability in zip(self.energies_j, self.probabilities, strict=True):
            demand += probability * _expm1(energy * z)
        return np.asarray(self.arrival_rate * demand - self._log_harvest(z))

    def _log_harvest(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """-log E exp(-z H)."""
        scale = self.harvest_mean_j * self.harvest_cv**2
        return np.asarray(self.harvest_mean_j * z if scale == 0 else _log1p(scale * z) * self.harvest_cv**-2, complex)

    def slope(self, theta: float) -> float:
        """K'(theta) for real theta: the mean of X under its law tilted by exp(theta X)."""
        tilted = np.exp(np.minimum(self.energies_j * theta, 700.0))
        harvest = self.harvest_mean_j / (1 + self.harvest_mean_j * self.harvest_cv**2 * theta)
        return float(self.arrival_rate * (self.probabilities * self.energies_j) @ tilted - harvest)


def gather_energies(energies_j: FloatArray, weights: FloatArray, n_bins: int = 48) -> tuple[FloatArray, FloatArray]:
    """Replace many energies by two per bin (its mean minus and plus one standard deviation), if there are many.

    Mean and variance stay; expectations of D_T change by less than 1e-5.
    """
    if len(energies_j) <= 2 * n_bins:
        return energies_j, weights
    bins = np.searchsorted(np.geomspace(energies_j.min(), energies_j.max(), n_bins + 1)[1:-1], energies_j)
    mass, first, second = (np.bincount(bins, weights * energies_j**power, n_bins) for power in range(3))
    used = mass > 0
    mean = first[used] / mass[used]
    std = np.sqrt(np.maximum(second[used] / mass[used] - mean**2, 0.0))
    return np.concatenate([mean - std, mean + std]), np.tile(mass[used] / 2, 2)


def _expm1(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """exp(z) - 1 without cancellation near 0, for complex z."""
    half = np.sin(z.imag / 2)
    real = np.expm1(z.real) * np.cos(z.imag) - 2 * half * half
    return real + 1j * np.exp(z.real) * np.sin(z.imag)


def _log1p(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """log(1 + z) without cancellation near 0, for complex z with Re z > -1 (numpy's own loses the real part there)."""
    x, y = z.real, z.imag
    return 0.5 * np.log1p(2 * x + x * x + y * y) + 1j * np.arctan2(y, 1 + x)


def exact_expected_auxiliary_energy(slot_law: SlotLaw, horizons: ArrayLike) -> FloatArray:
    """E[D_T] in joules without approximation, by Spitzer's identity: the sum over n <= T of E[S_n^+] / n.

    E[S_n^+] = (1 / pi) integral over u > 0 of Re[exp(n K(z)) / z^2], z = theta + i u, for theta > 0; for theta < 0 the
    same integral is E[S_n^-] = E[S_n^+] - n nu. The sign is chosen so that the integral is the smaller of the two,
    and theta near the saddle point, so that nothing cancels however strong the drift is. (At theta -> 0 this is the
    formula with the characteristic function alone.) Horizons share the contour within a factor of two.

    The quadrature is good to 1e-6 relative for laws like the paper's; it ends at 1e5 times the integrand's width, which
    costs up to 4e-3 at T = 1 for harvests a thousand times the demand.

    Args:
        slot_law: the law of one slot.
        horizons: numbers of slots, whole, 0 or more.

    Returns:
        Joules, in the shape of `horizons`.

    Raises:
        ValueError: if a horizon is negative or not whole.
    """
    wanted = np.asarray(horizons)
    whole = np.isfinite(wanted) & (wanted >= 0) & (wanted == np.round(wanted))
    require(bool(whole.all()), "horizons", wanted[~whole].ravel()[:1].tolist(), "whole numbers, 0 or more")
    longest = int(wanted.max(initial=0))
    means = np.zeros(longest + 1)
    low = 1
    while low <= longest:
        high = min(2 * low - 1, longest)
        means[low : high + 1] = _positive_means(slot_law, low, high)
        low = high + 1
    return np.cumsum(means)[wanted.astype(np.int64)]


def _positive_means(law: SlotLaw, low: int, high: int) -> FloatArray:
    """E[S_n^+] / n for n = low ... high, by refining the quadrature until it stands still."""
    rising = max(law.drift, 0.0)
    if law.volatility == 0 or law.harvest_mean_j == 0 or law.drift + law.harvest_mean_j == 0:
        return np.full(high - low + 1, rising)  # S_n has one sign: E[S_n^+] = n max(nu, 0)
    theta = _contour(law, low)
    coarse = _contour_integral(law, theta, low, high, 256)
    for n_nodes in (512, 1024, 2048, 4096, 8192, 16384):
        fine = _contour_integral(law, theta, low, high, n_nodes)
        settled = np.abs(fine - coarse).max() <= 1e-7 * max(np.abs(fine).max(), rising)
        coarse = fine
        if settled:
            break
    return rising + np.maximum(coarse, 0.0)


def _contour(law: SlotLaw, n: int) -> float:
    """The real theta of the drift's opposite sign that minimises n K(theta) - 2 log |theta|."""
    sign = -1.0 if law.drift > 0 else 1.0
    scale = law.harvest_mean_j * law.harvest_cv**2

    def slope(log_size: float) -> float:
        """The derivative by log |theta|; it rises from -2."""
        size = float(np.exp(log_size))
        return n * sign * law.slope(sign * size) * size - 2

    limit = np.log(1 / scale) - 1e-9 if sign < 0 and scale > 0 else np.inf
    low = min(-np.log(law.volatility * np.sqrt(n)), limit - 1)
    while slope(low) > 0:
        low -= 1
    high = low
    while high < limit and slope(high) < 0:
        high = min(high + 1, limit)
    return sign * float(np.exp(optimize.brentq(slope, low, high, xtol=1e-3) if slope(high) > 0 else high))


def _contour_integral(law: SlotLaw, theta: float, low: int, high: int, n_nodes: int) -> FloatArray:
    """(1 / pi n) integral of Re[exp(n K(z)) / z^2] du, by the trapezoidal rule in x, u = width sinh x."""
    width = min(1 / (law.volatility * np.sqrt(high)), abs(theta))
    x = np.linspace(0.0, np.arcsinh(1e5), n_nodes)
    z = theta + 1j * width * np.sinh(x)
    weights = width * np.cosh(x) * (x[1] - x[0]) / (np.pi * z * z)
    weights[0] /= 2
    log_phi = law.log_moment(z)
    n = np.arange(low, high + 1)
    within = np.exp(np.outer(np.arange(min(len(n), 256)), log_phi))
    blocks = [(within @ (weights * np.exp(start * log_phi))).real for start in range(low, high + 1, 256)]
    return np.concatenate(blocks)[: len(n)] / n
