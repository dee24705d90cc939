"""Plans from theory: how much auxiliary energy, harvest, storage, time or routing error a system can do with.

A `PlanQuestion` states the system, `answer` what theory says about it. `harvest_for`, `horizon_for`, `error_rate_for`
and `budget_for` solve for one of the four when the other three are given. Slots are independent and the battery starts
empty. Tasks go to the model of lowest expected energy, or with the error rate to another one. Every `Value` names the
method that made it:

- "exact": moments, and E[D_T] by Spitzer's identity (`theory.exact_expected_auxiliary_energy`).
- "lattice": D_T is distributed as W_T in Lindley's recursion (`theory.lattice`), and so is a finite battery's content.
- "Brownian": the paper's Theorem 2 (arXiv 2601.00823), where the lattice would take too long.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from energy_route_env.checks import InputError, require, require_real, require_whole
from energy_route_env.scenario import Scenario
from energy_route_env.theory.brownian import expected_auxiliary_energy, regime, transition_horizon
from energy_route_env.theory.lattice import LatticeTooLongError, Method, auxiliary_distribution, least_capacity
from energy_route_env.theory.overhead import break_even_overhead
from energy_route_env.theory.slot import (
    SlotDistribution,
    Tasks,
    cheapest,
    possible_tasks,
    require_no_retries,
    require_theory,
    with_errors,
)
from energy_route_env.theory.spitzer import exact_expected_auxiliary_energy
from energy_route_env.theory.winners import Winner, winners
from energy_route_env.units import FloatArray

CONFIDENCE = 0.95
"""The level of quantiles where a question names none."""
LONGEST = 2**20
"""Slots: the longest horizon that is planned for."""
RICHEST = 1e3
"""Times the mean demand: the largest harvest that is searched for."""


@dataclass(frozen=True)
class PlanQuestion:
    """The system to plan, the paper's by default, and what is wished for."""

    scenario: Scenario = field(default_factory=Scenario)
    """The system. Its efficiencies are those of the battery to plan; its capacity must be unlimited."""
    horizon_slots: int | None = None
    """T, slots to plan for; by default the scenario's."""
    harvest_mean_j: float | None = None
    """Mean harvest of a slot in joules; by default the scenario's ratio times `right_demand_j`."""
    error_rate: float = 0.0
    """Probability that a task goes to another model than the right one."""
    budget_j: float | None = None
    """Auxiliary energy in joules that D_T may reach: its mean, or with `confidence` its quantile."""
    confidence: float | None = None
    """P(D_T <= budget) that is wished for, in (0, 1); None for a budget that holds on average."""
    extra_share: float = 0.01
    """Share of auxiliary energy that a finite battery may cost on top of an unlimited one."""

    def __post_init__(self) -> None:
        require_theory(self.scenario, lossless=False)
        require_no_retries(self.scenario, "the planner counts one attempt for a task")
        require_real("harvest_cv", self.scenario.harvest_cv, 0.0, 3.0)
        for name in ("harvest_mean_j", "budget_j"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), 0.0)
        require_real("extra_share", self.extra_share, 0.0, above=True)
        require_whole("horizon_slots", self.slots, 1)
        require(self.slots <= LONGEST, "horizon_slots", self.slots, f"at most {LONGEST}")
        require_real("error_rate", self.error_rate, 0.0, 1.0)
        several = len(self.scenario.models) > 1 or self.error_rate == 0
        require(several, "error_rate", self.error_rate, "0 where there is one model: there is no other to err to")
        if self.confidence is not None:
            require_real("confidence", self.confidence, 0.0, 1.0, above=True)
            require(self.confidence < 1, "confidence", self.confidence, "below 1")

    @property
    def slots(self) -> int:
        """T, the horizon in slots."""
        return self.scenario.horizon_slots if self.horizon_slots is None else self.horizon_slots

    @cached_property
    def right_demand_j(self) -> float:
        """Mean demand of a slot without routing errors, in joules."""
        tasks, energy_j, _, probabilities = possible_tasks(self.scenario)
        right = (energy_j * cheapest(tasks.expected_energy_j)).sum(axis=1)
        return self.scenario.arrival_rate * float(probabilities @ right)

    @property
    def harvest_j(self) -> float:
        """Mean harvest of a slot in joules, however it was given; at ratio 1 exactly the right demand."""
        ratio = self.scenario.renewable_ratio
        return ratio * self.right_demand_j if self.harvest_mean_j is None else self.harvest_mean_j

    @cached_property
    def slot(self) -> SlotDistribution:
        return SlotDistribution.of(
            self.scenario,
            lambda tasks: with_errors(cheapest(tasks.expected_energy_j), self.error_rate),
            harvest_mean_j=self.harvest_j,
        )

    @cached_property
    def knowing_slot(self) -> SlotDistribution:
        """The slot on the same harvest if every task goes to the cheapest model for its true difficulty."""
        return SlotDistribution.of(self.scenario, _by_truth, privileged=True, harvest_mean_j=self.harvest_j)


def _by_truth(tasks: Tasks) -> FloatArray:
    assert tasks.energy_j is not None
    return cheapest(tasks.energy_j)


@dataclass(frozen=True)
class Value:
    """A number and the method that made it."""

    value: float
    """In the unit that the place where it stands names."""
    method: Method
    """How it was found."""


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
    knowledge_j: Value
    """By how much perfect knowledge of the difficulty lowers the mean energy of a task."""
    break_even_overhead_j: Value
    """What it may take for each decision until E[D_T] is that of the system as routed (`break_even_overhead`)."""
    battery_j: Value | None
    """Capacity that suffices (see `battery_for`); None where the horizon is too long for the lattice."""
    battery_mean_j: Value | None
    """E[D_T] with this battery, its losses included; the means above are those of an unlimited lossless one."""
    harvest_for_mean_j: Value | None
    """Harvest of a slot with which E[D_T] is the budget; None without a budget."""
    harvest_for_quantile_j: Value | None
    """Harvest of a slot with which the quantile is the budget; None without a budget."""
    cheapest: tuple[Winner, ...]
    """The model of lowest expected energy by observed difficulty."""
    fastest: tuple[Winner, ...]
    """The model of lowest latency by difficulty."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; infinite ones become None."""
        # JSON writes what is infinite as a constant, which is read as None.
        return json.loads(json.dumps(asdict(self)), parse_constant=lambda constant: None)


def budget_for(question: PlanQuestion) -> Value:
    """Return the budget in joules that the system needs: E[D_T], or with a confidence its quantile."""
    if question.confidence is None:
        return Value(_mean(question), "exact")
    found = auxiliary_distribution(question.slot, question.slots)
    return Value(found.quantile(question.confidence), found.method)


def _mean(question: PlanQuestion) -> float:
    return float(exact_expected_auxiliary_energy(question.slot, question.slots))


def _excess(question: PlanQuestion) -> float:
    """Return the joules needed beyond the budget; for a budget of 0, the missing confidence."""
    budget = _budget(question)
    if question.confidence is None or budget > 0:
        return budget_for(question).value - budget
    return question.confidence - auxiliary_distribution(question.slot, question.slots).probability(0.0)


def _budget(question: PlanQuestion) -> float:
    if question.budget_j is None:
        raise InputError("budget_j is None, but it must be a number of joules, to solve for the rest.")
    return question.budget_j


def _impossible(question: PlanQuestion, reason: str, nearest: PlanQuestion) -> InputError:
    """Return the error for a budget that not even the most favourable system keeps."""
    wish = f"budget_j is {question.budget_j!r}"
    if question.confidence is not None:
        wish += f" with confidence {question.confidence!r}"
    return InputError(f"{wish}, but {reason}; the smallest possible budget is {budget_for(nearest).value:.6g} J.")


def harvest_for(question: PlanQuestion) -> Value:
    """Return the least mean harvest of a slot, in joules, that keeps the budget; the question's own is ignored.

    On every path D_T falls as the harvest's mean rises at a fixed coefficient of variation.

    Raises:
        InputError: if there is no budget, or no harvest up to `RICHEST` times the mean demand keeps it.
    """
    none, high = replace(question, harvest_mean_j=0.0), question.right_demand_j
    if _excess(none) <= 0:
        return Value(0.0, budget_for(none).method)
    most = RICHEST * high
    while _excess(replace(question, harvest_mean_j=high)) > 0:
        if high >= most:
            reason = f"no mean harvest up to {most:.6g} J in a slot, {RICHEST:g} times the demand, reaches it"
            raise _impossible(question, reason, replace(question, harvest_mean_j=most))
        high = min(4 * high, most)
    root = _root(lambda harvest: _excess(replace(question, harvest_mean_j=harvest)), high)
    return Value(root, budget_for(replace(question, harvest_mean_j=root)).method)


def _root(function: Callable[[float], float], high: float) -> float:
    from scipy import optimize

    return float(optimize.brentq(function, 0.0, high, xtol=1e-9 * high, rtol=1e-9))


def error_rate_for(question: PlanQuestion) -> Value:
    """Return the largest routing error rate, at most 1, that keeps the budget; the question's own is ignored.

    Raises:
        InputError: if there is no budget, flawless routing exceeds it, or there is one model alone.
    """
    several = len(question.scenario.models) > 1
    require(several, "models", question.scenario.models.n_params, "two or more, to solve for an error rate")
    flawless, always = replace(question, error_rate=0.0), replace(question, error_rate=1.0)
    if _excess(flawless) > 0:
        raise _impossible(question, "the error rate would have to be negative", flawless)
    if _excess(always) <= 0:
        return Value(1.0, budget_for(always).method)
    root = _root(lambda rate: _excess(replace(question, error_rate=rate)), 1.0)
    return Value(root, budget_for(replace(question, error_rate=root)).method)


def horizon_for(question: PlanQuestion) -> Value:
    """Return the longest horizon in slots that keeps the budget; the question's own is ignored.

    Raises:
        InputError: if there is no budget, not one slot keeps within it, or every one up to `LONGEST` does.
    """
    one = replace(question, horizon_slots=1)
    if _excess(one) > 0:
        raise _impossible(question, "the horizon would have to be 0 slots", one)
    longest = _longest_mean(question) if question.confidence is None else _longest_sure(question)
    if longest >= LONGEST:
        need = budget_for(replace(question, horizon_slots=LONGEST))
        reason = f"every horizon up to {LONGEST} slots keeps it: that one needs {need.value:.6g} J ({need.method})"
        raise InputError(f"budget_j is {question.budget_j!r}, but {reason}; a horizon is limited by less only.")
    return Value(float(longest), budget_for(replace(question, horizon_slots=longest)).method)


def _longest_mean(question: PlanQuestion) -> int:
    """Return the longest horizon up to `LONGEST` whose E[D_T] is within the budget; one pass gives those of all."""
    reach = longest = 1
    while longest == reach < LONGEST:
        reach = min(4 * reach, LONGEST)
        means = exact_expected_auxiliary_energy(question.slot, np.arange(1, reach + 1))
        longest = int(np.searchsorted(means, _budget(question), side="right"))
    return longest


def _longest_sure(question: PlanQuestion) -> int:
    """Bisect for the longest horizon up to `LONGEST` whose quantile is within the budget."""

    def within(slots: int) -> bool:
        return _excess(replace(question, horizon_slots=slots)) <= 0

    low, high = 1, 2
    while high <= LONGEST and within(high):
        low, high = high, 2 * high
    while high <= LONGEST and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low


def battery_for(question: PlanQuestion) -> tuple[Value, Value]:
    """Return the capacity in joules with which E[D_T] is `extra_share` above an unlimited battery's, and that E[D_T].

    The content follows B_{t+1} = min(cap, max(0, B + eta_c (H - C)^+ - (C - H)^+ / eta_d)); what is short of 0, times
    eta_d, is auxiliary energy. Both batteries have the question's efficiencies and start empty.

    Raises:
        InputError: if the horizon is so long that the lattice would take minutes.
    """
    charge, discharge = question.scenario.charge_efficiency, question.scenario.discharge_efficiency
    capacity_j, mean_j, method = least_capacity(question.slot, question.slots, question.extra_share, charge, discharge)
    return Value(capacity_j, method), Value(mean_j, method)


def answer(question: PlanQuestion) -> PlanAnswer:
    """Return everything that theory says about a question.

    Raises:
        InputError: if the question has a budget that no harvest keeps.

    Example:
        >>> round(answer(PlanQuestion()).mean_j.value, 1)
        17171.5
    """
    scenario, models = question.scenario, question.scenario.models
    low, high = min(scenario.difficulties), max(scenario.difficulties)
    limited = question.budget_j is not None
    on_average = replace(question, confidence=None)
    level = question.confidence or CONFIDENCE
    sure = replace(question, confidence=level)
    battery: tuple[Value, Value] | tuple[None, None] = (None, None)
    with suppress(LatticeTooLongError):
        battery = battery_for(question)
    return PlanAnswer(
        **_moments(question),
        **_auxiliary(question, level),
        **_knowledge(question),
        battery_j=battery[0],
        battery_mean_j=battery[1],
        harvest_for_mean_j=harvest_for(on_average) if limited else None,
        harvest_for_quantile_j=harvest_for(sure) if limited else None,
        cheapest=winners(scenario.expected_energy_j, models, low, high),
        fastest=winners(scenario.latency_s, models, low, high),
    )


def _moments(question: PlanQuestion) -> dict[str, Any]:
    """Return regimes, energies of a task and of a slot, drift and volatility."""
    slot, (tasks, _, _, probabilities) = question.slot, possible_tasks(question.scenario)
    assert tasks.energy_j is not None
    least = float(probabilities @ tasks.energy_j.min(axis=1))
    rounding = 1e-9 * (slot.demand_mean_j + slot.harvest_mean_j)
    values = {
        "c_lb_task_j": least,
        "c_lb_slot_j": question.scenario.arrival_rate * least,
        "demand_j": slot.demand_mean_j,
        "harvest_j": slot.harvest_mean_j,
        "drift_j": slot.drift,
        "volatility_j": slot.volatility,
    }
    return {
        "regime": str(regime(slot.drift, rounding)),
        "regime_without_errors": str(regime(replace(question, error_rate=0.0).slot.drift, rounding)),
        **{name: Value(value, "exact") for name, value in values.items()},
    }


def _auxiliary(question: PlanQuestion, level: float) -> dict[str, Any]:
    """Return mean, spread and the quantile of this level of D_T, and what routing errors add to the mean."""
    slot = question.slot
    spread = auxiliary_distribution(slot, question.slots)
    flawless = replace(question, harvest_mean_j=question.harvest_j, error_rate=0.0)
    mean = _mean(question)
    brownian = float(expected_auxiliary_energy(slot.drift, slot.volatility, question.slots))
    transition = float(transition_horizon(slot.drift - flawless.slot.drift, slot.volatility))
    return {
        "mean_j": Value(mean, "exact"),
        "mean_brownian_j": Value(brownian, "Brownian"),
        "std_j": Value(spread.std_j, spread.method),
        "quantile_level": level,
        "quantile_j": Value(spread.quantile(level), spread.method),
        "error_cost_j": Value(mean - _mean(flawless), "exact"),
        "transition_slots": Value(transition, "Brownian"),
    }


def _knowledge(question: PlanQuestion) -> dict[str, Any]:
    """Return what perfect knowledge of the difficulty is worth: of the mean energy, and at the horizon."""
    slot, knowing = question.slot, question.knowing_slot
    saved = float(slot.energies_j @ slot.probabilities - knowing.energies_j @ knowing.probabilities)
    overhead = break_even_overhead(knowing, slot, question.slots)
    return {"knowledge_j": Value(saved, "exact"), "break_even_overhead_j": Value(overhead, "exact")}
