"""What is shown of an episode, and how it reads in words."""

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from energy_route_env.core.state import Outcome
from energy_route_env.scenario import Scenario
from energy_route_env.units import DAY_S, FloatArray, joules

Frame: TypeAlias = NDArray[np.uint8]
"""A picture, shape (400, 640, 3)."""


FORCED = (" (due, could not wait)", " (in place of the answer)")
"""Why another model was taken, without and with retries: there the answer may have named one that had failed."""


class Moment(NamedTuple):
    """Where an episode stands, between two decisions or after the last."""

    slot: int
    """The current slot; the horizon itself once the episode is over."""
    battery_j: float
    battery_level: float
    """From 0 to 1, as observed: share of the capacity, or B / (B + sigma sqrt(T)) if unlimited."""
    harvest_left_j: float
    due: int
    waiting: int
    observed_difficulty: float
    slack_slots: int
    """Slots that the task at hand may still wait."""


@dataclass(eq=False)
class View:
    """An episode so far."""

    scenario: Scenario
    harvest_j: FloatArray
    """Harvest of every slot, shape (horizon_slots,). Future slots are not shown."""
    consumed_j: FloatArray
    """Energy of the steps taken in every slot, shape (horizon_slots,): what is drawn up to the next decision."""
    auxiliary_j: FloatArray
    """Auxiliary energy of every slot, shape (horizon_slots,)."""
    now: Moment
    last: Outcome | None = None
    """The last step; None after a reset."""

    @property
    def actions(self) -> list[str]:
        names = self.scenario.models.names
        return [*names, "defer"] if self.scenario.can_wait else list(names)

    @property
    def chosen(self) -> int | None:
        """The action carried out by the last step, if there is one."""
        if self.last is None or (self.last.model < 0 and not self.scenario.can_wait):
            return None
        return int(self.last.model) % len(self.actions)  # a deferral is model -1 and the last action

    @property
    def has_task(self) -> bool:
        return self.now.due + self.now.waiting > 0

    @property
    def shown_slot(self) -> int:
        """The current slot; the last one once the episode is over."""
        return min(self.now.slot, self.scenario.horizon_slots - 1)

    @property
    def expected_j(self) -> FloatArray:
        """Expected energy of the task at hand on every model, shape (n_models,)."""
        return self.scenario.expected_energy_j(self.now.observed_difficulty)

    @property
    def clock(self) -> str:
        """Day and time of day, if an episode lasts a day or longer."""
        if not has_days(self.scenario):
            return ""
        day, second = divmod(self.now.slot * self.scenario.slot_seconds, DAY_S)
        return f"day {day + 1:.0f}, {int(second // 3600):02d}:{int(second % 3600 // 60):02d}"


def has_days(scenario: Scenario) -> bool:
    """Whether an episode lasts a day or longer."""
    return scenario.horizon_slots * scenario.slot_seconds >= DAY_S


def describe(view: View) -> str:
    """Return the whole view, a line for each subject."""
    scenario, now, slot = view.scenario, view.now, view.shown_slot
    title = ", ".join(filter(None, [scenario.name, f"slot {now.slot} of {scenario.horizon_slots}", view.clock]))
    level = round(20 * now.battery_level)
    lines = {
        "battery": f"{joules(now.battery_j)} {capacity_text(scenario)} [{'#' * level}{'.' * (20 - level)}]",
        "harvest": f"{joules(view.harvest_j[slot])} in this slot, {joules(now.harvest_left_j)} left of it",
        "demand": f"{joules(view.consumed_j[slot])} in this slot",
        "queue": f"{now.due} due now, {now.waiting} may wait",
        "task": _task_text(view),
        "choice": choice_text(view),
        "auxiliary": f"{joules(view.auxiliary_j.sum())} so far",
    }
    return "\n".join([title, *(f"{name:<10} {text}" for name, text in lines.items())])


def _task_text(view: View) -> str:
    if not view.has_task:
        return "none"
    expected = zip(view.actions, view.expected_j, strict=False)  # no energy belongs to "defer"
    energies = ", ".join(f"{name} {joules(energy)}" for name, energy in expected)
    parts = [f"difficulty {view.now.observed_difficulty:.4g}", f"expected {energies}", wait_text(view)]
    return ", ".join(filter(None, parts))


def wait_text(view: View) -> str:
    """Return how long the task at hand may wait, or nothing if no task can."""
    if not view.scenario.can_wait:
        return ""
    slots = view.now.slack_slots
    return "due now" if view.now.due > 0 else f"may wait {slots} slot{'s' * (slots != 1)}"


def choice_text(view: View) -> str:
    """Return the last choice and the energy it took."""
    last, chosen = view.last, view.chosen
    if last is None:
        return "none yet"
    if chosen is None:
        return "none"
    name = view.actions[chosen] + (FORCED[view.scenario.retries] if last.forced else "")
    name += " failed" * (last.model >= 0 and not last.solved)
    if last.model < 0:  # energy beyond the overhead is that of the backlog, which runs when the episode ends
        name += ", then the rest" * (last.energy_j > view.scenario.overhead_j)
    return f"{name}, used {joules(last.energy_j)}, {joules(last.auxiliary_j)} of it auxiliary"


def capacity_text(scenario: Scenario) -> str:
    """Return the capacity, or the energy at which an unlimited battery is shown half full."""
    if math.isfinite(scenario.capacity_j):
        return f"of {joules(scenario.capacity_j)}"
    return f"(half: {joules(scenario.volatility_j * math.sqrt(scenario.horizon_slots))})"
