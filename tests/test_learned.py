import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO

from agents import make_dispatcher
from agents.learned import Learned, observation_meaning, save_policy, trained_for
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.decision import features_of
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.pool.scaling_laws import ModelPool, ScalingLaws
from energy_route_env.scenarios import measured_scenario, training_scenario
from energy_route_env.world.arrivals import RateArrivals
from energy_route_env.world.harvest import RecordedHarvest
from energy_route_env.world.recorded import Record
from eval.rollout import simulate
from train.ppo import dispatcher_of, make_model, policy_layers
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import settings_for

PAPER = make_scenario("paper", horizon_slots=30)
SIZES = [9, 8, 2]


def layers(sizes: list[int] = SIZES, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        tensors[f"{i}.weight"] = torch.randn(n_out, n_in, generator=generator)
        tensors[f"{i}.bias"] = torch.randn(n_out, generator=generator)
    return tensors


def saved(
    folder: Path, tensors: dict[str, torch.Tensor] | None = None, scenario: Scenario = PAPER, **card: Any
) -> Path:
    path = folder / "policy.safetensors"
    whole = {"observation": observation_meaning(scenario), "trained_for": trained_for(scenario)}
    sizes = [len(features_of(scenario)), 8, scenario.n_actions]
    whole["network"] = {"activation": "tanh", "sizes": sizes, "masked": scenario.retries}
    save_policy(path, tensors or layers(), whole | card)
    return path


def observations(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (n, 9)).astype(np.float32)


def test_a_loaded_policy_is_the_saved_network(tmp_path: Path) -> None:
    tensors = layers()
    learned = Learned.load(saved(tmp_path, tensors), PAPER)
    arrays = {name: tensor.numpy().astype(float) for name, tensor in tensors.items()}
    x = observations(500)
    scores = np.tanh(x @ arrays["0.weight"].T + arrays["0.bias"]) @ arrays["1.weight"].T + arrays["1.bias"]
    clear = np.abs(scores[:, 0] - scores[:, 1]) > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(learned._predict(x)[clear], scores.argmax(axis=1)[clear])
    assert 0.05 < scores.argmax(axis=1).mean() < 0.95  # both actions occur


@pytest.mark.parametrize(
    "scenario", [PAPER, make_scenario("measured", horizon_slots=30)], ids=lambda scenario: scenario.name
)
def test_a_saved_ppo_decides_like_the_model_in_memory(scenario: Scenario, tmp_path: Path) -> None:
    settings = settings_for(scenario.name, "none", {"num_envs": 4, "rollout_steps": 8, "hidden_sizes": (8,)})
    model = make_model(SB3EnergyRoute(scenario, 4), settings, seed=3)
    path = saved(tmp_path, policy_layers(model), scenario)
    dispatchers = (Learned.load(path, scenario), dispatcher_of(model, scenario))
    ours, theirs = (simulate(scenario, dispatcher, 50).balance["consumed_j"] for dispatcher in dispatchers)
    assert (ours == theirs).mean() >= 0.9  # scores that are equal but for rounding may make an episode differ


@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN])
def test_any_sb3_model_in_memory_is_a_dispatcher(algorithm: Any) -> None:
    model = algorithm("MlpPolicy", SB3EnergyRoute(PAPER, 1), device="cpu", seed=0)
    result = simulate(PAPER, Learned.from_sb3(model), 20)
    assert np.all(result.auxiliary_j >= simulate(PAPER, make_dispatcher("oracle", PAPER), 20).auxiliary_j - 1e-6)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"0.weight": np.zeros((8, 9))}))


def no_card(path: Path) -> None:
    path.with_suffix(".json").unlink()


def half_a_card(path: Path) -> None:
    path.with_suffix(".json").write_text('{"network": ')


def empty_card(path: Path) -> None:
    path.with_suffix(".json").write_text("{}")


def other_weights(path: Path) -> None:
    card = path.with_suffix(".json").read_text()
    saved(path.parent, layers(seed=1))
    path.with_suffix(".json").write_text(card)


SPOILED: list[tuple[Callable[[Path], None], str]] = [
    (truncate, "must be a whole safetensors file; this one is truncated or of another format, such as a pickle"),
    (pickled, "must be a whole safetensors file; this one is truncated or of another format, such as a pickle"),
    (no_card, "but policy.json is missing there"),
    (half_a_card, "its card policy.json is not one of a policy"),
    (empty_card, "its card policy.json is not one of a policy"),
    (other_weights, "its card policy.json describes other weights"),
]


@pytest.mark.parametrize(("spoil", "sentence"), SPOILED, ids=[spoil.__name__ for spoil, _ in SPOILED])
def test_a_spoiled_policy_is_refused_with_a_sentence(
    spoil: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    path = saved(tmp_path)
    Learned.load(path, PAPER)
    spoil(path)
    with pytest.raises(InputError, match="policy is ") as error:
        Learned.load(path, PAPER)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, layers([9, 4, 2]))
    with pytest.raises(InputError, match=r"with shapes .*\(4, 9\).* must be .*\(8, 9\)"):
        Learned.load(path, PAPER)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tensors = layers()
    tensors["1.bias"][0] = float("nan")
    with pytest.raises(InputError, match="all of its weights must be finite"):
        Learned.load(saved(tmp_path, tensors), PAPER)


@pytest.mark.parametrize(
    ("scenario", "overrides", "field"),
    [
        ("uncertain", {}, "difficulty_noise"),
        ("solar", {}, "deadline_slots"),
        ("paper", {"models": (1e9, 2e9)}, "models"),
        ("paper", {"difficulties": (1.7, 1.8)}, "difficulties"),
    ],
)
def test_a_policy_of_another_scenarios_observation_is_refused(
    scenario: str, overrides: dict[str, Any], field: str, tmp_path: Path
) -> None:
    path = saved(tmp_path)
    with pytest.raises(InputError, match=f"it was trained where {field} is .*, here it is "):
        Learned.load(path, make_scenario(scenario, **overrides))


def test_ratio_and_horizon_may_differ_from_the_trainings(tmp_path: Path) -> None:
    scenario = make_scenario("paper", renewable_ratio=0.7, horizon_slots=10)
    assert simulate(scenario, make_dispatcher(str(saved(tmp_path)), scenario), 3).auxiliary_j.shape == (3, 1)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"arrival_rate": 2.0}, "arrival_rate was 1.0 and is 2.0"),
        ({"capacity_j": 5000.0}, "capacity_j was 'inf' and is 5000.0"),
        ({"continuing": True}, "continuing was False and is True"),
        ({"queries_per_task": 10.0}, "queries_per_task was 1.0 and is 10.0"),
        ({"charge_efficiency": 0.9, "horizon_slots": 7}, "charge_efficiency was 1.0 and is 0.9"),
        ({"discharge_efficiency": 0.9}, "discharge_efficiency was 1.0 and is 0.9"),
        ({"weather_file": "723170TYA.CSV", "slot_seconds": 900.0}, "weather_file was None and is '723170TYA.CSV'"),
        ({"models": ModelPool(method="exact")}, "method was 'normal' and is 'exact'"),
        ({"models": ModelPool(stopping="on_success")}, "stopping was 'budget' and is 'on_success'"),
        ({"models": ModelPool(stopping="on_success", dispersion=0.5)}, "dispersion was 0.0 and is 0.5"),
        ({"models": ModelPool(stopping="late", overspend=0.5)}, "overspend was 0.0 and is 0.5"),
        ({"models": ModelPool(laws=ScalingLaws(skills=40.0))}, "skills was 50.0 and is 40.0"),
    ],
)
def test_every_other_difference_from_the_training_is_told(overrides: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=re.escape(told)) as warned:
        Learned.load(saved(tmp_path), make_scenario(PAPER, **overrides))
    (message,) = [str(warning.message) for warning in warned]
    assert "another renewable_ratio and horizon_slots, but not beyond" in message
    assert "horizon_slots was" not in message


SERIES = np.random.default_rng(0).gamma(2.0, 100.0, 96 * 40)
RECORDS: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "harvest_source": lambda series: {"harvest_source": RecordedHarvest(series, 96), "slot_seconds": 900.0},
    "arrival_source": lambda series: {"arrival_source": RateArrivals(Record(series), 1.0)},
}


@pytest.mark.parametrize("name", RECORDS)
def test_of_recorded_data_a_card_has_a_few_words_which_tell_other_data(name: str, tmp_path: Path) -> None:
    """Other data are the same values in another order. A millionth of a last digit is none."""
    here, same, other = (
        make_scenario(PAPER, **RECORDS[name](series)) for series in (SERIES, SERIES * (1 + 1e-13), np.roll(SERIES, 1))
    )
    path = saved(tmp_path, trained_for=trained_for(here))
    Learned.load(path, same)
    with pytest.warns(UserWarning, match=f"{name} was '.*3840 slots of mean 20.*, sha256") as warned:
        Learned.load(path, other)
    (message,) = [str(warning.message) for warning in warned]
    assert "\n" not in message and len(message) < 700


def test_what_is_trained_on_one_part_of_a_record_is_meant_for_the_other(tmp_path: Path) -> None:
    train, test = (
        make_scenario(
            PAPER,
            harvest_source=RecordedHarvest(SERIES, 96, part),
            arrival_source=RateArrivals(Record(SERIES, part=part), 1.0),
            slot_seconds=900.0,
        )
        for part in ("train", "test")
    )
    Learned.load(saved(tmp_path, trained_for=trained_for(train)), test)


def test_a_card_that_does_not_say_what_for_is_told_and_a_last_digit_is_not(tmp_path: Path) -> None:
    fields = trained_for(PAPER)
    Learned.load(saved(tmp_path, trained_for=fields | {"arrival_rate": 1.0 + 1e-12}), PAPER)
    with pytest.warns(UserWarning, match="arrival_rate was 'not recorded' and is 1.0"):
        Learned.load(saved(tmp_path, trained_for={}), PAPER)


def test_a_card_that_is_older_than_stopping_means_a_stop_at_the_budget(tmp_path: Path) -> None:
    path = saved(
        tmp_path, trained_for={name: value for name, value in trained_for(PAPER).items() if name != "stopping"}
    )
    Learned.load(path, PAPER)
    with pytest.warns(UserWarning, match="stopping was 'budget' and is 'late'"):
        Learned.load(path, make_scenario(PAPER, models=ModelPool(stopping="late")))


def test_another_table_is_told_and_the_other_part_of_the_same_table_is_not(tmp_path: Path) -> None:
    pool = MeasuredPool.from_table("misguided_energy.csv")
    scenario = training_scenario(measured_scenario(pool))
    sizes = [len(features_of(scenario)), scenario.n_actions]
    card = {"observation": observation_meaning(scenario), "trained_for": trained_for(scenario)}
    path = saved(tmp_path, layers(sizes), **card, network={"activation": "tanh", "sizes": sizes})
    fitted = replace(pool, estimates=pool.seen._replace(energy_j=1.1 * pool.seen.energy_j))
    Learned.load(path, measured_scenario(fitted, "test"))
    dearer = replace(pool.outcomes, energy_j=2 * pool.outcomes.energy_j)
    for other in (MeasuredPool(dearer), replace(pool, test_share=0.4)):
        with pytest.warns(UserWarning, match=r"table was '\w{12}' and is '\w{12}'"):
            Learned.load(path, measured_scenario(other))


def test_loading_takes_torch_and_neither_sb3_nor_pickle(tmp_path: Path) -> None:
    code = (
        "import sys; from agents import make_dispatcher; from energy_route_env import make_scenario\n"
        f"make_dispatcher({str(saved(tmp_path))!r}, make_scenario('paper'))\n"
        "print('torch' in sys.modules, 'stable_baselines3' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "False"]


def test_a_killed_save_leaves_the_old_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path, layers(seed=1))
    assert path.read_bytes() == before
    assert json.loads(path.with_suffix(".json").read_text())["network"]["sizes"] == SIZES
    Learned.load(path, PAPER)


def test_threads_of_torch_stay_as_they_were(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Learned.load(saved(tmp_path), PAPER)._predict(observations(3))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
