"""PPO's speed through our vector environment, and its ratio to Stable-Baselines3's `DummyVecEnv` in the same run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn, VecEnvWrapper

from energy_route_env import make_scenario
from energy_route_env.checks import require_whole
from train.ppo import make_envs, make_model
from train.settings import settings_for


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
        """Check the counts."""
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


@dataclass
class _Split:
    """Steps per second in rollouts and in training, and where the seconds went."""

    rollout_rate: float
    training_rate: float
    envs_s: float
    policy_s: float
    update_s: float


def main(args: SpeedArgs) -> None:
    """Measure both, and print rates, ratios and where the time went."""
    args.check()
    console = Console()
    splits = {}
    for name, envs in track(
        {"vector": _vector(args), "DummyVecEnv": _dummy(args)}.items(), "measuring", console=console
    ):
        splits[name] = _measure(envs, args)
    table = Table("environments", title=f"PPO in {args.scenario}, {args.num_envs} environments, decisions per second")
    for column in ("rollouts", "training", "in envs", "in policy", "in updates"):
        table.add_column(column, justify="right")
    for name, split in splits.items():
        parts = (split.envs_s, split.policy_s, split.update_s)
        shares = [f"{part / sum(parts):.0%}" for part in parts]
        table.add_row(name, f"{split.rollout_rate:,.0f}", f"{split.training_rate:,.0f}", *shares)
    ours, theirs = splits.values()
    rollouts, training = ours.rollout_rate / theirs.rollout_rate, ours.training_rate / theirs.training_rate
    table.add_row("ratio", f"{rollouts:.1f}", f"{training:.1f}")
    console.print(table)


def _vector(args: SpeedArgs) -> VecEnv:
    settings = settings_for(args.scenario, "none", {"num_envs": args.num_envs})
    return make_envs(make_scenario(args.scenario), settings, "none")


def _dummy(args: SpeedArgs) -> VecEnv:
    def single() -> gym.Env[Any, Any]:
        return Monitor(gym.make("energy_route_env:EnergyRoute-v0", scenario=args.scenario))

    return DummyVecEnv([single] * args.num_envs)


def _measure(envs: VecEnv, args: SpeedArgs) -> _Split:
    timed = _TimedEnvs(envs)
    settings = settings_for(args.scenario, "none")
    model = make_model(timed, settings, seed=0)
    _, callback = model._setup_learn(10**9)
    _rollout(model, callback)
    model.train()
    timed.seconds = rollouts_s = update_s = 0.0
    for _ in range(args.iterations):
        start = time.perf_counter()
        _rollout(model, callback)
        collected = time.perf_counter()
        model.train()
        rollouts_s, update_s = rollouts_s + collected - start, update_s + time.perf_counter() - collected
    steps = args.iterations * settings["rollout_steps"] * args.num_envs
    whole = rollouts_s + update_s
    return _Split(steps / rollouts_s, steps / whole, timed.seconds, rollouts_s - timed.seconds, update_s)


def _rollout(model: PPO, callback: Any) -> None:
    assert model.env is not None
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
