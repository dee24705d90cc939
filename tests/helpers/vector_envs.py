"""Vector environments, single ones to compare them with, and exact comparison."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from energy_route_env import Trace
from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws

ENV_ID = "EnergyRoute-v0"
WAITING: dict[str, Any] = {
    "difficulty_noise": 0.1,
    "arrival_rate": 2.0,
    "deadline_slots": 4,
    "deferrable_share": 0.7,
    "capacity_j": 3000.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
    "initial_battery_j": 700.0,
    "horizon_slots": 12,
}
LIKELY_TO_FAIL = ModelPool((1e9, 3e9, 1e10), ScalingLaws(failure_probability=0.5))
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {"horizon_slots": 25},
    "uncertain": {"scenario": "uncertain", "models": (1e9, 3e9, 1e10), "horizon_slots": 20},
    "solar": {"scenario": "solar", "slot_seconds": 3600.0, "deadline_slots": 6, "horizon_slots": 14},  # until 2 p.m.
    "short": {"horizon_slots": 2, "arrival_rate": 0.6},  # many episodes without a task
    "continuing": {"continuing": True, "horizon_slots": 15},
    "deadline": WAITING,
    "overhead": WAITING | {"overhead_j": 12.3},
    "retried": {"failures": "retried", "horizon_slots": 15, "models": LIKELY_TO_FAIL},
    "retried deadline": WAITING | {"failures": "retried", "models": LIKELY_TO_FAIL, "overhead_j": 12.3},
    "overhead at once": {"overhead_j": 12.3, "horizon_slots": 15},
    "over latency": {"execution": "over_latency", "horizon_slots": 25, "arrival_rate": 0.6},
    "deadline, over latency": WAITING | {"execution": "over_latency", "slot_seconds": 5.0, "overhead_j": 12.3},
}
EPISODES = 3
"""Ends that a comparison must see in every row."""

Start = tuple[np.ndarray, dict[str, Any]]
Step = tuple[np.ndarray, Any, Any, Any, dict[str, Any]]
each_mode = pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.value)
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def make_vec(variant: str, n: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **more: Any) -> VectorEnv:
    return gym.make_vec(ENV_ID, num_envs=n, autoreset_mode=mode, **(VARIANTS[variant] | more))


def make_singles(variant: str, n: int, **more: Any) -> list[gym.Env]:
    return [gym.make(ENV_ID, **(VARIANTS[variant] | more)) for _ in range(n)]


def bits(value: Any) -> Any:
    """Type, shape and bytes of everything in a result, to be compared with ==."""
    if isinstance(value, dict):
        return {key: bits(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.dtype == object):
        return [bits(entry) for entry in value]
    array = np.asarray(value)
    return array.dtype.str, array.shape, array.tolist(), array.tobytes()


def info_of(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """One environment's info from Gymnasium's layout for vectors."""
    return {
        key: info_of(value, row) if isinstance(value, dict) else value[row]
        for key, value in infos.items()
        if not key.startswith("_") and infos[f"_{key}"][row]
    }


def assert_empty_where_unmarked(infos: dict[str, Any], n: int) -> None:
    """Every entry has its mask, and is zero (or None) where the mask is False."""
    for key, value in infos.items():
        if key.startswith("_"):
            assert key[1:] in infos
            continue
        mask = infos[f"_{key}"]
        assert (mask.dtype, mask.shape) == (np.dtype(bool), (n,))
        if isinstance(value, dict):
            assert_empty_where_unmarked(value, n)
        else:
            assert len(value) == n
            assert not np.any(value[~mask])


def assert_starts(start: Start, singles: dict[int, Start]) -> None:
    """What a reset returns is in these rows what single environments returned."""
    observations, infos = start
    for row, (observation, info) in singles.items():
        assert bits(observations[row]) == bits(observation)
        assert bits(info_of(infos, row)) == bits(info)


def assert_row(step: Step, row: int, expected: Step) -> None:
    *values, infos = step
    for value, wanted in zip(values, expected[:-1], strict=True):
        assert bits(value[row]) == bits(wanted)
    assert bits(info_of(infos, row)) == bits(expected[-1])


def step_both(envs: VectorEnv, singles: list[gym.Env], actions: np.ndarray) -> Step:
    """A step of the vector environment, after a comparison with the same step of single ones."""
    step = envs.step(actions)
    for row, env in enumerate(singles):
        assert_row(step, row, env.step(actions[row]))
    return step


def assert_staggered(ends: list[np.ndarray]) -> None:
    """Whole episodes in every row, and ends that do not fall together."""
    ended = np.array(ends)
    assert (ended.sum(axis=0) >= EPISODES).all()
    if ended.shape[1] > 1:
        assert (ended.any(axis=1) & ~ended.all(axis=1)).sum() > 1


def ended_in(step: Step) -> np.ndarray:
    return step[2] | step[3]


def step_single(env: gym.Env, action: int, mode: AutoresetMode, is_over: bool) -> Step:
    """A step of one environment as the autoreset mode wants it."""
    if is_over and mode is AutoresetMode.NEXT_STEP:
        observation, info = env.reset()
        return observation, 0.0, False, False, info
    observation, reward, terminated, truncated, info = env.step(action)
    if mode is AutoresetMode.SAME_STEP and (terminated or truncated):
        final = {"final_obs": observation, "final_info": info}
        observation, info = env.reset()
        info |= final
    return observation, reward, terminated, truncated, info


def run(envs: VectorEnv, actions: np.random.Generator, until: Callable[[list[np.ndarray]], bool]) -> Iterator[Step]:
    """Steps of random actions from here on; with autoreset disabled what has ended is reset, as a step of its own."""
    ends: list[np.ndarray] = []
    while not until(ends):
        step = envs.step(actions.integers(envs.single_action_space.n, size=envs.num_envs))
        ends.append(ended_in(step))
        yield step
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ends[-1].any():
            observation, infos = envs.reset(options={"reset_mask": ends[-1].copy()})
            yield observation, np.zeros(envs.num_envs), ~ends[-1], ~ends[-1], infos


def enough(ends: list[np.ndarray]) -> bool:
    return len(ends) > 0 and (np.sum(ends, axis=0) >= EPISODES).all()


def draw(envs: VectorEnv, seed: int) -> Trace:
    return envs.unwrapped.scenario.draw(np.random.default_rng(seed))
