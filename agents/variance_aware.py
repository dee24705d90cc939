"""A dispatcher that knows what its choice does to the energy still to come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.theory import value_function


class VarianceAware(Dispatcher):
    """Lowest expected *value* of the energy, with the Brownian value function (model, Section 4).

    A dispatch that needs e leaves the battery at b - e; what that costs in the end is E[V(b - e, slots left)], over the
    law of the difficulty's noise. V is convex, so of two models with the same mean the less variable one is taken.
    Demand of the other tasks due in this slot is set aside at its mean. Drift and volatility are those of the myopic
    dispatcher in the scenario. It never defers.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Compute the scenario's drift and volatility."""
        self.scenario = scenario
        self._drift, self._volatility = scenario.drift_j, scenario.volatility_j

    def act(self, decision: Decision) -> Actions:
        """The models of lowest expected value."""
        observed, at = np.unique(decision.observed_difficulty, return_inverse=True)
        possible, weights = self.scenario.models.possible_energy_j(observed, self.scenario.difficulty_noise)
        energy_j = self.scenario.queries_per_task * possible[at]
        others = np.maximum(decision.due - 1, 0) * self.scenario.myopic_moments[0]
        at_hand = decision.usable_j - others
        left = np.maximum(decision.slots_left - 1, 0)[:, None, None]
        cost = value_function(at_hand[:, None, None] - energy_j, left, self._drift, self._volatility)
        return _lowest(cost @ weights, energy_j @ weights)


def _lowest(value: NDArray[np.float64], energy_j: NDArray[np.float64]) -> Actions:
    """Where the lowest value stands; among equal ones, to rounding, that of lowest mean energy."""
    least = value.min(axis=-1, keepdims=True)
    tied = value <= least + 1e-9 * energy_j.min(axis=-1, keepdims=True)
    return np.where(tied, energy_j, np.inf).argmin(axis=-1)
