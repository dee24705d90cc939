"""Dispatchers whose choice depends on the task alone, so that each has an exact slot distribution."""

from abc import abstractmethod

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require, require_real, require_whole
from energy_route_env.decision import untried
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.pool.scaling_laws import router_energy_j
from energy_route_env.theory.slot import (
    BrownianMotion,
    SlotDistribution,
    Tasks,
    brownian_motion,
    possible_tasks,
    why_no_theory,
    with_errors,
)
from energy_route_env.units import FloatArray


class BatteryBlind(Dispatcher):
    """A dispatcher that ignores battery and clock and never defers."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.n_models = len(scenario.models)

    def tasks_at_hand(self, decision: Decision) -> Tasks:
        """Return what it may see; a privileged one knows the true difficulty, but not the luck."""
        difficulty = decision.difficulty
        energy_j = None if difficulty is None else self.scenario.energy_j(difficulty)
        return Tasks(decision.observed_difficulty, decision.expected_energy_j, difficulty, energy_j, decision.tried)

    @abstractmethod
    def probabilities(self, tasks: Tasks) -> FloatArray:
        """Return the probability of each model for each task, shape (n, n_models)."""


class Deterministic(BatteryBlind):
    """A battery-blind dispatcher that draws nothing."""

    @abstractmethod
    def choose(self, tasks: Tasks) -> Actions:
        """Return the model of each task, shape (n,)."""

    def act(self, decision: Decision) -> Actions:
        return self.choose(self.tasks_at_hand(decision))

    def probabilities(self, tasks: Tasks) -> FloatArray:
        return np.eye(self.n_models)[self.choose(tasks)]


class Oracle(Deterministic):
    """The model of lowest energy at the true difficulty, in the mean over the luck (the paper's zero-error routing).

    It does not know which model will fail.
    """

    privileged = True

    def choose(self, tasks: Tasks) -> Actions:
        if tasks.energy_j is None:
            raise ValueError("energy_j is None, but it must be given: the oracle is privileged.")
        return untried(tasks.energy_j, tasks.tried).argmin(axis=-1)


class Router(Oracle):
    """A language model that never errs and takes its own energy for every decision: the best case of an AI dispatcher.

    Args:
        scenario: where it decides.
        n_params: its parameter count; it reads the 500 tokens and takes the energies of `router_energy_j`.
    """

    def __init__(self, scenario: Scenario, n_params: float) -> None:
        super().__init__(scenario)
        require_real("n_params", n_params, 0.0, above=True)
        self.overhead_j = float(router_energy_j(n_params))


class Myopic(Deterministic):
    """The model of lowest expected energy: the best unprivileged battery-blind dispatcher.

    Where models of about the same mean differ in variance, `VarianceAware` takes less from the grid.
    """

    def choose(self, tasks: Tasks) -> Actions:
        return tasks.open_energy_j.argmin(axis=-1)


class ScalingLaw(Deterministic):
    """The plug-in rule: cheapest by the closed-form energy at the observed difficulty, as if it were exact.

    Raises:
        InputError: if the pool is a measured one, which has no closed form.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        lawful = not isinstance(scenario.models, MeasuredPool)
        require(lawful, "models", scenario.models, "a pool with a closed form, for the scaling-law rule")

    def choose(self, tasks: Tasks) -> Actions:
        return untried(self.scenario.energy_j(tasks.observed_difficulty), tasks.tried).argmin(axis=-1)


class FixedModel(Deterministic):
    """Always the same model; where it failed on the task, the untried one of lowest expected energy.

    Raises:
        ValueError: if the pool has no such model.
    """

    def __init__(self, scenario: Scenario, model: int) -> None:
        super().__init__(scenario)
        require_whole("model", model, 0)
        require(model < self.n_models, "model", model, f"at most {self.n_models - 1}, the pool's last")
        self.model = model

    def choose(self, tasks: Tasks) -> Actions:
        preferred = np.arange(self.n_models) == self.model
        return untried(np.where(preferred, -1.0, tasks.expected_energy_j), tasks.tried).argmin(axis=-1)


class Stochastic(BatteryBlind):
    """A battery-blind dispatcher that draws from a generator of its own."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Seed the generator; its numbers are independent of the traces'."""
        self._rng = np.random.default_rng([seed, 0x5EED])

    def act(self, decision: Decision) -> Actions:
        cumulated = self.probabilities(self.tasks_at_hand(decision)).cumsum(axis=1)
        draw = self._rng.random(decision.n)[:, None] * cumulated[:, -1:]
        return (draw >= cumulated).sum(axis=1)


class RandomModel(Stochastic):
    """Any untried model, each equally likely."""

    def probabilities(self, tasks: Tasks) -> FloatArray:
        if tasks.tried is None:
            return np.full((len(tasks.observed_difficulty), self.n_models), 1 / self.n_models)
        return ~tasks.tried / np.maximum((~tasks.tried).sum(axis=1, keepdims=True), 1)


class ErrorProne(Stochastic):
    """Takes a wrong model at random with probability `rate` (the paper's nonzero-error policies).

    Args:
        base: the dispatcher whose choice is right.
        rate: probability of an error, in [0, 1]; all other models that were not tried are equally likely.

    Raises:
        ValueError: if the rate lies outside [0, 1], or the pool has no other model.
    """

    def __init__(self, base: Deterministic, rate: float) -> None:
        super().__init__(base.scenario)
        require_real("rate", rate, 0.0, 1.0)
        require(self.n_models > 1 or rate == 0, "models", base.scenario.models.n_params, "two or more, to err between")
        self.base, self.rate = base, rate
        self.privileged, self.overhead_j = base.privileged, base.overhead_j

    def probabilities(self, tasks: Tasks) -> FloatArray:
        return with_errors(self.base.probabilities(tasks), self.rate, tasks.tried)


def slot_distribution(dispatcher: BatteryBlind) -> SlotDistribution:
    """Return the distribution of one slot's demand minus harvest under a battery-blind dispatcher, overhead included.

    Raises:
        InputError: if the scenario's harvest is not independent from slot to slot, or its tasks can wait.
    """
    scenario = dispatcher.charged(dispatcher.scenario)
    return SlotDistribution.of(scenario, dispatcher.probabilities, privileged=dispatcher.privileged)


def slot_for_theory(scenario: Scenario, dispatcher: Dispatcher) -> SlotDistribution | None:
    """Return the slot distribution, or None where no exact theory predicts this dispatcher's E[D_T]."""
    base = dispatcher.acts_as
    if not isinstance(base, BatteryBlind) or why_no_theory(scenario) is not None:
        return None
    return slot_distribution(base)


def motion_for_theory(scenario: Scenario, dispatcher: Dispatcher) -> BrownianMotion | None:
    """Return the Brownian motion that predicts this dispatcher's E[D_T], or None where none does.

    It takes sources that declare their long-run variance; their slots may depend on each other.
    """
    base = dispatcher.acts_as
    if not isinstance(base, BatteryBlind) or why_no_theory(scenario, exact=False) is not None:
        return None
    return brownian_motion(base.charged(base.scenario), base.probabilities, privileged=base.privileged)


def choices(dispatcher: Dispatcher) -> tuple[float, ...] | None:
    """Return the overhead and the models of every possible task in the order in which they would be tried on it.

    It is None if the choice depends on more than the task.

    Dispatchers of a scenario with the same choices do the same on every trace.
    """
    base = dispatcher.acts_as
    if not isinstance(base, Deterministic):
        return None
    tasks = possible_tasks(base.scenario).tasks
    if not base.scenario.retries:
        return (base.overhead_j, *base.choose(tasks).tolist())
    tried, order = np.zeros(tasks.expected_energy_j.shape, bool), [base.overhead_j]
    for _ in range(base.n_models):
        model = base.choose(tasks._replace(tried=tried))
        tried = tried | (np.arange(base.n_models) == model[:, None])
        order += model.tolist()
    return tuple(order)
