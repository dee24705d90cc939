"""An episode in words."""

import math

from energy_route_env.rendering.view import View
from energy_route_env.scenario import Scenario
from energy_route_env.units import joules


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
    name = view.actions[chosen] + " (due, could not wait)" * bool(last.forced)
    if last.model < 0:  # energy here is that of the backlog, which runs when the episode ends
        name += ", then the rest" * (last.energy_j > 0)
    return f"{name}, used {joules(last.energy_j)}, {joules(last.auxiliary_j)} of it auxiliary"


def capacity_text(scenario: Scenario) -> str:
    """Return the capacity, or the energy at which an unlimited battery is shown half full."""
    if math.isfinite(scenario.capacity_j):
        return f"of {joules(scenario.capacity_j)}"
    return f"(half: {joules(scenario.volatility_j * math.sqrt(scenario.horizon_slots))})"
