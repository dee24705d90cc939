"""EnergyRoute: route tasks to reasoning models on renewable, stored and uncertain power.

Importing this package registers `EnergyRoute-v0` with Gymnasium. What it offers is loaded when it is first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

import gymnasium as _gym

if TYPE_CHECKING:
    from energy_route_env.decision import FEATURES, Decision
    from energy_route_env.env import EnergyRouteEnv
    from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws
    from energy_route_env.scenario import Scenario
    from energy_route_env.scenarios import SCENARIOS, make_scenario
    from energy_route_env.vector_env import EnergyRouteVectorEnv
    from energy_route_env.world.trace import Trace

__version__ = "0.1.0"

__all__ = [
    "FEATURES",
    "SCENARIOS",
    "Decision",
    "EnergyRouteEnv",
    "EnergyRouteVectorEnv",
    "ModelPool",
    "ScalingLaws",
    "Scenario",
    "Trace",
    "make_scenario",
]

_HOMES = {
    "decision": ("FEATURES", "Decision"),
    "env": ("EnergyRouteEnv",),
    "vector_env": ("EnergyRouteVectorEnv",),
    "pool.scaling_laws": ("ModelPool", "ScalingLaws"),
    "scenario": ("Scenario",),
    "scenarios": ("SCENARIOS", "make_scenario"),
    "world.trace": ("Trace",),
}


def __getattr__(name: str) -> _Any:
    """Load a public name from its module (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


if "EnergyRoute-v0" not in _gym.registry:
    _gym.register(
        id="EnergyRoute-v0",
        entry_point="energy_route_env.env:EnergyRouteEnv",
        vector_entry_point="energy_route_env.vector_env:EnergyRouteVectorEnv",
    )
