"""How fast the environment steps, as ratios to Gymnasium's CartPole-v1 measured in the same run."""

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

import energy_route_env  # noqa: F401  (registers the environment)
from energy_route_env.checks import require_whole

OURS, PEER = "EnergyRoute-v0", "CartPole-v1"


@dataclass(frozen=True)
class SpeedArgs:
    """Measure steps per second, single and batched, alternating with CartPole-v1; memory, compiling and importing."""

    num_envs: int = 4096
    """Environments in the batch."""
    steps: int = 3000
    """Batched steps a round; a `paper` episode has about 1000."""
    single_steps: int = 100_000
    """Steps of the single environment a round."""
    rounds: int = 5
    """Rounds; medians and the range of the ratios are shown."""

    def check(self) -> None:
        for name, value in vars(self).items():
            require_whole(name, value, 1)


def main(args: SpeedArgs) -> None:
    """Measure and print."""
    args.check()
    console = Console()
    measures: dict[str, Callable[[str], float]] = {
        "1, resets included": lambda env_id: single_rate(env_id, args.single_steps),
        f"{args.num_envs}, steps alone": lambda env_id: vector_rate(env_id, args.num_envs, 800, False),
        f"{args.num_envs}, resets included": lambda env_id: vector_rate(env_id, args.num_envs, args.steps, True),
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    for _ in track(range(args.rounds), "measuring", console=console):
        for name, measure in measures.items():
            rates[name].append((measure(OURS), measure(PEER)))
    table = Table("environments", title=f"Steps per second in scenario paper, beside {PEER}", box=SIMPLE_HEAD)
    for head in ("EnergyRoute", "CartPole", "ratio (range)"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, pairs in rates.items():
        ratios = [ours / peer for ours, peer in pairs]
        ours, peer = (median(column) for column in zip(*pairs, strict=True))
        shown = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        table.add_row(name, f"{ours:,.0f}", f"{peer:,.0f}", shown)
    console.print(table)
    console.print(f"Memory that {args.num_envs} environments add: {memory_mb(args.num_envs):.0f} MB at the peak.")
    with console.status("compiling into an empty cache"), TemporaryDirectory() as cache:
        compiling, cached = first_use_s(cache), first_use_s(cache)
    console.print(f"First reset and step of many: {compiling:.1f} s to compile, once; {cached:.2f} s from the cache.")
    imports = ("import energy_route_env", "import gymnasium")
    ours, peer = (min(seconds(code) for _ in range(args.rounds)) for code in imports)
    console.print(f"Import: {ours:.2f} s, {ours / peer:.2f} times that of gymnasium. All on one thread.")


def single_rate(env_id: str, steps: int) -> float:
    """Measure steps per second of one environment with random actions, resets included."""
    env = gym.make(env_id)
    actions = np.random.default_rng(0).integers(0, 2, steps)
    env.reset(seed=0)
    start = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def vector_rate(env_id: str, num_envs: int, steps: int, warm: bool) -> float:
    """Measure environment steps per second of a batch with random actions.

    With `warm`, 1100 untimed steps come first, so that episodes end, and resets fall, at their usual rate.
    """
    envs = gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="vector_entry_point")
    actions = np.random.default_rng(0).integers(0, 2, (64, num_envs))
    envs.reset(seed=0)
    for step in range(1100 * warm):
        envs.step(actions[step % 64])
    start = time.perf_counter()
    for step in range(steps):
        envs.step(actions[step % 64])
    return num_envs * steps / (time.perf_counter() - start)


MAKE_MANY = 'import gymnasium as gym; envs = gym.make_vec("energy_route_env:EnergyRoute-v0", num_envs=2)'
FIRST_USE = "envs.reset(seed=0); envs.step(envs.action_space.sample())"


def first_use_s(cache: str) -> float:
    """Time the first reset and step of many environments in a new process, with compiled code in this folder."""
    return seconds(FIRST_USE, MAKE_MANY, NUMBA_CACHE_DIR=cache)


def seconds(code: str, before: str = "pass", **environment: str) -> float:
    """Time Python code in a new process, without what is run `before`."""
    timed = f"import time; {before}; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", timed]
    return float(subprocess.run(command, env=os.environ | environment, capture_output=True, check=True).stdout)


def memory_mb(num_envs: int) -> float:
    """Measure the peak memory that a batch allocates in its first 1100 steps, in MB (2^20 bytes)."""
    tracemalloc.start()
    vector_rate(OURS, num_envs, 1100, False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
