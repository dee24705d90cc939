"""The exact theory against independent methods: enumeration, Lindley's recursion on a lattice, quadrature.

The running maximum of a random walk with steps X is at every T distributed as W_T in Lindley's recursion
W_{t+1} = max(0, W_t + X): that is how the exact formula, which never looks at a path, is checked.
"""

import itertools
import math
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special, stats

from agents import make_dispatcher, slot_distribution
from energy_route_env import make_scenario
from energy_route_env.pool.scaling_laws import inference_energy
from energy_route_env.theory import SlotDistribution, exact_expected_auxiliary_energy, expected_auxiliary_energy

FloatArray = NDArray[np.float64]

HORIZONS = (1, 10, 100, 1000)
ENERGY_J = inference_energy([1e9, 1e10], np.linspace(1.7, 1.9, 10)[:, None])
BEST_J, OTHER_J = ENERGY_J.min(axis=1), ENERGY_J.max(axis=1)


def paper_slot(ratio: float = 1.0, error: float = 0.0, cv: float = 0.5) -> SlotDistribution:
    """One slot of the paper's system at a renewable ratio, routed with an error probability."""
    energies = np.concatenate([BEST_J, OTHER_J])
    probabilities = np.repeat([1 - error, error], 10) / 10
    return SlotDistribution(1.0, energies, probabilities, ratio * float(BEST_J.mean()), cv)


# case: nu, sigma, exact E[D_T] at T = 1, 10, 100, 1000, all in joules, to the digits that are printed
TABLE = {
    "deficit": (paper_slot(0.9), 59.407, 684.76, (297.8, 1668.0, 8650.3, 62864.6)),
    "critical": (paper_slot(1.0), 0.0, 696.89, (274.8, 1388.2, 5158.5, 17171.5)),
    "surplus": (paper_slot(1.1), -59.407, 710.06, (253.7, 1153.1, 2975.4, 3908.1)),
    "error 0.05": (paper_slot(1.0, 0.05), 3.678, 699.86, (277.7, 1411.6, 5363.5, 19153.1)),
    "error 0.20": (paper_slot(1.0, 0.20), 14.712, 708.69, (286.3, 1483.0, 6008.3, 26032.5)),
}


@pytest.mark.parametrize("case", TABLE)
def test_drift_and_volatility_are_the_published_ones(case: str) -> None:
    slot, drift, volatility, _ = TABLE[case]
    assert slot.drift == pytest.approx(drift, abs=0.00051)
    assert slot.volatility == pytest.approx(volatility, abs=0.0051)


@pytest.mark.parametrize("case", TABLE)
def test_exact_expectations_are_the_published_ones(case: str) -> None:
    slot, _, _, published = TABLE[case]
    np.testing.assert_allclose(exact_expected_auxiliary_energy(slot, HORIZONS), published, rtol=0, atol=0.051)


@pytest.mark.parametrize(("case", "published"), [("deficit", 63349.5), ("critical", 17583.5), ("surplus", 4237.3)])
def test_brownian_expectation_is_the_published_one(case: str, published: float) -> None:
    slot = TABLE[case][0]
    assert expected_auxiliary_energy(slot.drift, slot.volatility, 1000) == pytest.approx(published, abs=0.051)


NOISE = 0.1
KINK = 1.738638
"""Where the two models' energies cross: the oracle's energy has a kink there."""

# mean demand of a slot in joules, and E[D_1000]
UNCERTAIN = {
    "myopic": (695.65, 22049),
    "scaling-law": (713.34, 33726),
    "fixed-0": (758.69, 71153),
    "fixed-1": (727.60, 42395),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_uncertain_expectations_are_the_published_ones(name: str) -> None:
    scenario = make_scenario("uncertain")
    slot = slot_distribution(make_dispatcher(name, scenario))
    mean_demand, expected = UNCERTAIN[name]
    assert scenario.harvest.mean_j == pytest.approx(UNCERTAIN["myopic"][0], rel=1e-3)
    assert slot.demand_mean_j == pytest.approx(mean_demand, rel=1e-3)
    assert exact_expected_auxiliary_energy(slot, 1000) == pytest.approx(expected, rel=1e-3)


def oracle_moment(power: int) -> float:
    """E of the oracle's energy to this power, by adaptive quadrature split at the kink."""

    def integrand(z: float, level: float) -> float:
        return float(inference_energy([1e9, 1e10], level + NOISE * z).min()) ** power * stats.norm.pdf(z)

    return sum(
        integrate.quad(integrand, low, high, args=(level,), epsrel=1e-10)[0] / 10
        for level in np.linspace(1.7, 1.9, 10)
        for low, high in itertools.pairwise([-12.0, (KINK - level) / NOISE, 12.0])
    )


def test_uncertain_oracle_has_the_moments_of_an_adaptive_quadrature() -> None:
    slot = slot_distribution(make_dispatcher("oracle", make_scenario("uncertain")))
    harvest_variance = (slot.harvest_mean_j * slot.harvest_cv) ** 2
    assert slot.demand_mean_j == pytest.approx(oracle_moment(1), rel=1e-6)
    assert slot.volatility**2 - harvest_variance == pytest.approx(oracle_moment(2), rel=1e-5)


def compound_poisson(rate: float, sizes: ArrayLike, probabilities: ArrayLike, n: int) -> FloatArray:
    """P(demand = 0 ... n) for whole sizes of 1 or more, by Panjer's recursion."""
    severity = np.bincount(np.asarray(sizes), probabilities, minlength=n + 1)[: n + 1]
    weighted = np.arange(n + 1) * severity
    masses = np.zeros(n + 1)
    masses[0] = math.exp(-rate)
    for k in range(1, n + 1):
        masses[k] = rate / k * (weighted[1 : k + 1] @ masses[k - 1 :: -1][:k])
    return masses


def split(values: FloatArray, weights: FloatArray, step: float, n: int) -> FloatArray:
    """Atoms on the lattice 0, step, ... n step, each shared between its two neighbours so that its mean stays."""
    position = values / step
    below = np.floor(position).astype(int)
    share = position - below
    return np.bincount(below, weights * (1 - share), n + 1) + np.bincount(below + 1, weights * share, n + 1)


def gamma_lattice(mean: float, cv: float, step: float, n: int) -> FloatArray:
    """A Gamma distribution on the lattice, shared likewise: the second differences of E(x - H)^+."""
    shape, scale = cv**-2, mean * cv**2
    x = step * np.arange(n + 2)
    shortfall = x * special.gammainc(shape, x / scale) - mean * special.gammainc(shape + 1, x / scale)
    return np.diff(shortfall, 2, prepend=0.0) / step


def lindley_means(demand: FloatArray, harvest: FloatArray, horizon: int, reach: int) -> FloatArray:
    """E[W_t], t = 1 ... horizon, in lattice steps; W starts at 0 and is followed up to `reach`."""
    lowest = len(harvest) - 1
    step = np.convolve(demand, harvest[::-1])  # P(X = k) at index k + lowest
    size = 1 << (reach + len(step)).bit_length()
    step_spectrum = np.fft.rfft(step, size)
    masses, means = np.zeros(reach), np.zeros(horizon)
    masses[0] = 1.0
    for t in range(horizon):
        moved = np.fft.irfft(step_spectrum * np.fft.rfft(masses, size), size)
        masses = moved[lowest : lowest + reach].copy()
        masses[0] += moved[:lowest].sum()
        means[t] = masses @ np.arange(reach)
    return means


LATTICE_SLOTS = {
    "critical": (1.0, (1,), (1.0,), 1),
    "rare, critical": (0.2, (5,), (1.0,), 1),
    "mixed, deficit": (2.0, (1, 2, 5), (0.2, 0.5, 0.3), 4),
    "mixed, surplus": (2.0, (1, 2, 5), (0.2, 0.5, 0.3), 7),
    "strong deficit": (3.0, (1, 4), (0.5, 0.5), 1),
    "strong surplus": (1.0, (1, 4), (0.5, 0.5), 12),
}


@pytest.mark.parametrize("name", LATTICE_SLOTS)
def test_exact_expectation_is_lindleys_on_a_lattice_with_constant_harvest(name: str) -> None:
    rate, sizes, probabilities, harvest = LATTICE_SLOTS[name]
    horizons = [1, 2, 3, 10, 100, 300]
    demand = compound_poisson(rate, sizes, probabilities, 80)
    expected = lindley_means(demand, np.eye(harvest + 1)[harvest], 300, 4000)[np.array(horizons) - 1]
    slot = SlotDistribution(rate, 100.0 * np.array(sizes), np.array(probabilities), 100.0 * harvest, 0.0)
    np.testing.assert_allclose(exact_expected_auxiliary_energy(slot, horizons), 100 * expected, rtol=1e-5)


def test_exact_expectation_is_that_of_all_paths_of_a_tiny_system() -> None:
    """Up to 12 tasks in each of three slots: 13^3 paths, each with its own running maximum."""
    weight = stats.poisson.pmf(np.arange(13), 0.7)
    expected = 0.0
    for counts in itertools.product(range(13), repeat=3):
        sums = np.cumsum([3.0 * count - 2.0 for count in counts])
        expected += float(np.prod(weight[list(counts)])) * max(0.0, sums.max())
    slot = SlotDistribution(0.7, np.array([3.0]), np.array([1.0]), 2.0, 0.0)
    assert exact_expected_auxiliary_energy(slot, 3) == pytest.approx(expected, rel=1e-5)


@lru_cache
def paper_lindley(ratio: float) -> FloatArray:
    """E[D_t], t = 1 ... 1000, in the paper's system, in joules; lattice of 10 J, reach of 8 sigma sqrt(T)."""
    step = 10.0
    jobs = split(BEST_J, np.full(10, 0.1), step, 110)
    demand = compound_poisson(1.0, np.arange(111), jobs, 1300)
    harvest = gamma_lattice(ratio * float(BEST_J.mean()), 0.5, step, 600)
    return step * lindley_means(demand, harvest, 1000, 24_000)


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_exact_expectation_is_lindleys_in_the_papers_system(ratio: float) -> None:
    """Sharing atoms adds up to 2 * 10^2 / 4 J^2 to a variance of 4.9e5 J^2, so at most 1e-4 to E[D]."""
    expected = paper_lindley(ratio)[np.array(HORIZONS) - 1]
    np.testing.assert_allclose(exact_expected_auxiliary_energy(paper_slot(ratio), HORIZONS), expected, rtol=1e-4)


def test_exact_expectation_of_the_uncertain_oracle_is_lindleys() -> None:
    """On nodes of its own (Gauss-Legendre, split at the kink) and a lattice of 20 J: at most 4e-4 too much."""
    step, nodes, weights = 20.0, *np.polynomial.legendre.leggauss(60)
    energies, masses = [], []
    for level in np.linspace(1.7, 1.9, 10):
        for low, high in itertools.pairwise([-7.0, (KINK - level) / NOISE, 7.0]):
            z = low + (high - low) * (nodes + 1) / 2
            energies.append(inference_energy([1e9, 1e10], level + NOISE * z[:, None]).min(axis=1))
            masses.append(weights * (high - low) / 2 * stats.norm.pdf(z) / 10)
    jobs = split(np.concatenate(energies), np.concatenate(masses), step, 2000)
    # An energy below the lattice's first step cannot stand in Panjer's recursion as 0: there is none.
    assert jobs[0] < 1e-12
    scenario = make_scenario("uncertain")
    demand = compound_poisson(1.0, np.arange(2001), jobs, 2000)
    harvest = gamma_lattice(scenario.harvest.mean_j, 0.5, step, 300)
    expected = step * lindley_means(demand, harvest, 1000, 12_000)
    slot = slot_distribution(make_dispatcher("oracle", scenario))
    computed = exact_expected_auxiliary_energy(slot, HORIZONS)
    np.testing.assert_allclose(computed, expected[np.array(HORIZONS) - 1], rtol=5e-4)
    assert computed[-1] == pytest.approx(10330.7, rel=5e-4)


def first_slot(rate: float, energy_j: float, harvest_mean_j: float, cv: float) -> float:
    """E[(N e - H)^+], summed over the number of tasks N."""
    shape, scale = cv**-2, harvest_mean_j * cv**2
    tasks = np.arange(400)
    demand = tasks * energy_j
    shortfall = demand * special.gammainc(shape, demand / scale) - harvest_mean_j * special.gammainc(
        shape + 1, demand / scale
    )
    return float(stats.poisson.pmf(tasks, rate) @ shortfall)


@pytest.mark.parametrize("cv", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("ratio", [1e-3, 0.5, 1.0, 2.0, 10.0, 100.0])
def test_first_slot_is_exact_however_strong_the_drift(ratio: float, cv: float) -> None:
    slot = SlotDistribution(1.0, np.array([600.0]), np.array([1.0]), 600.0 * ratio, cv)
    expected = first_slot(1.0, 600.0, 600.0 * ratio, cv)
    assert exact_expected_auxiliary_energy(slot, 1) == pytest.approx(expected, rel=1e-5, abs=0)


def test_first_slot_with_exponential_harvest_has_its_closed_form() -> None:
    """E[(D - H)^+] = E D - h (1 - E exp(-D / h)) for an exponential H of mean h."""
    rate, energy, mean = 0.8, 500.0, 450.0
    slot = SlotDistribution(rate, np.array([energy]), np.array([1.0]), mean, 1.0)
    expected = rate * energy - mean * (1 - math.exp(rate * (math.exp(-energy / mean) - 1)))
    assert exact_expected_auxiliary_energy(slot, 1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("ratio", [1.05, 1.1, 2.0, 10.0])
def test_surplus_stays_below_kingmans_bound_and_settles(ratio: float) -> None:
    """Kingman's bound on E[D_infinity] is sigma^2 / (2 |nu|), the Brownian value itself."""
    slot = paper_slot(ratio)
    expected = exact_expected_auxiliary_energy(slot, [1, 1000, 50_000, 100_000])
    assert (np.diff(expected) >= 0).all()
    assert expected[-1] < slot.volatility**2 / (2 * abs(slot.drift))
    assert expected[-1] == pytest.approx(expected[-2], rel=1e-6)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 0.9, 0.98])
def test_deficit_exceeds_its_drift_by_less_than_the_brownian_excess(ratio: float) -> None:
    slot = paper_slot(ratio)
    horizons = np.array([1, 1000, 50_000, 100_000])
    excess = exact_expected_auxiliary_energy(slot, horizons) - slot.drift * horizons
    assert (excess >= -1e-9 * slot.drift * horizons).all()
    assert (excess <= slot.volatility**2 / (2 * slot.drift) + 1e-9 * slot.drift * horizons).all()


def test_critical_growth_is_the_square_root_of_the_paper_in_the_long_run() -> None:
    """The exact value lags behind by a constant, so relatively by 1 / sqrt(T): 0.24 % at T = 1e5."""
    slot = paper_slot(1.0)
    horizons = np.array([1000, 10_000, 100_000])
    lag = expected_auxiliary_energy(0.0, slot.volatility, horizons) - exact_expected_auxiliary_energy(slot, horizons)
    np.testing.assert_allclose(lag, lag[-1], rtol=0.02)
    assert 0 < lag[-1] < 0.003 * expected_auxiliary_energy(0.0, slot.volatility, 100_000)


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.0, 1.1, 2.0])
def test_exact_expectation_rises_with_the_horizon_ever_more_evenly(ratio: float) -> None:
    """Its increments E[S_n^+] / n fall with n: S_n / n is a reversed martingale."""
    increments = np.diff(exact_expected_auxiliary_energy(paper_slot(ratio), np.arange(2000)))
    assert (increments >= 0).all()
    assert (np.diff(increments) <= 1e-7 * increments[:-1].max()).all()


@pytest.mark.parametrize("cv", [1e-2, 1e-3, 1e-5, 1e-7])
def test_a_nearly_constant_harvest_costs_what_a_constant_one_costs(cv: float) -> None:
    """The variance differs by (594 cv)^2 of 398000 J^2: at most 5e-5 relative, at cv = 0.01 and less below."""
    horizons = [1, 10, 100, 1000, 10_000]
    constant = exact_expected_auxiliary_energy(paper_slot(cv=0.0), horizons)
    np.testing.assert_allclose(exact_expected_auxiliary_energy(paper_slot(cv=cv), horizons), constant, rtol=2.5e-4)


@pytest.mark.parametrize(("drift", "volatility"), [(1.0, 1e-3), (100.0, 1e-3), (-1.0, 1e-3), (-100.0, 1e-3)])
def test_with_tiny_volatility_the_drift_is_all_there_is(drift: float, volatility: float) -> None:
    """A billion tasks of a millionth of the harvest's standard deviation: nearly no chance left."""
    energy_j = volatility**2 / 1000
    slot = SlotDistribution(1000 / energy_j, np.array([energy_j]), np.array([1.0]), 1000 - drift, 0.0)
    assert slot.volatility == pytest.approx(volatility)
    horizons = np.array([1, 1000, 100_000])
    np.testing.assert_allclose(
        exact_expected_auxiliary_energy(slot, horizons), max(drift, 0.0) * horizons, rtol=1e-8, atol=1e-6
    )


@pytest.mark.parametrize(
    ("slot", "per_slot"),
    [
        (SlotDistribution(0.0, np.array([600.0]), np.array([1.0]), 500.0, 0.5), 0.0),
        (SlotDistribution(2.0, np.array([0.0]), np.array([1.0]), 500.0, 0.5), 0.0),
        (SlotDistribution(2.0, np.array([600.0]), np.array([1.0]), 0.0, 0.5), 1200.0),
        (SlotDistribution(0.0, np.array([600.0]), np.array([1.0]), 0.0, 0.0), 0.0),
    ],
    ids=["no task", "free tasks", "no harvest", "nothing"],
)
def test_without_demand_or_without_harvest_the_auxiliary_energy_is_the_demand(
    slot: SlotDistribution, per_slot: float
) -> None:
    np.testing.assert_allclose(exact_expected_auxiliary_energy(slot, [0, 1, 50]), [0, per_slot, 50 * per_slot])


def test_exact_expectation_has_the_horizons_shape_and_order() -> None:
    slot = paper_slot(0.9)
    one_by_one = [float(exact_expected_auxiliary_energy(slot, horizon)) for horizon in (30, 0, 7, 30)]
    together = exact_expected_auxiliary_energy(slot, [[30, 0], [7, 30]])
    assert together.shape == (2, 2)
    np.testing.assert_allclose(together.ravel(), one_by_one, rtol=1e-7)


@pytest.mark.parametrize(("ratio", "exponent"), [(0.9, 1.0), (1.0, 0.5), (1.1, 0.0)])
def test_each_regime_grows_with_its_own_exponent(ratio: float, exponent: float) -> None:
    """The slope of log E[D_T] over log T between 2e4 and 1e5: linear, square root, bounded."""
    expected = exact_expected_auxiliary_energy(paper_slot(ratio), [20_000, 100_000])
    assert np.diff(np.log(expected)) / np.log(5) == pytest.approx(exponent, abs=0.004)


@pytest.mark.parametrize("horizon", [-1, 1.5, math.nan, math.inf])
def test_exact_expectation_refuses_horizons_that_are_no_number_of_slots(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizons"):
        exact_expected_auxiliary_energy(paper_slot(), horizon)
