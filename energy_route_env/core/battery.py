"""Where energy moves (model, Section 2)."""

from energy_route_env.core.state import Battery, State, World


def usable_j(x: State, battery: Battery) -> float:
    """Return what can be supplied now without the auxiliary supply."""
    return x.harvest_left_j + battery.discharge_efficiency * x.battery_j


def supply(x: State, battery: Battery, energy_j: float) -> float:
    """Supply `energy_j`: first from this slot's harvest, then from the battery, the rest from the auxiliary supply.

    Returns:
        The auxiliary energy.
    """
    from_harvest = min(energy_j, x.harvest_left_j)
    unmet = energy_j - from_harvest
    from_battery = min(unmet, battery.discharge_efficiency * x.battery_j)
    drained = min(from_battery / battery.discharge_efficiency, x.battery_j)
    auxiliary = unmet - from_battery
    x.harvest_left_j -= from_harvest
    x.battery_j -= drained
    x.lost_j += drained - from_battery
    x.auxiliary_j += auxiliary
    x.consumed_j += energy_j
    return auxiliary


def close_slot(x: State, battery: Battery, harvested_j: float) -> None:
    """Store the unused harvest, and that of the slots passed over, up to `harvested_j` in total.

    Nothing was supplied in the slots passed over, so storing at once equals storing in turn.
    """
    surplus = x.harvest_left_j + (harvested_j - x.harvested_j)
    stored = min(battery.charge_efficiency * surplus, battery.capacity_j - x.battery_j)
    charged_from = min(stored / battery.charge_efficiency, surplus)
    x.battery_j = min(x.battery_j + stored, battery.capacity_j)
    x.spilled_j += surplus - charged_from
    x.lost_j += charged_from - stored


def open_slot(x: State, world: World, slot: int) -> None:
    """Begin a slot: its harvest is at hand."""
    x.slot = slot
    x.harvested_j = world.harvested_before_j[slot + 1]
    x.harvest_left_j = x.harvested_j - world.harvested_before_j[slot]
