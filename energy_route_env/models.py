"""A pool of reasoning models, and what a task costs on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from energy_route_env._checks import require, require_real, require_sequence
from energy_route_env.scaling_laws import (
    PUBLISHED,
    BudgetMethod,
    FloatArray,
    ScalingLaws,
    inference_energy,
    inference_latency,
)

NOISE_NODES = 32
"""Nodes of the Gauss-Hermite rule for expectations over difficulty noise; 24 already agree to 1e-9."""


@lru_cache(maxsize=4)
def _normal_rule(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights with sum(w f(z)) = E f(Z), Z standard normal, exact for polynomials of degree 2 n - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights / weights.sum()


def noise_grid(noise: float) -> tuple[FloatArray, FloatArray]:
    """Standard normal z on an even grid and their probabilities, for the whole law of an energy; z = 0 without noise.

    Where models are chosen by the true difficulty the integrand has kinks, which a Gauss rule does not see.
    """
    z = np.linspace(-6, 6, 241) if noise > 0 else np.zeros(1)
    density = np.exp(-z * z / 2)
    return z, density / density.sum()


@dataclass(frozen=True)
class ModelPool:
    """Models to route to; action k sends a task to the k-th.

    Args:
        n_params: the parameter count of each model, one or more.
        laws: the scaling laws that all of them follow.
        method: how token budgets are computed, "normal" (the paper) or "exact".

    Raises:
        ValueError: if there is no model, a count is not positive and finite, or the method is unknown.
    """

    n_params: tuple[float, ...] = (1e9, 1e10)
    laws: ScalingLaws = PUBLISHED
    method: BudgetMethod = "normal"

    def __post_init__(self) -> None:
        """Check the fields; any iterable of numbers becomes a tuple."""
        allowed = "one or more parameter counts, such as (1e9, 1e10), or a ModelPool"
        object.__setattr__(self, "n_params", require_sequence("models", self.n_params, allowed))
        for count in self.n_params:
            require_real("models (a parameter count)", count, 0.0, above=True)
        require(isinstance(self.laws, ScalingLaws), "laws", self.laws, "a ScalingLaws")
        require(self.method in get_args(BudgetMethod), "method", self.method, "'normal' or 'exact'")

    def __len__(self) -> int:
        """The number of models."""
        return len(self.n_params)

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Joules of a task on every model, of shape `difficulty.shape + (n_models,)`."""
        return inference_energy(self.n_params, np.asarray(difficulty, float)[..., None], self.method, self.laws)

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Seconds of a task on every model, of shape `difficulty.shape + (n_models,)`."""
        return inference_latency(self.n_params, np.asarray(difficulty, float)[..., None], self.method, self.laws)

    def possible_energy_j(self, observed: ArrayLike, noise: float) -> tuple[FloatArray, FloatArray]:
        """Energies at the nodes of the difficulty's noise, and the nodes' probabilities.

        Args:
            observed: observed difficulties; the true one is observed + Normal(0, noise^2).
            noise: standard deviation s, in units of pretraining loss.

        Returns:
            Joules of shape `observed.shape + (n_models, n_nodes)` and weights of shape (n_nodes,).
        """
        nodes, weights = _normal_rule(NOISE_NODES if noise > 0 else 1)
        energies = self.energy_j(np.asarray(observed, float)[..., None] + noise * nodes)
        return np.moveaxis(energies, -1, -2), weights

    def expected_energy_j(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Mean joules over the difficulty's noise, of shape `observed.shape + (n_models,)`."""
        if noise == 0:
            return self.energy_j(observed)
        energies, weights = self.possible_energy_j(observed, noise)
        return energies @ weights
