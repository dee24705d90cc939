"""The protocol of every dispatcher, analytic or learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from energy_route_env import Decision

Actions = NDArray[np.int64]


class Dispatcher(ABC):
    """Routes the tasks at hand: subclass it, give it `act`, and `eval.rollout.simulate` takes it.

    `act` must not keep a memory of single environments from call to call: it is called with any number of them.
    """

    privileged: ClassVar[bool] = False
    """Whether it is shown the true difficulty."""

    @abstractmethod
    def act(self, decision: Decision) -> Actions:
        """The action in every environment, shape (n,): a model's index, or the number of models to defer."""

    def reset(self, seed: int) -> None:  # noqa: B027  (most dispatchers draw nothing)
        """Start a simulation; one that draws seeds its generator here."""
