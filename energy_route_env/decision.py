"""What a dispatcher sees, in physical units, and how that becomes the observation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray

from energy_route_env.core.attempts import is_tried, tried_models
from energy_route_env.core.state import Battery, Rules, Scales, State, World
from energy_route_env.units import DAY_S, FloatArray, IntArray

if TYPE_CHECKING:
    from energy_route_env.scenario import Scenario

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
GRID_FEATURES: dict[str, tuple[float, float]] = {
    "grid": (-1, 3),
    "grid_6h": (-1, 3),
    "grid_12h": (-1, 3),
    "grid_24h": (-1, 3),
    "harvest_6h": (0, 1),
    "harvest_12h": (0, 1),
    "harvest_24h": (0, 1),
}
"""Those that follow where the scenario has a grid source."""

RETRY_FEATURES: dict[str, tuple[float, float]] = {"tried": (0, 1), "energy": (0, 1), "chance": (0, 1)}
"""Those that follow for every model k where failures are retried, as `tried_k`, `energy_k` and `chance_k`."""


class Before(NamedTuple):
    """What is known of the time before an episode, each None where it is not (see `Trace`)."""

    start_slot: int | None
    past_harvest_j: FloatArray | None
    past_grid_weight: FloatArray | None


class Outlook(NamedTuple):
    """What is known of an episode up to this slot; a privileged dispatcher is shown the whole of it."""

    slot: int
    """The current slot."""
    before: Before
    harvest_j: FloatArray
    """Harvest of every slot from the first one on."""
    grid_weight: FloatArray | None
    """What a joule from the grid counts in these slots; None where the scenario has no grid source."""
    task_slot: IntArray
    """Arrival slot of every task that is not dispatched, shape (n_tasks,)."""
    due_slot: IntArray
    """The last slot in which each of them may be dispatched; the horizon if it outlasts the episode."""
    energy_j: FloatArray
    """Joules that each is expected to take on the model of lowest expected energy; the true ones if privileged.

    Models that failed on it are left out. What more it takes if this one fails too is not counted.
    """


@dataclass(frozen=True, eq=False)
class Decision:
    """The decisions at hand in n environments. Arrays have shape (n,) unless said otherwise.

    Where an environment's episode is over, `due` and `backlog` are 0 and whatever is answered is ignored.
    """

    battery_j: FloatArray
    """Energy in the battery."""
    harvest_left_j: FloatArray
    """What is left of this slot's harvest."""
    usable_j: FloatArray
    """What can be supplied now without auxiliary energy: harvest left, and the battery after its discharge loss."""
    observed_difficulty: FloatArray
    """Observed difficulty of the task at hand; smaller is harder."""
    expected_energy_j: FloatArray
    """Joules that the task at hand is expected to take on each model, shape (n, n_models)."""
    slack_slots: IntArray
    """Slots that the task at hand may still wait; 0 if it is due now."""
    backlog: IntArray
    """Tasks that may wait beyond this slot, the one at hand among them unless it is due."""
    due: IntArray
    """Tasks to dispatch in this slot at the latest, the one at hand among them if it is due."""
    slots_left: IntArray
    """Slots left, this one included."""
    task: IntArray
    """Index of the task at hand in the episode's trace; the number of its tasks where there is none."""
    observation: NDArray[np.float32] = field(repr=False)
    """What `EnergyRoute-v0` shows, shape (n, n_features)."""
    difficulty: FloatArray | None = None
    """True difficulty of the task at hand, for privileged dispatchers; None for all others."""
    energy_j: FloatArray | None = None
    """Joules that it really takes on each model, shape (n, n_models), likewise."""
    grid_weight: FloatArray | None = None
    """What a joule from the grid counts in this slot; None where the scenario has no grid source, as are the next."""
    grid_forecast: FloatArray | None = None
    """The mean of that over the hours ahead up to 6, 12 and 24, as forecast by persistence, shape (n, 3)."""
    harvest_forecast_j: FloatArray | None = None
    """Mean harvest of a slot in these hours, likewise."""
    tried: NDArray[np.bool_] | None = None
    """Models that failed on the task at hand, shape (n, n_models); None where failures are ignored, as the next."""
    success_chance: FloatArray | None = None
    """The probability that each model solves it, as expected from what is observed, likewise."""
    solved: NDArray[np.bool_] | None = None
    """Whether each model solves it, likewise, for privileged dispatchers; None for all others."""
    outlook: Callable[[int], Outlook] | None = field(default=None, repr=False)
    """What more is known in environment i. It is worked out when called, which must be before the next step."""
    memory: FloatArray | None = None
    """The dispatcher's notes on each episode, shape (n, memory_size), to read and to write; 0 at an episode's start."""

    @property
    def n(self) -> int:
        """The number of environments."""
        return len(self.battery_j)

    @property
    def open_energy_j(self) -> FloatArray:
        """`expected_energy_j`, infinite on the models that failed on the task at hand."""
        return untried(self.expected_energy_j, self.tried)


def untried(values: FloatArray, tried: NDArray[np.bool_] | None) -> FloatArray:
    """Return values that are infinite on the models that were tried, so that the lowest is that of an untried one."""
    return values if tried is None else np.where(tried, np.inf, values)


def slack_slots(x: State, world: World, can_wait: bool) -> int:
    """Return how many slots the task at hand may still wait."""
    return world.due_slot[x.task] - x.slot if can_wait else 0


def outlook(x: State, world: World, rules: Rules, before: Before, privileged: bool) -> Outlook:
    """Return what is known of one episode."""
    n_slots = rules.horizon_slots if privileged else x.slot + 1
    n_tasks = world.arrived[-1] if privileged else world.arrived[x.slot]
    expected_j = np.asarray(world.expected_energy_j)[:n_tasks]
    true_or_expected_j = np.asarray(world.energy_j)[:n_tasks] if privileged else expected_j
    tried = tried_models(np.asarray(world.tried)[:n_tasks], rules.n_models) if rules.retries else None
    energy_j = true_or_expected_j[np.arange(n_tasks), untried(expected_j, tried).argmin(axis=-1)]
    slot = np.asarray(world.task_slot)[:n_tasks]
    due, is_open = slot, np.arange(n_tasks) >= x.dispatched
    if rules.can_wait:
        due, is_open = np.asarray(world.due_slot)[:n_tasks], ~np.asarray(world.is_dispatched)[:n_tasks]
    harvest_j = np.diff(world.harvested_before_j[: n_slots + 1])
    grid_weight = np.asarray(world.grid_weight[:n_slots]) if rules.has_grid else None
    return Outlook(int(x.slot), before, harvest_j, grid_weight, slot[is_open], due[is_open], energy_j[is_open])


def observe(x: State, world: World, rules: Rules, out: Any) -> None:
    """Write the features of the decision at hand, in the order of `features_of`."""
    scales, n_models = rules.scales, rules.n_models
    if scales.capacity_j > 0:
        out[0] = min(x.battery_j / scales.capacity_j, 1.0)
    else:
        out[0] = x.battery_j / (x.battery_j + scales.battery_j)
    out[1] = x.harvest_left_j / (x.harvest_left_j + scales.harvest_j)
    difficulty = (world.observed_difficulty[x.task] - scales.middle_difficulty) / scales.difficulty
    out[2] = min(max(difficulty, -2.0), 2.0)
    out[3] = saturating(slack_slots(x, world, rules.can_wait), scales.slack_slots)
    out[4] = saturating(x.waiting, scales.backlog)
    out[5] = x.due / (x.due + scales.due)
    out[6] = scales.time_left[x.slot]
    out[7] = scales.day_sine[x.slot]
    out[8] = scales.day_cosine[x.slot]
    if rules.has_grid:
        grid, harvest_j = world.grid_forecast[x.slot], world.harvest_forecast_j[x.slot]
        out[9] = departure(world.grid_weight[x.slot], scales.grid_weight)
        for k in range(3):
            out[10 + k] = departure(grid[k], scales.grid_weight)
            out[13 + k] = harvest_j[k] / (harvest_j[k] + scales.harvest_j)
    if rules.retries:
        first = len(out) - 3 * n_models
        for k in range(n_models):
            energy_j = world.expected_energy_j[x.task][k]
            out[first + k] = 1.0 if is_tried(world, rules, x.task, k) else 0.0
            out[first + n_models + k] = energy_j / (energy_j + scales.task_j)
            out[first + 2 * n_models + k] = world.success_chance[x.task][k]


def departure(value: float, mean: float) -> float:
    """Return by what share of the mean a value departs from it, at most 3."""
    return min(value / mean - 1.0, 3.0)


def saturating(count: int, scale: float) -> float:
    """Map 0, 1, 2, ... to [0, 1); `scale` is where it is a half."""
    return count / (count + scale) if count > 0 else 0.0


def rules_of(scenario: Scenario) -> Rules:
    """Return what the core needs to know of a scenario."""
    return Rules(
        battery=Battery(*map(float, scenario.battery)),
        scales=_scales(scenario),
        horizon_slots=scenario.horizon_slots,
        n_models=len(scenario.models),
        can_wait=scenario.can_wait,
        has_grid=scenario.grid_source is not None,
        overhead_j=float(scenario.overhead_j),
        over_latency=True if scenario.over_latency else None,
        retries=True if scenario.retries else None,
    )


def _scales(scenario: Scenario) -> Scales:
    """Return the features' scales; an unlimited battery's is sigma sqrt(T), the order of a critical episode's D_T."""
    low, high = min(scenario.difficulties), max(scenario.difficulties)
    unlimited = math.isinf(scenario.capacity_j)
    return Scales(
        capacity_j=0.0 if unlimited else float(scenario.capacity_j) or 1.0,
        battery_j=float(scenario.volatility_j) * math.sqrt(scenario.horizon_slots) or 1.0,
        harvest_j=float(scenario.harvest.mean_j) or 1.0,
        grid_weight=scenario.mean_grid_weight,
        task_j=float(scenario.expected_energy_j(scenario.difficulties).mean()),
        middle_difficulty=float(scenario.middle_difficulty),
        difficulty=(float(high - low) / 2 or 1.0) if scenario.models.difficulty_shown else math.inf,
        slack_slots=float(max(scenario.deadline_slots, 1)),
        backlog=float(max(scenario.arrival_rate * scenario.deferrable_share * scenario.deadline_slots, 1.0)),
        due=float(max(scenario.arrival_rate, 1.0)),
        **_clock_features(scenario),
    )


def _clock_features(scenario: Scenario) -> dict[str, FloatArray]:
    """Return share of time left, sine and cosine of the day for every slot and the end; episodes start at midnight."""
    slot = np.arange(scenario.horizon_slots + 1)
    angle = 2 * np.pi * (slot * scenario.slot_seconds / DAY_S)
    time_left = np.ones(len(slot)) if scenario.continuing else 1 - slot / scenario.horizon_slots
    return {"time_left": time_left, "day_sine": np.sin(angle), "day_cosine": np.cos(angle)}


def features_of(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Return the features of a scenario's observation, in order, with their bounds."""
    features = FEATURES if scenario.grid_source is None else FEATURES | GRID_FEATURES
    if not scenario.retries:
        return features
    models = range(len(scenario.models))
    return features | {f"{name}_{k}": bounds for name, bounds in RETRY_FEATURES.items() for k in models}


def observation_space(scenario: Scenario) -> Space[NDArray[np.float32]]:
    """Return the bounded float32 box of one observation."""
    bounds: Any = np.asarray(list(features_of(scenario).values()), np.float32).T
    box: Any = Box(bounds[0], bounds[1], dtype=np.float32)
    return box
