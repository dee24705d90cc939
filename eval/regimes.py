"""`python -m eval regimes`: measured curves of auxiliary energy, and their regimes beside theory's."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents import motion_for_theory, slot_for_theory
from energy_route_env import make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.theory import (
    BrownianMotion,
    SlotDistribution,
    exact_expected_auxiliary_energy,
    expected_auxiliary_energy,
    transition_horizon,
)
from energy_route_env.units import IntArray
from eval.columns import number
from eval.records import ResultArgs, run_record
from eval.regime_fit import FIRST_SLOT, checkpoints, draw_curves, fit_regime, log_slope, name_regime
from eval.rollout import simulate
from eval.runs import Run, make_run
from eval.terminal import filled_table


@dataclass(frozen=True)
class RegimesArgs(ResultArgs):
    """Measure how the auxiliary energy grows, and name its regime beside the one that theory gives."""

    scenario: str = "paper"
    """Name of the scenario."""
    ratios: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Renewable ratios: mean harvest / mean demand of the myopic dispatcher."""
    dispatchers: tuple[str, ...] = ("myopic",)
    """Names of dispatchers (`benchmark --help` lists them), or paths of policies (.safetensors). Where theory applies,
    curves are drawn from the slot distribution; elsewhere they are simulated, which is far slower."""
    episodes: int = 100
    """Episodes behind each curve."""
    horizon: int = 10_000
    """Slots of an episode; curves are read from slot 10 on, four times a decade."""
    slope_from: int = 0
    """First slot of the window of the log-log slope; 0 for the last decade."""
    repetitions: int = 1
    """Curves for every dispatcher and ratio; with several, the table counts the names and shows medians."""

    def check(self) -> None:
        super().check()
        for field, low in (("episodes", 2), ("horizon", 10 * FIRST_SLOT), ("repetitions", 1), ("slope_from", 0)):
            require_whole(field, getattr(self, field), low)
        require(self.slope_from < self.horizon, "slope_from", self.slope_from, f"below the horizon, {self.horizon}")
        require(bool(self.ratios), "ratios", self.ratios, "one or more numbers")
        require(bool(self.dispatchers), "dispatchers", self.dispatchers, "one or more names")


def main(args: RegimesArgs) -> None:
    """Measure the curves, fit them, save both tables, and print the fits and where the tables are."""
    args.check()
    console = Console()
    runs = []
    for ratio in dict.fromkeys(args.ratios):
        scenario = make_scenario(args.scenario, renewable_ratio=ratio, horizon_slots=args.horizon)
        runs += [make_run(scenario, name) for name in dict.fromkeys(args.dispatchers)]
    folder = args.folder("regimes")
    slope_from, tables, fits, known = args.slope_from or args.horizon / 10, [], [], {}
    for run in runs:
        place = run.scenario, run.dispatcher
        law = slot_for_theory(*place) or motion_for_theory(*place)
        known[run.place[1:]] = law_columns(law, checkpoints(args.horizon), slope_from)
    curves = list(itertools.product(enumerate(runs), range(args.repetitions)))
    for (run_number, run), repetition in track(curves, "measuring and fitting", console=console):
        tables.append(measure(args, run, run_number, repetition))
        folder.save_part(f"curves-{len(tables):04d}", tables[-1])
        fits.append(fit_table(tables[-1], known, slope_from))
    regimes = pd.concat(fits, ignore_index=True)
    folder.finish({"curves": pd.concat(tables, ignore_index=True), "regimes": regimes}, run_record(asdict(args)))
    for table in render(regimes, args):
        console.print(table, "")
    console.print(folder.contents(), soft_wrap=True)


def measure(args: RegimesArgs, run: Run, run_number: int, repetition: int) -> pd.DataFrame:
    """Measure one curve: a row for each episode and slot.

    Drawn curves have a seed for each run and repetition; simulated dispatchers meet the same traces.
    """
    slots, distribution = checkpoints(args.horizon), slot_for_theory(run.scenario, run.dispatcher)
    if distribution is not None:
        rng = np.random.default_rng([args.seed, repetition, run_number])
        auxiliary_j = draw_curves(distribution, slots, args.episodes, rng)
    else:
        seed = args.seed + repetition
        auxiliary_j = simulate(run.scenario, run.dispatcher, args.episodes, seed, slots.tolist()).auxiliary_j
    place = {"ratio": run.scenario.renewable_ratio, "dispatcher": run.name, "repetition": repetition}
    index = {"episode": np.repeat(np.arange(args.episodes), len(slots)), "slots": np.tile(slots, args.episodes)}
    return pd.DataFrame(place | index | {"auxiliary_j": auxiliary_j.ravel()})


def fit_table(curves: pd.DataFrame, known: Mapping[Any, dict[str, Any]], slope_from: float) -> pd.DataFrame:
    """Fit every curve that `measure` made; return one row for each ratio, dispatcher and repetition.

    Args:
        curves: tables of `measure`.
        known: theory's columns of each ratio and dispatcher, as `law_columns` makes them.
        slope_from: first slot of the slope's window.
    """
    rows = []
    for (ratio, dispatcher, repetition), group in curves.groupby(["ratio", "dispatcher", "repetition"], sort=False):
        wide = group.pivot(index="episode", columns="slots", values="auxiliary_j")
        fit = asdict(fit_regime(wide.columns.to_numpy(), wide.to_numpy(), slope_from))
        place = {"ratio": ratio, "dispatcher": dispatcher, "repetition": repetition, "regime": fit.pop("name")}
        rows.append(place | fit | known[ratio, dispatcher])
    return pd.DataFrame(rows)


def law_columns(law: SlotDistribution | BrownianMotion | None, slots: IntArray, slope_from: float) -> dict[str, Any]:
    """Return theory's regime, slope, drift, volatility and T*; nothing without theory.

    The slope is that of the exact expectation, or of the Brownian one where only the motion is known.
    """
    names = ("law_regime", "law_slope", "law_drift_j", "law_volatility_j", "law_transition_slots")
    if law is None:
        return dict(zip(names, ("", np.nan, np.nan, np.nan, np.nan), strict=True))
    nu, sigma = law.drift, law.volatility
    if isinstance(law, SlotDistribution):
        expected = exact_expected_auxiliary_energy(law, slots)
    else:
        expected = expected_auxiliary_energy(nu, sigma, slots)
    slope = log_slope(slots, np.tile(expected, (2, 1)), slope_from, slots[-1]).mean
    values = (name_regime(nu, sigma, int(slots[-1])), slope, nu, sigma, float(transition_horizon(nu, sigma)))
    return dict(zip(names, values, strict=True))


def render(regimes: pd.DataFrame, args: RegimesArgs) -> Iterator[Table]:
    """Yield a table of names and slopes and one of fitted numbers, both beside theory; medians over repetitions."""
    title = f"{args.scenario}: {args.repetitions} x {args.episodes} episodes of {args.horizon} slots, seed {args.seed}"
    groups = [rows for _, rows in regimes.groupby(["dispatcher", "ratio"], sort=False)]
    names = ("dispatcher", "ratio", "regime", "theory", "slope", "theory")
    yield filled_table(names, map(_names, groups), title, left=("dispatcher", "regime"))
    numbers = ("dispatcher", "ratio", "drift, J", "theory", "std, J", "theory", "T*, slots", "theory")
    yield filled_table(numbers, map(_fitted, groups))


def _names(rows: pd.DataFrame) -> list[str]:
    """List the names found, most frequent first (with counts if there are several curves), and the slope."""
    counts, head, median = rows["regime"].value_counts(), rows.iloc[0], rows.median(numeric_only=True)
    found = ", ".join(str(name) if len(rows) == 1 else f"{name} {count}" for name, count in counts.items())
    slope = f"{_number(median['slope'], 3)} ± {median['slope_half_width']:.3f}"
    return [head["dispatcher"], f"{head['ratio']:g}", found, head["law_regime"], slope, _number(head["law_slope"], 3)]


def _fitted(rows: pd.DataFrame) -> list[str]:
    median = rows.median(numeric_only=True)
    columns = (("drift_j", 2), ("volatility_j", 1), ("transition_slots", 0))
    cells = [_number(median[kind + column], digits) for column, digits in columns for kind in ("", "law_")]
    return [rows["dispatcher"].iloc[0], f"{rows['ratio'].iloc[0]:g}", *cells]


def _number(value: float, digits: int) -> str:
    return "never" if value > 1e12 else number(value, digits=digits)
