"""Where every joule goes: steps worked out by hand, a naive simulator, conservation and monotonicity as properties."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.episodes import Naive, Played, play
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_route_env import Scenario, Trace, make_scenario
from energy_route_env.pool.scaling_laws import inference_energy

UNIT_J = 100.0
EASY, HARD = 1.9, 1.7
PER_TASK = UNIT_J / float(inference_energy(1e9, EASY))
"""Queries in a task, such that an easy one needs 100 J on the small model."""

properties = settings(derandomize=True, deadline=None, max_examples=100)


def small_world(horizon_slots: int, **fields: Any) -> Scenario:
    """An easy task needs 100 J on model 0 and 137 J on model 1."""
    return make_scenario("paper", queries_per_task=PER_TASK, horizon_slots=horizon_slots, **fields)


def easy_tasks(harvest_j: Sequence[float], task_slot: Sequence[int], deadline_slots: Any = None) -> Trace:
    return Trace.of(harvest_j, task_slot, [EASY] * len(task_slot), deadline_slots=deadline_slots)


def approximately(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_task_draws_harvest_then_battery_then_auxiliary_energy() -> None:
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


def test_initial_charge_is_drawn_and_counted() -> None:
    played = play(small_world(1, initial_battery_j=60.0), easy_tasks([30], [0]), cycle([0]))
    assert played.column("auxiliary_j") == approximately([10])
    assert played.balance["initial_j"] == 60


def test_what_is_stored_and_what_is_drawn_pays_its_efficiency() -> None:
    """100 J charge 80 J, which deliver 40 J: 20 J and 40 J are lost, 60 J are missing."""
    scenario = small_world(2, charge_efficiency=0.8, discharge_efficiency=0.5)
    played = play(scenario, easy_tasks([100, 0], [1]), cycle([0]))
    assert played.decisions[0].battery_j == approximately(80)
    assert played.column("auxiliary_j") == approximately([60])
    assert played.balance["lost_j"] == approximately(60)
    assert played.balance["stored_j"] == approximately(0)


def test_a_partial_draw_from_a_lossy_battery_leaves_the_rest() -> None:
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
    """Four idle slots of 50 J into 120 J, then a task with 10 J of sun: 10 + 90 drawn, then 30 + 40 are kept."""
    played = play(small_world(6, capacity_j=120.0), easy_tasks([50, 50, 50, 50, 10, 40], [4]), cycle([0]))
    assert played.decisions[0].battery_j == approximately(120)
    assert played.column("battery_j") == approximately([70])
    assert played.balance["spilled_j"] == approximately(80)


def test_the_energy_drawn_is_that_of_the_chosen_model_at_the_true_difficulty() -> None:
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


class Episode(NamedTuple):
    scenario: Scenario
    trace: Trace
    actions: list[int]
    """Answered in turn, over and over."""

    def play(self) -> Played:
        return play(self.scenario, self.trace, cycle(self.actions))


energies = st.floats(0, 3000) | st.sampled_from([0.0, 100.0])
efficiencies = st.floats(0.05, 1) | st.just(1.0)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    capacity = draw(st.sampled_from([0.0, math.inf, 1e15]) | st.floats(0, 5000))
    return make_scenario(
        "paper",
        models=draw(st.sampled_from([(1e9,), (1e9, 1e10), (5e8, 3e9, 2e10)])),
        horizon_slots=draw(st.integers(1, 8)),
        capacity_j=capacity,
        initial_battery_j=draw(st.floats(0, 1)) * min(capacity, draw(st.sampled_from([1000.0, 1e12]))),
        charge_efficiency=draw(efficiencies),
        discharge_efficiency=draw(efficiencies),
        deadline_slots=draw(st.integers(0, 4)),
        deferrable_share=draw(st.sampled_from([0.0, 0.5, 1.0])),
        difficulty_noise=draw(st.sampled_from([0.0, 0.1])),
        queries_per_task=draw(st.sampled_from([1.0, 1e5])),
        continuing=draw(st.booleans()),
    )


@st.composite
def episodes(draw: st.DrawFn, scenario: Scenario | None = None) -> Episode:
    scenario = scenario or draw(scenarios())
    horizon = scenario.horizon_slots
    slots = sorted(draw(st.lists(st.integers(0, horizon - 1), max_size=12)))
    tasks = {"min_size": len(slots), "max_size": len(slots)}
    longest = (horizon + 2) * scenario.can_wait
    trace = Trace.of(
        np.array(draw(st.lists(energies, min_size=horizon, max_size=horizon))) * scenario.queries_per_task,
        slots,
        draw(st.lists(st.floats(1.6, 2.0), **tasks)),
        draw(st.lists(st.floats(1.6, 2.0), **tasks)),
        draw(st.lists(st.integers(0, longest), **tasks)),
    )
    return Episode(scenario, trace, draw(st.lists(st.integers(0, scenario.n_actions - 1), min_size=1, max_size=8)))


def tolerance(episode: Episode) -> float:
    """1e-9 of all energy that takes part."""
    cost = episode.scenario.energy_j(episode.trace.difficulty)
    return 1e-9 * (1 + episode.scenario.initial_battery_j + float(episode.trace.harvest_j.sum()) + float(cost.sum()))


@properties
@given(episodes())
def test_every_step_is_that_of_a_naive_simulator(episode: Episode) -> None:
    naive = Naive(episode.scenario, episode.trace)
    naive.run(cycle(episode.actions))
    played, close = episode.play(), {"rel": 0, "abs": tolerance(episode)}
    if episode.trace.n_tasks > 0:
        for name, values in zip(
            ("slot", "model", "forced", "energy_j", "auxiliary_j"),
            [[entry[i] for entry in naive.log] for i in (0, 1, 2, 5, 6)],
            strict=True,
        ):
            assert played.column(name) == pytest.approx(values, **close), name
        assert [float(seen.battery_j[0]) for seen in played.decisions] == pytest.approx(
            [entry[3] for entry in naive.log], **close
        )
        assert [float(seen.harvest_left_j[0]) for seen in played.decisions] == pytest.approx(
            [entry[4] for entry in naive.log], **close
        )
    for name in ("auxiliary", "spilled", "lost"):
        assert played.balance[f"{name}_j"] == pytest.approx(getattr(naive, name), **close), name
    assert played.balance["stored_j"] == pytest.approx(naive.battery, **close)


@properties
@given(episodes())
def test_energy_is_conserved_over_the_episode(episode: Episode) -> None:
    played = episode.play()
    balance, close = played.balance, {"rel": 0, "abs": tolerance(episode)}
    sources = balance["initial_j"] + balance["harvested_j"] + balance["auxiliary_j"]
    sinks = balance["consumed_j"] + balance["stored_j"] + balance["spilled_j"] + balance["lost_j"]
    assert sources == pytest.approx(sinks, **close)
    assert min(balance.values()) >= 0
    assert balance["initial_j"] == episode.scenario.initial_battery_j
    assert balance["harvested_j"] == pytest.approx(episode.trace.harvest_j.sum(), **close)
    assert balance["consumed_j"] == pytest.approx(sum(played.column("energy_j")), **close)
    assert balance["auxiliary_j"] == pytest.approx(sum(played.column("auxiliary_j")), **close)
    assert balance["auxiliary_j"] == pytest.approx(-sum(played.rewards), **close)


@properties
@given(episodes())
def test_energy_is_conserved_in_every_step(episode: Episode) -> None:
    """What is missing from the balance of what each step shows is spilled or lost: it never shrinks."""
    scenario, played = episode.scenario, episode.play()
    harvested = np.append(episode.trace.harvest_j.cumsum(), episode.trace.harvest_j.sum())[played.slots_after]
    gone = (
        scenario.initial_battery_j
        + harvested
        + np.cumsum(played.column("auxiliary_j"))
        - np.cumsum(played.column("energy_j"))
        - np.array(played.column("battery_j"))
        - np.array(played.column("harvest_left_j"))
    )
    slack = tolerance(episode)
    assert (np.diff(gone, prepend=0.0) >= -slack).all()
    assert gone[-1] == pytest.approx(played.balance["spilled_j"] + played.balance["lost_j"], rel=0, abs=slack)
    if math.isinf(scenario.capacity_j) and scenario.charge_efficiency == scenario.discharge_efficiency == 1:
        assert np.abs(gone).max() <= slack


@properties
@given(episodes())
def test_the_battery_stays_within_its_limits_and_the_grid_only_gives(episode: Episode) -> None:
    played = episode.play()
    assert min(played.column("battery_j")) >= 0
    assert max(played.column("battery_j")) <= episode.scenario.capacity_j
    assert min(played.column("harvest_left_j")) >= 0
    assert min(played.column("auxiliary_j")) >= 0
    assert all(
        info["auxiliary_j"] <= info["energy_j"] and reward == -info["auxiliary_j"]
        for info, reward in zip(played.infos, played.rewards, strict=True)
    )


BETTER_WORLDS = {
    "more harvest": lambda e, x: e._replace(trace=replace(e.trace, harvest_j=e.trace.harvest_j * (1 + x))),
    "more harvest in one slot": lambda e, x: e._replace(
        trace=replace(e.trace, harvest_j=e.trace.harvest_j + 2000 * x * np.eye(1, len(e.trace.harvest_j))[0])
    ),
    "a larger battery": lambda e, x: e._replace(
        scenario=replace(e.scenario, capacity_j=e.scenario.capacity_j + 1e3 * x)
    ),
    "better charging": lambda e, x: e._replace(
        scenario=replace(e.scenario, charge_efficiency=e.scenario.charge_efficiency ** (1 - x))
    ),
    "better discharging": lambda e, x: e._replace(
        scenario=replace(e.scenario, discharge_efficiency=e.scenario.discharge_efficiency ** (1 - x))
    ),
    "easier tasks": lambda e, x: e._replace(trace=replace(e.trace, difficulty=e.trace.difficulty + 0.2 * x)),
}


@pytest.mark.parametrize("better", BETTER_WORLDS)
@properties
@given(episode=episodes(), amount=st.floats(0, 1))
def test_a_better_world_never_needs_more_auxiliary_energy_in_any_step(
    episode: Episode, amount: float, better: str
) -> None:
    """With the same choices: battery and harvest left are at least what they were, at every decision."""
    before = np.array(episode.play().column("auxiliary_j"))
    after = np.array(BETTER_WORLDS[better](episode, amount).play().column("auxiliary_j"))
    assert (after <= before + tolerance(episode)).all()


paper_episodes = st.integers(1, 8).flatmap(lambda horizon: episodes(make_scenario("paper", horizon_slots=horizon)))


def auxiliary_by_slot(episode: Episode) -> np.ndarray:
    """D_n after each slot n = 1 ... T."""
    played = episode.play()
    n_slots = episode.scenario.horizon_slots
    return np.bincount(played.column("slot"), played.column("auxiliary_j"), n_slots + 1)[:n_slots].cumsum()


def demand_by_slot(episode: Episode) -> np.ndarray:
    """What the chosen models consume in each slot, where no task can wait."""
    trace, actions = episode.trace, cycle(episode.actions)
    model = [next(actions) for _ in range(trace.n_tasks)]
    cost = episode.scenario.energy_j(trace.difficulty)[np.arange(trace.n_tasks), model]
    return np.bincount(trace.task_slot, cost, len(trace.harvest_j))


@properties
@given(paper_episodes, st.floats(0, 2000))
def test_auxiliary_energy_is_the_running_maximum_of_demand_minus_supply(episode: Episode, charge: float) -> None:
    """D_T = max(0, max over n of the first n slots' demand minus harvest, minus the initial charge), path by path."""
    episode = episode._replace(scenario=replace(episode.scenario, initial_battery_j=charge))
    deficit = np.cumsum(demand_by_slot(episode) - episode.trace.harvest_j) - charge
    expected = np.maximum(np.maximum.accumulate(deficit), 0)
    np.testing.assert_allclose(auxiliary_by_slot(episode), expected, rtol=0, atol=tolerance(episode))


@properties
@given(episodes())
def test_what_outlasts_the_horizon_by_far_or_by_one_slot_is_the_same(episode: Episode) -> None:
    """A deadline beyond the horizon is no deadline: only whether it lies within counts."""
    trace, horizon = episode.trace, episode.scenario.horizon_slots
    beyond = trace.task_slot + trace.deadline_slots >= horizon
    far = replace(trace, deadline_slots=np.where(beyond, 10**12, trace.deadline_slots))
    near, away = episode.play(), episode._replace(trace=far).play()
    assert near.balance == away.balance
    assert near.rewards == away.rewards


def with_trace(episode: Episode, harvest_j: list[float], task_slot: list[int]) -> Episode:
    """The same tasks in other slots, under another harvest."""
    trace = replace(episode.trace, harvest_j=np.array(harvest_j), task_slot=np.array(task_slot, int))
    return Episode(replace(episode.scenario, horizon_slots=len(harvest_j)), trace, episode.actions)


@properties
@given(paper_episodes, st.floats(0, 1))
def test_a_slot_can_be_split_in_two_as_long_as_no_harvest_moves_behind_a_task(episode: Episode, share: float) -> None:
    """A lossless unlimited battery sees totals only: each slot's harvest in two parts, all tasks after the second."""
    harvest = episode.trace.harvest_j
    halves = np.stack([share * harvest, (1 - share) * harvest], axis=1).ravel()
    split = with_trace(episode, halves.tolist(), (2 * episode.trace.task_slot + 1).tolist())
    expected, found = auxiliary_by_slot(episode), auxiliary_by_slot(split)
    np.testing.assert_allclose(found[1::2], expected, rtol=0, atol=tolerance(episode))


@properties
@given(paper_episodes)
def test_every_task_can_have_a_slot_of_its_own_as_long_as_the_harvest_comes_first(episode: Episode) -> None:
    trace = episode.trace
    harvest, slots = [], []
    for slot, energy in enumerate(trace.harvest_j.tolist()):
        here = int((trace.task_slot == slot).sum())
        slots += range(len(harvest), len(harvest) + here)
        harvest += [energy] + [0.0] * max(here - 1, 0)
    spread = with_trace(episode, harvest, slots)
    assert auxiliary_by_slot(spread)[-1] == pytest.approx(auxiliary_by_slot(episode)[-1], abs=tolerance(episode))


@properties
@given(paper_episodes)
def test_harvest_that_moves_behind_the_tasks_of_its_slot_never_helps(episode: Episode) -> None:
    late = [part for energy in episode.trace.harvest_j.tolist() for part in (0.0, energy)]
    delayed = with_trace(episode, late, (2 * episode.trace.task_slot).tolist())
    assert auxiliary_by_slot(delayed)[-1] >= auxiliary_by_slot(episode)[-1] - tolerance(episode)


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
