"""What a summary shows, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from eval.columns import auxiliary_unit, number
from eval.runs import REFERENCE


def verdicts(summary: pd.DataFrame) -> Iterator[str]:
    """One sentence for each scenario, at the ratio nearest to critical."""
    for name, rows in summary.groupby("scenario", sort=False):
        ratio = min(rows["ratio"].unique(), key=lambda value: abs(value - 1))
        yield _verdict(str(name), rows[rows["ratio"] == ratio], rows["exact_deviation_se"].abs())


def _verdict(name: str, rows: pd.DataFrame, deviations: pd.Series[float]) -> str:
    size, unit = auxiliary_unit(rows)
    best = rows[rows["auxiliary_j"] == rows["auxiliary_j"].min()]
    first, ties = best.iloc[0], list(best["dispatcher"])
    least = f"{number(first['auxiliary_j'], size)} ± {number(first['auxiliary_j_half_width'], size)} {unit}"
    sentence = f"{name}, ratio {first['ratio']:g}: least auxiliary energy by {' = '.join(ties)}, {least}"
    if REFERENCE not in ties:
        reference = rows.loc[rows["dispatcher"] == REFERENCE, "auxiliary_j"].iloc[0]
        share, half = first["difference_j"] / reference, first["difference_j_half_width"] / reference
        sentence += f", {share:+.1%} (± {half:.1%}, paired) against {REFERENCE}"
    if deviations.notna().any():
        counted = int(deviations.notna().sum())
        farthest = f"{deviations.max():.1f} standard errors"
        return f"{sentence}; its {counted} rows with an exact prediction lie within {farthest} of it."
    return f"{sentence}; no exact theory covers this scenario."
