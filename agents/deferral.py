"""Dispatchers for tasks that can wait. Whatever they run goes to the untried model of lowest expected energy."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_real
from energy_route_env.units import FloatArray


class Deferral(Dispatcher):
    """Runs what is due, and the rest when `runs_now` says so."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    @abstractmethod
    def runs_now(self, decision: Decision, energy_j: FloatArray) -> NDArray[np.bool_]:
        """Return whether a deferrable task of this expected energy runs now, shape (n,)."""

    def act(self, decision: Decision) -> Actions:
        expected = decision.open_energy_j
        waits = (decision.due == 0) & ~self.runs_now(decision, expected.min(axis=-1)) & self.scenario.can_wait
        return np.where(waits, len(self.scenario.models), expected.argmin(axis=-1))


class GreedyDeferral(Deferral):
    """Runs deferrable tasks as soon as harvest and battery cover them."""

    def runs_now(self, decision: Decision, energy_j: FloatArray) -> NDArray[np.bool_]:
        return energy_j <= decision.usable_j


class SurplusDeferral(Deferral):
    """Runs deferrable tasks when the harvest covers them, or when the battery is nearly full and helps to cover them.

    Args:
        scenario: the scenario.
        threshold: how full is nearly full, as a share of the capacity. The default is the best of
            `python -m eval tune-threshold` in `solar` at ratio 1. An unlimited battery is never full.
    """

    DEFAULT_THRESHOLD = 0.999

    def __init__(self, scenario: Scenario, threshold: float = DEFAULT_THRESHOLD) -> None:
        super().__init__(scenario)
        require_real("threshold", threshold, 0.0, 1.0)
        self.threshold = threshold

    def runs_now(self, decision: Decision, energy_j: FloatArray) -> NDArray[np.bool_]:
        full = decision.battery_j >= self.threshold * self.scenario.capacity_j
        return energy_j <= np.where(full, decision.usable_j, decision.harvest_left_j)
