"""What the text of `render_mode="ansi"` tells."""

import re
from typing import Any

import numpy as np
import pytest
from helpers.screens import SIX, START, outcome, started, tasks

from energy_route_env.pool.base import model_name
from energy_route_env.rendering import Screen
from energy_route_env.scenario import Scenario
from energy_route_env.units import joules

TANK = Scenario(name="tank", horizon_slots=3, capacity_j=4000.0, deadline_slots=2)


def line(screen: Any, name: str) -> str:
    return dict(re.findall(r"^(\w+) +(.*)$", str(screen.render()), re.M))[name]


def begun(scenario: Scenario, **moment: Any) -> Screen:
    screen = Screen(scenario, "ansi")
    screen.begin(np.zeros(scenario.horizon_slots), START._replace(**moment))
    return screen


def test_the_text_tells_everything_of_a_moment() -> None:
    screen = Screen(TANK, "ansi")
    screen.begin(np.array([100.0, 2000.0, 0.0]), START)
    assert line(screen, "choice") == "none yet"
    screen.record(outcome(300.0, 200.0), START)
    screen.record(outcome(600.0, 50.0, slot=1, model=1), START)
    moment = {"slot": 1, "battery_j": 1000.0, "battery_level": 0.25, "harvest_left_j": 1500.0}
    screen.record(outcome(400.0, 7.0, slot=1, forced=True), START._replace(due=0, waiting=4, slack_slots=1, **moment))
    assert screen.render() == (
        "tank, slot 1 of 3\n"
        "battery    1.00 kJ of 4.00 kJ [#####...............]\n"
        "harvest    2.00 kJ in this slot, 1.50 kJ left of it\n"
        "demand     1.00 kJ in this slot\n"
        "queue      0 due now, 4 may wait\n"
        "task       difficulty 1.8, expected 1B 557 J, 10B 630 J, may wait 1 slot\n"
        "choice     1B (due, could not wait), used 400 J, 7.00 J of it auxiliary\n"
        "auxiliary  257 J so far"
    )


def test_a_new_episode_forgets_the_last() -> None:
    screen = begun(TANK)
    screen.record(outcome(300.0, 200.0), START._replace(slot=2))
    screen.begin(np.zeros(3), START)
    assert screen.render() == begun(TANK).render()
    assert line(screen, "auxiliary") == "0 J so far"


def test_the_text_holds_the_numbers_of_the_info() -> None:
    env, total_j, demand_j = started("ansi", scenario="solar"), 0.0, np.zeros(289)
    for action in [0, 1, 2] * 60:
        _, reward, over, _, info = env.step(action)
        total_j -= reward
        demand_j[info["slot"]] += info["energy_j"]
        decision, now = env.decision(), 288 - int(env.decision().slots_left[0])
        assert not over
        name = ("1B", "10B", "defer")[info["model"]] + " (due, could not wait)" * info["forced"]
        used = f"used {joules(info['energy_j'])}, {joules(info['auxiliary_j'])} of it auxiliary"
        assert line(env, "choice") == f"{name}, {used}"
        assert line(env, "battery").startswith(f"{joules(info['battery_j'])} of {joules(env.scenario.capacity_j)} [")
        assert line(env, "harvest").endswith(f"in this slot, {joules(info['harvest_left_j'])} left of it")
        assert line(env, "demand") == f"{joules(demand_j[now])} in this slot"
        assert line(env, "queue") == f"{decision.due[0]} due now, {decision.backlog[0]} may wait"
        expected = env.scenario.expected_energy_j(decision.observed_difficulty)[0]
        assert f"expected 1B {joules(expected[0])}, 10B {joules(expected[1])}" in line(env, "task")
        assert line(env, "auxiliary") == f"{joules(total_j)} so far"


@pytest.mark.parametrize(
    ("scenario", "moment", "text"),
    [
        (SIX, {}, ""),
        (TANK, {}, ", due now"),
        (TANK, {"waiting": 3}, ", due now"),
        (TANK, {"due": 0, "waiting": 2, "slack_slots": 2}, ", may wait 2 slots"),
    ],
)
def test_the_task_tells_how_long_it_may_wait_if_tasks_can(
    scenario: Scenario, moment: dict[str, Any], text: str
) -> None:
    assert line(begun(scenario, **moment), "task").endswith(f"10B 630 J{text}")


def test_a_moment_without_a_task_says_so() -> None:
    assert line(begun(SIX, due=0), "task") == "none"


def test_an_unlimited_battery_is_half_full_at_sigma_sqrt_t() -> None:
    half_j = SIX.volatility_j * 6**0.5
    env = started("ansi", tasks([half_j] + [0.0] * 5, [1]), scenario=SIX)
    assert line(env, "battery") == f"{joules(half_j)} (half: {joules(half_j)}) [##########..........]"


def test_the_clock_tells_day_and_time_where_an_episode_has_days() -> None:
    env = started("ansi", tasks([1.0] * 288, [96 + 37]), scenario="solar")
    assert str(env.render()).startswith("solar, slot 133 of 288, day 2, 09:15\n")
    assert str(started("ansi", tasks([1.0] * 9, [4]), horizon_slots=9).render()).startswith("paper, slot 4 of 9\n")


def test_the_end_tells_that_the_rest_ran() -> None:
    env = started("ansi", tasks([0.0] * 2, [1, 1], deadline_slots=[3, 3]), horizon_slots=2, deadline_slots=3)
    _, reward, over, _, _ = env.step(2)
    assert over and reward < 0
    assert line(env, "choice") == f"defer, then the rest, used {joules(-reward)}, {joules(-reward)} of it auxiliary"


def test_a_costly_deferral_is_not_the_rest() -> None:
    fields = {"horizon_slots": 2, "deadline_slots": 3, "overhead_j": 20.0}
    env = started("ansi", tasks([0.0] * 2, [0], deadline_slots=[3]), **fields)
    env.step(2)
    assert line(env, "choice") == "defer, used 20.0 J, 20.0 J of it auxiliary"


def test_an_episode_without_a_task_ends_without_a_choice() -> None:
    env = started("ansi", arrival_rate=0.0, horizon_slots=2)
    assert env.step(0)[2]
    assert line(env, "choice") == "none"


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0.0, "0 J"),
        (0.5, "0.50 J"),
        (9.994, "9.99 J"),
        (63.04, "63.0 J"),
        (999.9, "1000 J"),
        (1234.0, "1.23 kJ"),
        (5.7e9, "5.70 GJ"),
        (1e300, "1e+288 TJ"),
    ],
)
def test_energies_have_three_figures_and_a_unit(energy_j: float, text: str) -> None:
    assert joules(energy_j) == text


def test_models_are_named_by_their_size() -> None:
    assert [model_name(n) for n in (1e9, 1.25e10, 3.5e8, 2e12, 5.0)] == ["1B", "12.5B", "350M", "2T", "5"]
