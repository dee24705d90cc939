"""Screens fed by hand, and environments that show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_route_env import EnergyRouteEnv, Trace
from energy_route_env.core.state import Outcome
from energy_route_env.rendering import Moment
from energy_route_env.scenario import Scenario

START = Moment(
    slot=0,
    battery_j=0.0,
    battery_level=0.0,
    harvest_left_j=0.0,
    due=1,
    waiting=0,
    observed_difficulty=1.8,
    slack_slots=0,
)
SIX = Scenario(name="six", horizon_slots=6)


def outcome(energy_j: float, auxiliary_j: float = 0.0, slot: int = 0, model: int = 0, forced: bool = False) -> Outcome:
    return Outcome(
        energy_j, auxiliary_j, auxiliary_j, model, forced, True, slot, 0, battery_j=0.0, harvest_left_j=0.0, ended=False
    )


def tasks(harvest_j: list[float], task_slot: list[int], **more: Any) -> Trace:
    return Trace.of(harvest_j, task_slot, [1.8] * len(task_slot), **more)


def started(mode: str, trace: Trace | None = None, **fields: Any) -> EnergyRouteEnv:
    env = EnergyRouteEnv(render_mode=mode, **fields)
    env.reset(seed=0, options={"trace": trace} if trace else None)
    return env


def where(frame: Any, color: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where a picture has this colour, shape (height, width)."""
    assert isinstance(frame, np.ndarray)
    return (frame == color).all(axis=-1)
