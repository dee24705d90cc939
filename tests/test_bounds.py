"""What no dispatcher can beat: by hand, tight where theory says so, and below every dispatcher."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from test_energy_properties import Episode, at_once, episodes, properties, tolerance

from agents import Oracle, make_dispatcher
from energy_route_env import Scenario, Trace, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.core.state import Battery
from energy_route_env.theory.schedule import Future, best_schedule
from eval.bounds import hindsight_bound, hindsight_bounds, known_future
from eval.rollout import draw_traces, run_traces

SOLAR = make_scenario("solar")


PLAIN = Battery()


def least(battery: Battery = PLAIN, weight: Any = None, **given: Any) -> float:
    """The grid's share in a world of a few slots; what is not given is 0."""
    n = len(next(iter(given.values())))
    arrays = {name: np.array(given.get(name, [0.0] * n), float) for name in Future._fields[:-1]}
    return best_schedule(Future(**arrays, weight=np.array(weight or [1.0] * n, float)), battery).auxiliary


@pytest.mark.parametrize(
    ("battery", "expected"),
    [
        (Battery(), 1.0),  # 4 harvested, 1 used at once, 3 of 4 stored and used later
        (Battery(charge_efficiency=0.5), 2.5),  # 1.5 are stored
        (Battery(discharge_efficiency=0.5), 2.5),
        (Battery(charge_efficiency=0.5, discharge_efficiency=0.5), 3.25),
        (Battery(capacity_j=2.0), 2.0),
        (Battery(capacity_j=2.0, charge_efficiency=0.5), 2.5),  # the limit is on what is left after the loss
        (Battery(capacity_j=2.0, discharge_efficiency=0.5), 3.0),
        (Battery(capacity_j=0.0), 4.0),
        (Battery(initial_battery_j=0.5), 0.5),
        (Battery(initial_battery_j=0.5, capacity_j=0.5), 3.5),
    ],
)
def test_what_cannot_wait_is_supplied_from_harvest_then_battery_then_grid(battery: Battery, expected: float) -> None:
    assert least(battery, harvest_j=[4, 0], demand_j=[1, 4]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("arrived", "due", "expected"),
    [
        ([3, 3, 3], [0, 0, 3], 0.0),  # waits for the sun in the second slot
        ([3, 3, 3], [1, 1, 3], 1.0),
        ([3, 3, 3], [3, 3, 3], 3.0),
        ([1, 1, 3], [0, 0, 3], 1.0),  # 1 waits for the sun, 1 of 2 stored at a loss of half for the late 2
    ],
)
def test_what_can_wait_runs_between_its_arrival_and_its_deadline(
    arrived: list[float], due: list[float], expected: float
) -> None:
    battery = Battery(charge_efficiency=0.5)
    assert least(battery, harvest_j=[0, 3, 0], arrived_j=arrived, due_j=due) == pytest.approx(expected, abs=1e-9)


def test_what_has_run_stays_run() -> None:
    """3 harvested, 1.5 of them stored for a demand of 3, while what waits runs on the harvest of the last slot."""
    given = {"harvest_j": [3, 0, 3], "demand_j": [0, 3, 0], "arrived_j": [3, 3, 3], "due_j": [0, 0, 3]}
    assert least(Battery(charge_efficiency=0.5), **given) == pytest.approx(1.5, rel=1e-9)


def test_a_joule_from_the_grid_counts_by_its_slot_and_never_charges_the_battery() -> None:
    """2 wait for the cheap second slot, 1 cannot and costs 5; charging in the first slot would cost 1."""
    given = {"harvest_j": [0, 0, 0], "demand_j": [0, 0, 1], "arrived_j": [2, 2, 2], "due_j": [0, 2, 2]}
    assert least(weight=[1, 0.5, 5], **given) == pytest.approx(6.0, rel=1e-9)


def test_the_battery_is_kept_for_the_slot_where_the_grid_counts_most() -> None:
    assert least(Battery(initial_battery_j=1.0), [1, 3], harvest_j=[0, 0], demand_j=[1, 1]) == pytest.approx(1.0)


def test_after_the_last_slot_the_backlog_runs_from_the_battery_and_the_grid() -> None:
    """One task arrives in the last slot, after the sun, and may outlast the episode: it runs either way."""
    scenario = make_scenario("paper", horizon_slots=2, deadline_slots=5, charge_efficiency=0.5)
    energy = scenario.energy_j(1.8).min()
    trace = Trace.of([0.5 * energy, 0.25 * energy], [1], [1.8], deadline_slots=[5])
    assert hindsight_bound(scenario, trace) == pytest.approx(0.5 * energy)  # 0.25 stored, 0.25 at once, or 0.125 later


def test_what_the_grid_counts_may_be_small_numbers() -> None:
    """In kg a joule weighs about 1e-7: the bound keeps its figures."""
    scenario = make_scenario("carbon")
    trace = draw_traces(scenario, [0], 0)[0]
    grams = replace(trace, grid_weight=1e3 * trace.grid_weight)
    assert 1e3 * hindsight_bound(scenario, trace) == pytest.approx(hindsight_bound(scenario, grams), rel=1e-12)
    schedule = best_schedule(known_future(scenario, trace)._replace(weight=np.full(169, 1e-7)), scenario.battery)
    even = best_schedule(known_future(scenario, trace)._replace(weight=np.ones(169)), scenario.battery)
    assert schedule.auxiliary == pytest.approx(1e-7 * even.auxiliary, rel=1e-9)
    assert schedule.grid_j.sum() == pytest.approx(even.auxiliary, rel=1e-9)


@pytest.mark.parametrize("name", ["myopic", "greedy-deferral", "receding-persistence", "receding-perfect"])
def test_in_carbon_too_none_draws_less_than_the_bound(name: str) -> None:
    scenario = make_scenario("carbon", horizon_slots=72)
    traces = draw_traces(scenario, range(10), 0)
    drawn = run_traces(scenario, make_dispatcher(name, scenario), traces).cost[:, 0]
    assert (drawn >= hindsight_bounds(scenario, traces) * (1 - 1e-9)).all()


def test_where_none_can_wait_the_bound_is_in_the_scenarios_unit() -> None:
    scenario = make_scenario("carbon", horizon_slots=24, deadline_slots=0)
    traces = draw_traces(scenario, range(3), 0)
    drawn = run_traces(scenario, Oracle(scenario), traces)
    np.testing.assert_array_equal(hindsight_bounds(scenario, traces), drawn.cost[:, 0])
    assert (drawn.cost < drawn.auxiliary_j).all()


def test_two_tasks_of_unequal_deadlines_are_bounded_by_what_is_due() -> None:
    """The night's task needs the grid, the patient one does not: neither stands in for the other."""
    scenario = make_scenario("paper", horizon_slots=2, deadline_slots=1)
    energy = scenario.energy_j(1.8).min()
    trace = Trace.of([0.0, 5 * energy], [0, 0], [1.8, 1.8], deadline_slots=[1, 0])
    assert hindsight_bound(scenario, trace) == pytest.approx(energy)


@pytest.mark.parametrize("fields", [{}, {"capacity_j": 3000.0, "charge_efficiency": 0.9, "discharge_efficiency": 0.8}])
def test_where_no_task_can_wait_the_programme_is_the_oracle(fields: dict[str, Any]) -> None:
    """On each trace, to 1e-9 of demand: the oracle is optimal path by path, with any battery."""
    scenario = make_scenario("uncertain", **fields)
    traces = draw_traces(scenario, range(20), 0)
    drawn = run_traces(scenario, Oracle(scenario), traces).auxiliary_j[:, 0]
    demand = np.array([scenario.energy_j(trace.difficulty).min(axis=-1).sum() for trace in traces])
    found = [best_schedule(known_future(scenario, trace), scenario.battery).auxiliary for trace in traces]
    assert (np.abs(found - drawn) <= 1e-9 * demand).all()
    np.testing.assert_array_equal(hindsight_bounds(scenario, traces), drawn)


@pytest.mark.parametrize("waits", [False, True])
def test_a_trace_of_another_scenario_is_refused(waits: bool) -> None:
    trace = Trace.of([1.0, 2.0], [0], [1.8])
    with pytest.raises(InputError, match=re.escape("harvest_j.shape is (2,), but it must be (3,), the horizon")):
        hindsight_bound(make_scenario("paper", horizon_slots=3, deadline_slots=int(waits)), trace)


@properties
@given(episodes())
def test_no_choices_draw_less_than_the_bound(episode: Episode) -> None:
    """Any battery, noise and deadlines; to 1e-6 of all energy that takes part."""
    episode = at_once(episode)
    bound = hindsight_bound(episode.scenario, episode.trace)
    assert 0 <= bound <= episode.play().balance["auxiliary_j"] + 1e3 * tolerance(episode)


def beaten_by(scenario: Scenario, names: tuple[str, ...], count: int) -> float:
    """The most by which a dispatcher stays below the bound on any trace, as a share of the trace's demand."""
    traces = draw_traces(scenario, range(count), 0)
    told: list[int] = []
    bounds = hindsight_bounds(scenario, traces, told.append)
    assert sum(told) == count
    demand = np.array([scenario.energy_j(trace.difficulty).min(axis=-1).sum() for trace in traces])
    drawn = [run_traces(scenario, make_dispatcher(name, scenario), traces).auxiliary_j[:, 0] for name in names]
    return float(((bounds - np.array(drawn)) / demand).max())


def test_the_best_in_solar_stay_above_the_bound_and_reach_it_on_some_trace() -> None:
    """Learned and surplus deferral draw just what the bound says on easy days: 1e-9 of demand apart."""
    assert abs(beaten_by(SOLAR, ("surplus-deferral", "learned"), 60)) <= 1e-9


@pytest.mark.slow
def test_no_dispatcher_beats_the_bound_on_any_of_2000_traces_of_solar() -> None:
    names = ("oracle", "myopic", "error-0.05", "fixed-0", "fixed-1", "random", "greedy-deferral", "surplus-deferral")
    assert beaten_by(SOLAR, (*names, "learned"), 2000) <= 1e-6


@pytest.mark.parametrize("name", ["carbon", "solar"])
def test_prices_are_slopes_of_what_is_still_to_come(name: str) -> None:
    """It is convex in the charge and in what has run, so it lies above every line of its slope: 5 slots, both ways."""
    scenario = make_scenario(name, horizon_slots=96)
    (trace,) = draw_traces(scenario, [4], 1)
    future, battery = known_future(scenario, trace), scenario.battery
    best, unit_j = best_schedule(future, battery), scenario.mean_demand_j

    def to_come(slot: int, stored_j: float, served_j: float) -> float:
        rest = Future(*(values[slot + 1 :] for values in future))
        rest = rest._replace(arrived_j=rest.arrived_j - served_j, due_j=np.maximum(rest.due_j - served_j, 0.0))
        return best_schedule(rest, battery._replace(initial_battery_j=stored_j)).auxiliary

    sloped = 0
    for slot in (5, 20, 40, 60, 80):
        stored_j, served_j = max(best.battery_j[slot], 0.0), best.served_j[slot]
        here = to_come(slot, stored_j, served_j)
        for more_j in (-unit_j, unit_j):
            if stored_j + more_j >= 0:
                slope = best.stored_price[slot] * more_j
                assert to_come(slot, stored_j + more_j, served_j) >= here - slope - 1e-6 * best.auxiliary
            if served_j + more_j <= future.arrived_j[slot]:
                slope = best.served_price[slot] * more_j
                assert to_come(slot, stored_j, served_j + more_j) >= here - slope - 1e-6 * best.auxiliary
                sloped += slope != 0
    assert sloped > 2
