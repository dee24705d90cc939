"""Digests of episodes under a fixed pseudo-random policy, single and vector."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from energy_route_env import make_scenario
from eval.benchmark import BenchmarkArgs, main

SUMMARY = Path(__file__).with_name("summary.csv")
"""The benchmark's summary at 200 episodes."""
FILE = Path(__file__).with_name("episodes.json")
SCENARIOS = ("paper", "uncertain", "solar")
SEEDS = 64
VECTOR_STEPS = 3000
"""So many that episodes end and restart in every scenario."""


class Digest:
    """A running hash of everything it is shown, and the plain sums that say how far apart two records are."""

    def __init__(self) -> None:
        self._hash, self._sums = hashlib.sha256(), {"reward_j": 0.0, "balance_j": 0.0, "ends": 0}

    def add(self, observation: Any, reward: Any, mask: Any) -> None:
        for value in (observation, np.asarray(reward, np.float64), np.asarray(mask, np.int8)):
            self._hash.update(np.ascontiguousarray(value).tobytes())
        self._sums["reward_j"] += float(np.sum(reward))

    def end(self, balance: dict[str, float]) -> None:
        self._hash.update(np.array(list(balance.values()), np.float64).tobytes())
        self._sums["balance_j"] += float(sum(balance.values()))
        self._sums["ends"] += 1

    def result(self) -> dict[str, Any]:
        return {"sha256": self._hash.hexdigest()} | self._sums


def single(name: str) -> dict[str, Any]:
    """One whole episode for each seed."""
    digest, env = Digest(), gym.make("EnergyRoute-v0", scenario=name)
    for seed in range(SEEDS):
        actions = np.random.default_rng([seed, 1])
        observation, info = env.reset(seed=seed)
        digest.add(observation, 0.0, info["action_mask"])
        ended = False
        while not ended:
            observation, reward, terminated, truncated, info = env.step(actions.integers(env.action_space.n))
            digest.add(observation, reward, info["action_mask"])
            ended = terminated or truncated
        digest.end(info["balance"])
    return digest.result()


def vector(name: str, mode: AutoresetMode) -> dict[str, Any]:
    """`VECTOR_STEPS` steps of as many environments as there are seeds; with autoreset disabled what ends is reset."""
    envs = gym.make_vec("EnergyRoute-v0", num_envs=SEEDS, autoreset_mode=mode, scenario=name)
    digest, actions = Digest(), np.random.default_rng(1)
    observation, info = envs.reset(seed=0)
    digest.add(observation, np.zeros(SEEDS), info["action_mask"])
    for _ in range(VECTOR_STEPS):
        chosen = actions.integers(envs.single_action_space.n, size=SEEDS)
        observation, reward, terminated, truncated, info = envs.step(chosen)
        digest.add(observation, reward, info["action_mask"])
        ended = terminated | truncated
        for balance in balances(info["final_info"] if mode is AutoresetMode.SAME_STEP and ended.any() else info, ended):
            digest.end(balance)
        if mode is AutoresetMode.DISABLED and ended.any():
            observation, info = envs.reset(options={"reset_mask": ended})
            digest.add(observation, np.zeros(SEEDS), info["action_mask"])
    return digest.result()


def balances(info: dict[str, Any], ended: np.ndarray) -> Iterator[dict[str, float]]:
    """The balances of the episodes that have just ended."""
    for row in np.flatnonzero(ended).tolist():
        yield {key: float(values[row]) for key, values in info["balance"].items() if not key.startswith("_")}


def machine() -> str:
    """A hash of how this machine rounds: exponentials and logarithms may differ in the last bit elsewhere."""
    scenario, rng = make_scenario("paper"), np.random.default_rng(0)
    energies = [scenario.energy_j(np.asarray(scenario.difficulties)), rng.standard_gamma(4.0, 1000)]
    energies += [np.sin(np.arange(1000.0)), np.exp(rng.standard_normal(1000))]
    return hashlib.sha256(b"".join(values.tobytes() for values in energies)).hexdigest()


def products() -> str:
    """A hash of how this machine adds up matrix products and Fourier sums, which theory uses: processors differ."""
    values = np.random.default_rng(0).random((321, 321))
    results = (values @ values, values @ values[0], np.fft.rfft(values[0]), values.sum(axis=0))
    return hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()


def cases() -> dict[str, Any]:
    """What computes each digest, by name."""
    singles = {f"{name}, single": lambda name=name: single(name) for name in SCENARIOS}
    return singles | {
        f"{name}, {mode.value}": lambda name=name, mode=mode: vector(name, mode)
        for name in SCENARIOS
        for mode in AutoresetMode
    }


def record() -> None:
    """Write the record anew."""
    digests = {name: compute() for name, compute in cases().items()}
    FILE.write_text(json.dumps({"machine": machine(), "products": products(), "digests": digests}, indent=2) + "\n")


def run_benchmark(summary: Path = SUMMARY) -> None:
    """Write the benchmark's summary at 200 episodes."""
    with TemporaryDirectory() as results:
        main(BenchmarkArgs(scenarios=SCENARIOS, episodes=200, name="golden", results=Path(results)))
        shutil.copy(Path(results) / "golden" / "summary.csv", summary)
