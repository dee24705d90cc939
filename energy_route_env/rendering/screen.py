"""A `Screen` follows one episode and shows it. It never changes it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.error import DependencyNotInstalled, ResetNeeded

from energy_route_env.core.state import Outcome
from energy_route_env.rendering.text import Frame, Moment, View, describe
from energy_route_env.scenario import Scenario
from energy_route_env.units import FloatArray

if TYPE_CHECKING:
    from energy_route_env.rendering.picture import Picture

RENDER_MODES = ("human", "rgb_array", "ansi")
RENDER_FPS = 20


class Screen:
    """Shows the episodes of a single environment in one of the `RENDER_MODES`.

    Raises:
        DependencyNotInstalled: if the mode needs a package that is missing.
    """

    def __init__(self, scenario: Scenario, mode: str) -> None:
        """Check that the mode can be shown; `begin` starts an episode."""
        self.scenario, self.mode = scenario, mode
        self._view: View | None = None
        self._picture: Picture | None = None
        self._window: Any = None
        if mode != "ansi":
            _import("PIL.Image", "pillow")
        if mode == "human":
            _import("pygame", "pygame-ce")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out picture and window: a copy makes its own."""
        return self.__dict__ | {"_picture": None, "_window": None}

    def begin(self, harvest_j: FloatArray, moment: Moment) -> None:
        """Start an episode with this harvest in its slots, shape (horizon_slots,)."""
        consumed_j, auxiliary_j = np.zeros((2, self.scenario.horizon_slots))
        self._view = View(self.scenario, harvest_j, consumed_j, auxiliary_j, moment)
        if self.mode == "human":
            self.render()

    def record(self, outcome: Outcome, moment: Moment) -> None:
        """Add what a step did; `moment` is the one after it."""
        view = self._begun()
        slot = min(outcome.slot, self.scenario.horizon_slots - 1)  # without any task the only step is at the horizon
        view.consumed_j[slot] += outcome.energy_j
        view.auxiliary_j[slot] += outcome.auxiliary_j
        view.now, view.last = moment, outcome
        if self.mode == "human":
            self.render()

    def render(self) -> Frame | str | None:
        """Return the picture, shape (400, 640, 3), or the text; None if it goes to the window.

        Raises:
            ResetNeeded: if no episode has begun.
        """
        view = self._begun()
        if self.mode == "ansi":
            return describe(view)
        if self._picture is None:
            from energy_route_env.rendering.picture import Picture

            self._picture = Picture(self.scenario)
        frame = self._picture.paint(view)
        if self.mode == "rgb_array":
            return frame
        self._show(frame)
        return None

    def close(self) -> None:
        if self._window is not None:
            _import("pygame", "pygame-ce").display.quit()
            self._window = None

    def _begun(self) -> View:
        if self._view is None:
            raise ResetNeeded("No episode has begun: call reset() before render().")
        return self._view

    def _show(self, frame: Frame) -> None:
        """Put a frame into the window, no faster than `RENDER_FPS`."""
        pygame = _import("pygame", "pygame-ce")
        picture = pygame.surfarray.make_surface(frame.swapaxes(0, 1))
        if self._window is None:
            pygame.display.init()
            self._window = (pygame.display.set_mode(picture.get_size()), pygame.time.Clock())
            pygame.display.set_caption(f"EnergyRoute: {self.scenario.name}")
        surface, clock = self._window
        surface.blit(picture, (0, 0))
        pygame.event.pump()
        clock.tick(RENDER_FPS)
        pygame.display.flip()


def _import(module: str, package: str) -> Any:
    """Import a module of the extra `render`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyNotInstalled(
            f"Rendering in this mode needs {package}: pip install 'energy-route-env[render]'."
        ) from error
