"""The protocol of every dispatcher, analytic or learned."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from energy_route_env import Decision

Actions = NDArray[np.int64]


class Dispatcher(ABC):
    """Routes the tasks at hand. Give a subclass `act`, and `eval.rollout.simulate` takes it.

    `act` must remember nothing of single environments: each call may bring another number of them. What it wants to
    know of an episode at its next decision it writes to `decision.memory`.
    """

    privileged: bool = False
    """Whether it is shown the true difficulty."""

    memory_size: int = 0
    """Numbers that it notes on each episode; whoever calls `act` keeps them."""

    @abstractmethod
    def act(self, decision: Decision) -> Actions:
        """Return the action in every environment, shape (n,): a model's index, or the number of models to defer."""

    def reset(self, seed: int) -> None:  # noqa: B027  (most dispatchers draw nothing)
        """Start a simulation. A dispatcher that draws seeds its generator here."""
