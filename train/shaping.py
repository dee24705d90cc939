"""Reward shaping that leaves the ranking of policies: potentials, and chance replaced by its mean.

The potentials are the Brownian value function, the optimum, and prices of a linear programme.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn, VecEnvWrapper

from agents.variance_aware import VarianceAware, best_blind_moments
from energy_route_env import Decision, Scenario
from energy_route_env.checks import require
from energy_route_env.pool.base import mean_over
from energy_route_env.theory import value_function
from energy_route_env.theory.optimum import optimum
from energy_route_env.theory.schedule import best_schedule
from energy_route_env.theory.slot import motion_of, require_at_once, require_no_waiting
from energy_route_env.units import FloatArray
from eval.bounds import known_future
from eval.rollout import draw_traces
from train.hindsight import HindsightPotential
from train.sb3_vec_env import SB3EnergyRoute
from train.settings import Shaping


class BrownianPotential:
    """Phi(s) = -V(b, n) in joules: minus the auxiliary energy still to come, by the Brownian value function.

    b is what can be supplied now (the slot's harvest, and the battery after its discharge loss) less the mean demand
    of all tasks present; n is the number of slots that follow. Mean demand, drift and volatility are those of the best
    dispatcher that ignores the battery, as in the variance-aware one; where failures are retried, of the myopic one.
    """

    def __init__(self, scenario: Scenario) -> None:
        require(not scenario.continuing, "continuing", True, "False: the potential needs the time left")
        require_at_once(scenario)  # what running tasks are still to draw is not seen
        moments = scenario.myopic_moments if scenario.retries else best_blind_moments(scenario)
        self._mean_task_j, second_j2 = moments
        self._motion = motion_of(scenario, self._mean_task_j, second_j2)

    def __call__(self, decision: Decision) -> FloatArray:
        """Return Phi in joules, shape (n,)."""
        present = (decision.due + decision.backlog) * self._mean_task_j
        following = np.maximum(decision.slots_left - 1, 0)
        return -value_function(decision.usable_j - present, following, *self._motion)


class OptimalPotential:
    """Phi(s) = -U_{n,d}(x) in joules: minus the least auxiliary energy still to come, by `theory.optimum`.

    A reward then is minus what its decision costs above the optimum, but for chance: nothing is left to come.
    """

    def __init__(self, scenario: Scenario) -> None:
        require(not scenario.continuing, "continuing", True, "False: the potential needs the time left")
        self._optimum = optimum(scenario)

    def __call__(self, decision: Decision) -> FloatArray:
        """Return Phi in joules, shape (n,)."""
        following = np.maximum(decision.slots_left - 1, 0)
        return -self._optimum.value_within(decision.usable_j, following, decision.due)


class PricePotential:
    """Phi(s) in the scenario's unit: energy at hand and to come at its price, less that of tasks present and to come.

    What is to come is the mean of the slots that follow: else every step into the next slot would seem to cost the
    tasks that arrive in it, and a policy would learn not to wait. The prices are means over traces of the duals of the
    hindsight programme: what one joule more in the battery at the start would save, and what one more of demand that
    can wait would cost (`marginal_prices`).
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._stored, self._demanded = marginal_prices(scenario)

    def __call__(self, decision: Decision) -> FloatArray:
        """Return Phi, shape (n,)."""
        scenario, following = self._scenario, np.maximum(decision.slots_left - 1, 0)
        harvest_j = decision.harvest_left_j + scenario.harvest.mean_j * following
        stored_j = decision.battery_j + scenario.charge_efficiency * harvest_j
        present_j = (decision.due + decision.backlog) * scenario.myopic_moments[0]
        return self._stored * stored_j - self._demanded * (present_j + scenario.mean_demand_j * following)


def marginal_prices(scenario: Scenario, episodes: int = 30, seed: int = 2_000_003) -> tuple[float, float]:
    """Return what a joule is worth in the battery at the start, and what one of demand that can wait costs.

    Differences of the hindsight programme's optimum for 1 % of the capacity and 0.1 % of the demand, averaged over
    these traces.
    """
    require(scenario.can_wait and math.isfinite(scenario.capacity_j), "scenario", scenario.name, PRICED)
    stored, demanded, little_j = [], [], 0.01 * scenario.capacity_j
    for trace in draw_traces(scenario, range(episodes), seed):
        future, battery = known_future(scenario, trace), scenario.battery
        more = future._replace(arrived_j=1.001 * future.arrived_j, due_j=1.001 * future.due_j)
        fuller = battery._replace(initial_battery_j=battery.initial_battery_j + little_j)
        cost = best_schedule(future, battery).auxiliary
        stored.append((cost - best_schedule(future, fuller).auxiliary) / little_j)
        demanded.append((best_schedule(more, battery).auxiliary - cost) / (0.001 * future.arrived_j[-1]))
    return float(np.mean(stored)), float(np.mean(demanded))


PRICED = "one with tasks that can wait and a battery of finite capacity, for the shaping prices"
Potential = Callable[[Decision], FloatArray]
POTENTIALS: dict[str, Callable[[Scenario], Potential]] = {
    "brownian": BrownianPotential,
    "expected": BrownianPotential,
    "optimum": OptimalPotential,
    "prices": PricePotential,
    "hindsight": HindsightPotential,
}


class PotentialShaping(VecEnvWrapper):
    """Adds Phi(next state) - Phi(state) to each reward; Phi is 0 once the episode is over.

    Over an episode the additions sum to -Phi(first state), which no choice can change. So on every trace the returns of
    all policies shift by the same amount, and their ranking stays (Ng, Harada and Russell 1999; discount 1). Each
    reward then holds more of its decision's expected cost than just what came from the grid at once.
    """

    venv: SB3EnergyRoute

    def __init__(self, venv: SB3EnergyRoute, potential: Potential, resumed: bool = False) -> None:
        """Wrap the environments; `resumed` says that the potential knows the episodes under way."""
        super().__init__(venv)
        self.potential = potential
        self._hindsight = potential if isinstance(potential, HindsightPotential) else None
        if resumed:
            self._look(np.arange(0))

    def _look(self, begun: NDArray[np.intp]) -> None:
        """Work out the potential of the decisions at hand; in the rows that have begun an episode begins."""
        self._decision = self.venv.decision(privileged=self._hindsight is not None)
        if self._hindsight is not None:
            self._hindsight.begin(self._decision, begun)
        self._phi = self.potential(self._decision)

    def reset(self) -> NDArray[np.float32]:
        observation: Any = self.venv.reset()
        self._look(np.arange(self.num_envs))
        return observation

    def step_async(self, actions: NDArray[np.int64]) -> None:
        if self._hindsight is not None:
            self._hindsight.acted(self._decision, actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, done, infos = self.venv.step_wait()
        before = self._phi
        self._look(np.flatnonzero(done))
        gained = np.where(done, 0.0, self._phi) - before
        return observation, (reward + gained / self.venv.reward_unit).astype(np.float32), done, infos


class MeanOverNoise(VecEnvWrapper):
    """Puts its mean over the difficulty's noise in the place of what a task's own energy does to a reward.

    A task that needs e leaves V(b - e, n) to come, by the Brownian value function as the variance-aware dispatcher uses
    it. Each reward gains V(b - e, n) - E[V(b - e, n)], where the mean is over what nobody can see. Given what is seen
    and chosen this is 0 on average, whatever V is. So every policy keeps its expected return, and the optimal one stays
    optimal (a control variate; Glasserman 2003, Section 4.1). Brownian shaping's rewards hold -V(b - e, n): with it the
    energy's chance is gone, and in `volatile` the variance of a reward falls to a thirtieth. What the energy really was
    still decides what comes after.

    Raises:
        InputError: if tasks can wait.
    """

    def __init__(self, venv: PotentialShaping) -> None:
        super().__init__(venv)
        self._envs = venv.venv
        require_no_waiting(self._envs.scenario)
        self._rule = VarianceAware(self._envs.scenario)

    def reset(self) -> NDArray[np.float32]:
        observation: Any = self.venv.reset()
        return observation

    def step_async(self, actions: NDArray[np.int64]) -> None:
        self._luck = (self._luck_j(actions) / self._envs.reward_unit).astype(np.float32)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, done, infos = self.venv.step_wait()
        return observation, reward + self._luck, done, infos

    def _luck_j(self, actions: NDArray[np.int64]) -> FloatArray:
        """Return by how many joules the chosen models' true energies raise what is to come above its mean."""
        decision, chosen = self._envs.envs.decision(privileged=True), (np.arange(self.num_envs), actions)
        possible_j, weights = self._rule.possible_j(decision)
        assert decision.energy_j is not None
        energy_j = np.column_stack([possible_j[chosen], decision.energy_j[chosen]])
        to_come_j = self._rule.to_come_j(decision, energy_j[:, None])[:, 0]
        return to_come_j[:, -1] - mean_over(to_come_j[:, :-1], weights if weights.ndim == 1 else weights[:, 0])


def shape(envs: SB3EnergyRoute, shaping: Shaping) -> VecEnv:
    """Wrap the environments in the shaping of this name."""
    if shaping == "none":
        return envs
    shaped = PotentialShaping(envs, POTENTIALS[shaping](envs.scenario))
    return MeanOverNoise(shaped) if shaping == "expected" else shaped
