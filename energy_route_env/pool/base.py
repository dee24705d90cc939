"""What a pool of models must provide."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.pool.noise_grid import gauss_rule
from energy_route_env.units import FloatArray


class Attempts(NamedTuple):
    """What would happen to each of n tasks on each model, drawn once so that it does not depend on what is chosen."""

    energy_j: FloatArray
    """Joules of one query, shape (n, n_models)."""
    solved: NDArray[np.bool_]
    """Whether the model solves it, likewise."""


class PossibleAttempts(NamedTuple):
    """What can happen to each of n tasks in k ways: the law that `Attempts` are drawn from."""

    energy_j: FloatArray
    """Joules of one query on every model, shape (n, k, n_models)."""
    chance: FloatArray
    """The probability that the model solves it, independent between models, likewise."""
    probability: FloatArray
    """The probability of each way, shape (n, k)."""


@runtime_checkable
class Pool(Protocol):
    """Models to route to; action k sends a task to the k-th. To add a pool, subclass this and write the first four."""

    @property
    def n_params(self) -> tuple[float, ...]:
        """Parameter count of each model."""

    @property
    def skill_slope(self) -> float:
        """How steeply energy falls with difficulty: like exp(-2 slope difficulty) at most, where tasks are hard."""

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's joules on every model, by true difficulty; shape `difficulty.shape + (n_models,)`.

        Where a task's energy is a matter of luck, its mean.
        """

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's seconds on every model, by true difficulty; shape `difficulty.shape + (n_models,)`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each model is called in pictures and tables."""
        return tuple(map(model_name, self.n_params))

    @property
    def difficulty_shown(self) -> bool:
        """Whether observations show the difficulty. They should not where it only tells one task from another."""
        return True

    def __len__(self) -> int:
        return len(self.n_params)

    def draw_attempts(self, rng: np.random.Generator, difficulty: FloatArray) -> Attempts | None:
        """Draw what happens to tasks of these true difficulties, shape (n,), on every model.

        None where a task's energy follows from its difficulty. If failures are to be retried, whether a model solves
        it is then drawn by the chance in `possible_attempts`.
        """
        return None

    def possible_attempts(self, difficulty: FloatArray) -> PossibleAttempts:
        """Return the law of what happens to tasks of these true difficulties, shape (n,), for theory.

        A pool that draws attempts must say what they are drawn from here. Only each model's own law counts: its ways
        may be coupled with the other models' as is convenient.
        """
        energy_j = self.energy_j(difficulty)[:, None]
        chance = self.success_chance(difficulty, 0.0)[:, None]
        return PossibleAttempts(energy_j, chance, np.ones(energy_j.shape[:2]))

    def success_chance(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Return what is to be expected of the probability that each model solves a task; by default 1.

        Args:
            observed: observed difficulties; the true one is observed + Normal(0, noise^2).
            noise: standard deviation s, in units of pretraining loss.

        Returns:
            Probabilities of shape `observed.shape + (n_models,)`.
        """
        return np.ones((*np.shape(observed), len(self)))

    def possible_energy_j(self, observed: ArrayLike, noise: float) -> tuple[FloatArray, FloatArray]:
        """Return the energies that a task can take by its noise and its luck, and their probabilities.

        Args:
            observed: observed difficulties; the true one is observed + Normal(0, noise^2).
            noise: standard deviation s, in units of pretraining loss.

        Returns:
            Joules of shape `observed.shape + (n_models, n_nodes)`. Weights for `mean_over`: of shape (n_nodes,) where
            there is no luck, else `observed.shape + (1, n_nodes)`.
        """
        nodes, weights = gauss_rule(noise)
        difficulty = np.asarray(observed, float)[..., None] + noise * nodes
        energies, _, probability = self.possible_attempts(difficulty.ravel())
        shape = (*difficulty.shape[:-1], -1)
        by_model = np.moveaxis(energies.reshape(*shape, len(self)), -1, -2)
        if probability.shape[1] == 1:
            return by_model, weights
        return by_model, (weights[:, None] * probability.reshape(*difficulty.shape, -1)).reshape(*shape)[..., None, :]

    def expected_energy_j(self, observed: ArrayLike, noise: float) -> FloatArray:
        """Return a task's mean joules on every model, by observed difficulty; shape `observed.shape + (n_models,)`."""
        if noise == 0:
            return self.energy_j(observed)
        nodes, weights = gauss_rule(noise)
        energies = self.energy_j(np.asarray(observed, float)[..., None] + noise * nodes)
        return np.moveaxis(energies, -1, -2) @ weights


def mean_over(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean over the last axis, with weights as `Pool.possible_energy_j` gives them."""
    return values @ weights if weights.ndim == 1 else np.asarray((values * weights).sum(axis=-1))


def model_name(n_params: float) -> str:
    """Return a parameter count as models are called: 1e10 is 10B."""
    scale, letter = next((s for s in ((1e12, "T"), (1e9, "B"), (1e6, "M")) if n_params >= s[0]), (1.0, ""))
    return f"{n_params / scale:.3g}{letter}"
