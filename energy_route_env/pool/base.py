"""What a pool of models must provide."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from energy_route_env.pool.noise_grid import gauss_rule
from energy_route_env.units import FloatArray


@runtime_checkable
class Pool(Protocol):
    """Models to route to; action k sends a task to the k-th. To add a pool, subclass this and write the first four."""

    @property
    def n_params(self) -> tuple[float, ...]:
        """Parameter count of each model; it names the model in pictures, tables and cards."""

    @property
    def skill_slope(self) -> float:
        """How steeply energy falls with difficulty: like exp(-2 slope difficulty) at most, where tasks are hard."""

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's joules on every model, by true difficulty; shape `difficulty.shape + (n_models,)`."""

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's seconds on every model, by true difficulty; shape `difficulty.shape + (n_models,)`."""

    def __len__(self) -> int:
        return len(self.n_params)

    def possible_energy_j(self, observed: ArrayLike, noise: float) -> tuple[FloatArray, FloatArray]:
        """Return the energies at the nodes of the difficulty's noise, and the nodes' probabilities.

        Args:
            observed: observed difficulties; the true one is observed + Normal(0, noise^2).
            noise: standard deviation s, in units of pretraining loss.

        Returns:
            Joules of shape `observed.shape + (n_models, n_nodes)` and weights of shape (n_nodes,).
        """
        nodes, weights = gauss_rule(noise)
        energies = self.energy_j(np.asarray(observed, float)[..., None] + noise * nodes)
        return np.moveaxis(energies, -1, -2), weights

    def expected_energy_j(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Return a task's mean joules on every model, by observed difficulty; shape `observed.shape + (n_models,)`."""
        if noise == 0:
            return self.energy_j(observed)
        energies, weights = self.possible_energy_j(observed, noise)
        return energies @ weights
