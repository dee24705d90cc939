"""Learned dispatchers: a policy network from a safetensors file with its card, or any Stable-Baselines3 model.

A policy is two files. `NAME.safetensors` holds the weights of a multilayer perceptron that gives every action a score.
`NAME.json`, its card, says what it was trained for, how, and what it achieved. Loading them executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from agents.dispatcher import Actions, Dispatcher
from agents.policies import shipped_policies
from energy_route_env import Decision, Scenario
from energy_route_env.checks import InputError
from energy_route_env.decision import features_of
from energy_route_env.env import action_masks
from energy_route_env.files import write_atomically
from energy_route_env.pool.base import Pool
from energy_route_env.pool.measured import MeasuredPool
from energy_route_env.pool.scaling_laws import ModelPool

TRANSFERS = ("renewable_ratio", "horizon_slots")
"""Scenario fields for which a policy is meant to work at other values than the training's."""
Activation = Callable[[torch.Tensor], torch.Tensor]
ACTIVATIONS: dict[str, Activation] = {"tanh": torch.tanh, "relu": torch.relu}
Layers = Mapping[str, torch.Tensor]
Network = list[tuple[torch.Tensor, torch.Tensor]]
"""Weight and bias of each layer."""


class Learned(Dispatcher):
    """Takes the action that a policy scores highest.

    Args:
        predict: from observations (n, n_features) to actions (n,).
        masked_in: the scenario, for a policy that is told which actions are allowed: `predict` then takes masks, of
            shape (n, n_actions), too.
    """

    def __init__(self, predict: Callable[..., NDArray[np.int64]], masked_in: Scenario | None = None) -> None:
        self._predict, self._masked_in = predict, masked_in

    def act(self, decision: Decision) -> Actions:
        observation = np.ascontiguousarray(decision.observation)
        if self._masked_in is None:
            return self._predict(observation)
        return self._predict(observation, action_masks(self._masked_in, decision.due, decision.tried).astype(bool))

    @classmethod
    def from_sb3(cls, model: Any, masked_in: Scenario | None = None) -> Learned:
        """Wrap any Stable-Baselines3 model in memory; for sb3-contrib's MaskablePPO, say in which scenario."""

        def predict(observation: NDArray[np.float32], masks: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
            told = {} if masks is None else {"action_masks": masks}
            return np.asarray(model.predict(observation, deterministic=True, **told)[0])

        return cls(predict, masked_in)

    @classmethod
    def shipped(cls, scenario: Scenario) -> Learned:
        """Load the policy that comes with the project for the scenario of this name.

        Raises:
            InputError: if there is none, or it does not fit.
        """
        if scenario.name not in shipped_policies():
            raise InputError(
                f"scenario.name is {scenario.name!r}, but it must be one with a shipped policy "
                f"({', '.join(shipped_policies())}). Train one: python -m train ppo --help, and give the path of its "
                f"policy.safetensors instead of 'learned'."
            )
        return cls.load(shipped_policies()[scenario.name], scenario)

    @classmethod
    def load(cls, path: str | os.PathLike[str], scenario: Scenario) -> Learned:
        """Load a policy from its two files, and check them against each other and against the scenario.

        The fields in `TRANSFERS` may differ from the training's. A warning names every other field that does.

        Raises:
            InputError: if a file is missing, truncated, of another format (a pickle, say) or of another shape, or the
                policy was trained on observations that mean something else.
        """
        weights, card = _read(Path(path))
        _check_observation(Path(path), card, scenario)
        _warn_of_differences(Path(path), card, scenario)
        layers = _check_layers(Path(path), weights, card, scenario)
        activation = ACTIVATIONS[card["network"]["activation"]]
        masked_in = scenario if card["network"].get("masked", False) else None
        return cls(lambda observation, masks=None: _best_action(layers, activation, observation, masks), masked_in)


def observation_meaning(scenario: Scenario) -> dict[str, Any]:
    """Return what fixes the meaning of observations and actions. A policy is refused where it differs."""
    return {
        "features": list(features_of(scenario)),
        **_tasks_meaning(scenario),
        "difficulty_noise": scenario.difficulty_noise,
        "deadline_slots": scenario.deadline_slots,
    }


def _tasks_meaning(scenario: Scenario) -> dict[str, Any]:
    """Return what models and difficulties are; the questions of a measured pool may be other ones than trained on."""
    if isinstance(scenario.models, MeasuredPool):
        return {"models": list(scenario.models.names), "difficulties": "questions, not seen"}
    return {"models": list(scenario.models.n_params), "difficulties": list(scenario.difficulties)}


def trained_for(scenario: Scenario) -> dict[str, Any]:
    """Return the other fields of scenario and pool for a card: numbers and strings, "inf" for an unlimited battery."""
    known = {"name", "summary", *observation_meaning(scenario)}
    others = {field.name: getattr(scenario, field.name) for field in fields(scenario) if field.name not in known}
    return {name: _plain(value) for name, value in (others | _pool_fields(scenario.models)).items()}


def _pool_fields(pool: Pool) -> dict[str, Any]:
    """Return what tells the pool from others of the same models; of a table it is the same for training and testing."""
    if isinstance(pool, MeasuredPool):
        return {"table": pool.table[:12]}
    if not isinstance(pool, ModelPool):
        return {}
    return {name: getattr(pool, name) for name in ("method", "stopping", "dispersion", "overspend")} | asdict(pool.laws)


def _plain(value: Any) -> Any:
    """Return what JSON can hold: the value itself, or a string."""
    return value if value is None or (isinstance(value, (int, float)) and math.isfinite(value)) else str(value)


def save_policy(path: Path, layers: Layers, card: dict[str, Any]) -> None:
    """Write the weights and then the card, each whole or not at all.

    Args:
        path: of the weights, ending in .safetensors.
        layers: `0.weight` (out, in), `0.bias` (out,), `1.weight`, ... from the observation on.
        card: at least `observation` (from `observation_meaning`), `trained_for` (from the function of that name) and
            `network` ("activation", "sizes", and "masked": whether the policy was trained with action masks).
    """
    data = save(dict(layers))
    write_atomically(path, data)
    card = card | {"weights_sha256": hashlib.sha256(data).hexdigest()}
    write_atomically(path.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"policy is {str(path)!r}, but {why}.")


def _read(path: Path) -> tuple[Layers, dict[str, Any]]:
    card_path = path.with_suffix(".json")
    for file in (path, card_path):
        if not file.is_file():
            raise _refused(path, f"{file.name} is missing there: weights and card go together")
    data = path.read_bytes()
    try:
        weights = load(data)
    except SafetensorError as error:
        format_ = "truncated or of another format, such as a pickle"
        raise _refused(path, f"it must be a whole safetensors file; this one is {format_} ({error})") from error
    try:
        card = json.loads(card_path.read_text())
        whole = card["weights_sha256"] == hashlib.sha256(data).hexdigest()
        known = card["network"]["activation"] in ACTIVATIONS and card["observation"] and card["network"]["sizes"]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(path, f"its card {card_path.name} is not one of a policy ({error!r})") from error
    if not (whole and known):
        raise _refused(path, f"its card {card_path.name} describes other weights than these")
    return weights, card


def _check_observation(path: Path, card: dict[str, Any], scenario: Scenario) -> None:
    for name, here in observation_meaning(scenario).items():
        there = card["observation"].get(name)
        if there != here:
            difference = f"it was trained where {name} is {there!r}, here it is {here!r}"
            raise _refused(path, f"it must be of this scenario's observation: {difference}")


def _warn_of_differences(path: Path, card: dict[str, Any], scenario: Scenario) -> None:
    """Warn of every field that differs from the training's and is not in `TRANSFERS`."""
    here, trained = trained_for(scenario), card.get("trained_for", {})
    if trained:  # a field newer than the card had its default
        trained = trained_for(Scenario()) | trained
    pairs = {name: (trained.get(name, "not recorded"), here[name]) for name in here if name not in TRANSFERS}
    told = [f"{name} was {there!r} and is {now!r}" for name, (there, now) in pairs.items() if not _same(there, now)]
    if told:
        warnings.warn(
            f"policy {str(path)!r} was trained for another scenario: {'; '.join(told)}. It is meant to work at another "
            f"{' and '.join(TRANSFERS)}, but not beyond. Compare it with other dispatchers here, or train one here.",
            stacklevel=4,
        )


def _same(trained: Any, here: Any) -> bool:
    """Compare two values of a card; the last digits of numbers may differ from platform to platform."""
    if isinstance(trained, (int, float)) and isinstance(here, (int, float)):
        return math.isclose(trained, here, rel_tol=1e-9)
    return bool(trained == here)


def _check_layers(path: Path, weights: Layers, card: dict[str, Any], scenario: Scenario) -> Network:
    """Return the layers, if they are finite and of the shapes that card and scenario ask for."""
    sizes = [len(features_of(scenario)), *card["network"]["sizes"][1:-1], scenario.n_actions]
    wanted: dict[str, tuple[int, ...]] = {}
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        wanted |= {f"{i}.weight": (n_out, n_in), f"{i}.bias": (n_out,)}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != wanted:
        raise InputError(f"policy is {str(path)!r} with shapes {found}, but they must be {wanted}.")
    if not all(tensor.dtype is torch.float32 and bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise _refused(path, "all of its weights must be finite float32 values")
    return [(weights[f"{i}.weight"], weights[f"{i}.bias"]) for i in range(len(sizes) - 1)]


def _best_action(
    layers: Network, activation: Activation, observation: NDArray[np.float32], masks: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Return the action of highest score, shape (n,), among those that the masks, shape (n, n_actions), allow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on several threads a network this small takes up to ten times as long
    try:
        with torch.inference_mode():
            values = torch.from_numpy(observation)
            for weight, bias in layers[:-1]:
                values = activation(torch.nn.functional.linear(values, weight, bias))
            scores = torch.nn.functional.linear(values, *layers[-1])
            if masks is not None:
                scores.masked_fill_(torch.from_numpy(~masks), -math.inf)
            return scores.argmax(dim=1).numpy()
    finally:
        torch.set_num_threads(threads)
