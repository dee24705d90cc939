"""Save a training run so that it resumes exactly."""

import io
import pickle
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO

from energy_route_env.files import write_atomically
from train.shaping import PotentialShaping

Curve = list[dict[str, float]]
"""A learning curve's points."""


def save_checkpoint(path: Path, model: PPO, curve: Curve) -> None:
    """Save everything that the rest of the training depends on: a resumed run ends as if it had never stopped."""
    assert model.env is not None
    algorithm, whole = io.BytesIO(), io.BytesIO()
    model.save(algorithm)
    state = {
        "algorithm": algorithm.getvalue(),
        "envs": pickle.dumps((model.env.unwrapped, getattr(model.env, "potential", None))),
        "random": (np.random.get_state(), torch.get_rng_state()),  # noqa: NPY002  (SB3 shuffles with it)
        "curve": curve,
    }
    torch.save(state, whole)
    write_atomically(path, whole.getvalue())


def load_checkpoint(path: Path, algorithm: type[PPO]) -> tuple[PPO, Curve]:
    """Load what `save_checkpoint` saved. It unpickles, so load only your own files."""
    torch.set_num_threads(1)
    state = torch.load(path, weights_only=False)
    envs, potential = pickle.loads(state["envs"])
    if potential is not None:
        envs = PotentialShaping(envs, potential, resumed=True)
    model = algorithm.load(io.BytesIO(state["algorithm"]), env=envs, device="cpu", force_reset=False)
    numpy_state, torch_state = state["random"]
    np.random.set_state(numpy_state)  # noqa: NPY002
    torch.set_rng_state(torch_state)
    return model, state["curve"]
