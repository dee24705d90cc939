"""Dispatchers whose choice depends on the task's difficulty alone, so that each has an exact slot law."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require, require_real, require_whole
from energy_route_env.pool.scaling_laws import noise_grid
from energy_route_env.theory import SlotLaw, gather_energies
from energy_route_env.units import FloatArray


class BatteryBlind(Dispatcher):
    """A dispatcher that ignores battery and clock, never defers, and draws its choice from `probabilities`."""

    def __init__(self, scenario: Scenario) -> None:
        """Keep the scenario."""
        self.scenario = scenario
        self.n_models = len(scenario.models)

    @abstractmethod
    def probabilities(self, observed: FloatArray, difficulty: FloatArray | None) -> FloatArray:
        """Probability of each model, shape (n, n_models).

        Args:
            observed: observed difficulties, shape (n,).
            difficulty: true difficulties, shape (n,); None unless the dispatcher is privileged.
        """


class Deterministic(BatteryBlind):
    """A battery-blind dispatcher without chance."""

    @abstractmethod
    def choose(self, observed: FloatArray, difficulty: FloatArray | None) -> Actions:
        """The model of each task, shape (n,); arguments as of `probabilities`."""

    def act(self, decision: Decision) -> Actions:
        """The chosen models."""
        return self.choose(decision.observed_difficulty, decision.difficulty)

    def probabilities(self, observed: FloatArray, difficulty: FloatArray | None) -> FloatArray:
        """1 for the chosen model, 0 for the others."""
        return np.eye(self.n_models)[self.choose(observed, difficulty)]


class Oracle(Deterministic):
    """The cheapest model for the true difficulty (the paper's zero-error routing)."""

    privileged: ClassVar[bool] = True

    def choose(self, observed: FloatArray, difficulty: FloatArray | None) -> Actions:
        """The model of lowest energy."""
        if difficulty is None:
            raise ValueError("difficulty is None, but it must be given: the oracle is privileged.")
        return self.scenario.energy_j(difficulty).argmin(axis=-1)


class Myopic(Deterministic):
    """The lowest expected energy over the noise's law: of all battery-blind dispatchers without privilege the best.

    Not of all: where models of about the same mean differ in variance, `VarianceAware` draws less.
    """

    def choose(self, observed: FloatArray, difficulty: FloatArray | None) -> Actions:
        """The model of lowest expected energy."""
        return self.scenario.expected_energy_j(observed).argmin(axis=-1)


class ScalingLaw(Deterministic):
    """The plug-in rule: cheapest by the closed-form energy at the observed difficulty, as if it were exact."""

    def choose(self, observed: FloatArray, difficulty: FloatArray | None) -> Actions:
        """The model of lowest energy at the observed difficulty."""
        return self.scenario.energy_j(observed).argmin(axis=-1)


class FixedModel(Deterministic):
    """Always the same model.

    Raises:
        ValueError: if the pool has no such model.
    """

    def __init__(self, scenario: Scenario, model: int) -> None:
        """Keep the model's index."""
        super().__init__(scenario)
        require_whole("model", model, 0)
        require(model < self.n_models, "model", model, f"at most {self.n_models - 1}, the pool's last")
        self.model = model

    def choose(self, observed: FloatArray, difficulty: FloatArray | None) -> Actions:
        """The fixed model."""
        return np.full(len(observed), self.model)


class Stochastic(BatteryBlind):
    """A battery-blind dispatcher that draws from a generator of its own."""

    def __init__(self, scenario: Scenario) -> None:
        """Seed the generator with 0 until `reset`."""
        super().__init__(scenario)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Seed the generator, apart from the traces' seeds."""
        self._rng = np.random.default_rng([seed, 0x5EED])

    def act(self, decision: Decision) -> Actions:
        """Draw from `probabilities`."""
        cumulated = self.probabilities(decision.observed_difficulty, decision.difficulty).cumsum(axis=1)
        draw = self._rng.random(decision.n)[:, None] * cumulated[:, -1:]
        return (draw >= cumulated).sum(axis=1)


class RandomModel(Stochastic):
    """Any model, each equally likely."""

    def probabilities(self, observed: FloatArray, difficulty: FloatArray | None) -> FloatArray:
        """1 / n_models."""
        return np.full((len(observed), self.n_models), 1 / self.n_models)


class ErrorProne(Stochastic):
    """With probability `rate` another model than its base's choice (the paper's nonzero-error policies).

    Args:
        base: the dispatcher that errs.
        rate: probability of an error, in [0, 1]; with several other models each is equally likely.

    Raises:
        ValueError: if the rate lies outside [0, 1], or the pool has no other model.
    """

    def __init__(self, base: Deterministic, rate: float) -> None:
        """Keep base and rate."""
        super().__init__(base.scenario)
        require_real("rate", rate, 0.0, 1.0)
        require(self.n_models > 1 or rate == 0, "models", base.scenario.models.n_params, "two or more, to err between")
        self.base, self.rate = base, rate

    @property
    def privileged(self) -> bool:  # type: ignore[override]  # it sees what its base sees
        """Whether the base is shown the true difficulty."""
        return self.base.privileged

    def probabilities(self, observed: FloatArray, difficulty: FloatArray | None) -> FloatArray:
        """1 - rate for the base's choice, the rest shared equally."""
        right = self.base.probabilities(observed, difficulty)
        return right * (1 - self.rate) + (1 - right) * (self.rate / max(self.n_models - 1, 1))


def slot_law(dispatcher: BatteryBlind) -> SlotLaw:
    """The exact law of one slot's demand minus harvest under a battery-blind dispatcher.

    Noise is integrated over 241 nodes for each level; the energies are then gathered in bins of equal mean and
    variance, which changes expectations by less than 1e-5.

    Raises:
        ValueError: if the scenario's harvest is not independent from slot to slot, or its tasks can wait.
    """
    scenario = dispatcher.scenario
    weather = scenario.weather_file
    require(weather is None, "weather_file", weather, "None: only Gamma harvests are independent from slot to slot")
    waits = "0: a backlog's slots depend on each other"
    require(not scenario.can_wait, "deadline_slots", scenario.deadline_slots, waits)
    observed, difficulty, weights = _difficulty_law(scenario)
    share = dispatcher.probabilities(observed, difficulty if dispatcher.privileged else None)
    energies, weights = scenario.energy_j(difficulty).ravel(), (weights[:, None] * share).ravel()
    energies, weights = gather_energies(energies[weights > 0], weights[weights > 0])
    return SlotLaw(scenario.arrival_rate, energies, weights, scenario.harvest.mean_j, float(scenario.harvest_cv or 0.0))


def _difficulty_law(scenario: Scenario) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Observed and true difficulty at the nodes of their joint law, and the nodes' probabilities."""
    noise = scenario.difficulty_noise
    z, probabilities = noise_grid(noise)
    levels = np.asarray(scenario.difficulties)
    observed = np.repeat(levels, len(z))
    return (
        observed,
        observed + noise * np.tile(z, len(levels)),
        np.tile(probabilities, len(levels)) / len(levels),
    )
