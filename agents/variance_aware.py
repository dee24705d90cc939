"""A dispatcher that knows what its choice does to the energy still to come."""

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.theory import value_function


class VarianceAware(Dispatcher):
    """Takes the model of lowest expected value of the energy left (model, Section 4).

    A task that needs e leaves the battery at b - e. Its eventual cost is E[V(b - e, slots left)] over the difficulty's
    noise, with V the Brownian value function. V is convex, so of two models with the same mean the less variable one is
    taken. The mean energy of the other tasks due in this slot is set aside. Drift and volatility are those of the
    scenario's myopic dispatcher. It never defers.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._drift, self._volatility = scenario.drift_j, scenario.volatility_j

    def act(self, decision: Decision) -> Actions:
        scenario = self.scenario
        observed, at = np.unique(decision.observed_difficulty, return_inverse=True)
        possible, weights = scenario.models.possible_energy_j(observed, scenario.difficulty_noise)
        energy_j = scenario.queries_per_task * possible[at]
        others = np.maximum(decision.due - 1, 0) * scenario.myopic_moments[0]
        at_hand = decision.usable_j - others
        left = np.maximum(decision.slots_left - 1, 0)[:, None, None]
        cost = value_function(at_hand[:, None, None] - energy_j, left, self._drift, self._volatility)
        value, mean_j = cost @ weights, energy_j @ weights
        least = value.min(axis=-1, keepdims=True)
        tied = value <= least + 1e-9 * mean_j.min(axis=-1, keepdims=True)  # equal up to rounding
        return np.where(tied, mean_j, np.inf).argmin(axis=-1)
