"""The distribution of D_T, and of a finite battery's content, followed on a lattice of energies.

D_T is distributed as W_T in Lindley's recursion W_{t+1} = max(0, W_t + X), X one slot's demand minus harvest, because
reversing time turns a running maximum into it (Asmussen, Applied Probability and Queues, 2003, ch. III.6).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from energy_route_env.checks import InputError
from energy_route_env.theory.brownian import (
    auxiliary_energy_cdf,
    auxiliary_energy_quantile,
    auxiliary_energy_std,
    expected_auxiliary_energy,
)
from energy_route_env.theory.slot import SlotDistribution
from energy_route_env.theory.spitzer import exact_expected_auxiliary_energy
from energy_route_env.units import FloatArray

Method = Literal["exact", "lattice", "Brownian"]
CELLS = 16
"""Lattice cells to the smaller of the standard deviations of a slot's demand and of its demand minus harvest."""
MOST_WORK = 2e8
"""Slots times lattice cells, a few seconds; beyond, the Brownian distribution is taken."""
SETTLED = 2**13
"""Slots: where the Brownian formula's excess over E[D_T] is taken, for longer horizons too."""
TAIL = 28.0
"""Minus the logarithm of the probability that is left beyond the lattice's end."""


class LatticeTooLongError(InputError):
    """A horizon for which the lattice would take minutes."""


@dataclass(frozen=True, eq=False)
class AuxiliaryDistribution:
    """The distribution of D_T."""

    x_j: FloatArray
    """Rising energies."""
    cdf: FloatArray
    """P(D_T <= x) there."""
    mean_j: float
    """E[D_T] as this method has it."""
    std_j: float
    """Standard deviation."""
    method: Method
    """How it was found."""

    def probability(self, budget_j: float) -> float:
        """P(D_T <= budget)."""
        return float(np.interp(budget_j, self.x_j, self.cdf, left=0.0))

    def quantile(self, level: float) -> float:
        """Return the energy in joules that D_T stays within with this probability."""
        return float(np.interp(level, self.cdf, self.x_j))


def auxiliary_distribution(slot: SlotDistribution, horizon_slots: int) -> AuxiliaryDistribution:
    """Return the distribution of D_T by the lattice, or, if that takes too long, the Brownian one at the exact mean."""
    demand = slot.demand_mean_j
    if slot.volatility == 0 or demand == 0:
        certain = max(slot.drift, 0.0) * horizon_slots
        return AuxiliaryDistribution(np.array([certain]), np.ones(1), certain, 0.0, "exact")
    step = _step_j(slot, horizon_slots, CELLS)
    cap, below, above = _cells(slot, horizon_slots, 1, step), _cells(slot, 1, -1, step), _cells(slot, 1, 1, step)
    slots = min(horizon_slots, _settling_slots(slot))
    if slots * (cap + min(below, cap) + above) > MOST_WORK or below + above > MOST_WORK / 10:
        return _brownian(slot, horizon_slots)
    change = _slot_masses(slot, step, below, above)
    bend = _bend(change)
    *_, (masses, _) = _reflected(*_clipped(change, -below, -cap - 1, above), cap, horizon_slots, bend)
    x = step * np.arange(cap + 1)
    mean = float(masses @ x)
    # Cell k stands for (k - 1/2, k + 1/2]: half of cell 0, less what the bend has taken, lies above 0.
    cdf = np.append(masses[0] - (1 / 2 - bend) * masses[2], np.cumsum(masses))
    monotone = np.maximum.accumulate(np.clip(cdf, 0.0, 1.0))
    std = math.sqrt(max(float(masses @ (x - mean) ** 2), 0.0))
    return AuxiliaryDistribution(np.append(0.0, x + step / 2), monotone, mean, std, "lattice")


def _brownian(slot: SlotDistribution, horizon_slots: int) -> AuxiliaryDistribution:
    """Return the Brownian distribution less its excess over the exact mean, which settles after `SETTLED` slots."""
    at = (slot.drift, slot.volatility, horizon_slots)
    early = min(horizon_slots, SETTLED)
    exact = exact_expected_auxiliary_energy(slot, early)
    excess = float(expected_auxiliary_energy(slot.drift, slot.volatility, early) - exact)
    mean, std = float(expected_auxiliary_energy(*at)) - excess, float(auxiliary_energy_std(*at))
    x = np.linspace(0.0, float(auxiliary_energy_quantile(1 - 1e-12, *at)), 20_001)
    return AuxiliaryDistribution(np.maximum(x - excess, 0.0), auxiliary_energy_cdf(x, *at), mean, std, "Brownian")


def _step_j(slot: SlotDistribution, horizon_slots: int, cells: int) -> float:
    """Return the lattice's step in joules; finer at short horizons, where its errors do not average out."""
    demand = slot.demand_mean_j
    square = slot.arrival_rate * float(slot.energies_j**2 @ slot.probabilities) + demand**2
    return min(slot.volatility, math.sqrt(square)) / (cells * max(1, 4 // math.isqrt(horizon_slots)))


def _cells(slot: SlotDistribution, slots: int, sign: int, step: float) -> int:
    """Return the cells that sign S_n stays within for n <= slots but with probability e^-TAIL, and room for the filter.

    Doob's inequality for exp(theta S_n - n K(theta)): P(max S_n > x) <= exp(slots K(theta)^+ - theta x), theta > 0.
    """
    theta, log_moment = _log_moments(slot, sign)
    with np.errstate(over="ignore"):
        reach = np.nanmin((slots * np.maximum(log_moment, 0.0) + TAIL) / theta)
    return math.ceil(min(reach / step, 1e12)) + 32


def _log_moments(slot: SlotDistribution, sign: int) -> tuple[FloatArray, FloatArray]:
    """Return some theta > 0, and K(sign theta) there; infinite or nan where it overflows."""
    theta = np.geomspace(1e-4, 1e3, 400) / slot.volatility
    scale = slot.harvest_mean_j * slot.harvest_cv**2
    if sign < 0 and scale > 0:
        theta = np.minimum(theta, 0.999 / scale)
    with np.errstate(over="ignore", invalid="ignore"):
        return theta, slot.log_moment((sign * theta).astype(complex)).real


def _settling_slots(slot: SlotDistribution) -> float:
    """Return the slots after which a surplus has forgotten its start: it nears its limit like exp(t min K)."""
    least = float(np.nanmin(_log_moments(slot, 1)[1]))
    return -TAIL / least if least < 0 else math.inf


def _slot_masses(slot: SlotDistribution, step: float, below: int, above: int) -> FloatArray:
    """Return the probabilities of X on the lattice, from -below to above, by its characteristic function.

    The filter keeps the first three moments and takes the ringing of atoms between the lattice's points.
    """
    from scipy import fft

    size = int(fft.next_fast_len(below + above + 1, real=True))
    angle = 2 * np.pi * fft.rfftfreq(size)
    spectrum = slot.characteristic_function(angle / step).conj() * np.exp(-14 * (angle / np.pi) ** 4)
    return np.roll(fft.irfft(spectrum, size), below)[: below + above + 1]


def _clipped(change: FloatArray, lowest: int, low: int, high: int) -> tuple[FloatArray, int]:
    """Limit the probabilities of a change, from `lowest` on, to [low, high]; return them and where they begin."""
    at = np.clip(np.arange(len(change)) + lowest, low, high)
    return np.asarray(np.bincount(at - at[0], change), float), int(at[0])


def _bend(change: FloatArray) -> float:
    """Return the share of cell 0's mass that the bend of max(0, .) moves one cell up.

    Sums over cells are integrals but for a twelfth, by Euler and Maclaurin's formula, if the slot's distribution is
    smooth. Next to atoms, whose spectra fall slowly, there is no such rule. Without it E[D_T] would be up to 1e-4 low
    around criticality and 1e-3 low where the harvest is ten times the demand.
    """
    from scipy import fft

    spectrum = np.abs(fft.rfft(change))
    return 1 / 12 if spectrum[len(spectrum) // 2 :].max() < 0.01 else 0.0


def _reflected(
    change: FloatArray, lowest: int, cap: int, slots: int, bend: float
) -> Iterator[tuple[FloatArray, float]]:
    """Follow a content that starts at 0 and is kept in [0, cap]: probabilities after each slot, mean shortfall.

    `change` has the probabilities of a slot's change in cells from `lowest` (0 or less) on; `bend` corrects cell 0, see
    `_bend`. Ends early once the probabilities stand still.
    """
    from scipy import fft

    full, first = cap + len(change), -lowest
    size = int(fft.next_fast_len(full, real=True))
    spectrum = fft.rfft(change, size)
    missing = np.arange(first, 0, -1)
    content = np.zeros(cap + 1)
    content[0] = 1.0
    for _ in range(slots):
        moved = fft.irfft(fft.rfft(content, size) * spectrum, size)
        before, content = content, moved[first : first + cap + 1].copy()
        content[0] += moved[:first].sum()
        content[-1] += moved[first + cap + 1 : full].sum()
        bent = bend * moved[first]
        content[0] -= bent
        content[min(1, cap)] += bent
        yield content, float(moved[:first] @ missing + bent)
        if np.abs(content - before).max() < 1e-11:
            return


def least_capacity(
    slot: SlotDistribution, slots: int, extra_share: float, charge: float, discharge: float
) -> tuple[float, float, Method]:
    """Return the capacity in joules with which E[D_T] is `extra_share` above an unlimited battery's.

    Returns:
        The capacity, E[D_T] with it in joules, and the method.

    Raises:
        LatticeTooLongError: if the lattice would take minutes.
    """
    if slot.volatility == 0 or slot.demand_mean_j == 0:
        return 0.0, max(slot.drift, 0.0) * slots, "exact"
    step = _step_j(slot, slots, CELLS // 2)
    most = _largest_useful(slot, slots, step, charge * discharge, discharge)
    below, above = _cells(slot, 1, -1, step), _cells(slot, 1, 1, step)
    if slots * 4 * most > MOST_WORK or below + above > MOST_WORK / 10:
        sentence = f"horizon_slots is {slots}, but it must be short enough for the lattice"
        raise LatticeTooLongError(f"{sentence}, about {int(MOST_WORK / (4 * most))} slots at most with this slot.")
    change = _slot_masses(slot, step, below, above)
    bend, (content, lowest) = _bend(change), _battery_change(change, -below, charge, discharge)
    cost = lru_cache(None)(lambda cap: _shortfall(*_clipped(content, lowest, lowest, cap), cap, slots, bend))
    cells = _least_cells(cost, (1 + extra_share) * cost(most), most)
    mean = (1 + extra_share) * cost(most) if cells > 0 else cost(0)
    return step * cells, step * discharge * mean, "lattice"


def _largest_useful(slot: SlotDistribution, slots: int, step: float, round_trip: float, discharge: float) -> int:
    """Return the most cells of use: those that can ever be filled, or ever be missing.

    Losses lower the one; the other is at most 1 / eta_d times that of a lossless system with eta_c eta_d the harvest.
    """
    lossy = replace(slot, harvest_mean_j=slot.harvest_mean_j * round_trip)
    return min(_cells(slot, slots, -1, step), math.ceil(_cells(lossy, slots, 1, step) / discharge))


def _battery_change(masses: FloatArray, lowest: int, charge: float, discharge: float) -> tuple[FloatArray, int]:
    """Return the probabilities of the content's change from those of X, and where they begin.

    What falls between cells is shared by three of them so that mean and variance stay.
    """
    x = np.arange(len(masses)) + lowest
    change = np.where(x > 0, -x / discharge, -x * charge)
    near = np.round(change).astype(int)
    off, first = change - near, int(near.min()) - 1
    shares = ((-1, off * (off - 1) / 2), (0, 1 - off * off), (1, off * (off + 1) / 2))
    length = int(near.max()) + 2 - first
    parts = [np.bincount(near + k - first, masses * share, length) for k, share in shares]
    return np.sum(parts, axis=0), first


def _shortfall(change: FloatArray, lowest: int, cap: int, slots: int, bend: float) -> float:
    """Return the shortfall over all slots in cells; once the probabilities settle, every slot is like the last."""
    short = [missing for _, missing in _reflected(change, lowest, cap, slots, bend)]
    return sum(short) + (slots - len(short)) * short[-1]


def _least_cells(cost: Callable[[int], float], allowed: float, most: int) -> float:
    """Return the cells of capacity at which the cost falls to what is allowed, interpolated between whole cells."""
    if cost(0) <= allowed:
        return 0.0
    high = 1
    while high < most and cost(high) > allowed:
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(middle) <= allowed else (middle, high)
    return low + (cost(low) - allowed) / (cost(low) - cost(high))
