"""`EnergyRoute-v0`, a single environment."""

import operator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from energy_route_env.checks import require, require_known
from energy_route_env.core.batch import Observation, Run
from energy_route_env.core.state import Outcome
from energy_route_env.core.step import nothing_done
from energy_route_env.decision import Decision, features_of, observation_space
from energy_route_env.rendering import RENDER_FPS, RENDER_MODES, Frame, Moment, Screen
from energy_route_env.scenario import Scenario
from energy_route_env.scenarios import make_scenario
from energy_route_env.units import IntArray
from energy_route_env.world.trace import Trace


class EnergyRouteEnv(gym.Env[Observation, np.int64]):
    """Route reasoning tasks to models, on renewable, stored and uncertain power.

    ## Description
    In slots t = 0 ... T-1 a harvest and Poisson tasks of random difficulty arrive. One step routes one task to one
    model of the pool, or, where the scenario has deferrable tasks, lets the backlog wait for this slot. A dispatch
    draws its energy from what is left of the slot's harvest, then from the battery, then from the auxiliary supply
    (the grid). At the slot's end the unused harvest is stored. Source: arXiv 2601.00823, Sections II, IV and
    Appendix B; batteries with limits, deferrable tasks and uncertain difficulty go beyond it. So does
    `execution="over_latency"`: a task then draws its energy evenly over the slots of its latency, each share as soon as
    its slot opens, and what is left of it at the horizon there. The observation does not show what is left of it.

    ## Action Space
    `Discrete(n_models)`, or `Discrete(n_models + 1)` where tasks can wait: k < n_models sends the task at hand to
    model k, n_models defers. Deferring a task that is due sends it to the model of lowest expected energy instead, and
    `info["forced"]` says so; `info["action_mask"]` tells beforehand. Where failures are retried, a task stays at hand
    until a model solves it or every model has failed on it. A model that failed on it is replaced likewise.

    ## Observation Space
    A float32 `Box` of 9 features, named by `feature_names`; where the scenario has a grid source, of 7 more, and where
    failures are retried, of 3 more for each model k:

    | Num | Feature    | Min | Max | Meaning                                                                       |
    |-----|------------|-----|-----|-------------------------------------------------------------------------------|
    | 0   | battery    | 0   | 1   | B / capacity; if unlimited B / (B + sigma sqrt(T))                            |
    | 1   | harvest    | 0   | 1   | H / (H + mean H), H what is left of this slot's harvest                       |
    | 2   | difficulty | -2  | 2   | observed difficulty: -1 the scenario's hardest, 1 its easiest, clipped        |
    | 3   | slack      | 0   | 1   | s / (s + deadline), s the slots that the task may still wait                  |
    | 4   | backlog    | 0   | 1   | n / (n + mean tasks arriving in a deadline), n those that may wait            |
    | 5   | due        | 0   | 1   | n / (n + arrival rate), n the tasks due in this slot (rate at least 1)        |
    | 6   | time_left  | 0   | 1   | 1 - t / T; always 1 if `continuing`                                           |
    | 7   | day_sine   | -1  | 1   | sine of the time of day, episodes start at midnight                           |
    | 8   | day_cosine | -1  | 1   | its cosine                                                                    |

    | Num   | Feature                | Min | Max | Meaning                                                             |
    |-------|------------------------|-----|-----|---------------------------------------------------------------------|
    | 9     | grid                   | -1  | 3   | w / mean w - 1, w what a joule from the grid counts now, clipped    |
    | 10-12 | grid_6h, _12h, _24h    | -1  | 3   | the same for the mean of the next 6 hours, of those up to 12, to 24 |
    | 13-15 | harvest_6h, _12h, _24h | 0   | 1   | h / (h + mean H), h the mean harvest of a slot in those hours       |

    | Feature  | Min | Max | Meaning                                                                             |
    |----------|-----|-----|-------------------------------------------------------------------------------------|
    | tried_k  | 0   | 1   | 1 if model k failed on the task                                                     |
    | energy_k | 0   | 1   | e / (e + mean of a task), e the joules that the task is expected to take on model k |
    | chance_k | 0   | 1   | the probability that model k solves the task, as expected                           |

    The forecasts are by persistence: the same hours of the day before, plus the present departure from that day,
    which fades by half every six hours.

    ## Rewards
    -(auxiliary energy drawn by this step), in joules; that for the decision's overhead (`overhead_j`) is part of it.
    Over latency: drawn by the task's first share, and by what runs in the slots up to that of the next decision.
    With a grid source, times what a joule counts in the slot.

    ## Starting State
    The battery holds `initial_battery_j` (0 by default); the first decision is in the slot of the first task. All
    randomness of the episode is drawn at reset into a `Trace`; `reset(options={"trace": trace})` runs a given one.

    ## Episode End
    After slot T-1 the remaining backlog runs at the models of lowest expected energy (each task until it is solved or
    every model has failed on it, where failures are retried) and the episode is `terminated`
    (`truncated` if `continuing`). An episode in which no task arrives ends with its first step. The last `info` holds
    the whole `balance`: initial + harvested + auxiliary = consumed + stored + spilled + lost.

    ## Information
    `energy_j` (tasks and overhead), `auxiliary_j` and `model` (-1: deferred) of the step, its `slot`, `forced`;
    `battery_j` and `harvest_left_j` afterwards; `action_mask` of the next decision. Where failures are retried, also
    `solved` (whether the step's attempt solved its task), `tried` (the models that failed on the next decision's task)
    and in the last `info` a `tally` of attempts, tasks solved and tasks unsolved.

    ## Arguments
    `gym.make("EnergyRoute-v0", scenario="paper", **overrides)`: a scenario's name or value, and any of its fields.
    `render_mode` is `human` (a window), `rgb_array` (pictures; both need the extra `render`) or `ansi` (text).

    >>> import gymnasium as gym
    >>> env = gym.make("energy_route_env:EnergyRoute-v0", scenario="uncertain", horizon_slots=500)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(0)

    ## Version History
    * v0: initial version

    Raises:
        InputError: if the scenario, a field or a value is not valid.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": RENDER_FPS}  # noqa: RUF012  (declared by the base class)

    def __init__(self, scenario: str | Scenario = "paper", render_mode: str | None = None, **overrides: Any) -> None:
        known = render_mode is None or (isinstance(render_mode, str) and render_mode in RENDER_MODES)
        require(known, "render_mode", render_mode, f"None or one of {list(RENDER_MODES)}")
        self.render_mode = render_mode
        self.scenario = make_scenario(scenario, **overrides)
        self.feature_names = tuple(features_of(self.scenario))
        self.observation_space = observation_space(self.scenario)
        self.action_space = Discrete(self.scenario.n_actions)
        self._n_actions = self.scenario.n_actions
        self._run = Run(self.scenario)
        self._masks = list(action_masks(self.scenario, np.array([0, 1]), None))
        self._screen = None if render_mode is None else Screen(self.scenario, render_mode)
        self._started, self._over = False, True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode, drawn from the environment's generator or given as `options["trace"]`."""
        super().reset(seed=seed)
        require_known("reset option", options or {}, ("trace",))
        trace = (options or {}).get("trace")
        if trace is None:
            trace = self.scenario.draw(self.np_random)
        else:
            require_trace(self.scenario, trace)
        self._run.load(trace)
        self._started, self._over = True, False
        if self._screen is not None:
            self._screen.begin(trace.harvest_j, self._moment())
        return self._run.observation(), self._info(nothing_done(self._run.state))

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Route the task at hand.

        Raises:
            InputError: if the action is not one of the action space.
            ResetNeeded: if the episode has not begun or is over.
        """
        if self._over:
            raise ResetNeeded("No episode is under way: call reset() before step().")
        outcome = self._run.step(self._valid(action))
        if self._screen is not None:
            self._screen.record(outcome, self._moment())
        info = self._info(outcome)
        ended = self._over = outcome.ended
        if ended:
            info["balance"] = self._run.balance()
            if self.scenario.retries:
                info["tally"] = self._run.tally()
        hides_end = self.scenario.continuing
        reward = 0.0 - outcome.cost
        return self._run.observation(), reward, ended and not hides_end, ended and hides_end, info

    def render(self) -> Frame | str | None:
        """Show the moment: the battery, harvest, demand and auxiliary energy so far, the queue and the last choice.

        Returns an array (400, 640, 3) of uint8 for `rgb_array`, text for `ansi`, None for `human`, whose window shows
        every step by itself. Raises ResetNeeded if no episode has begun.
        """
        if self._screen is None:
            gym.logger.warn(
                "render() does nothing without a mode: give one when the environment is made, "
                'as in gym.make("EnergyRoute-v0", render_mode="rgb_array").'
            )
            return None
        return self._screen.render()

    def close(self) -> None:
        if self._screen is not None:
            self._screen.close()

    def _valid(self, action: Any) -> int:
        whole = type(action) is int or isinstance(action, np.integer)  # far faster than all of `require_action`
        if whole and 0 <= action < self._n_actions:
            return int(action)
        return require_action("action", action, self._n_actions)

    def _info(self, outcome: Outcome) -> dict[str, Any]:
        tried = self._run.tried()
        return step_info(outcome, self._mask(tried), tried)

    def _mask(self, tried: NDArray[np.bool_] | None) -> NDArray[np.int8]:
        """Return a copy of the mask at hand."""
        mask = self._masks[self._run.state.due > 0].copy()
        if tried is not None:
            mask[: len(tried)] = ~tried
        return mask

    def _moment(self) -> Moment:
        seen = self.decision()
        now = {name: getattr(seen, name).item() for name in ("battery_j", "harvest_left_j", "due", "slack_slots")}
        return Moment(
            **now,
            slot=self._run.state.slot,
            battery_level=float(seen.observation[0, 0]),
            waiting=int(seen.backlog[0]),
            observed_difficulty=float(seen.observed_difficulty[0]),
        )

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are carried out as given, shape (n_actions,); sb3-contrib looks for this name."""
        require_started(self._started, "action_masks")
        return self._mask(self._run.tried()).astype(bool)

    def decision(self, privileged: bool = False) -> Decision:
        """Return the decision at hand as dispatchers see it (n = 1); a privileged one sees the truth too.

        Raises ResetNeeded if no episode has begun.
        """
        require_started(self._started, "decision")
        return self._run.decision(privileged)


# What single and vector environment share


def action_masks(scenario: Scenario, due: IntArray, tried: NDArray[np.bool_] | None) -> NDArray[np.int8]:
    """Return 1 for each action that is carried out as given, shape (n, n_actions).

    A due task cannot be deferred, and a model that failed on a task is not asked again.

    Args:
        scenario: where.
        due: tasks due in this slot, shape (n,).
        tried: models that failed on the task at hand, shape (n, n_models); None where failures are ignored.
    """
    masks = np.ones((len(due), scenario.n_actions), np.int8)
    if scenario.can_wait:
        masks[:, -1] = due == 0
    if tried is not None:
        masks[:, : tried.shape[1]] = ~tried
    return masks


def step_info(outcome: Outcome, action_mask: NDArray[np.int8], tried: NDArray[np.bool_] | None) -> dict[str, Any]:
    """Return a step's info: what it did, and what there is afterwards."""
    info = {
        "energy_j": outcome.energy_j,
        "auxiliary_j": outcome.auxiliary_j,
        "model": outcome.model,
        "slot": outcome.slot,
        "forced": outcome.forced,
        "battery_j": outcome.battery_j,
        "harvest_left_j": outcome.harvest_left_j,
        "action_mask": action_mask,
    }
    if tried is not None:
        info |= {"solved": outcome.solved, "tried": tried}
    return info


def require_started(started: bool, method: str) -> None:
    """Require that an episode has begun, with Gymnasium's ResetNeeded."""
    if not started:
        raise ResetNeeded(f"No episode has begun: call reset() before {method}().")


def require_action(field: str, action: Any, n_actions: int) -> int:
    """Return a valid action as an int; refuse others."""
    try:
        index = -1 if isinstance(action, (bool, np.bool_)) else operator.index(action)
    except TypeError:
        index = -1
    require(0 <= index < n_actions, field, action, f"a whole number from 0 to {n_actions - 1}")
    return index


def require_trace(scenario: Scenario, trace: Any) -> None:
    """Require a trace that fits the scenario, with a finite energy for every task."""
    require(isinstance(trace, Trace), "options['trace']", type(trace).__name__, "a Trace")
    scenario.require_fits(trace)
    scenario.energy_j(trace.difficulty)
    if scenario.over_latency:
        scenario.run_slots(trace.difficulty)
    scenario.expected_energy_j(trace.observed_difficulty)
