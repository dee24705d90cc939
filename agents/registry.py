"""Dispatchers by name, for the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents.analytic import ErrorProne, FixedModel, Myopic, Oracle, RandomModel, Router, ScalingLaw
from agents.deferral import CheapHours, GreedyDeferral, SurplusDeferral
from agents.dispatcher import Dispatcher
from agents.optimal import Optimal
from agents.orders import BestOrder, Calibrated, Cascade, Hindsight, LargestFirst
from agents.receding import OnClimatology, OnFuture, OnPersistence
from agents.variance_aware import VarianceAware
from energy_route_env import Scenario
from energy_route_env.checks import InputError, MissingExtra, require_known

if TYPE_CHECKING:
    from agents.learned import Learned


def _learned() -> type[Learned]:
    """Import the class only where it is needed: it takes torch (the extra `learned`)."""
    try:
        from agents.learned import Learned
    except ImportError as error:
        raise MissingExtra(f"Learned dispatchers need {error.name}: pip install -e '.[learned]'.") from error
    return Learned


_PLAIN: dict[str, Callable[[Scenario], Dispatcher]] = {
    "oracle": Oracle,
    "myopic": Myopic,
    "scaling-law": ScalingLaw,
    "random": RandomModel,
    "variance-aware": VarianceAware,
    "cascade": Cascade,
    "calibrated": Calibrated,
    "best-order": BestOrder,
    "largest-first": LargestFirst,
    "hindsight": Hindsight,
    "optimal": Optimal,
    "greedy-deferral": GreedyDeferral,
    "surplus-deferral": SurplusDeferral,
    "cheap-hours": CheapHours,
    "receding-persistence": OnPersistence,
    "receding-climatology": OnClimatology,
    "receding-perfect": OnFuture,
    "learned": lambda scenario: _learned().shipped(scenario),
}
_WITH_NUMBER: dict[str, tuple[type[int] | type[float], Callable[[Scenario, Any], Dispatcher]]] = {
    "error": (float, lambda scenario, rate: ErrorProne(Oracle(scenario), rate)),
    "fixed": (int, FixedModel),
    "router": (float, Router),
    "surplus-deferral": (float, SurplusDeferral),
    "receding-persistence": (int, OnPersistence),
    "receding-climatology": (int, OnClimatology),
    "receding-perfect": (int, OnFuture),
}
NAMES = (*_PLAIN, "error-RATE", "fixed-MODEL", "router-PARAMS")
"""Every valid name; RATE, MODEL and PARAMS stand for a number, as in error-0.05, fixed-0 and router-1e9."""


def make_dispatcher(name: str, scenario: Scenario) -> Dispatcher:
    """Make the dispatcher of this name for a scenario.

    Args:
        name: one of `NAMES`, or the path of your own policy's .safetensors file. `error-RATE` errs from the oracle's
            choice. `router-PARAMS` is the oracle, with the overhead of a language model of so many parameters.
            `surplus-deferral` may carry its threshold, as in surplus-deferral-0.6, and the receding ones the slots
            from plan to plan, as in receding-climatology-16. `learned` is the policy that comes with the project.
        scenario: where it decides.

    Raises:
        InputError: if the name is unknown (it names the nearest valid one), its number is not valid, or a policy does
            not fit.
        MissingExtra: if it is learned and the extra `learned` is not installed.

    Example:
        >>> from energy_route_env import make_scenario
        >>> make_dispatcher("error-0.05", make_scenario("paper")).rate
        0.05
    """
    if name.endswith(".safetensors"):
        return _learned().load(name, scenario)
    numbered = re.fullmatch(rf"({'|'.join(_WITH_NUMBER)})-(.*)", name)
    if numbered is not None:
        kind, make = _WITH_NUMBER[numbered[1]]
        try:
            return make(scenario, kind(numbered[2]))
        except ValueError as error:
            raise InputError(f"dispatcher is {name!r}, but its number is not valid: {error}") from error
    if name not in _PLAIN:
        require_known("dispatcher", [name], [known for known in NAMES if known != name])
    return _PLAIN[name](scenario)
