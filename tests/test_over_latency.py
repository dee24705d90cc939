"""Energy drawn over a task's latency: by hand, slot by slot, and what theory says of it or refuses to say."""

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from helpers.episodes import Naive, play

from agents import Myopic, Optimal, Oracle, make_dispatcher, motion_for_theory, slot_for_theory
from energy_route_env import EnergyRouteEnv, Scenario, Trace, make_scenario, theory
from energy_route_env.checks import InputError
from energy_route_env.core.batch import Batch
from energy_route_env.pool.scaling_laws import inference_energy
from energy_route_env.theory.optimum import optimum
from eval.bounds import hindsight_bound, known_future
from eval.gap import best_known
from eval.latency import LatencyArgs, main
from eval.rollout import draw_traces, run_traces, simulate
from eval.runs import dispatcher_names, make_run

EASY, HARD = 1.9, 1.7
PER_TASK = 90.0 / float(inference_energy(1e9, EASY))
PAPER = make_scenario("paper", execution="over_latency", horizon_slots=200)
WAITS = make_scenario(PAPER, deadline_slots=3, horizon_slots=40)


def small_world(horizon_slots: int, **fields: Any) -> Scenario:
    """An easy task takes 90 J on model 0 in 9.083 s: 30 J in each of three slots of 4 s."""
    named = {"queries_per_task": PER_TASK, "slot_seconds": 4.0, "execution": "over_latency"}
    return make_scenario("paper", horizon_slots=horizon_slots, **(named | fields))


def easy(harvest_j: Sequence[float], slots: Sequence[int], deadline_slots: Any = None) -> Trace:
    return Trace.of(harvest_j, slots, [EASY] * len(slots), deadline_slots=deadline_slots)


def approximately(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


# By hand


def test_a_task_draws_as_much_in_each_slot_that_it_runs_in() -> None:
    """30 J from the first slot's 50 J, 30 J of which 20 J are left, 30 J of nothing; then 40 J that come too late."""
    played = play(small_world(5), easy([50, 0, 0, 40, 0], [0]), cycle([0]))
    assert played.column("energy_j") == approximately([90])
    assert played.column("auxiliary_j") == approximately([10 + 30])
    assert played.balance["stored_j"] == approximately(40)


def test_slots_passed_over_open_one_by_one() -> None:
    """Without a battery 45 J in the second slot spare the grid that slot's 30 J alone."""
    played = play(small_world(6, capacity_j=0.0), easy([0, 45, 0, 0, 0, 0], [0, 4]), cycle([0]))
    assert played.column("energy_j") == approximately([90, 90])
    assert played.column("auxiliary_j") == approximately([30 + 0 + 30, 30 + 30 + 30])
    assert played.balance["spilled_j"] == approximately(15)


def test_what_runs_is_supplied_before_the_slots_decisions() -> None:
    """Of 40 J in the second slot, 30 J go to the first task; the second one finds 10 J."""
    played = play(small_world(2), easy([0, 40], [0, 1]), cycle([0]))
    assert played.decisions[1].harvest_left_j == approximately([10])
    assert played.column("auxiliary_j") == approximately([30, 20 + 30 + 60])


def test_what_still_runs_at_the_horizon_is_drawn_there() -> None:
    """30 J, 30 J of 100 J, and the last 30 J of the 70 J that were stored."""
    played = play(small_world(2), easy([0, 100], [0]), cycle([0]))
    assert played.column("energy_j") == approximately([90])
    assert played.column("auxiliary_j") == approximately([30])
    assert played.balance["stored_j"] == approximately(40)


def test_a_backlog_left_at_the_end_is_drawn_with_what_still_runs() -> None:
    """30 J in the last slot; at its end 60 J of the first task and 90 J of the other, from nothing."""
    played = play(small_world(1, deadline_slots=9), easy([0], [0, 0], [9, 9]), iter([0, 2]))
    assert played.column("energy_j") == approximately([30, 60 + 90])


def test_the_overhead_is_drawn_at_once() -> None:
    played = play(small_world(1, overhead_j=7.0), easy([0], [0]), cycle([0]))
    assert played.column("energy_j") == approximately([7 + 90])
    assert play(small_world(9, overhead_j=7.0), easy([37] + 8 * [0], [0]), cycle([0])).balance[
        "auxiliary_j"
    ] == approximately(60)


def test_a_task_of_one_slot_draws_at_once() -> None:
    """In `solar` a slot of 15 minutes outlasts every query."""
    at_once, over_latency = (make_scenario("solar", execution=name) for name in ("at_once", "over_latency"))
    assert (over_latency.run_slots(over_latency.difficulties) == 1).all()
    trace = at_once.draw(np.random.default_rng(0))
    results = [run_traces(scenario, Myopic(scenario), [trace]) for scenario in (at_once, over_latency)]
    assert results[1].auxiliary_j == approximately(results[0].auxiliary_j)


def test_run_slots_are_the_latency_rounded_up() -> None:
    """34.351 s and 24.077 s for the hardest task (docs of the scaling laws), whatever a task's number of queries."""
    slots = [make_scenario("paper", slot_seconds=s, queries_per_task=q).run_slots(HARD) for s, q in ((1, 1), (8, 1e5))]
    assert np.array(slots).tolist() == [[35, 25], [5, 4]]


def test_a_new_episode_inherits_nothing_that_ran() -> None:
    dark = make_scenario(WAITS, renewable_ratio=0.1)  # so that something is drawn from the grid soon
    env, fresh, batch = EnergyRouteEnv(dark), EnergyRouteEnv(dark), Batch(dark, 1)
    first, second = draw_traces(dark, [0, 1], 0)
    env.reset(options={"trace": first}), batch.load([first], np.arange(1))
    for _ in range(10):
        env.step(0), batch.step(np.zeros(1, np.int64))
    env.reset(options={"trace": second}), fresh.reset(options={"trace": second}), batch.load([second], np.arange(1))
    assert (batch.world.committed_j == 0).all() and (batch.world.auxiliary_before_j == 0).all()
    for _ in range(10):
        rewards = [env.step(0)[1], fresh.step(0)[1], 0.0 - batch.step(np.zeros(1, np.int64)).cost[0]]
        assert rewards[0] == rewards[1] == rewards[2]


# Slot by slot


def loads_j(scenario: Scenario, trace: Trace) -> np.ndarray:
    """What the oracle's tasks draw in each slot, and at the horizon; added up without the environment."""
    loads, energies = np.zeros(scenario.horizon_slots + 1), scenario.energy_j(trace.difficulty)
    slots = np.ceil(scenario.models.latency_s(trace.difficulty) / scenario.slot_seconds).astype(int)
    for arrival, energy_j, n in zip(trace.task_slot, energies, slots, strict=True):
        model = energy_j.argmin()
        which = np.minimum(arrival + np.arange(n[model]), scenario.horizon_slots)
        np.add.at(loads, which, energy_j[model] / n[model])
    return loads


def test_the_auxiliary_energy_is_the_peak_of_sums_at_every_checkpoint() -> None:
    """D_n = max(0, max over m <= n of the sum of m slots of loads minus harvest), here at slots far from decisions."""
    scenario, read = make_scenario(PAPER, arrival_rate=0.2), list(range(1, 201))
    traces = draw_traces(scenario, range(20), 5)
    found = simulate(scenario, Oracle(scenario), 20, 5, read).auxiliary_j
    for trace, curve in zip(traces, found, strict=True):
        sums = (loads_j(scenario, trace) - np.append(trace.harvest_j, 0.0)).cumsum()
        peaks = np.maximum.accumulate(np.maximum(sums, 0.0))
        expected = np.append(peaks[:-2], peaks[-1])  # what still runs is drawn at the horizon
        assert curve == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_what_the_grid_counts_is_read_at_checkpoints_too() -> None:
    scenario = make_scenario("carbon", execution="over_latency", slot_seconds=3600.0, horizon_slots=48)
    scenario = make_scenario(scenario, models=Slow(), deadline_slots=0, queries_per_task=1e5)
    trace = draw_traces(scenario, [0], 0)[0]
    read = [1, 7, 20, 48]
    result = simulate(scenario, Oracle(scenario), 1, 0, read)
    naive = Naive(scenario, trace)
    naive.run(cycle([0]))
    before_j = np.array(naive.auxiliary_before)
    assert result.auxiliary_j[0, :-1] == pytest.approx(before_j[read[:-1]], rel=1e-9)
    counted = (np.diff(before_j) * trace.grid_weight).cumsum()
    assert result.cost[0, :-1] == pytest.approx(counted[np.array(read[:-1]) - 1], rel=1e-9)
    assert result.auxiliary_j[0, -1] == pytest.approx(naive.auxiliary, rel=1e-9)
    rest = trace.grid_weight[-1] * (naive.auxiliary - before_j[-1])
    assert result.cost[0, -1] == pytest.approx(counted[-1] + rest, rel=1e-9)
    assert rest > 0


class Slow(type(PAPER.models)):
    """The paper's small model alone, where a query takes five hours."""

    def __init__(self) -> None:
        super().__init__((1e9,))

    def latency_s(self, difficulty: Any) -> Any:
        return np.full((*np.shape(difficulty), 1), 5 * 3600.0)


# Theory


def test_exact_theory_says_that_it_does_not_apply_and_the_motion_stays() -> None:
    assert "execution is 'over_latency', but it must be 'at_once'" in str(theory.why_no_theory(PAPER))
    assert theory.why_no_theory(PAPER, exact=False) is None
    assert slot_for_theory(PAPER, Oracle(PAPER)) is None
    at_once = make_scenario(PAPER, execution="at_once")
    assert motion_for_theory(PAPER, Oracle(PAPER)) == motion_for_theory(at_once, Oracle(at_once))


REFUSALS: dict[str, Callable[[], Any]] = {
    "the optimum": lambda: optimum(PAPER),
    "the optimal dispatcher": lambda: Optimal(PAPER),
    "the bound": lambda: hindsight_bound(PAPER, draw_traces(PAPER, [0], 0)[0]),
    "the programme's bound": lambda: hindsight_bound(WAITS, draw_traces(WAITS, [0], 0)[0]),
    "the known future": lambda: known_future(WAITS, draw_traces(WAITS, [0], 0)[0]),
    "a plan": lambda: make_dispatcher("receding-climatology", WAITS),
}


@pytest.mark.parametrize("which", REFUSALS)
def test_what_supposes_that_energy_is_drawn_at_once_refuses(which: str) -> None:
    with pytest.raises(InputError, match=r"^execution is 'over_latency', but it must be 'at_once': tasks"):
        REFUSALS[which]()


def test_a_dearer_model_that_runs_longer_may_take_less_from_the_grid() -> None:
    """The hardest task takes 1037.9 J in 35 slots, or 956.9 J in 25, on 30 J a slot. So the oracle is no bound."""
    trace = Trace.of([30.0] * 40, [0], [HARD])
    scenario = make_scenario(PAPER, horizon_slots=40)
    small, large = (play(scenario, trace, cycle([model])).balance["auxiliary_j"] for model in (0, 1))
    assert small == approximately(0)
    assert large == pytest.approx(956.92 - 25 * 30, abs=0.01)


def test_a_benchmark_runs_what_fits_and_knows_no_best() -> None:
    for scenario in (make_scenario(scenario, name="custom") for scenario in (PAPER, WAITS)):
        names = dispatcher_names(scenario)
        assert "optimal" not in names and "receding-climatology" not in names
        costs = {name: make_run(scenario, name).episodes(2, 0)["cost"].to_numpy() for name in names}
        assert best_known(scenario, costs, 0) is None


def test_the_mean_that_running_tasks_are_still_to_draw() -> None:
    """One kind of task, 314.86 J in 10 slots: 314.86 * 9 / 2 at 1 task a slot."""
    scenario = make_scenario(PAPER, models=(1e9,), difficulties=(EASY,))
    assert theory.running_j(scenario, Myopic(scenario).probabilities) == pytest.approx(1416.87, abs=0.01)


@pytest.mark.parametrize("drift", [-0.05, 0.0, 0.05])
@pytest.mark.parametrize("running", [0.0, 5.0, 20.0])
def test_the_brownian_mean_over_latency_is_that_of_drawn_motions(drift: float, running: float) -> None:
    """E[max(0, M - R, S)], sigma = 1 and T = 400, from 400 000 exact draws of S and of M given S.

    Expected value: the formula. Standard error: that of the mean drawn. Bound: 3.9 of them, which chance exceeds once
    in 10^4.
    """
    rng, n = np.random.default_rng(4), 400_000
    at_end = drift * 400 + 20 * rng.standard_normal(n)
    peak = (at_end + np.sqrt(at_end**2 - 2 * 400 * np.log(1 - rng.random(n)))) / 2
    drawn = np.maximum(np.maximum(at_end, peak - running), 0.0)
    expected = float(theory.expected_over_latency(drift, 1.0, 400, running))
    assert abs(drawn.mean() - expected) < 3.9 * drawn.std() / np.sqrt(n)


def test_the_brownian_mean_over_latency_at_its_limits() -> None:
    drifts = np.array([-0.3, -1e-9, 0.0, 1e-9, 0.3])
    at_once = theory.expected_auxiliary_energy(drifts, 1.0, 400)
    assert theory.expected_over_latency(drifts, 1.0, 400, 0.0) == pytest.approx(at_once, rel=1e-6)
    far = theory.expected_over_latency(drifts, 1.0, 400, 1e6)
    assert far[2] == pytest.approx(20 / np.sqrt(2 * np.pi))
    assert np.isfinite(far).all() and (far < at_once).all()
    assert theory.expected_over_latency([2.0, -2.0], 0.0, 10, 3.0).tolist() == [20.0, 0.0]
    with pytest.raises(InputError, match=r"^running_j is -1"):
        theory.expected_over_latency(0.0, 1.0, 10, -1.0)


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_simulations_agree_with_the_brownian_mean_over_latency(ratio: float) -> None:
    """T = 1000, 200 episodes. Expected value: the formula, which is approximate, within 2 sigma (1400 J): sums peak
    below a motion, and R fluctuates. Standard error: that of the simulated mean. Bound: 3.9 of them beyond the 2 sigma.
    """
    scenario = make_scenario(PAPER, renewable_ratio=ratio, horizon_slots=1000)
    oracle = Oracle(scenario)
    drawn = simulate(scenario, oracle, 200, 11).auxiliary_j[:, -1]
    motion = theory.brownian_motion(scenario, oracle.probabilities, privileged=True)
    running_j = theory.running_j(scenario, oracle.probabilities, privileged=True)
    expected = float(theory.expected_over_latency(*motion, 1000, running_j))
    error = drawn.std(ddof=1) / np.sqrt(200)
    assert abs(drawn.mean() - expected) < 3.9 * error + 2 * motion.volatility


# The command


def test_the_command_shows_both_beside_theory(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(LatencyArgs(ratios=(1.0,), horizons=(20, 40), episodes=5, name="one", results=tmp_path))
    assert {file.name for file in (tmp_path / "one").iterdir()} == {
        *("latency.csv", "latency.svg", "latency.png", "run.json")
    }
    assert "over latency" in capsys.readouterr().out
