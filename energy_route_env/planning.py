"""Plans from theory: how much auxiliary energy, harvest, storage, time or routing error a system can do with.

A `PlanQuestion` states the system, `answer` what theory says about it, and `harvest_for`, `horizon_for`,
`error_rate_for` and `budget_for` solve for one of the four when the other three are given. Slots are independent and
the battery starts empty. Tasks go to the model of lowest expected energy, or with the error rate to another one. Every
`Value` names the method that made it:

- "exact": moments, and E[D_T] by Spitzer's identity (`theory.exact_expected_auxiliary_energy`).
- "lattice": D_T has the law of W_T in Lindley's recursion W_{t+1} = max(0, W_t + X), X one slot's demand minus harvest,
  because reversing time turns a running maximum into it (Asmussen, Applied Probability and Queues, 2003, ch. III.6).
  It is followed on a lattice, and so is the content of a finite battery.
- "Brownian": the paper's Theorem 2 (arXiv 2601.00823), where the lattice would take too long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import optimize

from energy_route_env.checks import require, require_real, require_sequence, require_whole
from energy_route_env.lattice import LatticeTooLongError, Method, auxiliary_law, least_capacity
from energy_route_env.pool.scaling_laws import ModelPool, noise_grid
from energy_route_env.scenario import PAPER_DIFFICULTIES, PAPER_POOL
from energy_route_env.theory import (
    SlotLaw,
    exact_expected_auxiliary_energy,
    expected_auxiliary_energy,
    gather_energies,
    regime,
    transition_horizon,
)
from energy_route_env.units import FloatArray

CONFIDENCE = 0.95
"""The level of quantiles where a question names none."""
LONGEST = 2**20
"""Slots: the longest horizon that is planned for."""
RICHEST = 1e3
"""Times the mean demand: the largest harvest that is searched for."""


@dataclass(frozen=True, kw_only=True)
class PlanQuestion:
    """The system to plan, the paper's by default, and what is wished for.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    models: ModelPool = PAPER_POOL
    """The pool; a sequence of parameter counts will do."""
    difficulties: tuple[float, ...] = PAPER_DIFFICULTIES
    """Equally likely observed difficulties, in units of pretraining loss; smaller is harder."""
    difficulty_noise: float = 0.0
    """s: true difficulty = observed + Normal(0, s^2)."""
    arrival_rate: float = 1.0
    """lambda: mean tasks per slot, Poisson."""
    queries_per_task: float = 1.0
    """Like queries that make up one task; its energy is so many times one query's."""
    renewable_ratio: float | None = None
    """Mean harvest / mean demand without routing errors; 1 where neither this nor `harvest_mean_j` is given."""
    harvest_mean_j: float | None = None
    """Mean harvest of a slot in joules, in place of `renewable_ratio`."""
    harvest_cv: float = 0.5
    """Coefficient of variation of the Gamma harvest, at most 3; 0 makes it constant."""
    horizon_slots: int = 1000
    """T, slots to plan for."""
    error_rate: float = 0.0
    """Probability that a task goes to another model than the right one."""
    budget_j: float | None = None
    """Auxiliary energy in joules that D_T may reach: its mean, or with `confidence` its quantile."""
    confidence: float | None = None
    """P(D_T <= budget) that is wished for, in (0, 1); None for a budget that holds on average."""
    extra_share: float = 0.01
    """Share of auxiliary energy that a finite battery may cost on top of an unlimited one."""
    charge_efficiency: float = 1.0
    """eta_c of that battery, applied to what is stored."""
    discharge_efficiency: float = 1.0
    """eta_d of that battery, applied to what is drawn."""

    def __post_init__(self) -> None:
        """Check every field."""
        if not isinstance(self.models, ModelPool):
            object.__setattr__(self, "models", ModelPool(self.models))
        levels = require_sequence("difficulties", self.difficulties, "one or more numbers")
        object.__setattr__(self, "difficulties", levels)
        for level in levels:
            require_real("difficulties (one of them)", level)
        for name in ("difficulty_noise", "arrival_rate"):
            require_real(name, getattr(self, name), 0.0)
        require_real("harvest_cv", self.harvest_cv, 0.0, 3.0)
        for name in ("renewable_ratio", "harvest_mean_j", "budget_j"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), 0.0)
        for name in ("queries_per_task", "extra_share"):
            require_real(name, getattr(self, name), 0.0, above=True)
        for name in ("charge_efficiency", "discharge_efficiency"):
            require_real(name, getattr(self, name), 0.0, 1.0, above=True)
        self._check_wishes()

    def _check_wishes(self) -> None:
        both = self.renewable_ratio is not None and self.harvest_mean_j is not None
        require(not both, "harvest_mean_j", self.harvest_mean_j, "None where renewable_ratio is given")
        require_whole("horizon_slots", self.horizon_slots, 1)
        require(self.horizon_slots <= LONGEST, "horizon_slots", self.horizon_slots, f"at most {LONGEST}")
        require_real("error_rate", self.error_rate, 0.0, 1.0)
        several = len(self.models) > 1 or self.error_rate == 0
        require(several, "error_rate", self.error_rate, "0 where there is one model: there is no other to err to")
        if self.confidence is not None:
            require_real("confidence", self.confidence, 0.0, 1.0, above=True)
            require(self.confidence < 1, "confidence", self.confidence, "below 1")

    @property
    def right_demand_j(self) -> float:
        """Mean demand of a slot without routing errors, in joules."""
        return self.arrival_rate * _moment(self, _tasks(self).right)

    @property
    def harvest_j(self) -> float:
        """Mean harvest of a slot in joules, however it was given."""
        ratio = 1.0 if self.renewable_ratio is None else self.renewable_ratio
        return self.harvest_mean_j if self.harvest_mean_j is not None else ratio * self.right_demand_j

    def with_harvest(self, harvest_mean_j: float) -> PlanQuestion:
        """The same question with another mean harvest, in joules per slot."""
        return replace(self, renewable_ratio=None, harvest_mean_j=harvest_mean_j)


@dataclass(frozen=True)
class Value:
    """A number and the method that made it."""

    value: float
    """In the unit that the place where it stands names."""
    method: Method
    """How it was found."""


@dataclass(frozen=True)
class Winner:
    """A range of difficulties and the model that needs least there."""

    low: float
    """Where the range begins."""
    high: float
    """Where it ends."""
    model: int
    """The model's place in the pool."""
    n_params: float
    """Its parameter count."""


@dataclass(frozen=True, kw_only=True)
class PlanAnswer:
    """What theory says about a question. Energies are in joules, horizons in slots."""

    regime: str
    """"deficit", "critical" or "surplus", by the drift."""
    regime_without_errors: str
    """The same, of flawless routing."""
    c_lb_task_j: Value
    """C_LB: the mean over tasks of the cheapest energy for the true difficulty."""
    c_lb_slot_j: Value
    """The same, of a slot."""
    demand_j: Value
    """Mean demand of a slot as routed."""
    harvest_j: Value
    """Mean harvest of a slot."""
    drift_j: Value
    """nu, mean demand minus mean harvest of a slot."""
    volatility_j: Value
    """sigma, the standard deviation of a slot's demand minus harvest."""
    mean_j: Value
    """E[D_T]."""
    mean_brownian_j: Value
    """E[D_T] by the Brownian formula."""
    std_j: Value
    """Standard deviation of D_T."""
    quantile_level: float
    """The level of the quantile: the question's confidence, or 0.95."""
    quantile_j: Value
    """What D_T stays within with that probability."""
    error_cost_j: Value
    """What the routing errors add to E[D_T]."""
    transition_slots: Value
    """T* = 2 sigma^2 / (pi nu^2), nu the drift that the errors add: from about there on they cost linearly."""
    battery_j: Value | None
    """Capacity that suffices (see `battery_for`); None where the horizon is too long for the lattice."""
    harvest_for_mean_j: Value | None
    """Harvest of a slot with which E[D_T] is the budget; None without a budget."""
    harvest_for_quantile_j: Value | None
    """Harvest of a slot with which the quantile is the budget; None without a budget."""
    cheapest: tuple[Winner, ...]
    """The model of lowest expected energy by observed difficulty."""
    fastest: tuple[Winner, ...]
    """The model of lowest latency by difficulty."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON; what is infinite becomes None."""
        return _plain(asdict(self))


def _plain(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_plain(value) for value in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item


@dataclass(frozen=True, eq=False)
class _Tasks:
    """The energies of one query at the nodes of the difficulty's law."""

    energies_j: FloatArray
    """On every model, shape (n, n_models)."""
    right: FloatArray
    """1 for the model of lowest expected energy, 0 for the others, likewise."""
    weights: FloatArray
    """The nodes' probabilities, shape (n,)."""


def _tasks(question: PlanQuestion) -> _Tasks:
    return _cached_tasks(question.models, question.difficulties, question.difficulty_noise)


@lru_cache(maxsize=8)
def _cached_tasks(models: ModelPool, difficulties: tuple[float, ...], noise: float) -> _Tasks:
    z, probabilities = noise_grid(noise)
    levels = np.asarray(difficulties, float)
    right = models.expected_energy_j(levels, noise).argmin(axis=-1).repeat(len(z))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        energies = models.energy_j((levels[:, None] + noise * z).ravel())
    parts = "mind models, difficulties and difficulty_noise"
    require(bool(np.isfinite(energies).all()), "energy of a task", float(energies.max()), f"finite: {parts}")
    return _Tasks(energies, np.eye(len(models))[right], np.tile(probabilities, len(levels)) / len(levels))


def _moment(question: PlanQuestion, shares: FloatArray) -> float:
    """Mean joules of a task that goes to each model with these probabilities."""
    tasks = _tasks(question)
    return float(question.queries_per_task * (tasks.weights @ (tasks.energies_j * shares).sum(axis=1)))


def slot_law(question: PlanQuestion) -> SlotLaw:
    """The law of one slot's demand minus harvest; many energies are gathered in bins of equal mean and variance."""
    tasks, others = _tasks(question), max(len(question.models) - 1, 1)
    shares = tasks.right * (1 - question.error_rate) + (1 - tasks.right) * (question.error_rate / others)
    weights = (tasks.weights[:, None] * shares).ravel()
    energies, weights = gather_energies(
        question.queries_per_task * tasks.energies_j.ravel()[weights > 0], weights[weights > 0]
    )
    return SlotLaw(question.arrival_rate, energies, weights / weights.sum(), question.harvest_j, question.harvest_cv)


def budget_for(question: PlanQuestion) -> Value:
    """The budget in joules that the system needs: E[D_T], or its quantile where the question has a confidence."""
    if question.confidence is None:
        return Value(_mean(question), "exact")
    law = auxiliary_law(slot_law(question), question.horizon_slots)
    return Value(law.quantile(question.confidence), law.method)


def _mean(question: PlanQuestion) -> float:
    return float(exact_expected_auxiliary_energy(slot_law(question), question.horizon_slots))


def _excess(question: PlanQuestion) -> float:
    """What is needed beyond the budget, in joules; with a budget of 0 the confidence that is missing."""
    budget = _budget(question)
    if question.confidence is None or budget > 0:
        return budget_for(question).value - budget
    return question.confidence - auxiliary_law(slot_law(question), question.horizon_slots).probability(0.0)


def _method(question: PlanQuestion) -> Method:
    return "exact" if question.confidence is None else budget_for(question).method


def _budget(question: PlanQuestion) -> float:
    if question.budget_j is None:
        raise ValueError("budget_j is None, but it must be a number of joules, to solve for the rest.")
    return question.budget_j


def _impossible(question: PlanQuestion, reason: str, nearest: PlanQuestion) -> ValueError:
    """What to raise where not even the most favourable system keeps the budget."""
    wish = f"budget_j is {question.budget_j!r}"
    if question.confidence is not None:
        wish += f" with confidence {question.confidence!r}"
    return ValueError(f"{wish}, but {reason}; the smallest possible budget is {budget_for(nearest).value:.6g} J.")


def harvest_for(question: PlanQuestion) -> Value:
    """The least mean harvest of a slot, in joules, with which the budget holds; the question's own is ignored.

    On every path D_T falls as the harvest's mean rises at a fixed coefficient of variation.

    Raises:
        ValueError: if there is no budget, or no harvest up to `RICHEST` times the mean demand keeps it.
    """
    none, high = question.with_harvest(0.0), question.right_demand_j
    if _excess(none) <= 0:
        return Value(0.0, _method(none))
    most = RICHEST * high
    while _excess(question.with_harvest(high)) > 0:
        if high >= most:
            reason = f"no mean harvest up to {most:.6g} J in a slot, {RICHEST:g} times the demand, reaches it"
            raise _impossible(question, reason, question.with_harvest(most))
        high = min(4 * high, most)
    root = _root(lambda harvest: _excess(question.with_harvest(harvest)), high)
    return Value(root, _method(question.with_harvest(root)))


def _root(function: Callable[[float], float], high: float) -> float:
    return float(optimize.brentq(function, 0.0, high, xtol=1e-9 * high, rtol=1e-9))


def error_rate_for(question: PlanQuestion) -> Value:
    """The largest routing error rate with which the budget holds, at most 1; the question's own is ignored.

    Raises:
        ValueError: if there is no budget, flawless routing exceeds it, or there is one model alone.
    """
    several = len(question.models) > 1
    require(several, "models", question.models.n_params, "two or more, to solve for an error rate")
    flawless, always = replace(question, error_rate=0.0), replace(question, error_rate=1.0)
    if _excess(flawless) > 0:
        raise _impossible(question, "the error rate would have to be negative", flawless)
    if _excess(always) <= 0:
        return Value(1.0, _method(always))
    root = _root(lambda rate: _excess(replace(question, error_rate=rate)), 1.0)
    return Value(root, _method(replace(question, error_rate=root)))


def horizon_for(question: PlanQuestion) -> Value:
    """The longest horizon, a whole number of slots, for which the budget holds; the question's own is ignored.

    Raises:
        ValueError: if there is no budget, not one slot keeps within it, or every one up to `LONGEST` does.
    """
    one = replace(question, horizon_slots=1)
    if _excess(one) > 0:
        raise _impossible(question, "the horizon would have to be 0 slots", one)
    longest = _longest_mean(question) if question.confidence is None else _longest_sure(question)
    if longest >= LONGEST:
        need = budget_for(replace(question, horizon_slots=LONGEST))
        reason = f"every horizon up to {LONGEST} slots keeps it: that one needs {need.value:.6g} J ({need.method})"
        raise ValueError(f"budget_j is {question.budget_j!r}, but {reason}; a horizon is limited by less only.")
    return Value(float(longest), _method(replace(question, horizon_slots=longest)))


def _longest_mean(question: PlanQuestion) -> int:
    """The longest horizon up to `LONGEST` whose E[D_T] is within the budget: one pass gives those of all horizons."""
    law, reach, longest = slot_law(question), 1, 1
    while longest == reach < LONGEST:
        reach = min(4 * reach, LONGEST)
        means = exact_expected_auxiliary_energy(law, np.arange(1, reach + 1))
        longest = int(np.searchsorted(means, _budget(question), side="right"))
    return longest


def _longest_sure(question: PlanQuestion) -> int:
    """The longest horizon up to `LONGEST` whose quantile is within the budget, by bisection."""

    def within(slots: int) -> bool:
        return _excess(replace(question, horizon_slots=slots)) <= 0

    low, high = 1, 2
    while high <= LONGEST and within(high):
        low, high = high, 2 * high
    while high <= LONGEST and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low


def battery_for(question: PlanQuestion) -> Value:
    """The capacity in joules with which E[D_T] is `extra_share` above that of an unlimited battery (lattice).

    The content follows B_{t+1} = min(cap, max(0, B + eta_c (H - C)^+ - (C - H)^+ / eta_d)); what is short of 0, times
    eta_d, is drawn. Both batteries have the question's efficiencies and start empty.

    Raises:
        ValueError: if the horizon is so long that the lattice would take minutes.
    """
    capacity_j, method = least_capacity(
        slot_law(question),
        question.horizon_slots,
        question.extra_share,
        question.charge_efficiency,
        question.discharge_efficiency,
    )
    return Value(capacity_j, method)


def winners(values: Callable[[FloatArray], FloatArray], pool: ModelPool, low: float, high: float) -> tuple[Winner, ...]:
    """The ranges of difficulty in [low, high] in which each model has the least of something.

    Args:
        values: that something, from difficulties (n,) to (n, n_models), such as `pool.energy_j` or `pool.latency_s`.
        pool: the models.
        low: where to begin.
        high: where to end; ranges narrower than a 2000th of the way can be missed.
    """
    grid = np.linspace(low, high, 2001)
    best = values(grid).argmin(axis=-1)
    changes = np.flatnonzero(np.diff(best))
    inner = [_crossing(values, best[at], grid[at], grid[at + 1]) for at in changes]
    starts, ends = [low, *inner], [*inner, high]
    models = [int(best[0]), *(int(best[at + 1]) for at in changes)]
    ranges = zip(starts, ends, models, strict=True)
    return tuple(Winner(start, end, model, pool.n_params[model]) for start, end, model in ranges)


def _crossing(values: Callable[[FloatArray], FloatArray], model: int, low: float, high: float) -> float:
    """Where the model stops winning, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        wins = values(np.array([middle]))[0].argmin() == model
        low, high = (middle, high) if wins else (low, middle)
    return float(low + high) / 2


def answer(question: PlanQuestion) -> PlanAnswer:
    """Everything that theory says about a question.

    Raises:
        ValueError: if the question has a budget that no harvest keeps.

    Example:
        >>> round(answer(PlanQuestion()).mean_j.value, 1)
        17171.5
    """
    law = slot_law(question)
    return PlanAnswer(**_moments(question, law), **_auxiliary(question, law), **_needs(question), **_winners(question))


def _moments(question: PlanQuestion, law: SlotLaw) -> dict[str, Any]:
    """Regime, energies of a task and of a slot, drift and volatility."""
    tasks, scale = _tasks(question), law.drift + 2 * law.harvest_mean_j
    cheapest = question.queries_per_task * float(tasks.weights @ tasks.energies_j.min(axis=1))
    right = question.right_demand_j - question.harvest_j
    values = {
        "c_lb_task_j": cheapest,
        "c_lb_slot_j": question.arrival_rate * cheapest,
        "demand_j": law.drift + law.harvest_mean_j,
        "harvest_j": law.harvest_mean_j,
        "drift_j": law.drift,
        "volatility_j": law.volatility,
    }
    regimes = (str(regime(drift, 1e-9 * scale)) for drift in (law.drift, right))
    names = dict(zip(("regime", "regime_without_errors"), regimes, strict=True))
    return names | {name: Value(value, "exact") for name, value in values.items()}


def _auxiliary(question: PlanQuestion, law: SlotLaw) -> dict[str, Any]:
    """The law of D_T, and what the routing errors add to it."""
    spread, level = auxiliary_law(law, question.horizon_slots), question.confidence or CONFIDENCE
    flawless = replace(question.with_harvest(question.harvest_j), error_rate=0.0)
    added = law.drift - slot_law(flawless).drift if question.error_rate > 0 else 0.0
    transition = float(transition_horizon(added, law.volatility)) if added != 0 else math.inf
    mean = _mean(question)
    brownian = float(expected_auxiliary_energy(law.drift, law.volatility, question.horizon_slots))
    return {
        "mean_j": Value(mean, "exact"),
        "mean_brownian_j": Value(brownian, "Brownian"),
        "std_j": Value(spread.std_j, spread.method),
        "quantile_level": level,
        "quantile_j": Value(spread.quantile(level), spread.method),
        "error_cost_j": Value(mean - _mean(flawless) if question.error_rate > 0 else 0.0, "exact"),
        "transition_slots": Value(transition, "Brownian"),
    }


def _needs(question: PlanQuestion) -> dict[str, Any]:
    """The battery, and with a budget the harvest."""
    budget = question.budget_j is not None
    sure = replace(question, confidence=question.confidence or CONFIDENCE)
    try:
        battery = battery_for(question)
    except LatticeTooLongError:
        battery = None
    return {
        "battery_j": battery,
        "harvest_for_mean_j": harvest_for(replace(question, confidence=None)) if budget else None,
        "harvest_for_quantile_j": harvest_for(sure) if budget else None,
    }


def _winners(question: PlanQuestion) -> dict[str, Any]:
    pool, low, high = question.models, min(question.difficulties), max(question.difficulties)
    return {
        "cheapest": winners(lambda at: pool.expected_energy_j(at, question.difficulty_noise), pool, low, high),
        "fastest": winners(pool.latency_s, pool, low, high),
    }
