"""Actions, infos, rewards, and how episodes of `EnergyRoute-v0` begin and end."""

import copy
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from helpers.envs import VARIANTS, each_variant, episode, feature, make, run, trace

from energy_route_env import EnergyRouteEnv, EnergyRouteVectorEnv, Trace
from energy_route_env.pool.scaling_laws import inference_energy

# Actions and infos


@each_variant
def test_the_action_space_has_one_action_per_model_and_defer_where_tasks_can_wait(variant: str) -> None:
    env = make(variant)
    scenario = env.unwrapped.scenario
    waits = "deadline_slots" in VARIANTS[variant] or variant in ("solar", "gusty", "carbon")
    assert scenario.can_wait == waits
    assert env.action_space == gym.spaces.Discrete(len(scenario.models) + waits)


@pytest.mark.parametrize("variant", ["deadline", "deadline, uncertain, finite battery", "solar", "carbon"])
def test_only_deferring_a_due_task_is_masked_and_forced(variant: str) -> None:
    env = make(variant)
    n_models, actions = len(env.unwrapped.scenario.models), np.random.default_rng(6)
    _, info = env.reset(seed=6)
    seen, over = set(), False
    while not over:
        mask = info["action_mask"]
        is_due = bool(env.unwrapped.decision().due[0] > 0)
        assert mask.dtype == np.int8
        assert mask.tolist() == [1] * n_models + [int(not is_due)]
        np.testing.assert_array_equal(env.unwrapped.action_masks(), mask.astype(bool))
        assert env.action_space.contains(env.action_space.sample(mask=mask))
        action = int(actions.integers(n_models + 1))
        _, _, over, _, info = env.step(action)
        defers = action == n_models
        assert info["forced"] is (defers and is_due)
        assert (info["model"] == -1) is (defers and not is_due)
        if not defers:
            assert info["model"] == action
        seen.add((defers, is_due))
    assert len(seen) == 4, "an episode must bring every combination"


def test_nothing_is_masked_where_no_task_can_wait() -> None:
    env = make("three models")
    _, info = env.reset(seed=0)
    for step in [(info,), *(step[-1:] for step in episode(env, 0))]:
        assert step[0]["action_mask"].tolist() == [1, 1, 1]


def test_deferring_a_due_task_sends_it_to_the_model_of_lowest_expected_energy() -> None:
    env = make("paper", difficulty_noise=0.1, deadline_slots=3, horizon_slots=4)
    scenario, observed, true = env.unwrapped.scenario, 1.7 + 0.2 / 3, 1.9
    assert scenario.expected_energy_j(observed).argmin() == 1
    assert scenario.energy_j(observed).argmin() == scenario.energy_j(true).argmin() == 0, "so that the three differ"
    env.reset(options={"trace": trace([0.0] * 4, [2], true, observed_difficulty=[observed])})
    _, reward, _, _, info = env.step(2)
    assert (info["model"], info["forced"]) == (1, True)
    assert -reward == info["energy_j"] == pytest.approx(inference_energy(1e10, true).item())


@each_variant
def test_the_reward_is_minus_what_the_auxiliary_energy_of_the_step_counts(variant: str) -> None:
    rewards = [(step[1], step[4]["auxiliary_j"]) for step in episode(make(variant), 8)]
    weighs = make(variant).unwrapped.scenario.grid_source is not None  # tests/test_grid.py has the weights
    assert all(type(reward) is float and (reward == -auxiliary or weighs) for reward, auxiliary in rewards)
    assert all(math.copysign(1, reward) < 0 or reward == 0 for reward, _ in rewards)
    balance = episode(make(variant), 8)[-1][4]["balance"]
    assert sum(auxiliary for _, auxiliary in rewards) == pytest.approx(balance["auxiliary_j"], rel=1e-9)


def test_the_infos_hold_what_is_documented_and_the_last_one_the_balance() -> None:
    documented = ["energy_j", "auxiliary_j", "model", "slot", "forced", "battery_j", "harvest_left_j", "action_mask"]
    env = make("deadline")
    _, first = env.reset(seed=1)
    infos = [first, *(step[-1] for step in episode(env, 1))]
    assert all(set(info) == set(documented) for info in infos[:-1])
    assert set(infos[-1]) == {*documented, "balance"}
    assert (first["energy_j"], first["auxiliary_j"], first["model"], first["forced"]) == (0.0, 0.0, -1, False)


def test_the_slot_is_the_one_in_which_the_step_was_decided() -> None:
    env = make("paper", horizon_slots=9)
    _, info = env.reset(options={"trace": trace([0.0] * 9, [2, 2, 5])})
    assert [info["slot"], *(env.step(0)[-1]["slot"] for _ in range(3))] == [2, 2, 2, 5]


@pytest.mark.parametrize("variant", ["three models", "deadline"])
def test_writing_into_returned_arrays_changes_no_episode(variant: str) -> None:
    clean, soiled = make(variant).unwrapped, make(variant).unwrapped
    wanted, given = clean.reset(seed=6), soiled.reset(seed=6)
    actions = np.random.default_rng(1)
    for _ in range(100):
        np.testing.assert_equal(given, wanted)
        for array in (given[0], given[-1]["action_mask"]):
            array[:] = 0
        action = actions.integers(clean.action_space.n)
        wanted, given = clean.step(action), soiled.step(action)
        if wanted[2]:
            wanted, given = clean.reset(), soiled.reset()


# Beginning and end


@each_variant
def test_the_end_is_terminated_and_truncated_only_where_continuing(variant: str) -> None:
    steps = episode(make(variant), 9)
    ends = [(step[2], step[3]) for step in steps]
    assert set(ends[:-1]) <= {(False, False)}
    assert ends[-1] == ((False, True) if variant == "continuing" else (True, False))


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_step_before_reset_says_that_reset_is_needed(wrapped: bool) -> None:
    env = make("paper") if wrapped else make("paper").unwrapped
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)


@pytest.mark.parametrize("method", ["decision", "action_masks"])
def test_a_decision_before_reset_says_that_reset_is_needed(method: str) -> None:
    message = rf"^No episode has begun: call reset\(\) before {method}\(\)\.$"
    for envs in (EnergyRouteEnv(), EnergyRouteVectorEnv(2)):
        with pytest.raises(ResetNeeded, match=message):
            getattr(envs, method)()
        envs.reset(seed=0)
        getattr(envs, method)()


def test_a_step_after_the_end_says_that_reset_is_needed() -> None:
    env = make("paper", horizon_slots=3)
    env.reset(options={"trace": trace([0.0] * 3, [1])})
    assert env.step(0)[2]
    for _ in range(2):
        with pytest.raises(ResetNeeded, match=r"^No episode is under way: call reset\(\) before step\(\)\.$"):
            env.step(0)
    env.reset()
    env.step(0)


def test_a_reset_mid_episode_starts_a_new_one() -> None:
    env = make("deadline")
    expected = (env.reset(seed=7), run(env, np.random.default_rng(0), 40))
    env.reset(seed=8)
    run(env, np.random.default_rng(1), 25)
    np.testing.assert_equal((env.reset(seed=7), run(env, np.random.default_rng(0), 40)), expected)


def test_an_episode_without_tasks_ends_with_its_first_step() -> None:
    env = make("paper", horizon_slots=3)
    _, info = env.reset(options={"trace": trace([5.0, 0.0, 7.0], [])})
    assert info["slot"] == 3
    observation, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert (info["energy_j"], info["auxiliary_j"], info["model"], info["forced"]) == (0.0, 0.0, -1, False)
    assert info["balance"]["harvested_j"] == info["balance"]["stored_j"] == 12.0
    assert feature(observation, "time_left") == feature(observation, "due") == 0.0


def test_a_given_trace_is_what_happens() -> None:
    env = make("paper", horizon_slots=3)
    given = Trace.of([100.0, 0.0, 2000.0], [0, 0, 2], [1.9, 1.7, 1.8])
    env.reset(options={"trace": given})
    infos = [env.step(action)[-1] for action in (0, 1, 0)]
    energies = [inference_energy(n, level).item() for n, level in ((1e9, 1.9), (1e10, 1.7), (1e9, 1.8))]
    assert [info["energy_j"] for info in infos] == pytest.approx(energies)
    assert [info["auxiliary_j"] for info in infos] == pytest.approx([energies[0] - 100, energies[1], 0.0])
    assert infos[-1]["balance"]["harvested_j"] == 2100.0


def test_a_given_trace_is_repeated_exactly_and_is_never_changed() -> None:
    env = make("deadline, uncertain, finite battery")
    given = env.unwrapped.scenario.draw(np.random.default_rng(0))
    kept = copy.deepcopy(given)
    runs = []
    for _ in range(2):
        runs.append([env.reset(options={"trace": given}), *run(env, np.random.default_rng(1), 30)])
    np.testing.assert_equal(runs[0], runs[1])
    np.testing.assert_equal(vars(given), vars(kept))


def test_a_wrong_trace_is_refused_and_the_episode_under_way_goes_on() -> None:
    good = trace([0.0, 0.0], [0, 0, 1])
    bad = Trace(np.array([1.0, np.nan]), good.task_slot, good.difficulty, good.difficulty, good.deadline_slots)
    wrong: list[tuple[Any, str]] = [
        (good.harvest_j, "a Trace"),
        (trace([0.0] * 3, [0]), r"harvest_j\.shape is \(3,\).*\(2,\), the horizon"),
        (trace([0.0] * 2, [0], deadline_slots=[1]), "deadline_slots is 1.*no task of this scenario can wait"),
        (bad, r"harvest_j\[1\] is nan.*finite"),
    ]
    env = make("paper", horizon_slots=2)
    env.reset(options={"trace": good})
    env.step(0)
    for given, message in wrong:
        with pytest.raises(ValueError, match=message):
            env.reset(options={"trace": given})
    assert [env.step(0)[2] for _ in range(2)] == [False, True]
