"""Dispatchers that try the entries in an order until the task is solved."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np

from agents.analytic import Deterministic
from agents.dispatcher import Actions, Dispatcher
from agents.fitting import best_orders, fitted
from energy_route_env import Decision, Scenario
from energy_route_env.checks import InputError
from energy_route_env.decision import untried
from energy_route_env.pool.measured import Estimates, MeasuredPool
from energy_route_env.theory.slot import Tasks
from energy_route_env.units import FloatArray


class Ordered(Deterministic):
    """Tries the entries of a task by rising score, whatever the battery holds."""

    @abstractmethod
    def scores(self, observed: FloatArray) -> FloatArray:
        """Return the score of every entry for tasks of these observed difficulties, shape (n, n_models)."""

    def choose(self, tasks: Tasks) -> Actions:
        return untried(self.scores(tasks.observed_difficulty), tasks.tried).argmin(axis=-1)

    @cached_property
    def mean_energy_j(self) -> FloatArray:
        """Joules that a task is expected to take on each entry, over the scenario's difficulties, shape (n_models,)."""
        return self.scenario.expected_energy_j(self.scenario.difficulties).mean(axis=0)


class Cascade(Ordered):
    """Cheapest first, in one and the same order for all tasks: by rising mean energy."""

    def scores(self, observed: FloatArray) -> FloatArray:
        return np.tile(self.mean_energy_j, (len(observed), 1))


class LargestFirst(Ordered):
    """Always the entry of the highest mean energy; where it fails, the next lower one, so that as many are solved."""

    def scores(self, observed: FloatArray) -> FloatArray:
        return np.tile(-self.mean_energy_j, (len(observed), 1))


class Calibrated(Ordered):
    """Tries first what takes the fewest expected joules for each unit of expected chance.

    Where successes are independent, the order of rising energy / chance takes the fewest joules until the first
    success: to swap two neighbours changes the expectation by (1 - p_1) e_2 + e_1 - (1 - p_2) e_1 - e_2 =
    p_2 e_1 - p_1 e_2 (Mitten 1960; Simon and Kadane 1975). In a measured pool both are fitted on the training questions
    (`agents.fitting`), elsewhere they are what the pool itself expects.

    Raises:
        MissingExtra: if the pool is a measured one and scikit-learn is not installed.
    """

    def scores(self, observed: FloatArray) -> FloatArray:
        energy_j, chance = self.estimates(observed)
        return energy_j / np.maximum(chance, 1e-12)

    def estimates(self, observed: FloatArray) -> Estimates:
        """Return expected joules and chances of tasks of these observed difficulties, shape (n, n_models) each."""
        if self._fitted is None:
            return Estimates(self.scenario.expected_energy_j(observed), self.scenario.success_chance(observed))
        at = observed.astype(int)
        return Estimates(self.scenario.queries_per_task * self._fitted.energy_j[at], self._fitted.chance[at])

    @cached_property
    def _fitted(self) -> Estimates | None:
        pool = self.scenario.models
        return fitted(pool) if isinstance(pool, MeasuredPool) else None


class BestOrder(Ordered):
    """Tries the entries in the order that took the fewest joules on the training questions of the task's family.

    It learns the order itself, not chances: so it knows that an entry seldom solves what a smaller one failed on.

    Raises:
        InputError: if the pool is not a measured one.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        if not isinstance(scenario.models, MeasuredPool):
            raise InputError(f"models is {scenario.models!r}, but it must be a MeasuredPool, to learn an order from.")
        orders = best_orders(scenario.models)
        self._rank = np.array([np.argsort(orders.get(name, orders[""])) for name in scenario.models.outcomes.families])

    def scores(self, observed: FloatArray) -> FloatArray:
        return self._rank[observed.astype(int)].astype(float)


class Hindsight(Dispatcher):
    """Knows which entries will solve the task, and takes the one of these that takes the fewest joules.

    Where none does, every entry is tried, since no task is given up before. Nobody who solves as many takes less.
    """

    privileged = True

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def act(self, decision: Decision) -> Actions:
        if decision.energy_j is None:
            raise ValueError("energy_j is None, but it must be given: hindsight is privileged.")
        energy_j = untried(decision.energy_j, decision.tried)
        if decision.solved is None:
            return energy_j.argmin(axis=-1)
        solving = untried(energy_j, ~decision.solved)
        return np.where(decision.solved.any(axis=-1), solving.argmin(axis=-1), energy_j.argmin(axis=-1))
