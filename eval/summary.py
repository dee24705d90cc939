"""What a benchmark's episodes come to: a summary beside theory, as terminal tables and as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich.table import Table

from agents import Dispatcher, slot_for_theory
from agents.policies import shipped_policies
from energy_route_env import Scenario
from energy_route_env.theory import SlotLaw, exact_expected_auxiliary_energy, expected_auxiliary_energy
from energy_route_env.units import energy_unit
from eval.statistics import Estimate
from eval.terminal import plain_table

ROUTING = ("oracle", "myopic", "scaling-law", "variance-aware", "error-0.05", "fixed-0", "fixed-1", "random")
DEFERRAL = ("greedy-deferral", "surplus-deferral")
REFERENCE = "myopic"
"""What every other dispatcher is compared to, episode by episode."""


def dispatcher_names(scenario: Scenario, wanted: tuple[str, ...] = ()) -> list[str]:
    """The dispatchers to run in a scenario, the reference among them and first."""
    names = wanted or ROUTING + DEFERRAL * scenario.can_wait + ("learned",) * (scenario.name in shipped_policies())
    return list(dict.fromkeys((REFERENCE, *names)))


def summarise(episodes: pd.DataFrame, cells: dict[tuple[str, float, str], tuple[Scenario, Dispatcher]]) -> pd.DataFrame:
    """One row for each scenario, ratio and dispatcher; joules, and differences paired with the reference."""
    rows = []
    for (name, ratio), group in episodes.groupby(["scenario", "ratio"], sort=False):
        by_dispatcher = dict(iter(group.groupby("dispatcher", sort=False)))
        reference = by_dispatcher[REFERENCE]["auxiliary_j"].to_numpy()
        for dispatcher, table in by_dispatcher.items():
            place = (str(name), float(ratio), str(dispatcher))
            law = slot_for_theory(*cells[place])
            horizon = cells[place][0].horizon_slots
            rows.append(_summary_row(place, horizon, table, reference, law))
    return pd.DataFrame(rows)


def _summary_row(
    place: tuple[str, float, str], horizon: int, table: pd.DataFrame, reference: Any, law: SlotLaw | None
) -> dict[str, Any]:
    auxiliary = table["auxiliary_j"].to_numpy()
    mean, difference = Estimate.of(auxiliary), Estimate.of(auxiliary - reference)
    total = table[["tasks", "consumed_j", "harvested_j", "auxiliary_j", "spilled_j"]].sum()
    row = dict(zip(("scenario", "ratio", "dispatcher"), place, strict=True)) | {
        "episodes": len(table),
        "horizon_slots": horizon,
        "auxiliary_j": mean.mean,
        "auxiliary_j_half_width": mean.half_width,
        "difference_j": difference.mean,
        "difference_j_half_width": difference.half_width,
        "energy_per_task_j": total["consumed_j"] / max(total["tasks"], 1),
        "latency_s": (table["latency_s"] * table["tasks"]).sum() / max(total["tasks"], 1),
        "grid_share": total["auxiliary_j"] / (total["consumed_j"] or 1.0),
        "spilled_share": total["spilled_j"] / (total["harvested_j"] or 1.0),
    }
    return row | _theory_columns(mean, law, horizon)


def _theory_columns(mean: Estimate, law: SlotLaw | None, horizon: int) -> dict[str, float]:
    names = ("drift_j", "volatility_j", "brownian_j", "brownian_deviation_se", "exact_j", "exact_deviation_se")
    if law is None:
        return dict.fromkeys(names, float("nan"))
    brownian = float(expected_auxiliary_energy(law.drift, law.volatility, horizon))
    exact = float(exact_expected_auxiliary_energy(law, horizon))
    values = (law.drift, law.volatility, brownian, mean.deviation(brownian), exact, mean.deviation(exact))
    return dict(zip(names, values, strict=True))


def number(value: float, scale: float = 1.0, digits: int = 2, sign: str = "") -> str:
    """The value in units of `scale`; empty where there is none."""
    rounded = round(value / scale, digits) + 0.0  # no negative zero
    return "" if pd.isna(value) else f"{rounded:{sign},.{digits}f}"


def interval(row: pd.Series, column: str, scale: float, sign: str = "") -> str:
    """The column's mean and its half width in units of `scale`."""
    return f"{number(row[column], scale, 2, sign)} ± {number(row[f'{column}_half_width'], scale)}"


def render(summary: pd.DataFrame) -> Iterator[Table]:
    """Two terminal tables, each narrower than 80 columns, for each scenario and ratio."""
    for (name, ratio), rows in summary.groupby(["scenario", "ratio"], sort=False):
        head = rows.iloc[0]
        yield _energy_table(
            f"{name}, ratio {ratio:g}: {head['episodes']} episodes of {head['horizon_slots']} slots", rows
        )
        yield _cost_table(rows)


def _table(columns: dict[str, list[str]], title: str | None = None) -> Table:
    """A table of the columns that hold anything."""
    table = plain_table(title)
    shown = {head: cells for head, cells in columns.items() if any(cells)}
    for column in shown:
        table.add_column(column, justify="left" if column == "dispatcher" else "right", no_wrap=True)
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    return table


def _column(rows: pd.DataFrame, column: str, scale: float = 1.0, digits: int = 2) -> list[str]:
    return [number(value, scale, digits) for value in rows[column]]


def _energy_table(title: str, rows: pd.DataFrame) -> Table:
    """Auxiliary energy, its paired difference to the reference, and predictions with the deviation from the exact."""
    scale, unit = energy_unit(rows["auxiliary_j"])
    difference = [interval(row, "difference_j", scale, "+") for _, row in rows.iterrows()]
    columns = {
        "dispatcher": list(rows["dispatcher"]),
        f"auxiliary, {unit}": [interval(row, "auxiliary_j", scale) for _, row in rows.iterrows()],
        f"minus {REFERENCE}": [
            "" if row == REFERENCE else d for row, d in zip(rows["dispatcher"], difference, strict=True)
        ],
        "Brownian": _column(rows, "brownian_j", scale),
        "exact": _column(rows, "exact_j", scale),
        "off by": ["" if pd.isna(value) else f"{value:+.1f} SE" for value in rows["exact_deviation_se"]],
    }
    return _table(columns, title)


def _cost_table(rows: pd.DataFrame) -> Table:
    """What a task cost, what the grid gave and the battery spilled, and the slot law."""
    scale, unit = energy_unit(rows["energy_per_task_j"])
    columns = {
        "dispatcher": list(rows["dispatcher"]),
        f"{unit}/task": _column(rows, "energy_per_task_j", scale, 1),
        "latency, s": _column(rows, "latency_s", digits=1),
        "grid": [f"{share:.1%}" for share in rows["grid_share"]],
        "spilled": [f"{share:.1%}" for share in rows["spilled_share"]],
        "drift, J": _column(rows, "drift_j", digits=1),
        "std, J": _column(rows, "volatility_j", digits=1),
    }
    return _table(columns)


def verdicts(summary: pd.DataFrame) -> Iterator[str]:
    """What the tables show, in one sentence for each scenario, at the ratio nearest to critical."""
    for name, rows in summary.groupby("scenario", sort=False):
        ratio = min(rows["ratio"].unique(), key=lambda value: abs(value - 1))
        yield _verdict(str(name), rows[rows["ratio"] == ratio], rows["exact_deviation_se"].abs())


def _verdict(name: str, rows: pd.DataFrame, deviations: pd.Series) -> str:
    scale, unit = energy_unit(rows["auxiliary_j"])
    best = rows.loc[rows["auxiliary_j"].idxmin()]
    ties = list(rows.loc[rows["auxiliary_j"] == best["auxiliary_j"], "dispatcher"])
    least = f"{number(best['auxiliary_j'], scale)} ± {number(best['auxiliary_j_half_width'], scale)} {unit}"
    sentence = f"{name}, ratio {best['ratio']:g}: least auxiliary energy by {' = '.join(ties)}, {least}"
    if REFERENCE not in ties:
        reference = rows.loc[rows["dispatcher"] == REFERENCE, "auxiliary_j"].iloc[0]
        share, half = best["difference_j"] / reference, best["difference_j_half_width"] / reference
        sentence += f", {share:+.1%} (± {half:.1%}, paired) against {REFERENCE}"
    if deviations.notna().any():
        counted = int(deviations.notna().sum())
        farthest = f"{deviations.max():.1f} standard errors"
        return f"{sentence}; its {counted} rows with an exact prediction lie within {farthest} of it."
    return f"{sentence}; no exact theory covers this scenario."
