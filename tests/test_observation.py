"""Every feature of the observation, and its bounds."""

import math

import numpy as np
import pytest
from helpers.envs import as_float32, each_variant, episode, feature, make, trace

from energy_route_env import FEATURES, Trace
from energy_route_env.pool.scaling_laws import inference_energy


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
        options={"trace": Trace.of([4e299, 0.0, 0.0, 5e299], [0] * 3000, levels, levels, deadlines)}
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
