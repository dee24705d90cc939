"""One episode slot by slot: sun, battery, backlog and grid under several dispatchers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from agents import Dispatcher, make_dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace, make_scenario
from energy_route_env.checks import require_whole
from eval.figures import day_figure, save_figure
from eval.records import ResultArgs, run_record
from eval.rollout import draw_traces


@dataclass(frozen=True)
class DayArgs(ResultArgs):
    """Run dispatchers through one trace and show every slot: a table and a picture."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float = 1.0
    """Renewable ratio."""
    dispatchers: tuple[str, ...] = ("myopic", "surplus-deferral", "learned")
    """Names of the dispatchers."""
    episode: int = 0
    """Number of the episode among those of the seed."""

    def check(self) -> None:
        """Check the counts."""
        super().check()
        require_whole("episode", self.episode, 0)


def main(args: DayArgs) -> None:
    """Run, save the table and the picture, and say where they are."""
    args.check()
    console = Console()
    scenario = make_scenario(args.scenario, renewable_ratio=args.ratio)
    dispatchers = {name: make_dispatcher(name, scenario) for name in args.dispatchers}
    folder = args.folder("day")
    trace = draw_traces(scenario, [args.episode], args.seed)[0]
    tables = []
    for name, dispatcher in track(dispatchers.items(), "running", console=console):
        dispatcher.reset(args.seed)
        tables.append(slot_by_slot(scenario, dispatcher, trace).assign(dispatcher=name))
    slots = pd.concat(tables, ignore_index=True)
    save_figure(day_figure(slots, scenario.capacity_j), folder.partial / "day")
    folder.finish({"slots": slots}, run_record(asdict(args)))
    for dispatcher_name, table in slots.groupby("dispatcher", sort=False):
        grid_j, consumed_j = table["auxiliary_j"].sum(), table["consumed_j"].sum()
        console.print(f"{dispatcher_name}: {grid_j:.4g} J from the grid of {consumed_j:.4g} J")
    console.print(folder.contents(), soft_wrap=True)


def slot_by_slot(scenario: Scenario, dispatcher: Dispatcher, trace: Trace) -> pd.DataFrame:
    """One row for each slot.

    Columns: hours since the start, joules harvested, consumed and taken from the grid, and the battery and the backlog
    after the slot's last decision. A backlog that remains at the end runs in the last slot.
    """
    env = EnergyRouteEnv(scenario)
    env.reset(options={"trace": trace})
    steps, ended = [], False
    while not ended:
        action = int(dispatcher.act(env.decision(dispatcher.privileged))[0])
        *_, terminated, truncated, info = env.step(action)
        ended = terminated or truncated
        after = env.decision()
        names = ("slot", "energy_j", "auxiliary_j", "battery_j")
        steps.append({name: info[name] for name in names} | {"backlog": int(after.backlog[0] + after.due[0])})
    grouped = pd.DataFrame(steps).groupby("slot")
    every_slot = pd.RangeIndex(scenario.horizon_slots, name="slot")
    sums = grouped[["energy_j", "auxiliary_j"]].sum().reindex(every_slot, fill_value=0.0)
    last = grouped[["battery_j", "backlog"]].last().reindex(every_slot).ffill().fillna(0.0)
    return pd.DataFrame(
        {
            "hour": np.arange(scenario.horizon_slots) * scenario.slot_seconds / 3600,
            "harvest_j": trace.harvest_j,
            "consumed_j": sums["energy_j"],
            "auxiliary_j": sums["auxiliary_j"],
            "battery_j": last["battery_j"],
            "backlog": last["backlog"],
        }
    )
