"""Autoreset modes of the vector environment; what it returned stays what it was."""

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from helpers.vector_envs import (
    ENV_ID,
    assert_starts,
    bits,
    each_mode,
    ended_in,
    enough,
    make_singles,
    make_vec,
    run,
    step_both,
)

from energy_route_env import EnergyRouteVectorEnv

# Autoreset modes


@each_mode
def test_metadata_names_the_autoreset_mode_of_the_instance_only(mode: AutoresetMode) -> None:
    before = dict(EnergyRouteVectorEnv.metadata)
    for given in (mode, mode.value):
        envs = gym.make_vec(ENV_ID, num_envs=2, autoreset_mode=given)
        assert envs.metadata["autoreset_mode"] is mode
    assert EnergyRouteVectorEnv.metadata == before
    assert gym.make_vec(ENV_ID, num_envs=2).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_next_step_ignores_the_action_of_the_step_that_resets() -> None:
    results = []
    for ignored in (0, 1):
        envs = make_vec("short", 1)
        envs.reset(seed=5)
        while not ended_in(envs.step(np.zeros(1, int)))[0]:
            pass
        results.append(bits([envs.step(np.array([ignored])), envs.step(np.zeros(1, int))]))
    assert results[0] == results[1]


def test_disabled_refuses_to_step_over_an_end_and_names_the_environments() -> None:
    envs = make_vec("paper", 3, AutoresetMode.DISABLED)
    envs.reset(seed=0)
    while not (ended := ended_in(envs.step(np.zeros(3, int)))).any():
        pass
    with pytest.raises(ResetNeeded, match=re.escape(f"environments {np.flatnonzero(ended).tolist()}")):
        envs.step(np.zeros(3, int))
    envs.reset(options={"reset_mask": ended})
    envs.step(np.zeros(3, int))


def test_disabled_can_restart_environments_in_the_middle_of_their_episodes() -> None:
    envs, singles = make_vec("deadline", 3, AutoresetMode.DISABLED), make_singles("deadline", 3)
    envs.reset(seed=0)
    for row, env in enumerate(singles):
        env.reset(seed=row)
    for first, restarted in ((True, [1]), (False, [0, 2])):
        for action in (1, 0, 2):
            step_both(envs, singles, np.full(3, action))
        mask = np.isin(np.arange(3), restarted)
        start = envs.reset(seed=50 if first else None, options={"reset_mask": mask})
        assert_starts(start, {row: singles[row].reset(seed=50 + row if first else None) for row in restarted})


@pytest.mark.parametrize("steps", [0, 5])
def test_a_plain_reset_restarts_every_environment(steps: int) -> None:
    envs, singles = make_vec("deadline", 3), make_singles("deadline", 3)
    envs.reset(seed=0)
    for row, env in enumerate(singles):
        env.reset(seed=row)
    for _ in range(steps):
        envs.step(np.ones(3, int))
    assert_starts(envs.reset(), {row: env.reset() for row, env in enumerate(singles)})


def test_a_step_before_reset_says_that_reset_is_needed() -> None:
    with pytest.raises(ResetNeeded, match=r"^No episode is under way: call reset\(\) before step\(\)\.$"):
        make_vec("paper", 2).step(np.zeros(2, int))


# What was returned stays what it was


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from arrays_in(entry)
    elif isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.dtype == object):
        for entry in value:
            yield from arrays_in(entry)
    elif isinstance(value, np.ndarray):
        yield value


@each_mode
@pytest.mark.parametrize("variant", ["paper", "deadline"])
def test_returned_arrays_are_never_changed_afterwards(variant: str, mode: AutoresetMode) -> None:
    envs = make_vec(variant, 4, mode)
    results: list[Any] = [envs.reset(seed=6)]
    kept = [copy.deepcopy(results[0])]
    buffer, actions = np.zeros(4, int), np.random.default_rng(1)
    for _ in range(150):
        buffer[:] = actions.integers(envs.single_action_space.n, size=4)  # the caller may use one array throughout
        results.append(envs.step(buffer))
        kept.append(copy.deepcopy(results[-1]))
        if mode is AutoresetMode.DISABLED and (ended := ended_in(results[-1])).any():
            results.append(envs.reset(options={"reset_mask": ended}))
            kept.append(copy.deepcopy(results[-1]))
    results.append(envs.reset())
    kept.append(copy.deepcopy(results[-1]))
    envs.step(buffer)
    assert bits(results) == bits(kept)


@each_mode
@pytest.mark.parametrize("variant", ["paper", "deadline"])
def test_writing_into_returned_arrays_changes_no_episode(variant: str, mode: AutoresetMode) -> None:
    def soil(result: tuple[Any, ...]) -> None:
        for array in arrays_in(result):
            if array.flags.writeable:
                array[:] = 1

    clean, soiled = make_vec(variant, 4, mode), make_vec(variant, 4, mode)
    start = soiled.reset(seed=6)
    assert bits(start) == bits(clean.reset(seed=6))
    soil(start)
    for wanted, step in zip(
        run(clean, np.random.default_rng(1), enough), run(soiled, np.random.default_rng(1), enough), strict=True
    ):
        assert bits(step) == bits(wanted)
        soil(step)


@each_mode
def test_a_decision_stays_what_it_was(mode: AutoresetMode) -> None:
    names = ["battery_j", "harvest_left_j", "observed_difficulty", "slack_slots", "backlog", "due", "slots_left"]
    envs = make_vec("deadline", 3, mode)
    envs.reset(seed=0)
    decisions, kept = [], []
    for _ in run(envs, np.random.default_rng(2), enough):
        decisions.append(envs.decision())
        kept.append(bits([getattr(decisions[-1], name) for name in names] + [envs.decision().observation]))
    for decision, wanted in zip(decisions, kept, strict=True):
        assert bits([getattr(decision, name) for name in names] + [decision.observation]) == wanted


@each_mode
def test_the_decisions_observation_is_the_one_returned(mode: AutoresetMode) -> None:
    envs = make_vec("deadline", 3, mode)
    envs.reset(seed=0)
    for step in run(envs, np.random.default_rng(2), enough):
        assert bits(envs.decision().observation) == bits(step[0])


@each_mode
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))], ids=["deepcopy", "pickle"]
)
def test_a_clone_made_mid_episode_continues_identically_on_its_own(
    clone: Callable[[VectorEnv], VectorEnv], mode: AutoresetMode
) -> None:
    envs = make_vec("deadline", 3, mode)
    envs.reset(seed=2)
    for _ in run(envs, np.random.default_rng(0), enough):
        pass
    copied, untouched = clone(envs), clone(envs)
    of_clone = bits(list(run(copied, np.random.default_rng(1), enough)))
    assert bits(list(run(envs, np.random.default_rng(1), enough))) == of_clone
    assert bits(list(run(untouched, np.random.default_rng(1), enough))) == of_clone
