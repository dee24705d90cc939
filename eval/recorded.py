"""Recorded worlds on the command line: one in the place of a scenario's own, and what policies and theory do in it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import tyro
from rich.console import Console

from agents import Myopic, make_dispatcher
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_sequence, require_whole
from energy_route_env.theory import expected_auxiliary_energy
from energy_route_env.theory.slot import motion_of, require_theory
from energy_route_env.units import FloatArray, IntArray, unit_for
from energy_route_env.world.arrivals import RateArrivals, RecordedArrivals
from energy_route_env.world.harvest import RecordedHarvest
from energy_route_env.world.recorded import Part
from energy_route_env.world.tables import Repairs
from energy_route_env.world.traces import read_log, read_power, read_rates
from eval.control import controlled
from eval.rollout import draw_traces, simulate
from eval.statistics import Estimate
from eval.terminal import filled_table

BLOCK_DAYS = 10
"""Episodes that begin within the same so many days of a record are taken as one sample."""
Unit: TypeAlias = Literal["ns", "us", "ms", "s", "min", "h"]


FILES = ("arrival_log", "arrival_rates", "harvest_power")
NEEDED = {
    "arrival_time_column": FILES[:2],
    "arrival_rate_column": FILES[1:2],
    "arrival_unit": FILES[:2],
    "block_slots": FILES[:2],
    "harvest_time_column": FILES[2:],
    "harvest_power_columns": FILES[2:],
    "harvest_unit": FILES[2:],
}
"""Options of a recorded world, and the files of which they need one; others need any."""


@dataclass(frozen=True)
class WorldArgs:
    """What takes the place of a scenario's own world: docs/scenarios.md says which files are read, and how."""

    arrival_log: str | None = None
    """CSV or Parquet file with a row for each request. Only its shape is used: it is scaled to the scenario's rate."""
    arrival_rates: str | None = None
    """Table of rates: time and requests a second. Only its shape is used: it is scaled to the scenario's rate."""
    arrival_time_column: str = ""
    """Column of times of the log or the rates; by default the first, or the one that is said to be of times."""
    arrival_rate_column: str = ""
    """Column of the rates; by default the one after the times."""
    arrival_unit: Unit = "s"
    """Unit of the arrivals' times where they are numbers."""
    harvest_power: str | None = None
    """Series of power: time and W. Only its shape is used: it is scaled to the renewable ratio."""
    harvest_time_column: str = ""
    """Column of times of the power; by default the first, or the one that is said to be of times."""
    harvest_power_columns: tuple[str, ...] = ()
    """Columns of the power, each bringing the same mean; by default the one after the times."""
    harvest_unit: Unit = "s"
    """Unit of the power's times where they are numbers."""
    zone: str | None = None
    """Time zone or UTC offset of times without one, and of midnights."""
    block_slots: int | None = None
    """Join an episode's arrivals from windows of so many slots, so that theory knows their long-run variance, and a
    short record does not repeat."""
    part: Part = "all"
    """Windows of all of the record, or of what is for training or for testing."""

    def check(self) -> None:
        both = self.arrival_log is not None and self.arrival_rates is not None
        require(not both, "arrival_rates", self.arrival_rates, "left out where there is an arrival_log")
        for field in fields(self):
            files, value = NEEDED.get(field.name, FILES), getattr(self, field.name)
            has_file = value == field.default or any(getattr(self, file) is not None for file in files)
            require(has_file, field.name, value, f"left out where there is no {' or '.join(files)}")

    def apply(self, scenario: Scenario) -> Scenario:
        """Return the scenario with these sources, the arrivals scaled to its own rate."""
        arrivals, harvest, _ = _read(self, scenario.slot_seconds, scenario.arrival_rate)
        sources = {"arrival_source": arrivals, "harvest_source": harvest}
        return make_scenario(scenario, **{name: source for name, source in sources.items() if source is not None})

    def tell(self, console: Console, scenarios: Iterable[Scenario]) -> None:
        """Print what was read for these scenarios and how it was scaled, what several have in common once."""
        for line in dict.fromkeys(line for scenario in scenarios for line in self._report(scenario)):
            console.print(line, soft_wrap=True, markup=False)

    def _report(self, scenario: Scenario) -> Iterator[str]:
        arrivals, harvest, repairs = _read(self, scenario.slot_seconds, scenario.arrival_rate)
        yield from map(str, repairs)
        if arrivals is not None:
            factor = arrivals.mean / arrivals.record.mean
            yield f"{scenario.name}: arrivals scaled by {factor:.2g} to {arrivals.mean:g} tasks a slot."
            joined = f", or --block-slots (at most {len(arrivals.record.series)})"
            window = min(arrivals.record.block_slots or scenario.horizon_slots, scenario.horizon_slots)
            yield from _repeats(scenario, "arrivals", len(arrivals.record.series), window, joined)
        if harvest is not None:
            ratio, mean_j = scenario.renewable_ratio, scenario.renewable_ratio * scenario.mean_demand_j
            goal = f"renewable ratio {ratio:g} ({mean_j:.3g} J a slot)"
            yield f"{scenario.name}: harvest scaled by {mean_j / harvest.mean_j:.2g} to {goal}."
            if scenario.grid_source is not None:
                apart = "harvest and grid are two records, joined slot by slot from the first of each on"
                yield f"Warning: {scenario.name}: {apart}, whatever their dates."
            yield from _repeats(scenario, "harvest", len(harvest.series_j), scenario.horizon_slots)


def _repeats(scenario: Scenario, what: str, slots: int, window: int, joined: str = "") -> Iterator[str]:
    """Warn of a record that is shorter than the windows that episodes take from it."""
    if slots < window:
        again = f"the record of {slots} slots repeats to fill the {window} that an episode takes from it at once"
        yield f"Warning: {scenario.name}: {what}: {again}. Take a longer record, a shorter horizon_slots{joined}."


RecordedWorld: TypeAlias = Annotated[WorldArgs, tyro.conf.arg(name="")]
"""As a field of a command's arguments, its own options have no prefix."""


@lru_cache(maxsize=4)
def _read(
    world: WorldArgs, slot_seconds: float, mean: float
) -> tuple[RecordedArrivals | RateArrivals | None, RecordedHarvest | None, list[Repairs]]:
    """Read the files once for all scenarios of the same slots and rate."""
    arrivals: RecordedArrivals | RateArrivals | None = None
    harvest, repairs = None, []
    both: dict[str, Any] = {"zone": world.zone, "part": world.part}
    options = both | {"time_column": world.arrival_time_column, "unit": world.arrival_unit, "mean": mean}
    options |= {"block_slots": world.block_slots}
    if world.arrival_log is not None:
        arrivals, repaired = read_log(world.arrival_log, slot_seconds, **options)
        repairs.append(repaired)
    if world.arrival_rates is not None:
        rate = world.arrival_rate_column
        arrivals, repaired = read_rates(world.arrival_rates, slot_seconds, rate_column=rate, **options)
        repairs.append(repaired)
    if world.harvest_power is not None:
        options = both | {"time_column": world.harvest_time_column, "unit": world.harvest_unit}
        columns = world.harvest_power_columns
        harvest, repaired = read_power(world.harvest_power, slot_seconds, columns=columns, **options)
        repairs.append(repaired)
    return arrivals, harvest, repairs


@dataclass(frozen=True)
class TransferArgs:
    """Compare what policies gain over myopic in a scenario's own world and in a recorded one."""

    world: RecordedWorld
    """The recorded world."""
    scenario: str = "solar"
    """Name of the scenario."""
    dispatchers: tuple[str, ...] = ("learned", "surplus-deferral")
    """Who is compared."""
    episodes: int = 2000
    """Episodes in each world."""
    seed: int = 0
    """Seed of the traces."""

    def check(self) -> None:
        self.world.check()
        require(self.world != WorldArgs(), "recorded world", None, f"given by one or more of {', '.join(FILES)}")
        require_whole("episodes", self.episodes, 2)
        require_sequence("dispatchers", self.dispatchers, "one or more names")


def transfer(args: TransferArgs) -> None:
    """Run every dispatcher in both worlds and print its gain, 1 - D_T / myopic's, and what it keeps of it."""
    args.check()
    console = Console()
    own = make_scenario(args.scenario)
    recorded = args.world.apply(own)
    args.world.tell(console, [own])
    rows = []
    gains = [gains_over_myopic(scenario, args) for scenario in (own, recorded)]
    for name in args.dispatchers:
        before, after = (table[name] for table in gains)
        rows.append((name, _share(before), _share(after), kept(before, after)))
    console.print(filled_table(("dispatcher", "gain, own world", "gain, recorded", "kept"), rows))


def kept(before: Estimate, after: Estimate) -> str:
    """Say what is kept of a gain, with an interval as if both were independent; "-" where there was none."""
    if before.mean == 0:
        return "-"
    share = after.mean / before.mean
    half = np.hypot(after.half_width, share * before.half_width) / abs(before.mean)
    return f"{share:.1%} ± {half:.1%}"


def gains_over_myopic(scenario: Scenario, args: TransferArgs) -> dict[str, Estimate]:
    """Return 1 - mean D_T / myopic's mean D_T of each dispatcher, on common traces."""
    myopic = simulate(scenario, make_dispatcher("myopic", scenario), args.episodes, args.seed).cost[:, -1]
    traces = draw_traces(scenario, range(args.episodes), args.seed)
    blocks = np.array([(trace.start_slot or 0) // (BLOCK_DAYS * scenario.day_slots) for trace in traces])
    if all(trace.start_slot is None for trace in traces):  # no record of harvest: every episode is by itself
        blocks = np.arange(args.episodes)
    gains = {}
    for name in args.dispatchers:
        costs = simulate(scenario, make_dispatcher(name, scenario), args.episodes, args.seed).cost[:, -1]
        gains[name] = gain(costs, myopic, blocks)
    return gains


def gain(costs: FloatArray, reference: FloatArray, blocks: IntArray) -> Estimate:
    """Estimate 1 - E[costs] / E[reference] from pairs, of which those in a block depend on each other.

    The sums over blocks of the ratio's residuals are taken as independent (linearised, the error of a ratio).

    Args:
        costs: shape (n,).
        reference: of the same episodes, shape (n,).
        blocks: which block each belongs to, shape (n,).
    """
    ratio = costs.sum() / reference.sum()
    _, block = np.unique(blocks, return_inverse=True)
    sums = np.bincount(block, (ratio * reference - costs) / reference.mean()) / len(costs)
    spread = Estimate.of(sums * len(sums))
    return Estimate(float(1 - ratio), spread.standard_error, spread.half_width)


def _share(estimate: Estimate) -> str:
    return f"{estimate.mean:.1%} ± {estimate.half_width:.1%}"


@dataclass(frozen=True)
class BurstsArgs:
    """Compare E[D_T] on a recorded log, joined from blocks, with long-run theory and with that of Poisson arrivals."""

    arrival_log: str
    """CSV or Parquet file with a row for each request."""
    arrival_time_column: str = ""
    """Column of times; by default the first, or the one that is said to be of times."""
    arrival_unit: Unit = "s"
    """Unit of times that are numbers."""
    scenario: str = "paper"
    """Name of the scenario; its renewable ratio stays, its arrival rate is the log's."""
    block_slots: tuple[int, ...] = (10, 30, 60)
    """Slots of a block."""
    blocks: int = 100
    """Blocks of an episode."""
    episodes: int = 1000
    """Episodes for each."""
    seed: int = 0
    """Seed of the traces."""

    def check(self) -> None:
        for name in ("blocks", "episodes"):
            require_whole(name, getattr(self, name), 2)
        require_sequence("block_slots", self.block_slots, "one or more numbers of slots")


def bursts(args: BurstsArgs) -> None:
    """Simulate for each length of block, and print the mean with both predictions."""
    args.check()
    console, rows = Console(), []
    base = make_scenario(args.scenario)
    for length in args.block_slots:
        options: dict[str, Any] = {"time_column": args.arrival_time_column, "unit": args.arrival_unit}
        source, repairs = read_log(args.arrival_log, base.slot_seconds, block_slots=length, **options)
        fields = {"arrival_rate": source.mean, "horizon_slots": length * args.blocks}
        scenario = make_scenario(base, arrival_source=source, **fields)
        found = mean_cost(scenario, args.episodes, args.seed)
        long_run, poisson = predicted_j(scenario), predicted_j(replace(scenario, arrival_source=None))
        size, unit = unit_for([found.mean], scenario.unit)
        dispersion = (source.long_run_variance or 0.0) / source.mean
        cells = [f"{value / size:.2f} ({value / found.mean - 1:+.1%})" for value in (long_run, poisson)]
        shown = f"{found.mean / size:.2f} ± {found.half_width / size:.2f} {unit}"
        rows.append((str(length), f"{dispersion:.2f}", str(scenario.horizon_slots), shown, *cells))
    console.print(str(repairs), soft_wrap=True, markup=False)
    heads = ("block", "dispersion", "T", "simulated", "long-run", "Poisson")
    console.print(filled_table(heads, rows))


def mean_cost(scenario: Scenario, episodes: int, seed: int) -> Estimate:
    """Estimate E[D_T] of the myopic dispatcher, with demand minus harvest, whose mean is known, as control.

    Episodes are independent given the record, since their blocks are drawn anew.
    """
    result = simulate(scenario, Myopic(scenario), episodes, seed)
    excess_j = result.balance["consumed_j"] - result.balance["harvested_j"]
    return controlled(result.cost[:, -1], excess_j[:, None], np.array([scenario.drift_j * scenario.horizon_slots]))


def predicted_j(scenario: Scenario) -> float:
    """Return the Brownian E[D_T] of the myopic dispatcher."""
    require_theory(scenario, exact=False)
    return float(expected_auxiliary_energy(*motion_of(scenario, *scenario.myopic_moments), scenario.horizon_slots))
