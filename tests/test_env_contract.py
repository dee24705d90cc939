"""What a user of `EnergyRoute-v0` may rely on, for every scenario and for variants of them."""

import copy
import importlib
import math
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
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import energy_route_env
from energy_route_env import FEATURES, SCENARIOS, Scenario, Trace, make_scenario
from energy_route_env.pool.scaling_laws import inference_energy

ENV_ID = "EnergyRoute-v0"
ROOT = Path(__file__).parents[1]
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


# Observations


@each_variant
def test_observations_stay_in_their_float32_space_through_whole_random_episodes(variant: str) -> None:
    env = make(variant)
    for seed in range(2):
        first, _ = env.reset(seed=seed)
        for observation in (first, *(step[0] for step in episode(env, seed))):
            assert observation.dtype == np.float32
            assert env.observation_space.contains(observation), observation


def test_extreme_traces_stay_in_the_space() -> None:
    env = make("deadline", horizon_slots=4)
    levels, deadlines = [1.2, 40.0, 1.8] * 1000, [0, 2, 10**12] * 1000
    observation, _ = env.reset(
        options={"trace": Trace.of([1e300, 0.0, 0.0, 1e300], [0] * 3000, levels, levels, deadlines)}
    )
    over = False
    while not over:
        assert env.observation_space.contains(observation), observation
        observation, _, over, _, _ = env.step(0)
    assert env.observation_space.contains(observation), observation


def test_feature_names_name_the_observation() -> None:
    env = make("paper").unwrapped
    assert env.feature_names == tuple(FEATURES)
    assert len(env.feature_names) == env.observation_space.shape[0]
    np.testing.assert_array_equal(env.observation_space.low, [low for low, _ in FEATURES.values()])
    np.testing.assert_array_equal(env.observation_space.high, [high for _, high in FEATURES.values()])


def test_an_unlimited_battery_is_squashed_by_sigma_sqrt_t() -> None:
    env = make("paper", horizon_slots=3, renewable_ratio=0.8, harvest_cv=0.25, arrival_rate=2.0)
    energies = inference_energy([1e9, 1e10], np.linspace(1.7, 1.9, 10)[:, None]).min(axis=1)
    harvest_mean = 0.8 * 2.0 * energies.mean()
    sigma = math.sqrt(2.0 * (energies**2).mean() + (0.25 * harvest_mean) ** 2)
    observation, info = env.reset(options={"trace": trace([700.0, 50.0, 0.0], [1])})
    assert info["battery_j"] == 700.0
    assert feature(observation, "battery") == pytest.approx(700 / (700 + sigma * math.sqrt(3)), rel=1e-6)


def test_a_limited_battery_is_shown_as_its_share_of_the_capacity() -> None:
    env = make("paper", horizon_slots=3, capacity_j=1600.0)
    observation, _ = env.reset(options={"trace": trace([400.0, 0.0, 0.0], [1])})
    assert feature(observation, "battery") == 0.25
    observation, _ = env.reset(options={"trace": trace([9000.0, 0.0, 0.0], [1])})
    assert feature(observation, "battery") == 1.0


def test_the_harvest_is_squashed_by_its_mean_and_sinks_as_it_is_used() -> None:
    env = make("paper", horizon_slots=2, renewable_ratio=1.1)
    mean = 1.1 * inference_energy([1e9, 1e10], np.linspace(1.7, 1.9, 10)[:, None]).min(axis=1).mean()
    observation, _ = env.reset(options={"trace": trace([2000.0, 0.0], [0, 0], difficulty=1.9)})
    assert feature(observation, "harvest") == pytest.approx(2000 / (2000 + mean), rel=1e-6)
    observation, *_, info = env.step(0)
    left = 2000 - inference_energy(1e9, 1.9)
    assert info["harvest_left_j"] == pytest.approx(left)
    assert feature(observation, "harvest") == pytest.approx(left / (left + mean), rel=1e-6)


@pytest.mark.parametrize(
    ("observed", "shown"), [(1.7, -1.0), (1.9, 1.0), (1.85, 0.5), (1.6, -2.0), (1.2, -2.0), (3.0, 2.0)]
)
def test_the_observed_difficulty_is_shown_not_the_true_one(observed: float, shown: float) -> None:
    env = make("paper", horizon_slots=1)
    observation, _ = env.reset(options={"trace": trace([0.0], [0], 1.75, observed_difficulty=[observed])})
    assert feature(observation, "difficulty") == pytest.approx(shown, rel=1e-6)


def test_slack_backlog_and_due_tell_what_waits() -> None:
    env = make("paper", horizon_slots=6, deadline_slots=4, deferrable_share=0.5, arrival_rate=3.0)
    waiting = trace([0.0] * 6, [0, 0, 0, 1, 1], deadline_slots=[4, 0, 4, 3, 0])

    def shown(observation: np.ndarray) -> tuple[float, ...]:
        return tuple(feature(observation, name) for name in ("slack", "backlog", "due"))

    def expected(slack: int, backlog: int, due: int) -> tuple[float, ...]:
        return tuple(map(as_float32, (slack / (slack + 4), backlog / (backlog + 3 * 0.5 * 4), due / (due + 3))))

    observation, _ = env.reset(options={"trace": waiting})
    assert shown(observation) == expected(slack=0, backlog=2, due=1)  # the one that cannot wait comes first
    assert shown(env.step(0)[0]) == expected(slack=4, backlog=2, due=0)
    assert shown(env.step(0)[0]) == expected(slack=4, backlog=1, due=0)
    assert shown(env.step(2)[0]) == expected(slack=0, backlog=2, due=1)  # deferred into slot 1
    assert shown(env.step(0)[0]) == expected(slack=3, backlog=2, due=0)
    for slot in (2, 3):
        assert shown(env.step(2)[0]) == expected(slack=4 - slot, backlog=2, due=0)
    assert shown(env.step(2)[0]) == expected(slack=0, backlog=0, due=2)  # both at their deadline in slot 4


def test_a_slow_arrival_rate_does_not_blow_up_due_and_backlog() -> None:
    env = make("paper", horizon_slots=2, deadline_slots=2, arrival_rate=0.01)
    observation, _ = env.reset(options={"trace": trace([0.0, 0.0], [0, 0], deadline_slots=[0, 2])})
    assert feature(observation, "due") == 0.5
    assert feature(observation, "backlog") == 0.5


def test_time_left_falls_from_one_to_zero_unless_continuing() -> None:
    for continuing, expected in ((False, [1.0, 0.75, 0.25, 0.0]), (True, [1.0, 1.0, 1.0, 1.0])):
        env = make("paper", horizon_slots=4, continuing=continuing)
        first, _ = env.reset(options={"trace": trace([0.0] * 4, [0, 1, 3])})
        shown = [first, *(env.step(0)[0] for _ in range(3))]
        assert [feature(observation, "time_left") for observation in shown] == expected


@pytest.mark.parametrize(
    ("hour", "sine", "cosine"), [(0, 0.0, 1.0), (6, 1.0, 0.0), (12, 0.0, -1.0), (18, -1.0, 0.0), (30, 1.0, 0.0)]
)
def test_the_clock_of_solar_starts_at_midnight(hour: int, sine: float, cosine: float) -> None:
    env = make("solar")
    horizon = env.unwrapped.scenario.horizon_slots
    observation, info = env.reset(options={"trace": trace([1.0] * horizon, [4 * hour])})
    assert info["slot"] == 4 * hour
    assert feature(observation, "day_sine") == pytest.approx(sine, abs=1e-6)
    assert feature(observation, "day_cosine") == pytest.approx(cosine, abs=1e-6)


# Actions and infos


@each_variant
def test_the_action_space_has_one_action_per_model_and_defer_where_tasks_can_wait(variant: str) -> None:
    env = make(variant)
    scenario = env.unwrapped.scenario
    waits = "deadline_slots" in VARIANTS[variant] or variant == "solar"
    assert scenario.can_wait == waits
    assert env.action_space == gym.spaces.Discrete(len(scenario.models) + waits)


@pytest.mark.parametrize("variant", ["deadline", "deadline, uncertain, finite battery", "solar"])
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
def test_the_reward_is_minus_the_auxiliary_energy_of_the_step(variant: str) -> None:
    rewards = [(step[1], step[4]["auxiliary_j"]) for step in episode(make(variant), 8)]
    assert all(type(reward) is float and reward == -auxiliary for reward, auxiliary in rewards)
    assert all(math.copysign(1, reward) < 0 or reward == 0 for reward, _ in rewards)
    balance = episode(make(variant), 8)[-1][4]["balance"]
    assert sum(reward for reward, _ in rewards) == pytest.approx(-balance["auxiliary_j"], rel=1e-9)


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
