"""One slot's demand minus harvest: its distribution, its moments, and whether theory applies to a scenario.

Demand is the sum of Poisson many energies. A dispatcher that ignores the battery (a routing) sets their distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy_route_env.checks import InputError, require, require_real
from energy_route_env.core.attempts import tried_models
from energy_route_env.core.state import Battery
from energy_route_env.decision import untried
from energy_route_env.pool.base import mean_over
from energy_route_env.pool.noise_grid import noise_grid, require_noise
from energy_route_env.theory.energies import Energies, gather_energies
from energy_route_env.units import FloatArray, IntArray

if TYPE_CHECKING:
    from energy_route_env.scenario import Scenario


STEEPEST_PREDICTED = 1.0
"""Largest skill slope times noise for predictions of D_T: up to here Spitzer's identity and the lattice agree to 1e-3.

Beyond, tasks of probability 1e-9 make up the variance, and a quadrature misses one scale or the other.
"""


class BrownianMotion(NamedTuple):
    """The Brownian motion that the sums of demand minus harvest behave like over many slots."""

    drift: float
    """nu, mean of a slot in joules."""
    volatility: float
    """sigma in joules per square root of a slot, its square the long-run variance."""


class Tasks(NamedTuple):
    """What a dispatcher that ignores the battery may see of n tasks."""

    observed_difficulty: FloatArray
    """Shape (n,)."""
    expected_energy_j: FloatArray
    """Joules that each is expected to take on each model, shape (n, n_models)."""
    difficulty: FloatArray | None = None
    """The true difficulty, shape (n,); None unless the dispatcher is privileged."""
    energy_j: FloatArray | None = None
    """Joules that each takes on each model at that difficulty, in the mean over the luck, (n, n_models), likewise."""
    tried: NDArray[np.bool_] | None = None
    """Models that failed on each, shape (n, n_models); None where failures are ignored."""

    @property
    def open_energy_j(self) -> FloatArray:
        """`expected_energy_j`, infinite on the models that failed on the task."""
        return untried(self.expected_energy_j, self.tried)


Routing = Callable[[Tasks], FloatArray]
"""The probability of each model for each task, shape (n, n_models); 0 for those that failed on it."""


@dataclass(frozen=True, eq=False)
class SlotDistribution:
    """The distribution of one slot's demand minus harvest: a compound Poisson sum minus an independent Gamma variable.

    Args:
        arrival_rate: mean tasks per slot.
        energies_j: energies that a task can need, in joules, shape (k,).
        probabilities: their probabilities, shape (k,).
        harvest_mean_j: mean harvest of a slot in joules.
        harvest_cv: the harvest's coefficient of variation; 0 makes it constant.
        decisions: how many decisions each of these energies takes, of shape (k,), or one number for all: the attempts
            where failures are retried.
    """

    arrival_rate: float
    energies_j: FloatArray
    probabilities: FloatArray
    harvest_mean_j: float
    harvest_cv: float
    decisions: ArrayLike = 1

    def __post_init__(self) -> None:
        for name in ("arrival_rate", "harvest_mean_j", "harvest_cv"):
            require_real(name, getattr(self, name), 0.0)
        for name in ("energies_j", "probabilities"):
            values = np.atleast_1d(np.asarray(getattr(self, name), float))
            object.__setattr__(self, name, values)
            ok = values.ndim == 1 and np.isfinite(values).all() and (values >= 0).all() and len(values) > 0
            require(bool(ok), name, values, "a list of finite numbers, at least 0")
        shape = self.energies_j.shape
        for name, known in (("probabilities", [shape]), ("decisions", [(), shape])):
            found = np.shape(getattr(self, name))
            require(found in known, f"{name}.shape", found, f"that of energies_j, {shape}")
        total = float(self.probabilities.sum())
        require(abs(total - 1) < 1e-9, "sum(probabilities)", total, "1")

    @classmethod
    def of(
        cls, scenario: Scenario, routing: Routing, *, privileged: bool = False, harvest_mean_j: float | None = None
    ) -> SlotDistribution:
        """Return the distribution under a routing, exact but for the noise's grid and `gather_energies`.

        Every attempt takes the scenario's overhead in addition. A `privileged` routing is shown true difficulties and
        energies. `harvest_mean_j` replaces the scenario's mean harvest of a slot. Raises an InputError if slots are not
        independent, or an energy is not finite.
        """
        require_independent_slots(scenario)
        energies, weights, decisions = routed_energies(scenario, routing, privileged)
        harvest = scenario.harvest.mean_j if harvest_mean_j is None else harvest_mean_j
        return cls(scenario.arrival_rate, energies, weights, harvest, float(scenario.harvest_cv or 0.0), decisions)

    def with_overhead(self, overhead_j: float) -> SlotDistribution:
        """Return the distribution where every decision takes so many joules more; the harvest stays."""
        return replace(self, energies_j=self.energies_j + overhead_j * np.asarray(self.decisions))

    @property
    def demand_mean_j(self) -> float:
        """Mean demand lambda E e in joules."""
        return float(self.arrival_rate * self.energies_j @ self.probabilities)

    @property
    def drift(self) -> float:
        """Mean nu = lambda E e - E H in joules per slot."""
        return self.demand_mean_j - self.harvest_mean_j

    @property
    def volatility(self) -> float:
        """Standard deviation sigma = sqrt(lambda E e^2 + Var H) in joules per square root of a slot."""
        harvest_std = self.harvest_mean_j * self.harvest_cv
        return float(np.sqrt(self.arrival_rate * self.energies_j**2 @ self.probabilities + harvest_std**2))

    def characteristic_function(self, u: ArrayLike) -> NDArray[np.complex128]:
        """Return phi(u) = E exp(i u X) of one slot's demand minus harvest X, u in 1/J."""
        return np.asarray(np.exp(self.log_moment(1j * np.asarray(u, float))))

    def log_moment(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return K(z) = log E exp(z X) for complex z with Re z > -1 / (scale of the harvest)."""
        demand = np.zeros(z.shape, complex)
        for energy, probability in zip(self.energies_j, self.probabilities, strict=True):
            demand += probability * _expm1(energy * z)
        scale = self.harvest_mean_j * self.harvest_cv**2
        harvest = self.harvest_mean_j * z if scale == 0 else _log1p(scale * z) * self.harvest_cv**-2
        return np.asarray(self.arrival_rate * demand - harvest)

    def slope(self, theta: float) -> float:
        """Return K'(theta) for real theta: the mean of X under its distribution weighted by exp(theta X)."""
        tilted = np.exp(np.minimum(self.energies_j * theta, 700.0))
        harvest = self.harvest_mean_j / (1 + self.harvest_mean_j * self.harvest_cv**2 * theta)
        return float(self.arrival_rate * (self.probabilities * self.energies_j) @ tilted - harvest)


SlotLaw = SlotDistribution
"""The former name."""


class PossibleTasks(NamedTuple):
    """The n kinds of tasks of a scenario: its noise on a grid, and each task in all the ways that it can go."""

    tasks: Tasks
    """As a privileged dispatcher sees them, which knows the difficulty but not the luck."""
    energy_j: FloatArray
    """Joules on each model, shape (n, n_models)."""
    chance: FloatArray
    """The probability that each model solves it, likewise."""
    probability: FloatArray
    """Shape (n,)."""


@lru_cache(maxsize=8)
def possible_tasks(scenario: Scenario) -> PossibleTasks:
    """Return every kind of task with its probability."""
    noise, levels = scenario.difficulty_noise, np.asarray(scenario.difficulties)
    z, density = noise_grid(noise, scenario.models.skill_slope)
    difficulty = (levels[:, None] + noise * z).ravel()
    attempts = scenario.costs.possible_attempts(difficulty)
    ways = attempts.probability.shape[1]
    seen = (np.repeat(array, len(z) * ways, axis=0) for array in (levels, scenario.expected_energy_j(levels)))
    true = (np.repeat(array, ways, axis=0) for array in (difficulty, scenario.energy_j(difficulty)))
    energy_j, chance = (array.reshape(-1, len(scenario.models)) for array in attempts[:2])
    probability = np.tile(density, len(levels))[:, None] / len(levels) * attempts.probability
    return PossibleTasks(Tasks(*seen, *true), energy_j, chance, probability.ravel())


def routed_energies(scenario: Scenario, routing: Routing, privileged: bool) -> Energies:
    """Return what a task can need under a routing, overhead included."""
    if scenario.retries:
        found = retried_energies(scenario, routing, privileged)
    else:
        tasks, energy_j, _, probability = possible_tasks(scenario)
        weights = (probability[:, None] * routing(_seen(tasks, privileged))).ravel()
        once = np.ones(np.count_nonzero(weights), int)
        found = Energies(energy_j.ravel()[weights > 0], weights[weights > 0], once)
    energies_j, weights, decisions = gather_energies(*found)
    return Energies(energies_j + scenario.overhead_j * decisions, weights, decisions)


def _seen(tasks: Tasks, privileged: bool) -> Tasks:
    return tasks if privileged else tasks._replace(difficulty=None, energy_j=None)


def retried_energies(scenario: Scenario, routing: Routing, privileged: bool) -> Energies:
    """Return what all attempts at a task can need, without overhead.

    The routing is asked again after every failure, until the task is solved or every model has failed on it. What the
    attempts took does not depend on their order, so tasks of one kind on which the same models failed are one row.
    """
    tasks, energy_j, chance, probability = possible_tasks(scenario)
    n_models, kind = len(scenario.models), np.arange(len(probability))
    tried, spent_j = np.zeros_like(kind), np.zeros(len(kind))
    ended: list[Energies] = []
    for left in range(n_models - 1, -1, -1):
        weights = probability[:, None] * routing(_failed(_seen(tasks, privileged), kind, tried_models(tried, n_models)))
        row, model = np.nonzero(weights)
        kind, tried, probability = kind[row], tried[row] | 1 << model, weights[row, model]
        spent_j = spent_j[row] + energy_j[kind, model]
        failing = 1 - chance[kind, model] if left > 0 else np.zeros(len(kind))
        ended.append(Energies(spent_j, probability * (1 - failing), np.full(len(kind), n_models - left)))
        rows, first, same = np.unique(np.stack([kind, tried]), axis=1, return_index=True, return_inverse=True)
        kind, tried, spent_j = rows[0], rows[1], spent_j[first]
        probability = np.asarray(np.bincount(same.ravel(), probability * failing), float)
    energies_j, weights, decisions = (np.concatenate(parts) for parts in zip(*ended, strict=True))
    return Energies(energies_j[weights > 0], weights[weights > 0], decisions[weights > 0])


def _failed(tasks: Tasks, kind: IntArray, tried: NDArray[np.bool_]) -> Tasks:
    """Return the tasks of these kinds where these models have failed on them."""
    seen: Any = [None if array is None else array[kind] for array in tasks[:4]]
    return Tasks(*seen)._replace(tried=tried)


def brownian_motion(scenario: Scenario, routing: Routing, *, privileged: bool = False) -> BrownianMotion:
    """Return the drift and the long-run volatility under a routing, whatever the sources' laws are.

    Raises:
        InputError: if a source does not declare its long-run variance, or tasks can wait.
    """
    require_long_run_variance(scenario)
    energies_j, probabilities, _ = routed_energies(scenario, routing, privileged)
    first, second = float(energies_j @ probabilities), float(energies_j**2 @ probabilities)
    return motion_of(scenario, first, second)


def motion_of(scenario: Scenario, first_j: float, second_j2: float) -> BrownianMotion:
    """Return the drift and the volatility where tasks need E e and E e^2, for any sources."""
    drift_j = scenario.arrival_rate * first_j - scenario.harvest.mean_j
    return BrownianMotion(drift_j, volatility(scenario, first_j, second_j2))


def cheapest(energy_j: FloatArray) -> FloatArray:
    """Route to the model of lowest energy: 1 for it, 0 for the others. Shapes (n, n_models)."""
    return np.eye(energy_j.shape[-1])[energy_j.argmin(axis=-1)]


def with_errors(right: FloatArray, rate: float, tried: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the probabilities of a routing that errs at this rate, to each other model equally often.

    Models that were tried are no longer erred to; where one alone is left, there is no error. Shapes (n, n_models).
    """
    if tried is None:
        return right * (1 - rate) + (1 - right) * (rate / max(right.shape[-1] - 1, 1))
    others = (~tried).sum(axis=-1, keepdims=True) - 1
    return np.where(others > 0, right * (1 - rate) + (~tried - right) * (rate / np.maximum(others, 1)), right)


def require_independent_slots(scenario: Scenario) -> None:
    """Require slots that are independent and alike: then there is one distribution for them all.

    Raises:
        InputError: naming the field that makes them depend on each other.
    """
    gamma, poisson = "None: theory knows independent Gamma harvests", "None: theory knows Poisson arrivals"
    for name, known in (("weather_file", gamma), ("harvest_source", gamma), ("arrival_source", poisson)):
        require(getattr(scenario, name) is None, name, getattr(scenario, name), known)
    require_at_once(scenario)
    require_no_waiting(scenario)


def require_long_run_variance(scenario: Scenario) -> None:
    """Require what a Brownian motion takes: no backlog, and sources that declare their long-run variance.

    Raises:
        InputError: naming the field that is in the way.
    """
    require_no_waiting(scenario)
    require_real("harvest.long_run_variance_j2", scenario.harvest.long_run_variance_j2, 0.0)
    require_real("arrivals.long_run_variance", scenario.arrivals.long_run_variance, 0.0)


def require_no_waiting(scenario: Scenario) -> None:
    """Require that no task can wait, with an InputError."""
    waits = "0: a backlog's slots depend on each other"
    require(not scenario.can_wait, "deadline_slots", scenario.deadline_slots, waits)


def require_at_once(scenario: Scenario) -> None:
    """Require that a task draws its energy at its dispatch, with an InputError."""
    at_once = "'at_once': tasks that run on draw energy in slots after the choice, so that slots depend on each other"
    require(not scenario.over_latency, "execution", scenario.execution, at_once)


def require_no_retries(scenario: Scenario, reason: str) -> None:
    """Require that failures are ignored, with an InputError that ends with the reason."""
    require(not scenario.retries, "failures", scenario.failures, f"'ignored': {reason}")


def require_theory(scenario: Scenario, *, lossless: bool = True, exact: bool = True) -> None:
    """Require what theory needs to predict E[D_T]: independent slots, the paper's battery (losses may be allowed).

    Where `exact` is False, the Brownian approximation is enough: slots may depend on each other.
    """
    (require_independent_slots if exact else require_long_run_variance)(scenario)
    noise, slope = scenario.difficulty_noise, scenario.models.skill_slope
    require_noise(noise, slope, STEEPEST_PREDICTED, ", for theory to predict D_T")
    for name, value, ideal in zip(Battery._fields, scenario.battery, Battery(), strict=True):
        ok = value == ideal or ("efficiency" in name and not lossless)
        require(ok, name, value, f"{ideal}: theory's battery is unlimited, lossless and empty at first")


def why_no_theory(scenario: Scenario, *, exact: bool = True) -> str | None:
    """Say in a sentence why theory does not predict E[D_T] in a scenario, exactly or at all; None if it does."""
    try:
        require_theory(scenario, exact=exact)
    except InputError as reason:
        return str(reason)
    return None


def running_j(scenario: Scenario, routing: Routing, *, privileged: bool = False) -> float:
    """Return the mean joules that running tasks are still to draw at a slot's end, under a routing.

    A task of e joules that runs in d slots still lacks e (d-1)/d, e (d-2)/d, ..., 0 at their ends: e (d-1)/2 in all.
    """
    tasks, energy_j, _, probabilities = possible_tasks(scenario)
    assert tasks.difficulty is not None
    lacking_j = energy_j * (scenario.run_slots(tasks.difficulty) - 1) / 2
    return float(scenario.arrival_rate * probabilities @ (routing(_seen(tasks, privileged)) * lacking_j).sum(axis=-1))


def routed_moments(scenario: Scenario, model: IntArray) -> tuple[float, float]:
    """Return E e and E e^2 of a task, in J and J^2, if each level of difficulty has one model, shape (n_levels,)."""
    observed = np.asarray(scenario.difficulties)
    energies, weights = scenario.models.possible_energy_j(observed, scenario.difficulty_noise)
    chosen = scenario.queries_per_task * energies[np.arange(len(observed)), model]
    probability = weights if weights.ndim == 1 else weights[:, 0]
    return float(mean_over(chosen, probability).mean()), float(mean_over(chosen**2, probability).mean())


def myopic_moments(scenario: Scenario) -> tuple[float, float]:
    """Return E e and E e^2 of a task on its model of lowest expected energy, in J and J^2; e of all its attempts."""
    if scenario.retries:
        energies_j, weights, _ = retried_energies(scenario, lambda tasks: cheapest(tasks.open_energy_j), False)
        return float(energies_j @ weights), float(energies_j**2 @ weights)
    return routed_moments(scenario, scenario.expected_energy_j(scenario.difficulties).argmin(axis=-1))


def volatility(scenario: Scenario, first_j: float, second_j2: float) -> float:
    """Return sigma of demand minus harvest where tasks need E e and E e^2, for any sources, in J.

    The demand is a sum of N energies e: its variance is E N Var e + Var N (E e)^2, for Poisson arrivals lambda E e^2.
    A source's variance is the long-run one where it declares one, else that of a slot.
    """
    tasks, harvest = scenario.arrivals, scenario.harvest
    tasks_variance = tasks.variance if tasks.long_run_variance is None else tasks.long_run_variance
    harvest_j2 = harvest.variance_j2 if harvest.long_run_variance_j2 is None else harvest.long_run_variance_j2
    demand_j2 = scenario.arrival_rate * second_j2 + (tasks_variance - scenario.arrival_rate) * first_j**2
    return math.sqrt(max(demand_j2, 0.0) + harvest_j2)  # rounding may take a constant demand below 0


def _expm1(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return exp(z) - 1 without cancellation near 0, for complex z."""
    half = np.sin(z.imag / 2)
    real = np.expm1(z.real) * np.cos(z.imag) - 2 * half * half
    return real + 1j * np.exp(z.real) * np.sin(z.imag)


def _log1p(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """log(1 + z) without cancellation near 0, for complex z with Re z > -1 (numpy's own loses the real part there)."""
    x, y = z.real, z.imag
    return 0.5 * np.log1p(2 * x + x * x + y * y) + 1j * np.arctan2(y, 1 + x)
