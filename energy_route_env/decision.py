"""What a dispatcher sees, in physical units, and how that becomes the observation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray

from energy_route_env.dynamics import Ops, Real, Whole
from energy_route_env.scenario import DAY_S, Scenario
from energy_route_env.units import FloatArray, IntArray

FEATURES: dict[str, tuple[float, float]] = {
    "battery": (0, 1),
    "harvest": (0, 1),
    "difficulty": (-2, 2),
    "slack": (0, 1),
    "backlog": (0, 1),
    "due": (0, 1),
    "time_left": (0, 1),
    "day_sine": (-1, 1),
    "day_cosine": (-1, 1),
}
"""The features of an observation, in order, with their bounds."""


@dataclass(frozen=True, eq=False)
class Decision:
    """The decisions at hand in n environments. Arrays have shape (n,) but for the observation's (n, 9).

    Where an environment's episode is over, `due` and `backlog` are 0 and whatever is answered is ignored.
    """

    battery_j: FloatArray
    """Energy in the battery."""
    harvest_left_j: FloatArray
    """What is left of this slot's harvest."""
    observed_difficulty: FloatArray
    """Observed difficulty of the task at hand; smaller is harder."""
    slack_slots: IntArray
    """Slots that the task at hand may still wait; 0 if it is due now."""
    backlog: IntArray
    """Tasks that may wait beyond this slot, the one at hand among them unless it is due."""
    due: IntArray
    """Tasks to dispatch in this slot at the latest, the one at hand among them if it is due."""
    slots_left: IntArray
    """Slots left, this one included."""
    observe: Callable[[], NDArray[np.float32]] = field(repr=False)
    """Computes `observation`: most dispatchers never look at it."""
    difficulty: FloatArray | None = None
    """True difficulty of the task at hand, for privileged dispatchers; None for all others."""

    @property
    def n(self) -> int:
        """The number of environments."""
        return len(self.battery_j)

    @cached_property
    def observation(self) -> NDArray[np.float32]:
        """What `EnergyRoute-v0` shows, shape (n, 9)."""
        return self.observe()


class Encoder:
    """Turns physical quantities into bounded features.

    Unbounded ones are squashed to x / (x + scale), with a scale of the scenario's own: an unlimited battery's is
    sigma sqrt(T), where the auxiliary energy of a critical episode lies.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Compute the scales."""
        low, high = min(scenario.difficulties), max(scenario.difficulties)
        self.blank_difficulty = sorted(scenario.difficulties)[len(scenario.difficulties) // 2]
        """Shown where there is no task; a level of the scenario's, so that its energy is looked up like any other."""
        self._middle_difficulty = (low + high) / 2
        self._difficulty_scale = (high - low) / 2 or 1.0
        self._harvest_scale_j = scenario.harvest.mean_j or 1.0
        self._capacity_j = scenario.capacity_j
        self._battery_scale_j = scenario.volatility_j * math.sqrt(scenario.horizon_slots) or 1.0
        self._slack_scale = max(scenario.deadline_slots, 1)
        self._due_scale = max(scenario.arrival_rate, 1.0)
        self._backlog_scale = max(scenario.arrival_rate * scenario.deferrable_share * scenario.deadline_slots, 1.0)
        self._time_left, self._day_sine, self._day_cosine = _clock_features(scenario)

    def difficulty_feature(self, observed: FloatArray) -> FloatArray:
        """-1 for the scenario's hardest difficulty, 1 for its easiest, beyond them on to -2 and 2; any shape."""
        relative = (observed - self._middle_difficulty) / self._difficulty_scale
        return np.minimum(np.maximum(relative, -2.0), 2.0)

    def features(
        self,
        ops: Ops,
        battery_j: Real,
        harvest_left_j: Real,
        difficulty: Real,
        slack: Whole,
        backlog: Whole,
        due: Whole,
        slot: Whole,
    ) -> tuple[Real, ...]:
        """The features in the order of `FEATURES`, as numbers or as arrays."""
        if math.isinf(self._capacity_j):
            battery = battery_j / (battery_j + self._battery_scale_j)
        else:
            battery = ops.minimum(battery_j / (self._capacity_j or 1.0), 1.0)
        return (
            battery,
            harvest_left_j / (harvest_left_j + self._harvest_scale_j),
            difficulty,
            slack / (slack + self._slack_scale),
            backlog / (backlog + self._backlog_scale),
            due / (due + self._due_scale),
            ops.read(self._time_left, slot),
            ops.read(self._day_sine, slot),
            ops.read(self._day_cosine, slot),
        )


def _clock_features(scenario: Scenario) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Share of time left, sine and cosine of the day, at every slot and at the end; episodes start at midnight."""
    slot = np.arange(scenario.horizon_slots + 1)
    angle = 2 * np.pi * (slot * scenario.slot_seconds / DAY_S)
    time_left = np.ones(len(slot)) if scenario.continuing else 1 - slot / scenario.horizon_slots
    return time_left, np.sin(angle), np.cos(angle)


def observation_space() -> Space[NDArray[np.float32]]:
    """The bounded float32 box of one observation."""
    bounds: Any = np.asarray(list(FEATURES.values()), np.float32).T
    box: Any = Box(bounds[0], bounds[1], dtype=np.float32)
    return box
