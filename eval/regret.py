"""What a dispatcher's decisions cost above the optimum: a narrow estimate of its distance to it.

E[D_T] of any dispatcher is the optimum plus the mean, over an episode, of the sum of what each of its decisions costs
above the best one, both followed by the optimum (the performance difference lemma, Kakade and Langford 2002). Each of
these is known from the tables of dynamic programming. The sum is 0 for the optimum itself, while D_T differs by chance
however well one decides: so the interval is many times narrower than that of a difference of D_T.
"""

import numpy as np

from agents.dispatcher import Actions, Dispatcher
from agents.optimal import Optimal
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require_whole
from energy_route_env.units import FloatArray
from eval.rollout import BATCH_SIZE, draw_traces, run_traces
from eval.statistics import Estimate


class _Judged(Dispatcher):
    """Follows a dispatcher and sums what its decisions cost above the optimum, in one batch of episodes."""

    def __init__(self, followed: Dispatcher, optimal: Optimal) -> None:
        self._followed, self._optimal = followed, optimal
        self.memory_size, self.overhead_j = followed.memory_size, followed.overhead_j
        self.above_j: FloatArray = np.zeros(1)

    def act(self, decision: Decision) -> Actions:
        actions = self._followed.act(decision)
        value_j, _ = self._optimal.values_j(decision)
        above_j = value_j[np.arange(decision.n), actions] - value_j.min(axis=-1)
        self.above_j = self.above_j + np.where(decision.due > 0, above_j, 0.0)  # elsewhere the episode is over
        return actions


def regret_j(scenario: Scenario, dispatcher: Dispatcher, episodes: int, seed: int = 0) -> Estimate:
    """Estimate E[D_T] of an unprivileged dispatcher less the optimum's, in joules.

    Raises:
        InputError: naming the field, where `theory.optimum` has no number for the scenario.
    """
    require_whole("episodes", episodes, 1)
    dispatcher.reset(seed)
    optimal, sums = Optimal(scenario), []
    for start in range(0, episodes, BATCH_SIZE):
        judged = _Judged(dispatcher, optimal)
        run_traces(scenario, judged, draw_traces(scenario, range(start, min(start + BATCH_SIZE, episodes)), seed))
        sums.append(judged.above_j)
    return Estimate.of(np.concatenate(sums))
