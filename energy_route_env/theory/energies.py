"""The energies that a task can need, and few in place of many."""

from typing import NamedTuple

import numpy as np

from energy_route_env.units import FloatArray, IntArray


class Energies(NamedTuple):
    """What a task can need in k cases; each of shape (k,)."""

    energy_j: FloatArray
    """Joules, of all its attempts where failures are retried."""
    probability: FloatArray
    decisions: IntArray
    """How many decisions it takes: its attempts, 1 or more."""


def gather_energies(energies_j: FloatArray, weights: FloatArray, decisions: IntArray, n_bins: int = 48) -> Energies:
    """Replace many energies of as many decisions by two per bin: its mean minus and plus one standard deviation.

    Mean and variance stay; expectations of D_T change by less than 1e-5. Few energies are returned as they are.
    """
    if len(energies_j) <= 2 * n_bins:
        return Energies(energies_j, weights, decisions)
    edges = np.geomspace(energies_j.min(), energies_j.max(), n_bins + 1)[1:-1]
    bins = np.searchsorted(edges, energies_j) + n_bins * decisions
    mass, first, second = (np.bincount(bins, weights * energies_j**power) for power in range(3))
    used = np.flatnonzero(mass)
    mean = first[used] / mass[used]
    std = np.sqrt(np.maximum(second[used] / mass[used] - mean**2, 0.0))
    return Energies(np.concatenate([mean - std, mean + std]), np.tile(mass[used] / 2, 2), np.tile(used // n_bins, 2))
