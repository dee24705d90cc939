"""Which regime a measured curve of auxiliary energy shows: bounded, square root, linear, or one after the other.

The paper (arXiv 2601.00823) has E[D_t] bounded in surplus, proportional to sqrt(t) at criticality and linear in
deficit, and a routing error turn the square root linear at about T* = 2 sigma^2 / (pi nu^2). All of these are one
curve, the Brownian E[M_t] of `energy_route_env.theory`, told apart by a = nu sqrt(T) / sigma at the last slot T
observed. The fit compares ranges of a by BIC; docs/regimes.md derives it. Everything here is a function of
arrays; `eval.regimes` is the command.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize, special

from energy_route_env.checks import require, require_array, require_real, require_whole
from energy_route_env.theory import (
    SlotLaw,
    expected_auxiliary_energy,
    transition_horizon,
)
from energy_route_env.theory import value_function as expected_excess
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.harvest import GammaHarvest
from eval.statistics import Estimate

DISCRETENESS = 0.5826
"""-zeta(1/2) / sqrt(2 pi): a sum over slots peaks this many sigma below a Brownian motion (Chernoff 1965)."""
TOLERANCE = 0.1
"""How well, in sigma, the curve that is fitted stands for one of slots: never trusted beyond it."""
FIRST_SLOT = 10
"""The first checkpoint: before it, slots are too few to look Brownian."""
AT_TRANSITION = math.sqrt(2 / math.pi)
"""|a| = |nu| sqrt(T) / sigma of a curve observed up to T = T*."""
NAMES = ("bounded", "sqrt", "sqrt-then-linear", "linear")


@dataclass(frozen=True)
class RegimeFit:
    """What a curve's fit found. Standard errors are those of the Brownian law at the estimate."""

    name: str
    """The candidate of least BIC, one of `NAMES`."""
    bic: dict[str, float]
    """BIC of every candidate."""
    drift_j: float
    """nu in joules per slot, fitted freely, whatever the name."""
    drift_error_j: float
    """Its standard error."""
    volatility_j: float
    """sigma in joules per square root of a slot, fitted together with the drift."""
    volatility_error_j: float
    """Its standard error."""
    transition_slots: float
    """T* of the fitted drift and volatility; infinite where the curve is named `sqrt`."""
    transition_log_error: float
    """Standard error of log T*; nan where it is infinite."""
    slope: float
    """Log-log slope over its window."""
    slope_half_width: float
    """Half width of its 95 % interval."""


# Curves


def checkpoints(horizon: int, first: int = FIRST_SLOT, per_decade: int = 4) -> IntArray:
    """Slots evenly spaced on a logarithmic scale from `first` to the horizon, both included.

    Raises:
        ValueError: if the horizon is below ten times the first slot.
    """
    require_whole("first", first, 1)
    require_whole("per_decade", per_decade, 1)
    require_whole("horizon", horizon, 10 * first)
    steps = math.ceil(per_decade * math.log10(horizon / first) - 1e-9)
    return np.unique(np.geomspace(first, horizon, steps + 1).round().astype(np.int64))


def draw_curves(slot_law: SlotLaw, slots: ArrayLike, trials: int, rng: np.random.Generator) -> FloatArray:
    """D at the slots in independent episodes, drawn without the environment but from the same law, exactly.

    With an unlimited lossless battery that starts empty, D_T is the largest sum of demand minus harvest over the first
    n <= T slots, at least 0 (docs/regimes.md), and a battery-blind dispatcher's slots are independent draws from its
    law: a Poisson number of tasks, each of an independent energy, minus a Gamma harvest.

    Args:
        slot_law: the law of one slot.
        slots: rising numbers of slots, 1 or more, shape (checkpoints,).
        trials: episodes.
        rng: the generator.

    Returns:
        Joules, shape (trials, checkpoints).

    Raises:
        ValueError: if the slots do not rise from 1 or more, or there is no trial.
    """
    wanted = _checked_slots(slots)
    require_whole("trials", trials, 1)
    curves = np.empty((trials, len(wanted)))
    for curve in curves:
        deficit = _draw_slots(slot_law, int(wanted[-1]), rng).cumsum()
        curve[:] = np.maximum.accumulate(deficit)[wanted - 1]
    return np.maximum(curves, 0.0)


def _draw_slots(law: SlotLaw, n_slots: int, rng: np.random.Generator) -> FloatArray:
    """Demand minus harvest of `n_slots` slots in joules: how many tasks there are of each energy, then their slots."""
    tasks = rng.multinomial(rng.poisson(law.arrival_rate * n_slots), law.probabilities / law.probabilities.sum())
    slot = (rng.random(tasks.sum()) * n_slots).astype(np.int64)
    demand = np.bincount(slot, np.repeat(law.energies_j, tasks), minlength=n_slots)
    return demand - GammaHarvest(law.harvest_mean_j, law.harvest_cv).draw(rng, n_slots)


def _checked_slots(slots: ArrayLike) -> IntArray:
    wanted = np.asarray(slots)
    ok = wanted.ndim == 1 and len(wanted) > 0 and wanted.dtype.kind in "iu" and wanted[0] >= 1
    require(bool(ok and (np.diff(wanted) > 0).all()), "slots", wanted.tolist(), "rising whole numbers, 1 or more")
    return wanted.astype(np.int64)


def _checked_curves(slots: ArrayLike, auxiliary_j: ArrayLike) -> tuple[IntArray, FloatArray]:
    """The arguments of a fit as arrays: two or more episodes by checkpoints, D finite and never falling."""
    wanted, curves = _checked_slots(slots), np.asarray(auxiliary_j, float)
    shape = curves.ndim == 2 and len(curves) >= 2 and curves.shape[1] == len(wanted)
    require(shape, "auxiliary_j.shape", curves.shape, f"(episodes, {len(wanted)}) with two or more episodes")
    values = curves.ravel()
    require_array("auxiliary_j", values, np.isfinite(values) & (values >= 0), "finite and at least 0")
    fall = float(np.diff(curves, axis=1).min(initial=0.0))
    require(fall >= -1e-9 * curves.max(), "steepest fall of auxiliary_j", fall, "0: what was drawn stays drawn")
    require(curves.mean(axis=0)[0] > 0, "mean of auxiliary_j", 0.0, "above 0 from the first checkpoint on")
    return wanted, curves


# Slope


def log_slope(slots: ArrayLike, auxiliary_j: ArrayLike, low: float, high: float) -> Estimate:
    """Slope of log E[D_t] on log t over the slots in [low, high], by least squares with equal weights.

    The curve's points depend on each other strongly, so the error is not that of the regression: the slope is a sum of
    weights times log means, and by the delta method its error is that of the episodes' own sums (Student's t).

    Args:
        slots: rising numbers of slots, shape (checkpoints,).
        auxiliary_j: D in joules, shape (episodes, checkpoints), two or more episodes.
        low: least slot of the window.
        high: greatest slot of the window.

    Raises:
        ValueError: if the arrays are not such, or fewer than two slots lie in the window.
    """
    wanted, curves = _checked_curves(slots, auxiliary_j)
    inside = (wanted >= low) & (wanted <= high)
    require(int(inside.sum()) >= 2, "[low, high]", [low, high], f"a window of two or more of {wanted.tolist()}")
    x = np.log(wanted[inside])
    weights = (x - x.mean()) / np.square(x - x.mean()).sum()
    mean = curves[:, inside].mean(axis=0)
    spread = Estimate.of(curves[:, inside] / mean @ weights)
    return Estimate(float(weights @ np.log(mean)), spread.standard_error, spread.half_width)


# Theory of the curve


def mean_curve(drift: ArrayLike, volatility: ArrayLike, slots: ArrayLike) -> FloatArray:
    """E[D_t] in joules as it is fitted: the Brownian E[M_t] less `DISCRETENESS` sigma.

    Arguments broadcast: nu in joules per slot, sigma in joules per square root of a slot, numbers of slots.
    """
    return expected_auxiliary_energy(drift, volatility, slots) - DISCRETENESS * np.asarray(volatility, float)


def maximum_covariance(drift: float, volatility: float, slots: ArrayLike, n_nodes: int = 64) -> FloatArray:
    """Cov(M_s, M_t) of a Brownian motion's running maximum in J^2, shape (slots, slots).

    With Y = M_s - B_s, what the maximum gains from s to t has mean V(Y, t - s), the value function, so that
    E[M_s (M_t - M_s)] = integral of g(y) V(y, t - s) over y > 0 with g(y) = E[M_s; Y in dy] / dy in closed form.

    Args:
        drift: nu in joules per slot.
        volatility: sigma in joules per square root of a slot, above 0.
        slots: rising numbers of slots, shape (slots,).
        n_nodes: Gauss-Legendre nodes of the integral over y.

    Raises:
        ValueError: if the volatility is not above 0, or the slots do not rise from 1 or more.
    """
    require_real("drift", drift)
    require_real("volatility", volatility, 0.0, above=True)
    t = _checked_slots(slots).astype(float)
    nu = drift / volatility
    mean = expected_auxiliary_energy(nu, 1.0, t)
    first, last = np.triu_indices(len(t), 1)
    gain = _maximum_times_gain(nu, t[first], t[last] - t[first], n_nodes) - mean[first] * (mean[last] - mean[first])
    variance = _mean_square(nu, t) - mean**2
    covariance = np.diag(variance)
    covariance[first, last] = covariance[last, first] = variance[first] + gain
    return volatility**2 * covariance


def _mean_square(nu: float, t: FloatArray) -> FloatArray:
    """E[M_t^2] at sigma = 1: the integral of 2 x P(M_t > x), by parts; t itself at drift 0."""
    still = np.abs(nu) * np.sqrt(t) < 1e-4  # there the terms in 1 / a cancel; the value changes by 2e-4 at most
    a = np.where(still, 1.0, nu * np.sqrt(t))
    above, density = special.ndtr(a), np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
    moving = (a * a + 2) * above + (a + 1 / a) * density + (1 - 2 * above) / (2 * a * a)
    return np.asarray(t * np.where(still, 1.0, moving))


@cache
def _gauss_legendre(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(n_nodes)


def _maximum_times_gain(nu: float, before: FloatArray, between: FloatArray, n_nodes: int) -> FloatArray:
    """E[M_s (M_t - M_s)] at sigma = 1, s slots `before` and t - s `between`, each of shape (pairs,)."""
    reach = np.minimum(max(-nu, 0) * before + 9 * np.sqrt(before), max(nu, 0) * between + 9 * np.sqrt(between))
    reach = np.minimum(reach, 20 / max(abs(nu), 1e-300))  # in a deficit Y, in a surplus V is about exponential
    nodes, weights = _gauss_legendre(n_nodes)
    y = reach[:, None] * (nodes + 1) / 2
    s = before[:, None]
    z = (y - nu * s) / np.sqrt(s)
    tail = (1 + nu * (nu * s - y)) * np.exp(special.log_ndtr(-z) - 2 * nu * y)
    density = nu * np.sqrt(s / (2 * np.pi)) * np.exp(-z * z / 2 - 2 * nu * y)
    gain = expected_excess(y, between[:, None], nu, 1.0)
    return np.asarray((2 * (tail + density) * gain) @ weights * reach / 2)


# Fit


@dataclass(frozen=True, eq=False)
class _Profile:
    """The likelihood of a mean curve given a = nu sqrt(T) / sigma, at the sigma that is best for this a.

    The mean of many curves is about normal: with everything in units of sigma, mean ~ Normal(sigma m_a, sigma^2 C_a),
    C_a the Brownian covariance over the number of curves plus TOLERANCE^2 at every checkpoint.
    """

    slots: IntArray
    mean_j: FloatArray
    episodes: int

    @cached_property
    def root(self) -> float:
        """sqrt(T), T the last slot."""
        return math.sqrt(self.slots[-1])

    def covariance(self, a: float) -> FloatArray:
        """C_a, shape (slots, slots)."""
        return maximum_covariance(a / self.root, 1.0, self.slots) / self.episodes + TOLERANCE**2 * np.eye(
            len(self.slots)
        )

    def at(self, a: float) -> tuple[float, float]:
        """-2 log likelihood, and the best sigma: the positive root of n sigma^2 + q sigma = p (n checkpoints)."""
        factor = linalg.cholesky(self.covariance(a), lower=True)
        expected = mean_curve(a / self.root, 1.0, self.slots)
        measured, expected = linalg.solve_triangular(factor, np.column_stack([self.mean_j, expected]), lower=True).T
        n, p, q = len(self.slots), measured @ measured, measured @ expected
        sigma = float((-q + math.sqrt(q * q + 4 * n * p)) / (2 * n))
        residual = measured / sigma - expected
        log_det = 2 * np.log(np.diag(factor)).sum() + 2 * n * math.log(sigma)
        return float(residual @ residual + log_det + n * math.log(2 * math.pi)), sigma

    def best(self, grid: FloatArray) -> tuple[float, float]:
        """The least -2 log likelihood over the grid's range, and the a where it lies."""
        values = [self.at(a)[0] for a in grid]
        i = int(np.argmin(values))
        if len(grid) == 1:
            return values[i], float(grid[i])
        low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
        found = optimize.minimize_scalar(
            lambda a: self.at(a)[0],
            bounds=(min(low, high), max(low, high)),
            method="bounded",
            options={"xatol": 1e-3 * abs(high - low)},
        )
        return min((values[i], float(grid[i])), (float(found.fun), float(found.x)))

    def errors(self, a: float, sigma: float) -> FloatArray:
        """Covariance matrix of the estimated (nu, sigma), by generalised least squares, shape (2, 2)."""
        nu, step = a * sigma / self.root, 1e-4 * sigma * np.array([1 / self.root, 1.0])
        points = np.array([nu, sigma]) + np.stack([np.diag(step), -np.diag(step)])
        curves = mean_curve(points[..., :1], points[..., 1:], self.slots)
        jacobian = (curves[0] - curves[1]) / (2 * step[:, None])
        precision = linalg.solve(sigma**2 * self.covariance(a), jacobian.T, assume_a="pos")
        return np.asarray(linalg.inv(jacobian @ precision))


def _grids(last_slot: int) -> dict[str, FloatArray]:
    """Where each candidate's a is sought: drifts from -sigma / 2 to 100 sigma, and "" for what no candidate claims."""
    root, edge, late = math.sqrt(last_slot), AT_TRANSITION, math.sqrt(10) * AT_TRANSITION
    return {
        "bounded": -np.geomspace(edge, root / 2, 10),
        "sqrt": np.zeros(1),
        "sqrt-then-linear": np.geomspace(edge, late, 4),
        "linear": np.geomspace(late, 100 * root, 16),
        "": np.linspace(-edge, edge, 5),
    }


def name_regime(drift: float, volatility: float, last_slot: int) -> str:
    """The name that the truth deserves, for a law observed up to `last_slot`.

    `sqrt` up to T*; beyond it `bounded` in surplus, and in deficit `sqrt-then-linear` while T* lies in the last decade
    observed, `linear` once that whole decade lies beyond T*.
    """
    transition = float(transition_horizon(drift, volatility))
    if transition >= last_slot:
        return "sqrt"
    if drift < 0:
        return "bounded"
    return "linear" if transition <= last_slot / 10 else "sqrt-then-linear"


def fit_regime(slots: ArrayLike, auxiliary_j: ArrayLike, slope_from: float | None = None) -> RegimeFit:
    """Name the regime of measured curves by BIC, and estimate drift, volatility, transition and slope.

    Candidates are the Brownian curve with nu = 0 (`sqrt`, one parameter) and, with nu and sigma free (two), T* inside
    the range that `name_regime` gives to each other name. BIC counts episodes: they are what is independent.

    Args:
        slots: rising numbers of slots, shape (checkpoints,): four or more over a decade or more, from `FIRST_SLOT` on
            or later.
        auxiliary_j: D in joules, shape (episodes, checkpoints), two or more episodes (some thirty for the normal law).
        slope_from: first slot of the slope's window; by default the window is the last decade.

    Raises:
        ValueError: if the arrays are not such, D falls anywhere, or no episode has drawn anything at the first slot.
    """
    wanted, curves = _checked_curves(slots, auxiliary_j)
    enough = len(wanted) >= 4 and wanted[-1] >= 10 * wanted[0]
    require(enough, "slots", wanted.tolist(), "four or more, over a decade or more")
    profile = _Profile(wanted, curves.mean(axis=0), len(curves))
    fits = {name: profile.best(grid) for name, grid in _grids(int(wanted[-1])).items()}
    penalty = math.log(len(curves))
    bic = {name: fits[name][0] + (1 if name == "sqrt" else 2) * penalty for name in NAMES}
    name = min(bic, key=bic.__getitem__)
    a = min(fits.values())[1]
    slope = log_slope(wanted, curves, wanted[-1] / 10 if slope_from is None else slope_from, wanted[-1])
    return RegimeFit(name, bic, *_parameters(profile, a, name), slope.mean, slope.half_width)


def _parameters(profile: _Profile, a: float, name: str) -> tuple[float, ...]:
    """Drift, volatility and T*, each with its error, in the order of `RegimeFit`."""
    sigma = profile.at(a)[1]
    nu, errors = a * sigma / profile.root, profile.errors(a, sigma)
    known = (nu, math.sqrt(errors[0, 0]), sigma, math.sqrt(errors[1, 1]))
    if name == "sqrt":
        return *known, math.inf, math.nan
    by_log = np.array([-2 / nu, 2 / sigma])  # log T* = log(2 / pi) + 2 log sigma - 2 log nu
    return *known, float(transition_horizon(nu, sigma)), math.sqrt(by_log @ errors @ by_log)
