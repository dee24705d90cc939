"""The main job: every dispatcher in every scenario, on common traces, with intervals and beside theory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from agents import Dispatcher, make_dispatcher
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from eval.figure_tables import FiguresArgs, draw_all
from eval.records import ResultFolder, run_record
from eval.report import write_report
from eval.rollout import simulate
from eval.summary import dispatcher_names, render, summarise, verdicts
from eval.terminal import progress_bar


@dataclass(frozen=True)
class BenchmarkArgs:
    """Run dispatchers through scenarios on common traces and compare them with each other and with theory."""

    scenarios: tuple[str, ...] = ("paper", "uncertain", "solar")
    """Names of the scenarios."""
    ratios: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Renewable ratios: mean harvest / mean demand of the myopic dispatcher."""
    dispatchers: tuple[str, ...] = ()
    """Names of the dispatchers; by default all that fit the scenario. Myopic always runs too."""
    episodes: int = 2000
    """Episodes of every dispatcher in every scenario at every ratio."""
    seed: int = 0
    """Seed of the traces."""
    name: str = ""
    """Name of the results' folder; by default benchmark-<date>-<time>."""
    results: Path = Path("results")
    """Where the folder goes."""
    overwrite: bool = False
    """Replace an existing folder of that name."""
    figures: bool = False
    """Draw every figure into the report, from tables computed for them (half a minute more)."""

    def check(self) -> None:
        """Check what the scenarios do not check themselves."""
        require_whole("episodes", self.episodes, 2)
        require_whole("seed", self.seed, 0)
        require(bool(self.scenarios), "scenarios", self.scenarios, "one or more names")
        require(bool(self.ratios), "ratios", self.ratios, "one or more numbers")


def main(args: BenchmarkArgs) -> None:
    """Run the benchmark, save its tables, print them and say what they show."""
    console = Console()
    args.check()
    names, ratios = dict.fromkeys(args.scenarios), dict.fromkeys(args.ratios)
    settings = [make_scenario(name, renewable_ratio=ratio) for name in names for ratio in ratios]
    cells = [(s, name, make_dispatcher(name, s)) for s in settings for name in dispatcher_names(s, args.dispatchers)]
    folder = ResultFolder(args.results, args.name or None, "benchmark", overwrite=args.overwrite)
    console.print(
        f"Benchmark: {len(cells)} runs (scenario x ratio x dispatcher) of {args.episodes} episodes, seed {args.seed}."
    )
    tables = []
    with progress_bar(console) as progress:
        bar = progress.add_task("starting", total=len(cells) * args.episodes)
        for scenario, name, dispatcher in cells:
            progress.update(bar, description=f"{scenario.name} {scenario.renewable_ratio:g} {name}")
            tables.append(_episodes(args, scenario, name, dispatcher, lambda done: progress.advance(bar, done)))
            folder.save_part(f"episodes-{len(tables):03d}", tables[-1])
    episodes = pd.concat(tables, ignore_index=True)
    summary = summarise(episodes, {(s.name, s.renewable_ratio, name): (s, d) for s, name, d in cells})
    folder.finish({"episodes": episodes, "summary": summary}, run_record(asdict(args)))
    for table in render(summary):
        console.print(table, "")
    for sentence in verdicts(summary):
        console.print(sentence, soft_wrap=True)
    figures = draw_all(_figures(args, folder.path), console) if args.figures else None
    console.print(f"Report: {write_report(folder.path, figures)}", soft_wrap=True)
    console.print(folder.contents(), soft_wrap=True)


def _figures(args: BenchmarkArgs, folder: Path) -> FiguresArgs:
    return FiguresArgs(summary=folder / "summary.csv", seed=args.seed, name="figures", results=folder)


def _episodes(
    args: BenchmarkArgs, scenario: Scenario, name: str, dispatcher: Dispatcher, progress: Any
) -> pd.DataFrame:
    """The tidy table of one run, one row an episode."""
    result = simulate(scenario, dispatcher, args.episodes, args.seed, progress=progress)
    place = {"scenario": scenario.name, "ratio": scenario.renewable_ratio, "dispatcher": name}
    columns = {"episode": range(args.episodes), "tasks": result.tasks, "latency_s": result.latency_s}
    return pd.DataFrame(place | columns | result.balance)
