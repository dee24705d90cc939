"""Dispatchers for tasks that can wait. Whatever they run goes to the untried model of lowest expected energy."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_real
from energy_route_env.units import FloatArray
from energy_route_env.world.forecast import BLOCK_HOURS

BLOCK_SHARES = np.array([last - first for first, last in BLOCK_HOURS]) / 24
"""Shares of the next day that the blocks of a forecast cover."""


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


class CheapHours(Deferral):
    """Runs waiting tasks as soon as harvest and battery cover them, and some in slots where the grid counts little.

    Little is at most `share` times the geometric mean of the grid's mean and what is forecast for the next day. Then
    tasks run while the backlog takes more than `covered` times the harvest forecast for the next day, which would
    cover the rest. Where there is no grid source it is `GreedyDeferral`.

    Args:
        scenario: the scenario.
        share: see above. The defaults were chosen on 200 episodes of `carbon` (seed 5) among 0.8 to 0.9 and 0.15 to
            0.3, all within 1 % of each other.
        covered: see above.
    """

    def __init__(self, scenario: Scenario, share: float = 0.88, covered: float = 0.2) -> None:
        super().__init__(scenario)
        require_real("share", share, 0.0)
        require_real("covered", covered, 0.0)
        self.share, self.covered = share, covered

    def runs_now(self, decision: Decision, energy_j: FloatArray) -> NDArray[np.bool_]:
        own = energy_j <= decision.usable_j
        weight, ahead, harvest_j = decision.grid_weight, decision.grid_forecast, decision.harvest_forecast_j
        if weight is None or ahead is None or harvest_j is None:
            return own
        ahead_mean, slot_j = ((blocks * BLOCK_SHARES).sum(axis=-1) for blocks in (ahead, harvest_j))
        is_cheap = weight <= self.share * np.sqrt(self.scenario.mean_grid_weight * ahead_mean)
        needed_j = decision.backlog * self.scenario.myopic_moments[0]
        return own | (is_cheap & (needed_j > self.covered * self.scenario.day_slots * slot_j))
