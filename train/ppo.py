"""Train a dispatcher by Stable-Baselines3's PPO: `python -m train ppo --help`."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from agents import Dispatcher, make_dispatcher
from agents.learned import Learned, observation_meaning, save_policy, trained_for
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import InputError, require, require_whole
from energy_route_env.decision import features_of
from energy_route_env.files import write_atomically
from energy_route_env.scenarios import measured_scenario, training_scenario
from energy_route_env.units import FloatArray
from eval.recorded import RecordedWorld, WorldArgs
from eval.records import run_record
from eval.rollout import simulate
from eval.runs import fits
from eval.statistics import Estimate
from eval.table import TableArgs
from train.checkpoint import Curve, load_checkpoint, save_checkpoint
from train.cloning import VALUE_FIRST, clone, let_the_policy_learn
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import PPOSettings, Shaping, settings_for
from train.shaping import shape

CURVE_SEED = 1_000_003
"""Seed of the traces of the learning curve. The final evaluation uses others."""


@dataclass(frozen=True)
class PPOArgs(TableArgs):
    """Train PPO in a scenario, evaluate it on fixed traces, and save it as a policy with its card."""

    scenario: str = "uncertain"
    """Name of the scenario."""
    pool: Path | None = None
    """A table of outcomes, CSV or Parquet, for the scenario `measured` in place of its own."""
    world: RecordedWorld = field(default_factory=WorldArgs)
    """A recorded world in the place of the scenario's own."""
    ratio: float | None = None
    """Renewable ratio while training; by default the scenario's."""
    horizon: int | None = None
    """Slots of an episode; by default the scenario's."""
    continuing: bool = False
    """Hide the time left and treat the horizon as a truncation."""
    shaping: Shaping = "none"
    """Reward shaping, which leaves the ranking of policies (docs/training.md).
    none: minus what is drawn.
    brownian: by the Brownian value function; anywhere, but it misleads where tasks can wait.
    expected: the same, less the chance of a task's own energy; where no task can wait and failures are ignored.
    optimum: by dynamic programming; where the dispatcher `optimal` fits.
    prices: by mean prices of the hindsight bound; where tasks can wait and the battery is finite.
    hindsight: by each episode's own prices of that bound; where tasks can wait."""
    clone: str = ""
    """A dispatcher to learn from before PPO, by its name (`python -m eval benchmark --help` lists them) or as a
    policy's path (.safetensors); by default none. Then the value function learns alone for the first tenth of the
    decisions."""
    seed: int = 0
    """Seed of the first training."""
    seeds: int = 1
    """How many independent trainings, one for each seed from the first on. Their spread is reported."""
    changes: tyro.conf.OmitArgPrefixes[PPOSettings] = field(default_factory=PPOSettings)
    """What is unset by default is taken from train/settings.py, for this scenario and shaping."""
    curve_points: int = 20
    """Evaluations while training."""
    curve_episodes: int = 500
    """Episodes of each evaluation."""
    final_episodes: int = 10_000
    """Episodes of the final evaluation."""
    final_seed: int = 0
    """Seed of the final evaluation's traces; 0 is the benchmark's."""
    checkpoint_steps: int = 250_000
    """Decisions between checkpoints."""
    name: str = ""
    """Name of the run's folder; by default ppo-<scenario>-<shaping>."""
    runs: Path = Path("runs")
    """Where the folder goes."""
    resume: bool = False
    """Continue the run of this name from its last checkpoint."""

    def check(self) -> None:
        """Refuse what nothing else refuses, with an InputError."""
        least = {"seeds": 1, "seed": 0, "curve_points": 1, "curve_episodes": 2}
        least |= {"final_episodes": 2, "final_seed": 0, "checkpoint_steps": 1}
        for name, low in least.items():
            require_whole(name, getattr(self, name), low)
        self.world.check()
        require(self.name == Path(self.name).name, "name", self.name, "a plain folder name")
        require(self.pool is None or self.scenario == "measured", "scenario", self.scenario, "'measured' with a pool")
        if self.pool is None:
            self.check_unused()
        if self.clone:
            make_dispatcher(self.clone, self.make_scenario())  # its name
        shapeless = self.shaping == "none" or not self.continuing
        require(shapeless, "continuing", self.continuing, "False with shaping: the potential needs the time left")

    @property
    def folder(self) -> Path:
        return self.runs / (self.name or f"ppo-{self.scenario}-{self.shaping}")

    def make_scenario(self) -> Scenario:
        changes = {"renewable_ratio": self.ratio, "horizon_slots": self.horizon}
        given = {name: value for name, value in changes.items() if value is not None}
        own = self.scenario if self.pool is None else measured_scenario(self.read(self.pool))
        return self.world.apply(make_scenario(own, continuing=self.continuing, **given))


@dataclass(frozen=True)
class Training:
    """One seed's training."""

    args: PPOArgs
    scenario: Scenario
    settings: PPOSettings
    seed: int
    console: Console

    @property
    def folder(self) -> Path:
        return self.args.folder / f"seed-{self.seed}"


def main(args: PPOArgs) -> None:
    """Train every seed, and report the results and their spread."""
    args.check()
    console, scenario = Console(), args.make_scenario()
    settings = settings_for(args.scenario, args.shaping, args.changes)
    _prepare(args, settings)
    args.world.tell(console, [scenario])
    results = []
    for seed in range(args.seed, args.seed + args.seeds):
        training = Training(args, scenario, settings, seed, console)
        card = training.folder / "policy.json"
        if not card.exists():
            finish(training, train(training))
        results.append(json.loads(card.read_text())["evaluation"] | {"seed": seed})
    _report(console, args, pd.DataFrame(results))


def _prepare(args: PPOArgs, settings: PPOSettings) -> None:
    """Make the run's folder with its record, or check that a resumed run has the same arguments."""
    record = args.folder / "run.json"
    free = ("resume", "runs", "name", "seeds", "changes")  # a resumed run may have others
    kept = {key: value for key, value in asdict(args).items() if key not in free} | settings
    wanted = json.loads(json.dumps(kept, default=str))
    if args.resume:
        if not record.exists():
            raise InputError(f"{args.folder} holds no run to resume: start one without --resume.")
        before = json.loads(record.read_text())["arguments"]
        for key, value in wanted.items():
            require(before.get(key) == value, key, value, f"that of the run to resume, {before.get(key)!r}")
    elif args.folder.exists():
        raise InputError(f"{args.folder} exists already: continue it with --resume, or give another --name.")
    else:
        write_atomically(record, json.dumps(run_record(wanted), indent=2).encode())


def make_envs(scenario: Scenario, settings: PPOSettings, shaping: Shaping) -> VecEnv:
    """Make the training environments."""
    unit = settings["reward_unit_tasks"] * scenario.myopic_moments[0] * scenario.mean_grid_weight
    return shape(SB3EnergyRoute(scenario, settings["num_envs"], reward_unit=unit), shaping)


def algorithm(scenario: Scenario) -> type[PPO]:
    """Return the class of algorithms: where failures are retried, one that leaves out the models that failed."""
    return cast(type[PPO], MaskablePPO) if scenario.retries else PPO


def make_model(envs: Any, settings: PPOSettings, seed: int) -> PPO:
    """Make a PPO with these settings. It runs on one CPU thread, which makes it reproducible to the bit."""
    torch.set_num_threads(1)
    start = settings["learning_rate"]
    return algorithm(envs.get_attr("scenario", 0)[0])(
        "MlpPolicy",
        envs,
        learning_rate=lambda left: left * start,
        n_steps=settings["rollout_steps"],
        batch_size=min(settings["batch_size"], settings["rollout_steps"] * settings["num_envs"]),
        n_epochs=settings["epochs"],
        gamma=settings["discount"],
        gae_lambda=settings["gae_lambda"],
        ent_coef=settings["entropy_weight"],
        policy_kwargs={"net_arch": list(settings["hidden_sizes"])},
        seed=seed,
        device="cpu",
    )


def train(training: Training) -> PPO:
    """Train one seed, from its last checkpoint if there is one."""
    settings, shaping, curve = training.settings, training.args.shaping, Curve()
    checkpoint = training.folder / "checkpoint.pt"
    if checkpoint.exists():
        model, curve = load_checkpoint(checkpoint, algorithm(training.scenario))
    else:
        scenario = training_scenario(training.scenario)
        model = make_model(make_envs(scenario, settings, shaping), settings, training.seed)
        if training.args.clone:
            clone(model, scenario, make_dispatcher(training.args.clone, scenario), training.seed)
    model.set_logger(configure(str(training.folder / "tensorboard"), ["tensorboard"]))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=training.console) as progress:
        monitor = Monitor(training, curve, progress)
        model.learn(settings["steps"] - model.num_timesteps, monitor, log_interval=1, reset_num_timesteps=False)
        monitor.evaluate()
    return model


class Monitor(BaseCallback):
    """Evaluates on fixed traces and saves checkpoints, between an update and the next rollout."""

    def __init__(self, training: Training, curve: Curve, progress: Progress) -> None:
        super().__init__()
        self._training, self._curve, self._progress = training, curve, progress
        self._name = f"{training.args.scenario} seed {training.seed}"
        self._begin = time.perf_counter() - (curve[-1]["seconds"] if curve else 0.0)
        self._reference_j = self._evaluation_j(make_dispatcher("myopic", training.scenario))

    @property
    def _ppo(self) -> PPO:
        return cast(PPO, self.model)

    def _on_training_start(self) -> None:
        self._saved = self.num_timesteps
        total = self._training.settings["steps"]
        self._bar = self._progress.add_task(self._name, total=total, completed=self.num_timesteps)

    def _on_rollout_start(self) -> None:
        args, done = self._training.args, self._curve[-1]["steps"] if self._curve else 0
        first = VALUE_FIRST * self._training.settings["steps"] if args.clone else 0
        let_the_policy_learn(self._ppo, self.num_timesteps >= first)
        if self.num_timesteps - done >= self._training.settings["steps"] / args.curve_points:
            self.evaluate()
        if self.num_timesteps - self._saved >= args.checkpoint_steps:
            save_checkpoint(self._training.folder / "checkpoint.pt", self._ppo, self._curve)
            self._saved = self.num_timesteps

    def _on_step(self) -> bool:
        self._progress.update(self._bar, completed=self.num_timesteps)
        return True

    def evaluate(self) -> None:
        """Add a point to the learning curve, save it, and show the ratio to myopic."""
        auxiliary_j = self._evaluation_j(dispatcher_of(self._ppo, self._training.scenario))
        point = {"steps": self.num_timesteps, "seconds": time.perf_counter() - self._begin}
        point |= _compared(auxiliary_j, {"myopic": self._reference_j})
        self._curve.append(point)
        self.logger.record("eval/ratio_to_myopic", point["ratio_to_myopic"])
        table = pd.DataFrame(self._curve).to_csv(index=False)
        write_atomically(self._training.folder / "curve.csv", table.encode())
        label = f"{self._name}: {point['ratio_to_myopic']:.3f} x myopic"
        self._progress.update(self._bar, completed=self.num_timesteps, description=label)

    def _evaluation_j(self, dispatcher: Dispatcher) -> FloatArray:
        return _cost(self._training.scenario, dispatcher, self._training.args.curve_episodes, CURVE_SEED)


def _cost(scenario: Scenario, dispatcher: Dispatcher, episodes: int, seed: int) -> FloatArray:
    """Simulate episodes and return D_T of each in the scenario's unit, shape (episodes,)."""
    return simulate(scenario, dispatcher, episodes, seed).cost[:, -1]


def _compared(auxiliary_j: FloatArray, references_j: dict[str, FloatArray]) -> dict[str, float]:
    """Return the mean and its ratio to each other dispatcher's on the same traces, with 95 % half widths."""
    mean = Estimate.of(auxiliary_j)
    result = {"auxiliary_j": mean.mean, "auxiliary_j_half_width": mean.half_width}
    for name, reference_j in references_j.items():
        scale = reference_j.mean() or 1.0
        result[f"ratio_to_{name}"] = mean.mean / scale
        result[f"ratio_to_{name}_half_width"] = Estimate.of(auxiliary_j - reference_j).half_width / scale
    return result


def dispatcher_of(model: PPO, scenario: Scenario) -> Learned:
    """Return the policy as a dispatcher, with masks where it was trained with them."""
    return Learned.from_sb3(model, scenario if scenario.retries else None)


def policy_layers(model: PPO) -> dict[str, torch.Tensor]:
    """Return the policy's layers under the names that `agents.learned` reads."""
    network = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    tensors = {f"{i}.{kind}": getattr(layer, kind) for i, layer in enumerate(linear) for kind in ("weight", "bias")}
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def finish(training: Training, model: PPO) -> None:
    """Evaluate the trained policy on fresh traces and save it with its card; then delete the checkpoint."""
    args, scenario, settings = training.args, training.scenario, training.settings
    with training.console.status(f"evaluating on {args.final_episodes} episodes"):
        evaluation = evaluate(scenario, dispatcher_of(model, scenario), args.final_episodes, args.final_seed)
    record = run_record({})
    card = {
        "command": json.loads((args.folder / "run.json").read_text())["command"],
        "scenario": args.scenario,
        "trained_for": trained_for(scenario),
        "observation": observation_meaning(scenario),
        "network": {
            "activation": "tanh",
            "sizes": [len(features_of(scenario)), *settings["hidden_sizes"], scenario.n_actions],
            "masked": scenario.retries,
        },
        "algorithm": type(model).__name__,
        "shaping": args.shaping,
        "clone": args.clone,
        "settings": settings,
        "seed": training.seed,
        "steps": model.num_timesteps,
        "evaluation": evaluation,
        "python": record["python"],
        "versions": record["versions"],
    }
    save_policy(training.folder / "policy.safetensors", policy_layers(model), card)
    (training.folder / "checkpoint.pt").unlink(missing_ok=True)


def evaluate(scenario: Scenario, dispatcher: Dispatcher, episodes: int, seed: int) -> dict[str, Any]:
    """Compare a dispatcher with analytic ones on the same traces."""
    names = ["myopic", *(["surplus-deferral"] if scenario.can_wait else [])]
    names += ["greedy-deferral", "cheap-hours"] if scenario.grid_source is not None else []
    names += ["best-order"] if scenario.retries and fits("best-order", scenario) else []
    references = {name: _cost(scenario, make_dispatcher(name, scenario), episodes, seed) for name in names}
    result = _compared(_cost(scenario, dispatcher, episodes, seed), references)
    return {"episodes": episodes, "seed": seed} | result


def _report(console: Console, args: PPOArgs, results: pd.DataFrame) -> None:
    """Print and save a line for each seed, and print the spread."""
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
