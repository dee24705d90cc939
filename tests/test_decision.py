"""What dispatchers are shown, in physical units."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from energy_route_env import Decision, EnergyRouteEnv, EnergyRouteVectorEnv, Trace, make_scenario
from energy_route_env.decision import Outlook

LOSSY = make_scenario(
    "carbon",
    difficulty_noise=0.1,
    deferrable_share=0.5,
    deadline_slots=4,
    horizon_slots=96,
    initial_battery_j=1e8,
    discharge_efficiency=0.7,
)
SHOWN = [field.name for field in fields(Decision) if field.name not in ("outlook", "memory")]


def test_many_are_shown_what_each_alone_is_shown() -> None:
    """Every field, true ones too, on whole episodes with tasks that wait."""
    n, rng = 3, np.random.default_rng(1)
    many, alone = EnergyRouteVectorEnv(n, LOSSY, "Disabled"), [EnergyRouteEnv(LOSSY) for _ in range(n)]
    many.reset(seed=5)
    for i, env in enumerate(alone):
        env.reset(seed=5 + i)
    for _ in range(150):
        together, apart = many.decision(privileged=True), [env.decision(privileged=True) for env in alone]
        for name in SHOWN:
            expected = [getattr(seen, name) for seen in apart]
            if getattr(together, name) is None:
                assert expected == [None] * n
                continue
            np.testing.assert_array_equal(getattr(together, name), np.concatenate(expected), err_msg=name)
        for i, seen in enumerate(apart):
            for name, found, expected in zip(Outlook._fields, together.outlook(i), seen.outlook(0), strict=True):
                if name == "before":
                    assert [np.shape(value) for value in found] == [np.shape(value) for value in expected]
                else:
                    np.testing.assert_array_equal(found, expected, err_msg=name)
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


def outlook_of(trace: Trace, action: int, privileged: bool, many: bool, **fields: Any) -> dict[str, list[Any]]:
    """What is known after one action, harvest and energy in tasks of difficulty 1.8."""
    scenario = make_scenario("uncertain", horizon_slots=3, **fields)
    env = EnergyRouteVectorEnv(1, scenario) if many else EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    env.step(np.array([action]) if many else action)
    seen = env.decision(privileged).outlook(0)
    unit_j = scenario.expected_energy_j(1.8).min()
    return seen._replace(harvest_j=seen.harvest_j / unit_j, energy_j=seen.energy_j / unit_j)._asdict()


TASK_J = make_scenario("uncertain").expected_energy_j(1.8).min()
EASIER = make_scenario("uncertain").energy_j(1.85)[1] / TASK_J
"""True energy of the last task below on the model that it is expected to take least on, the second."""


@pytest.mark.parametrize("many", [False, True])
def test_the_outlook_shows_what_has_come_and_to_the_privileged_what_is_to_come(many: bool) -> None:
    """In slot 0 task 1 is due and dispatched, task 0 waits; task 2 comes in slot 2 and outlasts the episode."""
    trace = Trace.of([TASK_J, 2 * TASK_J, 3 * TASK_J], [0, 0, 2], [1.8, 1.8, 1.85], [1.8, 1.8, 1.7], [1, 0, 9])
    seen = outlook_of(trace, 0, False, many, deadline_slots=9)
    assert (seen["slot"], seen["task_slot"].tolist(), seen["due_slot"].tolist()) == (0, [0], [1])
    assert (seen["harvest_j"].tolist(), seen["energy_j"].tolist()) == ([1.0], [1.0])
    seen = outlook_of(trace, 0, True, many, deadline_slots=9)
    assert (seen["slot"], seen["task_slot"].tolist(), seen["due_slot"].tolist()) == (0, [0, 2], [1, 3])
    assert seen["harvest_j"] == pytest.approx([1, 2, 3])
    assert seen["energy_j"][1] == pytest.approx(EASIER)


@pytest.mark.parametrize("many", [False, True])
def test_where_no_task_can_wait_the_outlook_shows_those_of_this_slot(many: bool) -> None:
    trace = Trace.of([0.0] * 3, [1, 1, 1], [1.8] * 3)
    seen = outlook_of(trace, 0, False, many)
    assert (seen["slot"], seen["task_slot"].tolist(), seen["due_slot"].tolist()) == (1, [1, 1], [1, 1])


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("privileged", "known"), [(False, [0.5]), (True, [0.5, 0.25, 1.0])])
def test_the_outlook_shows_what_the_grid_counted_and_to_the_privileged_what_it_will(
    many: bool, privileged: bool, known: list[float]
) -> None:
    past = np.arange(24.0)
    trace = Trace.of([0.0] * 3, [0], [1.8], None, [2], [0.5, 0.25, 1.0], 2 * past, past)
    scenario = make_scenario("carbon", horizon_slots=3)
    env = EnergyRouteVectorEnv(1, scenario) if many else EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    seen = env.decision(privileged).outlook(0)
    assert seen.grid_weight.tolist() == known
    assert (seen.before.past_grid_weight.tolist(), seen.before.past_harvest_j.tolist()) == (
        past.tolist(),
        (2 * past).tolist(),
    )
    assert seen.before.start_slot is None
