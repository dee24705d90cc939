"""Learning curves of training runs in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro
from rich.console import Console

from eval.figures import learning_curves_figure, save_figure


@dataclass(frozen=True)
class CurvesArgs:
    """Draw the learning curves of runs, over all of their seeds."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs, as `python -m train ppo` leaves them."""
    out: Path = Path("learning-curves")
    """Path of the picture without ending; .svg, .png and the .csv that it is drawn from are written."""


def main(args: CurvesArgs) -> None:
    """Gather the curves, save them as one table, and draw it."""
    curves = gather(args.runs)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    curves.to_csv(args.out.with_suffix(".csv"), index=False)
    save_figure(learning_curves_figure(curves), args.out)
    Console().print(f"Results: {args.out}.svg, .png, .csv", soft_wrap=True)


def gather(runs: tuple[Path, ...]) -> pd.DataFrame:
    """The curves of all runs and seeds as one table.

    Raises:
        ValueError: if a folder holds no curve.
    """
    tables = []
    for run in runs:
        files = sorted(run.glob("seed-*/curve.csv"))
        if not files:
            raise ValueError(f"runs holds {str(run)!r}, but each must be the folder of a run, with seed-*/curve.csv.")
        for file in files:
            seed = int(file.parent.name.removeprefix("seed-"))
            tables.append(pd.read_csv(file).assign(run=run.name, seed=seed))
    return pd.concat(tables, ignore_index=True)[["run", "seed", "steps", "ratio_to_myopic"]]
