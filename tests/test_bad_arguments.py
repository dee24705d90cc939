"""Bad names, actions, traces and other arguments are refused in a sentence, and change nothing."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers.refusals import COUNT_FROM_0, COUNT_FROM_1, nearest_one, refused

from agents import NAMES, make_dispatcher
from energy_route_env import EnergyRouteEnv, Trace, make_scenario
from eval.rollout import simulate

ENV_ID = "EnergyRoute-v0"
NAN, INF = math.nan, math.inf


# Names and arguments


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("oracl", "oracle"),
        ("variance_aware", "variance-aware"),
        ("myopick", "myopic"),
        ("greedy", "greedy-deferral"),
        ("", None),
    ],
)
def test_an_unknown_dispatcher_is_told_the_nearest_one(given: str, nearest: str | None) -> None:
    with refused("dispatcher", repr(given), nearest_one(nearest)):
        make_dispatcher(given, make_scenario())


@pytest.mark.parametrize(
    ("given", "value", "allowed"),
    [
        ("error-1.5", "1.5", "at least 0.0 and at most 1.0"),
        ("error--0.1", "-0.1", "at least 0.0 and at most 1.0"),
        ("fixed--1", "-1", "0 or more"),
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
    names = [name.replace("RATE", "0.05").replace("MODEL", "0").replace("PARAMS", "1e9") for name in NAMES]
    places = {"optimal": "uncertain", "best-order": "measured"}  # no tasks can wait; a measured pool
    made = {type(make_dispatcher(name, make_scenario(places.get(name, "solar")))) for name in names}
    assert len(made) == len(names)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_an_unknown_reset_option_is_told_the_nearest_one(make: Any) -> None:
    with refused("reset option", "'traces'", "nearest valid one is 'trace'"):
        make(ENV_ID).unwrapped.reset(options={"traces": None})


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
    with refused("render_mode", repr(mode), "None or one of ['human', 'rgb_array', 'ansi']"):
        EnergyRouteEnv(render_mode=mode)


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
    with refused(field, value, allowed):
        simulate(scenario, make_dispatcher("myopic", scenario), **({"episodes": 2} | arguments))


# Actions


@pytest.mark.parametrize("scenario", [{"horizon_slots": 5}, {"horizon_slots": 5, "deadline_slots": 2}])
@pytest.mark.parametrize(
    "action",
    [-1, 3, 10**30, 0.0, 1.0, np.float64(0), NAN, None, "0", [0], np.array([0]), np.array([0, 1]), np.zeros(1)],
)
def test_a_bad_action_is_refused_and_changes_nothing(scenario: dict[str, Any], action: Any) -> None:
    env, other = (gym.make(ENV_ID, arrival_rate=3.0, **scenario).unwrapped for _ in range(2))
    env.reset(seed=0), other.reset(seed=0)
    with refused("action", repr(action), f"a whole number from 0 to {env.action_space.n - 1}"):
        env.step(action)
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
        ({"harvest_j": [1e308, 1e308]}, "sum(harvest_j)", "inf", "at most 1e+300 J"),
        ({"harvest_j": [6e299, 6e299]}, "sum(harvest_j)", "1.2e+300", "at most 1e+300 J"),
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
    with refused(field, value, allowed):
        Trace.of(**(GOOD | given))


def test_a_trace_that_no_model_can_price_is_refused_when_it_is_run() -> None:
    env = gym.make(ENV_ID, horizon_slots=2).unwrapped
    with refused("difficulty", "-1000.0", "finite energy"):
        env.reset(options={"trace": Trace.of(**(GOOD | {"difficulty": [1.7, -1000.0]}))})


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
    with refused(field, value, allowed):
        gym.make(ENV_ID, horizon_slots=2).unwrapped.reset(options={"trace": trace})


def test_narrow_integer_types_in_a_trace_mean_the_same() -> None:
    def start(as_type: type) -> Any:
        array = np.array
        trace = Trace(np.zeros(300), array([200], as_type), array([1.7]), array([1.7]), array([100], as_type))
        return gym.make(ENV_ID, horizon_slots=300, deadline_slots=100).unwrapped.reset(options={"trace": trace})

    np.testing.assert_equal(start(np.uint8), start(np.int64))
