"""The summary of a benchmark: one row for each run, beside theory, and what the rows show in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from agents import motion_for_theory, slot_for_theory
from energy_route_env.theory import exact_expected_auxiliary_energy, expected_auxiliary_energy
from energy_route_env.units import energy_unit
from eval.columns import number
from eval.runs import PLACE, REFERENCE, Run
from eval.statistics import Estimate


def summarise(episodes: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row for each run: means, shares, the paired difference to the reference, and theory, in joules.

    Args:
        episodes: the tables of all runs together.
        runs: in the order of the rows; each scenario at each ratio needs a run of the reference.
    """
    tables: dict[Any, pd.DataFrame] = dict(iter(episodes.groupby(list(PLACE), sort=False)))
    return pd.DataFrame([_row(run, tables[run.place], tables[(*run.place[:2], REFERENCE)]) for run in runs])


def _row(run: Run, table: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Any]:
    auxiliary = table["auxiliary_j"].to_numpy()
    mean, difference = Estimate.of(auxiliary), Estimate.of(auxiliary - reference["auxiliary_j"].to_numpy())
    total = table[["tasks", "consumed_j", "harvested_j", "auxiliary_j", "spilled_j"]].sum()
    row = {
        "episodes": len(table),
        "horizon_slots": run.scenario.horizon_slots,
        "auxiliary_j": mean.mean,
        "auxiliary_j_half_width": mean.half_width,
        "difference_j": difference.mean,
        "difference_j_half_width": difference.half_width,
        "energy_per_task_j": total["consumed_j"] / max(total["tasks"], 1),
        "latency_s": (table["latency_s"] * table["tasks"]).sum() / max(total["tasks"], 1),
        "grid_share": total["auxiliary_j"] / (total["consumed_j"] or 1.0),
        "spilled_share": total["spilled_j"] / (total["harvested_j"] or 1.0),
    }
    return dict(zip(PLACE, run.place, strict=True)) | row | _theory(run, mean)


def _theory(run: Run, mean: Estimate) -> dict[str, float]:
    """Return drift, volatility and both predictions with their deviations; nan where they do not apply."""
    names = ("drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se")
    motion, slot = motion_for_theory(run.scenario, run.dispatcher), slot_for_theory(run.scenario, run.dispatcher)
    if motion is None:
        return dict.fromkeys(names, float("nan"))
    horizon = run.scenario.horizon_slots
    brownian = float(expected_auxiliary_energy(*motion, horizon))
    exact = float("nan") if slot is None else float(exact_expected_auxiliary_energy(slot, horizon))
    values = (*motion, brownian, mean.deviation(brownian), exact, mean.deviation(exact))
    return dict(zip(names, values, strict=True))


def verdicts(summary: pd.DataFrame) -> Iterator[str]:
    """Say in one sentence for each scenario, at the ratio nearest to critical, what its rows show."""
    for name, rows in summary.groupby("scenario", sort=False):
        ratio = min(rows["ratio"].unique(), key=lambda value: abs(value - 1))
        yield _verdict(str(name), rows[rows["ratio"] == ratio], rows["exact_deviation_se"].abs())


def _verdict(name: str, rows: pd.DataFrame, deviations: pd.Series[float]) -> str:
    size, unit = energy_unit(rows["auxiliary_j"])
    best = rows[rows["auxiliary_j"] == rows["auxiliary_j"].min()]
    first, ties = best.iloc[0], list(best["dispatcher"])
    least = f"{number(first['auxiliary_j'], size)} ± {number(first['auxiliary_j_half_width'], size)} {unit}"
    sentence = f"{name}, ratio {first['ratio']:g}: least auxiliary energy by {' = '.join(ties)}, {least}"
    if REFERENCE not in ties:
        reference = rows.loc[rows["dispatcher"] == REFERENCE, "auxiliary_j"].iloc[0]
        share, half = first["difference_j"] / reference, first["difference_j_half_width"] / reference
        sentence += f", {share:+.1%} (± {half:.1%}, paired) against {REFERENCE}"
    if deviations.notna().any():
        counted = int(deviations.notna().sum())
        farthest = f"{deviations.max():.1f} standard errors"
        return f"{sentence}; its {counted} rows with an exact prediction lie within {farthest} of it."
    return f"{sentence}; no exact theory covers this scenario."
