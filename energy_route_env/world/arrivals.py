"""What draws an episode's tasks from a Generator: when they arrive, how difficult they are, how long they may wait."""

from __future__ import annotations

import numpy as np

from energy_route_env.units import FloatArray, IntArray


def draw_arrivals(rng: np.random.Generator, rate: float, n_slots: int) -> IntArray:
    """Arrival slots of a Poisson process, in order: a Poisson total, each task in a slot of its own drawing.

    Args:
        rng: the generator.
        rate: mean arrivals per slot.
        n_slots: slots of the episode.
    """
    counts = np.bincount(_draw_index(rng, n_slots, rng.poisson(rate * n_slots)), minlength=n_slots)
    return np.arange(n_slots).repeat(counts)  # sorted, in a fifth of a sort's time


def draw_difficulties(rng: np.random.Generator, levels: FloatArray, n_tasks: int) -> FloatArray:
    """Independent difficulties, every level equally likely."""
    return levels.take(_draw_index(rng, len(levels), n_tasks))


def draw_deadlines(rng: np.random.Generator, share: float, deadline_slots: int, n_tasks: int) -> IntArray:
    """The deadline for a random share of the tasks, 0 (cannot wait) for the others."""
    if deadline_slots == 0:
        return np.zeros(n_tasks, np.int64)
    return deadline_slots * (rng.random(n_tasks) < share)


def draw_noise(rng: np.random.Generator, values: FloatArray, std: float) -> FloatArray:
    """The values plus independent normal noise; with a standard deviation of 0 the values themselves."""
    return values if std == 0 else values + std * rng.standard_normal(len(values))


def _draw_index(rng: np.random.Generator, n_choices: int, n_draws: int) -> IntArray:
    """Uniform indices. Half the time of `Generator.integers`; the bias is below n_choices / 2^53."""
    return (rng.random(n_draws) * n_choices).astype(np.int64)
