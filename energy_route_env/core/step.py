"""One task, start to end."""

from energy_route_env.core.battery import close_slot, open_slot, supply
from energy_route_env.core.queue import count, next_slot, offer, take_off
from energy_route_env.core.state import Outcome, Rules, State, World


def begin(x: State, world: World, rules: Rules) -> None:
    """Go to the first decision; slots before the first task close by themselves."""
    x.battery_j = rules.battery.initial_battery_j
    go_to_slot(x, world, rules, world.task_slot[0])
    offer(x, world, rules.can_wait)


def step(x: State, world: World, rules: Rules, action: int) -> Outcome:
    """Route the task at hand. Where the episode is over, nothing happens."""
    if x.due + x.waiting == 0:
        return nothing_done(x)
    slot, task, due = x.slot, x.task, x.due
    energy_j, model = rules.overhead_j, action
    forced = action == rules.n_models and due > 0
    defers = action == rules.n_models and due == 0
    if forced:
        model = cheapest_model(x, world, task)
    if defers:
        model = -1
    else:
        energy_j += drawn_now(x, world, rules, task, model) if rules.over_latency else world.energy_j[task][model]
        take_off(x, world, rules.can_wait)
    auxiliary_j = supply(x, rules.battery, energy_j)
    cost = grid_cost(x, world, rules, auxiliary_j)
    if x.due == 0 and (defers or x.waiting == 0):
        if rules.over_latency:
            run_j, run_auxiliary_j, run_cost = run_on(x, world, rules, next_slot(x, world))
            energy_j += run_j
            auxiliary_j += run_auxiliary_j
            cost += run_cost
        else:
            go_to_slot(x, world, rules, next_slot(x, world))
    offer(x, world, rules.can_wait)
    ended = x.slot >= rules.horizon_slots
    if ended and x.due + x.waiting > 0:
        rest_j = run_backlog(x, world)
        energy_j += rest_j
        rest_auxiliary_j = supply(x, rules.battery, rest_j)
        auxiliary_j += rest_auxiliary_j
        cost += grid_cost(x, world, rules, rest_auxiliary_j)
    return Outcome(energy_j, auxiliary_j, cost, model, forced, slot, task, x.battery_j, x.harvest_left_j, ended)


def drawn_now(x: State, world: World, rules: Rules, task: int, model: int) -> float:
    """Return what a task draws in the slot of its dispatch: an even share of its energy.

    As much is committed to each of the other slots that it runs in; what would lie beyond the horizon, to that.
    """
    slots, horizon = world.run_slots[task][model], rules.horizon_slots
    share_j = world.energy_j[task][model] / slots
    end = min(x.slot + slots, horizon)
    for slot in range(x.slot + 1, end):
        world.committed_j[slot] += share_j
    world.committed_j[horizon] += (x.slot + slots - end) * share_j
    return share_j


def run_on(x: State, world: World, rules: Rules, slot: int) -> tuple[float, float, float]:
    """Go on to this slot, one at a time: each supplies what is committed to it as soon as it opens.

    Returns:
        The joules supplied on the way, those of them from the auxiliary supply, and what these count.
    """
    energy_j = auxiliary_j = cost = 0.0
    while x.slot < slot:
        go_to_slot(x, world, rules, x.slot + 1)
        world.auxiliary_before_j[x.slot] = x.auxiliary_j
        committed_j = world.committed_j[x.slot]
        committed_auxiliary_j = supply(x, rules.battery, committed_j)
        energy_j += committed_j
        auxiliary_j += committed_auxiliary_j
        cost += grid_cost(x, world, rules, committed_auxiliary_j)
    return energy_j, auxiliary_j, cost


def grid_cost(x: State, world: World, rules: Rules, auxiliary_j: float) -> float:
    """Return what energy from the grid counts in this slot."""
    return world.grid_weight[x.slot] * auxiliary_j if rules.has_grid else auxiliary_j


def go_to_slot(x: State, world: World, rules: Rules, slot: int) -> None:
    """Close the current slot and those passed over, and open this one."""
    close_slot(x, rules.battery, world.harvested_before_j[slot])
    open_slot(x, world, slot)
    count(x, world, rules.can_wait)


def nothing_done(x: State) -> Outcome:
    """Return the outcome of no step, before the first one or where the episode is over."""
    is_over = x.due + x.waiting == 0
    return Outcome(0.0, 0.0, 0.0, -1, False, x.slot, x.task, x.battery_j, x.harvest_left_j, is_over)


def cheapest_model(x: State, world: World, task: int) -> int:
    """Return the model of lowest expected energy."""
    best = 0
    for model in range(1, len(world.expected_energy_j[task])):
        if world.expected_energy_j[task][model] < world.expected_energy_j[task][best]:
            best = model
    return best


def run_backlog(x: State, world: World) -> float:
    """Take all that is left off the queue, each task on its cheapest model; return the joules it takes."""
    energy_j = 0.0
    for task in range(world.arrived[-1]):
        if not world.is_dispatched[task]:
            energy_j += world.energy_j[task][cheapest_model(x, world, task)]
            world.is_dispatched[task] = True
            x.dispatched += 1
    x.due = x.waiting = 0
    return energy_j
