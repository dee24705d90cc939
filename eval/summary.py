"""The summary of a benchmark: one row for each run, beside theory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from agents import slot_for_theory
from energy_route_env.theory import exact_expected_auxiliary_energy, expected_auxiliary_energy
from eval.runs import PLACE, REFERENCE, Run
from eval.statistics import Estimate


def summarise(episodes: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """One row for each run: means, shares, the paired difference to the reference, and theory; energies in joules.

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
    """Drift, volatility and both predictions with their deviations; nan where theory does not apply."""
    names = ("drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se")
    slot, horizon = slot_for_theory(run.scenario, run.dispatcher), run.scenario.horizon_slots
    if slot is None:
        return dict.fromkeys(names, float("nan"))
    brownian = float(expected_auxiliary_energy(slot.drift, slot.volatility, horizon))
    exact = float(exact_expected_auxiliary_energy(slot, horizon))
    values = (slot.drift, slot.volatility, brownian, mean.deviation(brownian), exact, mean.deviation(exact))
    return dict(zip(names, values, strict=True))
