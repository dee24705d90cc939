"""Where surplus deferral should call the battery nearly full."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents import SurplusDeferral
from energy_route_env import make_scenario
from eval.rollout import simulate
from eval.statistics import Estimate


@dataclass(frozen=True)
class TuneArgs:
    """Try thresholds of surplus deferral on common traces, apart from those of the benchmark."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float = 1.0
    """Renewable ratio."""
    thresholds: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
    """Shares of the capacity to try."""
    episodes: int = 4000
    """Episodes for each."""
    seed: int = 1
    """Seed of the traces."""


def main(args: TuneArgs) -> None:
    """Run every threshold and print the auxiliary energy, and the paired difference to the default's."""
    scenario = make_scenario(args.scenario, renewable_ratio=args.ratio)
    console = Console()
    drawn = {}
    for threshold in track(dict.fromkeys((*args.thresholds, SurplusDeferral.DEFAULT_THRESHOLD)), console=console):
        result = simulate(scenario, SurplusDeferral(scenario, threshold), args.episodes, args.seed)
        drawn[threshold] = result.auxiliary_j[:, -1] / 1e9
    table = Table("threshold", "auxiliary, GJ", f"minus {SurplusDeferral.DEFAULT_THRESHOLD:g} (default), GJ")
    for threshold, auxiliary in sorted(drawn.items()):
        mean, difference = Estimate.of(auxiliary), Estimate.of(auxiliary - drawn[SurplusDeferral.DEFAULT_THRESHOLD])
        table.add_row(
            f"{threshold:g}",
            f"{mean.mean:.3f} ± {mean.half_width:.3f}",
            f"{difference.mean:+.4f} ± {difference.half_width:.4f}",
        )
    console.print(table)
