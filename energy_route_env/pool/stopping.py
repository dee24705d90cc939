"""How much a model spends that stops once it has succeeded, beside its mean.

The attempts K until m skills have succeeded are negative binomial, with mean m/p and variance m (1-p)/p^2. The tokens
of an attempt vary too, from task to task: they are a mean times G, a Gamma variable of mean 1 and of the coefficient of
variation d, the *dispersion*. G is independent of K. So tokens are their mean times

    X = (K p / m) G,   E X = 1,   E X^2 = (1 + (1-p)/m) (1 + d^2)

All functions are of X. At d = 0 its coefficient of variation is at most 1/sqrt(m), 0.14 for the published m = 50.
"""

import numpy as np
from numpy.typing import NDArray

from energy_route_env.checks import require
from energy_route_env.units import FloatArray, IntArray

NODES = 8
"""Nodes of the law of X: moments up to the 15th are exact, and with them mean and mean square of an energy.

With a harvest of cv 0.5 the exact E[D_T] of `paper` changes by less than 2e-6 from 8 nodes to 24 at d = 0.3, by less
than 4e-4 at d = 1; with a harvest that does not vary by less than 4e-4 and 9e-4.
"""
MOST_DISPERSION = 1.0
"""Largest d: beyond, the tail is too heavy for so few nodes."""
LEAST_DISPERSION = 1e-8
"""Smallest d but 0: below, nothing changes and 1 / d^2 overflows."""
RAREST = 2.0**-53
"""Smallest p/m for which attempts are drawn: a float holds every whole number up to 2^53."""


def squared_variation(success: FloatArray, skills: float, dispersion: float) -> FloatArray:
    """Return Var X, the square of the tokens' coefficient of variation; the shape is that of the success p."""
    return np.asarray((1 + (1 - success) / skills) * (1 + dispersion**2) - 1)


def draw(rng: np.random.Generator, success: FloatArray, skills: float, dispersion: float) -> FloatArray:
    """Draw X for each success p of one attempt, independently; the shape is that of p."""
    rarest = float(np.min(success, initial=1.0))
    too_rare = f"at least {skills * RAREST:g}: the task is too hard or the model too small to draw its attempts"
    require(rarest >= skills * RAREST, "success of one attempt", rarest, too_rare)
    attempts = skills + rng.negative_binomial(skills, success)
    if dispersion == 0:
        return np.asarray(attempts * success / skills)
    shape = dispersion**-2
    return np.asarray(attempts * success / skills * rng.gamma(shape, 1 / shape, success.shape))


def rule(success: FloatArray, skills: float, dispersion: float) -> tuple[FloatArray, FloatArray]:
    """Return the Gauss rule of X: nodes, rising, and probabilities, both of shape `success.shape + (NODES,)`."""
    attempts, probability = _gauss(*_recurrence(success, 1 / skills))
    if dispersion == 0:
        return attempts, probability
    share, weight = _gauss(*_recurrence(np.zeros(()), dispersion**2))
    shape = (*success.shape, NODES**2)
    product, weights = attempts[..., None] * share, probability[..., None] * weight
    return _gauss(*_discrete_recurrence(product.reshape(shape), weights.reshape(shape)))


def _recurrence(p: FloatArray, v: float) -> tuple[FloatArray, FloatArray]:
    """Return the recurrence of the polynomials orthogonal under the law of K p / m, v = 1/m (Meixner's).

    At p = 0 that is the law of a Gamma variable of mean 1 and variance v (Laguerre's polynomials).
    """
    n, p = np.arange(NODES), p[..., None]
    return 1 + n * (2 - p) * v, n * (1 + (n - 1) * v) * v * (1 - p)


def _discrete_recurrence(x: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the recurrence under points x with these weights, along the last axis (Stieltjes' procedure)."""
    centre, square = (np.empty((*x.shape[:-1], NODES)) for _ in range(2))
    before, now, last = np.zeros_like(x), np.ones_like(x), np.ones(x.shape[:-1])
    for i in range(NODES):
        mass = weights * now * now
        norm = np.maximum(mass.sum(axis=-1), np.finfo(float).tiny)  # fewer points than nodes: the rest weigh nothing
        centre[..., i], square[..., i] = (mass * x).sum(axis=-1) / norm, norm / last
        before, now = now, (x - centre[..., i, None]) * now - (square[..., i, None] if i else 0.0) * before
        last = norm
    return centre, square


def _gauss(centre: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of a recurrence, which are eigenvalues of a matrix (Golub and Welsch 1969)."""
    n = np.arange(NODES)
    matrix = np.zeros((*centre.shape, NODES))
    matrix[..., n, n], matrix[..., n[1:], n[:-1]] = centre, np.sqrt(square[..., 1:])
    nodes, vectors = np.linalg.eigh(matrix)
    return nodes, vectors[..., 0, :] ** 2


def coupled(probability: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return ways to go that all models share, where each has its own rule: their quantiles go together.

    A dispatcher that cannot see the luck takes one model for a task, and only that model's own law counts. So any
    coupling of the models gives exact theory. Here a model that is worse at every quantile is worse in every way.

    Args:
        probability: of every node of every model, shape (n, n_nodes, n_models).

    Returns:
        The probability of every way, shape (n, n_ways), and the node of each model in it, (n, n_ways, n_models).
    """
    reached = np.minimum(probability.cumsum(axis=1), 1.0)
    reached[:, -1] = 1.0
    ends = np.sort(reached.reshape(len(reached), -1), axis=1)
    node: NDArray[np.int64] = (reached[:, None] < ends[:, :, None, None]).sum(axis=2)
    return np.diff(ends, axis=1, prepend=0.0), node
