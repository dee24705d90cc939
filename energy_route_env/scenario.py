"""A frozen `Scenario` states every number of an experiment."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from energy_route_env.checks import MOST, require, require_real, require_sequence, require_whole
from energy_route_env.core.attempts import MOST_MODELS
from energy_route_env.core.state import Battery
from energy_route_env.pool.base import Pool
from energy_route_env.pool.costs import TaskCosts
from energy_route_env.pool.noise_grid import STEEPEST, require_noise
from energy_route_env.pool.scaling_laws import ModelPool
from energy_route_env.theory.slot import myopic_moments, volatility
from energy_route_env.units import DAY_S, FloatArray, IntArray
from energy_route_env.world.arrivals import (
    ArrivalSource,
    PoissonArrivals,
    draw_deadlines,
    draw_difficulties,
    draw_noise,
)
from energy_route_env.world.grid import GridSource
from energy_route_env.world.harvest import GammaHarvest, HarvestFile, HarvestSource, RecordedHarvest, ScaledHarvest
from energy_route_env.world.recorded import window
from energy_route_env.world.trace import MOST_J, Trace

PAPER_DIFFICULTIES = tuple(np.linspace(1.7, 1.9, 10).tolist())
PAPER_POOL = ModelPool()
MOST_OVERHEAD_J = 1e150
"""Its square is still finite."""
MOST_RUN_SLOTS = 1e15
"""Slots that a task may run in; what takes longer is counted so. Floating point still counts them one by one."""
Failures = Literal["ignored", "retried"]
Execution = Literal["at_once", "over_latency"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that defines an experiment. The defaults are the paper's Appendix B."""

    name: str = "custom"
    """What it is called."""
    summary: str = ""
    """What it is, in a line."""
    models: Pool = PAPER_POOL
    """The pool; parameter counts in place of one make a `ModelPool`."""
    difficulties: tuple[float, ...] = PAPER_DIFFICULTIES
    """Equally likely observed difficulties, in units of pretraining loss; smaller is harder."""
    difficulty_noise: float = 0.0
    """s: true difficulty = observed + Normal(0, s^2); at most 1.5 / skill_slope, 0.3 for the published laws."""
    arrival_rate: float = 1.0
    """lambda: mean tasks per slot, Poisson."""
    queries_per_task: float = 1.0
    """Like queries that make up one task, the luck among what they share; its energy is so many times one query's."""
    overhead_j: float = 0.0
    """c: what every decision takes beside the task's own energy, a deferral too; the harvest is not scaled to it."""
    failures: Failures = "ignored"
    """Whether a task that a model fails on is done ("ignored", the paper) or stays at hand until it is solved or every
    model has failed on it ("retried")."""
    deadline_slots: int = 0
    """Slots that a deferrable task may wait; 0 where no task can wait."""
    deferrable_share: float = 1.0
    """Share of the tasks that is deferrable, where `deadline_slots` is above 0."""
    renewable_ratio: float = 1.0
    """Mean harvest / mean demand of the myopic dispatcher, its retries included; 1 is critical."""
    harvest_cv: float | None = 0.5
    """Coefficient of variation of a Gamma harvest; None where one of the next two gives the harvest."""
    weather_file: str | None = None
    """Weather year for the photovoltaic harvest, a path or the name of a file that ships with pvlib."""
    harvest_source: HarvestSource | None = None
    """Any other source of harvest; it is scaled to the renewable ratio."""
    grid_source: GridSource | None = None
    """What a joule from the grid counts in each slot, carbon say; None where each counts 1, as a joule."""
    arrival_source: ArrivalSource | None = None
    """Any source of arrivals in place of Poisson ones; `arrival_rate` must be its mean."""
    capacity_j: float = math.inf
    """What the battery can hold."""
    charge_efficiency: float = 1.0
    """eta_c, applied to what is stored."""
    discharge_efficiency: float = 1.0
    """eta_d, applied to what is drawn."""
    initial_battery_j: float = 0.0
    """What the battery holds at the start."""
    slot_seconds: float = 1.0
    """Delta, the length of a slot."""
    horizon_slots: int = 1000
    """T, slots in an episode."""
    execution: Execution = "at_once"
    """When a task draws its energy: all of it at its dispatch, or evenly over the slots of one query's latency."""
    continuing: bool = False
    """Hide the time left and report the horizon as `truncated` instead of `terminated`."""

    def __post_init__(self) -> None:
        if not isinstance(self.models, Pool):
            object.__setattr__(self, "models", ModelPool(self.models))
        levels = require_sequence("difficulties", self.difficulties, "one or more numbers")
        for level in levels:
            require_real("difficulties (one of them)", level)
        object.__setattr__(self, "difficulties", levels)
        for name in ("name", "summary"):
            require(isinstance(getattr(self, name), str), name, getattr(self, name), "a string")
        for name in ("arrival_rate", "renewable_ratio"):
            require_real(name, getattr(self, name), 0.0)
        require_real("difficulty_noise", self.difficulty_noise, 0.0)
        rare = ": beyond, rare hard tasks dominate the variance and it cannot be integrated"
        require_noise(self.difficulty_noise, self.models.skill_slope, STEEPEST, rare)
        require_real("overhead_j", self.overhead_j, 0.0, MOST_OVERHEAD_J)
        for name in ("queries_per_task", "slot_seconds"):
            require_real(name, getattr(self, name), 0.0, above=True)
        require_real("deferrable_share", self.deferrable_share, 0.0, 1.0)
        for name, low in (("deadline_slots", 0), ("horizon_slots", 1)):
            require_whole(name, getattr(self, name), low)
            object.__setattr__(self, name, int(getattr(self, name)))
        require(isinstance(self.continuing, (bool, np.bool_)), "continuing", self.continuing, "True or False")
        for name, known in (("execution", get_args(Execution)), ("failures", get_args(Failures))):
            value = getattr(self, name)
            require(isinstance(value, str) and value in known, name, value, f"one of {known}")
        alone = "'at_once' where failures are retried: a failure is known only once the model has run"
        require(not (self.retries and self.over_latency), "execution", self.execution, alone)
        entries = len(self.models)
        few = f"at most {MOST_MODELS} where failures are retried"
        require(not self.retries or entries <= MOST_MODELS, "len(models)", entries, few)
        self._check_sources()
        self._check_battery()
        self._check_size()

    def _check_battery(self) -> None:
        if not (isinstance(self.capacity_j, float) and self.capacity_j == math.inf):
            require_real("capacity_j", self.capacity_j, 0.0)
        for name in ("charge_efficiency", "discharge_efficiency"):
            require_real(name, getattr(self, name), 0.0, 1.0, above=True)
        require_real("initial_battery_j", self.initial_battery_j, 0.0, MOST_J)
        fits = self.initial_battery_j <= self.capacity_j
        require(fits, "initial_battery_j", self.initial_battery_j, f"at most the capacity, {self.capacity_j}")

    def _check_size(self) -> None:
        """Refuse numbers too large to compute with."""
        tasks = self.arrival_rate * self.horizon_slots
        require(tasks <= MOST, "arrival_rate * horizon_slots", tasks, f"at most {MOST} tasks in an episode")
        with np.errstate(all="ignore"):
            energies = np.append(self.expected_energy_j(self.difficulties), self.myopic_moments)
            variance = np.square(self.mean_demand_j * self.renewable_ratio * np.float64(self.harvest_cv or 1.0))
        parts = "models, difficulties, difficulty_noise and queries_per_task"
        finite = bool(np.isfinite(energies).all() and (energies > 0).all())
        require(finite, "expected energy of a task", float(energies.max()), f"finite and above 0: mind {parts}")
        parts = "renewable_ratio and harvest_cv"
        require(bool(np.isfinite(variance)), "variance of the harvest", float(variance), f"finite: mind {parts}")
        if self.over_latency:
            latency = float(self.latency_s(self.difficulties).max())
            require(math.isfinite(latency), "latency of a query", latency, "finite: mind models and difficulties")

    def _check_sources(self) -> None:
        weather = self.weather_file
        path = weather is None or (isinstance(weather, (str, PathLike)) and bool(str(weather)))
        require(path, "weather_file", weather, "a path, or the name of a file that ships with pvlib")
        kinds = {"harvest_source": HarvestSource, "arrival_source": ArrivalSource, "grid_source": GridSource}
        for name, kind in kinds.items():
            source = getattr(self, name)
            require(
                source is None or isinstance(source, kind),
                name,
                source,
                f"None, or what has all that {kind.__name__} has",
            )
        others = {"weather_file": weather, "harvest_source": self.harvest_source}
        given = [name for name, value in others.items() if value is not None]
        gamma = f"None where weather_file or harvest_source is given, and a number where neither is (given: {given})"
        require(len(given) == (self.harvest_cv is None), "harvest_cv", self.harvest_cv, gamma)
        if self.harvest_cv is not None:
            require_real("harvest_cv", self.harvest_cv, 0.0)
        if weather is not None:
            whole = (DAY_S / self.slot_seconds).is_integer()
            require(whole, "slot_seconds", self.slot_seconds, "a divisor of the day (86400 s) where weather is used")
        if self.harvest_source is not None:
            require_real("harvest_source.mean_j", self.harvest_source.mean_j, 0.0, above=True)
        if self.grid_source is not None:
            whole = (3600 / self.slot_seconds).is_integer()
            require(whole, "slot_seconds", self.slot_seconds, "a divisor of the hour (3600 s) with a grid_source")
            require_real("grid_source.mean", self.grid_source.mean, 0.0, above=True)
        if isinstance(self.harvest_source, (RecordedHarvest, HarvestFile)):
            slot_s = DAY_S / self.harvest_source.slots_per_day
            require(self.slot_seconds == slot_s, "slot_seconds", self.slot_seconds, f"{slot_s:g}, the harvest record's")
        if self.arrival_source is not None:
            mean, rate = self.arrival_source.mean, self.arrival_rate
            require(rate == mean, "arrival_rate", rate, f"{mean}, the mean of arrival_source")

    @property
    def battery(self) -> Battery:
        return Battery(self.capacity_j, self.charge_efficiency, self.discharge_efficiency, self.initial_battery_j)

    @cached_property
    def middle_difficulty(self) -> float:
        """Halfway between the hardest and the easiest difficulty."""
        return (min(self.difficulties) + max(self.difficulties)) / 2

    @property
    def can_wait(self) -> bool:
        """Whether there are deferrable tasks, and so an action to defer."""
        return self.deadline_slots > 0 and self.deferrable_share > 0

    @property
    def over_latency(self) -> bool:
        """Whether a task draws its energy evenly over the slots that it runs in."""
        return self.execution == "over_latency"

    @property
    def retries(self) -> bool:
        """Whether a task that a model fails on stays at hand."""
        return self.failures == "retried"

    @property
    def n_actions(self) -> int:
        """One action per model, plus defer where tasks can wait."""
        return len(self.models) + self.can_wait

    @property
    def unit(self) -> str:
        """The unit of rewards and of D_T: J, or what the grid source counts in."""
        return "J" if self.grid_source is None else self.grid_source.unit

    @property
    def mean_grid_weight(self) -> float:
        """What a joule from the grid counts on average, in `unit`."""
        return 1.0 if self.grid_source is None else float(self.grid_source.mean)

    @cached_property
    def day_slots(self) -> int:
        """Slots of a day, rounded."""
        return round(DAY_S / self.slot_seconds)

    @cached_property
    def costs(self) -> TaskCosts:
        return TaskCosts(self.models, self.difficulties, self.difficulty_noise, self.queries_per_task)

    @cached_property
    def energy_is_known(self) -> bool:
        """Whether what is seen of a task says what it takes: its difficulty has no noise, and its energy no luck."""
        ways = self.costs.possible_attempts(np.asarray(self.difficulties)).probability.shape[1]
        return self.difficulty_noise == 0 and ways == 1

    def energy_j(self, difficulty: ArrayLike) -> FloatArray:
        """Return a task's joules on every model, by true difficulty; shape `difficulty.shape + (n_models,)`.

        Where the energy is a matter of luck, its mean.
        """
        return self.costs.energy_j(difficulty)

    def expected_energy_j(self, observed: ArrayLike) -> FloatArray:
        """Return a task's mean joules on every model, by observed difficulty; shape `observed.shape + (n_models,)`."""
        return self.costs.expected_energy_j(observed)

    def success_chance(self, observed: ArrayLike) -> FloatArray:
        """Return the probability that each model solves a task, as expected from its observed difficulty.

        The shape is `observed.shape + (n_models,)`.
        """
        return self.costs.success_chance(observed)

    def latency_s(self, difficulty: ArrayLike) -> FloatArray:
        """Return one query's seconds on every model, by true difficulty; shape `difficulty.shape + (n_models,)`."""
        return self.costs.latency_s(difficulty)

    def run_slots(self, difficulty: ArrayLike) -> IntArray:
        """Return the slots that a task runs in on every model, at least 1; shape `difficulty.shape + (n_models,)`.

        A task's queries run side by side, so it takes as long as one of them.
        """
        slots = np.ceil(self.latency_s(difficulty) / self.slot_seconds)
        return np.clip(slots, 1, MOST_RUN_SLOTS).astype(np.int64)

    @cached_property
    def myopic_moments(self) -> tuple[float, float]:
        """E e and E e^2 of a task on its model of lowest expected energy, retries included, in J and J^2."""
        return myopic_moments(self)

    @property
    def mean_demand_j(self) -> float:
        """Mean demand of a slot under the myopic dispatcher, of tasks alone (where noise = 0: the paper's C_LB)."""
        return self.arrival_rate * self.myopic_moments[0]

    @cached_property
    def harvest(self) -> HarvestSource:
        """The source of harvest, scaled to the renewable ratio.

        Raises:
            InputError: if the weather file is missing or malformed.
            MissingExtra: if there is one and the extra `solar` is not installed.
        """
        mean_j = self.renewable_ratio * self.mean_demand_j
        source = self.harvest_source
        if isinstance(source, HarvestFile):
            source = source.record
        if isinstance(source, RecordedHarvest):
            return replace(source, series_j=source.series_j * (mean_j / source.mean_j))
        if source is not None:
            return ScaledHarvest(source, mean_j / source.mean_j)
        if self.weather_file is None:
            return GammaHarvest(mean_j, float(self.harvest_cv or 0.0))
        from energy_route_env.world.solar import photovoltaic_series

        series = photovoltaic_series(str(self.weather_file), self.slot_seconds)
        return RecordedHarvest(series * (mean_j / series.mean()), self.day_slots)

    @property
    def arrivals(self) -> ArrivalSource:
        return self.arrival_source or PoissonArrivals(self.arrival_rate)

    @property
    def drift_j(self) -> float:
        """Mean of a slot's demand minus harvest under the myopic dispatcher, without overhead: the model's nu."""
        return self.mean_demand_j - self.harvest.mean_j

    @property
    def volatility_j(self) -> float:
        """The model's sigma under the myopic dispatcher, its square the variance of demand minus harvest per slot.

        The variance is the long-run one of every source that declares one, else that of a single slot.
        """
        return volatility(self, *self.myopic_moments)

    def draw(self, rng: np.random.Generator) -> Trace:
        """Draw an episode."""
        start, past, harvest = self._draw_harvest(rng)
        slot = self.arrivals.draw(rng, self.horizon_slots)
        observed = draw_difficulties(rng, self._drawn_levels, len(slot))
        deadlines = draw_deadlines(rng, self.deferrable_share, self.deadline_slots, len(slot))
        difficulty = draw_noise(rng, observed, self.difficulty_noise)
        grid_past, grid = self._draw_grid(rng, start)
        energy_j, solved = self.costs.draw_attempts(rng, difficulty) or (None, None)
        if self.retries and solved is None:
            solved = self.costs.draw_solved(rng, difficulty)
        trace = Trace(harvest, slot, difficulty, observed, deadlines, grid, past, grid_past, start, energy_j, solved)
        if self._has_own_source:
            self.require_fits(trace)
        return trace

    def require_fits(self, trace: Trace) -> None:
        """Raise an InputError if the trace cannot be an episode of this scenario."""
        trace.check_fits(
            self.horizon_slots, self.can_wait, len(self.models), self.day_slots * (self.grid_source is not None)
        )

    @property
    def _has_own_source(self) -> bool:
        """Whether a source may err, since it may be anybody's."""
        return any(source is not None for source in (self.harvest_source, self.arrival_source, self.grid_source))

    def _draw_harvest(self, rng: np.random.Generator) -> tuple[int | None, FloatArray | None, FloatArray]:
        """Return where the episode begins in the record, the harvest of the day before, and the episode's."""
        if not isinstance(self.harvest, RecordedHarvest):
            return None, None, self.harvest.draw(rng, self.horizon_slots)
        day, start = self.harvest.slots_per_day, self.harvest.draw_start(rng, self.horizon_slots)
        series = window(self.harvest.series_j, start - day, day + self.horizon_slots)
        return start, series[:day], series[day:]

    def _draw_grid(self, rng: np.random.Generator, start: int | None) -> tuple[FloatArray | None, FloatArray | None]:
        """Return what a joule from the grid counts on the day before and in the episode; None where it counts 1."""
        if self.grid_source is None:
            return None, None
        day = self.day_slots
        series = self.grid_source.draw(rng, day + self.horizon_slots, None if start is None else start - day)
        return series[:day], series[day:]

    @cached_property
    def _drawn_levels(self) -> FloatArray:
        return np.asarray(self.difficulties)
