"""Dispatchers that plan ahead on a forecast, and plan again every few slots."""

import os
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_whole
from energy_route_env.decision import Outlook
from energy_route_env.theory.schedule import Future, best_schedule
from energy_route_env.theory.slot import require_at_once
from energy_route_env.units import FloatArray, IntArray
from energy_route_env.world.forecast import persistence_by_slot
from energy_route_env.world.harvest import RecordedHarvest

NEAR_DAYS = 15
"""Days before and after a date that say what to expect of it."""
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
    there, to the nearest task, and only while harvest and battery cover them or the plan itself takes the grid. All
    tasks go to the untried model of lowest expected energy; a plan counts one attempt for each that is known. Where
    none can wait it is the myopic dispatcher. What a joule from the grid counts later is forecast by persistence.

    Args:
        scenario: where it decides.
        every_slots: slots from plan to plan.

    Raises:
        InputError: if `every_slots` is not valid, or tasks draw their energy over their latency: no plan counts that.
    """

    def __init__(self, scenario: Scenario, every_slots: int = 4) -> None:
        require_at_once(scenario)
        require_whole("every_slots", every_slots, 1)
        self.scenario, self.every_slots = scenario, every_slots
        self._block_slots = BLOCK_SLOTS if scenario.grid_source is None else 1  # what the grid counts differs in each
        self.memory_size = 2 + 3 * every_slots
        """The slot after that of the plan (0: none yet), joules run since, and three numbers for each slot of the plan:
        joules to have run by its end, those of them due by then, and whether the plan takes the grid in it."""

    def grid_ahead(self, seen: Outlook) -> FloatArray:
        """Return what a joule from the grid is to count from the current slot on, shape (horizon_slots - slot,)."""
        horizon, so_far = self.scenario.horizon_slots, seen.grid_weight
        if so_far is None or seen.before.past_grid_weight is None:
            return np.ones(horizon - seen.slot)
        ahead = persistence_by_slot(seen.before.past_grid_weight, so_far, horizon)
        return np.append(so_far[seen.slot :], ahead)

    @abstractmethod
    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        """Return the harvest to expect in each slot after the current one, shape (horizon_slots - slot - 1,)."""

    def act(self, decision: Decision) -> Actions:
        if decision.memory is None or decision.outlook is None:
            raise ValueError(
                "decision.memory and outlook are None, but they must be given: the dispatcher keeps notes."
            )
        memory, outlook, expected_j = decision.memory, decision.outlook, decision.open_energy_j
        answer = expected_j.argmin(axis=-1)
        slot = self.scenario.horizon_slots - decision.slots_left
        waiting = (decision.due == 0) & (decision.backlog > 0)
        is_old = (memory[:, 0] == 0) | (slot + 1 - memory[:, 0] >= self.every_slots)
        old = np.flatnonzero(waiting & is_old).tolist()
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # the solver lets other threads run
            for i, plan in zip(old, threads.map(lambda i: self._plan(decision, outlook(i), i), old), strict=True):
                memory[i] = plan
        rows = np.flatnonzero(waiting)
        now = (slot[rows] + 1 - memory[rows, 0]).astype(int)
        planned_j, due_j, takes_grid = (memory[rows, 2 + part * self.every_slots + now] for part in range(3))
        run_j, energy_j = np.maximum(memory[rows, 1], due_j), expected_j[rows].min(axis=-1)
        runs = (run_j + energy_j / 2 <= planned_j) & ((energy_j <= decision.usable_j[rows]) | (takes_grid > 0))
        memory[rows, 1] = run_j + runs * energy_j
        answer[rows[~runs]] = len(self.scenario.models)
        return answer

    def _plan(self, decision: Decision, seen: Outlook, i: int) -> FloatArray:
        """Return what environment i's memory holds of a plan made now, shape (memory_size,)."""
        future = self._future(seen, float(decision.harvest_left_j[i]))
        n, every = len(future.harvest_j), self.every_slots
        fine = min(max(every, BLOCK_SLOTS // 2), n - 1)
        first = np.concatenate([np.arange(fine), np.arange(fine, n - 1, self._block_slots), [n - 1]])
        battery = self.scenario.battery._replace(initial_battery_j=float(decision.battery_j[i]))
        last = np.append(first[1:], n) - 1
        schedule = best_schedule(_in_blocks(future, first, last), battery, HASTE)
        at = np.minimum(np.arange(every), n - 1)
        served_j, due_j = schedule.served_j[at], future.due_j[at]
        takes_grid = schedule.grid_j[at] > 1e-6 * served_j  # beyond the solver's tolerance
        return np.concatenate([[seen.slot + 1, 0.0], served_j, due_j, takes_grid])

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
        weight = np.append(self.grid_ahead(seen), 0.0)
        weight[-1] = weight[-2]  # what is left at the end counts as in the last slot
        weight *= np.linspace(1.0, 1.0 - PATIENCE, n)
        return Future(harvest_j, demand_j, arrived_j, due_j, weight)


class OnClimatology(RecedingHorizon):
    """Expects in every slot the mean harvest by time of day of the days around the date, those of the episode left out.

    Without a record it is the mean of the source, without a date that of the whole record. The present departure from
    the mean fades as rho^k, with rho the source's `correlation`.
    """

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        expected_j = climatology_j(self.scenario, seen.before.start_slot)
        ahead_j = expected_j[seen.slot + 1 :]
        fading = self.scenario.harvest.correlation ** np.arange(1.0, len(ahead_j) + 1)
        return ahead_j + fading * (seen.harvest_j[-1] - expected_j[seen.slot])


class OnPersistence(RecedingHorizon):
    """Expects the harvest of the last day again, and that its latest departure from the day before fades.

    Where the day before the episode is not known, climatology stands for it.
    """

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        past_j, day = seen.before.past_harvest_j, self.scenario.day_slots
        if past_j is None or len(past_j) != day:
            expected_j = climatology_j(self.scenario, seen.before.start_slot)
            past_j = np.resize(expected_j, day)
        return persistence_by_slot(past_j, seen.harvest_j, self.scenario.horizon_slots)


class OnFuture(RecedingHorizon):
    """Knows all that is to come: the limit of good forecasts."""

    privileged = True

    def harvest_ahead(self, seen: Outlook) -> FloatArray:
        return seen.harvest_j[seen.slot + 1 :]


def climatology_j(scenario: Scenario, start_slot: int | None) -> FloatArray:
    """Return the mean harvest to expect in every slot of an episode in joules, shape (horizon_slots,).

    It is the record's mean by time of day over the `NEAR_DAYS` on both sides of the date, without the episode's days.
    """
    source, n = scenario.harvest, scenario.horizon_slots
    if not isinstance(source, RecordedHarvest):
        return np.full(n, source.mean_j)
    days_j = source.series_j.reshape(-1, source.slots_per_day)
    if start_slot is None:
        return np.resize(days_j.mean(axis=0), n)
    dates = start_slot // source.slots_per_day + np.arange(-(-n // source.slots_per_day))
    near = (np.arange(-NEAR_DAYS, NEAR_DAYS + 1) + dates[:, None]) % len(days_j)
    weight = ~np.isin(near, dates % len(days_j))
    means_j = [
        np.average(days_j[days], axis=0, weights=keep if keep.any() else None)
        for days, keep in zip(near, weight, strict=True)
    ]
    return np.concatenate(means_j)[:n]


def _in_blocks(future: Future, first: IntArray, last: IntArray) -> Future:
    """Return the same future by blocks of slots, from these first to these last ones."""
    return Future(
        np.add.reduceat(future.harvest_j, first),
        np.add.reduceat(future.demand_j, first),
        future.arrived_j[last],
        future.due_j[last],
        future.weight[first],
    )
