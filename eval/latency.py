"""`python -m eval latency`: what it changes that a task draws its energy over its latency instead of at once."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents import Oracle
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.theory import brownian_motion, expected_auxiliary_energy, expected_over_latency, running_j
from eval.figures import latency_figure, save_figure
from eval.records import ResultArgs, run_record
from eval.rollout import rising_slots, simulate
from eval.statistics import Estimate
from eval.terminal import filled_table


@dataclass(frozen=True)
class LatencyArgs(ResultArgs):
    """Simulate the oracle in `paper` with energy drawn at once and over latency, on the same traces, beside theory."""

    ratios: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Renewable ratios."""
    horizons: tuple[int, ...] = (30, 100, 300, 1000, 3000, 10_000)
    """Slots of an episode, rising; each has episodes of its own, since running tasks draw the rest at its end."""
    episodes: int = 400
    """Episodes behind each mean."""

    def check(self) -> None:
        super().check()
        require_whole("episodes", self.episodes, 2)
        require(bool(self.ratios), "ratios", self.ratios, "one or more numbers")
        rising_slots("horizons", self.horizons, "rising whole numbers, 1 or more")


def main(args: LatencyArgs) -> None:
    """Simulate, save the table and the figure, and print both."""
    args.check()
    console = Console()
    folder = args.folder("latency")
    places = [(ratio, horizon) for ratio in dict.fromkeys(args.ratios) for horizon in args.horizons]
    rows = [row(*place, args.episodes, args.seed) for place in track(places, "simulating", console=console)]
    table = pd.DataFrame(rows)
    save_figure(latency_figure(table), folder.partial / "latency")
    folder.finish({"latency": table}, run_record(asdict(args)))
    console.print(render(table))
    console.print(folder.contents(), soft_wrap=True)


def row(ratio: float, horizon: int, episodes: int, seed: int) -> dict[str, float]:
    """Return E[D_T] at once and over latency with 95 % half widths, their difference, and theory's; all in joules."""
    at_once = make_scenario("paper", renewable_ratio=ratio, horizon_slots=horizon)
    over_latency = make_scenario(at_once, execution="over_latency")
    at_once_j, over_latency_j = (_auxiliary_j(scenario, episodes, seed) for scenario in (at_once, over_latency))
    oracle = Oracle(over_latency)
    motion = brownian_motion(over_latency, oracle.probabilities, privileged=True)
    waiting_j = running_j(over_latency, oracle.probabilities, privileged=True)
    values = {"ratio": ratio, "slots": horizon, "episodes": episodes, "running_j": waiting_j}
    values |= {"brownian_j": float(expected_auxiliary_energy(*motion, horizon))}
    values |= {"brownian_over_latency_j": float(expected_over_latency(*motion, horizon, waiting_j))}
    samples = {"at_once_j": at_once_j, "over_latency_j": over_latency_j, "difference_j": over_latency_j - at_once_j}
    for name, estimate in ((name, Estimate.of(drawn)) for name, drawn in samples.items()):
        values |= {name: estimate.mean, f"{name}_half_width": estimate.half_width}
    return values


def _auxiliary_j(scenario: Scenario, episodes: int, seed: int) -> np.ndarray:
    return simulate(scenario, Oracle(scenario), episodes, seed).auxiliary_j[:, -1]


def render(table: pd.DataFrame) -> Table:
    """Return the table for a terminal of 80 columns, in joules with 95 % intervals."""
    heads = ("ratio", "slots", "at once, J", "over latency, J", "Brownian", "less R", "difference, J")
    rows = []
    for _, point in table.iterrows():
        cells = [_interval(point, name) for name in ("at_once_j", "over_latency_j", "difference_j")]
        theory = (f"{point[name]:.0f}" for name in ("brownian_j", "brownian_over_latency_j"))
        rows.append([f"{point['ratio']:g}", f"{point['slots']:.0f}", *cells[:2], *theory, cells[2]])
    title = f"E[D_T] of the oracle in paper, {table['episodes'].iloc[0]} episodes"
    return filled_table(heads, rows, title)


def _interval(point: pd.Series, name: str) -> str:
    return f"{point[name]:.0f} ± {point[f'{name}_half_width']:.0f}"
