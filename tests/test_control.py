"""Control variates: narrower intervals without bias, and distances to the best possible."""

import numpy as np
import pytest

from agents import make_dispatcher
from agents.analytic import slot_distribution
from energy_route_env import make_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy
from eval.control import controlled
from eval.gap import best_known, optimal_value
from eval.rollout import simulate
from eval.runs import has_optimum
from eval.statistics import Estimate

VOLATILE = make_scenario("volatile")
BLIND = ("oracle", "myopic", "fixed-0", "fixed-1")


def exact_j(name: str) -> float:
    slot = slot_distribution(make_dispatcher(name, VOLATILE))
    return float(exact_expected_auxiliary_energy(slot, VOLATILE.horizon_slots))


def drawn(name: str, episodes: int, seed: int = 11) -> np.ndarray:
    return simulate(VOLATILE, make_dispatcher(name, VOLATILE), episodes, seed).cost[:, -1]


@pytest.mark.slow
def test_estimates_by_few_episodes_are_unbiased() -> None:
    """Myopic's E[D_T] is known: 40 estimates of 150 episodes each lie around it within 4.5 of their standard errors."""
    others = ("oracle", "fixed-0", "fixed-1")
    controls, means = np.column_stack([drawn(name, 6000) for name in others]), np.array([*map(exact_j, others)])
    groups = zip(np.split(drawn("myopic", 6000), 40), np.split(controls, 40), strict=True)
    found = Estimate.of([controlled(group, some, means).mean for group, some in groups])
    assert abs(found.deviation(exact_j("myopic"))) < 4.5


@pytest.mark.slow
def test_intervals_are_a_third_of_the_plain_ones_where_energies_have_heavy_tails() -> None:
    """As in the benchmark: the optimum's value is known by dynamic programming, those of the blind ones by Spitzer."""
    names, value = (*BLIND, "optimal"), optimal_value(VOLATILE)
    assert value is not None
    controls = np.column_stack([drawn(name, 2000, seed=0) for name in names])
    samples = drawn("variance-aware", 2000, seed=0)
    narrow = controlled(samples, controls, np.array([*map(exact_j, BLIND), value]))
    assert narrow.half_width < Estimate.of(samples).half_width / 3
    # 1847.7 J by evaluating the policy on the optimum's grid.
    assert abs(narrow.deviation(1847.7)) < 4.5


def test_a_sample_that_is_a_sum_of_controls_is_estimated_without_error() -> None:
    controls = np.random.default_rng(1).gamma(2.0, 3.0, (500, 2))
    estimate = controlled(5 + controls @ [2.0, -1.0], controls, np.array([6.5, 6.0]))
    assert estimate.mean == pytest.approx(5 + 13 - 6, rel=1e-12)
    assert estimate.half_width < 1e-9


def test_controls_that_are_alike_or_constant_do_no_harm() -> None:
    rng = np.random.default_rng(2)
    control, noise = rng.standard_normal((2, 400))
    samples, alone = control + noise, controlled(control + noise, control[:, None], np.zeros(1))
    twice = controlled(samples, np.column_stack([control, 3 * control, np.ones(400)]), np.array([0.0, 0.0, 1.0]))
    assert twice.mean == pytest.approx(alone.mean, rel=1e-9)
    assert twice.half_width == pytest.approx(alone.half_width, rel=1e-9)


def test_with_too_few_episodes_no_weight_is_estimated() -> None:
    samples, controls = np.random.default_rng(3).random(39), np.random.default_rng(4).random((39, 2))
    assert controlled(samples, controls, np.array([0.5, 0.5])) == Estimate.of(samples)


def test_dispatchers_are_measured_by_the_optimum_or_the_bound() -> None:
    volatile = best_known(VOLATILE, {"optimal": np.array([1.0, 2.0])}, seed=0)
    assert volatile is not None and volatile.kind == "optimum" and volatile.is_exact
    assert volatile.mean == pytest.approx(1827.3, rel=1e-3)
    solar = make_scenario("solar")
    myopic = simulate(solar, make_dispatcher("myopic", solar), 3).cost[:, -1]
    bound = best_known(solar, {"myopic": myopic}, seed=0)
    assert bound is not None and bound.kind == "bound" and not bound.is_exact
    assert (bound.costs < myopic).all() and bound.mean == bound.costs.mean()
    assert best_known(VOLATILE, {"myopic": np.array([1.0, 2.0])}, seed=0) is None


def test_the_optimum_is_the_oracles_where_the_difficulty_is_exact() -> None:
    paper = make_scenario("paper", renewable_ratio=0.9)
    assert optimal_value(paper) == pytest.approx(62864.6, abs=0.06)
    assert optimal_value(make_scenario("paper", capacity_j=1e4)) is None
    assert has_optimum(make_scenario("paper", capacity_j=1e4, charge_efficiency=0.9))
    assert not has_optimum(make_scenario("uncertain", charge_efficiency=0.9))
    assert not has_optimum(make_scenario("solar"))
