"""What decisions cost above the optimum, against exact values of E[D_T]."""

import pytest

from agents import make_dispatcher, slot_distribution
from energy_route_env import make_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy
from energy_route_env.theory.optimum import optimum
from eval.regret import regret_j
from eval.rollout import simulate
from eval.statistics import Estimate

SHORT = make_scenario("volatile", horizon_slots=40)


@pytest.mark.parametrize("name", ["myopic", "fixed-0", "fixed-1"])
def test_it_is_the_exact_distance_to_the_optimum(name: str) -> None:
    """Expected: Spitzer's E[D_40] less V_40(0), 50 to 420 J. Bound: four standard errors, 2 to 3 % each."""
    slot = slot_distribution(make_dispatcher(name, SHORT))
    expected_j = float(exact_expected_auxiliary_energy(slot, 40)) - float(optimum(SHORT).value(0.0, 40))
    found = regret_j(SHORT, make_dispatcher(name, SHORT), 1500, seed=8)  # in two batches
    assert found.standard_error < 0.04 * expected_j
    assert abs(found.deviation(expected_j)) < 4


def test_the_optimum_has_none_and_intervals_are_narrow() -> None:
    assert regret_j(SHORT, make_dispatcher("optimal", SHORT), 300).mean == 0.0
    near = make_dispatcher("variance-aware", SHORT)
    drawn = [simulate(SHORT, rule, 300).cost[:, -1] for rule in (near, make_dispatcher("optimal", SHORT))]
    assert regret_j(SHORT, near, 300).half_width < 0.2 * Estimate.of(drawn[0] - drawn[1]).half_width
