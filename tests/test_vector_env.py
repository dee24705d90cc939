"""The vector environment is n single ones, to the last bit, in every autoreset mode and with staggered ends."""

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

from energy_route_env import EnergyRouteVectorEnv, Trace

ENV_ID = "EnergyRoute-v0"
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {"horizon_slots": 25},
    "uncertain": {"scenario": "uncertain", "models": (1e9, 3e9, 1e10), "horizon_slots": 20},
    "solar": {"scenario": "solar", "slot_seconds": 3600.0, "deadline_slots": 6, "horizon_slots": 14},  # until 2 p.m.
    "short": {"horizon_slots": 2, "arrival_rate": 0.6},  # many episodes without a task
    "continuing": {"continuing": True, "horizon_slots": 15},
    "deadline": {
        "difficulty_noise": 0.1,
        "arrival_rate": 2.0,
        "deadline_slots": 4,
        "deferrable_share": 0.7,
        "capacity_j": 3000.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
        "initial_battery_j": 700.0,
        "horizon_slots": 12,
    },
}
EPISODES = 3
"""Ends that a comparison must see in every row."""

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


def assert_row(step: Step, row: int, expected: Step) -> None:
    *values, infos = step
    for value, wanted in zip(values, expected[:-1], strict=True):
        assert bits(value[row]) == bits(wanted)
    assert bits(info_of(infos, row)) == bits(expected[-1])


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


# Parity


@pytest.mark.parametrize("n", [1, 3, 8])
@each_mode
@each_variant
def test_every_row_equals_a_single_environment_bit_for_bit(variant: str, mode: AutoresetMode, n: int) -> None:
    envs, singles = make_vec(variant, n, mode), make_singles(variant, n)
    actions, ends = np.random.default_rng(7), [np.zeros(n, bool)]
    observations, infos = envs.reset(seed=40)
    for row, env in enumerate(singles):
        observation, info = env.reset(seed=40 + row)
        assert bits(observations[row]) == bits(observation)
        assert bits(info_of(infos, row)) == bits(info)
    while not enough(ends):
        chosen = actions.integers(envs.single_action_space.n, size=n)
        step = envs.step(chosen)
        assert_empty_where_unmarked(step[-1], n)
        for row, env in enumerate(singles):
            assert_row(step, row, step_single(env, chosen[row], mode, ends[-1][row]))
        ends.append(ended_in(step))
        if mode is AutoresetMode.DISABLED and ends[-1].any():
            observations, infos = envs.reset(options={"reset_mask": ends[-1].copy()})
            assert_empty_where_unmarked(infos, n)
            for row, env in enumerate(singles):
                observation, info = env.reset() if ends[-1][row] else (step[0][row], {})
                assert bits(observations[row]) == bits(observation)
                assert bits(info_of(infos, row)) == bits(info)
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
            step = envs.step(np.full(3, action))
            for row, env in enumerate(singles):
                assert_row(step, row, env.step(action))
        mask = np.isin(np.arange(3), restarted)
        observations, infos = envs.reset(seed=50 if first else None, options={"reset_mask": mask})
        for row in restarted:
            observation, info = singles[row].reset(seed=50 + row if first else None)
            assert bits(observations[row]) == bits(observation)
            assert bits(info_of(infos, row)) == bits(info)


@pytest.mark.parametrize("steps", [0, 5])
def test_a_plain_reset_restarts_every_environment(steps: int) -> None:
    envs, singles = make_vec("deadline", 3), make_singles("deadline", 3)
    envs.reset(seed=0)
    for row, env in enumerate(singles):
        env.reset(seed=row)
    for _ in range(steps):
        envs.step(np.ones(3, int))
    observations, infos = envs.reset()
    for row, env in enumerate(singles):
        observation, info = env.reset()
        assert bits(observations[row]) == bits(observation)
        assert bits(info_of(infos, row)) == bits(info)


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


# Seeds and traces


def test_a_list_of_seeds_seeds_each_and_none_lets_the_generator_go_on() -> None:
    envs, singles = make_vec("deadline", 3), make_singles("deadline", 3)
    for seeds in ([5, 9, 5], [7, None, 8], (None, None, None)):
        observations, infos = envs.reset(seed=seeds)
        for row, (env, seed) in enumerate(zip(singles, seeds, strict=True)):
            observation, info = env.reset(seed=seed)
            assert bits(observations[row]) == bits(observation)
            assert bits(info_of(infos, row)) == bits(info)


def test_equal_seeds_give_equal_episodes_and_consecutive_ones_differ() -> None:
    observations, _ = make_vec("paper", 3).reset(seed=[4, 4, 5])
    assert bits(observations[0]) == bits(observations[1]) != bits(observations[2])


def test_unseeded_environments_differ_from_each_other_and_from_run_to_run() -> None:
    observations = [row.tobytes() for _ in range(2) for row in make_vec("paper", 8).reset()[0]]
    assert len(set(observations)) == 16


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], []])
def test_a_seed_list_of_another_length_is_refused(seed: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"len\(seed\) is {len(seed)}.*must be 3"):
        make_vec("paper", 3).reset(seed=seed)


def draw(envs: VectorEnv, seed: int) -> Trace:
    return envs.unwrapped.scenario.draw(np.random.default_rng(seed))


@pytest.mark.parametrize("variant", ["paper", "deadline"])
def test_a_list_of_traces_gives_each_environment_its_own(variant: str) -> None:
    envs, singles = make_vec(variant, 3, AutoresetMode.DISABLED), make_singles(variant, 3)
    traces = [draw(envs, seed) for seed in range(3)]
    envs.reset(options={"trace": traces})
    for env, trace in zip(singles, traces, strict=True):
        env.reset(options={"trace": trace})
    over = False
    while not over:
        step = envs.step(np.ones(3, int))
        for row, env in enumerate(singles):
            assert_row(step, row, env.step(1))
        over = ended_in(step).any()


def test_a_single_trace_is_run_in_every_environment() -> None:
    envs = make_vec("deadline", 3)
    trace = draw(envs, 0)
    observations, _ = envs.reset(seed=0, options={"trace": trace})
    expected, _ = make_singles("deadline", 1)[0].reset(options={"trace": trace})
    assert bits(list(observations)) == bits([expected] * 3)


def test_of_a_list_of_traces_only_the_masked_are_run() -> None:
    envs = make_vec("deadline", 3)
    before, _ = envs.reset(seed=0)
    traces = [draw(envs, seed) for seed in range(3)]
    after, _ = envs.reset(options={"trace": traces, "reset_mask": np.array([False, True, False])})
    expected, _ = make_singles("deadline", 1)[0].reset(options={"trace": traces[1]})
    assert bits(after[1]) == bits(expected)
    assert bits(after[[0, 2]]) == bits(before[[0, 2]])


@pytest.mark.parametrize(
    ("count", "message"), [(2, r"len\(options\['trace'\]\) is 2.*3 or a single Trace"), (4, r"is 4.*3")]
)
def test_a_list_of_traces_of_another_length_is_refused(count: int, message: str) -> None:
    envs = make_vec("paper", 3)
    with pytest.raises(ValueError, match=message):
        envs.reset(options={"trace": [draw(envs, 0)] * count})


@pytest.mark.parametrize("given", [5, "abc", [None] * 3, [1, 2, 3]])
def test_what_is_no_trace_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"options\['trace'\] is .*must be .*Trace"):
        make_vec("paper", 3).reset(options={"trace": given})


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
        step = envs.step(np.full(3, action))
        for row, env in enumerate(singles):
            assert_row(step, row, env.step(action))
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
        chosen = actions.integers(envs.single_action_space.n, size=n)
        step = envs.step(chosen)
        for row, env in enumerate(singles):
            assert_row(step, row, env.step(chosen[row]))
        ended = ended_in(step)
        ends += ended
        if ended.any():
            trace = draw(envs, int(ends.sum()))
            envs.reset(options={"trace": trace, "reset_mask": ended})
            for row in np.flatnonzero(ended):
                singles[row].reset(options={"trace": trace})
    assert ends.max() > 1, "the crowded episode must outlast others"


# Bad input


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(3), r"actions is an array of float64 and shape \(3,\).*integers and shape \(3,\)"),
        (np.zeros(2, int), r"actions is .*shape \(2,\).*shape \(3,\)"),
        (np.zeros((3, 1), int), r"actions is .*shape \(3, 1\).*shape \(3,\)"),
        (0, r"actions is .*shape \(\).*shape \(3,\)"),
        (None, r"actions is an array of object .*integers"),
        (np.zeros(3, bool), r"actions is an array of bool .*integers"),
        (np.array([0, 1, 2]), r"actions .* is 2.*from 0 to 1"),
        (np.array([0, -1, 1]), r"actions .* is -1.*from 0 to 1"),
        (np.array([0, np.nan, 1]), r"actions is an array of float64 .*integers"),
        (np.array([0, 2**63, 1], np.uint64), r"actions .* is 9223372036854775808.*from 0 to 1"),
    ],
)
def test_wrong_actions_are_refused_and_change_nothing(actions: Any, message: str) -> None:
    envs, others = make_vec("paper", 3), make_vec("paper", 3)
    envs.reset(seed=0), others.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(actions)
    for _ in range(40):
        assert bits(envs.step(np.ones(3, int))) == bits(others.step(np.ones(3, int)))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.array([1, 0, 1]), r"reset_mask'\]\.dtype is 'int64', but it must be bool"),
        ([True, False], r"reset_mask'\]\.shape is \(2,\), but it must be \(3,\)"),
        (np.ones((3, 1), bool), r"reset_mask'\]\.shape is \(3, 1\), but it must be \(3,\)"),
        (True, r"reset_mask'\]\.shape is \(\), but it must be \(3,\)"),
        (np.zeros(3, bool), r"reset_mask'\] is array\(\[False, False, False\]\), but it must be True somewhere"),
    ],
)
def test_a_wrong_reset_mask_is_refused_and_changes_nothing(mask: Any, message: str) -> None:
    envs, others = make_vec("deadline", 3), make_vec("deadline", 3)
    envs.reset(seed=0), others.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.reset(options={"reset_mask": mask})
    for _ in range(40):
        assert bits(envs.step(np.ones(3, int))) == bits(others.step(np.ones(3, int)))


def test_the_first_reset_must_start_every_environment() -> None:
    envs = make_vec("paper", 3)
    with pytest.raises(ValueError, match=r"reset_mask'\] is .*all True at the first reset"):
        envs.reset(seed=0, options={"reset_mask": np.array([True, True, False])})
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(3, int))
    assert bits(envs.reset(seed=0, options={"reset_mask": [True] * 3})) == bits(make_vec("paper", 3).reset(seed=0))
