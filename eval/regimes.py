"""Measure how the auxiliary energy grows, and name its regime beside the one that theory gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents import slot_for_theory
from energy_route_env import make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.theory import SlotLaw, exact_expected_auxiliary_energy, transition_horizon
from energy_route_env.units import IntArray
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
    """Names of the dispatchers. Where theory applies, curves are drawn from the slot distribution; elsewhere they are
    simulated, which is far slower."""
    episodes: int = 100
    """Episodes behind each curve."""
    horizon: int = 10_000
    """Slots of an episode; curves are read from slot 10 on, four times a decade."""
    slope_from: int = 0
    """First slot of the window of the log-log slope; 0 for the last decade."""
    repetitions: int = 1
    """Curves for every dispatcher and ratio; with several, the table counts the names and shows medians."""

    def check(self) -> None:
        """Check what the scenario does not check itself."""
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
    settings = [
        make_scenario(args.scenario, renewable_ratio=ratio, horizon_slots=args.horizon)
        for ratio in dict.fromkeys(args.ratios)
    ]
    runs = [make_run(scenario, name) for scenario in settings for name in dict.fromkeys(args.dispatchers)]
    folder = args.folder("regimes")
    curves = [(number, repetition) for number in range(len(runs)) for repetition in range(args.repetitions)]
    slope_from, tables, fits = args.slope_from or args.horizon / 10, [], []
    known = {
        run.place[1:]: law_columns(slot_for_theory(run.scenario, run.dispatcher), checkpoints(args.horizon), slope_from)
        for run in runs
    }
    for number, repetition in track(curves, "measuring and fitting", console=console):
        tables.append(measure(args, runs[number], number, repetition))
        folder.save_part(f"curves-{len(tables):04d}", tables[-1])
        fits.append(fit_table(tables[-1], known, slope_from))
    regimes = pd.concat(fits, ignore_index=True)
    folder.finish({"curves": pd.concat(tables, ignore_index=True), "regimes": regimes}, run_record(asdict(args)))
    for table in render(regimes, args):
        console.print(table, "")
    console.print(folder.contents(), soft_wrap=True)


def measure(args: RegimesArgs, run: Run, number: int, repetition: int) -> pd.DataFrame:
    """One curve's tidy table, one row for each episode and slot; simulated dispatchers meet the same traces.

    Args:
        args: the command's.
        run: whose curve.
        number: of the run; part of its seed.
        repetition: number of the run's curve; part of its seed.
    """
    slots, distribution = checkpoints(args.horizon), slot_for_theory(run.scenario, run.dispatcher)
    if distribution is not None:
        rng = np.random.default_rng([args.seed, repetition, number])
        auxiliary_j = draw_curves(distribution, slots, args.episodes, rng)
    else:
        seed = args.seed + repetition
        auxiliary_j = simulate(run.scenario, run.dispatcher, args.episodes, seed, slots.tolist()).auxiliary_j
    place = {"ratio": run.scenario.renewable_ratio, "dispatcher": run.name, "repetition": repetition}
    index = {"episode": np.repeat(np.arange(args.episodes), len(slots)), "slots": np.tile(slots, args.episodes)}
    return pd.DataFrame(place | index | {"auxiliary_j": auxiliary_j.ravel()})


def fit_table(curves: pd.DataFrame, known: Mapping[Any, dict[str, Any]], slope_from: float) -> pd.DataFrame:
    """One row for each ratio, dispatcher and repetition: the fit and theory.

    Args:
        curves: columns ratio, dispatcher, repetition, episode, slots and auxiliary_j, as `measure` makes them.
        known: theory's columns of each ratio and dispatcher, as `law_columns` makes them.
        slope_from: first slot of the slope's window.
    """
    place, slots, rows = ["ratio", "dispatcher", "repetition"], np.unique(curves["slots"]), []
    for key, group in curves.groupby(place, sort=False):
        values: tuple[Any, ...] = tuple(key)
        wide = group.pivot(index="episode", columns="slots", values="auxiliary_j")
        fit = asdict(fit_regime(slots, wide.to_numpy(), slope_from))
        fit = {"regime": fit.pop("name")} | fit
        rows.append(dict(zip(place, values, strict=True)) | fit | known[values[:2]])
    return pd.DataFrame(rows)


def law_columns(distribution: SlotLaw | None, slots: IntArray, slope_from: float) -> dict[str, Any]:
    """Theory's name of the regime, slope of the exact expectation, drift, volatility and T*; empty without theory."""
    names = ("law_regime", "law_slope", "law_drift_j", "law_volatility_j", "law_transition_slots")
    if distribution is None:
        return dict(zip(names, ("", np.nan, np.nan, np.nan, np.nan), strict=True))
    nu, sigma = distribution.drift, distribution.volatility
    expected = np.tile(exact_expected_auxiliary_energy(distribution, slots), (2, 1))
    slope = log_slope(slots, expected, slope_from, slots[-1]).mean
    values = (name_regime(nu, sigma, int(slots[-1])), slope, nu, sigma, float(transition_horizon(nu, sigma)))
    return dict(zip(names, values, strict=True))


def render(regimes: pd.DataFrame, args: RegimesArgs) -> Iterator[Table]:
    """Two tables, of names and slopes and of fitted numbers, each beside theory; medians over repetitions."""
    title = f"{args.scenario}: {args.repetitions} x {args.episodes} episodes of {args.horizon} slots, seed {args.seed}"
    groups = [rows for _, rows in regimes.groupby(["dispatcher", "ratio"], sort=False)]
    names = ("dispatcher", "ratio", "regime", "theory", "slope", "theory")
    yield filled_table(_columns(names, map(_names, groups)), title, left=("dispatcher", "regime"))
    numbers = ("dispatcher", "ratio", "drift, J", "theory", "std, J", "theory", "T*, slots", "theory")
    yield filled_table(_columns(numbers, map(_fitted, groups)))


def _columns(heads: tuple[str, ...], rows: Iterable[list[str]]) -> list[tuple[str, tuple[str, ...]]]:
    return list(zip(heads, zip(*rows, strict=True), strict=True))


def _names(rows: pd.DataFrame) -> list[str]:
    """The names found, most frequent first (with counts if there are several curves), and the slope."""
    counts, head, median = rows["regime"].value_counts(), rows.iloc[0], rows.median(numeric_only=True)
    found = ", ".join(str(name) if len(rows) == 1 else f"{name} {count}" for name, count in counts.items())
    slope = f"{_number(median['slope'], 3)} ± {median['slope_half_width']:.3f}"
    return [head["dispatcher"], f"{head['ratio']:g}", found, head["law_regime"], slope, _number(head["law_slope"], 3)]


def _fitted(rows: pd.DataFrame) -> list[str]:
    """Drift, volatility and transition, each beside theory's."""
    median = rows.median(numeric_only=True)
    columns = (("drift_j", 2), ("volatility_j", 1), ("transition_slots", 0))
    cells = [_number(median[kind + column], digits) for column, digits in columns for kind in ("", "law_")]
    return [rows["dispatcher"].iloc[0], f"{rows['ratio'].iloc[0]:g}", *cells]


def _number(value: float, digits: int) -> str:
    if pd.isna(value):
        return ""
    return "never" if value > 1e12 else f"{round(value, digits) + 0.0:,.{digits}f}"  # no negative zero
