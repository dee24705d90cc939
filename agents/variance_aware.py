"""A dispatcher that knows what its choice does to the energy still to come."""

from __future__ import annotations

import numpy as np

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
        at_hand = self.scenario.discharge_efficiency * decision.battery_j + decision.harvest_left_j - others
        left = np.maximum(decision.slots_left - 1, 0)[:, None, None]
        cost = value_function(at_hand[:, None, None] - energy_j, left, self._drift, self._volatility)
        return (cost @ weights).argmin(axis=-1)
