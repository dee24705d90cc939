"""The environments that a user may make, and how tests run them."""

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from energy_route_env import FEATURES, SCENARIOS, Trace
from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws

ENV_ID = "EnergyRoute-v0"
VARIANTS: dict[str, dict[str, Any]] = {name: {"scenario": name} for name in SCENARIOS} | {
    "three models": {"models": (1e9, 3e9, 1e10), "horizon_slots": 60},
    "continuing": {"continuing": True, "horizon_slots": 60},
    "deadline": {"deadline_slots": 5, "deferrable_share": 0.6, "horizon_slots": 60},
    "deadline, uncertain, finite battery": {
        "scenario": "uncertain",
        "deadline_slots": 8,
        "arrival_rate": 2.0,
        "capacity_j": 4000.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
        "initial_battery_j": 500.0,
        "horizon_slots": 60,
    },
    "retried": {
        "failures": "retried",
        "models": ModelPool(laws=ScalingLaws(failure_probability=0.4)),
        "horizon_slots": 60,
    },
    "retried, deadline, uncertain, exact tail": {
        "failures": "retried",
        "models": ModelPool((1e9, 3e9, 1e10), ScalingLaws(failure_probability=0.4), "exact"),
        "difficulty_noise": 0.1,
        "deadline_slots": 5,
        "deferrable_share": 0.6,
        "horizon_slots": 60,
    },
    "no harvest": {"renewable_ratio": 0.0, "horizon_slots": 60},
    "no battery": {"capacity_j": 0.0, "horizon_slots": 60},
    "no tasks": {"arrival_rate": 0.0, "horizon_slots": 60},
}
EDGES = ("no harvest", "no battery", "no tasks")
"""Variants at the edge of what is allowed; a task-less episode is one step long."""

Step = tuple[np.ndarray, float, bool, bool, dict[str, Any]]
each_variant = pytest.mark.parametrize("variant", VARIANTS)
each_eventful_variant = pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in EDGES])
each_clone = pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))], ids=["deepcopy", "pickle"]
)


def make(variant: str, **more: Any) -> gym.Env:
    return gym.make(ENV_ID, **(VARIANTS[variant] | more))


def run(env: gym.Env, actions: np.random.Generator, steps: int) -> list[Any]:
    """What random actions bring from here on, with plain resets where an episode ends."""
    history: list[Any] = []
    for _ in range(steps):
        history.append(env.step(actions.integers(env.action_space.n)))
        if history[-1][2] or history[-1][3]:
            history.append(env.reset())
    return history


def episode(env: gym.Env, seed: int) -> list[Step]:
    """The steps of a whole episode of random actions."""
    actions, steps, over = np.random.default_rng(seed), [], False
    env.reset(seed=seed)
    while not over:
        steps.append(env.step(actions.integers(env.action_space.n)))
        over = steps[-1][2] or steps[-1][3]
    return steps


def trace(harvest_j: list[float], task_slot: list[int], difficulty: float = 1.8, **more: Any) -> Trace:
    return Trace.of(harvest_j, task_slot, np.full(len(task_slot), difficulty), **more)


def feature(observation: np.ndarray, name: str) -> float:
    return float(observation[list(FEATURES).index(name)])


def as_float32(value: float) -> float:
    return float(np.float32(value))
