"""Joules in a unit that reads well."""

from __future__ import annotations

from typing import Any

import numpy as np

from energy_route_env.rendering import UNITS


def energy_unit(values: Any) -> tuple[float, str]:
    """The largest unit that the largest of the values reaches: its joules and its name."""
    largest = float(np.nanmax(np.abs(np.asarray(values, float)), initial=0.0))
    return next((unit for unit in UNITS if largest >= unit[0]), UNITS[-1])
