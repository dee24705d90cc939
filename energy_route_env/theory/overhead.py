"""How much a dispatcher may take for a decision before a cheaper one does better."""

from energy_route_env.theory.slot import SlotDistribution
from energy_route_env.theory.spitzer import exact_expected_auxiliary_energy


def break_even_overhead(slot: SlotDistribution, reference: SlotDistribution, horizon_slots: int) -> float:
    """Return the joules that every decision of `slot` may take more until E[D_T] is that of `reference`, at least 0.

    Both have the same arrivals and harvest. In deficit and at criticality it tends to the difference of their mean
    energies, by a task's mean decisions, as T grows, since E[D_T] / T tends to the drift. Raises an InputError if the
    horizon is not valid.
    """
    from scipy import optimize

    allowed_j = float(exact_expected_auxiliary_energy(reference, horizon_slots))

    def excess_j(overhead_j: float) -> float:
        return float(exact_expected_auxiliary_energy(slot.with_overhead(overhead_j), horizon_slots)) - allowed_j

    if excess_j(0.0) >= 0:
        return 0.0
    # E[D_T] is at least T times the drift, and a task takes a decision or more; the factor outweighs rounding.
    most = ((1 + 1e-9) * allowed_j / horizon_slots - slot.drift) / slot.arrival_rate
    return float(optimize.brentq(excess_j, 0.0, most, xtol=1e-9 * most, rtol=1e-9))
