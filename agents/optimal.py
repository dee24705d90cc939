"""The best that a dispatcher can do with what it sees, from the tables of dynamic programming."""

from functools import cached_property

import numpy as np

from agents.dispatcher import Actions
from agents.variance_aware import ONE_ATTEMPT, ByValue
from energy_route_env import Decision, Scenario
from energy_route_env.theory.optimum import Optimum, optimum, require_optimum
from energy_route_env.theory.slot import require_at_once, require_no_retries, require_no_waiting
from energy_route_env.units import FloatArray


class Optimal(ByValue):
    """Takes the model of lowest expected energy still to come, by `theory.optimum`.

    Where a task's energy is known, the cheapest model is optimal on every trace: then there are no tables, and any
    harvest, arrivals and battery will do. Difficulties that are no level of the scenario are as welcome as those that
    are: what follows the task at hand does not depend on them.

    Raises:
        InputError: naming the field, where tasks can wait, draw their energy over their latency or are retried, or the
            energy is uncertain and `theory.optimum` refuses.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        require_no_waiting(scenario)
        require_no_retries(scenario, ONE_ATTEMPT)
        require_at_once(scenario)  # else a dearer task that runs longer may take less from the grid
        if not scenario.energy_is_known:
            require_optimum(scenario)

    @cached_property
    def _optimum(self) -> Optimum:
        """The tables, worked out when they are first needed."""
        return optimum(self.scenario)

    def act(self, decision: Decision) -> Actions:
        known = self.scenario.energy_is_known
        return decision.expected_energy_j.argmin(axis=-1) if known else super().act(decision)

    def to_come_j(self, decision: Decision, energy_j: FloatArray) -> FloatArray:
        slots, due = (np.maximum(count - 1, 0)[:, None, None] for count in (decision.slots_left, decision.due))
        return self._optimum.value_within(decision.usable_j[:, None, None] - energy_j, slots, due)
