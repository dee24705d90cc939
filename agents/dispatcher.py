"""The protocol of every dispatcher, analytic or learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_real

Actions = NDArray[np.int64]


class Dispatcher(ABC):
    """Routes the tasks at hand. Give a subclass `act`, and `eval.rollout.simulate` takes it.

    `act` must remember nothing of single environments: each call may bring another number of them. What it wants to
    know of an episode at its next decision it writes to `decision.memory`.
    """

    privileged: bool = False
    """Whether it is shown the true difficulty."""
    overhead_j: float = 0.0
    """Joules that it takes itself for each decision. Analytic rules (1e-9 J) and small networks (1e-8 J) leave it 0."""

    memory_size: int = 0
    """Numbers that it notes on each episode; whoever calls `act` keeps them."""

    @abstractmethod
    def act(self, decision: Decision) -> Actions:
        """Return the action in every environment, shape (n,): a model's index, or the number of models to defer."""

    @property
    def acts_as(self) -> Dispatcher:
        """The simplest dispatcher that always decides likewise in its scenario; by default itself."""
        return self

    def charged(self, scenario: Scenario) -> Scenario:
        """Return the scenario with the dispatcher's overhead added to its own; an InputError if it is below 0."""
        require_real(f"{type(self).__name__}.overhead_j", self.overhead_j, 0.0)
        return replace(scenario, overhead_j=scenario.overhead_j + self.overhead_j) if self.overhead_j else scenario

    def reset(self, seed: int) -> None:  # noqa: B027  (most dispatchers draw nothing)
        """Start a simulation. A dispatcher that draws seeds its generator here."""
