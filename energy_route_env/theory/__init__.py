"""What theory predicts for the auxiliary energy D_T, beside the simulator and independent of it.

`slot` is one slot's distribution, `brownian` the paper's Theorem 2, `spitzer` the exact mean, `lattice` the whole
distribution of D_T, and `planning` what follows for a system to build.
"""

from energy_route_env.theory.brownian import (
    NO_DRIFT,
    auxiliary_energy_cdf,
    auxiliary_energy_quantile,
    auxiliary_energy_std,
    expected_auxiliary_energy,
    regime,
    transition_horizon,
    value_function,
)
from energy_route_env.theory.slot import SlotDistribution, SlotLaw, gather_energies, why_no_theory
from energy_route_env.theory.spitzer import exact_expected_auxiliary_energy

__all__ = [
    "NO_DRIFT",
    "SlotDistribution",
    "SlotLaw",
    "auxiliary_energy_cdf",
    "auxiliary_energy_quantile",
    "auxiliary_energy_std",
    "exact_expected_auxiliary_energy",
    "expected_auxiliary_energy",
    "gather_energies",
    "regime",
    "transition_horizon",
    "value_function",
    "why_no_theory",
]
