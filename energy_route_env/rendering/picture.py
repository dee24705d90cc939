"""An episode as a picture, painted by Pillow."""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFont
from PIL.ImageDraw import Draw, ImageDraw

from energy_route_env.rendering.text import Frame, View, capacity_text, choice_text, has_days, wait_text
from energy_route_env.scenario import Scenario
from energy_route_env.units import DAY_S, FloatArray, IntArray, joules

Color: TypeAlias = tuple[int, int, int]

WIDTH, HEIGHT = 640, 400
"""Pixels of a frame; even, as video codecs want."""
TRACK, INK, MUTED = (234, 238, 242), (31, 35, 40), (99, 108, 118)
SUN, DEMAND, BATTERY, AUXILIARY = (245, 189, 48), (66, 105, 208), (60, 169, 81), (214, 69, 65)
DUE, WAITING, CHOICE, EXPECTED = (176, 46, 42), (133, 163, 235), (255, 236, 179), (163, 99, 200)
"""Each colour stands for one thing."""

LEFT, CHART, CHART_WIDTH = 16, 208, 416
"""Where the left column and the right column, with the charts, begin, and how wide the right one is."""
FLOWS_TOP, FLOWS_HEIGHT, AUXILIARY_TOP, AUXILIARY_HEIGHT = 68, 84, 184, 44
BATTERY_TOP, BATTERY_WIDTH, BATTERY_HEIGHT = 76, 72, 124
TASK_TOP, CHOICE_TOP = 268, 376


class Picture:
    """Paints the episodes of a scenario on a background that they share."""

    def __init__(self, scenario: Scenario) -> None:
        self._background = Image.new("RGB", (WIDTH, HEIGHT), "white")
        pen = Draw(self._background)
        _paint_frame(pen, scenario)
        _paint_battery_case(pen, scenario)
        _paint_time_axis(pen, scenario)

    def paint(self, view: View) -> Frame:
        """Return the view as a picture, shape (HEIGHT, WIDTH, 3)."""
        image = self._background.copy()
        pen = Draw(image)
        when = filter(None, [view.clock, f"slot {view.now.slot} of {view.scenario.horizon_slots}"])
        _write(pen, WIDTH - LEFT, 12, "    ".join(when), size=15, align=1)
        _paint_battery(pen, view)
        _paint_flows(pen, view)
        _paint_auxiliary(pen, view)
        _paint_queue(pen, view)
        _paint_task(pen, view)
        _paint_legend(pen, LEFT, CHOICE_TOP, CHOICE, f"last choice: {choice_text(view)}")
        return np.array(image)


def _paint_frame(pen: ImageDraw, scenario: Scenario) -> None:
    _write(pen, LEFT, 10, scenario.name[:32], size=17)
    _fill(pen, LEFT, 38, WIDTH - 2 * LEFT, 1, TRACK)
    _write(pen, WIDTH - LEFT, 46, "in this slot", MUTED, align=1)
    for top, height in ((FLOWS_TOP, FLOWS_HEIGHT), (AUXILIARY_TOP, AUXILIARY_HEIGHT)):
        _fill(pen, CHART, top, CHART_WIDTH, height, TRACK)
        _write(pen, CHART - 6, top + height - 11, "0", MUTED, size=11, align=1)


def _paint_battery_case(pen: ImageDraw, scenario: Scenario) -> None:
    _write(pen, LEFT, 46, "battery")
    _fill(pen, LEFT + BATTERY_WIDTH / 2 - 12, BATTERY_TOP - 6, 24, 6, MUTED)
    _fill(pen, LEFT - 2, BATTERY_TOP - 2, BATTERY_WIDTH + 4, BATTERY_HEIGHT + 4, MUTED)
    _fill(pen, LEFT, BATTERY_TOP, BATTERY_WIDTH, BATTERY_HEIGHT, TRACK)
    _write(pen, LEFT, BATTERY_TOP + BATTERY_HEIGHT + 28, capacity_text(scenario), MUTED)


def _paint_time_axis(pen: ImageDraw, scenario: Scenario) -> None:
    """Mark each day, or each quarter of the slots; at most eight."""
    horizon, y = scenario.horizon_slots, AUXILIARY_TOP + AUXILIARY_HEIGHT + 3
    step = DAY_S / scenario.slot_seconds if has_days(scenario) else math.ceil(horizon / 4)
    step *= max(1, math.ceil(horizon / step / 8))
    for i in range(math.ceil(horizon / step - 1e-9)):
        day = 1 + i * step * scenario.slot_seconds / DAY_S
        x = CHART + round(CHART_WIDTH * i * step / horizon)
        _fill(pen, x, y - 2, 1, 5, MUTED)
        _write(pen, x + 4, y, f"day {day:.0f}" if has_days(scenario) else f"slot {i * step}", MUTED, size=11)


def _paint_battery(pen: ImageDraw, view: View) -> None:
    level = view.now.battery_level
    full = BATTERY_HEIGHT * level
    _fill(pen, LEFT, BATTERY_TOP + BATTERY_HEIGHT - full, BATTERY_WIDTH, full, BATTERY)
    _write(pen, LEFT + BATTERY_WIDTH + 12, BATTERY_TOP + BATTERY_HEIGHT // 2 - 10, f"{level:.0%}", size=15)
    _write(pen, LEFT, BATTERY_TOP + BATTERY_HEIGHT + 8, joules(view.now.battery_j), size=15)


def _paint_flows(pen: ImageDraw, view: View) -> None:
    harvest_j, demand_j = view.harvest_j[view.shown_slot], view.consumed_j[view.shown_slot]
    _paint_legend(pen, CHART, 46, SUN, f"harvest {joules(harvest_j)}")
    _paint_legend(pen, CHART + 150, 46, DEMAND, f"demand {joules(demand_j)}")
    scale_j = max(1.15 * float(view.harvest_j.max()), 2 * view.scenario.mean_demand_j) or 1.0
    ground = FLOWS_TOP + FLOWS_HEIGHT
    sun = _curve(view, view.harvest_j / scale_j, ground, FLOWS_HEIGHT)
    pen.polygon([CHART, ground, *sun.ravel().tolist(), int(sun[-1, 0]), ground], SUN)
    _paint_axes(pen, view, FLOWS_TOP, FLOWS_HEIGHT, scale_j)
    _paint_line(pen, _curve(view, view.consumed_j / scale_j, ground - 2, FLOWS_HEIGHT - 2), DEMAND)


def _paint_auxiliary(pen: ImageDraw, view: View) -> None:
    """Paint the auxiliary energy so far, cumulated over the slots."""
    so_far_j = view.auxiliary_j.cumsum()
    _paint_legend(pen, CHART, 162, AUXILIARY, f"auxiliary (grid) so far {joules(so_far_j[-1])}")
    scale_j = _round_up(max(so_far_j[-1], view.scenario.mean_demand_j)) or 1.0
    ground = AUXILIARY_TOP + AUXILIARY_HEIGHT
    _paint_axes(pen, view, AUXILIARY_TOP, AUXILIARY_HEIGHT, scale_j)
    _paint_line(pen, _curve(view, so_far_j / scale_j, ground - 2, AUXILIARY_HEIGHT - 2), AUXILIARY)


def _paint_queue(pen: ImageDraw, view: View) -> None:
    """Paint a square for each task, due ones first, as many as there is room for."""
    columns, rows, pitch, top = 16, 6, 10, 312
    due, waiting = view.now.due, view.now.waiting
    _paint_legend(pen, LEFT, TASK_TOP, DUE, f"due now {due}")
    _paint_legend(pen, LEFT, TASK_TOP + 19, WAITING, f"may wait {waiting}")
    for i in range(min(due + waiting, columns * rows)):
        row, column = divmod(i, columns)
        _fill(pen, LEFT + column * pitch, top + row * pitch, 8, 8, DUE if i < due else WAITING)


def _paint_task(pen: ImageDraw, view: View) -> None:
    """Paint the task at hand and a row for each action; the last choice is marked."""
    if view.has_task:
        _write(pen, CHART, TASK_TOP, f"task at hand: difficulty {view.now.observed_difficulty:.4g}")
        _paint_difficulty(pen, view)
    else:
        _write(pen, CHART, TASK_TOP, "no task at hand", MUTED)
    pitch = min(72 / len(view.actions), 24)
    for action in range(len(view.actions)):
        _paint_action(pen, view, action, TASK_TOP + 22 + action * pitch, pitch)


def _paint_difficulty(pen: ImageDraw, view: View) -> None:
    """Paint where the task lies between the scenario's hardest and easiest."""
    left, width = 504, 84
    low, high = min(view.scenario.difficulties), max(view.scenario.difficulties)
    share = (view.now.observed_difficulty - low) / (high - low) if high > low else 0.5
    _write(pen, left - 6, TASK_TOP, "hard", MUTED, align=1)
    _write(pen, left + width + 6, TASK_TOP, "easy", MUTED)
    _fill(pen, left, TASK_TOP + 8, width, 2, MUTED)
    _fill(pen, left + width * min(max(share, 0.0), 1.0) - 2, TASK_TOP + 3, 5, 12, INK)


def _paint_action(pen: ImageDraw, view: View, action: int, y: float, pitch: float) -> None:
    """Paint an action's row with the expected energy as a bar. Names are left out if the row is too low."""
    if action == view.chosen:
        _fill(pen, CHART - 4, y, CHART_WIDTH + 4, pitch - 1, CHOICE)
    fits, middle = pitch >= 14, round(y + pitch / 2) - 8
    _write(pen, CHART, middle, view.actions[action] * fits)
    if not view.has_task:
        return
    if action == len(view.scenario.models):
        _write(pen, CHART + 56, middle, wait_text(view) * fits, MUTED)
        return
    energy_j = float(view.expected_j[action])
    most_j = float(view.scenario.expected_energy_j(view.scenario.difficulties).max())
    width = 240 * energy_j / max(most_j, energy_j)
    _fill(pen, CHART + 56, y + pitch * 0.2, width, pitch * 0.6, EXPECTED)
    _write(pen, CHART + 62 + round(width), middle, f"{joules(energy_j)} expected" * fits)


def _fill(pen: ImageDraw, x: float, y: float, width: float, height: float, color: Color) -> None:
    """Fill a rectangle, rounded to whole pixels."""
    left, top, right, bottom = round(x), round(y), round(x + width), round(y + height)
    if right > left and bottom > top:
        pen.rectangle((left, top, right - 1, bottom - 1), color)  # Pillow includes both corners


def _write(pen: ImageDraw, x: int, y: int, text: str, color: Color = INK, size: int = 13, align: int = 0) -> None:
    """Write a line with its upper left corner at (x, y), or its upper right one if `align` is 1."""
    letters = _letters(text, size)
    pen.bitmap((x - align * letters.width, y), letters, color)


@lru_cache(maxsize=2048)
def _letters(text: str, size: int) -> Image.Image:
    """Return the opacity of a line of text. Without the cache a frame takes twice as long."""
    font = _font(size)
    image = Image.new("L", (math.ceil(font.getlength(text)), 2 * size))
    Draw(image).text((0, 0), text, 255, font)
    return image


_font = lru_cache(ImageFont.load_default)


def _paint_legend(pen: ImageDraw, x: int, y: int, color: Color, text: str) -> None:
    """Paint a coloured square and what it stands for."""
    _fill(pen, x, y + 3, 10, 10, color)
    _write(pen, x + 16, y, text)


def _paint_axes(pen: ImageDraw, view: View, top: int, height: int, scale_j: float) -> None:
    """Paint a chart's ground and the current slot, and write what the top stands for."""
    _fill(pen, CHART, top + height, CHART_WIDTH, 1, MUTED)
    _fill(pen, CHART + min(_columns_so_far(view), CHART_WIDTH - 1), top, 1, height, MUTED)
    _write(pen, CHART - 6, top - 4, joules(scale_j), MUTED, size=11, align=1)


def _paint_line(pen: ImageDraw, curve: IntArray, color: Color) -> None:
    """Paint a curve in steps, two pixels thick where it is level."""
    before = np.concatenate([curve[:1], curve[:-1]])
    steps = np.stack([curve[:, 0], before[:, 1], curve[:, 0], curve[:, 1]], axis=1)
    for line in (steps, steps + np.array([0, 1, 0, 1])):
        pen.line(line.ravel().tolist(), color)


def _curve(view: View, heights: FloatArray, ground: int, top: int) -> IntArray:
    """Return a curve through the slots so far, (x, y) for each column of pixels: the mean of the column's slots.

    Heights, shape (horizon_slots,), reach from 0 at y = `ground` to 1, `top` pixels above; what is more is cut off.
    """
    columns = _columns_so_far(view)
    edges = np.linspace(0, len(heights), CHART_WIDTH + 1).astype(np.int64)[: columns + 1]
    first = edges[:-1]
    end = np.minimum(np.maximum(edges[1:], first + 1), view.shown_slot + 1)
    total = np.append(0.0, heights.cumsum())
    mean = np.minimum((total[end] - total[first]) / (end - first), 1.0)
    return np.stack([CHART + np.arange(columns), ground - (top * mean).astype(np.int64)], axis=1)


def _columns_so_far(view: View) -> int:
    """Return how many columns of pixels the slots so far fill, the current one included."""
    return math.ceil(CHART_WIDTH * (view.shown_slot + 1) / view.scenario.horizon_slots)


def _round_up(energy_j: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, ... joules, or 0 if there is none."""
    if energy_j <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(energy_j))
    return next(step * power for step in (1, 2, 5, 10) if energy_j <= step * power)
