"""Dispatchers that know what their choice does to the energy still to come."""

from abc import abstractmethod

import numpy as np

from agents.analytic import Myopic
from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.pool.base import mean_over
from energy_route_env.theory import expected_auxiliary_energy, value_function
from energy_route_env.theory.slot import motion_of, require_no_retries, routed_moments
from energy_route_env.units import FloatArray

THETAS = np.geomspace(1e-4, 1e2, 61)
"""What a square of a task's mean energy weighs beside that mean."""
ONE_ATTEMPT = "what a task takes on a model is taken to be all that it takes"


class ByValue(Dispatcher):
    """Takes the model with the lowest expected value of the energy left, over noise and luck; never defers."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    @property
    def acts_as(self) -> Dispatcher:
        """Myopic where a task's energy is known: less of it is then worth less, whatever the battery holds."""
        return Myopic(self.scenario) if self.scenario.energy_is_known else self

    @abstractmethod
    def to_come_j(self, decision: Decision, energy_j: FloatArray) -> FloatArray:
        """Return the joules still to come from the grid if the tasks need `energy_j`, both (n, n_models, n_nodes)."""

    def possible_j(self, decision: Decision) -> tuple[FloatArray, FloatArray]:
        """Return the joules that the task may need, (n, n_models, n_nodes), and weights for `mean_over`."""
        observed, at = np.unique(decision.observed_difficulty, return_inverse=True)
        possible, weights = self.scenario.models.possible_energy_j(observed, self.scenario.difficulty_noise)
        return self.scenario.queries_per_task * possible[at], weights if weights.ndim == 1 else weights[at]

    def values_j(self, decision: Decision) -> tuple[FloatArray, FloatArray]:
        """Return the mean joules still to come from the grid by model, and the task's own, both (n, n_models)."""
        energy_j, weights = self.possible_j(decision)
        return mean_over(self.to_come_j(decision, energy_j), weights), mean_over(energy_j, weights)

    def act(self, decision: Decision) -> Actions:
        value, mean_j = self.values_j(decision)
        least = value.min(axis=-1, keepdims=True)
        tied = value <= least + 1e-9 * mean_j.min(axis=-1, keepdims=True)  # equal up to rounding
        return np.where(tied, mean_j, np.inf).argmin(axis=-1)


class VarianceAware(ByValue):
    """Takes the model of lowest expected value of the energy left (model, Section 4).

    A task that needs e leaves the battery at b - e. Its eventual cost is E[V(b - e, slots left)] over noise and luck,
    with V the Brownian value function. V is convex, so of two models with the same mean the less variable one is taken.
    The mean energy of the other tasks due in this slot is set aside. That mean, drift and volatility are those
    of the best dispatcher that ignores the battery, see `best_blind_moments`. It never defers.

    Raises:
        InputError: where failures are retried.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._task_j, second_j2 = best_blind_moments(scenario)
        self._motion = motion_of(scenario, self._task_j, second_j2)

    def to_come_j(self, decision: Decision, energy_j: FloatArray) -> FloatArray:
        others = np.maximum(decision.due - 1, 0) * self._task_j
        at_hand = decision.usable_j - others
        left = np.maximum(decision.slots_left - 1, 0)[:, None, None]
        return value_function(at_hand[:, None, None] - energy_j, left, *self._motion)


def best_blind_moments(scenario: Scenario) -> tuple[float, float]:
    """Return E e and E e^2, in J and J^2, of the routing by observed difficulty alone with the lowest E[M_T].

    E[M_T] rises with both moments, so the candidates take the model of lowest E e + theta E e^2 for some theta >= 0.
    At theta = 0 that is the myopic dispatcher. Raises an InputError where failures are retried.
    """
    require_no_retries(scenario, ONE_ATTEMPT)
    observed = np.asarray(scenario.difficulties)
    possible, weights = scenario.models.possible_energy_j(observed, scenario.difficulty_noise)
    energies = scenario.queries_per_task * possible
    first, second = mean_over(energies, weights), mean_over(energies**2, weights)
    routings = {tuple((first + theta * second).argmin(axis=-1)) for theta in THETAS / scenario.myopic_moments[0]}
    candidates = [scenario.myopic_moments, *(routed_moments(scenario, np.array(models)) for models in routings)]
    drifts, volatilities = zip(*(motion_of(scenario, *moments) for moments in candidates), strict=True)
    return candidates[int(expected_auxiliary_energy(drifts, volatilities, scenario.horizon_slots).argmin())]
