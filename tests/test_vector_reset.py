"""Seeds and traces of the vector environment's resets, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from helpers.vector_envs import assert_starts, bits, draw, ended_in, make_singles, make_vec, step_both

from energy_route_env import EnergyRouteVectorEnv, Trace


def test_a_list_of_seeds_seeds_each_and_none_lets_the_generator_go_on() -> None:
    envs, singles = make_vec("deadline", 3), make_singles("deadline", 3)
    for seeds in ([5, 9, 5], [7, None, 8], (None, None, None)):
        assert_starts(envs.reset(seed=seeds), {row: singles[row].reset(seed=seed) for row, seed in enumerate(seeds)})


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


@pytest.mark.parametrize("variant", ["paper", "deadline"])
def test_a_list_of_traces_gives_each_environment_its_own(variant: str) -> None:
    envs, singles = make_vec(variant, 3, AutoresetMode.DISABLED), make_singles(variant, 3)
    traces = [draw(envs, seed) for seed in range(3)]
    envs.reset(options={"trace": traces})
    for env, trace in zip(singles, traces, strict=True):
        env.reset(options={"trace": trace})
    over = False
    while not over:
        over = ended_in(step_both(envs, singles, np.ones(3, int))).any()


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


def test_a_refused_list_of_traces_changes_no_environment() -> None:
    """The good one comes first, with a mask and without; a twin that was never asked goes on alike."""
    envs, twin = (EnergyRouteVectorEnv(2, autoreset_mode="Disabled", horizon_slots=20) for _ in range(2))
    for one in (envs, twin):
        one.reset(seed=3)
    good, bad = Trace.of([1e6] * 20, [0], [1.8]), Trace.of([1e6] * 19, [0], [1.8])
    endless = Trace.of([1e6] * 20, [0], [-1000.0])
    with pytest.raises(ValueError, match="finite energy"):
        envs.reset(options={"trace": [good, endless]})
    for options in ({"trace": [good, bad]}, {"trace": [good, bad], "reset_mask": np.array([True, False])}):
        with pytest.raises(ValueError, match=r"harvest_j\.shape is \(19,\)"):
            envs.reset(options=options)
    for _ in range(5):
        for here, there in zip(envs.step(np.zeros(2, int))[:2], twin.step(np.zeros(2, int))[:2], strict=True):
            np.testing.assert_array_equal(here, there)
