"""Potential-based reward shaping with the Brownian value function (model, Section 4)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn, VecEnvWrapper

from energy_route_env import Decision, Scenario
from energy_route_env.checks import require
from energy_route_env.theory import value_function
from energy_route_env.units import FloatArray
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import Shaping


class BrownianPotential:
    """Phi(s) = -V(b, n) in joules: minus the auxiliary energy still to come, by the Brownian value function.

    b is what can be supplied now (the slot's harvest, and the battery after its discharge loss) less the mean demand
    of all tasks present; n is the number of slots that follow. Drift and volatility are those of the myopic
    dispatcher.
    """

    def __init__(self, scenario: Scenario) -> None:
        require(not scenario.continuing, "continuing", True, "False: the potential needs the time left")
        self._mean_task_j = scenario.myopic_moments[0]
        self._drift, self._volatility = scenario.drift_j, scenario.volatility_j

    def __call__(self, decision: Decision) -> FloatArray:
        """Return Phi in joules, shape (n,)."""
        present = (decision.due + decision.backlog) * self._mean_task_j
        following = np.maximum(decision.slots_left - 1, 0)
        return -value_function(decision.usable_j - present, following, self._drift, self._volatility)


class BrownianShaping(VecEnvWrapper):
    """Adds Phi(next state) - Phi(state) to each reward; Phi is 0 once the episode is over.

    Over an episode the additions sum to -Phi(first state), which no choice can change. So on every trace the returns of
    all policies shift by the same amount, and their ranking stays (Ng, Harada and Russell 1999; discount 1). Each
    reward then holds the whole expected cost of its decision, not just what came from the grid at once.
    """

    venv: SB3EnergyRoute

    def __init__(self, venv: SB3EnergyRoute) -> None:
        super().__init__(venv)
        self._potential = BrownianPotential(venv.scenario)
        self._before = self._potential(venv.decision())  # episodes may be under way

    def reset(self) -> NDArray[np.float32]:
        observation: Any = self.venv.reset()
        self._before = self._potential(self.venv.decision())
        return observation

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, done, infos = self.venv.step_wait()
        after = self._potential(self.venv.decision())
        gained = np.where(done, 0.0, after) - self._before
        self._before = after
        return observation, (reward + gained / self.venv.reward_unit).astype(np.float32), done, infos


def shape(envs: SB3EnergyRoute, shaping: Shaping) -> SB3EnergyRoute | BrownianShaping:
    """Wrap the environments in the shaping of this name."""
    return BrownianShaping(envs) if shaping == "brownian" else envs
