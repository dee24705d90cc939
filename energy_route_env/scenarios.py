"""The named scenarios: each states only what differs from another, and where its numbers are from."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from energy_route_env.checks import require_known
from energy_route_env.pool.measured import MeasuredPool, Split
from energy_route_env.scenario import Scenario
from energy_route_env.world.arrivals import MarkovArrivals
from energy_route_env.world.grid import RecordedGrid
from energy_route_env.world.harvest import BetaGammaHarvest, HarvestFile

PAPER = Scenario(
    name="paper",
    summary="The paper's Appendix B: exact difficulty, Gamma harvest, unlimited battery. Critical at ratio 1.",
)

UNCERTAIN = replace(
    PAPER,
    name="uncertain",
    summary="The dispatcher sees an estimate of the difficulty (standard deviation 0.1).",
    difficulty_noise=0.1,
    horizon_slots=200,
)

VOLATILE = replace(
    PAPER,
    name="volatile",
    summary="Tasks of badly known difficulty: the small model is cheaper on average, but far more variable.",
    difficulties=tuple(np.linspace(1.9, 2.05, 5).tolist()),
    difficulty_noise=0.18,
    renewable_ratio=1.3,
    horizon_slots=200,
)

CORRELATED = replace(
    PAPER,
    name="correlated",
    summary="The paper's world with memory: gusts and bursts last, so theory takes the long-run variance.",
    harvest_cv=None,
    harvest_source=BetaGammaHarvest(1.0, 0.5, correlation=0.5),  # as variable as the paper's in a single slot
    arrival_source=MarkovArrivals(rates=(0.5, 2.5), switching=(0.1, 0.3)),  # 1 task a slot on average, as there
)

_SOLAR_TASKS = replace(PAPER, arrival_rate=4.0, queries_per_task=100_000.0, slot_seconds=900.0)

SOLAR = replace(
    _SOLAR_TASKS,
    name="solar",
    summary="A solar-powered batch service: three days of measured weather, half of the jobs can wait a day.",
    harvest_cv=None,
    weather_file="723170TYA.CSV",  # Greensboro, North Carolina: a typical meteorological year (NREL, TMY3)
    horizon_slots=288,
    deferrable_share=0.5,
    deadline_slots=96,
    capacity_j=24 * _SOLAR_TASKS.mean_demand_j,  # six hours of mean demand
    charge_efficiency=0.95,
    discharge_efficiency=0.95,
)

CARBON = replace(
    SOLAR,
    name="carbon",
    summary="Batch jobs in Texas that can wait a day: wind, sun and the grid's carbon of 2022, counted in kg CO2.",
    harvest_source=HarvestFile("ercot_2022.csv", ("wind_mw", "sun_mw")),
    weather_file=None,
    grid_source=RecordedGrid("ercot_2022.csv", "carbon_g_per_kwh", 1e-3 / 3.6e6, "kg CO2"),
    queries_per_task=400_000.0,
    slot_seconds=3600.0,
    horizon_slots=168,
    deferrable_share=1.0,
    deadline_slots=24,
    renewable_ratio=0.7,
    capacity_j=8 * _SOLAR_TASKS.mean_demand_j,  # two hours of mean demand
)

GUSTY = replace(
    SOLAR,
    name="gusty",
    summary="A wind-powered batch service: gusts of hours, four days, half of the jobs can wait two days.",
    weather_file=None,
    # Chosen, not measured: a correlation that falls to 1/e in about 1 / (1 - 0.97) slots, eight hours.
    harvest_source=BetaGammaHarvest(1.0, 0.8, correlation=0.97),
    renewable_ratio=1.5,  # at 1 the best threshold rule lies within 4 % of what nobody can beat
    horizon_slots=384,
    deadline_slots=192,
    capacity_j=48 * _SOLAR_TASKS.mean_demand_j,  # twelve hours of mean demand
)

_REASONING = MeasuredPool.from_table("misguided_energy.csv")

MEASURED = replace(
    PAPER,
    name="measured",
    summary="Measured outcomes: 52 misleading questions on six entries of open reasoning models, held-out questions.",
    models=_REASONING,
    difficulties=_REASONING.questions("test"),
    failures="retried",
    horizon_slots=200,
)

_ALL = (PAPER, UNCERTAIN, VOLATILE, CORRELATED, SOLAR, GUSTY, CARBON, MEASURED)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}


def measured_scenario(pool: MeasuredPool, split: Split = "test") -> Scenario:
    """Return the scenario `measured` with another table: its questions for testing, or another part of them."""
    return replace(MEASURED, models=pool, difficulties=pool.questions(split), summary="Measured outcomes of one's own.")


def training_scenario(scenario: Scenario) -> Scenario:
    """Return the scenario to train in: with the training questions of a measured pool, else the scenario itself."""
    pool = scenario.models
    return replace(scenario, difficulties=pool.questions("train")) if isinstance(pool, MeasuredPool) else scenario


def make_scenario(scenario: str | Scenario = "paper", **overrides: Any) -> Scenario:
    """Return a named scenario, or one given as a value, with any of its fields overridden.

    Raises:
        InputError: if the name or a field is unknown (with the nearest valid one), or a value is not allowed.

    Example:
        >>> make_scenario("uncertain", renewable_ratio=0.9, horizon_slots=500).horizon_slots
        500
    """
    if not isinstance(scenario, Scenario):
        require_known("scenario", [scenario], SCENARIOS)
        scenario = SCENARIOS[scenario]
    require_known("scenario field", overrides, [field.name for field in fields(Scenario)])
    harvests = ("harvest_cv", "weather_file", "harvest_source")
    if any(overrides.get(name) is not None for name in harvests):  # naming one drops the others
        overrides = dict.fromkeys(harvests) | overrides
    return replace(scenario, **overrides) if overrides else scenario
