"""Potential-based shaping at the prices of a programme that knows the whole episode."""

import numpy as np

from energy_route_env import Decision, Scenario
from energy_route_env.checks import require
from energy_route_env.decision import Outlook
from energy_route_env.theory.schedule import best_schedule
from energy_route_env.units import FloatArray, IntArray
from eval.bounds import future_of


class HindsightPotential:
    """Phi(s) in the scenario's unit: minus what the hindsight programme says is still to come, at its prices.

    The programme (`best_schedule`) is solved when an episode begins and knows all of its trace. In slot t, Phi is
    -J_t + p_t (B - B_t) + q_t (V - V_t). J_t is what the programme takes from the grid after the slot. B is what the
    battery is to hold at its end, in joules, and V the energy of waiting tasks that have run. B_t and V_t are the
    programme's, p_t and q_t its prices. But for the first slot, rewards add up to minus what is taken above the bound.

    Phi knows what no policy sees. Its sum over an episode still depends on the trace alone, so it favours no policy.
    """

    def __init__(self, scenario: Scenario) -> None:
        require(scenario.can_wait, "scenario", scenario.name, "one with tasks that can wait, for the hindsight shaping")
        self._scenario = scenario
        self._make_room(0)

    def _make_room(self, n: int) -> None:
        self._offset, self._stored_price, self._served_price = np.zeros((3, n, self._scenario.horizon_slots))
        self._waiting_j, self._served_j = np.zeros((n, 1)), np.zeros(n)  # of each task, 0 if it cannot wait; their sum

    def begin(self, decision: Decision, rows: IntArray) -> None:
        """Solve the programme of the episodes that begin in these rows: all of them the first time."""
        if len(self._served_j) != decision.n:
            self._make_room(decision.n)
        assert decision.outlook is not None
        for i in rows.tolist():
            self._solve(i, decision.outlook(i))

    def _solve(self, i: int, seen: Outlook) -> None:
        future, battery = future_of(self._scenario, seen), self._scenario.battery
        best = best_schedule(future, battery)
        self._stored_price[i], self._served_price[i] = best.stored_price[:-1], best.served_price[:-1]
        to_come = (future.weight * best.grid_j)[::-1].cumsum()[::-1][1:]
        planned = best.stored_price * best.battery_j + best.served_price * best.served_j
        self._offset[i] = -to_come - planned[:-1]
        n_tasks, room = len(seen.energy_j), self._waiting_j.shape[1]
        if n_tasks >= room:
            self._waiting_j = np.pad(self._waiting_j, ((0, 0), (0, n_tasks + 1 - room)))
        self._waiting_j[i] = 0.0
        self._waiting_j[i, :n_tasks] = seen.energy_j * (seen.due_slot > seen.task_slot)
        self._served_j[i] = 0.0

    def acted(self, decision: Decision, actions: IntArray) -> None:
        """Count the tasks at hand as run where these actions, of shape (n,), run them."""
        runs = (actions < len(self._scenario.models)) | (decision.due > 0)
        self._served_j += runs * self._waiting_j[np.arange(decision.n), decision.task]

    def __call__(self, decision: Decision) -> FloatArray:
        """Return Phi, shape (n,)."""
        due_j = decision.due.astype(np.float64) * self._scenario.myopic_moments[0]  # their mean
        horizon = self._scenario.horizon_slots
        at = np.arange(decision.n), np.minimum(horizon - decision.slots_left, horizon - 1)
        stored = self._stored_price[at] * self._stored_j(decision, due_j)
        return self._offset[at] + stored + self._served_price[at] * self._served_j

    def _stored_j(self, decision: Decision, due_j: FloatArray) -> FloatArray:
        """Return what the battery is to hold at the slot's end, if of the tasks at hand only those that are due run."""
        scenario, left_j = self._scenario, decision.harvest_left_j - due_j
        efficiency = np.where(left_j > 0, scenario.charge_efficiency, 1 / scenario.discharge_efficiency)
        return np.clip(decision.battery_j + efficiency * left_j, 0.0, scenario.capacity_j)
