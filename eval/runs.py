"""What a benchmark runs: the dispatchers of each scenario, and the episodes of one run as a table."""

from typing import Any, NamedTuple

import pandas as pd

from agents import Dispatcher, make_dispatcher
from agents.receding import RecedingHorizon
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import InputError
from eval.rollout import simulate

ROUTING = ("oracle", "myopic", "scaling-law", "variance-aware", "optimal", "error-0.05", "fixed-0", "fixed-1", "random")
ORDERS = ("cascade", "calibrated", "best-order", "largest-first", "hindsight")
"""Those that fit where failures are retried; the third takes a measured pool."""
DEFERRAL = ("greedy-deferral", "surplus-deferral", "cheap-hours", "receding-climatology")
"""Those that fit where tasks can wait; the third is the first where there is no grid source."""
SLOW_EPISODES = 50
"""Episodes of a dispatcher that plans ahead, at most: it takes half a second for each."""
REFERENCE = "myopic"
"""The dispatcher that all others are compared with, episode by episode."""
PLACE = ("scenario", "ratio", "dispatcher")
"""The columns that say which run a row belongs to."""


class Run(NamedTuple):
    """One dispatcher in one scenario."""

    scenario: Scenario
    name: str
    """The dispatcher's name."""
    dispatcher: Dispatcher

    @property
    def place(self) -> tuple[str, float, str]:
        """The run's values of `PLACE`."""
        return self.scenario.name, float(self.scenario.renewable_ratio), self.name

    def episodes(self, count: int, seed: int) -> pd.DataFrame:
        """Simulate `count` episodes as `simulate` does; return one row for each, energies in joules.

        `cost` is D_T in the scenario's unit; where failures are retried, the tally is there too. Slow dispatchers run
        no more than `SLOW_EPISODES`.
        """
        count = min(count, SLOW_EPISODES) if isinstance(self.dispatcher, RecedingHorizon) else count
        result = simulate(self.scenario, self.dispatcher, count, seed)
        columns: dict[str, Any] = {"episode": range(count), "tasks": result.tasks, "latency_s": result.latency_s}
        columns |= {"cost": result.cost[:, -1]} | result.tally
        return pd.DataFrame(dict(zip(PLACE, self.place, strict=True)) | columns | result.balance)


def scenario_at(name: str, ratio: float | None) -> Scenario:
    """Return the scenario of this name at this renewable ratio; by default at its own."""
    return make_scenario(name) if ratio is None else make_scenario(name, renewable_ratio=ratio)


def make_run(scenario: Scenario, name: str) -> Run:
    """Return the run of the dispatcher of this name; an InputError says if it is unknown or does not fit."""
    try:
        return Run(scenario, name, make_dispatcher(name, scenario))
    except InputError as error:
        raise InputError(f"{name} in {scenario.name}: {error}") from error


def dispatcher_names(scenario: Scenario, wanted: tuple[str, ...] = ()) -> list[str]:
    """Name the dispatchers to run in a scenario, the reference first; by default all that fit it."""
    if wanted:
        return list(dict.fromkeys((REFERENCE, *wanted)))
    plain = ("cheap-hours",) * (scenario.grid_source is None)
    deferral = [name for name in DEFERRAL if name not in plain]
    names = (*ROUTING, *ORDERS * scenario.retries, *deferral * scenario.can_wait, "learned")
    return list(dict.fromkeys((REFERENCE, *(name for name in names if fits(name, scenario)))))


def has_optimum(scenario: Scenario) -> bool:
    """Return whether the dispatcher `optimal` fits a scenario."""
    return fits("optimal", scenario)


def fits(name: str, scenario: Scenario) -> bool:
    """Return whether the dispatcher of this name can decide in a scenario."""
    try:
        make_dispatcher(name, scenario)
    except InputError:
        return False
    return True
