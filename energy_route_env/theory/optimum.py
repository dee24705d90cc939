"""The least E[D_T] of any dispatcher that sees the observed difficulty, by dynamic programming (docs/theory.md).

With independent slots and a lossless battery, all that matters is the energy at hand x, the tasks d still due in this
slot and the slots n left after it. U_{n,d}(x) is the least auxiliary energy still to come:

    U_{n,0}(x) = V_n(min(x, capacity)),   U_{n,d}(x) = E_l min over k of E[U_{n,d-1}(x - e_k) | l]
    V_{n+1}(x) = E[U_{n,A}(x + H)],       V_0 = 0

where U(y) = U(0) - y for y < 0: what is missing comes from the auxiliary supply.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import require
from energy_route_env.pool.noise_grid import require_noise
from energy_route_env.theory.brownian import auxiliary_energy_quantile
from energy_route_env.theory.slot import (
    STEEPEST_PREDICTED,
    possible_tasks,
    require_independent_slots,
    require_no_retries,
)
from energy_route_env.units import FloatArray, IntArray

if TYPE_CHECKING:
    from energy_route_env.scenario import Scenario

CELLS = 16
"""Cells of the grid to a slot's volatility or a task's mean energy, whichever is smaller."""
TAIL = 1e-9
"""Probability of a Brownian path beyond the grid, and of a slot with more tasks than the recursion follows."""
MOST_WORK = 4e9
"""Slots times tasks in one times models of a level times cells: about a minute."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """What is still to come at best, at energies at hand x = 0, step, 2 step, ..."""

    step_j: float
    value_j: FloatArray
    """V_n(x) in joules before a slot, shape (horizon + 1, n_points), by the slots left n."""
    after_j: NDArray[np.float32]
    """U_{n,d}(x) in joules within a slot, shape (horizon, most tasks, n_points), by slots left after it and tasks due.

    In single precision, which rounds by less than 1e-7 of the value.
    """

    def value(self, usable_j: ArrayLike, slots: ArrayLike) -> FloatArray:
        """Return V in joules before a slot; energy at hand and slots left broadcast."""
        return self._look_up(self.value_j, usable_j, (np.asarray(slots),))

    def value_within(self, usable_j: ArrayLike, slots: IntArray, due: IntArray) -> FloatArray:
        """Return U in joules within a slot; energy at hand, slots left after it and tasks due broadcast."""
        return self._look_up(self.after_j, usable_j, (slots, np.minimum(due, self.after_j.shape[1] - 1)))

    def _look_up(self, table: NDArray[np.floating], usable_j: ArrayLike, row: tuple[IntArray, ...]) -> FloatArray:
        x = np.asarray(usable_j, float)
        place = np.clip(x / self.step_j, 0.0, table.shape[-1] - 1.001)
        at = place.astype(np.int64)
        low, high = table[(*row, at)], table[(*row, at + 1)]
        return np.asarray(low + (place - at) * (high - low) + np.maximum(-x, 0.0), float)


class _Laws(NamedTuple):
    """Laws of energies on the grid. An alternative is a model that a level of difficulty may take for its first choice.

    The first row is any task on its level's myopic model. Each other row is an alternative's law minus that of its
    level's myopic model, times the level's probability.
    """

    spectra: NDArray[np.complex128]
    """Shape (1 + alternatives, frequencies)."""
    beyond_j: FloatArray
    """Mean energy beyond the grid's end, shape (1 + alternatives, 1)."""
    starts: IntArray
    """Where each level's alternatives begin in the rows from the second on; levels without any are left out."""


class _Grid(NamedTuple):
    """Energies 0, step, ..., n step."""

    step_j: float
    n: int

    @property
    def size(self) -> int:
        """Length of the Fourier transforms: no wrap-around reaches the energies from 0 on."""
        from scipy import fft

        return int(fft.next_fast_len(2 * self.n + 1, real=True))

    def spectrum(self, masses: FloatArray) -> NDArray[np.complex128]:
        from scipy import fft

        return np.asarray(fft.rfft(masses, self.size))

    def masses(self, energies_j: FloatArray, weights: FloatArray) -> FloatArray:
        """Put energies within the grid on it so that mass, mean and variance stay; shape (n + 1,)."""
        place = energies_j / self.step_j
        near = np.clip(np.rint(place), 1, self.n - 1).astype(np.int64)
        off = place - near
        moments = (np.bincount(near, weights * off**power, self.n + 1) for power in range(3))
        return self._shared(*(np.asarray(moment, float) for moment in moments))

    def gamma_masses(self, mean_j: float, cv: float) -> FloatArray:
        """Put a Gamma variable on the grid likewise, what is beyond at its end; shape (n + 1,)."""
        from scipy import special

        if cv < 1e-8 or mean_j == 0:
            return self.masses(np.array([min(mean_j, self.n * self.step_j)]), np.ones(1))
        shape, mean = cv**-2, mean_j / self.step_j
        edges = np.r_[0.0, np.arange(1.5, self.n - 1), self.n]
        below = [np.diff(special.gammainc(shape + power, edges * shape / mean)) for power in range(3)]
        zeroth, first, second = below[0], mean * below[1], mean**2 * (1 + cv**2) * below[2]
        at = np.arange(1, self.n)
        moments = (zeroth, first - at * zeroth, second - 2 * at * first + at * at * zeroth)
        masses = self._shared(*(np.r_[0.0, moment, 0.0] for moment in moments))
        masses[-1] += 1 - zeroth.sum()
        return masses

    @staticmethod
    def _shared(zeroth: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
        """Share what lies around each point with its neighbours, given its moments about the point."""
        masses = zeroth - second
        masses[:-1] += (second - first)[1:] / 2
        masses[1:] += (second + first)[:-1] / 2
        return masses


@lru_cache(maxsize=2)
def optimum(scenario: Scenario, choose: bool = True) -> Optimum:
    """Solve a scenario whose slots are independent and whose battery is lossless; its capacity may be finite.

    Args:
        scenario: where.
        choose: whether each task takes the best model; else its myopic one, whose value Spitzer's identity gives too.

    Raises:
        InputError: naming the field, if slots depend on each other, the battery loses energy, the noise is beyond
            theory's, or it would take minutes.
    """
    require_optimum(scenario)
    grid = _grid(scenario)
    laws = _laws(scenario, grid, choose)
    arrivals = _arrivals(scenario)
    horizon, most = scenario.horizon_slots, len(arrivals) - 1
    harvest = grid.spectrum(grid.gamma_masses(scenario.harvest.mean_j, scenario.harvest_cv or 0.0)).conj()
    held = np.minimum(np.arange(grid.n + 1), scenario.capacity_j / grid.step_j)
    value, after = np.zeros((horizon + 1, grid.n + 1)), np.empty((horizon, most, grid.n + 1), np.float32)
    for left in range(horizon):
        cost = np.interp(held, np.arange(grid.n + 1), value[left])
        mean = arrivals[0] * cost
        for due in range(most):
            after[left, due] = cost
            cost = _with_a_task(cost, grid, laws)
            mean += arrivals[due + 1] * cost
        value[left + 1] = _before_harvest(mean, grid, harvest)
    return Optimum(grid.step_j, value, after)


def require_optimum(scenario: Scenario) -> None:
    """Require what `optimum` needs, with an InputError that names the field."""
    require_independent_slots(scenario)
    require_no_retries(scenario, "the optimum is computed for tasks that are done after one attempt")
    require_noise(scenario.difficulty_noise, scenario.models.skill_slope, STEEPEST_PREDICTED, ", for the optimum")
    for name in ("charge_efficiency", "discharge_efficiency"):
        lossless = "1.0: the optimum is computed for lossless batteries"
        require(getattr(scenario, name) == 1, name, getattr(scenario, name), lossless)
    horizon, choices = scenario.horizon_slots, 1 + len(scenario.difficulties) * len(scenario.models)
    work = horizon * len(_arrivals(scenario)) * choices * _grid(scenario).n
    require(work <= MOST_WORK, "horizon_slots", horizon, f"at most about {int(horizon * MOST_WORK / work)} here")


def _grid(scenario: Scenario) -> _Grid:
    """Reach as far as the battery may fill, or as all that is still to come may need with a margin of one task.

    Both by a Brownian motion with the myopic drift and volatility.
    """
    volatility, task_j = scenario.volatility_j, scenario.myopic_moments[0]
    step = min(volatility, task_j) / CELLS or 1.0
    filled_j, needed_j = (
        float(auxiliary_energy_quantile(1 - TAIL, sign * scenario.drift_j, volatility, scenario.horizon_slots))
        for sign in (-1, 1)
    )
    largest_j = float(possible_tasks(scenario).energy_j.max())
    return _Grid(step, math.ceil(max(needed_j, min(filled_j, needed_j + largest_j)) / step) + 2 * CELLS)


def _arrivals(scenario: Scenario) -> FloatArray:
    """Return the probabilities of 0, 1, ... tasks in a slot, the last one that of as many or more."""
    from scipy import stats

    most = max(int(stats.poisson.isf(TAIL, scenario.arrival_rate)), 1)
    return np.append(
        stats.poisson.pmf(np.arange(most), scenario.arrival_rate), stats.poisson.sf(most - 1, scenario.arrival_rate)
    )


def _laws(scenario: Scenario, grid: _Grid, choose: bool) -> _Laws:
    levels, models = np.asarray(scenario.difficulties), np.arange(len(scenario.models))
    _, energy_j, _, weights = possible_tasks(scenario)
    energy_j, weights = energy_j.reshape(len(levels), -1, len(models)), weights.reshape(len(levels), -1)
    within = np.minimum(energy_j, grid.n * grid.step_j)
    beyond_j = np.einsum("lzk,lz->lk", energy_j - within, weights)
    masses = np.array([[grid.masses(within[i, :, k], weights[i]) for k in models] for i in range(len(levels))])
    first = scenario.expected_energy_j(levels).argmin(axis=-1)
    every = np.arange(len(levels))
    # A model that needs no less on any difficulty is no alternative. The first choice itself needs no less.
    useful = (energy_j < energy_j[every, :, first][:, :, None]).any(axis=1) & choose
    level, model = np.nonzero(useful)
    rows = [masses[every, first].sum(axis=0)[None], masses[level, model] - masses[level, first[level]]]
    means = [[beyond_j[every, first].sum()], beyond_j[level, model] - beyond_j[level, first[level]]]
    starts = np.flatnonzero(np.diff(level, prepend=-1))
    return _Laws(grid.spectrum(np.concatenate(rows)), np.concatenate(means)[:, None], starts)


def _with_a_task(cost: FloatArray, grid: _Grid, laws: _Laws) -> FloatArray:
    """Return U_{n,d+1} from U_{n,d}, both of shape (n_points,)."""
    from scipy import fft

    debts = cost[0] + grid.step_j * np.arange(grid.n, 0, -1)
    spectrum = fft.rfft(np.concatenate([debts, cost]), grid.size)
    moved = fft.irfft(laws.spectra * spectrum, grid.size)[:, grid.n : 2 * grid.n + 1] + laws.beyond_j
    if len(laws.starts) == 0:
        return np.asarray(moved[0])
    return np.asarray(moved[0] + np.minimum(np.minimum.reduceat(moved[1:], laws.starts), 0.0).sum(axis=0))


def _before_harvest(cost: FloatArray, grid: _Grid, harvest: NDArray[np.complex128]) -> FloatArray:
    """Return E[cost(x + H)]; beyond the grid the cost is as at its end."""
    from scipy import fft

    spectrum = fft.rfft(cost - cost[-1], grid.size)
    return np.asarray(fft.irfft(spectrum * harvest, grid.size)[: grid.n + 1] + cost[-1])
