"""EnergyRoute: route tasks to reasoning models on renewable, stored and uncertain power.

Importing this package registers `EnergyRoute-v0` with Gymnasium. What it offers is loaded when it is first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any as _Any

import gymnasium as _gym

if TYPE_CHECKING:
    from energy_route_env.decision import FEATURES as FEATURES, Decision as Decision
    from energy_route_env.env import EnergyRouteEnv as EnergyRouteEnv
    from energy_route_env.pool.scaling_laws import ModelPool as ModelPool, ScalingLaws as ScalingLaws
    from energy_route_env.scenario import Scenario as Scenario
    from energy_route_env.scenarios import SCENARIOS as SCENARIOS, make_scenario as make_scenario
    from energy_route_env.vector_env import EnergyRouteVectorEnv as EnergyRouteVectorEnv
    from energy_route_env.world.trace import Trace as Trace

__version__ = "0.1.0"

_HOMES = {
    "FEATURES": "decision",
    "SCENARIOS": "scenarios",
    "Decision": "decision",
    "EnergyRouteEnv": "env",
    "EnergyRouteVectorEnv": "vector_env",
    "ModelPool": "pool.scaling_laws",
    "ScalingLaws": "pool.scaling_laws",
    "Scenario": "scenario",
    "Trace": "world.trace",
    "make_scenario": "scenarios",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> _Any:
    """Load a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


if "EnergyRoute-v0" not in _gym.registry:
    _gym.register(
        id="EnergyRoute-v0",
        entry_point="energy_route_env.env:EnergyRouteEnv",
        vector_entry_point="energy_route_env.vector_env:EnergyRouteVectorEnv",
    )
