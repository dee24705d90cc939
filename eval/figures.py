# ruff: noqa: RUF001  (Greek letters are the theory's own names)
"""Pictures from saved tables; nothing here steps an environment."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from energy_route_env.units import energy_unit

COLORS = ("#4269d0", "#ff725c", "#3ca951", "#efb118", "#a463f2", "#6cc5b0", "#97bbf5", "#9c6b4e")
"""Most colour-blind readers can tell these apart, on white and on black."""
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}
SUN = "#e3a008"
INK = "#222222"
WIDE, FLAT = (5.6, 5.6), (5.6, 3.6)
"""Inches: narrow enough for labels that can be read on a phone."""
SCALED_DRIFT = "scaled drift ν√T/σ: surplus < 0 < deficit"


def new_figure(n: int, size: tuple[float, float], ratios: Sequence[float] | None = None) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n axes from top to bottom. They share their x; `ratios` are their heights."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(n, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    return figure, list(axes)


def save_figure(figure: Figure, path: Path) -> None:
    """Write `path`.svg and `path`.png; the same figure gives the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "energy-route-env", "svg.fonttype": "none"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})


def day_figure(slots: pd.DataFrame, capacity_j: float = math.inf) -> Figure:
    """Plot sun and demand, battery, backlog and grid energy of each dispatcher.

    Args:
        slots: as `eval.day` saves them. The demand of the last slot, in which the backlog runs at once, may exceed the
            axis.
        capacity_j: the battery's capacity, shown where it is finite.
    """
    figure, (flow, battery, backlog, grid) = new_figure(4, (9, 8.5))
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
    top = 1.3 * sun["harvest_j"].max() / flow_j or None
    flow.set(ylim=(0, top), ylabel=f"sun and demand,\n{flow_name} per slot")
    battery.set_ylabel(f"battery, {battery_name}")
    backlog.set_ylabel("tasks waiting")
    hours = range(0, math.ceil(sun["hour"].max()) + 1, 12)
    grid.set(xlabel="hours since midnight", ylabel=f"from the grid\nso far, {grid_name}", xticks=hours)
    figure.legend(loc="outside upper center", frameon=False, ncols=5)
    return figure


def learning_curves_figure(curves: pd.DataFrame) -> Figure:
    """Plot auxiliary energy relative to the myopic dispatcher against training steps: mean and range over seeds.

    Args:
        curves: columns run, seed, steps, ratio_to_myopic.
    """
    figure, (axis,) = new_figure(1, (7, 4))
    for (name, run), color in zip(curves.groupby("run", sort=False), COLORS, strict=False):
        by_steps = run.groupby("steps")["ratio_to_myopic"]
        mean, low, high = by_steps.mean(), by_steps.min(), by_steps.max()
        seeds = run["seed"].nunique()
        axis.plot(mean.index / 1e6, mean, color=color, label=f"{name} ({seeds} seeds)" if seeds > 1 else name)
        axis.fill_between(mean.index / 1e6, low, high, color=color, alpha=0.2, lw=0)
    axis.axhline(1.0, color="gray", lw=1, ls=":")
    axis.set(xlabel="decisions trained on, millions", ylabel="auxiliary energy / myopic's")
    axis.legend(frameon=False)
    return figure


def universal_figure(points: pd.DataFrame, theory: pd.DataFrame) -> Figure:
    """Plot E[D_T] / (sigma sqrt T) over nu sqrt T / sigma beside the drift alone, and its excess over that."""
    figure, (whole, beyond) = new_figure(2, WIDE, ratios=(3, 2))
    x, drift_only = theory["scaled_drift"], theory["scaled_drift"].clip(lower=0)
    whole.plot(x, theory["mean"], color=INK, label="Brownian theory")
    whole.plot(x, drift_only, color="gray", ls="--", label="drift alone, max(ν, 0) T")
    beyond.plot(x, theory["mean"] - drift_only, color=INK)
    for (slots, table), color in zip(points.groupby("horizon_slots"), COLORS, strict=False):
        at, scaled, error = table["scaled_drift"], table["mean_j"] / table["scale_j"], table["standard_error_j"]
        bars = _bars(error / table["scale_j"], color)
        whole.errorbar(at, scaled, label=f"simulated, T = {slots}", **bars)
        beyond.errorbar(at, scaled - at.clip(lower=0), **bars)
    whole.set_ylabel("E[D_T] / (σ√T)")
    beyond.set(xlabel=SCALED_DRIFT, ylabel="the same\nminus drift alone")
    whole.legend(frameon=False)
    return figure


def _bars(standard_errors: pd.Series, color: str) -> dict[str, Any]:
    """Return keywords for points with 95 % intervals."""
    return {"yerr": 1.96 * standard_errors, "fmt": "o", "ms": 4, "color": color}


def latency_figure(points: pd.DataFrame) -> Figure:
    """Plot E[D_T] against T with energy drawn at once and over latency, at each ratio, beside theory.

    Args:
        points: as `eval.latency` saves them.
    """
    figure, (axis,) = new_figure(1, (5.6, 4.4))
    unit_j, unit = energy_unit(points["brownian_j"])
    for (ratio, table), color in zip(points.groupby("ratio"), COLORS, strict=False):
        slots = table["slots"]
        axis.plot(slots, table["brownian_j"] / unit_j, color=color, lw=1, ls="--")
        axis.plot(slots, table["brownian_over_latency_j"] / unit_j, color=color, label=f"ratio {ratio:g}")
        for name, face in (("at_once_j", "none"), ("over_latency_j", color)):
            bars: dict[str, Any] = {
                "yerr": table[f"{name}_half_width"] / unit_j,
                "fmt": "o",
                "ms": 5,
                "color": color,
                "mfc": face,
            }
            axis.errorbar(slots, table[name] / unit_j, **bars)
    axis.set(xscale="log", yscale="log", xlabel="slots T", ylabel=f"E[D_T], {unit}")
    kinds: list[tuple[str, Any]] = [("at once", {"ls": "--", "lw": 1, "mfc": "none"}), ("over latency", {})]
    shown: list[Any] = [Line2D([], [], color=INK, marker="o", label=name, **style) for name, style in kinds]
    axis.legend(handles=[*axis.get_legend_handles_labels()[0], *shown], frameon=False)
    return figure


def spread_figure(points: pd.DataFrame, theory: pd.DataFrame) -> Figure:
    """Plot the standard deviation over the mean of D_T against the scaled drift."""
    figure, (axis,) = new_figure(1, FLAT)
    axis.plot(theory["scaled_drift"], theory["spread"], color=INK, label="Brownian theory")
    for (slots, table), color in zip(points.groupby("horizon_slots"), COLORS, strict=False):
        bars = _bars(table["spread_standard_error"], color)
        axis.errorbar(table["scaled_drift"], table["spread"], label=f"simulated, T = {slots}", **bars)
    critical = math.sqrt(math.pi / 2 - 1)
    axis.plot(0, critical, "D", color=COLORS[1], mfc="white", ms=9, zorder=3, label=f"critical: {critical:.3f}")
    axis.set(ylim=(0, None), xlabel=SCALED_DRIFT, ylabel="SD(D_T) / E[D_T]")
    axis.legend(frameon=False)
    return figure


def cost_figure(costs: pd.DataFrame, crossings: pd.DataFrame) -> Figure:
    """Plot energy and latency of a task against its difficulty on every model, with the crossings."""
    figure, axes = new_figure(2, WIDE)
    for axis, measure, label in zip(axes, ("energy_j", "latency_s"), ("energy, J", "latency, s"), strict=True):
        for (count, table), color in zip(costs.groupby("n_params"), COLORS, strict=False):
            axis.plot(table["difficulty"], table[measure], color=color, label=f"{count:.0e} parameters")
        for _, cross in crossings[crossings["measure"] == measure].iterrows():
            at, value = cross["difficulty"], cross["value"]
            axis.plot(at, value, "o", color=INK, ms=5)
            axis.annotate(f"{at:.5f}", (at, value), (6, 6), textcoords="offset points")
        axis.set_ylabel(f"{label} per task")
    axes[0].legend(frameon=False)
    axes[1].set_xlabel("difficulty (loss to reach): harder to the left")
    return figure


def growth_figure(growth: pd.DataFrame, regimes: pd.DataFrame) -> Figure:
    """Plot E[D_t] at ratio 1 for every error rate, with theory, T* and the detected transitions."""
    figure, (axis,) = new_figure(1, (WIDE[0], 4.8))
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(regimes)))
    horizon = growth["slots"].max()
    curves = zip(growth.groupby("error_rate"), regimes.iterrows(), colors, strict=True)
    for (rate, curve), (_, regime), color in curves:
        axis.plot(curve["slots"], curve["exact_j"], color=color, lw=1.2, label=f"error {rate:g}")
        axis.plot(curve["slots"], curve["brownian_j"], color=color, lw=0.8, ls=":")
        some = curve.iloc[::3]
        axis.errorbar(some["slots"], some["mean_j"], some["standard_error_j"], fmt="o", ms=3, color=color)
        for column, marker in (("predicted_slots", "v"), ("detected_slots", "*")):
            if regime[column] <= horizon:
                height = np.exp(np.interp(np.log(regime[column]), np.log(curve["slots"]), np.log(curve["exact_j"])))
                axis.plot(regime[column], height, marker, color=color, mec=INK, ms=9, zorder=3)
    lines = (("exact", "", "-"), ("Brownian", "", ":"))
    keys = (("drawn", "o", ""), *lines, ("T* predicted", "v", ""), ("transition detected", "*", ""))
    handles = [Line2D([], [], color="gray", marker=marker, ls=ls, label=name) for name, marker, ls in keys]
    axis.add_artist(axis.legend(handles=handles, frameon=False, loc="lower right"))
    axis.legend(frameon=False, loc="upper left")
    axis.set(xscale="log", yscale="log", xlabel="slots t", ylabel="E[D_t], J")
    return figure


def error_cost_figure(theory: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """Plot what errors add to E[D_T]: joules, and the share of the added demand nu T."""
    figure, (extra, share) = new_figure(2, WIDE, ratios=(3, 2))
    for (rate, table), color in zip(theory.groupby("error_rate"), COLORS, strict=False):
        points = measured[measured["error_rate"] == rate]
        added_j, added_points_j = (rows["drift_j"] * rows["slots"] for rows in (table, points))
        extra.plot(table["slots"], table["extra_j"], color=color, label=f"error {rate:g}")
        extra.errorbar(points["slots"], points["extra_j"], **_bars(points["standard_error_j"], color))
        share.plot(table["slots"], table["extra_j"] / added_j, color=color)
        bars = _bars(points["standard_error_j"] / added_points_j, color)
        share.errorbar(points["slots"], points["extra_j"] / added_points_j, **bars)
    for level in (0.5, 1.0):
        share.axhline(level, color="gray", lw=0.8, ls="--")
    extra.set(xscale="log", yscale="log", ylabel="added to E[D_T], J")
    share.set(ylim=(0, 1.3), xlabel="slots T", ylabel="share of the\nadded demand νT")
    extra.legend(frameon=False)
    return figure


def dispatchers_figure(summary: pd.DataFrame) -> Figure:
    """Plot each dispatcher's paired difference to the myopic one in percent, by scenario and ratio."""
    settings = {str(name): rows for name, rows in summary.groupby("scenario", sort=False)}
    shown = {name: merged_over_ratios(rows) for name, rows in settings.items()}
    counts = [max(rows["dispatcher"].nunique(), 1) for rows in shown.values()]
    inches = 1.2 + 0.24 * sum(counts) + 0.4 * len(counts)
    figure, axes = new_figure(len(counts), (WIDE[0], inches), ratios=counts)
    ranks: dict[int, list[str]] = {}
    for axis, (name, others) in zip(axes, shown.items(), strict=True):
        reference = settings[name].query("dispatcher == 'myopic'").set_index("ratio")["cost"]
        order = list(others.groupby("dispatcher")["difference"].mean().sort_values(ascending=False).index)
        ratios = sorted(others["ratio"].unique())
        for rank, (ratio, points) in enumerate(others.groupby("ratio")):
            height = points["dispatcher"].map(order.index) + 0.22 * (rank - (len(ratios) - 1) / 2)
            scale = reference[ratio] / 100 or math.nan
            x, half = points["difference"] / scale, points["difference_half_width"] / scale
            axis.errorbar(x, height, xerr=half, fmt="o", ms=3.5, lw=1.2, color=COLORS[rank])
            ranks.setdefault(rank, []).append(f"{ratio:g}")
        _dot_axis(axis, name, order)
    handles = [
        Line2D([], [], color=COLORS[rank], marker="o", ms=4, label=f"ratio {', '.join(dict.fromkeys(names))}")
        for rank, names in ranks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", frameon=False, ncols=4)
    axes[-1].set_xlabel("difference to myopic, % of what myopic costs")
    return figure


def merged_over_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the dispatchers that do what myopic does at every ratio, and those that do what another one does."""
    same = rows.groupby("dispatcher", sort=False)["same_as"].agg(" ".join)
    first = same[~same.duplicated()].index
    return rows[rows["dispatcher"].isin(first) & (rows["dispatcher"] != "myopic")]


def _dot_axis(axis: Axes, title: str, order: list[str]) -> None:
    """Write names on the left and rule a line at 0; make the scale linear within 1 % and logarithmic beyond."""
    axis.axvline(0, color="gray", lw=1)
    axis.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    ticks = (-100, -10, -1, 0, 1, 10, 100)
    axis.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    axis.minorticks_off()
    axis.set_yticks(range(len(order)), order)
    axis.set_ylim(-0.6, len(order) - 0.4)
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    for label in axis.get_yticklabels():
        if label.get_text() == "learned":
            label.set_fontweight("bold")


def variance_figure(gains: pd.DataFrame) -> Figure:
    """Map the percentage that variance-awareness saves over drift gap and volatility gap."""
    figure, (axis,) = new_figure(1, (WIDE[0], 4.6))
    axis.grid(False)
    gaps = gains.round({"drift_gap_j": 1, "volatility_gap_j": 1})
    percent, half = (100 * gaps[name] / gaps["myopic_j"] for name in ("difference_j", "difference_j_half_width"))
    grid = gaps.assign(saved=-percent).pivot(index="volatility_gap_j", columns="drift_gap_j", values="saved")
    saved = grid.to_numpy(float)
    low, high = min(np.nanmin(saved), 0.0), 1.5 * max(np.nanmax(saved), 1.0)
    mesh = axis.pcolormesh(saved, cmap="YlGn", edgecolors="white", lw=2, vmin=low, vmax=high)
    columns = grid.columns.get_indexer(pd.Index(gaps["drift_gap_j"]))
    rows = grid.index.get_indexer(pd.Index(gaps["volatility_gap_j"]))
    for x, y, value, error in zip(columns, rows, -percent, half, strict=True):
        axis.annotate(f"{value:.1f}\n±{error:.1f}", (x + 0.5, y + 0.5), ha="center", va="center", fontsize=9)
    axis.set_xticks(np.arange(grid.shape[1]) + 0.5, [f"{gap:g}" for gap in grid.columns])
    axis.set_yticks(np.arange(grid.shape[0]) + 0.5, [f"{gap:g}" for gap in grid.index])
    axis.set(xlabel="drift gap: mean lower by, J per slot", ylabel="volatility gap: more variable by, J per √slot")
    figure.colorbar(mesh, label="saved by variance-awareness, % of myopic's")
    return figure


def router_figure(theory: pd.DataFrame, rivals: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """Plot E[D_T] of a router that never errs over its overhead and size, beside rivals without overhead."""
    figure, (axis,) = new_figure(1, (WIDE[0], 4.4))
    scale, unit = energy_unit(theory["exact_j"])
    axis.plot(theory["overhead_j"], theory["exact_j"] / scale, color=INK, label="perfect knowledge and overhead, exact")
    bars = _bars(measured["standard_error_j"] / scale, INK)
    axis.errorbar(measured["overhead_j"], measured["mean_j"] / scale, label="simulated", **bars)
    for (_, rival), color in zip(rivals.iterrows(), COLORS, strict=False):
        height, even_j = rival["exact_j"] / scale, rival["break_even_j"]
        axis.axhline(height, color=color, ls="--", label=rival["dispatcher"])
        axis.plot(even_j, height, "D", color=color, mec=INK, ms=7, zorder=3)
        axis.annotate(f"{even_j:.1f} J", (even_j, height), (6, -12), textcoords="offset points")
    axis.set(ylim=(0, None), xlabel="overhead of a decision, J", ylabel=f"E[D_T], {unit}")
    per_billion_j = 1e9 * float(theory["overhead_j"].max() / theory["n_params"].max())
    sizes = axis.twiny()
    low, high = axis.get_xlim()
    sizes.set_xlim(low / per_billion_j, high / per_billion_j)
    sizes.spines["right"].set_visible(False)
    sizes.set_xlabel("parameters of a language model that reads 500 tokens, billions")
    axis.legend(frameon=False, loc="lower right")
    return figure


def stopping_figure(curves: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """Plot E[D_T] against T by when models stop, on the harvest that was planned and on one that matches the demand."""
    titles = {"planned": "harvest planned for the budget", "own": "harvest that matches the demand"}
    figure, axes = new_figure(2, (WIDE[0], 6.4))
    for axis, (harvest, title) in zip(axes, titles.items(), strict=True):
        points = measured[measured["harvest"] == harvest]
        by_name = curves[curves["harvest"] == harvest].groupby("stopping", sort=False)
        for (name, curve), color in zip(by_name, COLORS, strict=False):
            axis.plot(curve["slots"], curve["exact_j"], color=color, label=name)
            some = points[points["stopping"] == name]
            axis.errorbar(some["slots"], some["mean_j"], **_bars(some["standard_error_j"], color))
        axis.set(xscale="log", yscale="log", ylabel="E[D_T], J")
        axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes[0].legend(frameon=False)
    axes[1].set_xlabel("slots T")
    return figure


def solar_day_figure(slots: pd.DataFrame) -> Figure:
    """Plot `day_figure` as wide as the other figures; the capacity comes from the table."""
    figure = day_figure(slots, float(slots["capacity_j"].iloc[0]))
    figure.set_size_inches(WIDE[0], 8)
    return figure


def decision_figure(maps: pd.DataFrame) -> Figure:
    """Map the model that each dispatcher chooses over battery and observed difficulty."""
    names = maps["dispatcher"].unique()
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=FLAT, layout="constrained")
        axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    colors = ListedColormap(COLORS[: 1 + int(maps["model"].max())])
    for axis, name in zip(axes, names, strict=True):
        chosen = maps[maps["dispatcher"] == name].pivot(index="difficulty", columns="battery_j", values="model")
        edges = {"cmap": colors, "vmin": -0.5, "vmax": colors.N - 0.5, "shading": "nearest", "rasterized": True}
        axis.pcolormesh(chosen.columns / 1e3, chosen.index, chosen.to_numpy(), **edges)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("battery, kJ")
    axes[0].set_ylabel("observed difficulty: harder below")
    handles = [Patch(color=colors(k), label=f"model {k}") for k in range(colors.N)]
    figure.legend(handles=handles, loc="outside upper center", frameon=False, ncols=colors.N)
    return figure
