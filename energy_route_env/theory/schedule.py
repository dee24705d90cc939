"""The least that the grid must supply where tasks can wait and the future is known: a linear programme."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy_route_env.core.state import Battery
from energy_route_env.units import FloatArray


class Future(NamedTuple):
    """What n slots bring. Arrays have shape (n,) and energies are in joules.

    The time after an episode's last slot is one more slot, without harvest, by which everything is due.
    """

    harvest_j: FloatArray
    demand_j: FloatArray
    """What cannot wait, by its slot."""
    arrived_j: FloatArray
    """Everything that can wait and has arrived by the end of each slot."""
    due_j: FloatArray
    """What of it is due by the end of each slot; at most `arrived_j`."""
    weight: FloatArray
    """What a joule from the grid counts in each slot; at least 0."""


class Schedule(NamedTuple):
    """The optimum of the linear programme."""

    auxiliary: float
    """What the grid supplies, every joule counted by its slot's weight."""
    served_j: FloatArray
    """What can wait and has been run by the end of each slot, shape (n,)."""
    grid_j: FloatArray
    """What the grid supplies in each slot, shape (n,)."""
    battery_j: FloatArray
    """What the battery holds at the end of each slot, shape (n,)."""
    stored_price: FloatArray
    """By how much a joule more in the battery at the end of each slot lessens `auxiliary`, shape (n,)."""
    served_price: FloatArray
    """By how much a joule more that has been run by then lessens it, likewise."""


def best_schedule(future: Future, battery: Battery, haste: float = 0.0) -> Schedule:
    """Return the schedule that takes least from the grid, with tasks divisible and the battery used at will.

    With V the energy served by the end of a slot, B the battery then, g what the grid supplies, H and C harvest and
    demand, eta the efficiencies, and D the difference to the slot before, it minimises the sum of weight * g over

        due <= V <= arrived,  0 <= B <= capacity,  g >= 0,  DV >= 0
        DV + C - g <= H - DB / eta_c,  DV + C - g <= H - eta_d DB

    The first of the last two binds where the battery is charged, the second where it is drawn from; what is less than
    the right-hand side is spilled. Charging from the grid never pays while all weights are equal; else
    DB <= eta_c H forbids it.

    Args:
        future: what the slots bring.
        battery: its `initial_battery_j` is what it holds before the first slot.
        haste: added to what is minimised, haste * sum of V: of schedules that take as little from the grid, the one
            that runs late (above 0) or early (below 0). The largest weight is 1 here, and it must be small against it.

    Raises:
        RuntimeError: if the solver fails.
    """
    from scipy.optimize import linprog

    n = len(future.harvest_j)
    unit_j = (future.demand_j.sum() + future.arrived_j[-1]) / n  # the solver's tolerances are absolute
    if unit_j == 0:
        return Schedule(0.0, *np.zeros((5, n)))
    rows, limits_j, needed = _constraints(future, battery)
    lowest_j = np.concatenate([future.due_j, np.zeros(2 * n)])
    highest_j = np.concatenate([future.arrived_j, np.full(n, battery.capacity_j), np.full(n, np.inf)])
    bounds: Any = np.column_stack([lowest_j, highest_j]) / unit_j
    unit = future.weight.max() or 1.0
    costs = np.concatenate([np.full(n, haste), np.zeros(n), future.weight / unit])
    options: Any = {"presolve": False, "primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
    result: Any = linprog(costs, rows, limits_j / unit_j, bounds=bounds, method="highs-ds", options=options)
    if result.status != 0:
        raise RuntimeError(f"The linear programme was not solved: {result.message}")
    served_j, battery_j, grid_j = result.x.reshape(3, n) * unit_j
    duals = np.zeros(len(needed))
    duals[needed] = -unit * result.ineqlin.marginals
    prices = _prices(duals.reshape(4, n), battery)
    return Schedule(float(future.weight @ grid_j), served_j, grid_j, battery_j, *prices)


def _prices(duals: FloatArray, battery: Battery) -> FloatArray:
    """Return what a joule more stored, and one more served, by each slot's end is worth, shape (2, n).

    Either loosens limits of the slot after it. `duals` says what that is worth, by the rows of `_rows`.
    """
    rising, charging, drawing, own = duals
    stored = charging / battery.charge_efficiency + battery.discharge_efficiency * drawing + own
    return np.append(np.stack([stored, charging + drawing - rising])[:, 1:], np.zeros((2, 1)), axis=1)


def _constraints(future: Future, battery: Battery) -> tuple[Any, FloatArray, NDArray[np.bool_]]:
    """Return rows A and limits b of A x <= b, x the vectors V, B and g one after the other, and which rows they are."""
    n = len(future.harvest_j)
    start_j = np.zeros(n)
    start_j[0] = battery.initial_battery_j
    charge, discharge = 1 / battery.charge_efficiency, battery.discharge_efficiency
    own_j = future.harvest_j - future.demand_j
    stored_j = battery.charge_efficiency * future.harvest_j + start_j
    limits_j = np.concatenate([np.zeros(n), own_j + charge * start_j, own_j + discharge * start_j, stored_j])
    always, varies = np.ones(n, bool), np.full(n, future.weight.min() < future.weight.max())
    charging = future.harvest_j > 0  # elsewhere the limit of drawing is enough
    needed = np.concatenate([always, charging, always, varies])
    return _rows(n, charge, discharge)[needed], limits_j[needed], needed


@lru_cache(maxsize=512)
def _rows(n: int, charge: float, discharge: float) -> Any:
    """Return all rows of n slots: V rises, the limits of charging and of drawing, no charge from the grid."""
    from scipy import sparse

    change = sparse.diags_array([1.0, -1.0], offsets=[0, -1], shape=(n, n))
    supplied = sparse.diags_array([-1.0], offsets=[0], shape=(n, n))
    return sparse.block_array(
        [
            [-change, None, None],
            [change, charge * change, supplied],
            [change, discharge * change, supplied],
            [None, change, None],
        ],
        format="csr",
    )
