"""Dispatchers that plan ahead on a forecast, and plan again every few slots."""

import os
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_whole
from energy_route_env.decision import DAY_S, Outlook
from energy_route_env.theory.schedule import Future, best_schedule
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.harvest import RecordedHarvest

BLOCK_SLOTS = 8
"""Slots that a plan takes together, beyond its first ones."""
PATIENCE = 1e-3
"""By how much less a joule from the grid counts at the end of a plan: of plans alike, the one that waits for luck."""
HASTE = -1e-7
"""What a joule counts for each slot in which it has already run: of plans still alike, the one that runs early.

Without these two a plan is any of many, and the one that happens to come out may take the grid needlessly soon."""


class RecedingHorizon(Dispatcher):
    """Runs waiting tasks as a linear programme says that knows the queue and forecasts the rest (`best_schedule`).

    A plan lays down how much energy is to have run by the end of each slot. Waiting tasks run, oldest first, up to
    there, to the nearest task, and only while harvest and battery cover them: plans take the grid for what is due
    alone. All tasks go to the model of lowest expected energy. Where none can wait it is the myopic dispatcher.

    Args:
        scenario: where it decides.
        every_slots: slots from plan to plan.
    """

    def __init__(self, scenario: Scenario, every_slots: int = 4) -> None:
        require_whole("every_slots", every_slots, 1)
        self.scenario, self.every_slots = scenario, every_slots
        self.memory_size = 2 + 2 * every_slots
        """The slot after that of the plan (0: none yet), joules run since, and two numbers for each slot of the plan:
        joules to have run by its end, and those of them due by then."""

    @abstractmethod
    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        """Return the harvest to expect in each slot after the current one, shape (horizon_slots - slot - 1,)."""

    def act(self, decision: Decision) -> Actions:
        if decision.memory is None or decision.outlook is None:
            raise ValueError(
                "decision.memory and outlook are None, but they must be given: the dispatcher keeps notes."
            )
        memory, expected_j = decision.memory, decision.expected_energy_j
        answer = expected_j.argmin(axis=-1)
        slot = self.scenario.horizon_slots - decision.slots_left
        waiting = (decision.due == 0) & (decision.backlog > 0)
        is_old = (memory[:, 0] == 0) | (slot + 1 - memory[:, 0] >= self.every_slots)
        self._plan(decision, np.flatnonzero(waiting & is_old))
        rows = np.flatnonzero(waiting)
        now = (slot[rows] + 1 - memory[rows, 0]).astype(int)
        planned_j, due_j = memory[rows, 2 + now], memory[rows, 2 + self.every_slots + now]
        run_j, energy_j = np.maximum(memory[rows, 1], due_j), expected_j[rows].min(axis=-1)
        runs = (run_j + energy_j / 2 <= planned_j) & (energy_j <= decision.usable_j[rows])
        memory[rows, 1] = run_j + runs * energy_j
        answer[rows[~runs]] = len(self.scenario.models)
        return answer

    def _plan(self, decision: Decision, rows: IntArray) -> None:
        """Write a plan to the memory of each of these environments."""
        if len(rows) > 0:
            with ThreadPoolExecutor(os.cpu_count()) as threads:  # the solver lets other threads run
                for row, plan in zip(rows, threads.map(lambda i: self._plan_of(decision, int(i)), rows), strict=True):
                    decision.memory[row] = plan  # type: ignore[index]

    def _plan_of(self, decision: Decision, i: int) -> FloatArray:
        """Return what to note of a plan made now, shape (memory_size,)."""
        assert decision.outlook is not None
        seen = decision.outlook(i)
        future = self._future(seen, float(decision.harvest_left_j[i]))
        n, every = len(future.harvest_j), self.every_slots
        fine = min(max(every, BLOCK_SLOTS // 2), n - 1)
        first = np.concatenate([np.arange(fine), np.arange(fine, n - 1, BLOCK_SLOTS), [n - 1]])
        battery = self.scenario.battery._replace(initial_battery_j=float(decision.battery_j[i]))
        last = np.append(first[1:], n) - 1
        schedule = best_schedule(_in_blocks(future, first, last), battery, HASTE)
        at = np.minimum(np.arange(every), n - 1)
        return np.concatenate([[seen.slot + 1, 0.0], schedule.served_j[at], future.due_j[at]])

    def _future(self, seen: Outlook, harvest_left_j: float) -> Future:
        """Return what to expect from the current slot on: the tasks that are known, and mean arrivals if need be."""
        n = self.scenario.horizon_slots + 1 - seen.slot
        arrives, due = np.maximum(seen.task_slot - seen.slot, 0), seen.due_slot - seen.slot
        waits = due > arrives
        new_j = np.full(n, 0.0 if self.privileged else self.scenario.mean_demand_j)
        new_j[[0, -1]] = 0.0
        share, wait = self.scenario.deferrable_share, self.scenario.deadline_slots
        demand_j = np.bincount(arrives[~waits], seen.energy_j[~waits], n) + (1 - share) * new_j
        arrived_j = (np.bincount(arrives[waits], seen.energy_j[waits], n) + share * new_j).cumsum()
        falling_due_j = np.concatenate([np.zeros(wait), share * new_j])[:n]
        due_j = (np.bincount(due[waits], seen.energy_j[waits], n) + falling_due_j).cumsum()
        due_j[-1] = arrived_j[-1]  # at the end everything is due
        harvest_j = np.concatenate([[harvest_left_j], self.harvest_ahead(seen), [0.0]])
        weight = np.linspace(1.0, 1.0 - PATIENCE, n)
        return Future(harvest_j, demand_j, arrived_j, due_j, weight)


class OnClimatology(RecedingHorizon):
    """Expects in every slot the mean by time of day, over the whole record where there is one."""

    def __init__(self, scenario: Scenario, every_slots: int = 4) -> None:
        super().__init__(scenario, every_slots)
        self._mean_day_j = _mean_day_j(scenario)
        self._slots_per_day = len(self._mean_day_j)

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        return self._mean_day_j[np.arange(seen.slot + 1, self.scenario.horizon_slots) % self._slots_per_day]


class OnPersistence(OnClimatology):
    """Expects in every slot what the last slot of the same time of day has brought; before the first, the mean."""

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        ahead = np.arange(seen.slot + 1, self.scenario.horizon_slots)
        before = seen.slot - (seen.slot - ahead) % self._slots_per_day
        return np.where(before >= 0, seen.harvest_j[np.maximum(before, 0)], super().harvest_ahead(seen))


class OnFuture(RecedingHorizon):
    """Knows all that is to come: the limit of good forecasts."""

    privileged = True

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        return seen.harvest_j[seen.slot + 1 :]


def _mean_day_j(scenario: Scenario) -> FloatArray:
    """Return the mean harvest of each slot of the day in joules, shape (slots of a day,)."""
    source = scenario.harvest
    if isinstance(source, RecordedHarvest):
        return source.series_j.reshape(-1, source.slots_per_day).mean(axis=0)
    return np.full(max(round(DAY_S / scenario.slot_seconds), 1), source.mean_j)


def _in_blocks(future: Future, first: IntArray, last: IntArray) -> Future:
    """Return the same future by blocks of slots, from these first to these last ones."""
    return Future(
        np.add.reduceat(future.harvest_j, first),
        np.add.reduceat(future.demand_j, first),
        future.arrived_j[last],
        future.due_j[last],
        future.weight[first],
    )
