"""Nodes and weights for expectations over the difficulty's noise.

An energy rises like exp(-2 b l) towards the hard end, where b is the skill slope. With noise s and a standard normal z,
its square weighs the normal density with exp(-4 b s z): the bulk of the mean square lies around z = -4 b s.
"""

import math
from functools import lru_cache

import numpy as np

from energy_route_env.checks import require
from energy_route_env.units import FloatArray

GAUSS_NODES = 32
"""Nodes of the Gauss-Hermite rule for smooth integrands; up to the steepest noise, means are exact to 1e-9."""
STEEPEST = 1.5
"""Largest skill slope times noise: up to here both rules agree to 3e-5 in mean and mean square of an energy."""
NODES_PER_STD = 20
"""Nodes of the even grid for each standard deviation."""


def require_noise(noise: float, skill_slope: float, steepest: float, reason: str) -> None:
    """Require a noise of at most `steepest / skill_slope`; the reason ends the message."""
    most = f"at most {steepest} / skill_slope, where skill_slope is {skill_slope:g}{reason}"
    require(noise * skill_slope <= steepest * (1 + 1e-12), "difficulty_noise", noise, most)


@lru_cache(maxsize=4)
def gauss_rule(noise: float) -> tuple[FloatArray, FloatArray]:
    """Return standard normal z and weights for smooth integrands, shapes (n_nodes,); z = 0 without noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(GAUSS_NODES if noise > 0 else 1)
    return nodes, weights / weights.sum()


def noise_grid(noise: float, skill_slope: float) -> tuple[FloatArray, FloatArray]:
    """Return standard normal z on an even grid and their probabilities, shapes (n_nodes,); z = 0 without noise.

    A model chosen by the true difficulty gives the integrand kinks, which a Gauss rule misses. The grid ends four
    standard deviations beyond the bulk of the mean square, and at six or more.
    """
    n = math.ceil(max(6.0, 4.0 + 4.0 * skill_slope * noise) * NODES_PER_STD) if noise > 0 else 0
    z = np.linspace(-n / NODES_PER_STD, n / NODES_PER_STD, 2 * n + 1)
    density = np.exp(-z * z / 2)
    return z, density / density.sum()
