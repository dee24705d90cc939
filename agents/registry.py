"""Dispatchers by name, for the command line."""

from __future__ import annotations

from collections.abc import Callable

from agents.analytic import ErrorProne, FixedModel, Myopic, Oracle, RandomModel, ScalingLaw
from agents.deferral import GreedyDeferral, SurplusDeferral
from agents.dispatcher import Dispatcher
from agents.variance_aware import VarianceAware
from energy_route_env import Scenario
from energy_route_env._checks import require_known

_PLAIN: dict[str, Callable[[Scenario], Dispatcher]] = {
    "oracle": Oracle,
    "myopic": Myopic,
    "scaling-law": ScalingLaw,
    "random": RandomModel,
    "variance-aware": VarianceAware,
    "greedy-deferral": GreedyDeferral,
    "surplus-deferral": SurplusDeferral,
}
_WITH_NUMBER: dict[str, Callable[[Scenario, str], Dispatcher]] = {
    "error": lambda scenario, rate: ErrorProne(Oracle(scenario), float(rate)),
    "fixed": lambda scenario, model: FixedModel(scenario, int(model)),
}
NAMES = (*_PLAIN, "error-RATE", "fixed-MODEL")
"""Every valid name; RATE and MODEL stand for a number, as in error-0.05 and fixed-0."""


def make_dispatcher(name: str, scenario: Scenario) -> Dispatcher:
    """The dispatcher of this name in a scenario.

    Args:
        name: one of `NAMES`. `error-RATE` errs from the oracle's choice; `surplus-deferral` may carry its threshold,
            as in surplus-deferral-0.6.
        scenario: the scenario in which it decides.

    Raises:
        ValueError: if the name is unknown (with the nearest valid one) or its number is not valid.

    Example:
        >>> from energy_route_env import make_scenario
        >>> make_dispatcher("error-0.05", make_scenario("paper")).rate
        0.05
    """
    stem, _, number = name.rpartition("-")
    try:
        if stem in _WITH_NUMBER:
            return _WITH_NUMBER[stem](scenario, number)
        if stem == "surplus-deferral":
            return SurplusDeferral(scenario, float(number))
    except ValueError as error:
        raise ValueError(f"dispatcher is {name!r}, but its number is not valid: {error}") from error
    if name not in _PLAIN:
        require_known("dispatcher", [name], [known for known in NAMES if known != name])
    return _PLAIN[name](scenario)
