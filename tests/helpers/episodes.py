"""Episodes seen from outside, and a naive simulator to compare them with."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from energy_route_env import Decision, EnergyRouteEnv, Scenario, Trace


class Played(NamedTuple):
    """An episode seen from outside, one entry for each step."""

    decisions: list[Decision]
    """What was seen before each step."""
    infos: list[dict[str, Any]]
    rewards: list[float]
    slots_after: list[int]
    """The slot at hand after each step, the horizon at the end."""

    def column(self, name: str) -> list[Any]:
        return [info[name] for info in self.infos]

    @property
    def balance(self) -> dict[str, float]:
        return self.infos[-1]["balance"]


def play(scenario: Scenario, trace: Trace, actions: Iterator[int]) -> Played:
    """Run an episode to its end, every action taken from the iterator."""
    env = EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    played = Played([], [], [], [])
    most = trace.n_tasks * (len(scenario.models) if scenario.retries else 1)
    for _ in range(most + scenario.horizon_slots):  # every step tries a task on a model or closes a slot
        played.decisions.append(env.decision())
        _, reward, terminated, truncated, info = env.step(next(actions))
        played.infos.append(info)
        played.rewards.append(float(reward))
        played.slots_after.append(scenario.horizon_slots - int(env.decision().slots_left[0]))
        if terminated or truncated:
            return played
    raise AssertionError("The episode does not end.")


class Naive:
    """The model's Section 2 and 3, slot by slot and task by task, with lists."""

    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self.scenario, self.trace = scenario, trace
        self.battery, self.left = scenario.initial_battery_j, 0.0
        self.auxiliary = self.spilled = self.lost = 0.0
        self.committed = [0.0] * (scenario.horizon_slots + 1)
        """What running tasks draw in each slot, and after the last one."""
        self.auxiliary_before = [0.0]
        """Auxiliary energy drawn before each slot, and before the end."""
        self.log: list[tuple[int, int, bool, float, float, float, float]] = []
        """Slot, model, forced, battery before, harvest left before, energy, auxiliary energy."""
        self.failed: dict[int, set[int]] = {task: set() for task in range(trace.n_tasks)}
        """Models that failed on each task, where failures are retried."""
        self.attempts = self.solved = 0

    def supply(self, energy: float) -> float:
        from_harvest = min(energy, self.left)
        delivered = min(energy - from_harvest, self.scenario.discharge_efficiency * self.battery)
        drained = delivered / self.scenario.discharge_efficiency
        self.left -= from_harvest
        self.battery = max(self.battery - drained, 0.0)
        self.lost += drained - delivered
        self.auxiliary += energy - from_harvest - delivered
        return energy - from_harvest - delivered

    def close_slot(self) -> None:
        stored = min(self.scenario.charge_efficiency * self.left, self.scenario.capacity_j - self.battery)
        used = stored / self.scenario.charge_efficiency
        self.battery += stored
        self.spilled += self.left - used
        self.lost += used - stored
        self.left = 0.0

    def cost(self, task: int, model: int) -> float:
        return float(self.scenario.energy_j(self.trace.difficulty[task])[model])

    def commit(self, slot: int, task: int, model: int) -> float:
        """Spread a task's energy over the slots that it runs in; return the share of the first."""
        if self.scenario.execution == "at_once":
            return self.cost(task, model)
        latency = float(self.scenario.models.latency_s(self.trace.difficulty[task])[model])
        n = max(1, math.ceil(latency / self.scenario.slot_seconds))
        for later in range(slot + 1, slot + n):
            self.committed[min(later, self.scenario.horizon_slots)] += self.cost(task, model) / n
        return self.cost(task, model) / n

    def run_on(self, slot: int) -> None:
        """Supply what running tasks draw as a slot opens; it belongs to the last step."""
        if self.log:
            *before, energy, auxiliary = self.log[-1]
            self.log[-1] = (*before, energy + self.committed[slot], auxiliary + self.supply(self.committed[slot]))

    def cheapest(self, task: int) -> int:
        expected = self.scenario.expected_energy_j(self.trace.observed_difficulty[task])
        return min(set(range(len(expected))) - self.failed[task], key=lambda model: expected[model])

    def is_done(self, task: int, model: int) -> bool:
        """Whether the task need not be tried again after this attempt."""
        self.attempts += 1
        if not self.scenario.retries or self.trace.solved is None or self.trace.solved[task, model]:
            self.solved += 1
            return True
        self.failed[task].add(model)
        return len(self.failed[task]) == len(self.scenario.models)

    def run_to_end(self, task: int) -> float:
        energy, done = 0.0, False
        while not done:
            model = self.cheapest(task)
            energy += self.cost(task, model)
            done = self.is_done(task, model)
        return energy

    def run(self, actions: Iterator[int]) -> None:
        open_tasks: list[int] = []
        for slot, harvest in enumerate(self.trace.harvest_j.tolist()):
            self.left = harvest
            self.run_on(slot)
            open_tasks += np.flatnonzero(self.trace.task_slot == slot).tolist()
            self._run_slot(slot, open_tasks, actions)
            self.close_slot()
            self.auxiliary_before.append(self.auxiliary)
        self.run_on(self.scenario.horizon_slots)
        if open_tasks:
            energy = sum(self.run_to_end(task) for task in open_tasks)
            slot, model, forced, battery, left, before, auxiliary = self.log[-1]
            supplied = self.supply(energy)
            self.log[-1] = (slot, model, forced, battery, left, before + energy, auxiliary + supplied)

    def _run_slot(self, slot: int, open_tasks: list[int], actions: Iterator[int]) -> None:
        deadline = self.trace.deadline_slots
        closed = False
        while True:
            due = [task for task in open_tasks if self.trace.task_slot[task] + deadline[task] == slot]
            due.sort(key=lambda task: deadline[task] > 0)
            offered = due or ([] if closed else open_tasks)
            if not offered:
                return
            task, action = offered[0], next(actions)
            before = (self.battery, self.left)
            if action == len(self.scenario.models) and not due:
                closed = True
                overhead = self.scenario.overhead_j
                self.log.append((slot, -1, False, *before, overhead, self.supply(overhead)))
                continue
            forced = action == len(self.scenario.models) or action in self.failed[task]
            model = self.cheapest(task) if forced else action
            energy = self.commit(slot, task, model) + self.scenario.overhead_j
            if self.is_done(task, model):
                open_tasks.remove(task)
            self.log.append((slot, model, forced, *before, energy, self.supply(energy)))
