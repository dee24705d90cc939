"""Pictures from saved tables; nothing here steps an environment."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from eval.units import energy_unit

COLORS = ("#4269d0", "#ff725c", "#3ca951", "#efb118", "#a463f2", "#6cc5b0", "#97bbf5", "#9c6b4e")
"""Told apart by most colour-blind readers, on white and on black."""
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25}
SUN = "#e3a008"


def new_figure(rows: int, width: float, height: float) -> tuple[Figure, list]:
    """A figure with axes above each other that share their x."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(axes)


def save_figure(figure: Figure, path: Path) -> None:
    """Write `path`.svg and `path`.png; the same figure gives the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "energy-route-env", "svg.fonttype": "none"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})


def day_figure(slots: pd.DataFrame, capacity_j: float = math.inf) -> Figure:
    """Sun and demand, battery, backlog and what the grid gave, for each dispatcher.

    Args:
        slots: as `eval.day` saves them.
        capacity_j: the battery's capacity, drawn where it is finite.

    The demand of the end, when all that still waits runs at once, may leave the picture.
    """
    figure, (flow, battery, backlog, grid) = new_figure(4, 9, 8.5)
    sun = slots[slots["dispatcher"] == slots["dispatcher"].iloc[0]]
    flow_j, flow_name = energy_unit(sun["harvest_j"])
    battery_j, battery_name = energy_unit(slots["battery_j"])
    grid_j, grid_name = energy_unit(slots.groupby("dispatcher")["auxiliary_j"].sum())
    flow.fill_between(sun["hour"], sun["harvest_j"] / flow_j, step="post", color=SUN, alpha=0.35, lw=0, label="sun")
    for (name, table), color in zip(slots.groupby("dispatcher", sort=False), COLORS, strict=False):
        flow.plot(table["hour"], table["consumed_j"] / flow_j, color=color, lw=1, drawstyle="steps-post", label=name)
        battery.plot(table["hour"], table["battery_j"] / battery_j, color=color)
        backlog.plot(table["hour"], table["backlog"], color=color)
        grid.plot(table["hour"], table["auxiliary_j"].cumsum() / grid_j, color=color)
    if math.isfinite(capacity_j):
        battery.axhline(capacity_j / battery_j, color="gray", lw=0.8, ls=":")
    flow.set_ylim(0, 1.3 * sun["harvest_j"].max() / flow_j or None)
    flow.set_ylabel(f"sun and demand,\n{flow_name} per slot")
    battery.set_ylabel(f"battery, {battery_name}")
    backlog.set_ylabel("tasks waiting")
    grid.set_ylabel(f"from the grid\nso far, {grid_name}")
    figure.legend(loc="outside upper center", frameon=False, ncols=5)
    grid.set_xlabel("hours since midnight")
    grid.set_xticks(range(0, math.ceil(sun["hour"].max()) + 1, 12))
    return figure


def learning_curves_figure(curves: pd.DataFrame) -> Figure:
    """Auxiliary energy relative to the myopic dispatcher against decisions trained on: mean and range over seeds.

    Args:
        curves: columns run, seed, steps, ratio_to_myopic.
    """
    figure, (axis,) = new_figure(1, 7, 4)
    for (name, run), color in zip(curves.groupby("run", sort=False), COLORS, strict=False):
        by_steps = run.groupby("steps")["ratio_to_myopic"]
        mean, low, high = by_steps.mean(), by_steps.min(), by_steps.max()
        seeds = run["seed"].nunique()
        axis.plot(mean.index / 1e6, mean, color=color, label=f"{name} ({seeds} seeds)" if seeds > 1 else name)
        axis.fill_between(mean.index / 1e6, low, high, color=color, alpha=0.2, lw=0)
    axis.axhline(1.0, color="gray", lw=1, ls=":")
    axis.set_xlabel("decisions trained on, millions")
    axis.set_ylabel("auxiliary energy / myopic's")
    axis.legend(frameon=False)
    return figure
