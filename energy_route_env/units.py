"""Joules in units that read well, a day in seconds, and the types of arrays."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.integer[Any]]

DAY_S = 86_400.0

UNITS = ((1e12, "TJ"), (1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J"))
"""Units of energy, largest first: joules and name."""


def energy_unit(values: Any) -> tuple[float, str]:
    """Return the largest unit that the largest of the values reaches: its joules and its name."""
    largest = float(np.max(np.nan_to_num(np.abs(np.asarray(values, float))), initial=0.0))
    return next((unit for unit in UNITS if largest >= unit[0]), UNITS[-1])


def unit_for(values: Any, unit: str) -> tuple[float, str]:
    """Return the size and the name of what values in this unit are best shown in: for joules as `energy_unit`."""
    return energy_unit(values) if unit == "J" else (1.0, unit)


def joules(energy_j: float) -> str:
    """Show an energy with three figures in the unit that reads best."""
    scale, unit = energy_unit(energy_j)
    value = energy_j / scale
    if value == 0 or value >= 9999.5:
        return f"{value:.3g} {unit}"
    return f"{value:.{2 - min(int(math.log10(max(value, 1))), 2)}f} {unit}"
