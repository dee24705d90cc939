"""Sources of harvest and arrivals: what they declare is what they draw, and one's own takes a class."""

import math
from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest

from energy_route_env import make_scenario
from energy_route_env.world.arrivals import ArrivalSource, PoissonArrivals
from energy_route_env.world.harvest import GammaHarvest, HarvestSource, RecordedHarvest, ScaledHarvest

N = 40_000
BOUND = 5.0
"""Standard errors; a normal estimate is farther off less than once in 10^6 times."""


@dataclass(frozen=True)
class TwoValues:
    """A harvest of one's own: 0 or 2 mean, each every other time on average."""

    mean_j: float
    correlation: ClassVar[float] = 0.0

    @property
    def variance_j2(self) -> float:
        return self.mean_j**2

    @property
    def long_run_variance_j2(self) -> float:
        return self.variance_j2

    def draw(self, rng: np.random.Generator, n_slots: int) -> np.ndarray:
        return 2 * self.mean_j * rng.integers(2, size=n_slots)


@dataclass(frozen=True)
class EverySecondSlot:
    """Arrivals of one's own: a task in every second slot."""

    mean: float = 0.5
    variance: float = 0.25
    long_run_variance: float | None = 0.0

    def draw(self, rng: np.random.Generator, n_slots: int) -> np.ndarray:
        return np.arange(0, n_slots, 2)


SERIES = np.random.default_rng(3).gamma(2.0, 5.0, 96 * 20)
HARVESTS: list[HarvestSource] = [
    GammaHarvest(3.0, 0.5),
    GammaHarvest(3.0, 0.0),
    TwoValues(4.0),
    ScaledHarvest(TwoValues(4.0), 2.5),
]


@pytest.mark.parametrize("source", HARVESTS, ids=repr)
def test_harvest_has_the_mean_and_variance_that_its_source_declares(source: HarvestSource) -> None:
    """Standard errors: of the mean sigma / sqrt(N), of the variance from the drawn fourth moment."""
    drawn = source.draw(np.random.default_rng(1), N)
    assert abs(drawn.mean() - source.mean_j) <= BOUND * math.sqrt(source.variance_j2 / N)
    squares = (drawn - source.mean_j) ** 2
    assert abs(squares.mean() - source.variance_j2) <= BOUND * squares.std() / math.sqrt(N)


def test_a_record_declares_the_mean_and_variance_of_its_series() -> None:
    source = RecordedHarvest(SERIES, 96)
    whole = source.draw(np.random.default_rng(0), len(SERIES))
    assert whole.mean() == pytest.approx(source.mean_j, rel=1e-12)
    assert whole.var() == pytest.approx(source.variance_j2, rel=1e-12)
    assert source.long_run_variance_j2 is None


@pytest.mark.parametrize("rate", [0.2, 1.0, 6.0])
def test_arrivals_have_the_mean_and_variance_that_their_source_declares(rate: float) -> None:
    """Counts of a slot are Poisson: the variance's standard error is sqrt((rate + 2 rate^2) / N)."""
    source = PoissonArrivals(rate)
    counts = np.bincount(source.draw(np.random.default_rng(2), N), minlength=N)
    assert abs(counts.mean() - source.mean) <= BOUND * math.sqrt(rate / N)
    error = math.sqrt((rate + 2 * rate**2) / N)
    assert abs(((counts - rate) ** 2).mean() - source.variance) <= BOUND * error


def test_a_harvest_of_ones_own_is_scaled_to_the_ratio() -> None:
    scenario = make_scenario("paper", harvest_source=TwoValues(7.0), renewable_ratio=1.2)
    mean_j = 1.2 * scenario.mean_demand_j
    assert scenario.harvest.mean_j == pytest.approx(mean_j, rel=1e-12)
    values = np.unique(scenario.draw(np.random.default_rng(0)).harvest_j)
    np.testing.assert_allclose(values, [0.0, 2 * mean_j], rtol=1e-12)
    assert scenario.volatility_j**2 == pytest.approx(scenario.myopic_moments[1] + mean_j**2, rel=1e-12)


def test_arrivals_of_ones_own_come_when_they_say() -> None:
    env = gym.make("EnergyRoute-v0", arrival_source=EverySecondSlot(), arrival_rate=0.5, horizon_slots=6)
    _, info = env.reset(seed=0)
    slots = [info["slot"]]
    ended = False
    while not ended:
        _, _, ended, _, info = env.step(0)
        slots.append(info["slot"])
    assert slots == [0, 0, 2, 4]  # at reset, then where each of the three tasks was decided on


@pytest.mark.parametrize(("long_run", "counted"), [(0.0, 0.0), (None, 0.25), (0.7, 0.7)])
def test_volatility_counts_the_variance_that_arrivals_declare(long_run: float | None, counted: float) -> None:
    """A slot's demand is a sum of N energies e: its variance is E N Var e + Var N (E e)^2."""
    source = EverySecondSlot(long_run_variance=long_run)
    scenario = make_scenario("paper", arrival_source=source, arrival_rate=0.5, harvest_cv=0.0)
    first, second = scenario.myopic_moments
    assert scenario.volatility_j**2 == pytest.approx(0.5 * (second - first**2) + counted * first**2, rel=1e-12)


@pytest.mark.parametrize("source", [PoissonArrivals(1.0), EverySecondSlot()], ids=repr)
def test_sources_of_arrivals_have_all_that_one_needs(source: ArrivalSource) -> None:
    assert isinstance(source, ArrivalSource)


@dataclass(frozen=True)
class Broken:
    """A harvest source that draws what it is told."""

    drawn: tuple[float, ...]
    mean_j: float = 1.0
    variance_j2: float = 0.0
    long_run_variance_j2: float = 0.0
    correlation: float = 0.0

    def draw(self, rng: np.random.Generator, n_slots: int) -> np.ndarray:
        return np.array(self.drawn)


@pytest.mark.parametrize("drawn", [(1.0, math.nan), (1.0, -1.0), (1.0, 1.0, 1.0)])
def test_what_a_source_of_ones_own_draws_is_checked(drawn: tuple[float, ...]) -> None:
    env = gym.make("EnergyRoute-v0", harvest_source=Broken(drawn), horizon_slots=2)
    with pytest.raises(ValueError, match="harvest_j"):
        env.reset(seed=0)


def test_a_constant_demand_has_no_volatility() -> None:
    fields = {"arrival_rate": 2.0, "harvest_cv": 0.0}
    scenario = make_scenario("paper", arrival_source=EverySecondSlot(2.0, 0.0), difficulties=(2.0,) * 3, **fields)
    assert scenario.volatility_j == pytest.approx(0.0, abs=1e-3)
