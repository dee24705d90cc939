"""Intervals of means, and of paired differences on common traces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and the half width of its 95 % interval (Student's t)."""

    mean: float
    standard_error: float
    half_width: float

    @classmethod
    def of(cls, samples: ArrayLike) -> Estimate:
        """Estimate from independent samples; with only one the error is unknown (nan)."""
        values = np.asarray(samples, float)
        n = len(values)
        if n < 2:
            return cls(float(values.mean()), float("nan"), float("nan"))
        error = float(values.std(ddof=1) / np.sqrt(n))
        return cls(float(values.mean()), error, float(special.stdtrit(n - 1, 0.975) * error))

    def plus(self, other: Estimate) -> Estimate:
        """Return the sum of two estimates as if they were independent, with a normal interval."""
        error = math.hypot(self.standard_error, other.standard_error)
        return Estimate(self.mean + other.mean, error, float(special.ndtri(0.975)) * error)

    def deviation(self, prediction: float) -> float:
        """Return (mean - prediction) in standard errors; nan where the error is unknown or 0."""
        return (self.mean - prediction) / self.standard_error if self.standard_error > 0 else float("nan")
