"""Bad input is refused in a sentence that names the field, shows the value and says what is allowed."""

import math
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents import NAMES, make_dispatcher
from energy_route_env import SCENARIOS, EnergyRouteEnv, Scenario, Trace, make_scenario
from eval.__main__ import main as run_command_line
from eval.rollout import simulate

ENV_ID = "EnergyRoute-v0"
ROOT = Path(__file__).parents[1]
NAN, INF = math.nan, math.inf


def assert_says(message: str, field: str, value: str, allowed: str) -> None:
    """One line, a whole sentence, field and value in its first half and what is allowed in its second."""
    found, *told = re.split(r", but it must | is unknown; the ", message, maxsplit=1)
    named = re.search(rf"(?<![a-z_]){re.escape(field)}(?![a-z_])", found)
    assert named, message
    assert value in found[named.end() :], message
    assert told and allowed in told[0], message
    assert "\n" not in message
    assert message.endswith(".")


# Every field of a scenario

AT_LEAST_0 = "a finite number at least 0"
ABOVE_0 = "a finite number above 0"
SHARE = "a finite number above 0.0 and at most 1.0"
COUNT_FROM_0, COUNT_FROM_1 = "a whole number, 0 or more", "a whole number, 1 or more"
NUMBERS: dict[str, tuple[str, list[Any]]] = {
    "difficulty_noise": (AT_LEAST_0, [-0.1]),
    "arrival_rate": (AT_LEAST_0, [-1]),
    "renewable_ratio": (AT_LEAST_0, [-0.5]),
    "harvest_cv": (AT_LEAST_0, [-0.5]),
    "queries_per_task": (ABOVE_0, [0, -1.0]),
    "slot_seconds": (ABOVE_0, [0, -900.0]),
    "deferrable_share": ("a finite number at least 0.0 and at most 1.0", [-0.1, 1.1]),
    "charge_efficiency": (SHARE, [0, -0.5, 1.1]),
    "discharge_efficiency": (SHARE, [0, -0.5, 1.1]),
    "initial_battery_j": (AT_LEAST_0, [-1.0]),
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
    ({"harvest_cv": None}, "harvest_cv", "None", "a number where it is not"),
    ({"harvest_cv": 0.5, "weather_file": "year.csv"}, "harvest_cv", "0.5", "None where weather_file is given"),
    ({"scenario": "solar", "weather_file": None}, "harvest_cv", "None", "a number where it is not"),
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
    with pytest.raises(ValueError) as caught:
        gym.make(ENV_ID, **overrides)
    assert_says(str(caught.value), field, value, allowed)


def test_every_field_of_a_scenario_is_in_the_table() -> None:
    assert {field for _, field, _, _ in FIELDS} == set(Scenario.__dataclass_fields__)


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


# Names that are not known


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
    with pytest.raises(ValueError) as caught:
        gym.make(ENV_ID, scenario=given)
    assert_says(
        str(caught.value), "scenario", repr(given), f"nearest valid one is {nearest!r}" if nearest else "nearest"
    )
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
        with pytest.raises(ValueError) as caught:
            build(**{given: 1})
        assert_says(str(caught.value), "scenario field", repr(given), f"nearest valid one is {nearest!r}")


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("oracl", "oracle"),
        ("variance_aware", "variance-aware"),
        ("myopick", "myopic"),
        ("greedy", "greedy-deferral"),
        ("error--0.1", None),
        ("fixed--1", None),
        ("", None),
    ],
)
def test_an_unknown_dispatcher_is_told_the_nearest_one(given: str, nearest: str | None) -> None:
    with pytest.raises(ValueError) as caught:
        make_dispatcher(given, make_scenario())
    assert_says(
        str(caught.value), "dispatcher", repr(given), f"nearest valid one is {nearest!r}" if nearest else "nearest"
    )


@pytest.mark.parametrize(
    ("given", "value", "allowed"),
    [
        ("error-1.5", "1.5", "at least 0.0 and at most 1.0"),
        ("error-nan", "nan", "at least 0.0 and at most 1.0"),
        ("error-often", "often", "number"),
        ("error-", "''", "number"),
        ("fixed-2", "2", "at most 1, the pool's last"),
        ("fixed-0.5", "0.5", "number"),
        ("fixed-small", "small", "number"),
        ("surplus-deferral-1.1", "1.1", "at least 0.0 and at most 1.0"),
        ("surplus-deferral-full", "full", "number"),
        ("error-RATE", "RATE", "number"),
        ("fixed-MODEL", "MODEL", "number"),
    ],
)
def test_a_dispatchers_bad_number_is_refused(given: str, value: str, allowed: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_dispatcher(given, make_scenario())
    message = str(caught.value)
    assert f"dispatcher is {given!r}" in message
    assert value in message.replace(given, "")
    assert allowed in message


def test_every_listed_dispatcher_name_can_be_made() -> None:
    names = [name.replace("RATE", "0.05").replace("MODEL", "0") for name in NAMES]
    assert len({type(make_dispatcher(name, make_scenario("solar"))) for name in names}) == len(names)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_an_unknown_reset_option_is_told_the_nearest_one(make: Any) -> None:
    with pytest.raises(ValueError) as caught:
        make(ENV_ID).unwrapped.reset(options={"traces": None})
    assert_says(str(caught.value), "reset option", "'traces'", "nearest valid one is 'trace'")


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("seed", [-1, 1.5, "1"])
def test_a_bad_seed_is_refused_by_gymnasiums_rules(make: Any, seed: Any) -> None:
    with pytest.raises(gym.error.Error, match="Seed must be"):
        make(ENV_ID).unwrapped.reset(seed=seed)


@pytest.mark.parametrize(
    ("arguments", "field", "value", "allowed"),
    [
        *(({"num_envs": value}, "num_envs", repr(value), COUNT_FROM_1) for value in (0, -1, 1.5, True, "3", None, NAN)),
        *(
            ({"autoreset_mode": value}, "autoreset_mode", repr(value), "'NextStep', 'SameStep', 'Disabled'")
            for value in ("bogus", None, 1, ["NextStep"])
        ),
        ({"render_mode": "human"}, "render_mode", "'human'", "None: this version does not render"),
    ],
)
def test_bad_arguments_of_the_vector_environment_are_refused(
    arguments: dict[str, Any], field: str, value: str, allowed: str
) -> None:
    with pytest.raises(ValueError) as caught:
        gym.make_vec(ENV_ID, **arguments)
    assert str(caught.value).startswith(f"{field} is {value}, but it must be ")
    assert allowed in str(caught.value)


@pytest.mark.parametrize("mode", ["bogus", "HUMAN", 1, ["ansi"]])
def test_the_single_environment_refuses_an_unknown_render_mode(mode: Any) -> None:
    with pytest.raises(ValueError) as caught:
        EnergyRouteEnv(render_mode=mode)
    assert_says(str(caught.value), "render_mode", repr(mode), "None or one of ['human', 'rgb_array', 'ansi']")


# Actions


@pytest.mark.parametrize("scenario", [{"horizon_slots": 5}, {"horizon_slots": 5, "deadline_slots": 2}])
@pytest.mark.parametrize(
    "action",
    [-1, 3, 10**30, 0.0, 1.0, np.float64(0), NAN, None, "0", [0], np.array([0]), np.array([0, 1]), np.zeros(1)],
)
def test_a_bad_action_is_refused_and_changes_nothing(scenario: dict[str, Any], action: Any) -> None:
    env, other = (gym.make(ENV_ID, arrival_rate=3.0, **scenario).unwrapped for _ in range(2))
    env.reset(seed=0), other.reset(seed=0)
    with pytest.raises(ValueError) as caught:
        env.step(action)
    assert_says(str(caught.value), "action", repr(action), f"a whole number from 0 to {env.action_space.n - 1}")
    for _ in range(4):
        np.testing.assert_equal(env.step(1), other.step(1))


def test_the_number_of_models_is_no_action_where_nothing_can_wait() -> None:
    env = gym.make(ENV_ID).unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^action is 2, but it must be a whole number from 0 to 1\.$"):
        env.step(2)


# Traces

GOOD = {"harvest_j": [1.0, 2.0], "task_slot": [0, 1], "difficulty": [1.7, 1.8]}
LEVELS = [(field, value) for field in ("difficulty", "observed_difficulty") for value in (NAN, INF, -INF)]


@pytest.mark.parametrize(
    ("given", "field", "value", "allowed"),
    [
        ({"harvest_j": [1.0, NAN]}, "harvest_j[1]", "nan", "finite and at least 0"),
        ({"harvest_j": [INF, 1.0]}, "harvest_j[0]", "inf", "finite and at least 0"),
        ({"harvest_j": [1.0, -2.0]}, "harvest_j[1]", "-2.0", "finite and at least 0"),
        ({"harvest_j": []}, "harvest_j.shape", "(0,)", "one slot or more"),
        ({"harvest_j": [[1.0, 2.0]]}, "harvest_j.shape", "(1, 2)", "(1,)"),
        ({"harvest_j": [[1.0], [1.0, 2.0]]}, "harvest_j", "[[1.0], [1.0, 2.0]]", "an array of"),
        ({"harvest_j": 5.0}, "harvest_j", "5.0", "an array of"),
        ({"harvest_j": None}, "harvest_j", "None", "an array of"),
        ({"harvest_j": ["a", "b"]}, "harvest_j", "['a', 'b']", "an array of"),
        ({"harvest_j": ["1", "2"]}, "harvest_j", "['1', '2']", "an array of"),
        ({"harvest_j": [1j, 2.0]}, "harvest_j", "[1j, 2.0]", "an array of"),
        ({"task_slot": [1, 0]}, "task_slot[1]", "0", "at least the slot of the task before it"),
        ({"task_slot": [0, 2]}, "task_slot[1]", "2", "a slot from 0 to 1"),
        ({"task_slot": [-1, 0]}, "task_slot[0]", "-1", "a slot from 0 to 1"),
        ({"task_slot": [0.0, 1.0]}, "task_slot", "[0.0, 1.0]", "an array of int"),
        ({"task_slot": [False, True]}, "task_slot", "[False, True]", "an array of int"),
        ({"task_slot": ["0", "1"]}, "task_slot", "['0', '1']", "an array of int"),
        ({"task_slot": None}, "task_slot", "None", "an array of int"),
        ({"task_slot": 0}, "task_slot", "0", "an array of int"),
        ({"task_slot": [[0, 1]]}, "task_slot.shape", "(1, 2)", "(1,)"),
        ({"task_slot": [0]}, "difficulty.shape", "(2,)", "(1,)"),
        ({"difficulty": [1.7]}, "difficulty.shape", "(1,)", "(2,)"),
        ({"difficulty": 1.7}, "difficulty.shape", "()", "(2,)"),
        ({"difficulty": [[1.7], [1.8]]}, "difficulty.shape", "(2, 1)", "(2,)"),
        ({"difficulty": ["hard", "easy"]}, "difficulty", "['hard', 'easy']", "an array of"),
        ({"observed_difficulty": [1.7]}, "observed_difficulty.shape", "(1,)", "(2,)"),
        ({"observed_difficulty": "hard"}, "observed_difficulty", "'hard'", "an array of"),
        *(({field: [1.7, value]}, f"{field}[1]", repr(value), "finite") for field, value in LEVELS),
        ({"deadline_slots": [0, -1]}, "deadline_slots[1]", "-1", "at least 0"),
        ({"deadline_slots": [0.0, 1.0]}, "deadline_slots", "[0.0, 1.0]", "an array of int"),
        ({"deadline_slots": [1]}, "deadline_slots.shape", "(1,)", "(2,)"),
        ({"deadline_slots": 5}, "deadline_slots.shape", "()", "(2,)"),
    ],
    ids=repr,
)
def test_a_bad_trace_is_refused(given: dict[str, Any], field: str, value: str, allowed: str) -> None:
    with pytest.raises(ValueError) as caught:
        Trace.of(**(GOOD | given))
    assert_says(str(caught.value), field, value, allowed)


def test_a_trace_that_no_model_can_price_is_refused_when_it_is_run() -> None:
    env = gym.make(ENV_ID, horizon_slots=2).unwrapped
    with pytest.raises(ValueError) as caught:
        env.reset(options={"trace": Trace.of(**(GOOD | {"difficulty": [1.7, -1000.0]}))})
    assert_says(str(caught.value), "difficulty", "-1000.0", "finite energy")


@pytest.mark.parametrize(
    ("built", "field", "value", "allowed"),
    [
        (([1.0, 2.0], 0, 0.0, 0.0, 0), "harvest_j", "'list'", "a numpy array"),
        ((1.0, 0.0, 0.0, 0.0, 0), "task_slot.dtype", "'float64'", "'iu'"),
        ((1, 0, 0.0, 0.0, 0), "harvest_j.dtype", "'int64'", "'f'"),
        ((1.0, 0, 0.0, 0.0, True), "deadline_slots.dtype", "'bool'", "'iu'"),
    ],
)
def test_a_trace_built_without_its_checks_is_checked_when_it_is_run(
    built: tuple[Any, ...], field: str, value: str, allowed: str
) -> None:
    trace = Trace(*(entry if isinstance(entry, list) else np.array([entry] * 2) for entry in built))
    with pytest.raises(ValueError) as caught:
        gym.make(ENV_ID, horizon_slots=2).unwrapped.reset(options={"trace": trace})
    assert_says(str(caught.value), field, value, allowed)


def test_narrow_integer_types_in_a_trace_mean_the_same() -> None:
    def start(as_type: type) -> Any:
        array = np.array
        trace = Trace(np.zeros(300), array([200], as_type), array([1.7]), array([1.7]), array([100], as_type))
        return gym.make(ENV_ID, horizon_slots=300, deadline_slots=100).unwrapped.reset(options={"trace": trace})

    np.testing.assert_equal(start(np.uint8), start(np.int64))


# The evaluator


@pytest.mark.parametrize(
    ("arguments", "field", "value", "allowed"),
    [
        ({"episodes": 0}, "episodes", "0", COUNT_FROM_1),
        ({"episodes": 1.5}, "episodes", "1.5", COUNT_FROM_1),
        ({"episodes": True}, "episodes", "True", COUNT_FROM_1),
        ({"seed": -1}, "seed", "-1", COUNT_FROM_0),
        ({"seed": None}, "seed", "None", COUNT_FROM_0),
        ({"checkpoints": []}, "checkpoints", "[]", "from 1 to the horizon, 5"),
        ({"checkpoints": [0, 5]}, "checkpoints", "[0, 5]", "from 1 to the horizon, 5"),
        ({"checkpoints": [6]}, "checkpoints", "[6]", "from 1 to the horizon, 5"),
        ({"checkpoints": [3, 2]}, "checkpoints", "[3, 2]", "rising"),
        ({"checkpoints": [2, 2]}, "checkpoints", "[2, 2]", "rising"),
        ({"checkpoints": [1.5]}, "checkpoints", "[1.5]", "whole numbers"),
    ],
    ids=repr,
)
def test_the_evaluator_refuses_bad_arguments(arguments: dict[str, Any], field: str, value: str, allowed: str) -> None:
    scenario = make_scenario(horizon_slots=5)
    with pytest.raises(ValueError) as caught:
        simulate(scenario, make_dispatcher("myopic", scenario), **({"episodes": 2} | arguments))
    assert_says(str(caught.value), field, value, allowed)


# Weather files


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
    with pytest.raises(ValueError) as caught:
        gym.make(ENV_ID, scenario="solar", weather_file=str(path))
    assert_says(str(caught.value), "weather_file", repr(str(path)), allowed)


def test_a_copy_of_the_shipped_year_gives_the_same_harvest(tmp_path: Path) -> None:
    path = tmp_path / "year.csv"
    path.write_text("".join(shipped_year()))
    copied, shipped = make_scenario("solar", weather_file=str(path)), make_scenario("solar")
    traces = [scenario.draw(np.random.default_rng(0)) for scenario in (copied, shipped)]
    np.testing.assert_array_equal(traces[0].harvest_j, traces[1].harvest_j)


# The command line

SHORT = "--num-envs 1 --rounds 1 --steps 1 --single-steps 1"
COMMAND_LINES = [
    ("benchmark --scenarios papr", "'papr'", "nearest valid one is 'paper'"),
    ("benchmark --dispatchers oracl", "'oracl'", "nearest valid one is 'oracle'"),
    ("benchmark --dispatchers error-2", "'error-2'", "at most 1.0"),
    ("benchmark --dispatchers fixed-7", "'fixed-7'", "at most 1"),
    ("benchmark --episodes 1", "episodes is 1", "a whole number, 2 or more"),
    ("benchmark --seed -1", "seed is -1", COUNT_FROM_0),
    ("benchmark --ratios -1", "renewable_ratio is -1.0", AT_LEAST_0),
    ("benchmark --ratios nan", "renewable_ratio is nan", AT_LEAST_0),
    ("benchmark --name a/b", "name is 'a/b'", "a plain folder name"),
    ("benchmark --name ..", "name is '..'", "a plain folder name"),
    (f"speed {SHORT} --num-envs 0", "num_envs is 0", COUNT_FROM_1),
    (f"speed {SHORT} --rounds 0", "rounds is 0", COUNT_FROM_1),
    (f"speed {SHORT} --steps 0", "steps is 0", COUNT_FROM_1),
    (f"speed {SHORT} --single-steps 0", "single_steps is 0", COUNT_FROM_1),
    ("tune-threshold --thresholds 2", "threshold is 2.0", "at most 1.0"),
    ("tune-threshold --episodes 0", "episodes is 0", COUNT_FROM_1),
    ("tune-threshold --scenario sollar", "'sollar'", "nearest valid one is 'solar'"),
    ("tune-threshold --ratio inf", "renewable_ratio is inf", AT_LEAST_0),
]


@pytest.mark.parametrize(("line", "value", "allowed"), COMMAND_LINES, ids=[line for line, _, _ in COMMAND_LINES])
def test_the_command_line_answers_an_error_with_a_sentence(
    line: str, value: str, allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["eval", *line.split()])
    with pytest.raises(SystemExit) as caught:
        run_command_line()
    message = str(caught.value.code)  # a text: the interpreter prints it to stderr and exits with 1
    assert message.startswith("error: ")
    assert value in message
    assert allowed in message
    assert "\n" not in message
    assert list(tmp_path.rglob("*")) == [], "nothing may be left behind"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["benchmark", "--scenarios", "papr"], "scenario 'papr' is unknown; the nearest valid one is 'paper'"),
        (["benchmark", "--episodes", "1"], "episodes is 1, but it must be a whole number, 2 or more."),
    ],
)
def test_an_error_goes_to_stderr_with_exit_code_1_and_no_traceback(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "eval", *arguments, "--results", str(tmp_path / "results")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["benchmark", "--episode-count", "5"], ["benchmark", "--episodes", "x"]]
)
def test_a_line_that_cannot_be_parsed_fails_without_a_traceback(arguments: list[str]) -> None:
    result = subprocess.run([sys.executable, "-m", "eval", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert arguments[-2 if arguments[-1] in "5x" else -1].strip("-") in result.stderr
    assert "Traceback" not in result.stderr
