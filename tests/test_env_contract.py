"""How `EnergyRoute-v0` is made, seeded and copied, for every scenario and for variants of them."""

import importlib
import pickle
import random  # noqa: TID251  (to see that nobody touches its state)
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from helpers.envs import ENV_ID, VARIANTS, each_clone, each_eventful_variant, each_variant, episode, make, run

import energy_route_env
from energy_route_env import SCENARIOS, Scenario, make_scenario

ROOT = Path(__file__).parents[1]

# The outside contract: checkers, registration, construction


@each_variant
def test_gymnasiums_checker_finds_nothing_through_make(variant: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(variant).unwrapped, skip_render_check=True)  # test_rendering.py checks that


@each_variant
def test_stable_baselines3s_checker_finds_nothing(variant: str) -> None:
    env_checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env_checker.check_env(make(variant), warn=True)


def test_make_with_the_modules_name_needs_no_import_before() -> None:
    code = (
        "import gymnasium as gym\n"
        "env = gym.make('energy_route_env:EnergyRoute-v0',\n"
        "               scenario='uncertain', renewable_ratio=0.9, horizon_slots=500)\n"
        "env.reset(seed=0)\n"
        "env.step(0)\n"
        "scenario = env.unwrapped.scenario\n"
        "print(scenario.name, scenario.difficulty_noise, scenario.renewable_ratio, scenario.horizon_slots)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["uncertain", "0.1", "0.9", "500"]


def test_importing_again_registers_nothing_anew() -> None:
    before = gym.registry[ENV_ID]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(energy_route_env)
    assert gym.registry[ENV_ID] is before


def test_make_takes_a_scenario_as_a_value_and_overrides_it() -> None:
    given = Scenario(name="mine", arrival_rate=3.0, horizon_slots=7)
    assert gym.make(ENV_ID, scenario=given).unwrapped.scenario == given
    overridden = gym.make(ENV_ID, scenario=given, horizon_slots=9).unwrapped.scenario
    assert (overridden.name, overridden.arrival_rate, overridden.horizon_slots) == ("mine", 3.0, 9)


def test_the_spec_makes_the_environment_again_even_from_json() -> None:
    spec = gym.make(ENV_ID, scenario="uncertain", models=(1e9, 2e9), horizon_slots=9).spec
    assert spec is not None
    again = gym.make(EnvSpec.from_json(spec.to_json())).unwrapped.scenario
    assert again == make_scenario("uncertain", models=(1e9, 2e9), horizon_slots=9)


def test_no_scenario_means_the_paper() -> None:
    assert gym.make(ENV_ID).unwrapped.scenario == SCENARIOS["paper"]


@pytest.mark.parametrize(
    ("mode", "vector_kwargs"),
    [
        (None, {}),
        ("vector_entry_point", {}),
        ("sync", {}),
        ("async", {"context": "spawn"}),
        pytest.param(
            "async",
            {"context": "fork"},
            marks=[
                pytest.mark.skipif(sys.platform == "win32", reason="no fork there"),
                # Python 3.12 and later: numpy's own threads suffice for it
                pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
            ],
        ),
    ],
    ids=["default", "vector_entry_point", "sync", "async spawn", "async fork"],
)
def test_every_vectorization_mode_gives_the_same_episodes(mode: str | None, vector_kwargs: dict[str, Any]) -> None:
    overrides = VARIANTS["deadline"] | {"horizon_slots": 10}
    singles = [gym.make(ENV_ID, **overrides) for _ in range(2)]
    envs = gym.make_vec(ENV_ID, num_envs=2, vectorization_mode=mode, vector_kwargs=vector_kwargs, **overrides)
    try:
        observations = [envs.reset(seed=4)[0]]
        rewards = []
        for _ in range(6):
            observation, reward, *_ = envs.step(np.array([1, 2]))
            observations.append(observation)
            rewards.append(reward)
    finally:
        envs.close()
    for row, env in enumerate(singles):
        expected = [env.reset(seed=4 + row)[0]]
        for step in range(6):
            observation, reward, terminated, *_ = env.step(1 + row)
            assert not terminated, "the episodes must be long enough for this comparison"
            expected.append(observation)
            assert rewards[step][row] == reward
        np.testing.assert_array_equal(np.array(observations)[:, row], expected)


def test_closing_twice_is_fine() -> None:
    env = make("paper")
    env.close()
    env.close()


# Randomness and copies


@each_eventful_variant
def test_the_same_seed_gives_the_same_episode_and_another_seed_another(variant: str) -> None:
    first, again, other = (episode(make(variant), seed) for seed in (3, 3, 4))
    np.testing.assert_equal(first, again)
    assert [step[1] for step in first] != [step[1] for step in other]


@each_eventful_variant
def test_plain_resets_after_a_seeded_one_are_reproducible_and_differ(variant: str) -> None:
    def starts() -> list[np.ndarray]:
        env = make(variant)
        return [env.reset(seed=11)[0], *(env.reset()[0] for _ in range(3))]

    first, again = starts(), starts()
    np.testing.assert_equal(first, again)
    draws = [make(variant).unwrapped.scenario.draw(np.random.default_rng(11)).harvest_j]
    env = make(variant).unwrapped
    env.reset(seed=11)
    draws += [env.scenario.draw(env.np_random).harvest_j for _ in range(3)]
    assert len({harvest.tobytes() for harvest in draws}) == 4
    assert len({observation.tobytes() for observation in first}) > 1


def test_nothing_touches_the_global_random_states() -> None:
    np.random.seed(20251), random.seed(20251)  # noqa: NPY002  (states that nobody else sets by chance)
    before = pickle.dumps((np.random.get_state(), random.getstate()))  # noqa: NPY002
    for variant in ("deadline, uncertain, finite battery", "solar"):
        make(variant).reset()
        episode(make(variant), seed=5)
        envs = gym.make_vec(ENV_ID, num_envs=2, **VARIANTS[variant])
        envs.reset()
        envs.step(np.zeros(2, int))
    assert pickle.dumps((np.random.get_state(), random.getstate())) == before  # noqa: NPY002


@each_clone
@each_eventful_variant
def test_a_clone_made_mid_episode_continues_identically_on_its_own(
    variant: str, clone: Callable[[gym.Env], gym.Env]
) -> None:
    env = make(variant, horizon_slots=20)
    env.reset(seed=2)
    run(env, np.random.default_rng(0), 15)
    copied, untouched = clone(env), clone(env)
    of_clone = run(copied, np.random.default_rng(1), 120)
    assert sum(len(entry) == 2 for entry in of_clone) >= 1, "the comparison must cross a reset"
    np.testing.assert_equal(run(env, np.random.default_rng(1), 120), of_clone)
    np.testing.assert_equal(run(untouched, np.random.default_rng(1), 120), of_clone)
