"""Find the level from which surplus deferral should treat the battery as nearly full."""

from dataclasses import dataclass

from rich.console import Console
from rich.progress import track

from agents import SurplusDeferral
from energy_route_env.checks import require_whole
from energy_route_env.units import unit_for
from eval.rollout import simulate
from eval.runs import scenario_at
from eval.statistics import Estimate
from eval.terminal import filled_table


@dataclass(frozen=True)
class TuneArgs:
    """Compare thresholds of surplus deferral on common traces that the benchmark does not use."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float | None = None
    """Renewable ratio; by default the scenario's."""
    thresholds: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
    """Shares of the capacity to try."""
    episodes: int = 4000
    """Episodes for each."""
    seed: int = 1
    """Seed of the traces."""


def main(args: TuneArgs) -> None:
    """Run every threshold and print its auxiliary energy and the paired difference to the default's."""
    require_whole("episodes", args.episodes, 2)
    scenario = scenario_at(args.scenario, args.ratio)
    console, default = Console(), SurplusDeferral.DEFAULT_THRESHOLD
    costs = {}
    for threshold in track(sorted({*args.thresholds, default}), console=console):
        result = simulate(scenario, SurplusDeferral(scenario, threshold), args.episodes, args.seed)
        costs[threshold] = result.cost[:, -1]
    size, unit = unit_for([values.mean() for values in costs.values()], scenario.unit)
    rows = []
    for threshold, values in costs.items():
        mean, difference = Estimate.of(values / size), Estimate.of((values - costs[default]) / size)
        shown = f"{mean.mean:.3f} ± {mean.half_width:.3f}"
        rows.append((f"{threshold:g}", shown, f"{difference.mean:+.4f} ± {difference.half_width:.4f}"))
    console.print(filled_table(("threshold", f"auxiliary, {unit}", f"minus {default:g} (default), {unit}"), rows))
