"""One episode slot by slot: sun, battery, backlog and grid under several dispatchers."""

from dataclasses import asdict, dataclass

import pandas as pd
from rich.console import Console
from rich.progress import track

from agents import Dispatcher, make_dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace
from energy_route_env.checks import require_whole
from eval.figures import day_figure, save_figure
from eval.records import ResultArgs, run_record
from eval.rollout import draw_traces, play
from eval.runs import scenario_at


@dataclass(frozen=True)
class DayArgs(ResultArgs):
    """Run dispatchers through one trace. Save a table and a picture that show every slot."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float | None = None
    """Renewable ratio; by default the scenario's."""
    dispatchers: tuple[str, ...] = ("myopic", "surplus-deferral", "learned")
    """Names of dispatchers (`benchmark --help` lists them), or paths of policies (.safetensors)."""
    episode: int = 0
    """Number of the episode among those of the seed."""

    def check(self) -> None:
        super().check()
        require_whole("episode", self.episode, 0)


def main(args: DayArgs) -> None:
    """Run, save the table and the picture, and print where they are."""
    args.check()
    console = Console()
    scenario = scenario_at(args.scenario, args.ratio)
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
    """Return one row for each slot.

    Columns: hours since the start, joules harvested, consumed and taken from the grid, and the battery and the backlog
    after the slot's last decision. A backlog that remains at the end runs in the last slot. What running tasks draw in
    slots passed over is shown in that of the decision before.
    """
    env = EnergyRouteEnv(dispatcher.charged(scenario))
    steps = []
    for info in play(env, dispatcher, trace):
        after = env.decision()
        steps.append(info | {"backlog": int(after.backlog[0] + after.due[0])})
    by_slot = pd.DataFrame(steps).groupby("slot")
    slots = by_slot.agg(
        consumed_j=("energy_j", "sum"),
        auxiliary_j=("auxiliary_j", "sum"),
        battery_j=("battery_j", "last"),
        backlog=("backlog", "last"),
    ).reindex(range(scenario.horizon_slots))
    slots.insert(0, "hour", slots.index * scenario.slot_seconds / 3600)
    slots.insert(1, "harvest_j", trace.harvest_j)
    levels = ["battery_j", "backlog"]
    return slots.assign(**slots[levels].ffill()).fillna(0.0)
