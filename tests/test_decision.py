"""What dispatchers are shown, in physical units."""

from dataclasses import fields

import numpy as np
import pytest

from energy_route_env import Decision, EnergyRouteEnv, EnergyRouteVectorEnv, Trace, make_scenario

LOSSY = make_scenario(
    "solar", difficulty_noise=0.1, deadline_slots=4, horizon_slots=96, initial_battery_j=1e8, discharge_efficiency=0.7
)


def test_many_are_shown_what_each_alone_is_shown() -> None:
    """Every field, true ones too, on whole episodes with tasks that wait."""
    n, rng = 3, np.random.default_rng(1)
    many, alone = EnergyRouteVectorEnv(n, LOSSY, "Disabled"), [EnergyRouteEnv(LOSSY) for _ in range(n)]
    many.reset(seed=5)
    for i, env in enumerate(alone):
        env.reset(seed=5 + i)
    for _ in range(150):
        together, apart = many.decision(privileged=True), [env.decision(privileged=True) for env in alone]
        for field in fields(Decision):
            expected = [getattr(seen, field.name) for seen in apart]
            if getattr(together, field.name) is None:
                assert expected == [None] * n
                continue
            np.testing.assert_array_equal(getattr(together, field.name), np.concatenate(expected), err_msg=field.name)
        actions = rng.integers(3, size=n)
        many.step(actions)
        for env, action in zip(alone, actions, strict=True):
            env.step(action)


def test_usable_energy_is_the_harvest_left_and_what_the_battery_delivers() -> None:
    env = EnergyRouteEnv(LOSSY)
    env.reset(seed=0)
    stored = 0
    for _ in range(150):
        seen = env.decision()
        assert seen.usable_j == pytest.approx(seen.harvest_left_j + 0.7 * seen.battery_j, rel=1e-15)
        stored += int(seen.battery_j[0] > 0)
        env.step(2)
    assert stored > 10


@pytest.mark.parametrize("many", [False, True])
def test_the_task_shown_is_the_traces_with_its_costs(many: bool) -> None:
    """In slot 0 task 1 is due and comes first, task 0 can wait; the second slot offers task 0 again."""
    scenario = make_scenario("uncertain", horizon_slots=3, deadline_slots=1)
    trace = Trace.of([0.0] * 3, [0, 0], [1.72, 1.85], [1.7, 1.9], deadline_slots=[1, 0])
    env = EnergyRouteVectorEnv(1, scenario) if many else EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    shown = []
    for action in (0, 2, 0):
        seen = env.decision(privileged=True)
        shown.append((int(seen.task[0]), int(seen.due[0]), int(seen.slack_slots[0])))
        task = seen.task[0]
        np.testing.assert_array_equal(seen.expected_energy_j[0], scenario.expected_energy_j([1.7, 1.9])[task])
        np.testing.assert_array_equal(seen.energy_j[0], scenario.energy_j([1.72, 1.85])[task])
        env.step(np.array([action]) if many else action)
    assert shown == [(1, 1, 0), (0, 0, 1), (0, 1, 0)]


def test_a_given_estimate_may_differ_from_the_truth_where_difficulty_is_exact() -> None:
    """The scenario has no noise of its own; one environment's trace has, its neighbour's has not."""
    scenario = make_scenario("paper", horizon_slots=2)
    traces = [Trace.of([0.0, 0.0], [0], [1.75]), Trace.of([0.0, 0.0], [0], [1.75], [1.85])]
    envs = EnergyRouteVectorEnv(2, scenario)
    envs.reset(options={"trace": traces})
    seen = envs.decision(privileged=True)
    assert seen.difficulty.tolist() == [1.75, 1.75]
    assert seen.observed_difficulty.tolist() == [1.75, 1.85]
    np.testing.assert_array_equal(seen.expected_energy_j, scenario.energy_j([1.75, 1.85]))
