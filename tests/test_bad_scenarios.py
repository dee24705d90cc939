"""A bad field of a scenario, an unknown scenario and a malformed weather file are refused in a sentence."""

import math
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers.refusals import ABOVE_0, AT_LEAST_0, COUNT_FROM_0, COUNT_FROM_1, SHARE, nearest_one, refused

from energy_route_env import SCENARIOS, Scenario, make_scenario
from energy_route_env.world.arrivals import PoissonArrivals
from energy_route_env.world.harvest import GammaHarvest

ENV_ID = "EnergyRoute-v0"
NAN, INF = math.nan, math.inf

NO_CARBON = SimpleNamespace(unit="kg CO2", mean=0.0, draw=np.zeros)
NUMBERS: dict[str, tuple[str, list[Any]]] = {
    "difficulty_noise": (AT_LEAST_0, [-0.1]),
    "arrival_rate": (AT_LEAST_0, [-1]),
    "renewable_ratio": (AT_LEAST_0, [-0.5]),
    "harvest_cv": (AT_LEAST_0, [-0.5]),
    "overhead_j": (AT_LEAST_0, [-0.1, 1e151]),
    "queries_per_task": (ABOVE_0, [0, -1.0]),
    "slot_seconds": (ABOVE_0, [0, -900.0]),
    "deferrable_share": ("a finite number at least 0.0 and at most 1.0", [-0.1, 1.1]),
    "charge_efficiency": (SHARE, [0, -0.5, 1.1]),
    "discharge_efficiency": (SHARE, [0, -0.5, 1.1]),
    "initial_battery_j": (AT_LEAST_0, [-1.0, 1e301]),
    "deadline_slots": (COUNT_FROM_0, [-1, 1.5, 2.0]),
    "horizon_slots": (COUNT_FROM_1, [0, -1, 1.5, 10.0]),
}
NO_NUMBERS = [NAN, INF, -INF, True, "1", None, [1.0], (0.5, 0.5), np.array([1.0, 1.0]), 1j]
FIELDS: list[tuple[dict[str, Any], str, str, str]] = [
    *(
        ({field: value}, field, repr(value), allowed)
        for field, (allowed, outside) in NUMBERS.items()
        for value in outside + NO_NUMBERS
        if not (field == "harvest_cv" and value is None)  # allowed, with a weather file
    ),
    *(
        ({"capacity_j": value}, "capacity_j", repr(value), "at least 0")
        for value in (-1.0, NAN, -INF, True, "inf", None, [1.0], np.array([1.0, 2.0]))
    ),
    ({"initial_battery_j": 5.0, "capacity_j": 4.0}, "initial_battery_j", "5.0", "at most"),
    ({"harvest_cv": None}, "harvest_cv", "None", "a number where neither is"),
    (
        {"harvest_cv": 0.5, "weather_file": "year.csv"},
        "harvest_cv",
        "0.5",
        "None where weather_file or harvest_source is given",
    ),
    ({"scenario": "solar", "weather_file": None}, "harvest_cv", "None", "a number where neither is"),
    ({"harvest_source": GammaHarvest(1.0, 0.5), "harvest_cv": 0.5}, "harvest_cv", "0.5", "given: ['harvest_source']"),
    ({"harvest_source": 5.0}, "harvest_source", "5.0", "all that HarvestSource has"),
    ({"harvest_source": GammaHarvest(0.0, 0.5)}, "harvest_source.mean_j", "0.0", "above 0.0"),
    ({"execution": "later"}, "execution", "'later'", "one of ('at_once', 'over_latency')"),
    ({"execution": None}, "execution", "None", "one of ('at_once', 'over_latency')"),
    ({"execution": "over_latency", "failures": "retried"}, "execution", "'over_latency'", "'at_once' where failures"),
    ({"grid_source": 0.4}, "grid_source", "0.4", "all that GridSource has"),
    ({"scenario": "carbon", "slot_seconds": 7200.0}, "slot_seconds", "7200.0", "a divisor of the hour"),
    ({"scenario": "carbon", "grid_source": NO_CARBON}, "grid_source.mean", "0.0", "above 0.0"),
    ({"arrival_source": "poisson"}, "arrival_source", "'poisson'", "all that ArrivalSource has"),
    ({"arrival_source": PoissonArrivals(2.0)}, "arrival_rate", "1.0", "2.0, the mean of arrival_source"),
    ({"scenario": "solar", "slot_seconds": 7.0}, "slot_seconds", "7.0", "a divisor of the day"),
    ({"scenario": "solar", "slot_seconds": 172_800.0}, "slot_seconds", "172800.0", "a divisor of the day"),
    *(
        ({"weather_file": value}, "weather_file", repr(value), "path")
        for value in (5, 1.5, True, NAN, ["723170TYA.CSV"], "", "no such year.csv", "/", ".")
    ),
    *(
        ({"continuing": value}, "continuing", repr(value), "True or False")
        for value in (0, 1, NAN, None, "yes", [True], np.array([True, False]))
    ),
    *(
        ({"failures": value}, "failures", repr(value), "one of ('ignored', 'retried')")
        for value in ("twice", True, None, 1, ["retried"])
    ),
    ({"models": ()}, "models", "()", "one or more parameter counts"),
    *(
        ({"models": value}, "models", repr(value), "parameter counts")
        for value in (5, 1e9, True, None, "1e9", np.array(1e9))
    ),
    *(
        ({"models": (1e9, value)}, "models", repr(value), ABOVE_0)
        for value in (NAN, INF, 0, -1e9, True, "1e10", None, [1e9], (1e9, 1e10))
    ),
    ({"difficulties": ()}, "difficulties", "()", "one or more numbers"),
    *(({"difficulties": value}, "difficulties", repr(value), "numbers") for value in (1.7, None, True, np.array(1.7))),
    *(
        ({"difficulties": (1.7, value)}, "difficulties", repr(value), "a finite number")
        for value in (NAN, INF, -INF, True, "1.8", None, [1.8], (1.7, 1.8))
    ),
    ({"difficulties": "hard"}, "difficulties", "'h", "number"),
    *(({field: value}, field, repr(value), "a string") for field in ("name", "summary") for value in (3, None)),
]


@pytest.mark.parametrize(
    ("overrides", "field", "value", "allowed"),
    FIELDS,
    ids=[", ".join(f"{key}={value!r}" for key, value in row[0].items()) for row in FIELDS],
)
def test_a_bad_field_is_refused_by_name_value_and_what_is_allowed(
    overrides: dict[str, Any], field: str, value: str, allowed: str
) -> None:
    with refused(field, value, allowed):
        gym.make(ENV_ID, **overrides)


def test_every_field_of_a_scenario_is_in_the_table() -> None:
    assert {field.partition(".")[0] for _, field, _, _ in FIELDS} == set(Scenario.__dataclass_fields__)


@pytest.mark.parametrize("bad", [{"arrival_rate": NAN}, {"charge_efficiency": 0.0}, {"models": (0.0,)}], ids=repr)
def test_a_scenario_built_directly_is_checked_at_once(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Scenario(**bad)


def test_the_vector_environment_refuses_the_same_fields() -> None:
    with pytest.raises(ValueError, match=r"^horizon_slots is 0, but it must be a whole number, 1 or more\.$"):
        gym.make_vec(ENV_ID, num_envs=2, horizon_slots=0)


@pytest.mark.parametrize(
    "fine",
    [
        {"capacity_j": INF},
        {"capacity_j": 0.0},
        {"arrival_rate": 0},
        {"renewable_ratio": 0},
        {"harvest_cv": 0},
        {"deferrable_share": 0.0, "deadline_slots": 3},
        {"deferrable_share": 1, "deadline_slots": 3},
        {"charge_efficiency": 1, "discharge_efficiency": 1},
        {"horizon_slots": 1},
        {"horizon_slots": np.int64(5), "deadline_slots": np.int32(2), "arrival_rate": np.float32(1.5)},
        {"horizon_slots": np.uint8(254), "deadline_slots": np.int8(100)},
        {"initial_battery_j": 4.0, "capacity_j": 4.0},
        {"models": [1e9]},
        {"models": np.array([1e9, 1e10])},
        {"difficulties": [1.8]},
        {"difficulties": np.array([1.7, 1.9])},
        {"continuing": np.True_},
    ],
    ids=repr,
)
def test_the_bounds_themselves_and_numpys_numbers_are_allowed(fine: dict[str, Any]) -> None:
    env = gym.make(ENV_ID, **fine)
    env.reset(seed=0)
    env.step(0)


@pytest.mark.parametrize(
    "overrides",
    [
        {"models": (1e300,)},
        {"models": (1e-5, 1e9)},
        {"difficulties": (-1000.0, 1.7)},
        {"difficulty_noise": 5.0},
        {"queries_per_task": 1e308},
        {"renewable_ratio": 1e308},
        {"harvest_cv": 1e200},
        {"arrival_rate": 1e300},
        {"deadline_slots": 10**30},
    ],
    ids=repr,
)
def test_values_beyond_what_can_be_computed_are_refused_in_a_sentence(overrides: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^\w+.* is .*, but it must be .*\.$"):
        env = gym.make(ENV_ID, **overrides)
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("papr", "paper"),
        ("Solar", "solar"),
        ("uncertainty", "uncertain"),
        ("", None),
        (None, None),
        (3, None),
        (["paper"], None),
    ],
)
def test_an_unknown_scenario_is_told_the_nearest_one_and_all(given: Any, nearest: str | None) -> None:
    with refused("scenario", repr(given), nearest_one(nearest)) as caught:
        gym.make(ENV_ID, scenario=given)
    assert all(name in str(caught.value) for name in SCENARIOS)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("horizon", "horizon_slots"),
        ("renewable_ration", "renewable_ratio"),
        ("lambda_rate", "arrival_rate"),
        ("battery_capacity_j", "capacity_j"),
    ],
)
def test_an_unknown_field_is_told_the_nearest_one(given: str, nearest: str) -> None:
    for build in (make_scenario, lambda **overrides: gym.make(ENV_ID, **overrides)):
        with refused("scenario field", repr(given), f"nearest valid one is {nearest!r}"):
            build(**{given: 1})


def shipped_year() -> list[str]:
    pytest.importorskip("pvlib")
    return (resources.files("pvlib") / "data" / "723170TYA.CSV").read_text().splitlines(keepends=True)


def with_column(lines: list[str], name: str, value: str) -> list[str]:
    """The year with one column's values replaced."""
    at = lines[1].split(",").index(name)
    rows = [line.split(",") for line in lines[2:]]
    return lines[:2] + [",".join([*row[:at], value, *row[at + 1 :]]) for row in rows]


def dark(lines: list[str]) -> list[str]:
    for name in ("GHI (W/m^2)", "DNI (W/m^2)", "DHI (W/m^2)"):
        lines = with_column(lines, name, "0")
    return lines


@pytest.mark.parametrize(
    ("damage", "allowed"),
    [
        (lambda lines: [], "a whole year by the hour"),
        (lambda lines: ["this is no weather\n"] * 20, "a whole year by the hour"),
        (lambda lines: ["\x00\x01\x02"], "a whole year by the hour"),
        (lambda lines: lines[:2], "a whole year by the hour"),
        (lambda lines: lines[:5000], "a whole year by the hour"),
        (lambda lines: lines + lines[-24:], "a whole year by the hour"),
        (lambda lines: with_column(lines, "Wspd (m/s)", "calm"), "a whole year by the hour"),
        (lambda lines: [lines[0], lines[1].replace("GHI (W/m^2)", "sun"), *lines[2:]], "a whole year by the hour"),
        (lambda lines: with_column(lines, "Dry-bulb (C)", ""), "no missing values"),
        (dark, "sunshine"),
    ],
    ids=[
        "empty",
        "words",
        "binary",
        "header only",
        "cut short",
        "too long",
        "text in a column",
        "no GHI",
        "gap",
        "dark",
    ],
)
def test_a_malformed_weather_file_is_refused(damage: Any, allowed: str, tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("".join(damage(shipped_year())))
    with refused("weather_file", repr(str(path)), allowed):
        gym.make(ENV_ID, scenario="solar", weather_file=str(path))


def test_a_copy_of_the_shipped_year_gives_the_same_harvest(tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("".join(shipped_year()))
    copied, shipped = make_scenario("solar", weather_file=str(path)), make_scenario("solar")
    traces = [scenario.draw(np.random.default_rng(0)) for scenario in (copied, shipped)]
    np.testing.assert_array_equal(traces[0].harvest_j, traces[1].harvest_j)
