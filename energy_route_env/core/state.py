"""The named records that the core works on."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

BALANCE = ("initial_j", "harvested_j", "auxiliary_j", "consumed_j", "stored_j", "spilled_j", "lost_j")
"""An episode's whole balance: the first three add up to the last four."""
TALLY = ("attempts", "solved", "unsolved")
"""What is counted where failures are retried: tries, and the tasks that one of them solved or none."""


class Battery(NamedTuple):
    """What the battery can hold and what it loses; the paper's holds everything and loses nothing."""

    capacity_j: float = math.inf
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    initial_battery_j: float = 0.0


class Scales(NamedTuple):
    """What turns physical quantities into bounded features: x / (x + scale) where x has no bound (see `decision`)."""

    capacity_j: float
    """0 if unlimited."""
    battery_j: float
    harvest_j: float
    grid_weight: float
    task_j: float
    """Mean energy of a task."""
    middle_difficulty: float
    difficulty: float
    slack_slots: float
    backlog: float
    due: float
    time_left: Any
    """The feature itself in every slot and at the end, as of the two below."""
    day_sine: Any
    day_cosine: Any


Switch: TypeAlias = Literal[True] | None
"""None for no: a type of its own, for which numba compiles the core without what is switched off. A False slowed it by
up to a quarter."""


class Rules(NamedTuple):
    """What all episodes of a scenario have in common."""

    battery: Battery
    scales: Scales
    horizon_slots: int
    n_models: int
    """Action k < n_models is the k-th model, action n_models defers."""
    can_wait: bool
    """Whether there are deferrable tasks."""
    has_grid: bool
    """Whether a joule from the grid counts differently from slot to slot; else each counts 1."""
    overhead_j: float
    """What every decision takes beside the task's own energy."""
    over_latency: Switch
    """Whether a task draws its energy evenly over the slots that it runs in."""
    retries: Switch
    """Whether a task stays at hand until it is solved or every model has failed on it."""


class World(NamedTuple):
    """What comes from outside in an episode: tables to look things up in, by slot or by task.

    Behind the last slot and the last task follows an empty entry. The tables from `due_slot` to `due_left` are empty
    where no task can wait, those from `grid_weight` to `harvest_forecast_j` where every joule from the grid counts 1,
    those from `run_slots` to `auxiliary_before_j` where tasks draw their energy at once, the last three where failures
    are ignored. The tables of many episodes have one more index before: the environment.
    """

    harvested_before_j: Any
    """Everything harvested before each slot, and once more at the end."""
    arrived: Any
    """Tasks that have arrived by the end of each slot."""
    task_slot: Any
    """Arrival slot of each task; the horizon behind the last one."""
    energy_j: Any
    """Joules of each task on each model."""
    expected_energy_j: Any
    """The same as expected from the observed difficulty."""
    difficulty: Any
    observed_difficulty: Any
    due_slot: Any
    """The last slot in which each task may be dispatched; the horizon if it outlasts the episode."""
    due_order: Any
    """Tasks by due slot; in it those that cannot wait first, then by arrival."""
    waiting_order: Any
    """Tasks that can wait, by arrival."""
    is_dispatched: Any
    due_left: Any
    """Tasks due in each slot and not dispatched yet; at the horizon, those that outlast it."""
    grid_weight: Any
    """What a joule from the grid counts in each slot; at the horizon, as in the last slot."""
    grid_forecast: Any
    """The same as forecast in each slot for the blocks of hours ahead (`forecast`)."""
    harvest_forecast_j: Any
    """Mean harvest of a slot likewise."""
    run_slots: Any
    """Slots that each task runs in on each model, the one of its dispatch among them."""
    committed_j: Any
    """What running tasks draw in each slot; at the horizon, all that they are still to draw."""
    auxiliary_before_j: Any
    """Everything drawn from the auxiliary supply before each slot that has been opened."""
    solved: Any
    """Whether each model solves each task."""
    success_chance: Any
    """The probability of that, as expected from the observed difficulty."""
    tried: Any
    """The models tried on each task, as bits (`attempts`)."""


@dataclass(slots=True)
class State:
    """Where an episode stands: energy at hand, totals since its start in joules, and the queue.

    After every step: initial + harvested + auxiliary = consumed + battery + harvest left + spilled + lost.
    """

    battery_j: float = 0.0
    harvest_left_j: float = 0.0
    """What is left of this slot's harvest."""
    harvested_j: float = 0.0
    consumed_j: float = 0.0
    auxiliary_j: float = 0.0
    spilled_j: float = 0.0
    lost_j: float = 0.0
    slot: int = 0
    """The current slot; the horizon itself once the episode is over."""
    task: int = 0
    """The task at hand; the empty entry when there is none."""
    due: int = 0
    """Tasks that must be dispatched in this slot, the one at hand among them."""
    waiting: int = 0
    """Tasks that may wait beyond this slot."""
    dispatched: int = 0
    due_at: int = 0
    """Position in `due_order`."""
    waiting_at: int = 0
    """Position in `waiting_order`."""
    attempts: int = 0
    """Tries of a task on a model; 0 where failures are ignored, as the next."""
    solved: int = 0
    """Tasks solved. The other ones of those dispatched were not, by any model."""


STATE = np.dtype([(field.name, np.float64 if field.type is float else np.int32) for field in fields(State)])
"""The same record for an array of many environments."""


class Outcome(NamedTuple):
    """What one step did, as numbers or as arrays (n,)."""

    energy_j: Any
    """What this step took: the tasks that it dispatched, and the decision's overhead.

    Where tasks draw over their latency: the first share of the task dispatched, and what was committed to the slots
    up to the next decision's.
    """
    auxiliary_j: Any
    """What of it came from the auxiliary supply."""
    cost: Any
    """What that counts: joules, or what the scenario's grid counts them by."""
    model: Any
    """The model that the task at hand went to, -1 if it was deferred."""
    forced: Any
    """Whether the answer was overridden: a deferral of a due task, or a model that had failed on the task."""
    solved: Any
    """Whether the attempt solved the task at hand, as every one counts where failures are ignored."""
    slot: Any
    """The slot in which the decision was taken."""
    task: Any
    """The task at hand before the step."""
    battery_j: Any
    """Energy in the battery afterwards."""
    harvest_left_j: Any
    """What is left then of the slot's harvest."""
    ended: Any
    """Whether the episode is over."""


OUTCOME = (np.float64, np.float64, np.float64, np.int64, bool, bool, np.int64, np.int64, np.float64, np.float64, bool)
"""The types of an `Outcome` of many environments, field by field."""


def row_of(world: World, i: int) -> World:
    """Return one environment's tables out of those of many."""
    return World(
        world.harvested_before_j[i],
        world.arrived[i],
        world.task_slot[i],
        world.energy_j[i],
        world.expected_energy_j[i],
        world.difficulty[i],
        world.observed_difficulty[i],
        world.due_slot[i],
        world.due_order[i],
        world.waiting_order[i],
        world.is_dispatched[i],
        world.due_left[i],
        world.grid_weight[i],
        world.grid_forecast[i],
        world.harvest_forecast_j[i],
        world.run_slots[i],
        world.committed_j[i],
        world.auxiliary_before_j[i],
        world.solved[i],
        world.success_chance[i],
        world.tried[i],
    )
