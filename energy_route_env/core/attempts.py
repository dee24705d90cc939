"""Which models were tried on a task, and whether one of them solved it, where failures are retried.

`World.tried` holds the models as bits of a task: bit k is set once model k was tried on it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_route_env.core.state import Rules, State, World

MOST_MODELS = 62
"""Models of a pool whose failures can be retried: their bits fit a signed integer."""


def attempt(x: State, world: World, rules: Rules, task: int, model: int) -> bool:
    """Note an attempt and return whether it solved the task; where failures are ignored, it counts as if it did."""
    if rules.retries:
        world.tried[task] |= 1 << model
        x.attempts += 1
        x.solved += world.solved[task][model]
        return world.solved[task][model]
    return True


def is_tried(world: World, rules: Rules, task: int, model: int) -> bool:
    """Return whether this model was tried on the task."""
    if rules.retries:
        return (world.tried[task] >> model) & 1 == 1
    return False


def all_tried(world: World, rules: Rules, task: int) -> bool:
    """Return whether no model is left to try."""
    if rules.retries:
        return world.tried[task] == (1 << rules.n_models) - 1
    return False


def tried_models(bits: Any, n_models: int) -> NDArray[np.bool_]:
    """Return the bits as an array, shape `bits.shape + (n_models,)`."""
    return (np.asarray(bits)[..., None] >> np.arange(n_models)) & 1 == 1
