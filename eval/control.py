"""Narrower intervals: what chance did to dispatchers whose mean is known is taken off the others."""

import numpy as np
from scipy import special

from energy_route_env.units import FloatArray
from eval.statistics import Estimate

LEAST_EPISODES = 20
"""Episodes for each control, at least: fewer would not tell its weight."""


def controlled(samples: FloatArray, controls: FloatArray, means: FloatArray) -> Estimate:
    """Estimate a mean by control variates (Glasserman 2003, Section 4.1).

    The samples are regressed on the controls less their known means; the regression's value at 0 is the estimate. Its
    bias, since the weights are of the same episodes, is of the order of controls / episodes of the standard deviation
    that they take off; 0 where the regression is linear.

    Args:
        samples: shape (n,).
        controls: of the same episodes, shape (n, k); with fewer than `LEAST_EPISODES` for each they are not used.
        means: their exact means, shape (k,).
    """
    n, spread = len(samples), controls.std(axis=0)
    used = spread > 1e-12 * np.abs(means)
    if not used.any() or n < LEAST_EPISODES * used.sum():
        return Estimate.of(samples)
    design = np.column_stack([np.ones(n), (controls[:, used] - means[used]) / spread[used]])
    inverse = np.linalg.pinv(design, rcond=1e-9)  # controls may be the same but for rounding
    weights = inverse @ samples
    freedom = n - np.linalg.matrix_rank(design, tol=1e-9 * np.sqrt(n))
    residual = samples - design @ weights
    error = float(np.sqrt(residual @ residual / freedom) * np.linalg.norm(inverse[0]))
    return Estimate(float(weights[0]), error, float(special.stdtrit(freedom, 0.975) * error))
