"""Name the regime of a measured curve of auxiliary energy: bounded, square root, linear, or one after the other.

The paper (arXiv 2601.00823) has E[D_t] bounded in surplus, proportional to sqrt(t) at criticality and linear in
deficit. A routing error turns the square root linear at about T* = 2 sigma^2 / (pi nu^2). All of these are one curve,
the Brownian E[M_t] of `energy_route_env.theory`. The fit finds its drift nu and volatility sigma by least squares, and
the name follows from where T* lies. docs/regimes.md gives the method and its measured reliability.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from energy_route_env.checks import require, require_array, require_whole
from energy_route_env.theory import SlotDistribution, expected_auxiliary_energy, transition_horizon
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.arrivals import draw_index
from energy_route_env.world.harvest import GammaHarvest
from eval.rollout import rising_slots
from eval.statistics import Estimate

DISCRETENESS = 0.5826
"""-zeta(1/2) / sqrt(2 pi): a sum over slots peaks this many sigma below a Brownian motion (Chernoff 1965)."""
TOLERANCE = 0.1
"""How far, in sigma, the fitted curve may lie from the exact one. No mean is trusted beyond it."""
FIRST_SLOT = 10
"""The first checkpoint. Earlier curves do not look Brownian."""
RISING = "rising whole numbers, 1 or more"
NAMES = ("bounded", "sqrt", "sqrt-then-linear", "linear")


@dataclass(frozen=True)
class RegimeFit:
    """The result of a fit. Each error is the standard error of the field above it, by the delta method."""

    name: str
    """One of `NAMES`, by `name_regime` of the fitted drift and volatility."""
    drift_j: float
    """nu in joules per slot."""
    drift_error_j: float
    volatility_j: float
    """sigma in joules per square root of a slot."""
    volatility_error_j: float
    transition_slots: float
    """T* of the fitted drift and volatility; infinite where the curve is named `sqrt`."""
    transition_log_error: float
    """Standard error of log T*; nan where T* is infinite."""
    slope: float
    """Log-log slope over its window, with the half width of its 95 % interval."""
    slope_half_width: float


def checkpoints(horizon: int, first: int = FIRST_SLOT, per_decade: int = 4) -> IntArray:
    """Return slots evenly spaced on a logarithmic scale from `first` to the horizon, both included.

    Raises:
        InputError: if the horizon is below ten times the first slot.
    """
    require_whole("first", first, 1)
    require_whole("per_decade", per_decade, 1)
    require_whole("horizon", horizon, 10 * first)
    steps = math.ceil(per_decade * math.log10(horizon / first) - 1e-9)
    return np.unique(np.geomspace(first, horizon, steps + 1).round().astype(np.int64))


def draw_curves(distribution: SlotDistribution, slots: ArrayLike, trials: int, rng: np.random.Generator) -> FloatArray:
    """Draw D at the slots in independent episodes, from the environment's distribution but without the environment.

    With an unlimited lossless battery that starts empty, D_T is the largest sum of demand minus harvest over the first
    n <= T slots, at least 0 (docs/regimes.md). The slots of a battery-blind dispatcher are independent.

    The distribution is that of demand minus harvest in one slot. Slots, shape (checkpoints,), must rise from 1 or more.
    Returns joules, shape (trials, checkpoints).
    """
    wanted = rising_slots("slots", slots, RISING)
    require_whole("trials", trials, 1)
    deficits = (_draw_slots(distribution, int(wanted[-1]), rng).cumsum() for _ in range(trials))
    curves = [np.maximum.accumulate(deficit)[wanted - 1] for deficit in deficits]
    return np.maximum(curves, 0.0)


def _draw_slots(slot: SlotDistribution, n_slots: int, rng: np.random.Generator) -> FloatArray:
    """Draw how many tasks have each energy, then the slot of each; return demand minus harvest by slot in joules."""
    tasks = rng.multinomial(rng.poisson(slot.arrival_rate * n_slots), slot.probabilities / slot.probabilities.sum())
    arrival = draw_index(rng, n_slots, tasks.sum())
    demand = np.bincount(arrival, np.repeat(slot.energies_j, tasks), minlength=n_slots)
    return demand - GammaHarvest(slot.harvest_mean_j, slot.harvest_cv).draw(rng, n_slots)


def _checked_curves(slots: ArrayLike, auxiliary_j: ArrayLike) -> tuple[IntArray, FloatArray]:
    """Return the slots and curves as arrays, checked: two or more episodes, D finite and never falling."""
    wanted, curves = rising_slots("slots", slots, RISING), np.asarray(auxiliary_j, float)
    shape = curves.ndim == 2 and len(curves) >= 2 and curves.shape[1] == len(wanted)
    require(shape, "auxiliary_j.shape", curves.shape, f"(episodes, {len(wanted)}) with two or more episodes")
    values = curves.ravel()
    require_array("auxiliary_j", values, np.isfinite(values) & (values >= 0), "finite and at least 0")
    fall = float(np.diff(curves, axis=1).min(initial=0.0))
    require(fall >= -1e-9 * curves.max(), "steepest fall of auxiliary_j", fall, "0: auxiliary energy adds up")
    require(curves.mean(axis=0)[0] > 0, "mean of auxiliary_j", 0.0, "above 0 from the first checkpoint on")
    return wanted, curves


def log_slope(slots: ArrayLike, auxiliary_j: ArrayLike, low: float, high: float) -> Estimate:
    """Fit the slope of log E[D_t] on log t over the slots in [low, high], by least squares with equal weights.

    The points of a curve are strongly dependent, so the regression's own error does not hold. The slope is a weighted
    sum of log means. By the delta method its error is that of the same sum over episodes (Student's t).

    Raises:
        InputError: if the arrays are not as `fit_regime` takes them, or fewer than two slots lie in the window.
    """
    wanted, curves = _checked_curves(slots, auxiliary_j)
    inside = (wanted >= low) & (wanted <= high)
    require(int(inside.sum()) >= 2, "[low, high]", [low, high], f"a window of two or more of {wanted.tolist()}")
    x = np.log(wanted[inside])
    weights = (x - x.mean()) / np.square(x - x.mean()).sum()
    mean = curves[:, inside].mean(axis=0)
    spread = Estimate.of(curves[:, inside] / mean @ weights)
    return Estimate(float(weights @ np.log(mean)), spread.standard_error, spread.half_width)


def mean_curve(drift: ArrayLike, volatility: ArrayLike, slots: ArrayLike) -> FloatArray:
    """Return E[D_t] in joules as it is fitted: the Brownian E[M_t] less `DISCRETENESS` sigma. Arguments broadcast."""
    return expected_auxiliary_energy(drift, volatility, slots) - DISCRETENESS * np.asarray(volatility, float)


def name_regime(drift: float, volatility: float, last_slot: int) -> str:
    """Name the regime of a drift and a volatility, observed up to `last_slot`.

    `sqrt` where T* is not reached. Else `bounded` in surplus. In deficit `sqrt-then-linear` where T* lies in the last
    decade observed, and `linear` where it lies before that.
    """
    transition = float(transition_horizon(drift, volatility))
    if transition >= last_slot:
        return "sqrt"
    if drift < 0:
        return "bounded"
    return "linear" if transition <= last_slot / 10 else "sqrt-then-linear"


def fit_mean(slots: IntArray, mean_j: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Find drift and volatility whose `mean_curve` lies nearest, by weighted least squares.

    The curve is sigma times a function of a = nu sqrt(T) / sigma, with T the last slot. The best sigma at a given a is
    linear regression, so only a is searched: from a drift of -sigma / 2 to 100 sigma. The weights multiply residuals
    and are in 1/J; all arrays have the shape (checkpoints,).
    """
    root, measured = math.sqrt(slots[-1]), weights * mean_j

    def best(s: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the squared residuals and sigma at a = sinh(s)."""
        shape = weights * mean_curve(np.sinh(s)[..., None] / root, 1.0, slots)
        sigma = shape @ measured / np.square(shape).sum(axis=-1)
        return np.square(measured - sigma[..., None] * shape).sum(axis=-1), sigma

    grid = np.linspace(-math.asinh(root / 2), math.asinh(100 * root), 60)
    i = int(np.argmin(best(grid)[0]))
    around = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
    s = optimize.fminbound(lambda s: float(best(s)[0]), *around, xtol=1e-7)
    sigma = float(best(s)[1])
    return math.sinh(s) * sigma / root, sigma


def fit_weights(slots: IntArray, curves: FloatArray) -> FloatArray:
    """Return 1 / the error of each mean, in 1/J: its standard error and `TOLERANCE` sigma, added in squares.

    This sigma is that of a square root through the first mean.
    """
    sigma = curves[:, 0].mean() / mean_curve(0.0, 1.0, slots[0])
    return np.asarray(1 / np.sqrt(curves.var(axis=0, ddof=1) / len(curves) + (TOLERANCE * sigma) ** 2))


def fit_regime(slots: ArrayLike, auxiliary_j: ArrayLike, slope_from: float | None = None) -> RegimeFit:
    """Fit drift and volatility to measured curves, and name the regime that they show.

    Args:
        slots: rising numbers of slots, shape (checkpoints,): four or more over a decade or more, none below
            `FIRST_SLOT`.
        auxiliary_j: D in joules, shape (episodes, checkpoints), two or more episodes (thirty or more for good errors).
        slope_from: first slot of the slope's window; by default the window is the last decade.

    Raises:
        InputError: if the arrays are not such, D falls anywhere, or the first mean is 0.
    """
    wanted, curves = _checked_curves(slots, auxiliary_j)
    enough = len(wanted) >= 4 and wanted[-1] >= 10 * wanted[0]
    require(enough, "slots", wanted.tolist(), "four or more, over a decade or more")
    weights = fit_weights(wanted, curves)
    nu, sigma = fit_mean(wanted, curves.mean(axis=0), weights)
    effects = curves @ _sensitivity(wanted, weights, nu, sigma).T
    errors = [Estimate.of(effect).standard_error for effect in effects.T]
    name, transition = name_regime(nu, sigma, int(wanted[-1])), (math.inf, math.nan)
    if name != "sqrt":
        by_log = np.array([-2 / nu, 2 / sigma])  # log T* = log(2 / pi) + 2 log sigma - 2 log |nu|
        transition = (float(transition_horizon(nu, sigma)), Estimate.of(effects @ by_log).standard_error)
    slope = log_slope(wanted, curves, wanted[-1] / 10 if slope_from is None else slope_from, wanted[-1])
    return RegimeFit(name, nu, errors[0], sigma, errors[1], *transition, slope.mean, slope.half_width)


def _sensitivity(slots: IntArray, weights: FloatArray, nu: float, sigma: float) -> FloatArray:
    """Return derivatives of the fitted (nu, sigma) by the mean curve, shape (2, checkpoints)."""
    step = 1e-4 * sigma * np.array([1 / math.sqrt(slots[-1]), 1.0])
    points = np.array([nu, sigma]) + np.stack([np.diag(step), -np.diag(step)])
    curves = mean_curve(points[..., :1], points[..., 1:], slots)
    jacobian = (curves[0] - curves[1]) / (2 * step[:, None])
    return np.asarray(np.linalg.pinv((weights * jacobian).T) * weights)
