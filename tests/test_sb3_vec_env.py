import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from energy_route_env import make_scenario
from eval.rollout import draw_traces
from train.ppo import CURVE_SEED, make_envs, make_model
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import Shaping, settings_for

N = 3
WORLDS: dict[str, dict[str, Any]] = {
    "paper": {"scenario": "paper", "horizon_slots": 20},
    "uncertain": {"scenario": "uncertain", "horizon_slots": 15},
    "solar": {"scenario": "solar", "horizon_slots": 12},
    "continuing": {"scenario": "paper", "horizon_slots": 20, "continuing": True},
}


def single(world: dict[str, Any]) -> Any:
    return lambda: Monitor(gym.make("energy_route_env:EnergyRoute-v0", **world), info_keywords=("balance",))


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_equals_a_dummy_vec_env_of_single_environments_bit_for_bit(world: dict[str, Any]) -> None:
    ours, theirs = SB3EnergyRoute(num_envs=N, **world), DummyVecEnv([single(world)] * N)
    theirs._seeds = ours.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng, ends = np.random.default_rng(1), []
    for _ in range(200):
        actions = rng.integers(0, ours.action_space.n, N)
        (obs, reward, done, infos), expected = ours.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(obs, expected[0])
        np.testing.assert_array_equal(reward, expected[1])
        np.testing.assert_array_equal(done, expected[2])
        ends.append(done)
        for i in np.flatnonzero(done):
            mine, other = infos[i], expected[3][i]
            np.testing.assert_array_equal(mine["terminal_observation"], other["terminal_observation"])
            assert mine["TimeLimit.truncated"] == other["TimeLimit.truncated"] == world.get("continuing", False)
            assert mine["balance"] == other["balance"]
            assert mine["episode"]["l"] == other["episode"]["l"]
            assert mine["episode"]["r"] == pytest.approx(other["episode"]["r"], rel=1e-6, abs=1e-6)
    counts = np.sum(ends, axis=0)
    assert counts.min() >= 3
    assert len({tuple(row) for row in ends if any(row)}) > 1  # the ends are staggered


def test_the_reward_unit_divides_rewards_and_leaves_the_episodes_return_in_joules() -> None:
    joules, units = (SB3EnergyRoute("paper", N, reward_unit=unit, horizon_slots=30) for unit in (1.0, 50.0))
    for envs in (joules, units):
        envs.seed(0)
        envs.reset()
    returned = np.zeros(N)
    while True:
        actions = np.ones(N, int)
        (_, reward, done, infos), (_, scaled, _, scaled_infos) = joules.step(actions), units.step(actions)
        np.testing.assert_allclose(scaled, reward / 50.0, rtol=1e-6)
        returned += reward
        for i in np.flatnonzero(done):
            assert infos[i]["episode"]["r"] == scaled_infos[i]["episode"]["r"] == pytest.approx(returned[i], rel=1e-5)
        if done.any():
            break


def test_seeding_repeats_the_episodes_and_plain_resets_go_on() -> None:
    envs = SB3EnergyRoute("paper", N, horizon_slots=20)
    envs.seed(3)
    first, second = envs.reset(), envs.reset()
    envs.seed(3)
    np.testing.assert_array_equal(envs.reset(), first)
    np.testing.assert_array_equal(envs.reset(), second)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("shaping", ["none", "brownian"])
def test_trainings_share_no_trace_with_each_other_or_with_the_evaluations(shaping: Shaping) -> None:
    """Harvests are continuous: traces are equal where a harvest is. Each seed resets 64 environments three times."""
    scenario, settings = make_scenario("paper", horizon_slots=50), settings_for("paper", shaping, {"num_envs": 64})
    evaluations = (draw_traces(scenario, range(500), seed) for seed in (0, 1, CURVE_SEED))
    evaluated = np.concatenate([trace.harvest_j for traces in evaluations for trace in traces])
    trained: list[float] = []
    for seed in (0, 1, 2, 3):
        envs = make_envs(scenario, settings, shaping)
        make_model(envs, settings, seed)  # seeds the environments
        for _ in range(3):
            envs.reset()
            trained += envs.unwrapped.decision().harvest_left_j.tolist()
    assert len(set(trained)) == len(trained) == 4 * 3 * 64
    assert not set(trained) & set(evaluated.tolist())


def test_no_seed_is_one_of_the_systems_entropy() -> None:
    envs = SB3EnergyRoute("paper", N)
    assert len({*envs.seed(), *envs.seed(), *envs.seed(0), *envs.seed(1)}) == 4 * N
    assert envs.seed(1) == envs.seed(1)


def test_attributes_and_methods_reach_every_environment() -> None:
    envs = SB3EnergyRoute("solar", N)
    envs.reset()
    assert envs.get_attr("scenario", [0, 2]) == [make_scenario("solar")] * 2
    masks = envs.env_method("action_masks")
    assert len(masks) == N
    np.testing.assert_array_equal(masks, envs.envs.action_masks())
    assert envs.env_method("action_masks", indices=1)[0].shape == (3,)
    envs.set_attr("note", "a")
    assert envs.get_attr("note") == ["a"] * N
    with pytest.raises(ValueError, match="indices is 1, but it must be None"):
        envs.set_attr("note", "b", indices=1)
    with pytest.raises(AttributeError):
        envs.get_attr("no_such_attribute")
    assert envs.env_is_wrapped(Monitor) == [False] * N


def test_a_pickled_copy_goes_on_like_the_original() -> None:
    envs = SB3EnergyRoute("solar", N, horizon_slots=12)
    envs.seed(0)
    envs.reset()
    copy = pickle.loads(pickle.dumps(envs))
    rng = np.random.default_rng(0)
    for _ in range(150):
        actions = rng.integers(0, 3, N)
        for ours, theirs in zip(envs.step(actions)[:3], copy.step(actions)[:3], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("unit", [0.0, -1.0, float("nan")])
def test_a_reward_unit_that_is_no_energy_is_refused(unit: float) -> None:
    with pytest.raises(ValueError, match=rf"reward_unit is {unit}, but it must be a finite number above 0"):
        SB3EnergyRoute("paper", N, reward_unit=unit)
