"""Which model each dispatcher chooses, over battery and observed difficulty."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from rich.console import Console

from agents import make_dispatcher
from energy_route_env import Decision, Scenario, Trace
from energy_route_env.checks import require, require_whole
from energy_route_env.core.batch import Batch
from energy_route_env.units import FloatArray
from eval.figures import decision_figure, save_figure
from eval.records import ResultArgs, run_record
from eval.runs import scenario_at


@dataclass(frozen=True)
class DecisionMapArgs(ResultArgs):
    """Save a table and a picture of the model that dispatchers choose over battery and observed difficulty."""

    scenario: str = "volatile"
    """Name of the scenario."""
    ratio: float | None = None
    """Renewable ratio; by default the scenario's own."""
    dispatchers: tuple[str, ...] = ("optimal", "variance-aware", "myopic")
    """Names of dispatchers (`benchmark --help` lists them), or paths of policies (.safetensors)."""
    slots_left: int | None = None
    """Slots left, the present one included; by default half of the horizon."""


def main(args: DecisionMapArgs) -> None:
    """Ask, save the table and the picture, and print where they are."""
    args.check()
    scenario = scenario_at(args.scenario, args.ratio)
    maps = decision_maps(scenario, args.dispatchers, args.slots_left)
    folder = args.folder("decision-map")
    save_figure(decision_figure(maps), folder.partial / "decision_map")
    folder.finish({"decision_map": maps}, run_record(asdict(args)))
    Console().print(folder.contents(), soft_wrap=True)


def decision_maps(scenario: Scenario, names: tuple[str, ...], slots_left: int | None = None) -> pd.DataFrame:
    """Ask dispatchers for the model of a task that is alone, with a mean harvest unused.

    Args:
        scenario: where; batteries go up to three times sigma sqrt(T), difficulties from its hardest to its easiest.
        names: the dispatchers' names.
        slots_left: slots left, the present one included; by default half of the horizon.

    Returns:
        Columns dispatcher, battery_j, difficulty, model.

    Raises:
        InputError: if `slots_left` is beyond the horizon, or a dispatcher does not fit.
    """
    horizon = scenario.horizon_slots
    left = -(-horizon // 2) if slots_left is None else slots_left
    require_whole("slots_left", left, 1)
    require(left <= horizon, "slots_left", left, f"at most the horizon, {horizon}")
    reach_j = min(3 * scenario.volatility_j * horizon**0.5, scenario.capacity_j)
    batteries = np.linspace(0, reach_j, 121)
    difficulties = np.linspace(min(scenario.difficulties), max(scenario.difficulties), 46)
    battery, difficulty = (axis.ravel() for axis in np.meshgrid(batteries, difficulties))
    decision = decision_at(scenario, battery, difficulty, horizon - left)
    columns = {"battery_j": battery, "difficulty": difficulty}
    chosen = {name: make_dispatcher(name, scenario).act(decision) for name in names}
    maps = [pd.DataFrame({"dispatcher": name} | columns | {"model": model}) for name, model in chosen.items()]
    return pd.concat(maps, ignore_index=True)


def decision_at(scenario: Scenario, battery_j: FloatArray, observed: FloatArray, slot: int) -> Decision:
    """Return decisions on a task that is alone and due, with a mean harvest unused; arrays of shape (n,)."""
    harvest_j = scenario.harvest.mean_j * np.eye(1, scenario.horizon_slots, slot)[0]
    batch = Batch(scenario, len(observed))
    batch.load([Trace.of(harvest_j, [slot], [level]) for level in observed], np.arange(len(observed)))
    batch.states.battery_j[:] = battery_j
    return batch.decision()
