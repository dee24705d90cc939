"""Measure how the auxiliary energy grows, and name its regime beside what each dispatcher's law says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents import Dispatcher, make_dispatcher, slot_for_theory
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.theory import (
    SlotLaw,
    exact_expected_auxiliary_energy,
    transition_horizon,
)
from energy_route_env.units import IntArray
from eval.records import ResultFolder, run_record
from eval.regime_fit import FIRST_SLOT, checkpoints, draw_curves, fit_regime, log_slope, name_regime
from eval.rollout import simulate
from eval.terminal import plain_table


@dataclass(frozen=True)
class RegimesArgs:
    """Measure how the auxiliary energy grows and name its regime, beside what each dispatcher's law says."""

    scenario: str = "paper"
    """Name of the scenario."""
    ratios: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Renewable ratios: mean harvest / mean demand of the myopic dispatcher."""
    dispatchers: tuple[str, ...] = ("myopic",)
    """Names of the dispatchers. Those with a slot law are drawn from it; others are simulated, far slower."""
    episodes: int = 100
    """Episodes behind each curve."""
    horizon: int = 10_000
    """Slots of an episode; curves are read from slot 10 on, four times a decade."""
    slope_from: int = 0
    """First slot of the window of the log-log slope; 0 for the last decade."""
    repetitions: int = 1
    """Curves for every dispatcher and ratio; with several, the table counts the names and shows medians."""
    seed: int = 0
    """Seed of the draws."""
    name: str = ""
    """Name of the results' folder; by default regimes-<date>-<time>."""
    results: Path = Path("results")
    """Where the folder goes."""
    overwrite: bool = False
    """Replace an existing folder of that name."""

    def check(self) -> None:
        """Check what the scenario does not check itself."""
        for field, low in (("episodes", 2), ("horizon", 10 * FIRST_SLOT), ("repetitions", 1), ("seed", 0)):
            require_whole(field, getattr(self, field), low)
        require_whole("slope_from", self.slope_from, 0)
        require(self.slope_from < self.horizon, "slope_from", self.slope_from, f"below the horizon, {self.horizon}")
        require(bool(self.ratios), "ratios", self.ratios, "one or more numbers")
        require(bool(self.dispatchers), "dispatchers", self.dispatchers, "one or more names")


def main(args: RegimesArgs) -> None:
    """Measure the curves, fit them, save both tables, print what was found and say where it lies."""
    args.check()
    console = Console()
    settings = [
        make_scenario(args.scenario, renewable_ratio=ratio, horizon_slots=args.horizon)
        for ratio in dict.fromkeys(args.ratios)
    ]
    cells = [(s, name, make_dispatcher(name, s)) for s in settings for name in dict.fromkeys(args.dispatchers)]
    folder = ResultFolder(args.results, args.name or None, "regimes", overwrite=args.overwrite)
    runs = [(number, *cell, repetition) for number, cell in enumerate(cells) for repetition in range(args.repetitions)]
    slope_from, tables, fits = args.slope_from or args.horizon / 10, [], []
    known = {
        (s.renewable_ratio, name): law_columns(slot_for_theory(s, dispatcher), checkpoints(args.horizon), slope_from)
        for s, name, dispatcher in cells
    }
    for run in track(runs, "measuring and fitting", console=console):
        tables.append(measure(args, *run))
        folder.save_part(f"curves-{len(tables):04d}", tables[-1])
        fits.append(fit_table(tables[-1], known, slope_from))
    regimes = pd.concat(fits, ignore_index=True)
    folder.finish({"curves": pd.concat(tables, ignore_index=True), "regimes": regimes}, run_record(asdict(args)))
    for table in render(regimes, args):
        console.print(table, "")
    console.print(folder.contents(), soft_wrap=True)


def measure(
    args: RegimesArgs, number: int, scenario: Scenario, name: str, dispatcher: Dispatcher, repetition: int
) -> pd.DataFrame:
    """One curve's tidy table, one row for each episode and slot; simulated dispatchers meet common traces."""
    slots, law = checkpoints(args.horizon), slot_for_theory(scenario, dispatcher)
    if law is not None:
        rng = np.random.default_rng([args.seed, repetition, number])
        drawn = draw_curves(law, slots, args.episodes, rng)
    else:
        drawn = simulate(scenario, dispatcher, args.episodes, args.seed + repetition, slots.tolist()).auxiliary_j
    place = {"ratio": scenario.renewable_ratio, "dispatcher": name, "repetition": repetition}
    index = {"episode": np.repeat(np.arange(args.episodes), len(slots)), "slots": np.tile(slots, args.episodes)}
    return pd.DataFrame(place | index | {"auxiliary_j": drawn.ravel()})


def fit_table(curves: pd.DataFrame, known: dict[tuple[float, str], dict[str, Any]], slope_from: float) -> pd.DataFrame:
    """One row for each ratio, dispatcher and repetition of a table of curves: the fit, and what is known of the law.

    Args:
        curves: columns ratio, dispatcher, repetition, episode, slots and auxiliary_j, as `measure` makes them.
        known: the law's columns of each ratio and dispatcher, as `law_columns` makes them.
        slope_from: first slot of the slope's window.
    """
    slots, rows = np.unique(curves["slots"]), []
    for (ratio, name, repetition), group in curves.groupby(["ratio", "dispatcher", "repetition"], sort=False):
        wide = group.pivot(index="episode", columns="slots", values="auxiliary_j")
        fit = asdict(fit_regime(slots, wide.to_numpy(), slope_from))
        fit = {"regime": fit.pop("name")} | {f"bic_{key}": value for key, value in fit.pop("bic").items()} | fit
        place = {"ratio": ratio, "dispatcher": name, "repetition": repetition}
        rows.append(place | fit | known[ratio, name])
    return pd.DataFrame(rows)


def law_columns(law: SlotLaw | None, slots: IntArray, slope_from: float) -> dict[str, Any]:
    """Name, slope of the exact expectation, drift, volatility and T* by the law; empty without one."""
    names = ("law_regime", "law_slope", "law_drift_j", "law_volatility_j", "law_transition_slots")
    if law is None:
        return dict(zip(names, ("", np.nan, np.nan, np.nan, np.nan), strict=True))
    nu, sigma = law.drift, law.volatility
    expected = np.tile(exact_expected_auxiliary_energy(law, slots), (2, 1))
    slope = log_slope(slots, expected, slope_from, slots[-1]).mean
    values = (name_regime(nu, sigma, int(slots[-1])), slope, nu, sigma, float(transition_horizon(nu, sigma)))
    return dict(zip(names, values, strict=True))


def render(regimes: pd.DataFrame, args: RegimesArgs) -> Iterator[Table]:
    """Two terminal tables, names and slopes, and what was fitted, beside the law's; medians over repetitions."""
    title = f"{args.scenario}: {args.repetitions} x {args.episodes} episodes of {args.horizon} slots, seed {args.seed}"
    groups = list(regimes.groupby(["dispatcher", "ratio"], sort=False))
    yield _table(title, ("dispatcher", "ratio", "regime", "law", "slope", "law"), [_names(rows) for _, rows in groups])
    heads = ("dispatcher", "ratio", "drift, J", "law", "std, J", "law", "T*, slots", "law")
    yield _table(None, heads, [_fitted(rows) for _, rows in groups])


def _table(title: str | None, heads: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = plain_table(title)
    for head in heads:
        table.add_column(head, justify="left" if head in ("dispatcher", "regime") else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _names(rows: pd.DataFrame) -> list[str]:
    """The names found, most frequent first, with how often if there are several curves; then the slope."""
    counts, head, median = rows["regime"].value_counts(), rows.iloc[0], rows.median(numeric_only=True)
    found = ", ".join(str(name) if len(rows) == 1 else f"{name} {count}" for name, count in counts.items())
    slope = f"{_number(median['slope'], 3)} ± {median['slope_half_width']:.3f}"
    return [head["dispatcher"], f"{head['ratio']:g}", found, head["law_regime"], slope, _number(head["law_slope"], 3)]


def _fitted(rows: pd.DataFrame) -> list[str]:
    """Drift, volatility and transition, each beside the law's."""
    median = rows.median(numeric_only=True)
    columns = (("drift_j", 2), ("volatility_j", 1), ("transition_slots", 0))
    cells = [_number(median[kind + column], digits) for column, digits in columns for kind in ("", "law_")]
    return [rows["dispatcher"].iloc[0], f"{rows['ratio'].iloc[0]:g}", *cells]


def _number(value: float, digits: int) -> str:
    if pd.isna(value):
        return ""
    return "never" if value > 1e12 else f"{round(value, digits) + 0.0:,.{digits}f}"  # no negative zero
