"""The columns of a summary's tables, each defined once, for the terminal and for the report."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from energy_route_env.units import energy_unit, unit_for
from eval.runs import REFERENCE

Unit = Callable[[pd.DataFrame], tuple[float, str]]
"""A function of a table's rows: size and name of the unit that the column is shown in."""


@dataclass(frozen=True)
class Column:
    """One column of the tables."""

    name: str
    source: str
    """The column of the summary."""
    meaning: str
    """What the number is and how it was made, for the report."""
    unit: Unit
    table: Literal["energy", "cost", "failures", "report alone"] = "energy"
    """Which of the terminal's tables shows it; the report's one table has all columns."""
    digits: int = 2
    """At most 1 where a number of the column reaches 1000."""
    sign: Literal["", "+"] = ""
    interval: bool = False
    """Whether to show the half width of the interval too."""
    difference: bool = False
    """Whether it is a difference to the reference; the reference's own cell is then empty."""

    def cells(self, rows: pd.DataFrame) -> list[str]:
        """Return the text of each row; "" where there is no number."""
        size, _ = self.unit(rows)
        values = rows[self.source].mask(self.difference & (rows["same_as"] == REFERENCE))
        digits = min(self.digits, 1) if (values.abs() >= 1000 * size).any() else self.digits
        cells = [number(value, size, digits, self.sign) for value in values]
        if not self.interval:
            return cells
        halves = [number(half, size, digits) for half in rows[f"{self.source}_half_width"]]
        return [cell and f"{cell} ± {half}" for cell, half in zip(cells, halves, strict=True)]


def number(value: float, size: float = 1.0, digits: int = 2, sign: str = "") -> str:
    """Write the value in units of `size`; "" where it is nan."""
    rounded = round(value / size, digits) + 0.0  # no negative zero
    return "" if pd.isna(rounded) else f"{rounded:{sign},.{digits}f}"


def fixed(name: str, size: float = 1.0) -> Unit:
    """Show all rows in this unit."""
    return lambda _: (size, name)


def suiting(column: str) -> Unit:
    """Show the rows in the unit of energy that suits the middle one in this column of the summary."""
    return lambda rows: energy_unit(rows[column].median())


def own_unit(rows: pd.DataFrame) -> tuple[float, str]:
    """Show what the scenario counts in its own unit; joules in that which suits the middle row."""
    return unit_for(rows["cost"].median(), str(rows["unit"].iloc[0]))


def percent_of_reference(rows: pd.DataFrame) -> tuple[float, str]:
    """Return one percent of what the reference costs; nan where that is 0."""
    reference = float(rows.loc[rows["same_as"] == REFERENCE, "cost"].iloc[0])
    return reference / 100 or math.nan, "%"


def percent_of_best(rows: pd.DataFrame) -> tuple[float, str]:
    """Name what the share is of."""
    return 0.01, f"% of {rows['best'].iloc[0]}"


AUXILIARY = Column(
    "auxiliary",
    "cost",
    "D_T: the energy that the grid supplied in a whole episode, or what that counts where the scenario has a grid "
    "source (kg CO2, say). The mean over episodes, ± the half width of its 95 % interval (Student's t). Where theory "
    "knows the mean of other dispatchers, these are control variates: what chance did to them is taken off. A "
    "dispatcher that ran fewer episodes is given as the reference plus the difference on the episodes that it ran.",
    own_unit,
    interval=True,
)
DIFFERENCE = replace(
    AUXILIARY,
    name=f"minus {REFERENCE}",
    source="difference",
    meaning=f"Mean of the episode-by-episode difference to the {REFERENCE} dispatcher on the same traces, with the "
    "interval of that paired difference. In percent it is divided by that dispatcher's mean.",
    sign="+",
    difference=True,
)
BROWNIAN = (
    "E[D_T] of a Brownian motion with the dispatcher's own drift and standard deviation per slot (the paper's Theorem "
    "2). It is given where the sources declare their long-run variance, no task can wait, the battery is ideal and the "
    "dispatcher does not look at it."
)
EXACT = "E[D_T] by Spitzer's identity, without approximation, where moreover slots are independent."
STD = (
    "Standard deviation of a slot's demand minus harvest; over many slots, per square root, where they are correlated."
)
ABOVE = (
    "By how much the mean lies above the best possible, on the episodes that they share. Where no task can wait that "
    "is the optimum: the least E[D_T] of any dispatcher that is not privileged, by dynamic programming. Where tasks "
    "can wait or failures are retried it is the hindsight bound of the first episodes (at most 400): no dispatcher, "
    "online or clairvoyant, draws less on any trace. A privileged dispatcher may lie below an optimum."
)
TASKS = "averaged over all tasks of all episodes."
SOLVED = "All energy consumed, that of failed attempts too, for each task that was solved."
COLUMNS = (
    AUXILIARY,
    DIFFERENCE,
    replace(DIFFERENCE, unit=percent_of_reference, table="report alone"),
    Column("above", "above_best", ABOVE, percent_of_best, digits=1, sign="+", interval=True),
    Column("exact", "exact_j", EXACT, AUXILIARY.unit),
    Column("off by", "exact_deviation_se", "Simulated minus exact, in standard errors.", fixed("SE"), "energy", 1, "+"),
    Column("Brownian", "brownian_j", BROWNIAN, AUXILIARY.unit, "cost"),
    Column("per task", "energy_per_task_j", f"Energy of a task, {TASKS}", suiting("energy_per_task_j"), "cost", 1),
    Column("latency", "latency_s", f"Seconds that a query takes, {TASKS}", fixed("s"), "cost", 1),
    Column("grid", "grid_share", "Share of the energy consumed that the grid supplied.", fixed("%", 0.01), "cost", 1),
    Column("spilled", "spilled_share", "Share of the harvest that a full battery lost.", fixed("%", 0.01), "cost", 1),
    Column("drift", "drift_j", "Mean of a slot's demand minus harvest.", fixed("J"), "cost", 1),
    Column("std", "volatility_j", STD, fixed("J"), "cost", 1),
    Column("solved", "solved_share", "Share of the tasks that a model solved.", fixed("%", 0.01), "failures", 1),
    Column("attempts", "attempts_per_task", f"Attempts at a task, {TASKS}", fixed("a task"), "failures"),
    Column("per solved", "energy_per_solved_j", SOLVED, suiting("energy_per_solved_j"), "failures", 1),
)
"""All columns except the dispatcher's name, in the report's order."""


def settings(summary: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each scenario at each ratio, with a title for their table."""
    for _, rows in summary.groupby(["scenario", "ratio"], sort=False):
        first = rows.iloc[0]
        size = f"{first['episodes']} episodes of {first['horizon_slots']} slots"
        yield f"{first['scenario']}, ratio {first['ratio']:g}: {size}", merged(rows)


def merged(rows: pd.DataFrame) -> pd.DataFrame:
    """Merge the rows of one setting whose dispatchers did the same in every episode; the name says which they are."""
    names = rows.groupby("same_as", sort=False)["dispatcher"].agg(" = ".join)
    first = rows[rows["dispatcher"] == rows["same_as"]]
    fewer = first["episodes"].where(first["episodes"] < rows["episodes"].max())
    notes = [f" ({count:.0f} episodes)" if count > 0 else "" for count in fewer]
    return first.assign(dispatcher=first["same_as"].map(names) + notes)


def filled(rows: pd.DataFrame, table: str | None = None) -> list[tuple[str, str, list[str]]]:
    """Return name, unit and cells of every column of a table (by default of all columns) that holds a number."""
    columns = [column for column in COLUMNS if table in (None, column.table) and column.source in rows]
    shown = [(column.name, column.unit(rows)[1], column.cells(rows)) for column in columns]
    return [(name, unit, cells) for name, unit, cells in shown if any(cells)]
