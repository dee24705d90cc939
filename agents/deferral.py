"""Dispatchers for scenarios in which tasks can wait; both send what they run to the model of lowest expected energy."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_real


class Deferral(Dispatcher):
    """Runs what is due, and the rest when `runs_now` says so."""

    def __init__(self, scenario: Scenario) -> None:
        """Keep the scenario."""
        self.scenario = scenario

    @abstractmethod
    def runs_now(self, decision: Decision, energy_j: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a task that may wait and is expected to need `energy_j` runs now, shape (n,)."""

    def act(self, decision: Decision) -> Actions:
        """The model of lowest expected energy, or defer."""
        expected = decision.expected_energy_j
        waits = (decision.due == 0) & ~self.runs_now(decision, expected.min(axis=-1)) & self.scenario.can_wait
        return np.where(waits, len(self.scenario.models), expected.argmin(axis=-1))


class GreedyDeferral(Deferral):
    """Runs deferrable work as soon as harvest and battery cover it: only when it needs no auxiliary energy."""

    def runs_now(self, decision: Decision, energy_j: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether harvest and battery together suffice."""
        return energy_j <= decision.usable_j


class SurplusDeferral(Deferral):
    """Runs deferrable work only when the sun covers it, or the battery is nearly full and covers it.

    Args:
        scenario: the scenario.
        threshold: share of the battery's capacity from which on it counts as nearly full. The default is the best of
            `python -m eval tune-threshold` in `solar` at ratio 1; an unlimited battery is never full.

    Raises:
        ValueError: if the threshold lies outside [0, 1].
    """

    DEFAULT_THRESHOLD = 0.999

    def __init__(self, scenario: Scenario, threshold: float = DEFAULT_THRESHOLD) -> None:
        """Keep scenario and threshold."""
        super().__init__(scenario)
        require_real("threshold", threshold, 0.0, 1.0)
        self.threshold = threshold

    def runs_now(self, decision: Decision, energy_j: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the harvest suffices, or the battery is nearly full and suffices with it."""
        full = decision.battery_j >= self.threshold * self.scenario.capacity_j
        return energy_j <= np.where(full, decision.usable_j, decision.harvest_left_j)
