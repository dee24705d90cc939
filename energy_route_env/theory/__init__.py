"""What theory predicts for the auxiliary energy D_T, beside the simulator and independent of it.

`slot` is one slot's distribution and `energies` what its tasks can need, `brownian` the paper's Theorem 2, `spitzer`
the exact mean, `lattice` the whole distribution of D_T, `optimum` the least E[D_T] of any dispatcher, `schedule` the
least D_T of a trace where tasks can wait, `overhead` what a dispatcher may take itself, and `planning` what follows for
a system to build.
"""

from energy_route_env.theory.brownian import (
    NO_DRIFT as NO_DRIFT,
    auxiliary_energy_cdf as auxiliary_energy_cdf,
    auxiliary_energy_quantile as auxiliary_energy_quantile,
    auxiliary_energy_std as auxiliary_energy_std,
    expected_auxiliary_energy as expected_auxiliary_energy,
    expected_over_latency as expected_over_latency,
    regime as regime,
    transition_horizon as transition_horizon,
    value_function as value_function,
)
from energy_route_env.theory.energies import gather_energies as gather_energies
from energy_route_env.theory.overhead import break_even_overhead as break_even_overhead
from energy_route_env.theory.slot import (
    BrownianMotion as BrownianMotion,
    SlotDistribution as SlotDistribution,
    SlotLaw as SlotLaw,
    brownian_motion as brownian_motion,
    running_j as running_j,
    why_no_theory as why_no_theory,
)
from energy_route_env.theory.spitzer import exact_expected_auxiliary_energy as exact_expected_auxiliary_energy
