"""The distribution of D_T on the lattice, against Spitzer's exact mean, closed forms and simulated walks."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from energy_route_env import make_scenario
from energy_route_env.theory import SlotDistribution, exact_expected_auxiliary_energy
from energy_route_env.theory.lattice import AuxiliaryDistribution, auxiliary_distribution
from energy_route_env.theory.planning import PlanQuestion, answer
from eval.statistics import Estimate

SEED = 20_261
BOUND = 4.0
"""In standard errors."""


def slot_of(*, harvest_mean_j: float | None = None, error_rate: float = 0.0, **fields: Any) -> SlotDistribution:
    """The paper's slot, with some of the scenario's fields given otherwise."""
    return PlanQuestion(make_scenario("paper", **fields), None, harvest_mean_j, error_rate).slot


def lattice(horizon: int, **fields: Any) -> tuple[SlotDistribution, AuxiliaryDistribution]:
    slot = slot_of(**fields)
    found = auxiliary_distribution(slot, horizon)
    assert found.method == "lattice"
    return slot, found


SLOTS = {
    "critical": {},
    "deficit": {"renewable_ratio": 0.9},
    "surplus": {"renewable_ratio": 1.1},
    "rich": {"renewable_ratio": 10.0},
    "poor": {"renewable_ratio": 0.1},
    "no harvest": {"harvest_mean_j": 0.0},
    "constant harvest": {"harvest_cv": 0.0},
    "wild harvest": {"harvest_cv": 2.0, "renewable_ratio": 3.0},
    "rare tasks": {"arrival_rate": 0.1, "renewable_ratio": 1.2, "harvest_cv": 0.0},
    "many tasks": {"arrival_rate": 1e4},
    "uncertain": {"difficulty_noise": 0.1, "error_rate": 0.05},
}


@pytest.mark.parametrize("horizon", [1, 30, 1000])
@pytest.mark.parametrize("name", SLOTS)
def test_the_lattices_mean_is_spitzers_within_a_thousandth(name: str, horizon: int) -> None:
    """Within two thousandths in a single slot, whose atoms stand between the lattice's points."""
    slot, found = lattice(horizon, **SLOTS[name])
    assert found.mean_j == pytest.approx(
        float(exact_expected_auxiliary_energy(slot, horizon)), rel=2e-3 if horizon == 1 else 1e-3
    )


@pytest.mark.parametrize("name", ["critical", "deficit", "surplus"])
def test_the_lattices_mean_is_spitzers_to_six_digits_where_a_slot_is_smooth(name: str) -> None:
    slot, found = lattice(1000, **SLOTS[name])
    assert found.mean_j == pytest.approx(float(exact_expected_auxiliary_energy(slot, 1000)), rel=5e-6)


@pytest.mark.slow
def test_the_lattices_mean_is_spitzers_where_energies_have_a_heavy_tail() -> None:
    """Both gather the energies alike; a contour right of the pole would be 1e-3 off."""
    slot = PlanQuestion(make_scenario("volatile")).slot
    exact = float(exact_expected_auxiliary_energy(slot, 200))
    assert auxiliary_distribution(slot, 200).mean_j == pytest.approx(exact, rel=1e-4)


def test_no_grid_power_in_one_slot_has_the_probability_of_its_sum_over_tasks() -> None:
    """P(C <= H) for N tasks of one energy e and a Gamma harvest of shape 4: the sum over n of P(N = n) P(H >= n e)."""
    slot, tasks = SlotDistribution(0.8, np.array([500.0]), np.array([1.0]), 450.0, 0.5), np.arange(60)
    expected = stats.poisson.pmf(tasks, 0.8) @ special.gammaincc(4.0, tasks * 500.0 / (450.0 / 4))
    assert auxiliary_distribution(slot, 1).probability(0.0) == pytest.approx(expected, abs=1e-4)


@lru_cache
def walks(ratio: float, horizon: int, n: int) -> NDArray[np.float64]:
    """D_T of n random walks in the paper's system, straight from its definition."""
    slot, rng = slot_of(renewable_ratio=ratio), np.random.default_rng(SEED)
    total, highest = np.zeros(n), np.zeros(n)
    for _ in range(horizon):
        tasks = rng.poisson(slot.arrival_rate * slot.probabilities, (n, len(slot.probabilities)))
        total += tasks @ slot.energies_j - rng.gamma(4.0, slot.harvest_mean_j / 4, n)
        highest = np.maximum(highest, total)
    return highest


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_the_lattices_quantiles_and_spread_are_those_of_simulated_walks(ratio: float) -> None:
    """20 000 walks of 100 slots. Expected: P(D <= quantile) = level, E (D - E D)^2 = SD^2; four standard errors."""
    drawn, (_, found) = walks(ratio, 100, 20_000), lattice(100, renewable_ratio=ratio)
    for level in (0.3, 0.5, 0.9, 0.99):
        error = math.sqrt(level * (1 - level) / len(drawn))
        at = max(level, found.probability(0.0))
        assert (drawn <= found.quantile(level) + 1e-9).mean() == pytest.approx(at, abs=BOUND * error)
    assert abs(Estimate.of((drawn - found.mean_j) ** 2).deviation(found.std_j**2)) < BOUND


def test_a_surplus_is_followed_to_any_horizon() -> None:
    slot, found = lattice(10**6, renewable_ratio=1.5)
    assert found.mean_j == pytest.approx(float(exact_expected_auxiliary_energy(slot, 10_000)), rel=1e-3)


@pytest.mark.parametrize("ratio", [0.99, 1.0])
def test_beyond_the_lattice_the_distribution_is_brownian_and_says_so(ratio: float) -> None:
    found = answer(PlanQuestion(make_scenario("paper", renewable_ratio=ratio, horizon_slots=100_000)))
    assert found.std_j.method == found.quantile_j.method == "Brownian"
    assert found.battery_j is None
    whole = auxiliary_distribution(slot_of(renewable_ratio=ratio), 100_000)
    assert whole.mean_j == pytest.approx(found.mean_j.value, rel=1e-4)
    assert whole.mean_j == pytest.approx(float(integrate.trapezoid(1 - whole.cdf, whole.x_j)), rel=1e-3)


def test_the_brownian_distribution_goes_on_where_the_lattice_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two differ by the skewness that is left: 0.9 % of the SD at T = 1000, less beyond."""
    _, fine = lattice(1000)
    monkeypatch.setattr("energy_route_env.theory.lattice.MOST_WORK", 0)
    coarse = auxiliary_distribution(slot_of(), 1000)
    assert coarse.method == "Brownian"
    assert coarse.std_j == pytest.approx(fine.std_j, rel=1e-2)
    assert coarse.quantile(0.95) == pytest.approx(fine.quantile(0.95), rel=1e-2)
