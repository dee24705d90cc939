"""One row for each run: means over episodes, intervals, distance to the best possible, and theory's predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from agents import motion_for_theory, slot_for_theory
from energy_route_env.theory import exact_expected_auxiliary_energy, expected_auxiliary_energy
from energy_route_env.units import FloatArray, unit_for
from eval.columns import merged, number
from eval.control import controlled
from eval.gap import Best
from eval.runs import PLACE, REFERENCE, Run
from eval.statistics import Estimate

Place = tuple[str, float]
"""Scenario and ratio."""


@dataclass(eq=False)
class Setting:
    """The runs of one scenario at one ratio."""

    best: Best | None = None
    """What they are measured by."""
    costs: dict[str, FloatArray] = field(default_factory=dict)
    """D_T of every dispatcher, in the order of the runs, each of shape (episodes,)."""
    exact: dict[str, float] = field(default_factory=dict)
    """E[D_T] of those for which theory has it."""
    demands: dict[str, tuple[FloatArray, float]] = field(default_factory=dict)
    """What their tasks took in each episode, and its exact mean."""

    def same_as(self, name: str) -> str:
        """Return the first dispatcher with the same D_T in every episode."""
        return next(other for other, costs in self.costs.items() if np.array_equal(costs, self.costs[name]))

    def estimate(self, name: str, samples: FloatArray) -> Estimate:
        """Estimate the mean of samples of this dispatcher by all controls but its own D_T.

        The controls are D_T and demand of the dispatchers for which theory has the mean, and the optimum's D_T.
        """
        own, known = self.same_as(name), dict(self.exact)
        if self.best is not None and self.best.is_exact:
            known["optimal"] = self.best.mean
        controls = [(self.costs[other], mean) for other, mean in known.items() if self.same_as(other) == other != own]
        controls += [demand for other, demand in self.demands.items() if self.same_as(other) == other]
        if not controls:
            return Estimate.of(samples)
        columns, means = zip(*controls, strict=True)
        return controlled(samples, np.column_stack(columns)[: len(samples)], np.array(means))


def summarise(
    episodes: pd.DataFrame, runs: Iterable[Run], best: Mapping[Place, Best | None] | None = None
) -> pd.DataFrame:
    """Return one row for each run: means, shares, differences, and theory; costs in the scenario's unit.

    Args:
        episodes: the tables of all runs together.
        runs: in the order of the rows; each scenario at each ratio needs a run of the reference.
        best: what the dispatchers of each scenario at each ratio are measured by.
    """
    runs = list(runs)
    tables: dict[Any, pd.DataFrame] = dict(iter(episodes.groupby(list(PLACE), sort=False)))
    settings = {run.place[:2]: Setting((best or {}).get(run.place[:2])) for run in runs}
    for run in runs:
        setting = settings[run.place[:2]]
        setting.costs[run.name] = tables[run.place]["cost"].to_numpy(float)
        slot = slot_for_theory(run.scenario, run.dispatcher)
        if slot is not None:
            horizon = run.scenario.horizon_slots
            setting.exact[run.name] = float(exact_expected_auxiliary_energy(slot, horizon))
            consumed_j = tables[run.place]["consumed_j"].to_numpy(float)
            setting.demands[run.name] = consumed_j, horizon * slot.demand_mean_j
    return pd.DataFrame([_row(run, tables[run.place], settings[run.place[:2]]) for run in runs])


def _row(run: Run, table: pd.DataFrame, setting: Setting) -> dict[str, Any]:
    costs, reference = setting.costs[run.name], setting.costs[REFERENCE]
    difference = setting.estimate(run.name, costs - reference[: len(costs)])
    mean = setting.estimate(run.name, costs)
    if len(costs) < len(reference):
        mean = setting.estimate(REFERENCE, reference).plus(difference)
    total = table[["tasks", "consumed_j", "harvested_j", "auxiliary_j", "spilled_j"]].sum()
    row = {
        "same_as": setting.same_as(run.name),
        "privileged": run.dispatcher.privileged and (run.scenario.difficulty_noise > 0 or run.scenario.retries),
        "episodes": len(table),
        "horizon_slots": run.scenario.horizon_slots,
        "unit": run.scenario.unit,
        "cost": mean.mean,
        "cost_half_width": mean.half_width,
        "difference": difference.mean,
        "difference_half_width": difference.half_width,
        **_gap(run, setting),
        "auxiliary_j": table["auxiliary_j"].mean(),
        "energy_per_task_j": total["consumed_j"] / max(total["tasks"], 1),
        "latency_s": (table["latency_s"] * table["tasks"]).sum() / max(total["tasks"], 1),
        "grid_share": total["auxiliary_j"] / (total["consumed_j"] or 1.0),
        "spilled_share": total["spilled_j"] / (total["harvested_j"] or 1.0),
    }
    if run.scenario.retries:
        row |= _retried(table)
    theory = _theory(run, Estimate.of(costs), setting.exact.get(run.name))
    return dict(zip(PLACE, run.place, strict=True)) | row | theory


def _retried(table: pd.DataFrame) -> dict[str, float]:
    """Return what retrying came to: share of tasks solved, attempts of a task, joules for each that was solved."""
    total = table[["tasks", "attempts", "solved", "consumed_j"]].sum()
    tasks, solved = max(total["tasks"], 1), total["solved"] or float("nan")
    return {
        "solved_share": total["solved"] / tasks,
        "attempts_per_task": total["attempts"] / tasks,
        "energy_per_solved_j": total["consumed_j"] / solved,
    }


def _gap(run: Run, setting: Setting) -> dict[str, Any]:
    """Return by what share of the best the dispatcher's mean lies above it, on the episodes that they share."""
    best = setting.best
    if best is None or best.mean == 0:
        return {"best": "", "above_best": float("nan"), "above_best_half_width": float("nan")}
    n = min(len(setting.costs[run.name]), len(best.costs))
    above = setting.estimate(run.name, setting.costs[run.name][:n] - best.costs[:n])
    mean = best.mean if best.is_exact else float(best.costs[:n].mean())
    return {"best": best.kind, "above_best": above.mean / mean, "above_best_half_width": above.half_width / mean}


def _theory(run: Run, mean: Estimate, exact_j: float | None) -> dict[str, float]:
    """Return drift, volatility and both predictions with their deviations; nan where they do not apply."""
    names = ("drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se")
    motion = motion_for_theory(run.scenario, run.dispatcher)
    if motion is None:
        return dict.fromkeys(names, float("nan"))
    brownian_j = float(expected_auxiliary_energy(*motion, run.scenario.horizon_slots))
    exact = float("nan") if exact_j is None else exact_j
    values = (*motion, brownian_j, mean.deviation(brownian_j), exact, mean.deviation(exact))
    return dict(zip(names, values, strict=True))


def verdicts(summary: pd.DataFrame) -> Iterator[str]:
    """Say in a sentence for each scenario, at its middle ratio, which rule is best and how far from what can be."""
    for name, rows in summary.groupby("scenario", sort=False):
        ratios = sorted(rows["ratio"].unique())
        yield _verdict(str(name), rows[rows["ratio"] == ratios[len(ratios) // 2]], rows["exact_deviation_se"].abs())


def _verdict(name: str, rows: pd.DataFrame, deviations: pd.Series[float]) -> str:
    size, unit = unit_for(rows["cost"].median(), rows["unit"].iloc[0])
    table = merged(rows)
    contest = table[~table["privileged"] & (table["same_as"] != "optimal")]
    by = "cost" if contest["above_best"].isna().any() else "above_best"  # episodes may differ in number
    winner = contest.sort_values(by, kind="stable").iloc[0]
    least = f"{number(winner['cost'], size)} ± {number(winner['cost_half_width'], size)} {unit}"
    sentence = f"{name}, ratio {winner['ratio']:g}: least by {winner['dispatcher']}, {least}"
    if pd.notna(winner["above_best"]):
        share, half = winner["above_best"], winner["above_best_half_width"]
        sentence += f", {share:+.1%} (± {half:.1%}) above the {winner['best']}"
    reference = rows.loc[rows["dispatcher"] == REFERENCE, "cost"].iloc[0]
    if REFERENCE not in winner["dispatcher"].split(" = ") and reference > 0:
        share, half = winner["difference"] / reference, winner["difference_half_width"] / reference
        sentence += f", {share:+.1%} (± {half:.1%}) against {REFERENCE}"
    if deviations.notna().any():
        counted, farthest = int(deviations.notna().sum()), f"{deviations.max():.1f} standard errors"
        return f"{sentence}; rows with an exact prediction: {counted}, the farthest {farthest} from it."
    return f"{sentence}; no exact theory covers this scenario."
