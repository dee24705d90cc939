"""The tables behind the figures, and the command that computes and plots them. `eval.figures` sees only tables."""

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from rich.console import Console
from scipy import optimize

from agents import FixedModel, make_dispatcher, slot_distribution
from agents.analytic import BatteryBlind
from agents.policies import shipped_policies
from energy_route_env import Scenario, make_scenario
from energy_route_env.checks import require, require_whole
from energy_route_env.theory import (
    SlotDistribution,
    auxiliary_energy_std,
    exact_expected_auxiliary_energy,
    expected_auxiliary_energy,
    transition_horizon,
)
from energy_route_env.units import FloatArray, IntArray
from eval.day import slot_by_slot
from eval.decision_map import decision_maps
from eval.figures import save_figure
from eval.pictures import PICTURES
from eval.records import ResultArgs, read_csv, run_record
from eval.regime_fit import FIRST_SLOT, draw_curves, fit_regime
from eval.rollout import draw_traces, simulate
from eval.router import router_tables
from eval.runs import REFERENCE, dispatcher_names, make_run
from eval.statistics import Estimate
from eval.stopping import stopping_tables
from eval.summary import summarise
from eval.terminal import progress_bar
from eval.workers import workers

Tables = dict[str, pd.DataFrame]

RATIOS = (0.8, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.2)
"""Renewable ratios of the universal curve."""
ERROR_RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Error rates of the growth curves."""
PAIRED_RATES = (0.01, 0.05, 0.2)
"""Error rates whose extra cost is measured on common traces."""
VOLATILITY_GAPS_J = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""By how much the model of lower mean has the higher volatility, in joules per square root of a slot."""
DRIFT_GAPS_J = (1.0, 3.0, 10.0, 30.0, 60.0)
"""By how much its mean is lower, in joules per slot."""
COMPARED = ("oracle", "scaling-law", "variance-aware", "greedy-deferral", "surplus-deferral", "learned")
"""Dispatchers to compare with the myopic one if no benchmark's summary is given."""


FEW_EPISODES = 100
"""With fewer, the tables are computed before other processes have started."""


@dataclass(frozen=True)
class FiguresArgs(ResultArgs):
    """Compute the tables behind the figures, save them, and plot the figures from them."""

    tables: Path | None = None
    """A folder of saved tables to plot from without simulating; by default they are computed."""
    summary: Path | None = None
    """summary.csv of a benchmark, for the comparison of dispatchers; by default a smaller one is run."""
    episodes: int = 400
    """Episodes of every simulated point."""
    trials: int = 100
    """Trials of every growth curve."""
    horizon: int = 100_000
    """Slots of a growth curve."""

    def check(self) -> None:
        super().check()
        for name, least in (("episodes", 2), ("trials", 2), ("horizon", 100)):
            require_whole(name, getattr(self, name), least)
        require(self.tables is None or self.tables.is_dir(), "tables", str(self.tables), "a folder of saved tables")
        require(self.summary is None or self.summary.is_file(), "summary", str(self.summary), "a summary.csv")


def main(args: FiguresArgs) -> Path:
    """Compute or read the tables, plot what they allow, print where the results are, and return the folder."""
    args.check()
    console = Console()
    tables = {} if args.tables is None else read_tables(args.tables)
    folder = args.folder("figures")
    builders = BUILDERS if args.tables is None else {}
    with progress_bar(console) as progress, workers(1 if args.episodes < FEW_EPISODES else None) as submit:
        bar = progress.add_task("starting", total=len(builders) + len(PICTURES))
        built = {name: submit(_build, name, args) for name in builders}
        for name, get in built.items():
            progress.update(bar, description=f"table: {name}")
            tables |= get()
            progress.advance(bar)
        for name, picture in PICTURES.items():
            progress.update(bar, description=f"figure: {name}")
            if set(picture.tables) <= tables.keys():
                save_figure(picture.plot(*[tables[table] for table in picture.tables]), folder.partial / name)
            progress.advance(bar)
    folder.finish(tables, run_record(asdict(args)))
    console.print(folder.contents(), soft_wrap=True)
    return folder.path


def _build(name: str, args: FiguresArgs) -> Tables:
    return BUILDERS[name](args)


def read_tables(folder: Path) -> Tables:
    """Read the tables of a folder by name, with every number as it was saved.

    Raises:
        InputError: if the folder holds no table that a figure needs.
    """
    wanted = dict.fromkeys(table for picture in PICTURES.values() for table in picture.tables)
    files = {name: [*folder.glob(f"{name}.csv"), *folder.glob(f"{name}.csv.gz")] for name in wanted}
    tables = {name: read_csv(found[0], "tables") for name, found in files.items() if found}
    require(bool(tables), "tables", str(folder), f"a folder with any of {', '.join(wanted)} (.csv)")
    return tables


def _distribution(ratio: float = 1.0, dispatcher: str = "oracle") -> SlotDistribution:
    """Return the slot distribution in `paper`."""
    blind = make_dispatcher(dispatcher, make_scenario("paper", renewable_ratio=ratio))
    assert isinstance(blind, BatteryBlind)
    return slot_distribution(blind)


def _up_to(horizon: int, lowest: int, count: int) -> IntArray:
    """Return whole numbers of slots up to the horizon, about evenly spaced in the logarithm."""
    return np.unique(np.geomspace(lowest, horizon, count).round().astype(np.int64))


def universal_tables(args: FiguresArgs) -> Tables:
    """Simulate mean and spread of D_T in `paper` over ratios and horizons, beside Brownian theory's single curve."""
    drift, horizons, points = np.linspace(-6, 6, 241), (100, 300, 1000), []
    mean = expected_auxiliary_energy(drift, 1.0, 1.0)
    theory = {"scaled_drift": drift, "mean": mean, "spread": auxiliary_energy_std(drift, 1.0, 1.0) / mean}
    for ratio in RATIOS:
        scenario, slot = make_scenario("paper", renewable_ratio=ratio), _distribution(ratio)
        exact = exact_expected_auxiliary_energy(slot, horizons)
        result = simulate(scenario, make_dispatcher("oracle", scenario), args.episodes, args.seed, horizons)
        for horizon, auxiliary_j, exact_j in zip(horizons, result.auxiliary_j.T, exact, strict=True):
            estimate, (spread, spread_error) = Estimate.of(auxiliary_j), relative_spread(auxiliary_j)
            scale = slot.volatility * np.sqrt(horizon)
            point = {
                "ratio": ratio,
                "horizon_slots": horizon,
                "episodes": args.episodes,
                "mean_j": estimate.mean,
                "standard_error_j": estimate.standard_error,
                "exact_j": exact_j,
                "spread": spread,
                "spread_standard_error": spread_error,
                "scale_j": scale,
                "scaled_drift": slot.drift * horizon / scale,
            }
            points.append(point)
    return {"universal": pd.DataFrame(points), "universal_theory": pd.DataFrame(theory)}


def relative_spread(samples: ArrayLike) -> tuple[float, float]:
    """Return standard deviation over mean of independent positive samples, and its standard error (delta method)."""
    values = np.asarray(samples, float)
    mean, std = values.mean(), values.std(ddof=1)
    influence = ((values - mean) ** 2 - std**2) / (2 * std * mean) - std * (values - mean) / mean**2
    return float(std / mean), float(influence.std(ddof=1) / np.sqrt(len(values)))


def cost_tables(_: FiguresArgs) -> Tables:
    """Compute joules and seconds of a task against its difficulty on both models, and where the models cross."""
    models = make_scenario("paper").models
    difficulty = np.linspace(1.7, 1.9, 101)
    measures = {"energy_j": models.energy_j, "latency_s": models.latency_s}
    costs = {"difficulty": np.tile(difficulty, len(models)), "n_params": np.repeat(models.n_params, len(difficulty))}
    crossings = []
    for name, measure in measures.items():
        costs[name] = measure(difficulty).T.ravel()
        at = _root(measure, 1.7, 1.9)
        crossings.append({"measure": name, "difficulty": at, "value": float(measure(at)[0])})
    return {"costs": pd.DataFrame(costs), "crossings": pd.DataFrame(crossings)}


def _root(both: Callable[[float], FloatArray], low: float, high: float, gap: float = 0.0) -> float:
    """Find the difficulty at which the second model's value is the first one's plus `gap`."""
    return float(optimize.brentq(lambda level: float(np.diff(both(level))[0]) - gap, low, high, xtol=1e-12))


def growth_tables(args: FiguresArgs) -> Tables:
    """Draw E[D_t] at ratio 1 for every error rate beside theory, and find the slot at which each curve turns linear."""
    slots = _up_to(args.horizon, 1, 41)
    fitted = np.flatnonzero(slots >= FIRST_SLOT)[::-2][::-1]  # every other one, the last among them
    curves, regimes = [], []
    for number, rate in enumerate(ERROR_RATES):
        slot = _distribution(dispatcher=f"error-{rate}")
        drawn = draw_curves(slot, slots, args.trials, np.random.default_rng([args.seed, number]))
        curve = {
            "slots": slots,
            "mean_j": drawn.mean(axis=0),
            "standard_error_j": drawn.std(axis=0, ddof=1) / np.sqrt(args.trials),
            "exact_j": exact_expected_auxiliary_energy(slot, slots),
            "brownian_j": expected_auxiliary_energy(slot.drift, slot.volatility, slots),
            "error_rate": rate,
            "trials": args.trials,
        }
        curves.append(pd.DataFrame(curve))
        fit = fit_regime(slots[fitted], drawn[:, fitted])
        regime = {
            "error_rate": rate,
            "predicted_slots": float(transition_horizon(slot.drift, slot.volatility)) if rate else math.inf,
            "detected_regime": fit.name,
            "detected_slots": fit.transition_slots,
            "slope": fit.slope,
            "slope_half_width": fit.slope_half_width,
        }
        regimes.append(regime)
    return {"growth": pd.concat(curves, ignore_index=True), "regimes": pd.DataFrame(regimes)}


def error_cost_tables(args: FiguresArgs) -> Tables:
    """Compute what routing errors add to E[D_T] at ratio 1, and measure it on the same traces for all rates."""
    horizon = min(3000, args.horizon)
    slots, read = _up_to(args.horizon, 10, 41), _up_to(horizon, 30, 8)
    scenario, common = make_scenario("paper", horizon_slots=horizon), (args.episodes, args.seed, read.tolist())
    base = exact_expected_auxiliary_energy(_distribution(), slots)
    flawless = simulate(scenario, make_dispatcher("oracle", scenario), *common).auxiliary_j
    exact, measured = [], []
    for rate in PAIRED_RATES:
        name = f"error-{rate}"
        distribution = _distribution(dispatcher=name)
        place = {"error_rate": rate, "drift_j": distribution.drift}
        extra = exact_expected_auxiliary_energy(distribution, slots) - base
        exact.append(pd.DataFrame(place | {"slots": slots, "extra_j": extra}))
        added = simulate(scenario, make_dispatcher(name, scenario), *common).auxiliary_j - flawless
        for slot, estimate in zip(read, map(Estimate.of, added.T), strict=True):
            point = {"extra_j": estimate.mean, "standard_error_j": estimate.standard_error}
            measured.append(place | {"slots": slot, "episodes": args.episodes} | point)
    return {"error_cost": pd.concat(exact, ignore_index=True), "error_cost_measured": pd.DataFrame(measured)}


def variance_tables(args: FiguresArgs) -> Tables:
    """Measure what variance-awareness saves if the model of lower mean has the higher volatility."""
    rows = []
    for gaps in itertools.product(VOLATILITY_GAPS_J, DRIFT_GAPS_J):
        scenario = two_models(*gaps)
        small, large = _distributions(scenario)
        myopic, aware = (
            simulate(scenario, make_dispatcher(name, scenario), args.episodes, args.seed).auxiliary_j[:, -1]
            for name in ("myopic", "variance-aware")
        )
        difference = Estimate.of(aware - myopic)
        row = {
            "difficulty_noise": scenario.difficulty_noise,
            "difficulty": scenario.difficulties[0],
            "drift_gap_j": large.drift - small.drift,
            "volatility_gap_j": small.volatility - large.volatility,
            "episodes": args.episodes,
            "myopic_j": myopic.mean(),
            "difference_j": difference.mean,
            "difference_j_half_width": difference.half_width,
        }
        rows.append(row)
    return {"variance_gain": pd.DataFrame(rows)}


def two_models(volatility_gap_j: float, drift_gap_j: float) -> Scenario:
    """Make critical `paper` with one uncertain difficulty at which its two models differ by these gaps.

    The small model's energy rises faster with difficulty, so noise makes it the more variable one: noise is solved for
    the volatility gap, difficulty for the drift gap. One task a slot is expected, so drifts differ as means do.
    """
    models = make_scenario("paper").models

    def scenario(noise: float) -> Scenario:
        level = _root(lambda level: models.expected_energy_j(level, noise), 1.6, 2.6, drift_gap_j)
        return make_scenario("paper", difficulties=(level,), difficulty_noise=noise, horizon_slots=100)

    def off(noise: float) -> float:
        small, large = _distributions(scenario(noise))
        return small.volatility - large.volatility - volatility_gap_j

    return scenario(float(optimize.brentq(off, 0.01, 0.25, xtol=1e-9)))


def _distributions(scenario: Scenario) -> list[SlotDistribution]:
    """Return the slot distribution of each model alone."""
    return [slot_distribution(FixedModel(scenario, model)) for model in range(len(scenario.models))]


def dispatcher_tables(args: FiguresArgs) -> Tables:
    """Read the summary of the given benchmark, or run a smaller one at ratio 1."""
    if args.summary is not None:
        return {"summary": read_csv(args.summary, "summary")}
    settings = [make_scenario(name) for name in ("paper", "uncertain", "solar")]
    runs = []
    for scenario in settings:
        names = [name for name in dispatcher_names(scenario) if name in (REFERENCE, *COMPARED)]
        runs += [make_run(scenario, name) for name in names]
    tables = [run.episodes(args.episodes, args.seed) for run in runs]
    return {"summary": summarise(pd.concat(tables, ignore_index=True), runs)}


def day_tables(args: FiguresArgs) -> Tables:
    """Run one episode of `solar` under three dispatchers; show it slot by slot."""
    scenario = make_scenario("solar")
    trace = draw_traces(scenario, [0], args.seed)[0]
    names = ("myopic", "surplus-deferral", "learned" if "solar" in shipped_policies() else "greedy-deferral")
    slots = [slot_by_slot(scenario, make_dispatcher(n, scenario), trace).assign(dispatcher=n) for n in names]
    return {"day": pd.concat(slots, ignore_index=True).assign(capacity_j=scenario.capacity_j)}


def decision_tables(_: FiguresArgs) -> Tables:
    """Ask dispatchers for a model in `uncertain` and `volatile`, halfway through an episode."""
    maps = {}
    for table, scenario in (("decision_map", "uncertain"), ("decision_map_volatile", "volatile")):
        learned = ("learned",) * (scenario in shipped_policies())
        maps[table] = decision_maps(make_scenario(scenario), ("optimal", "variance-aware", *learned, "myopic"))
    return maps


BUILDERS: dict[str, Callable[[FiguresArgs], Tables]] = {
    "universal curve": universal_tables,
    "cost of a task": cost_tables,
    "growth with errors": growth_tables,
    "cost of an error": error_cost_tables,
    "variance-awareness": variance_tables,
    "dispatchers": dispatcher_tables,
    "solar day": day_tables,
    "decision map": decision_tables,
    "cost of a router": lambda args: router_tables(args.episodes, args.seed),
    "when a model stops": lambda args: stopping_tables(args.episodes, args.seed),
}
"""The functions that compute the tables, in order."""
