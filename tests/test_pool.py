"""A pool of one's own takes one class."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest

from agents import Myopic, Oracle, make_dispatcher
from energy_route_env import Trace, make_scenario
from energy_route_env.checks import InputError
from energy_route_env.pool.base import Attempts, Pool
from energy_route_env.theory import SlotDistribution, exact_expected_auxiliary_energy
from eval.rollout import run_traces, simulate
from eval.statistics import Estimate


@dataclass(frozen=True)
class Measured(Pool):
    """Two models: one takes 100 J for whatever comes, the other what the task's difficulty says."""

    n_params: tuple[float, ...] = (1e9, 7e9)
    skill_slope: float = 5.0

    def energy_j(self, difficulty):
        level = np.asarray(difficulty, float)
        return np.stack([np.full(level.shape, 100.0), 50.0 + 1000.0 * np.maximum(1.8 - level, 0.0)], axis=-1)

    def latency_s(self, difficulty):
        return np.ones((*np.shape(difficulty), 2))


SCENARIO = make_scenario("paper", models=Measured(), horizon_slots=50)


def test_the_environment_takes_what_the_pool_says() -> None:
    env = gym.make("EnergyRoute-v0", scenario=SCENARIO, horizon_slots=2)
    env.reset(options={"trace": Trace.of([0.0, 0.0], [0, 0, 1], [1.7, 1.7, 1.9])})
    assert [env.step(model)[4]["energy_j"] for model in (0, 1, 1)] == pytest.approx([100.0, 150.0, 50.0])


def test_dispatchers_and_theory_use_it() -> None:
    """The simulated mean lies within four standard errors of the exact one."""
    slot = SlotDistribution.of(SCENARIO, Myopic(SCENARIO).probabilities)
    assert set(np.round(slot.energies_j, 6)) == {50.0, 61.111111, 83.333333, 100.0}
    measured = Estimate.of(simulate(SCENARIO, Oracle(SCENARIO), 2000, 4).auxiliary_j[:, -1])
    assert abs(measured.deviation(float(exact_expected_auxiliary_energy(slot, 50)))) < 4


def test_noise_is_integrated_over_its_energies() -> None:
    """At 1.9 with s = 0.1 the second model's mean is 50 + 1000 E (0.1 Z - 0.1)^+ = 50 + 100 (phi(1) - Phi(-1))."""
    expected = Measured().expected_energy_j(1.9, 0.1)
    assert expected == pytest.approx([100.0, 58.33], rel=5e-3)  # a kink, which the Gauss rule sees coarsely


class Lucky(Measured):
    """What a task takes is a matter of luck, on every model."""

    def draw_attempts(self, rng, difficulty):
        return Attempts(rng.uniform(10.0, 20.0, (len(difficulty), 2)), rng.random((len(difficulty), 2)) < 0.5)


def test_what_was_drawn_for_a_task_is_what_it_takes() -> None:
    """Single and many take the drawn joules, times the queries of a task; what is expected stays the pool's."""
    scenario = make_scenario("paper", models=Lucky(), horizon_slots=50, queries_per_task=3.0)
    trace = scenario.draw(np.random.default_rng(5))
    assert trace.energy_j.min() >= 30.0 and trace.energy_j.max() <= 60.0
    assert trace.solved.shape == trace.energy_j.shape and 0 < trace.solved.mean() < 1
    env = gym.make("EnergyRoute-v0", scenario=scenario)
    env.reset(options={"trace": trace})
    assert env.unwrapped.decision().expected_energy_j[0] == pytest.approx(
        scenario.expected_energy_j(trace.difficulty[0])
    )
    steps = [env.step(1)[4]["energy_j"] for _ in range(trace.n_tasks)]
    assert steps == pytest.approx(trace.energy_j[:, 1])
    together = run_traces(scenario, make_dispatcher("fixed-1", scenario), [trace])
    assert together.balance["consumed_j"] == pytest.approx(trace.energy_j[:, 1].sum())


def test_attempts_must_fit_the_pool() -> None:
    with pytest.raises(InputError, match=r"trace\.energy_j\.shape is \(1, 3\), but it must be \(1, 2\)"):
        SCENARIO.require_fits(Trace.of(np.zeros(50), [0], [1.7], energy_j=[[1.0, 2.0, 3.0]]))
    with pytest.raises(InputError, match="energy_j"):
        Trace.of([0.0], [0], [1.7], energy_j=[[1.0, -2.0]])


def test_models_are_called_by_their_size() -> None:
    assert Measured().names == ("1B", "7B")
