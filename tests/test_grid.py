"""What a joule from the grid counts: rewards, forecasts, and the file that they come from."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from agents import make_dispatcher
from energy_route_env import Trace, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.world.forecast import persistence
from energy_route_env.world.grid import RecordedGrid
from energy_route_env.world.harvest import HarvestFile
from energy_route_env.world.recorded import read_columns
from eval.rollout import draw_traces, run_traces, simulate
from tests.helpers.envs import ENV_ID

CARBON = make_scenario("carbon")
E = CARBON.energy_j(1.9)
"""Joules of the easiest task on both models."""


def carbon_trace(harvest: list[float], weights: list[float], slots: list[int], deadlines: list[int]) -> Trace:
    day = np.ones(24)
    return Trace.of(harvest, slots, [1.9] * len(slots), None, deadlines, weights, day, day)


def rewards(trace: Trace, actions: list[int]) -> list[float]:
    env = gym.make(ENV_ID, scenario="carbon", horizon_slots=len(trace.harvest_j))
    env.reset(options={"trace": trace})
    return [env.step(action)[1] for action in actions]


def test_a_joule_counts_what_it_does_in_the_slot_that_it_is_drawn_in() -> None:
    trace = carbon_trace([0.0, 0.0], [0.25, 3.0], [0, 1], [0, 0])
    assert rewards(trace, [0, 1]) == [-0.25 * E[0], -3.0 * E[1]]


def test_a_task_that_waits_counts_in_its_later_slot_and_what_is_left_as_in_the_last() -> None:
    trace = carbon_trace([0.0, 0.0, 0.0], [5.0, 1.0, 2.0], [0, 0], [9, 9])
    # Deferred at first; then one runs in slot 1, the other is left to the end.
    assert rewards(trace, [2, 0, 2, 2]) == [0.0, -E[0], 0.0, -2.0 * E.min()]


def test_harvest_counts_nothing() -> None:
    trace = carbon_trace([0.4 * E[0]], [2.0], [0], [0])
    assert rewards(trace, [0]) == [pytest.approx(-2.0 * 0.6 * E[0])]


def test_where_every_joule_counts_the_same_the_cost_is_that_times_the_energy() -> None:
    flat = [replace(trace, grid_weight=np.full(168, 0.5)) for trace in draw_traces(CARBON, range(20), 0)]
    result = run_traces(CARBON, make_dispatcher("surplus-deferral", CARBON), flat)
    np.testing.assert_allclose(result.cost, 0.5 * result.auxiliary_j, rtol=1e-12)


def test_a_simulations_cost_is_minus_the_sum_of_rewards() -> None:
    result = simulate(CARBON, make_dispatcher("myopic", CARBON), 2)
    env = gym.make(ENV_ID, scenario=CARBON)
    for trace, cost in zip(draw_traces(CARBON, range(2), 0), result.cost[:, -1], strict=True):
        env.reset(options={"trace": trace})
        total, over = 0.0, False
        while not over:
            _, reward, over, _, _ = env.step(int(env.unwrapped.decision().expected_energy_j[0].argmin()))
            total -= reward
        assert total == pytest.approx(cost, rel=1e-12)
    paper = simulate(make_scenario("paper"), make_dispatcher("myopic", make_scenario("paper")), 3)
    np.testing.assert_array_equal(paper.cost, paper.auxiliary_j)


def test_harvest_and_carbon_come_from_the_same_hours() -> None:
    wind, sun, carbon = read_columns("ercot_2022.csv", ("wind_mw", "sun_mw", "carbon_g_per_kwh"))
    shape = wind / wind.mean() + sun / sun.mean()
    trace = CARBON.draw(np.random.default_rng(5))
    assert trace.start_slot is not None and trace.grid_weight is not None and trace.past_harvest_j is not None
    assert trace.start_slot % 24 == 0
    hours = np.arange(trace.start_slot - 24, trace.start_slot + 168) % 8760
    harvest_j = np.append(trace.past_harvest_j, trace.harvest_j)
    np.testing.assert_allclose(harvest_j, CARBON.harvest.mean_j * shape[hours] / 2, rtol=1e-12)
    weights = np.append(trace.past_grid_weight, trace.grid_weight)
    np.testing.assert_allclose(weights, carbon[hours] / 1000 / 3.6e6, rtol=1e-12)  # g/kWh to kg/J


def test_persistence_forecasts_the_day_before_and_a_departure_that_fades() -> None:
    rng, day, n = np.random.default_rng(2), 48, 100  # slots of half an hour
    series = rng.random(day + n)
    expected = np.empty((n, 3))
    for t in range(n):
        for k, (first, last) in enumerate(((0, 12), (12, 24), (24, 48))):
            leads = np.arange(first + 1, last + 1)
            departure = series[day + t] - series[t]
            expected[t, k] = np.mean(series[t + leads] + 0.5 ** (leads / 12) * departure)
    np.testing.assert_allclose(persistence(series, day), np.maximum(expected, 0.0), rtol=1e-12)


def test_a_forecast_knows_nothing_of_the_future() -> None:
    series = np.random.default_rng(3).random(24 + 60)
    changed = np.where(np.arange(84) > 24 + 30, 7.0, series)
    np.testing.assert_array_equal(persistence(series, 24)[:31], persistence(changed, 24)[:31])


def test_decision_and_observation_show_the_present_weight_and_the_forecasts() -> None:
    trace = CARBON.draw(np.random.default_rng(1))
    env = gym.make(ENV_ID, scenario="carbon")
    observation, _ = env.reset(options={"trace": trace})
    seen, t, mean = env.unwrapped.decision(), int(trace.task_slot[0]), CARBON.mean_grid_weight
    weights = np.append(trace.past_grid_weight, trace.grid_weight)
    harvest_j = np.append(trace.past_harvest_j, trace.harvest_j)
    assert seen.grid_weight == trace.grid_weight[t]
    np.testing.assert_array_equal(seen.grid_forecast[0], persistence(weights, 24)[t])
    np.testing.assert_array_equal(seen.harvest_forecast_j[0], persistence(harvest_j, 24)[t])
    assert env.unwrapped.feature_names[9:] == ("grid", "grid_6h", "grid_12h", "grid_24h", *HARVEST_NAMES)
    np.testing.assert_allclose(observation[9], seen.grid_weight / mean - 1, rtol=1e-5)
    np.testing.assert_allclose(observation[10:13], seen.grid_forecast[0] / mean - 1, rtol=1e-5)
    forecast_j = seen.harvest_forecast_j[0]
    np.testing.assert_allclose(observation[13:], forecast_j / (forecast_j + CARBON.harvest.mean_j), rtol=1e-5)


HARVEST_NAMES = ("harvest_6h", "harvest_12h", "harvest_24h")


def test_a_trace_without_weights_is_refused() -> None:
    bare = Trace.of(np.ones(168), [0], [1.8])
    with pytest.raises(InputError, match=r"trace\.grid_weight is None, but it must be given"):
        gym.make(ENV_ID, scenario="carbon").reset(options={"trace": bare})
    with pytest.raises(InputError, match=r"grid_weight\[1\] is -1\.0, but it must be finite and at least 0"):
        Trace.of([1.0, 1.0], [0], [1.8], grid_weight=[1.0, -1.0])
    short = Trace.of(np.ones(168), [0], [1.8], None, None, np.ones(168), np.ones(24), np.ones(23))
    with pytest.raises(InputError, match=r"trace\.past_grid_weight\.shape is \(23,\), but it must be \(24,\), a day"):
        gym.make(ENV_ID, scenario="carbon").reset(options={"trace": short})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "column of .* is 'c', but it must be one of"),
        ("a,c\n1,x\n", "must hold numbers"),
        ("a,c\n1,-2\n", r"c\[0\] is -2.0, but it must be finite and at least 0"),
        ("a,c\n", "rows of .* is 0, but it must be 1 or more"),
    ],
)
def test_a_recorded_file_is_refused_by_file_and_column(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "year.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        _ = RecordedGrid(str(tmp_path / "year.csv"), "c", 1.0, "kg").mean


def test_a_missing_file_is_refused_with_those_that_ship() -> None:
    with pytest.raises(InputError, match=r"'no.csv', but it must be the path of a CSV file, or one of .*ercot_2022"):
        _ = HarvestFile("no.csv", ("wind_mw",)).mean_j


def test_a_byte_order_mark_is_no_part_of_a_columns_name(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("wind,sun\n1,2\n", encoding="utf-8-sig")
    assert read_columns(str(tmp_path / "own.csv"), ("wind", "sun")) == ([1.0], [2.0])
