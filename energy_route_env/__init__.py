"""EnergyRoute: route tasks to reasoning models on renewable, stored and uncertain power.

Importing this package registers `EnergyRoute-v0` with Gymnasium.
"""

import gymnasium as _gym

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

if "EnergyRoute-v0" not in _gym.registry:
    _gym.register(
        id="EnergyRoute-v0",
        entry_point="energy_route_env.env:EnergyRouteEnv",
        vector_entry_point="energy_route_env.vector_env:EnergyRouteVectorEnv",
    )
