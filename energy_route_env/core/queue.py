"""Which task is offered next (model, Section 3): first what is due, then the backlog, oldest first."""

from typing import Any

from energy_route_env.core.state import State, World


def take_off(x: State, world: World, can_wait: bool) -> None:
    """Take the task at hand off the queue: it is dispatched."""
    x.dispatched += 1
    if x.due > 0:
        x.due -= 1
    else:
        x.waiting -= 1
    if can_wait:
        world.is_dispatched[x.task] = True
        world.due_left[world.due_slot[x.task]] -= 1


def count(x: State, world: World, can_wait: bool) -> None:
    """Count what is due in a slot that opens, and what may wait beyond it."""
    here = world.arrived[x.slot] - x.dispatched
    x.due = world.due_left[x.slot] if can_wait else here
    x.waiting = here - x.due


def next_slot(x: State, world: World) -> int:
    """Return the next slot with a task to decide on, or the horizon."""
    if x.waiting > 0:
        return x.slot + 1
    # As many tasks have arrived as were dispatched: their number is the next one's index.
    return world.task_slot[x.dispatched]


def offer(x: State, world: World, can_wait: bool) -> None:
    """Put the next task at hand."""
    if not can_wait:
        x.task = x.dispatched
        return
    x.due_at = skip_dispatched(x, world, world.due_order, x.due_at)
    x.waiting_at = skip_dispatched(x, world, world.waiting_order, x.waiting_at)
    x.task = world.due_order[x.due_at] if x.due > 0 else world.waiting_order[x.waiting_at]


def skip_dispatched(x: State, world: World, order: Any, at: int) -> int:
    """Return the first position from `at` on whose task is not dispatched; the empty entry at the end never is."""
    while world.is_dispatched[order[at]]:
        at += 1
    return at
