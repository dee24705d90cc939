"""`EnergyRoute-v0`, n environments stepped as arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from energy_route_env.checks import InputError, require, require_known, require_whole
from energy_route_env.core.batch import Batch
from energy_route_env.core.state import Outcome
from energy_route_env.decision import Decision, features_of, observation_space
from energy_route_env.env import action_masks, require_action, require_started, require_trace, step_info
from energy_route_env.scenario import Scenario
from energy_route_env.scenarios import make_scenario
from energy_route_env.world.trace import Trace

Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class EnergyRouteVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """n environments `EnergyRoute-v0` in one, equal bit for bit to n single ones (see `EnergyRouteEnv`).

    Environment i has a generator of its own, seeded `seed + i`: Gymnasium's rule for `make_vec`, by which seeds one
    apart share all environments but one. Returned arrays are never changed afterwards.

    Args:
        num_envs: how many.
        scenario: a scenario's name or value.
        autoreset_mode: when an environment whose episode has ended is reset: `NEXT_STEP` (the next step resets it and
            ignores its action), `SAME_STEP` (at once; the last observation and info are in `info["final_obs"]` and
            `info["final_info"]`) or `DISABLED` (by `reset(options={"reset_mask": mask})`).
        render_mode: None.
        overrides: any field of the scenario.

    Raises:
        InputError: if an argument is not valid.

    Example:
        >>> import gymnasium as gym
        >>> envs = gym.make_vec("energy_route_env:EnergyRoute-v0", num_envs=3, autoreset_mode="SameStep")
        >>> envs.reset(seed=0)[0].shape
        (3, 9)
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  (declared by the base class)

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario = "paper",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: None = None,
        **overrides: Any,
    ) -> None:
        require_whole("num_envs", num_envs, 1)
        require(render_mode is None, "render_mode", render_mode, "None: this version does not render")
        modes = [mode.value for mode in AutoresetMode]
        value = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        require(value in modes, "autoreset_mode", autoreset_mode, f"one of {modes}")
        self.num_envs, self.render_mode = num_envs, render_mode
        self.autoreset_mode = AutoresetMode(value)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.scenario = make_scenario(scenario, **overrides)
        self.feature_names = tuple(features_of(self.scenario))
        self.single_observation_space = observation_space(self.scenario)
        self.single_action_space = Discrete(self.scenario.n_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._batch = Batch(self.scenario, num_envs)
        self._rngs: list[np.random.Generator | None] = [None] * num_envs
        self._everywhere = np.ones(num_envs, bool)
        self._everywhere.flags.writeable = False
        self._started = False
        self._over = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode in every environment.

        Args:
            seed: environment i is seeded `seed + i`, or `seed[i]`; without, the generators go on.
            options: `trace`, a Trace for all or one for each; `reset_mask`, a bool array (n,) of those to reset.
        """
        options = options or {}
        require_known("reset option", options, ("trace", "reset_mask"))
        rows = self._rows_to_reset(options.get("reset_mask"))
        traces = self._given_traces(options.get("trace"), rows)
        self._seed(seed, rows)
        self._load(rows, traces)
        self._over = self._over.copy()
        self._over[rows] = False
        self._started = True
        return self._batch.observation(), self._started_info(rows)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Route the task at hand in every environment.

        Raises:
            InputError: if `actions` is not an integer array (n,) of valid actions.
            ResetNeeded: if no episode has begun, or one is over and `autoreset_mode` is DISABLED.
        """
        if not self._started:
            raise ResetNeeded("No episode is under way: call reset() before step().")
        stale, mode = self._over, self.autoreset_mode
        if mode is AutoresetMode.DISABLED and stale.any():
            raise ResetNeeded(f"Episodes are over in environments {np.flatnonzero(stale).tolist()}: reset them first.")
        observation = np.empty((self.num_envs, len(self.feature_names)), np.float32)
        outcome = self._batch.step(self._valid(actions), observation)
        reward = 0.0 - outcome.cost
        ended = outcome.ended & ~stale
        self._over = ended & (mode is not AutoresetMode.SAME_STEP)
        final: dict[str, Any] = {}
        if mode is AutoresetMode.SAME_STEP:
            final = self._final(observation, outcome, ended) if ended.any() else final
            self._restart(observation, outcome, ended)
        else:
            final = _masked(self._totals(), ended) if ended.any() else final
            if mode is AutoresetMode.NEXT_STEP:
                self._restart(observation, outcome, stale)
        info = self._info(outcome)
        info |= {f"_{key}": self._everywhere for key in info} | final
        nowhere = np.zeros(self.num_envs, bool)
        ends = (nowhere, ended.copy()) if self.scenario.continuing else (ended.copy(), nowhere)
        return observation, reward, *ends, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are carried out as given, shape (n, n_actions); sb3-contrib looks for this name."""
        require_started(self._started, "action_masks")
        return action_masks(self.scenario, self._batch.states.due, self._batch.tried()).astype(bool)

    def decision(self, privileged: bool = False) -> Decision:
        """Return the decisions at hand as dispatchers see them; a privileged one sees the truth too.

        Raises ResetNeeded if no episode has begun.
        """
        require_started(self._started, "decision")
        return self._batch.decision(privileged)

    def _valid(self, actions: Any) -> NDArray[np.int64]:
        array, n_actions = np.asarray(actions), self.scenario.n_actions
        if array.dtype.kind not in "iu" or array.shape != (self.num_envs,):
            found = f"an array of {array.dtype} and shape {array.shape}"
            raise InputError(f"actions is {found}, but it must be one of integers and shape ({self.num_envs},).")
        valid = np.require(array, np.int64, ["C", "W"])  # other layouts would be compiled anew
        if valid.view(np.uint64).max() >= n_actions:  # a negative one is a large one there
            require_action("actions (one of them)", int(array[(array < 0) | (array >= n_actions)][0]), n_actions)
        return valid

    def _restart(self, observation: NDArray[np.float32], outcome: Outcome, which: NDArray[np.bool_]) -> None:
        """Start new episodes in these environments; their info says that the step did nothing."""
        if not which.any():
            return
        rows = np.flatnonzero(which)
        self._load(rows)
        self._batch.observe(rows, observation)
        self._batch.nothing_done(rows, outcome)

    def _load(self, rows: NDArray[np.intp], traces: list[Trace] | None = None) -> None:
        """Start episodes in these rows; without traces each generator draws its own."""
        drawn = (self.scenario.draw(self._rng(row)) for row in rows.tolist())
        self._batch.load(drawn if traces is None else traces, rows)

    def _final(self, observation: NDArray[np.float32], outcome: Outcome, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the last observation and info of the episodes that have just ended, in Gymnasium's layout."""
        last = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(ended).tolist():
            last[row] = observation[row].copy()
        info = _masked(self._info(outcome) | self._totals(), ended)
        return {"final_obs": last, "_final_obs": ended.copy(), "final_info": info, "_final_info": ended.copy()}

    def _info(self, outcome: Outcome) -> dict[str, Any]:
        tried = self._batch.tried()
        return step_info(outcome, action_masks(self.scenario, self._batch.states.due, tried), tried)

    def _totals(self) -> dict[str, Any]:
        """Return what the last info of an episode holds in addition."""
        return {"balance": self._batch.balance()} | ({"tally": self._batch.tally()} if self.scenario.retries else {})

    def _started_info(self, rows: NDArray[np.intp]) -> dict[str, Any]:
        outcome, mask = self._batch.blank_outcome(), np.zeros(self.num_envs, bool)
        self._batch.nothing_done(np.arange(self.num_envs), outcome)
        mask[rows] = True
        return _masked(self._info(outcome), mask)

    def _rows_to_reset(self, mask: Any) -> NDArray[np.intp]:
        """Return the rows to reset: those of the mask, all without one."""
        if mask is None:
            return np.arange(self.num_envs)
        array = np.asarray(mask)
        require(array.dtype == bool, "options['reset_mask'].dtype", str(array.dtype), "bool")
        require(array.shape == (self.num_envs,), "options['reset_mask'].shape", array.shape, f"({self.num_envs},)")
        require(bool(array.any()), "options['reset_mask']", array, "True somewhere")
        require(self._started or bool(array.all()), "options['reset_mask']", array, "all True at the first reset")
        return np.flatnonzero(array)

    def _seed(self, seed: int | Sequence[int | None] | None, rows: NDArray[np.intp]) -> None:
        if seed is None:
            return
        if isinstance(seed, (Sequence, np.ndarray)) and not isinstance(seed, str):
            seeds = list(seed)
        else:
            seeds = [seed + i if isinstance(seed, (int, np.integer)) else seed for i in range(self.num_envs)]
        require(len(seeds) == self.num_envs, "len(seed)", len(seeds), f"{self.num_envs}, one for each environment")
        for row in rows.tolist():
            if (value := seeds[row]) is not None:
                self._rngs[row] = np_random(int(value) if isinstance(value, np.integer) else value)[0]

    def _rng(self, row: int) -> np.random.Generator:
        """Return the environment's generator; the system's entropy seeds it if the user did not."""
        rng = self._rngs[row]
        if rng is None:
            rng = self._rngs[row] = np_random()[0]
        return rng

    def _given_traces(self, given: Any, rows: NDArray[np.intp]) -> list[Trace] | None:
        """Check all given traces and return those of these rows; None if traces are to be drawn."""
        if given is None:
            return None
        require(isinstance(given, (Trace, list, tuple)), "options['trace']", given, "a Trace, or a list of them")
        traces = [given] * self.num_envs if isinstance(given, Trace) else list(given)
        count = len(traces)
        require(count == self.num_envs, "len(options['trace'])", count, f"{self.num_envs} or a single Trace")
        for trace in [given] if isinstance(given, Trace) else traces:
            require_trace(self.scenario, trace)
        return [traces[row] for row in rows.tolist()]


def _masked(values: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return copies in Gymnasium's layout of vector infos: zero where the mask is False, with the mask beside each."""
    info: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            info[key] = _masked(value, mask)
        else:
            info[key] = np.zeros_like(value)
            info[key][mask] = value[mask]
        info[f"_{key}"] = mask
    return info
