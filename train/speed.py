"""PPO's speed through our vector environment and through Stable-Baselines3's `DummyVecEnv`, in the same run."""

import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn, VecEnvWrapper

from energy_route_env import make_scenario
from energy_route_env.checks import require_whole
from train.ppo import make_envs, make_model
from train.settings import PPOSettings, settings_for


@dataclass(frozen=True)
class SpeedArgs:
    """Time PPO's rollouts and updates through our vector environment and through DummyVecEnv."""

    scenario: str = "paper"
    """Name of the scenario."""
    num_envs: int = 256
    """Environments in each."""
    iterations: int = 10
    """Rollouts and updates to time, after one of warm-up."""

    def check(self) -> None:
        require_whole("num_envs", self.num_envs, 1)
        require_whole("iterations", self.iterations, 1)


class _TimedEnvs(VecEnvWrapper):
    """Adds up the time spent in steps."""

    seconds = 0.0

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        start = time.perf_counter()
        result = self.venv.step_wait()
        self.seconds += time.perf_counter() - start
        return result


def main(args: SpeedArgs) -> None:
    """Time both kinds of environments, and print rates, their ratios and where the time went."""
    args.check()
    console = Console()
    settings = settings_for(args.scenario, "none", {"num_envs": args.num_envs})
    kinds = {"vector": make_envs(make_scenario(args.scenario), settings, "none"), "DummyVecEnv": _dummy(args)}
    steps = args.iterations * settings["rollout_steps"] * args.num_envs
    table = Table("environments", title=f"PPO in {args.scenario}, {args.num_envs} environments, decisions per second")
    for column in ("rollouts", "training", "in envs", "in policy", "in updates"):
        table.add_column(column, justify="right")
    rates = []
    for name, envs in track(kinds.items(), "measuring", console=console):
        envs_s, policy_s, updates_s = _measure(envs, settings, args.iterations)
        total_s = envs_s + policy_s + updates_s
        rates.append((steps / (envs_s + policy_s), steps / total_s))
        shares = [f"{part / total_s:.0%}" for part in (envs_s, policy_s, updates_s)]
        table.add_row(name, *[f"{rate:,.0f}" for rate in rates[-1]], *shares)
    table.add_row("ratio", *[f"{ours / theirs:.1f}" for ours, theirs in zip(*rates, strict=True)])
    console.print(table)


def _dummy(args: SpeedArgs) -> VecEnv:
    def single() -> gym.Env[Any, Any]:
        return Monitor(gym.make("energy_route_env:EnergyRoute-v0", scenario=args.scenario))

    return DummyVecEnv([single] * args.num_envs)


def _measure(envs: VecEnv, settings: PPOSettings, iterations: int) -> tuple[float, float, float]:
    """Return the seconds in environments, policy and updates, after one iteration of warm-up."""
    timed = _TimedEnvs(envs)
    model = make_model(timed, settings, seed=0)
    _, callback = model._setup_learn(10**9)
    _iterate(model, callback)
    timed.seconds = 0.0
    iterations_s = [_iterate(model, callback) for _ in range(iterations)]
    rollouts_s, updates_s = map(sum, zip(*iterations_s, strict=True))
    return timed.seconds, rollouts_s - timed.seconds, updates_s


def _iterate(model: PPO, callback: BaseCallback) -> tuple[float, float]:
    """Return the seconds of a rollout and of the update after it."""
    assert model.env is not None
    start = time.perf_counter()
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    collected = time.perf_counter()
    model.train()
    return collected - start, time.perf_counter() - collected
