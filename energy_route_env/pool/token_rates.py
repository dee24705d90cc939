"""What a token takes, from ML.ENERGY's table of measured configurations (https://ml.energy/leaderboard)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from energy_route_env.checks import InputError, require, require_known, require_real
from energy_route_env.pool.outcomes import Rates
from energy_route_env.pool.rows import Row, read_rows, require_columns

COLUMNS = (
    "model_id",
    "gpu_model",
    "weight_precision",
    "num_gpus",
    "max_num_seqs",
    "avg_batch_size",
    "energy_per_token_joules",
    "median_itl_ms",
)


def token_rates(
    file: str | Path,
    models: Mapping[str, str],
    gpu: str,
    batch_size: float,
    precision: str | None = None,
    n_gpus: int | None = None,
) -> Rates:
    """Return joules and seconds per output token of each entry, at a batch size on a GPU.

    Args:
        file: a table with the columns of `COLUMNS`, one row for each measured configuration.
        models: for each entry, its model in that table (`model_id`); thinking or not, a token takes the same.
        gpu: the GPU (`gpu_model`), such as "H100".
        batch_size: how many answers are written at once, from the smallest that was measured to the largest.
        precision: the weights' precision; needed where a model was measured in several.
        n_gpus: how many GPUs; by default, for each model, as few as it was measured on at such a batch size.

    Between two measured batch sizes (`avg_batch_size`) logarithms are interpolated linearly in the logarithm of the
    batch size. Above the largest average and up to the configured maximum (`max_num_seqs`) the last one is taken.

    Raises:
        InputError: if a model, a GPU, a precision or a number of GPUs is not in the table (with the nearest that is),
            the precision is not clear, or the batch size lies outside of what was measured.
    """
    require_real("batch_size", batch_size, 0.0, above=True)
    rows = read_rows(file)
    require_columns(rows, COLUMNS)
    rates = {
        entry: _rate(_configurations(rows, model, gpu, precision, n_gpus, batch_size), model, batch_size)
        for entry, model in models.items()
    }
    return Rates(
        {entry: joules for entry, (joules, _) in rates.items()}, {e: seconds for e, (_, seconds) in rates.items()}
    )


def _configurations(
    rows: list[Row], model: str, gpu: str, precision: str | None, n_gpus: int | None, batch_size: float
) -> list[Row]:
    """Return the rows of one model on one kind and number of GPUs, by rising batch size."""
    rows = _those(rows, "model_id", model, "model")
    rows = _those(rows, "gpu_model", gpu, f"GPU of {model}")
    precisions = sorted({row.values["weight_precision"] for row in rows})
    if precision is None:
        require(len(precisions) == 1, f"precision of {model} on {gpu}", None, f"given: one of {precisions}")
    rows = _those(rows, "weight_precision", precision or precisions[0], f"precision of {model} on {gpu}")
    counts = sorted({int(row.real("num_gpus")) for row in rows})
    by_count = {count: [row for row in rows if int(row.real("num_gpus")) == count] for count in counts}
    nearest = min(counts, key=lambda count: _outside(by_count[count], batch_size))
    chosen = nearest if n_gpus is None else n_gpus
    require(chosen in counts, f"number of GPUs ({gpu}) of {model}", chosen, f"one of {counts}")
    return sorted(by_count[chosen], key=lambda row: row.real("avg_batch_size"))


def _those(rows: list[Row], column: str, value: str, kind: str) -> list[Row]:
    require_known(kind, [value], {row.values[column] for row in rows})
    return [row for row in rows if row.values[column] == value]


def _measured(rows: list[Row]) -> tuple[float, float]:
    """Return the smallest and the largest batch size that rows speak of."""
    sizes = [row.real(name, above=True) for row in rows for name in ("avg_batch_size", "max_num_seqs")]
    return min(sizes), max(sizes)


def _outside(rows: list[Row], batch_size: float) -> float:
    """Return how far a batch size lies from those; 0 where it lies between them."""
    low, high = _measured(rows)
    return max(low - batch_size, batch_size - high, 0.0)


def _rate(rows: list[Row], model: str, batch_size: float) -> tuple[float, float]:
    """Return joules and seconds of a token at a batch size."""
    sizes = [row.real("avg_batch_size") for row in rows]
    if _outside(rows, batch_size) > 0:
        measured, (low, high) = ", ".join(f"{size:.4g}" for size in sizes), _measured(rows)
        allowed = f"from {low:.4g} to {high:g}: measured were {measured}"
        raise InputError(f"batch size of {model} is {batch_size!r}, but it must be {allowed}.")
    at, known = math.log(batch_size), np.log(sizes)
    names = ("energy_per_token_joules", "median_itl_ms")
    joules, itl_ms = ([row.real(name, above=True) for row in rows] for name in names)
    return math.exp(np.interp(at, known, np.log(joules))), math.exp(np.interp(at, known, np.log(itl_ms))) / 1e3
