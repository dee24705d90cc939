"""Learning curves of training runs in one picture."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro
from rich.console import Console

from energy_route_env.checks import InputError, require_sequence
from eval.figures import learning_curves_figure, save_figure


@dataclass(frozen=True)
class CurvesArgs:
    """Plot the learning curves of training runs: mean and range over the seeds of each."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of training runs of `python -m train ppo`."""
    out: Path = Path("learning-curves")
    """Path of the picture without its ending. Writes .svg, .png, and .csv with the data."""


def main(args: CurvesArgs) -> None:
    """Collect the curves, save them as one table, and plot it."""
    curves = gather(args.runs)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    curves.to_csv(args.out.with_suffix(".csv"), index=False)
    save_figure(learning_curves_figure(curves), args.out)
    Console().print(f"Results: {args.out}.svg, .png, .csv", soft_wrap=True)


def gather(runs: tuple[Path, ...]) -> pd.DataFrame:
    """Read the curves of all runs and seeds into one table.

    Raises:
        InputError: if there is no folder, or one holds no curve.
    """
    tables = []
    for run in require_sequence("runs", runs, "one or more folders of training runs"):
        files = sorted(run.glob("seed-*/curve.csv"))
        if not files:
            raise InputError(f"runs holds {str(run)!r}, but each must be the folder of a run, with seed-*/curve.csv.")
        for file in files:
            seed = int(file.parent.name.removeprefix("seed-"))
            tables.append(pd.read_csv(file).assign(run=run.name, seed=seed))
    return pd.concat(tables, ignore_index=True)[["run", "seed", "steps", "ratio_to_myopic"]]
