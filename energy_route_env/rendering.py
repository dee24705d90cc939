"""Pictures and text of an episode under way, for `render_mode`. Reads the episode and never changes it.

A `Screen` keeps what past slots consumed and shows the current state: as text (`describe`), as a picture
(`draw_frame`, which needs Pillow for its letters) or in a window (which needs pygame besides).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled, ResetNeeded

from energy_route_env.core.state import Outcome

Batch = Any
Moment = Any
AFTER_J = BEFORE_J = 0
from energy_route_env.canvas import HEIGHT, INK, MUTED, TRACK, WIDTH, Canvas, Color, Frame
from energy_route_env.scenario import DAY_S, Scenario
from energy_route_env.units import FloatArray, joules

RENDER_MODES = ("human", "rgb_array", "ansi")
RENDER_FPS = 20
SUN, DEMAND, BATTERY, AUXILIARY = (245, 189, 48), (66, 105, 208), (60, 169, 81), (214, 69, 65)
DUE, WAITING, CHOICE, EXPECTED = (176, 46, 42), (133, 163, 235), (255, 236, 179), (163, 99, 200)
"""Each colour stands for one thing, so that what is drawn can be counted."""


def model_name(n_params: float) -> str:
    """A parameter count as models are called: 1e10 is 10B."""
    scale, letter = next((s for s in ((1e12, "T"), (1e9, "B"), (1e6, "M")) if n_params >= s[0]), (1.0, ""))
    return f"{n_params / scale:.3g}{letter}"


@dataclass(frozen=True, eq=False)
class View:
    """What is shown of a moment: between two decisions, or after the last."""

    scenario: Scenario
    slot: int
    """The current slot; the horizon itself once the episode is over."""
    battery_j: float
    battery_level: float
    """The observation's: share of the capacity, or B / (B + sigma sqrt(T)) where there is none."""
    harvest_j: FloatArray
    """Harvest of every slot of the episode, shape (horizon_slots,); slots to come are not drawn."""
    harvest_left_j: float
    consumed_j: FloatArray
    """Energy of the tasks dispatched in every slot, shape (horizon_slots,)."""
    auxiliary_j: FloatArray
    """Auxiliary energy drawn in every slot, shape (horizon_slots,)."""
    due: int
    waiting: int
    observed_difficulty: float
    slack_slots: int
    """Slots that the task at hand may still wait."""
    last: Outcome | None
    """What the step just made did; None after a reset."""

    @property
    def actions(self) -> list[str]:
        """The names of the actions."""
        names = [model_name(n) for n in self.scenario.models.n_params]
        return [*names, "defer"] if self.scenario.can_wait else names

    @property
    def chosen(self) -> int | None:
        """The action carried out by the last step, if there is one."""
        if self.last is None or (self.last.model < 0 and not self.scenario.can_wait):
            return None
        return int(self.last.model) % len(self.actions)  # -1, deferred, is the last one

    @property
    def has_task(self) -> bool:
        """Whether a task is at hand."""
        return self.due + self.waiting > 0

    @property
    def shown_slot(self) -> int:
        """The last slot of which anything is known."""
        return min(self.slot, self.scenario.horizon_slots - 1)

    @property
    def expected_j(self) -> FloatArray:
        """Expected energy of the task at hand on every model, shape (n_models,)."""
        return self.scenario.expected_energy_j(self.observed_difficulty)

    @property
    def clock(self) -> str:
        """Day and time of day, where an episode lasts a day or longer."""
        if not _has_days(self.scenario):
            return ""
        day, second = divmod(self.slot * self.scenario.slot_seconds, DAY_S)
        return f"day {day + 1:.0f}, {int(second // 3600):02d}:{int(second % 3600 // 60):02d}"


def _has_days(scenario: Scenario) -> bool:
    return scenario.horizon_slots * scenario.slot_seconds >= DAY_S


class Screen:
    """Shows the episode of a single environment in one of the `RENDER_MODES`.

    Raises:
        DependencyNotInstalled: if the mode needs a package that is missing.
    """

    def __init__(self, scenario: Scenario, mode: str) -> None:
        """Check that the mode can be shown; `begin` starts an episode."""
        self.scenario, self.mode = scenario, mode
        self._begun = False
        self._window: Any = None
        if mode != "ansi":
            _import("PIL.Image", "pillow")
        if mode == "human":
            _import("pygame", "pygame-ce")

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the window: a copy opens one of its own."""
        return self.__dict__ | {"_window": None}

    def begin(self, batch: Batch) -> None:
        """Start an episode."""
        self._consumed_j = np.zeros(self.scenario.horizon_slots)
        self._auxiliary_j = np.zeros(self.scenario.horizon_slots)
        self._last: Outcome | None = None
        self._begun = True
        if self.mode == "human":
            self.render(batch)

    def record(self, batch: Batch, outcome: Outcome) -> None:
        """Take down what a step did."""
        slot = min(outcome.slot, self.scenario.horizon_slots - 1)  # without any task the only step is at the horizon
        self._consumed_j[slot] += outcome.energy_j
        self._auxiliary_j[slot] += outcome.auxiliary_j
        self._last = outcome
        if self.mode == "human":
            self.render(batch)

    def render(self, batch: Batch) -> Frame | str | None:
        """The picture, shape (HEIGHT, WIDTH, 3), or the text; None where it goes to the window.

        Raises:
            ResetNeeded: if no episode has begun.
        """
        if not self._begun:
            raise ResetNeeded("No episode has begun: call reset() before render().")
        view = self._view(batch)
        if self.mode == "ansi":
            return describe(view)
        frame = draw_frame(view)
        if self.mode == "rgb_array":
            return frame
        self._show(frame)
        return None

    def _view(self, batch: Batch) -> View:
        decision, slots = batch.decision(), batch.tables.slots[: self.scenario.horizon_slots]
        return View(
            scenario=self.scenario,
            slot=batch.queue.slot,
            battery_j=batch.store.battery_j,
            battery_level=float(decision.observation[0, 0]),
            harvest_j=slots[:, AFTER_J] - slots[:, BEFORE_J],
            harvest_left_j=batch.store.harvest_left_j,
            consumed_j=self._consumed_j,
            auxiliary_j=self._auxiliary_j,
            due=int(decision.due[0]),
            waiting=int(decision.backlog[0]),
            observed_difficulty=float(decision.observed_difficulty[0]),
            slack_slots=int(decision.slack_slots[0]),
            last=self._last,
        )

    def _show(self, frame: Frame) -> None:
        """Put a frame into the window, no faster than `RENDER_FPS`."""
        pygame = _import("pygame", "pygame-ce")
        if self._window is None:
            pygame.display.init()
            self._window = (pygame.display.set_mode((WIDTH, HEIGHT)), pygame.time.Clock())
            pygame.display.set_caption(f"EnergyRoute: {self.scenario.name}")
        surface, clock = self._window
        surface.blit(pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        clock.tick(RENDER_FPS)
        pygame.display.flip()

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            _import("pygame", "pygame-ce").display.quit()
            self._window = None


def _import(module: str, package: str) -> Any:
    """A module of the extra `render`, imported only where it is needed."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyNotInstalled(
            f"Rendering in this mode needs {package}: pip install 'energy-route-env[render]'."
        ) from error


# Text


def describe(view: View) -> str:
    """The moment as lines of text."""
    scenario, now = view.scenario, view.shown_slot
    when = ", ".join(filter(None, [scenario.name, f"slot {view.slot} of {scenario.horizon_slots}", view.clock]))
    level = round(20 * view.battery_level)
    lines = {
        "battery": f"{joules(view.battery_j)} {_capacity(scenario)} [{'#' * level}{'.' * (20 - level)}]",
        "harvest": f"{joules(view.harvest_j[now])} in this slot, {joules(view.harvest_left_j)} left of it",
        "demand": f"{joules(view.consumed_j[now])} in this slot",
        "queue": f"{view.due} due now, {view.waiting} may wait",
        "task": _task_text(view),
        "choice": _choice_text(view),
        "auxiliary": f"{joules(view.auxiliary_j.sum())} so far",
    }
    return "\n".join([when, *(f"{name:<10} {text}" for name, text in lines.items())])


def _task_text(view: View) -> str:
    if not view.has_task:
        return "none"
    expected = zip(view.actions, view.expected_j, strict=False)
    energies = ", ".join(f"{name} {joules(energy)}" for name, energy in expected)
    return f"difficulty {view.observed_difficulty:.4g}, expected {energies}{_wait_text(view, ', ')}"


def _wait_text(view: View, before: str = "") -> str:
    """How long the task at hand may wait, where tasks can."""
    if not view.scenario.can_wait:
        return ""
    slots = view.slack_slots
    return before + (f"may wait {slots} slot{'s' * (slots != 1)}" if view.due == 0 else "due now")


def _choice_text(view: View) -> str:
    """The last choice and what it took."""
    last, chosen = view.last, view.chosen
    if last is None:
        return "none yet"
    if chosen is None:
        return "none"
    name = view.actions[chosen] + " (due, could not wait)" * bool(last.forced)
    if last.model < 0:  # at the end of the episode whatever still waits runs all the same
        name += ", then the rest" * (last.energy_j > 0)
    return f"{name}, used {joules(last.energy_j)}, {joules(last.auxiliary_j)} of it auxiliary"


def _capacity(scenario: Scenario) -> str:
    """What a full battery holds, or where an unlimited one is drawn half full."""
    if math.isfinite(scenario.capacity_j):
        return f"of {joules(scenario.capacity_j)}"
    return f"(half: {joules(scenario.volatility_j * math.sqrt(scenario.horizon_slots))})"


# Pictures


LEFT, CHART, CHART_WIDTH = 16, 208, 416
"""Where the left panels and the charts begin, and the charts' width."""


def draw_frame(view: View) -> Frame:
    """The moment as a picture, shape (HEIGHT, WIDTH, 3)."""
    canvas = Canvas()
    _draw_head(canvas, view)
    _draw_battery(canvas, view)
    _draw_flows(canvas, view)
    _draw_auxiliary(canvas, view)
    _draw_queue(canvas, view)
    _draw_task(canvas, view)
    return canvas.pixels


def _draw_head(canvas: Canvas, view: View) -> None:
    canvas.text(LEFT, 10, view.scenario.name[:32], size=17)
    when = [view.clock, f"slot {view.slot} of {view.scenario.horizon_slots}"]
    canvas.text(WIDTH - LEFT, 12, "    ".join(filter(None, when)), size=15, align=1)
    canvas.box(LEFT, 38, WIDTH - 2 * LEFT, 1, TRACK)


def _draw_battery(canvas: Canvas, view: View) -> None:
    top, height, width = 76, 124, 72
    canvas.text(LEFT, 46, "battery")
    canvas.box(LEFT + width / 2 - 12, top - 6, 24, 6, MUTED)
    canvas.box(LEFT - 2, top - 2, width + 4, height + 4, MUTED)
    canvas.box(LEFT, top, width, height, TRACK)
    full = height * view.battery_level
    canvas.box(LEFT, top + height - full, width, full, BATTERY)
    canvas.text(LEFT + width + 12, top + height // 2 - 10, f"{view.battery_level:.0%}", size=15)
    canvas.text(LEFT, top + height + 8, joules(view.battery_j), size=15)
    canvas.text(LEFT, top + height + 28, _capacity(view.scenario), MUTED)


def _draw_flows(canvas: Canvas, view: View) -> None:
    """Harvest and demand of the slots so far."""
    top, height, now = 68, 84, view.shown_slot
    x = _legend(canvas, CHART, 46, SUN, f"harvest {joules(view.harvest_j[now])}")
    _legend(canvas, x + 16, 46, DEMAND, f"demand {joules(view.consumed_j[now])}")
    canvas.text(WIDTH - LEFT, 46, "in this slot", MUTED, align=1)
    scale = max(1.15 * float(view.harvest_j.max()), 2 * view.scenario.mean_demand_j) or 1.0
    _draw_axes(canvas, view, top, height, scale)
    sun = _pixels(view, view.harvest_j, height / scale)
    canvas.columns(CHART, top, height, 0 * sun, sun, SUN)
    line = np.minimum(_pixels(view, view.consumed_j, height / scale), height - 2)
    _draw_line(canvas, top, height, line, DEMAND)


def _draw_auxiliary(canvas: Canvas, view: View) -> None:
    """Auxiliary energy cumulated over the slots so far."""
    top, height = 184, 44
    total = float(view.auxiliary_j.sum())
    _legend(canvas, CHART, 162, AUXILIARY, f"auxiliary (grid) so far {joules(total)}")
    scale = _round_up(max(total, view.scenario.mean_demand_j)) or 1.0
    _draw_axes(canvas, view, top, height, scale)
    line = _pixels(view, np.cumsum(view.auxiliary_j), (height - 2) / scale)
    _draw_line(canvas, top, height, line, AUXILIARY)
    _draw_slots(canvas, view, top + height + 3)


def _draw_queue(canvas: Canvas, view: View) -> None:
    """A square for each task: due ones, then those that may wait, as many as there is room for."""
    columns, rows, pitch, top = 16, 7, 10, 312
    _legend(canvas, LEFT, 268, DUE, f"due now {view.due}")
    _legend(canvas, LEFT, 287, WAITING, f"may wait {view.waiting}")
    for i in range(min(view.due + view.waiting, columns * rows)):
        row, column = divmod(i, columns)
        canvas.box(LEFT + column * pitch, top + row * pitch, 8, 8, DUE if i < view.due else WAITING)


def _draw_task(canvas: Canvas, view: View) -> None:
    """The task at hand, what it is expected to take on each model, and the last choice."""
    top, height = 290, 72
    if view.has_task:
        canvas.text(CHART, 268, f"task at hand: difficulty {view.observed_difficulty:.4g}")
        _draw_difficulty(canvas, view)
    else:
        canvas.text(CHART, 268, "no task at hand", MUTED)
    pitch = min(height / len(view.actions), 24)
    for action in range(len(view.actions)):
        _draw_action(canvas, view, action, top + action * pitch, pitch)
    _legend(canvas, CHART, 374, CHOICE, f"last choice: {_choice_text(view)}")


def _draw_difficulty(canvas: Canvas, view: View) -> None:
    """Where the task lies between the scenario's hardest and easiest."""
    left, width, y = 504, 84, 268
    low, high = min(view.scenario.difficulties), max(view.scenario.difficulties)
    share = (view.observed_difficulty - low) / (high - low) if high > low else 0.5
    canvas.text(left - 6, y, "hard", MUTED, align=1)
    canvas.text(left + width + 6, y, "easy", MUTED)
    canvas.box(left, y + 8, width, 2, MUTED)
    canvas.box(left + width * min(max(share, 0.0), 1.0) - 2, y + 3, 5, 12, INK)


def _draw_action(canvas: Canvas, view: View, action: int, y: float, pitch: float) -> None:
    """A row for an action: marked if it was the last choice, its expected energy as a bar, names where they fit."""
    if action == view.chosen:
        canvas.box(CHART - 4, y, CHART_WIDTH + 4, pitch - 1, CHOICE)
    fits, middle = pitch >= 14, round(y + pitch / 2) - 8
    if fits:
        canvas.text(CHART, middle, view.actions[action])
    if not view.has_task:
        return
    if action == len(view.scenario.models):
        canvas.text(CHART + 56, middle, _wait_text(view) * fits, MUTED)
        return
    energy = float(view.expected_j[action])
    width = 240 * energy / max(_most_expected_j(view.scenario), energy)
    canvas.box(CHART + 56, y + pitch * 0.2, width, pitch * 0.6, EXPECTED)
    if fits:
        canvas.text(round(CHART + 62 + width), middle, f"{joules(energy)} expected")


def _most_expected_j(scenario: Scenario) -> float:
    """Expected energy of the scenario's costliest pair of difficulty and model: the bars' fixed scale."""
    return float(scenario.expected_energy_j(scenario.difficulties).max())


def _legend(canvas: Canvas, x: int, y: int, color: Color, text: str) -> int:
    """A coloured square and what it stands for; where the text ends."""
    canvas.box(x, y + 3, 10, 10, color)
    return x + 16 + canvas.text(x + 16, y, text)


def _draw_axes(canvas: Canvas, view: View, top: int, height: int, scale_j: float) -> None:
    """The ground of a chart with the current slot, and what its top stands for."""
    canvas.box(CHART, top, CHART_WIDTH, height, TRACK)
    canvas.box(CHART + min(_columns_so_far(view), CHART_WIDTH - 1), top, 1, height, MUTED)
    canvas.text(CHART - 6, top - 4, joules(scale_j), MUTED, size=11, align=1)
    canvas.text(CHART - 6, top + height - 11, "0", MUTED, size=11, align=1)


def _draw_slots(canvas: Canvas, view: View, y: int) -> None:
    """Days, or slots, below the charts."""
    horizon, days = view.scenario.horizon_slots, _has_days(view.scenario)
    step = DAY_S / view.scenario.slot_seconds if days else horizon / 4
    step *= max(1, math.ceil(horizon / step / 8))
    for i in range(math.ceil(horizon / step - 1e-9)):
        x = CHART + round(CHART_WIDTH * i * step / horizon)
        canvas.box(x, y - 2, 1, 5, MUTED)
        name = f"day {i * step * view.scenario.slot_seconds / DAY_S + 1:.0f}" if days else f"slot {i * step:.0f}"
        canvas.text(x + 4, y, name, MUTED, size=11)


def _draw_line(canvas: Canvas, top: int, height: int, line: FloatArray, color: Color) -> None:
    """A line two pixels thick through a height for each column."""
    before = np.concatenate([line[:1], line[:-1]])
    canvas.columns(CHART, top, height, np.minimum(before, line), np.maximum(before, line) + 2, color)


def _columns_so_far(view: View) -> int:
    """Columns of a chart that the slots so far fill, the current one included."""
    return math.ceil(CHART_WIDTH * (view.shown_slot + 1) / view.scenario.horizon_slots)


def _pixels(view: View, per_slot: FloatArray, pixels_per_j: float) -> FloatArray:
    """Heights for the columns so far, each the mean over its slots so far, shape (columns,)."""
    edges = np.linspace(0, len(per_slot), CHART_WIDTH + 1).astype(np.int64)[: _columns_so_far(view) + 1]
    first = edges[:-1]
    end = np.minimum(np.maximum(edges[1:], first + 1), view.shown_slot + 1)
    total = np.append(0.0, np.cumsum(per_slot * pixels_per_j))
    return np.floor((total[end] - total[first]) / (end - first))


def _round_up(energy_j: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... joules."""
    if energy_j <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(energy_j))
    return next(step * power for step in (1, 2, 5, 10) if energy_j <= step * power)
