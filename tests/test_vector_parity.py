"""The vector environment is n single ones, to the last bit, in every autoreset mode and with staggered ends."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from helpers.vector_envs import (
    ENV_ID,
    VARIANTS,
    assert_empty_where_unmarked,
    assert_row,
    assert_staggered,
    assert_starts,
    bits,
    draw,
    each_mode,
    each_variant,
    ended_in,
    enough,
    make_singles,
    make_vec,
    run,
    step_both,
    step_single,
)

from energy_route_env import Trace


@pytest.mark.parametrize("n", [1, 3, 8])
@each_mode
@each_variant
def test_every_row_equals_a_single_environment_bit_for_bit(variant: str, mode: AutoresetMode, n: int) -> None:
    envs, singles = make_vec(variant, n, mode), make_singles(variant, n)
    actions, ends = np.random.default_rng(7), [np.zeros(n, bool)]
    assert_starts(envs.reset(seed=40), {row: env.reset(seed=40 + row) for row, env in enumerate(singles)})
    while not enough(ends):
        chosen = actions.integers(envs.single_action_space.n, size=n)
        step = envs.step(chosen)
        assert_empty_where_unmarked(step[-1], n)
        for row, env in enumerate(singles):
            assert_row(step, row, step_single(env, chosen[row], mode, ends[-1][row]))
        ends.append(ended_in(step))
        if mode is AutoresetMode.DISABLED and ends[-1].any():
            start = envs.reset(options={"reset_mask": ends[-1].copy()})
            assert_empty_where_unmarked(start[1], n)
            going = {row: (step[0][row], {}) for row in np.flatnonzero(~ends[-1])}
            assert_starts(start, going | {row: singles[row].reset() for row in np.flatnonzero(ends[-1])})
    assert_staggered(ends)


@each_mode
@each_variant
def test_everything_equals_gymnasiums_own_vector_of_single_environments(variant: str, mode: AutoresetMode) -> None:
    ours = make_vec(variant, 4, mode)
    theirs = gym.make_vec(ENV_ID, 4, "sync", vector_kwargs={"autoreset_mode": mode}, **VARIANTS[variant])
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"]
    assert bits(ours.reset(seed=13)) == bits(theirs.reset(seed=13))
    ends = []
    for step, wanted in zip(
        run(ours, np.random.default_rng(3), enough), run(theirs, np.random.default_rng(3), enough), strict=True
    ):
        assert bits(step) == bits(wanted)
        ends.append(ended_in(step))
    assert_staggered(ends)


@each_variant
def test_results_lie_in_the_declared_spaces_and_types(variant: str) -> None:
    envs = make_vec(variant, 3)
    assert envs.observation_space.contains(envs.reset(seed=1)[0])
    for observation, reward, terminated, truncated, _ in run(envs, np.random.default_rng(0), enough):
        assert envs.observation_space.contains(observation)
        assert (reward.dtype, reward.shape) == (np.dtype(np.float64), (3,))
        assert terminated.dtype == truncated.dtype == np.dtype(bool)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
@pytest.mark.parametrize("variant", ["short", "deadline"])
def test_the_actions_integer_type_makes_no_difference(variant: str, dtype: type) -> None:
    def results(as_type: type) -> list[Any]:
        envs, actions = make_vec(variant, 3), np.random.default_rng(2)
        envs.reset(seed=3)
        return [envs.step(actions.integers(envs.single_action_space.n, size=3).astype(as_type)) for _ in range(40)]

    assert bits(results(dtype)) == bits(results(np.int64))


def test_a_list_of_actions_will_do() -> None:
    envs, others = make_vec("paper", 3), make_vec("paper", 3)
    envs.reset(seed=0), others.reset(seed=0)
    assert bits(envs.step([0, 1, 0])) == bits(others.step(np.array([0, 1, 0])))


# Growth


def crowd(envs: VectorEnv, n_tasks: int) -> Trace:
    """An episode of many more tasks than the scenario's rate lets expect."""
    scenario, rng = envs.unwrapped.scenario, np.random.default_rng(n_tasks)
    assert n_tasks > 10 * scenario.arrival_rate * scenario.horizon_slots
    slot = np.sort(rng.integers(scenario.horizon_slots, size=n_tasks))
    deadlines = scenario.deadline_slots * rng.integers(2, size=n_tasks)
    return Trace.of(rng.uniform(0, 9000, scenario.horizon_slots), slot, rng.uniform(1.7, 1.9, n_tasks), None, deadlines)


@pytest.mark.parametrize("variant", ["paper", "short", "deadline"])
def test_a_row_with_many_more_tasks_than_expected_leaves_its_neighbours_right(variant: str) -> None:
    envs, singles = make_vec(variant, 3, AutoresetMode.DISABLED), make_singles(variant, 3)
    traces = [draw(envs, 0), crowd(envs, 900), draw(envs, 1)]
    envs.reset(options={"trace": traces})
    for env, trace in zip(singles, traces, strict=True):
        env.reset(options={"trace": trace})
    assert_equal_for_whole_episodes(envs, singles)


@pytest.mark.parametrize("variant", ["paper", "deadline"])
def test_growing_mid_episode_leaves_the_episodes_under_way_right(variant: str) -> None:
    envs, singles = make_vec(variant, 3, AutoresetMode.DISABLED), make_singles(variant, 3)
    envs.reset(seed=3)
    for row, env in enumerate(singles):
        env.reset(seed=3 + row)
    for action in (0, 1, 1, 0):
        step_both(envs, singles, np.full(3, action))
    for row, n_tasks in ((1, 700), (2, 1500)):
        trace = crowd(envs, n_tasks)
        envs.reset(options={"trace": trace, "reset_mask": np.arange(3) == row})
        singles[row].reset(options={"trace": trace})
    assert_equal_for_whole_episodes(envs, singles)


def assert_equal_for_whole_episodes(envs: VectorEnv, singles: list[gym.Env]) -> None:
    """Random actions until every episode has ended; those over are put aside by resetting both sides."""
    actions, n = np.random.default_rng(8), len(singles)
    ends = np.zeros(n, int)
    while (ends == 0).any():
        step = step_both(envs, singles, actions.integers(envs.single_action_space.n, size=n))
        ended = ended_in(step)
        ends += ended
        if ended.any():
            trace = draw(envs, int(ends.sum()))
            envs.reset(options={"trace": trace, "reset_mask": ended})
            for row in np.flatnonzero(ended):
                singles[row].reset(options={"trace": trace})
    assert ends.max() > 1, "the crowded episode must outlast others"
