"""The main job: every dispatcher in every scenario on common traces, with intervals, beside theory."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from agents import choices
from energy_route_env import SCENARIOS, Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.scenarios import measured_scenario
from energy_route_env.units import FloatArray
from eval import figure_tables
from eval.gap import Best, best_known
from eval.recorded import RecordedWorld, WorldArgs
from eval.records import ResultArgs, ResultFolder, run_record
from eval.report import write_report
from eval.runs import Run, dispatcher_names, make_run, scenario_at
from eval.summary import Place, summarise, verdicts
from eval.table import TableArgs
from eval.terminal import progress_bar, summary_tables
from eval.workers import workers

FEW_EPISODES = 20_000
"""Fewer in all are simulated before other processes have started."""
ENOUGH_EPISODES = 100
TOO_FEW_EPISODES = (
    f"Note: with fewer than {ENOUGH_EPISODES} episodes the control variates are fitted to few points. Means, "
    "differences and intervals are rough then, and a mean and the difference beside it may contradict each other. "
    "Run more episodes."
)


@dataclass(frozen=True)
class BenchmarkArgs(ResultArgs, TableArgs):
    """Run dispatchers through scenarios on common traces and compare them with each other and with theory."""

    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    """Names of the scenarios; with a pool, `measured` alone."""
    pool: Path | None = None
    """A table of outcomes, CSV or Parquet, for the scenario `measured` in place of its own."""
    ratios: tuple[float, ...] = ()
    """Renewable ratios; by default the scenario's own, and 0.9 and 1.1 where that is 1."""
    dispatchers: tuple[str, ...] = ()
    """Names, or paths of policies (.safetensors); by default all that fit the scenario. Myopic always runs too.
    Anywhere: oracle, myopic, scaling-law, variance-aware, optimal, random, error-RATE, fixed-MODEL, router-PARAMS
    (with numbers: error-0.05, fixed-0, router-1e9), and learned, the policy that comes with the project.
    Where tasks can wait: greedy-deferral, surplus-deferral, cheap-hours, receding-persistence, receding-climatology,
    receding-perfect.
    Where failures are retried: cascade, calibrated, best-order, largest-first, hindsight."""
    episodes: int = 2000
    """Episodes of every dispatcher in every scenario at every ratio."""
    world: RecordedWorld = field(default_factory=WorldArgs)
    """A recorded world in the place of the scenarios' own."""
    figures: bool = False
    """Plot every figure into the report, from tables computed for them (half a minute more)."""

    def check(self) -> None:
        super().check()
        require_whole("episodes", self.episodes, 2)
        self.world.check()
        if self.pool is None:
            self.check_unused()
        require(bool(self.scenarios), "scenarios", self.scenarios, "one or more names")
        alone = self.pool is None or self.scenarios in (("measured",), tuple(SCENARIOS))
        require(alone, "scenarios", self.scenarios, "left out, or 'measured', where a pool is given")

    def settings(self) -> list[Scenario]:
        """Return the scenarios to run, each at its ratios."""
        if self.pool is not None:
            own = measured_scenario(self.read(self.pool))
            return [make_scenario(own, renewable_ratio=ratio) for ratio in self.ratios_of("measured")]
        return [scenario_at(name, ratio) for name in dict.fromkeys(self.scenarios) for ratio in self.ratios_of(name)]

    def ratios_of(self, scenario: str) -> list[float]:
        """Return the ratios to run a scenario at."""
        own = make_scenario(scenario).renewable_ratio
        return list(dict.fromkeys(self.ratios or ((0.9, 1.0, 1.1) if own == 1 else (own,))))


def main(args: BenchmarkArgs) -> None:
    """Run the benchmark, save and print its tables, and write the report."""
    console = Console()
    args.check()
    settings = [args.world.apply(scenario) for scenario in args.settings()]
    runs = [make_run(scenario, name) for scenario in settings for name in dispatcher_names(scenario, args.dispatchers)]
    folder = args.folder("benchmark")
    console.print(
        f"Benchmark: {len(runs)} runs (scenario x ratio x dispatcher) of {args.episodes} episodes, seed {args.seed}."
    )
    args.world.tell(console, settings)
    with progress_bar(console) as progress:
        tables, best = _run_all(args, runs, progress, folder)
    episodes = pd.concat(tables, ignore_index=True)
    summary = summarise(episodes, runs, best)
    folder.finish({"episodes": episodes, "summary": summary}, run_record(asdict(args)))
    for table in summary_tables(summary):
        console.print(table, "")
    for sentence in verdicts(summary):
        console.print(sentence, soft_wrap=True)
    if args.episodes < ENOUGH_EPISODES:
        console.print(TOO_FEW_EPISODES, soft_wrap=True)
    figures = None
    if args.figures:
        wanted = figure_tables.FiguresArgs(
            summary=folder.path / "summary.csv", seed=args.seed, name="figures", results=folder.path
        )
        figures = figure_tables.main(wanted)
    console.print(f"Report: {write_report(folder.path, figures)}", soft_wrap=True)
    console.print(folder.contents(), soft_wrap=True)


def _run_all(
    args: BenchmarkArgs, runs: list[Run], progress: Progress, folder: ResultFolder
) -> tuple[list[pd.DataFrame], dict[Place, Best | None]]:
    """Run every dispatcher, those that do the same only once, and save the table of each.

    Returns:
        The tables, and for each scenario at each ratio what its dispatchers are measured by.
    """
    bar = progress.add_task("simulating", total=len(runs) * args.episodes)
    tables: list[pd.DataFrame] = []
    best: dict[Place, Callable[[], Best | None]] = {}
    with workers(1 if len(runs) * args.episodes < FEW_EPISODES else None) as submit:
        keys, tasks = [_key(run) for run in runs], {}
        for run, key in zip(runs, keys, strict=True):
            if key not in tasks:
                tasks[key] = submit(_simulated, run.scenario, run.name, args.episodes, args.seed)
        for place, setting in itertools.groupby(zip(runs, keys, strict=True), lambda pair: pair[0].place[:2]):
            costs: dict[str, FloatArray] = {}
            done: dict[Any, pd.DataFrame] = {}
            for run, key in setting:
                progress.update(bar, description=f"{place[0]} {place[1]:g} {run.name}")
                done[key] = done[key] if key in done else tasks.pop(key)()
                tables.append(done[key].assign(dispatcher=run.name))
                costs[run.name] = tables[-1]["cost"].to_numpy(float)
                folder.save_part(f"episodes-{len(tables):03d}", tables[-1])
                progress.update(bar, completed=len(tables) * args.episodes)
            best[place] = submit(best_known, run.scenario, costs, args.seed)
        progress.update(bar, description="the best possible")
        return tables, {place: get() for place, get in best.items()}


def _key(run: Run) -> Any:
    """Return what runs have in common that do the same in every episode."""
    return run.place[:2], choices(run.dispatcher) or run.name


def _simulated(scenario: Scenario, name: str, episodes: int, seed: int) -> pd.DataFrame:
    """Make the run anew, in whatever process, and return its table."""
    return make_run(scenario, name).episodes(episodes, seed)
