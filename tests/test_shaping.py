import numpy as np
import pytest

from agents import Dispatcher, make_dispatcher
from energy_route_env import make_scenario
from energy_route_env.theory import expected_auxiliary_energy
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import settings_for
from train.shaping import BrownianPotential, BrownianShaping

N = 64
FLOAT32_EPS = np.finfo(np.float32).eps


def first_returns(name: str, shaped: bool, scenario: str = "uncertain") -> tuple[np.ndarray, np.ndarray]:
    """Return of the first episode in each environment in units of a task's mean energy, and the sum of |reward|."""
    world = make_scenario(scenario, horizon_slots=40)
    envs: SB3EnergyRoute | BrownianShaping = SB3EnergyRoute(world, N, reward_unit=world.myopic_moments[0])
    dispatcher: Dispatcher = make_dispatcher(name, world)
    envs = BrownianShaping(envs) if shaped else envs
    envs.seed(0)
    envs.reset()
    total, size, running = np.zeros(N), np.zeros(N), np.ones(N, bool)
    while running.any():
        decision = envs.unwrapped.envs.decision(dispatcher.privileged)
        _, reward, done, _ = envs.step(dispatcher.act(decision))
        total += running * reward
        size += running * np.abs(reward)
        running &= ~done
    return total, size


@pytest.mark.parametrize("scenario", ["uncertain", "solar"])
def test_shaping_shifts_the_returns_of_all_policies_by_the_same_amount_on_every_trace(scenario: str) -> None:
    names = ("oracle", "scaling-law", "fixed-0", "fixed-1", "random")
    plain = {name: first_returns(name, False, scenario) for name in names}
    shaped = {name: first_returns(name, True, scenario) for name in names}
    shifts = np.array([shaped[name][0] - plain[name][0] for name in names])
    assert shifts.min() > 0.5  # the shaping is there: V at the start, several tasks' energy
    rounding = 2 * FLOAT32_EPS * max(size.max() for _, size in (*plain.values(), *shaped.values()))
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[0], shifts.shape), atol=rounding, rtol=0)


def test_the_potential_at_the_start_is_minus_the_brownian_expectation() -> None:
    world = make_scenario("paper", renewable_ratio=0.9, initial_battery_j=0.0)
    envs = SB3EnergyRoute(world, N)
    envs.seed(0)
    envs.reset()
    decision = envs.decision()
    found = BrownianPotential(world)(decision)
    # The harvest at hand and the tasks of the first slot move it by less than two slots' worth each.
    expected = -expected_auxiliary_energy(world.drift_j, world.volatility_j, decision.slots_left)
    assert np.abs(found - expected).max() < 6 * world.volatility_j
    assert np.all(found < 0)


def test_without_the_time_left_there_is_no_potential() -> None:
    with pytest.raises(ValueError, match="continuing is True, but it must be False"):
        BrownianShaping(SB3EnergyRoute("paper", 2, continuing=True))


def test_shaping_with_a_discount_is_refused() -> None:
    with pytest.raises(ValueError, match=r"discount is 0\.99, but it must be 1 with shaping"):
        settings_for("uncertain", "brownian", {"discount": 0.99})
