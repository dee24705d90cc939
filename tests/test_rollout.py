"""Rollouts: any dispatcher on common traces."""

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import Dispatcher, FixedModel, GreedyDeferral, Oracle, make_dispatcher
from energy_route_env import Decision, EnergyRouteEnv, Scenario, Trace, make_scenario
from eval.rollout import BATCH_SIZE, run_traces, simulate

PAPER = make_scenario("paper")
UNCERTAIN = make_scenario("uncertain")
SOLAR = make_scenario("solar")
NAMES = ("oracle", "myopic", "scaling-law", "error-0.05", "fixed-0", "random", "variance-aware", "surplus-deferral")
DETERMINISTIC = ("oracle", "myopic", "scaling-law", "fixed-0", "variance-aware", "greedy-deferral", "surplus-deferral")


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_an_episode_does_not_depend_on_how_many_are_simulated_beside_it(name: str) -> None:
    scenario = make_scenario("solar", horizon_slots=96)
    many, few = (simulate(scenario, make_dispatcher(name, scenario), n, 6) for n in (9, 4))
    np.testing.assert_array_equal(many.auxiliary_j[:4], few.auxiliary_j)
    np.testing.assert_array_equal(many.latency_s[:4], few.latency_s)
    for key, values in few.balance.items():
        np.testing.assert_array_equal(many.balance[key][:4], values)


def test_episodes_go_on_beyond_a_batch_as_if_there_were_none() -> None:
    scenario = make_scenario("paper", horizon_slots=3)
    many = simulate(scenario, Oracle(scenario), BATCH_SIZE + 5)
    few = simulate(scenario, Oracle(scenario), BATCH_SIZE)
    assert many.auxiliary_j.shape == (BATCH_SIZE + 5, 1)
    np.testing.assert_array_equal(many.auxiliary_j[:BATCH_SIZE], few.auxiliary_j)
    assert len(np.unique(many.balance["harvested_j"])) == BATCH_SIZE + 5


def test_a_scenario_may_be_given_by_its_name() -> None:
    uncertain = make_scenario("uncertain")
    named = simulate("uncertain", make_dispatcher("myopic", "uncertain"), episodes=3)
    given = simulate(uncertain, make_dispatcher("myopic", uncertain), episodes=3)
    assert np.array_equal(named.auxiliary_j, given.auxiliary_j)


def test_traces_depend_on_the_seed_alone() -> None:
    ran = {name: simulate(UNCERTAIN, make_dispatcher(name, UNCERTAIN), 6, 9) for name in NAMES}
    for result in ran.values():
        np.testing.assert_array_equal(result.balance["harvested_j"], ran["oracle"].balance["harvested_j"])
        np.testing.assert_array_equal(result.tasks, ran["oracle"].tasks)
    other = simulate(UNCERTAIN, Oracle(UNCERTAIN), 6, 10)
    assert (other.balance["harvested_j"] != ran["oracle"].balance["harvested_j"]).all()


def stepped(scenario: Scenario, dispatcher: Dispatcher, trace: Trace) -> dict[str, float]:
    """The balance of an episode stepped through the single environment."""
    env = EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    for _ in range(trace.n_tasks + scenario.horizon_slots):
        action = dispatcher.act(env.decision(dispatcher.privileged))[0]
        _, _, terminated, _, info = env.step(action)
        if terminated:
            return info["balance"]
    raise AssertionError("The episode does not end.")


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(PAPER, "oracle"), (UNCERTAIN, "variance-aware"), (SOLAR, "myopic"), (SOLAR, "surplus-deferral")],
)
def test_simulated_episodes_are_those_of_the_environment(scenario: Scenario, name: str) -> None:
    dispatcher = make_dispatcher(name, scenario)
    traces = [scenario.draw(np.random.default_rng([7, episode])) for episode in range(3)]
    for ran in (run_traces(scenario, dispatcher, traces), simulate(scenario, dispatcher, 3, 7)):
        for episode, trace in enumerate(traces):
            balance = {key: float(values[episode]) for key, values in ran.balance.items()}
            assert balance == stepped(scenario, dispatcher, trace)
            assert ran.auxiliary_j[episode, -1] == pytest.approx(balance["auxiliary_j"], rel=1e-12)


def test_checkpoints_read_the_auxiliary_energy_of_all_slots_before() -> None:
    """Two tasks of 314.86 J in slot 0 and one in slot 2, on 100 J in every slot: nothing in slot 1."""
    scenario = make_scenario("paper", horizon_slots=4, harvest_cv=0.0)
    energy = float(scenario.energy_j(1.9)[0])
    trace = Trace.of([100.0] * 4, [0, 0, 2], [1.9] * 3)
    stepped_j = [2 * energy - 100, 3 * energy - 300]
    assert run_traces(scenario, Oracle(scenario), [trace]).auxiliary_j[0] == pytest.approx(stepped_j[1:])
    drawn = simulate(scenario, FixedModel(scenario, 0), 50, 1, [1, 2, 3, 4])
    assert (np.diff(drawn.auxiliary_j, axis=1) >= 0).all()
    np.testing.assert_allclose(drawn.auxiliary_j[:, -1], drawn.balance["auxiliary_j"], rtol=1e-12)
    short = simulate(scenario, FixedModel(scenario, 0), 50, 1, [2]).auxiliary_j
    np.testing.assert_array_equal(short[:, 0], drawn.auxiliary_j[:, 1])


def test_latency_is_the_mean_over_the_tasks_of_their_models() -> None:
    """Difficulties 1.7 (large model, 24.077 s) and 1.9 twice (small model, 9.083 s); none where no task arrives."""
    scenario = make_scenario("paper", horizon_slots=2)
    traces = [Trace.of([0.0, 0.0], [0, 1, 1], [1.7, 1.9, 1.9]), Trace.of([0.0, 0.0], [], [])]
    latency = run_traces(scenario, Oracle(scenario), traces).latency_s
    assert latency == pytest.approx([(24.077 + 2 * 9.083) / 3, 0.0], abs=0.001)


def test_latency_counts_what_was_deferred_to_the_end() -> None:
    scenario = make_scenario("paper", horizon_slots=2, deadline_slots=5)
    trace = Trace.of([0.0, 0.0], [0, 0], [1.7, 1.9], deadline_slots=[5, 5])
    latency = run_traces(scenario, GreedyDeferral(scenario), [trace]).latency_s
    assert latency == pytest.approx([(24.077 + 9.083) / 2], abs=0.001)


def test_a_dispatcher_of_ones_own_takes_ten_lines() -> None:
    class Thrifty(Dispatcher):
        """The small model while the battery is empty, the large one else."""

        def act(self, decision: Decision) -> NDArray[np.int64]:
            return (decision.battery_j > 0).astype(np.int64)

    ran = simulate(PAPER, Thrifty(), 20, 1)
    oracle = simulate(PAPER, Oracle(PAPER), 20, 1)
    small, large = (simulate(PAPER, FixedModel(PAPER, model), 20, 1) for model in (0, 1))
    assert (ran.auxiliary_j >= oracle.auxiliary_j - 1e-6).all()
    consumed = ran.balance["consumed_j"]
    assert (consumed != small.balance["consumed_j"]).all()
    assert (consumed != large.balance["consumed_j"]).all()
