from dataclasses import replace

import numpy as np
import pytest

from agents import Dispatcher, make_dispatcher
from agents.variance_aware import VarianceAware
from energy_route_env import make_scenario
from energy_route_env.checks import InputError
from energy_route_env.theory import expected_auxiliary_energy
from eval.statistics import Estimate
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import Shaping, settings_for
from train.shaping import BrownianPotential, OptimalPotential, PricePotential, marginal_prices, shape

CARBON = make_scenario("carbon", horizon_slots=96)
N = 64
OVER_LATENCY = {"execution": "over_latency", "horizon_slots": 20}
FLOAT32_EPS = np.finfo(np.float32).eps


def first_returns(name: str, shaping: Shaping, scenario: str = "uncertain") -> tuple[np.ndarray, np.ndarray]:
    """Return of the first episode in each environment in units of a task's mean cost, and the sum of |reward|."""
    world = make_scenario(scenario, horizon_slots=40)
    unit = world.myopic_moments[0] * world.mean_grid_weight
    dispatcher: Dispatcher = make_dispatcher(name, world)
    envs = shape(SB3EnergyRoute(world, N, reward_unit=unit), shaping)
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


@pytest.mark.parametrize(
    ("scenario", "shaping"),
    [
        ("uncertain", "brownian"),
        ("solar", "brownian"),
        ("solar", "prices"),
        ("carbon", "prices"),
        ("solar", "hindsight"),
        ("carbon", "hindsight"),
    ],
)
def test_shaping_shifts_the_returns_of_all_policies_by_the_same_amount_on_every_trace(
    scenario: str, shaping: Shaping
) -> None:
    names = ("oracle", "scaling-law", "fixed-0", "fixed-1", "random")
    plain = {name: first_returns(name, "none", scenario) for name in names}
    shaped = {name: first_returns(name, shaping, scenario) for name in names}
    shifts = np.array([shaped[name][0] - plain[name][0] for name in names])
    # The shaping is there: V at the start, several tasks' energy; at prices, the tasks that are there at first. The
    # bound may be 0.
    assert np.abs(shifts).min() > {"prices": 0.1, "hindsight": -1.0}.get(shaping, 0.5)
    assert np.abs(shifts).mean() > 0.5
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


def test_the_potential_of_the_optimum_is_minus_its_value() -> None:
    """A reward's mean under the optimal dispatcher is then 0: within 4 of its standard errors, over 256 first steps."""
    world = make_scenario("volatile", horizon_slots=30)
    envs = shape(SB3EnergyRoute(world, 256), "optimum")
    envs.seed(0)
    envs.reset()
    optimal = make_dispatcher("optimal", world)
    seen = envs.unwrapped.envs.decision()
    found = OptimalPotential(world)(seen)
    assert (found < 0).all()
    _, reward, _, _ = envs.step(optimal.act(seen))
    assert abs(Estimate.of(reward).deviation(0.0)) < 4


def test_prices_are_what_one_joule_more_changes_the_bound_by() -> None:
    """The grid's joule counts 1 in `solar`: none of the two is worth more, and demand costs something there."""
    stored, demanded = marginal_prices(make_scenario("solar"), episodes=5)
    assert stored == pytest.approx(0.95, abs=1e-6)  # what the battery delivers of a joule saves one from the grid
    assert 0.2 < demanded <= 1.0


def test_the_potential_at_prices_grows_with_the_battery_and_falls_with_the_queue() -> None:
    envs = SB3EnergyRoute("solar", N, initial_battery_j=1e9)
    envs.seed(0)
    envs.reset()
    seen, world, follow = envs.decision(), envs.scenario, envs.decision().slots_left - 1
    stored, demanded = marginal_prices(world)
    energy_j = seen.battery_j + 0.95 * (seen.harvest_left_j + world.harvest.mean_j * follow)
    expected = stored * energy_j - demanded * world.myopic_moments[0] * (seen.due + seen.backlog + 4 * follow)
    np.testing.assert_allclose(PricePotential(envs.scenario)(seen), expected, rtol=1e-12)


@pytest.mark.parametrize("scenario", ["paper", "uncertain"])
def test_prices_need_a_backlog_and_a_battery_with_an_end(scenario: str) -> None:
    with pytest.raises(InputError, match=rf"scenario is '{scenario}', but it must be one with tasks that can wait"):
        shape(SB3EnergyRoute(scenario, 2), "prices")


def test_at_hindsight_prices_each_reward_of_a_dispatcher_that_knows_all_is_small() -> None:
    """Together about -3 % of what it draws: the distance to the bound. Each by itself too: their sizes, half of it."""
    expert = make_dispatcher("receding-perfect-1", CARBON)
    envs = shape(SB3EnergyRoute(CARBON, 4), "hindsight")
    envs.seed(0)
    envs.reset()
    total, size, drawn, memory, running = 0.0, 0.0, 0.0, np.zeros((4, expert.memory_size)), np.ones(4, bool)
    while running.any():
        seen = replace(envs.unwrapped.envs.decision(privileged=True), memory=memory)
        _, reward, done, infos = envs.step(expert.act(seen))
        total, size = total + (running * reward).sum(), size + (running * np.abs(reward)).sum()
        drawn -= sum(infos[i]["episode"]["r"] for i in np.flatnonzero(done & running))
        memory[done] = 0.0
        running &= ~done
    assert -0.1 < total / drawn < 0.0
    assert size < 0.6 * drawn


def test_hindsight_needs_a_backlog() -> None:
    with pytest.raises(InputError, match="scenario is 'paper', but it must be one with tasks that can wait"):
        shape(SB3EnergyRoute("paper", 2), "hindsight")


def test_in_the_last_slot_an_expected_reward_is_minus_the_mean_shortfall() -> None:
    """With one task and no slot left, what remains is E[(e - x)^+], whatever e was."""
    world = make_scenario("volatile", horizon_slots=1)
    envs, rule = shape(SB3EnergyRoute(world, 256), "expected"), VarianceAware(world)
    envs.seed(0)
    envs.reset()
    seen = envs.unwrapped.envs.decision()
    actions = np.arange(256) % 2
    _, reward, done, _ = envs.step(actions)
    possible_j, weights = rule.possible_j(seen)
    short_j = np.maximum(possible_j - seen.usable_j[:, None, None], 0.0) @ weights
    expected_j = -short_j[np.arange(256), actions] - BrownianPotential(world)(seen)
    one = seen.due == 1
    assert one.sum() > 60 and done[one].all()
    np.testing.assert_allclose(reward[one], expected_j[one], rtol=1e-5, atol=0.01)


@pytest.mark.parametrize("name", ["oracle", "fixed-0", "variance-aware"])
def test_the_mean_over_the_noise_keeps_the_mean_return_of_what_sees_no_noise(name: str) -> None:
    """And only of that: the oracle sees it. Expected: 0 within 4 standard errors of 64 returns."""
    shift = first_returns(name, "expected", "volatile")[0] - first_returns(name, "brownian", "volatile")[0]
    assert shift.std() > 0.5
    assert (abs(Estimate.of(shift).deviation(0.0)) < 4) == (name != "oracle")


def test_an_exact_difficulty_leaves_nothing_to_replace() -> None:
    plain, replaced = (first_returns("random", shaping, "paper")[0] for shaping in ("brownian", "expected"))
    np.testing.assert_allclose(replaced, plain, atol=1e-4, rtol=0)


def test_the_mean_over_the_noise_needs_tasks_that_cannot_wait() -> None:
    with pytest.raises(InputError, match="deadline_slots is 96, but it must be 0"):
        shape(SB3EnergyRoute("solar", 2), "expected")


def test_without_the_time_left_there_is_no_potential() -> None:
    with pytest.raises(ValueError, match="continuing is True, but it must be False"):
        shape(SB3EnergyRoute("paper", 2, continuing=True), "brownian")


def test_shaping_with_a_discount_is_refused() -> None:
    with pytest.raises(ValueError, match=r"discount is 0\.99, but it must be 1 with shaping"):
        settings_for("uncertain", "brownian", {"discount": 0.99})


@pytest.mark.parametrize(
    ("potential", "scenario"), [(BrownianPotential, "paper"), (OptimalPotential, "paper"), (PricePotential, "solar")]
)
def test_no_potential_supposes_that_what_runs_is_paid_for(potential: type, scenario: str) -> None:
    with pytest.raises(InputError, match=r"^execution is 'over_latency'"):
        potential(make_scenario(scenario, **OVER_LATENCY))
