"""Decisions made by hand, and those of whole episodes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from agents import Dispatcher
from energy_route_env import Decision, EnergyRouteVectorEnv, Scenario

BOUND = 4.0
"""In standard errors: a correct program exceeds it with probability 6e-5 on a fresh seed. The seeds are fixed."""


def decision(scenario: Scenario, observed: Any, difficulty: Any = None, **seen: Any) -> Decision:
    """What a dispatcher sees: tasks that are due now unless said otherwise, dark and with an empty battery."""
    observed = np.atleast_1d(np.asarray(observed, float))
    defaults = {
        "battery_j": 0.0,
        "harvest_left_j": 0.0,
        "slack_slots": 0,
        "backlog": 0,
        "due": 1,
        "slots_left": 1000,
        "task": 0,
    }
    arrays = {name: np.full(len(observed), seen.get(name, value)) for name, value in defaults.items()}
    return Decision(
        **arrays,
        usable_j=arrays["harvest_left_j"] + scenario.discharge_efficiency * arrays["battery_j"],
        observed_difficulty=observed,
        expected_energy_j=scenario.expected_energy_j(observed),
        observation=np.zeros((len(observed), 9), np.float32),
        difficulty=difficulty,
        energy_j=None if difficulty is None else scenario.energy_j(difficulty),
    )


def decisions_of(scenario: Scenario, dispatcher: Dispatcher, n: int, seed: int) -> Iterator[tuple[Decision, Any]]:
    """Every decision of n episodes under a dispatcher, and which environments are still at it."""
    envs = EnergyRouteVectorEnv(n, scenario)
    envs.reset(seed=seed)
    under_way = np.ones(n, bool)
    while under_way.any():
        seen = envs.decision(privileged=True)
        yield seen, under_way
        _, _, terminated, truncated, _ = envs.step(dispatcher.act(seen))
        under_way = under_way & ~terminated & ~truncated
