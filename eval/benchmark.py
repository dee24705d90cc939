"""The main job: every dispatcher in every scenario on common traces, with intervals, beside theory."""

from dataclasses import asdict, dataclass

import pandas as pd
from rich.console import Console

from energy_route_env import make_scenario
from energy_route_env.checks import require, require_whole
from eval import figure_tables
from eval.records import ResultArgs, run_record
from eval.report import write_report
from eval.runs import dispatcher_names, make_run
from eval.summary import summarise, verdicts
from eval.terminal import progress_bar, summary_tables


@dataclass(frozen=True)
class BenchmarkArgs(ResultArgs):
    """Run dispatchers through scenarios on common traces and compare them with each other and with theory."""

    scenarios: tuple[str, ...] = ("paper", "uncertain", "solar")
    """Names of the scenarios."""
    ratios: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Renewable ratios: mean harvest / mean demand of the myopic dispatcher."""
    dispatchers: tuple[str, ...] = ()
    """Names of the dispatchers; by default all that fit the scenario. Myopic always runs too."""
    episodes: int = 2000
    """Episodes of every dispatcher in every scenario at every ratio."""
    figures: bool = False
    """Plot every figure into the report, from tables computed for them (half a minute more)."""

    def check(self) -> None:
        super().check()
        require_whole("episodes", self.episodes, 2)
        require(bool(self.scenarios), "scenarios", self.scenarios, "one or more names")
        require(bool(self.ratios), "ratios", self.ratios, "one or more numbers")


def main(args: BenchmarkArgs) -> None:
    """Run the benchmark, save and print its tables, and write the report."""
    console = Console()
    args.check()
    names, ratios = dict.fromkeys(args.scenarios), dict.fromkeys(args.ratios)
    settings = [make_scenario(name, renewable_ratio=ratio) for name in names for ratio in ratios]
    runs = [make_run(scenario, name) for scenario in settings for name in dispatcher_names(scenario, args.dispatchers)]
    folder = args.folder("benchmark")
    console.print(
        f"Benchmark: {len(runs)} runs (scenario x ratio x dispatcher) of {args.episodes} episodes, seed {args.seed}."
    )
    tables = []
    with progress_bar(console) as progress:
        bar = progress.add_task("starting", total=len(runs) * args.episodes)
        for run in runs:
            progress.update(bar, description=f"{run.scenario.name} {run.scenario.renewable_ratio:g} {run.name}")
            tables.append(run.episodes(args.episodes, args.seed, lambda done: progress.advance(bar, done)))
            folder.save_part(f"episodes-{len(tables):03d}", tables[-1])
    episodes = pd.concat(tables, ignore_index=True)
    summary = summarise(episodes, runs)
    folder.finish({"episodes": episodes, "summary": summary}, run_record(asdict(args)))
    for table in summary_tables(summary):
        console.print(table, "")
    for sentence in verdicts(summary):
        console.print(sentence, soft_wrap=True)
    figures = None
    if args.figures:
        wanted = figure_tables.FiguresArgs(
            summary=folder.path / "summary.csv", seed=args.seed, name="figures", results=folder.path
        )
        figures = figure_tables.main(wanted)
    console.print(f"Report: {write_report(folder.path, figures)}", soft_wrap=True)
    console.print(folder.contents(), soft_wrap=True)
