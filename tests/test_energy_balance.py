"""Where every joule goes: steps worked out by hand, and conservation over drawn episodes."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from helpers.episodes import play

from energy_route_env import Scenario, Trace, make_scenario
from energy_route_env.pool.scaling_laws import inference_energy

UNIT_J = 100.0
EASY, HARD = 1.9, 1.7
PER_TASK = UNIT_J / float(inference_energy(1e9, EASY))
"""Queries in a task, such that an easy one needs 100 J on the small model."""


def small_world(horizon_slots: int, **fields: Any) -> Scenario:
    """An easy task needs 100 J on model 0 and 137 J on model 1."""
    return make_scenario("paper", queries_per_task=PER_TASK, horizon_slots=horizon_slots, **fields)


def easy_tasks(harvest_j: Sequence[float], task_slot: Sequence[int], deadline_slots: Any = None) -> Trace:
    return Trace.of(harvest_j, task_slot, [EASY] * len(task_slot), deadline_slots=deadline_slots)


def approximately(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_task_takes_harvest_then_battery_then_auxiliary_energy() -> None:
    """150 J and a task; then 30 J and two tasks: 100 - 30 - 50 = 20 J and 100 J are missing."""
    played = play(small_world(2), easy_tasks([150, 30], [0, 1, 1]), cycle([0]))
    assert played.column("auxiliary_j") == approximately([0, 20, 100])
    assert played.column("energy_j") == approximately([100, 100, 100])
    assert played.column("battery_j") == approximately([50, 0, 0])
    assert played.column("harvest_left_j") == approximately([30, 0, 0])
    assert played.rewards == approximately([0, -20, -100])
    assert played.balance == approximately(
        {
            "initial_j": 0,
            "harvested_j": 180,
            "auxiliary_j": 120,
            "consumed_j": 300,
            "stored_j": 0,
            "spilled_j": 0,
            "lost_j": 0,
        }
    )


def test_harvest_of_a_slot_is_not_there_before_it() -> None:
    played = play(small_world(2), easy_tasks([0, 500], [0, 1]), cycle([0]))
    assert played.column("auxiliary_j") == approximately([100, 0])
    assert played.balance["stored_j"] == approximately(400)


def test_initial_charge_is_used_and_counted() -> None:
    played = play(small_world(1, initial_battery_j=60.0), easy_tasks([30], [0]), cycle([0]))
    assert played.column("auxiliary_j") == approximately([10])
    assert played.balance["initial_j"] == 60


def test_charging_and_discharging_lose_their_share() -> None:
    """100 J charge 80 J, which deliver 40 J: 20 J and 40 J are lost, 60 J are missing."""
    scenario = small_world(2, charge_efficiency=0.8, discharge_efficiency=0.5)
    played = play(scenario, easy_tasks([100, 0], [1]), cycle([0]))
    assert played.decisions[0].battery_j == approximately(80)
    assert played.column("auxiliary_j") == approximately([60])
    assert played.balance["lost_j"] == approximately(60)
    assert played.balance["stored_j"] == approximately(0)


def test_a_lossy_battery_keeps_what_is_not_needed() -> None:
    """500 J charge 400 J; 100 J delivered at 1/2 drain 200 J."""
    scenario = small_world(2, charge_efficiency=0.8, discharge_efficiency=0.5)
    played = play(scenario, easy_tasks([500, 0], [1]), cycle([0]))
    assert played.column("auxiliary_j") == [0]
    assert played.column("battery_j") == approximately([200])
    assert played.balance["lost_j"] == approximately(100 + 100)


def test_harvest_used_in_its_own_slot_loses_nothing() -> None:
    scenario = small_world(1, charge_efficiency=0.5, discharge_efficiency=0.5)
    played = play(scenario, easy_tasks([100], [0]), cycle([0]))
    assert played.balance["lost_j"] == approximately(0)
    assert played.balance["auxiliary_j"] == approximately(0)


@pytest.mark.parametrize(
    ("harvest_j", "efficiency", "stored", "spilled", "lost"),
    [(100, 1.0, 60, 40, 0), (100, 0.5, 50, 0, 50), (200, 0.5, 60, 80, 60), (60, 1.0, 60, 0, 0)],
)
def test_what_a_full_battery_cannot_hold_is_spilled_before_it_is_lost(
    harvest_j: float, efficiency: float, stored: float, spilled: float, lost: float
) -> None:
    scenario = small_world(2, capacity_j=60.0, charge_efficiency=efficiency)
    played = play(scenario, easy_tasks([harvest_j, 0], [1]), cycle([0]))
    assert played.decisions[0].battery_j == approximately(stored)
    assert played.balance["spilled_j"] == approximately(spilled)
    assert played.balance["lost_j"] == approximately(lost)


def test_without_a_battery_every_slot_stands_alone() -> None:
    played = play(small_world(3, capacity_j=0.0), easy_tasks([150, 500, 70], [0, 2]), cycle([0]))
    assert played.column("auxiliary_j") == approximately([0, 30])
    assert played.balance["spilled_j"] == approximately(550)


def test_slots_without_a_task_charge_the_battery_in_turn_up_to_its_capacity() -> None:
    """Four idle slots of 50 J into 120 J, then a task with 10 J of sun: 10 + 90 used, then 30 + 40 are kept."""
    played = play(small_world(6, capacity_j=120.0), easy_tasks([50, 50, 50, 50, 10, 40], [4]), cycle([0]))
    assert played.decisions[0].battery_j == approximately(120)
    assert played.column("battery_j") == approximately([70])
    assert played.balance["spilled_j"] == approximately(80)


def test_the_energy_is_that_of_the_chosen_model_at_the_true_difficulty() -> None:
    scenario = small_world(1, difficulty_noise=0.1)
    trace = Trace.of([0.0], [0, 0], difficulty=[HARD, EASY], observed_difficulty=[EASY, HARD])
    played = play(scenario, trace, iter([1, 0]))
    assert [float(decision.observed_difficulty[0]) for decision in played.decisions] == [EASY, HARD]
    expected = [PER_TASK * float(inference_energy(1e10, HARD)), UNIT_J]
    assert played.column("energy_j") == approximately(expected)
    assert played.column("auxiliary_j") == approximately(expected)
    assert played.column("model") == [1, 0]


def test_a_deferred_task_waits_for_the_sun() -> None:
    """Deferred in the dark slots 0 and 1, run on 120 J in slot 2."""
    scenario = small_world(4, deadline_slots=3)
    played = play(scenario, easy_tasks([0, 0, 120, 0], [0], [3]), iter([2, 2, 0]))
    assert played.column("slot") == [0, 1, 2]
    assert played.column("model") == [-1, -1, 0]
    assert played.column("energy_j") == approximately([0, 0, 100])
    assert played.balance["auxiliary_j"] == approximately(0)
    assert [int(decision.slack_slots[0]) for decision in played.decisions] == [3, 2, 1]


def test_a_task_deferred_at_its_deadline_runs_on_its_cheapest_model() -> None:
    scenario = small_world(4, deadline_slots=2)
    played = play(scenario, easy_tasks([0, 0, 30, 500], [0], [2]), cycle([2]))
    assert played.column("slot") == [0, 1, 2]
    assert played.column("forced") == [False, False, True]
    assert played.column("model") == [-1, -1, 0]
    assert played.column("auxiliary_j") == approximately([0, 0, 70])
    assert [mask.tolist() for mask in played.column("action_mask")][:2] == [[1, 1, 1], [1, 1, 0]]


def test_what_is_left_after_the_last_slot_runs_at_once_on_its_cheapest_models() -> None:
    """Two easy tasks outlast the horizon; the 50 J of the last slot are stored before: 200 - 50 are missing."""
    scenario = small_world(2, deadline_slots=9)
    played = play(scenario, easy_tasks([0, 50], [0, 0], [9, 9]), cycle([2]))
    assert played.column("slot") == [0, 1]
    assert played.column("energy_j") == approximately([0, 200])
    assert played.column("auxiliary_j") == approximately([0, 150])
    assert played.column("model") == [-1, -1]
    assert played.balance["consumed_j"] == approximately(200)


def test_what_is_left_goes_to_the_model_that_looks_cheapest_not_to_the_one_that_is() -> None:
    scenario = small_world(1, deadline_slots=9, difficulty_noise=0.1)
    trace = Trace.of([0.0], [0], difficulty=[EASY], observed_difficulty=[HARD], deadline_slots=[9])
    assert play(scenario, trace, cycle([2])).column("energy_j") == approximately(
        [PER_TASK * float(inference_energy(1e10, EASY))]
    )


def test_a_slot_offers_what_is_due_and_then_the_backlog_oldest_first() -> None:
    """In slot 1: the arrival that cannot wait (1.83), the backlog at its deadline (1.81), the rest by age."""
    difficulty = [1.80, 1.81, 1.82, 1.83, 1.84]
    trace = Trace.of([0.0] * 3, [0, 0, 1, 1, 1], difficulty, deadline_slots=[2, 1, 1, 0, 2])
    played = play(small_world(3, deadline_slots=2), trace, iter([2, 0, 0, 0, 0, 0]))
    offered = [float(decision.observed_difficulty[0]) for decision in played.decisions]
    assert offered == [1.80, 1.83, 1.81, 1.80, 1.82, 1.84]
    assert played.column("slot") == [0, 1, 1, 1, 1, 1]
    assert [int(decision.due[0]) for decision in played.decisions] == [0, 2, 1, 0, 0, 0]
    assert [int(decision.backlog[0]) for decision in played.decisions] == [2, 3, 3, 3, 2, 1]


def test_one_deferral_closes_the_whole_backlog_for_the_slot() -> None:
    played = play(small_world(3, deadline_slots=9), easy_tasks([0, 0, 0], [0, 0, 0], [9] * 3), iter([0, 2, 2, 2]))
    assert played.column("slot") == [0, 0, 1, 2]


@pytest.mark.parametrize("deadline_slots", [0, 5])
def test_an_episode_without_a_task_ends_with_its_first_step(deadline_slots: int) -> None:
    scenario = small_world(3, deadline_slots=deadline_slots, capacity_j=100.0, initial_battery_j=10.0)
    played = play(scenario, easy_tasks([40, 30, 50], []), cycle([0]))
    assert len(played.infos) == 1
    assert played.rewards == [0]
    assert played.column("energy_j") == [0]
    assert played.balance["stored_j"] == approximately(100)
    assert played.balance["spilled_j"] == approximately(30)


def test_harvest_that_comes_after_the_task_comes_too_late() -> None:
    assert play(small_world(1), easy_tasks([100], [0]), cycle([0])).balance["auxiliary_j"] == approximately(0)
    assert play(small_world(2), easy_tasks([0, 100], [0]), cycle([0])).balance["auxiliary_j"] == approximately(100)


@pytest.mark.parametrize("name", ["paper", "uncertain", "solar"])
def test_drawn_episodes_conserve_energy_under_any_choice(name: str) -> None:
    """Five whole episodes of each scenario as it is, with random actions."""
    scenario = make_scenario(name)
    rng = np.random.default_rng(7)
    choices = iter(lambda: int(rng.integers(scenario.n_actions)), None)
    for _ in range(5):
        balance = play(scenario, scenario.draw(rng), choices).balance
        sources = balance["initial_j"] + balance["harvested_j"] + balance["auxiliary_j"]
        sinks = balance["consumed_j"] + balance["stored_j"] + balance["spilled_j"] + balance["lost_j"]
        assert sources == pytest.approx(sinks, rel=1e-9)
