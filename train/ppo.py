"""Train a dispatcher by Stable-Baselines3's PPO: `python -m train ppo --help`."""

from __future__ import annotations

import io
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from agents import make_dispatcher
from agents.learned import Learned, observation_meaning, save_policy
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from eval.records import run_record, write_atomically
from eval.rollout import simulate
from eval.statistics import Estimate
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import PPOSettings, Shaping, settings_for
from train.shaping import BrownianShaping

CURVE_SEED = 1_000_003
"""Seed of the traces on which a policy is evaluated while it trains; the final evaluation has others."""


@dataclass(frozen=True)
class PPOArgs:
    """Train PPO in a scenario, evaluate it on fixed traces, and save it as a policy with its card."""

    scenario: str = "uncertain"
    """Name of the scenario."""
    renewable_ratio: float = 1.0
    """Mean harvest / mean demand of the myopic dispatcher while training."""
    horizon_slots: int | None = None
    """Slots of an episode; by default the scenario's."""
    continuing: bool = False
    """Hide the time left and treat the horizon as a truncation."""
    shaping: Shaping = "none"
    """Potential-based reward shaping: none, or brownian (the Brownian value function)."""
    seed: int = 0
    """Seed of the first training."""
    seeds: int = 1
    """Trainings, with seeds one apart; their spread is reported."""
    steps: int | None = None
    """Decisions to train on; by default as the table in train/settings.py has it, like all that follows."""
    num_envs: int | None = None
    """Environments stepped together."""
    rollout_steps: int | None = None
    """Decisions of each environment between two updates."""
    batch_size: int | None = None
    """Decisions in a minibatch."""
    epochs: int | None = None
    """Passes over a rollout."""
    learning_rate: float | None = None
    """At the start; it falls linearly to 0."""
    discount: float | None = None
    """Gamma."""
    gae_lambda: float | None = None
    """How far an advantage looks beyond its own reward."""
    entropy_weight: float | None = None
    """Weight of the policy's entropy in the loss."""
    reward_unit_tasks: float | None = None
    """Rewards are in units of so many tasks' mean energy."""
    hidden_sizes: tuple[int, ...] | None = None
    """Units of each hidden layer of policy and value function."""
    curve_points: int = 20
    """Evaluations while training."""
    curve_episodes: int = 500
    """Episodes of each of them."""
    final_episodes: int = 10_000
    """Episodes of the final evaluation, on the traces of `final_seed`."""
    final_seed: int = 0
    """Seed of the final evaluation's traces; 0 is the benchmark's."""
    checkpoint_steps: int = 250_000
    """Decisions between checkpoints."""
    name: str = ""
    """Name of the run's folder; by default ppo-<scenario>-<shaping>."""
    runs: Path = Path("runs")
    """Where the folder goes."""
    resume: bool = False
    """Go on with the run of this name from its last checkpoint."""

    def check(self) -> None:
        """Check what is not checked elsewhere."""
        for field, low in (("seeds", 1), ("seed", 0), ("curve_points", 1), ("curve_episodes", 2)):
            require_whole(field, getattr(self, field), low)
        for field, low in (("final_episodes", 2), ("final_seed", 0), ("checkpoint_steps", 1)):
            require_whole(field, getattr(self, field), low)
        plain = self.name == Path(self.name).name
        require(plain, "name", self.name, "a plain folder name")

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.runs / (self.name or f"ppo-{self.scenario}-{self.shaping}")

    @property
    def overrides(self) -> dict[str, Any]:
        """What differs from the named scenario."""
        given = {"renewable_ratio": self.renewable_ratio, "horizon_slots": self.horizon_slots}
        given["continuing"] = self.continuing
        base = make_scenario(self.scenario)
        return {key: value for key, value in given.items() if value is not None and value != getattr(base, key)}

    @property
    def settings(self) -> PPOSettings:
        """The table's settings with those that were given."""
        names = ("num_envs", "rollout_steps", "batch_size", "epochs", "learning_rate", "discount", "gae_lambda")
        names += ("entropy_weight", "reward_unit_tasks", "hidden_sizes")
        given = {name: getattr(self, name) for name in names} | {"total_steps": self.steps}
        table = settings_for(self.scenario, self.shaping)
        settings = replace(table, **{name: value for name, value in given.items() if value is not None})
        undiscounted = self.shaping == "none" or settings.discount == 1.0
        require(undiscounted, "discount", settings.discount, "1 with shaping: else it would change the ranking")
        shapeless = self.shaping == "none" or not self.continuing
        require(shapeless, "continuing", self.continuing, "False with shaping: the potential needs the time left")
        return settings


def main(args: PPOArgs) -> None:
    """Train every seed, and report each and their spread."""
    args.check()
    console = Console()
    scenario, settings = make_scenario(args.scenario, **args.overrides), args.settings
    _prepare(args, settings)
    results = []
    for seed in range(args.seed, args.seed + args.seeds):
        folder = args.folder / f"seed-{seed}"
        if not (folder / "policy.json").exists():
            model = train(args, scenario, settings, seed, folder, console)
            _finish(args, scenario, settings, seed, model, folder, console)
        results.append(json.loads((folder / "policy.json").read_text())["evaluation"] | {"seed": seed})
    _report(console, args, pd.DataFrame(results))


def _prepare(args: PPOArgs, settings: PPOSettings) -> None:
    """Make the run's folder with its record, or check that a resumed run is the same one."""
    record = args.folder / "run.json"
    wanted = {key: value for key, value in asdict(args).items() if key not in ("resume", "runs", "name", "seeds")}
    wanted = json.loads(json.dumps(wanted | {"settings": asdict(settings)}))
    if args.resume:
        if not record.exists():
            raise ValueError(f"{args.folder} holds no run to resume: start one without --resume.")
        before = json.loads(record.read_text())["arguments"]
        for key, value in wanted.items():
            if before[key] != value:
                raise ValueError(f"{key} is {value!r}, but it must be that of the run to resume, {before[key]!r}.")
        return
    if args.folder.exists():
        raise FileExistsError(f"{args.folder} exists already: go on with it by --resume, or give another --name.")
    write_atomically(record, json.dumps(run_record(wanted), indent=2).encode())


def make_envs(scenario: Scenario, settings: PPOSettings, shaping: Shaping) -> SB3EnergyRoute | BrownianShaping:
    """The training environments."""
    unit_j = settings.reward_unit_tasks * scenario.myopic_moments[0]
    return _shape(SB3EnergyRoute(scenario, settings.num_envs, reward_unit_j=unit_j), shaping)


def _shape(envs: SB3EnergyRoute, shaping: Shaping) -> SB3EnergyRoute | BrownianShaping:
    return BrownianShaping(envs) if shaping == "brownian" else envs


def make_model(envs: Any, settings: PPOSettings, seed: int) -> PPO:
    """A fresh PPO of these settings, on one thread of the processor: so it is reproducible to the bit."""
    torch.set_num_threads(1)
    start = settings.learning_rate
    return PPO(
        "MlpPolicy",
        envs,
        learning_rate=lambda left: left * start,
        n_steps=settings.rollout_steps,
        batch_size=min(settings.batch_size, settings.rollout_steps * settings.num_envs),
        n_epochs=settings.epochs,
        gamma=settings.discount,
        gae_lambda=settings.gae_lambda,
        ent_coef=settings.entropy_weight,
        policy_kwargs={"net_arch": list(settings.hidden_sizes)},
        seed=seed,
        device="cpu",
    )


def train(args: PPOArgs, scenario: Scenario, settings: PPOSettings, seed: int, folder: Path, console: Console) -> PPO:
    """Train one seed, from its last checkpoint if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    model, curve = load_checkpoint(checkpoint, args.shaping) if checkpoint.exists() else (None, [])
    model = model or make_model(make_envs(scenario, settings, args.shaping), settings, seed)
    model.set_logger(configure(str(folder / "tensorboard"), ["tensorboard"]))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(
            f"{args.scenario} seed {seed}", total=settings.total_steps, completed=model.num_timesteps
        )

        def show(text: str | None) -> None:
            text = f"{args.scenario} seed {seed}{text or ''}"
            progress.update(bar, completed=model.num_timesteps, **({"description": text} if text else {}))

        monitor = _Monitor(args, scenario, settings, curve, folder, show)
        model.learn(settings.total_steps - model.num_timesteps, monitor, log_interval=1, reset_num_timesteps=False)
        monitor.evaluate()
    return model


class _Monitor(BaseCallback):
    """Evaluates on fixed traces and saves checkpoints, between an update and the next rollout."""

    def __init__(
        self,
        args: PPOArgs,
        scenario: Scenario,
        settings: PPOSettings,
        curve: list[dict[str, float]],
        folder: Path,
        show: Callable[[str | None], None],
    ) -> None:
        super().__init__()
        self._args, self._scenario, self._folder, self._show = args, scenario, folder, show
        self.curve = curve
        self._evaluate_steps = settings.total_steps / args.curve_points
        self._saved = 0
        self._begin = time.perf_counter() - (curve[-1]["seconds"] if curve else 0.0)
        self._reference_j = _auxiliary_j(scenario, make_dispatcher("myopic", scenario), args.curve_episodes, CURVE_SEED)

    def _on_training_start(self) -> None:
        self._saved = self.num_timesteps

    def _on_rollout_start(self) -> None:
        done = self.curve[-1]["steps"] if self.curve else 0
        if self.num_timesteps - done >= self._evaluate_steps:
            self.evaluate()
        if self.num_timesteps - self._saved >= self._args.checkpoint_steps:
            assert isinstance(self.model, PPO)
            save_checkpoint(self._folder / "checkpoint.pt", self.model, self.curve)
            self._saved = self.num_timesteps

    def _on_step(self) -> bool:
        self._show(None)
        return True

    def evaluate(self) -> None:
        """Add a point to the learning curve."""
        drawn = _auxiliary_j(self._scenario, Learned.from_sb3(self.model), self._args.curve_episodes, CURVE_SEED)
        mean, difference = Estimate.of(drawn), Estimate.of(drawn - self._reference_j)
        point = {
            "steps": self.num_timesteps,
            "seconds": time.perf_counter() - self._begin,
            "auxiliary_j": mean.mean,
            "auxiliary_j_half_width": mean.half_width,
            "ratio_to_myopic": mean.mean / self._reference_j.mean(),
            "ratio_to_myopic_half_width": difference.half_width / self._reference_j.mean(),
        }
        self.curve.append(point)
        self.logger.record("eval/ratio_to_myopic", point["ratio_to_myopic"])
        write_atomically(self._folder / "curve.csv", pd.DataFrame(self.curve).to_csv(index=False).encode())
        self._show(f": {point['ratio_to_myopic']:.3f} x myopic")


def _auxiliary_j(scenario: Scenario, dispatcher: Any, episodes: int, seed: int) -> np.ndarray:
    return simulate(scenario, dispatcher, episodes, seed).auxiliary_j[:, -1]


def save_checkpoint(path: Path, model: PPO, curve: list[dict[str, float]]) -> None:
    """Everything that the rest of the training depends on: a resumed run ends bit for bit like one never stopped."""
    algorithm, whole = io.BytesIO(), io.BytesIO()
    model.save(algorithm)
    state = {
        "algorithm": algorithm.getvalue(),
        "envs": pickle.dumps(model.get_env().unwrapped),
        "random": (np.random.get_state(), torch.get_rng_state()),  # noqa: NPY002  (SB3 shuffles with it)
        "curve": curve,
    }
    torch.save(state, whole)
    write_atomically(path, whole.getvalue())


def load_checkpoint(path: Path, shaping: Shaping) -> tuple[PPO, list[dict[str, float]]]:
    """A model as `save_checkpoint` left it, and its curve. It unpickles: open only what you have written."""
    torch.set_num_threads(1)
    state = torch.load(path, weights_only=False)
    envs = _shape(pickle.loads(state["envs"]), shaping)
    model = PPO.load(io.BytesIO(state["algorithm"]), env=envs, device="cpu", force_reset=False)
    numpy_state, torch_state = state["random"]
    np.random.set_state(numpy_state)  # noqa: NPY002
    torch.set_rng_state(torch_state)
    return model, state["curve"]


def policy_layers(model: PPO) -> dict[str, torch.Tensor]:
    """The policy's layers under the names that `agents.learned` reads."""
    network = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    tensors = {f"{i}.{kind}": getattr(layer, kind) for i, layer in enumerate(linear) for kind in ("weight", "bias")}
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def _finish(
    args: PPOArgs, scenario: Scenario, settings: PPOSettings, seed: int, model: PPO, folder: Path, console: Console
) -> None:
    """Evaluate the trained policy on fresh traces and save it with its card; then the checkpoint has served."""
    with console.status(f"evaluating on {args.final_episodes} episodes"):
        evaluation = evaluate(scenario, Learned.from_sb3(model), args.final_episodes, args.final_seed)
    sizes = [model.observation_space.shape[0], *settings.hidden_sizes, int(model.action_space.n)]
    card = {
        "command": command(args, seed),
        "scenario": args.scenario,
        "overrides": args.overrides,
        "observation": observation_meaning(scenario),
        "network": {"activation": "tanh", "sizes": sizes},
        "algorithm": "PPO",
        "shaping": args.shaping,
        "settings": asdict(settings),
        "seed": seed,
        "steps": model.num_timesteps,
        "evaluation": evaluation,
    }
    card |= {key: value for key, value in run_record({}).items() if key in ("python", "versions")}
    save_policy(folder / "policy.safetensors", policy_layers(model), card)
    (folder / "checkpoint.pt").unlink(missing_ok=True)


def command(args: PPOArgs, seed: int) -> str:
    """The command line that trains this policy again."""
    elsewhere = ("scenario", "seed", "seeds", "name", "runs", "resume", "checkpoint_steps")
    flags = [f"--scenario {args.scenario}"]
    for field in fields(args):
        value = getattr(args, field.name)
        if value != field.default and field.name not in elsewhere:
            shown = "" if value is True else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            flags.append(f"--{field.name.replace('_', '-')} {shown}".strip())
    return " ".join(["python -m train ppo", *flags, f"--seed {seed}"])


def evaluate(scenario: Scenario, dispatcher: Any, episodes: int, seed: int) -> dict[str, Any]:
    """Mean auxiliary energy, and the ratio to analytic dispatchers on the same traces, with 95 % half widths."""
    drawn = _auxiliary_j(scenario, dispatcher, episodes, seed)
    mean = Estimate.of(drawn)
    result: dict[str, Any] = {"episodes": episodes, "seed": seed, "auxiliary_j": mean.mean}
    result["auxiliary_j_half_width"] = mean.half_width
    for name in ("myopic", "surplus-deferral") if scenario.can_wait else ("myopic",):
        reference = _auxiliary_j(scenario, make_dispatcher(name, scenario), episodes, seed)
        scale = reference.mean() or 1.0
        result[f"ratio_to_{name}"] = mean.mean / scale
        result[f"ratio_to_{name}_half_width"] = Estimate.of(drawn - reference).half_width / scale
    return result


def _report(console: Console, args: PPOArgs, results: pd.DataFrame) -> None:
    """A line for each seed, and the spread."""
    ratios = [name for name in results.columns if name.startswith("ratio") and not name.endswith("width")]
    table = Table("seed", *[name.replace("_", " ") for name in ratios])
    for _, row in results.iterrows():
        table.add_row(f"{row['seed']:.0f}", *[f"{row[name]:.4f} ± {row[f'{name}_half_width']:.4f}" for name in ratios])
    if len(results) > 1:
        spread = [f"{results[name].mean():.4f} (SD {results[name].std(ddof=1):.4f})" for name in ratios]
        table.add_row("all", *spread)
    console.print(table)
    write_atomically(args.folder / "seeds.csv", results.to_csv(index=False).encode())
    console.print(f"Policies, learning curves and TensorBoard logs: {args.folder}", soft_wrap=True)
