"""Where every joule goes, in any episode: as a naive simulator has it, conserved, and never more in a better world."""

import math
from dataclasses import replace
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pytest
from helpers.episodes import Naive, Played, play
from hypothesis import given, settings, strategies as st

from energy_route_env import Scenario, Trace, make_scenario

properties = settings(derandomize=True, deadline=None, max_examples=100)


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
    # Failures are not retried where energy is drawn over the latency.
    failures, execution = draw(
        st.sampled_from([("ignored", "at_once"), ("retried", "at_once"), ("ignored", "over_latency")])
    )
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
        overhead_j=draw(st.sampled_from([0.0, 70.0])),
        queries_per_task=draw(st.sampled_from([1.0, 1e5])),
        failures=failures,
        continuing=draw(st.booleans()),
        execution=execution,
        slot_seconds=draw(st.sampled_from([1.0, 8.0])),
    )


@st.composite
def episodes(draw: st.DrawFn, scenario: Scenario | None = None) -> Episode:
    scenario = scenario or draw(scenarios())
    horizon = scenario.horizon_slots
    slots = sorted(draw(st.lists(st.integers(0, horizon - 1), max_size=12)))
    tasks = {"min_size": len(slots), "max_size": len(slots)}
    longest = (horizon + 2) * scenario.can_wait
    attempts = st.lists(st.booleans(), min_size=len(scenario.models), max_size=len(scenario.models))
    trace = Trace.of(
        np.array(draw(st.lists(energies, min_size=horizon, max_size=horizon))) * scenario.queries_per_task,
        slots,
        draw(st.lists(st.floats(1.6, 2.0), **tasks)),
        draw(st.lists(st.floats(1.6, 2.0), **tasks)),
        draw(st.lists(st.integers(0, longest), **tasks)),
        solved=np.reshape(draw(st.lists(attempts, **tasks)), (len(slots), len(scenario.models))).astype(bool),
    )
    return Episode(scenario, trace, draw(st.lists(st.integers(0, scenario.n_actions - 1), min_size=1, max_size=8)))


def at_once(episode: Episode) -> Episode:
    """The same episode with every task's energy drawn at its dispatch."""
    return episode._replace(scenario=replace(episode.scenario, execution="at_once"))


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
    if episode.scenario.retries:
        counts = {"attempts": naive.attempts, "solved": naive.solved, "unsolved": episode.trace.n_tasks - naive.solved}
        assert played.infos[-1]["tally"] == counts


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
    """With the same choices: battery and harvest left are at least what they were, at every decision.

    Easier tasks run shorter, and so may draw sooner: of them it holds where energy is drawn at once.
    """
    if better == "easier tasks":
        episode = at_once(episode)
    before = np.array(episode.play().column("auxiliary_j"))
    after = np.array(BETTER_WORLDS[better](episode, amount).play().column("auxiliary_j"))
    assert (after <= before + tolerance(episode)).all()


@properties
@given(episodes())
def test_with_an_ideal_battery_energy_drawn_over_latency_never_takes_more_from_the_grid(episode: Episode) -> None:
    """What is drawn by the end of a slot is never more, and the same in the end; a peak of sums is then no higher."""
    kind = {"failures": "ignored", "execution": "at_once"}
    ideal = replace(episode.scenario, capacity_j=math.inf, charge_efficiency=1.0, discharge_efficiency=1.0, **kind)
    immediate = episode._replace(scenario=ideal).play().balance
    spread = episode._replace(scenario=replace(ideal, execution="over_latency")).play().balance
    assert spread["consumed_j"] == pytest.approx(immediate["consumed_j"], rel=1e-9, abs=0)
    assert spread["auxiliary_j"] <= immediate["auxiliary_j"] + tolerance(episode)


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
