"""Joules in a unit that reads well."""

from __future__ import annotations

from typing import Any

import numpy as np

_UNITS = ((1e12, "TJ"), (1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J"))


def energy_unit(values: Any) -> tuple[float, str]:
    """The largest unit that the largest of the values reaches: its joules and its name."""
    largest = float(np.nanmax(np.abs(np.asarray(values, float)), initial=0.0))
    return next((unit for unit in _UNITS if largest >= unit[0]), _UNITS[-1])
