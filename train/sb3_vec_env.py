"""`EnergyRoute-v0`'s vector environment as a Stable-Baselines3 `VecEnv`: an adapter, without dynamics of its own."""

import time
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from energy_route_env import Decision, EnergyRouteVectorEnv, Scenario
from energy_route_env.checks import require_real


class SB3EnergyRoute(VecEnv):
    """n environments of a scenario for Stable-Baselines3, stepped as arrays.

    An episode that ends restarts in the same step, as this library expects. Its info then holds `terminal_observation`,
    `TimeLimit.truncated`, the episode's `balance` in joules, and `episode`, as from its `Monitor`: return "r" in the
    scenario's unit (whatever the rewards' unit), length "l" and seconds since the start "t".

    Args:
        scenario: a scenario's name or value.
        num_envs: how many environments.
        reward_unit: how much of the scenario's unit is a unit of reward: 1 for joules, a task's mean for learning.
        overrides: any field of the scenario.
    """

    def __init__(
        self, scenario: str | Scenario = "paper", num_envs: int = 1, reward_unit: float = 1.0, **overrides: Any
    ) -> None:
        require_real("reward_unit", reward_unit, 0.0, above=True)
        self.envs = EnergyRouteVectorEnv(num_envs, scenario, AutoresetMode.SAME_STEP, **overrides)
        self.scenario, self.reward_unit = self.envs.scenario, reward_unit
        super().__init__(num_envs, self.envs.single_observation_space, self.envs.single_action_space)
        self._actions = np.zeros(num_envs, np.int64)
        self._length, self._return = np.zeros(num_envs, np.int64), np.zeros(num_envs)
        self._start = time.time()

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Derive every environment's seed for the next reset from this one by numpy's `SeedSequence`; return them.

        Unlike Gymnasium's `seed + i`, seeds that are close give environments that share no episode.
        """
        self._seeds = list(np.random.SeedSequence(seed).generate_state(self.num_envs, np.uint64).tolist())
        return self._seeds

    def reset(self) -> NDArray[np.float32]:
        """Start an episode in every environment, from the seeds that `seed` has set, if any."""
        observation, _ = self.envs.reset(seed=self._seeds)
        self._reset_seeds()
        self._length[:] = self._return[:] = 0
        return observation

    def step_async(self, actions: NDArray[np.int64]) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        self._length += 1
        self._return += reward
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done).tolist():
            infos[i] = self._last_info(i, info, bool(truncated[i]))
        self._length[done] = self._return[done] = 0
        return observation, (reward / self.reward_unit).astype(np.float32), done, infos

    def _last_info(self, i: int, info: dict[str, Any], truncated: bool) -> dict[str, Any]:
        final = info["final_info"]["balance"]
        balance = {name: float(values[i]) for name, values in final.items() if not name.startswith("_")}
        episode = {"r": float(self._return[i]), "l": int(self._length[i]), "t": round(time.time() - self._start, 6)}
        return {
            "terminal_observation": info["final_obs"][i],
            "TimeLimit.truncated": truncated,
            "balance": balance,
            "episode": episode,
        }

    def decision(self, privileged: bool = False) -> Decision:
        """Return the decisions at hand as dispatchers see them; a privileged one sees the truth too."""
        return self.envs.decision(privileged)

    def close(self) -> None:
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the attribute once for each index: all environments share it."""
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute that all environments share.

        Raises:
            ValueError: if the indices are not those of all environments.
        """
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(f"indices is {indices!r}, but it must be None: the environments share {attr_name!r}.")
        setattr(self.envs, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of all environments at once. If it returns an array of n rows, each index gets its own row."""
        result = getattr(self.envs, method_name)(*args, **kwargs)
        each = isinstance(result, np.ndarray) and result.shape[:1] == (self.num_envs,)
        return [result[i] if each else result for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Return False for each: nothing is wrapped. The infos hold the statistics that `VecMonitor` would add."""
        return [False for _ in self._get_indices(indices)]
