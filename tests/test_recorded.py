"""Recorded sources: what they declare is what they draw, parts never overlap, and the measured files are read.

Each statistical test states expected value, standard error and bound; every seed is fixed.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from energy_route_env import make_scenario
from energy_route_env.checks import InputError
from energy_route_env.world.arrivals import ArrivalSource, RateArrivals, RecordedArrivals
from energy_route_env.world.grid import RecordedGrid
from energy_route_env.world.harvest import HarvestFile, RecordedHarvest
from energy_route_env.world.recorded import Part, Record, draw_starts
from energy_route_env.world.traces import read_log, read_power, read_rates
from eval import memory
from eval.__main__ import main as run_command_line
from eval.recorded import (
    BurstsArgs,
    TransferArgs,
    WorldArgs,
    bursts,
    gain,
    gains_over_myopic,
    kept,
    mean_cost,
    predicted_j,
)
from eval.runs import scenario_at
from eval.statistics import Estimate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
AZURE = "azure_llm_2023/AzureLLMInferenceTrace_conv.csv"
RATES = "llm_rates_24h/reasoning_rates_10min.csv"
SUN = "pv_serf_2016/serf_east_15min_ac_power.csv"
SEED = 20_263
BOUND = 5.0
"""Standard errors; a normal estimate is farther off less than once in 10^6 times."""


def measured(file: str) -> str:
    if not (DATA / file).is_file():
        pytest.skip(f"the measured data {file} is not beside the project")
    return str(DATA / file)


# Windows


COUNTS = np.random.default_rng(1).negative_binomial(2, 0.4, 600) + np.repeat([0, 4, 1], 200)


def windows(part: Part, n: int, length: int) -> set[int]:
    """Every unit that a window of this part can have."""
    starts = draw_starts(np.random.default_rng(0), part, n, length, 20 * n)
    return {start + k for start in np.unique(starts).tolist() for k in range(length)}


@pytest.mark.parametrize(("n", "length"), [(104, 4), (365, 5), (600, 1), (600, 30), (57, 2)])
def test_windows_for_testing_never_overlap_those_for_training(n: int, length: int) -> None:
    """All places are met: of at most n, each is missed by 20 n draws with the chance e^-20 or less."""
    train, test = windows("train", n, length), windows("test", n, length)
    assert not train & test and train | test == set(range(n))
    assert len(test) == pytest.approx(n / 5, abs=4)
    assert windows("all", n, 1) == set(range(n))


def test_a_window_that_fits_into_no_block_is_refused() -> None:
    with pytest.raises(InputError, match=r"length of a window for part 'test' is 31, but it must be at most 30 of 600"):
        draw_starts(np.random.default_rng(0), "test", 600, 31, 1)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_episode_and_the_day_before_it_lie_within_their_part(part: Part) -> None:
    """Harvests that name their slot, from 1 on."""
    series = np.arange(1.0, 96 * 104 + 1)
    source = RecordedHarvest(series, 96, part)
    scenario = make_scenario("solar", harvest_source=source)
    scale = scenario.harvest.mean_j / series.mean()
    days, other = windows(part, 104, 4), windows("train" if part == "test" else "test", 104, 4)
    for seed in range(50):
        trace = scenario.draw(np.random.default_rng(seed))
        assert trace.past_harvest_j is not None and trace.start_slot is not None
        slots = np.append(trace.past_harvest_j, trace.harvest_j) / scale - 1
        np.testing.assert_allclose(slots, np.arange(trace.start_slot - 96, trace.start_slot + 288), atol=1e-6)
        met = set((np.rint(slots) // 96).astype(int).tolist())
        assert met <= days and not met & other


@pytest.mark.parametrize("part", ["train", "test"])
def test_of_a_file_harvest_and_grid_are_the_same_days_of_their_part(part: Part, tmp_path: Path) -> None:
    """Both columns name the hour, from 1 on."""
    hours = np.arange(1, 24 * 104 + 1)
    file = tmp_path / "year.csv"
    file.write_text("\n".join(["wind,price", *(f"{hour},{hour}" for hour in hours)]))
    grid = RecordedGrid(str(file), "price", 1.0, "EUR")
    wind = HarvestFile(str(file), ("wind",), part)
    scenario = make_scenario("carbon", harvest_source=wind, grid_source=grid, horizon_slots=72)
    days, scale = windows(part, 104, 4), scenario.harvest.mean_j / hours.mean()
    for seed in range(50):
        trace = scenario.draw(np.random.default_rng(seed))
        assert trace.past_harvest_j is not None and trace.past_grid_weight is not None and trace.grid_weight is not None
        price = np.append(trace.past_grid_weight, trace.grid_weight)
        np.testing.assert_allclose(np.append(trace.past_harvest_j, trace.harvest_j), scale * price, rtol=1e-12)
        assert set(((price - 1) // 24).tolist()) <= days


def test_a_recorded_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "year.csv").write_bytes("größe\n1\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"file is '.*year\.csv', but it must be text in UTF-8: 'utf-8' codec can't"):
        _ = HarvestFile(str(tmp_path / "year.csv"), ("größe",)).mean_j


def test_training_and_testing_scale_the_harvest_alike() -> None:
    whole, train = (RecordedHarvest(np.arange(1.0, 96 * 104 + 1), 96, part) for part in ("all", "train"))
    assert whole.mean_j == train.mean_j
    with pytest.raises(InputError, match=r"part is 'half', but it must be one of"):
        RecordedHarvest(np.ones(96), 96, "half")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"part is 'half', but it must be one of"):
        HarvestFile("ercot_2022.csv", ("wind_mw",), "half")  # type: ignore[arg-type]


def test_a_record_of_other_slots_than_the_scenarios_is_refused() -> None:
    with pytest.raises(InputError, match=r"slot_seconds is 900.0, but it must be 3600, the harvest record's"):
        make_scenario("solar", harvest_source=RecordedHarvest(np.ones(48), 24))


def test_blocks_start_where_episodes_may_and_are_joined() -> None:
    record = Record(np.arange(96), start_every=24, block_slots=48)
    drawn = record.draw(np.random.default_rng(0), 120).tolist()
    for first in (0, 48, 96):
        start = drawn[first]
        assert start % 24 == 0
        assert drawn[first : first + 48] == [(start + k) % 96 for k in range(min(48, 120 - first))]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"series": np.array([])}, r"series.shape is \(0,\), but it must be of one slot or more"),
        (
            {"series": np.array([1.0, -1.0])},
            r"series from slot 0 on\[1\] is -1.0, but it must be finite and at least 0",
        ),
        ({"series": np.zeros(4)}, r"mean of series is 0.0, but it must be above 0"),
        ({"start_every": 7}, r"start_every is 7, but it must be a divisor of 600"),
        ({"start_every": 2, "block_slots": 3}, r"block_slots is 3, but it must be a multiple of start_every, 2"),
        ({"block_slots": 0}, r"block_slots is 0, but it must be a whole number, 1 or more"),
        ({"part": "half"}, r"part is 'half', but it must be one of"),
    ],
)
def test_what_a_record_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Record(**({"series": COUNTS} | fields))


@pytest.mark.parametrize("series", [np.zeros(4), np.array([1.0, np.nan]), np.array([])])
def test_data_that_will_be_refused_can_be_named(series: np.ndarray) -> None:
    assert repr(RecordedHarvest(series, 4)).startswith(f"RecordedHarvest({len(series)} slots of mean ")


def test_what_recorded_arrivals_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"record.series.dtype is 'float64', but it must be of whole numbers"):
        RecordedArrivals(Record(COUNTS / 2), 1.0)
    for make in (RecordedArrivals, RateArrivals):
        with pytest.raises(InputError, match=r"mean is 0.0, but it must be a finite number above 0"):
            make(Record(COUNTS), 0.0)
    for cv in (0.0, 1e-200):
        with pytest.raises(InputError, match=rf"cv is {cv}, but it must be a finite number at least 1e-08"):
            RateArrivals(Record(COUNTS), 1.0, cv)


# What sources declare


BLOCKS = Record(COUNTS, block_slots=20)
RATES_PER_SLOT = Record(COUNTS / 3, block_slots=20)
SOURCES: list[ArrivalSource] = [
    *(RecordedArrivals(BLOCKS, mean) for mean in (BLOCKS.mean, 0.4, 2.3 * BLOCKS.mean, 3 * BLOCKS.mean)),
    RecordedArrivals(Record(COUNTS, start_every=30, block_slots=30), 1.5),
    *(RateArrivals(RATES_PER_SLOT, 2.0, cv) for cv in (1.0, 0.5, 2.0)),
]
EPISODES, SLOTS = 2000, 1000


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{type(source).__name__} {source.mean:.2f}")
def test_recorded_arrivals_have_the_moments_that_they_declare(source: ArrivalSource) -> None:
    """Over 2000 independent episodes of 50 blocks, or 33 and a third: within 5 standard errors of what is declared.

    The long-run variance of renewals is approached from (1 - cv^4) / 6 of a slot away, and the third of a block left
    is not a whole one: 0.02 of it is allowed.
    """
    rng = np.random.default_rng(SEED)
    drawn = np.stack([np.bincount(source.draw(rng, SLOTS), minlength=SLOTS) for _ in range(EPISODES)])
    assert drawn.shape == (EPISODES, SLOTS)
    assert abs(Estimate.of(drawn[:, 0]).deviation(source.mean)) <= BOUND  # stationary from the first slot on
    for values, expected in ((drawn, source.mean), ((drawn - source.mean) ** 2, source.variance)):
        assert abs(Estimate.of(values.mean(axis=1)).deviation(expected)) <= BOUND
    batches = Estimate.of((drawn.sum(axis=1) - source.mean * SLOTS) ** 2 / SLOTS)
    assert source.long_run_variance is not None
    assert abs(batches.mean - source.long_run_variance) <= BOUND * batches.standard_error + 0.02 * batches.mean


def test_a_single_window_has_no_long_run_variance_and_is_the_record_itself() -> None:
    source = RecordedArrivals(Record(COUNTS), Record(COUNTS).mean)
    assert source.long_run_variance is None and RateArrivals(Record(COUNTS), 1.0).long_run_variance is None
    drawn = np.bincount(source.draw(np.random.default_rng(3), 600), minlength=600)
    (start,) = [k for k in range(600) if (np.roll(COUNTS, -k) == drawn).all()]
    assert start > 0


def test_a_block_longer_than_the_record_goes_around_it() -> None:
    record = Record(np.array([1, 5, 3]), block_slots=7)
    sums = [sum(record.series[(start + k) % 3] for k in range(7)) for start in range(3)]
    assert record.long_run_variance == pytest.approx(np.var(sums) / 7)


def test_moments_of_a_long_record_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_route_env.world.recorded.AT_ONCE", 7)
    assert Record(COUNTS).variance == pytest.approx(COUNTS.var(), rel=1e-12)
    assert Record(COUNTS).mean == pytest.approx(COUNTS.mean(), rel=1e-12)


def test_a_scenario_takes_recorded_arrivals_at_its_own_rate() -> None:
    source = RecordedArrivals(Record(COUNTS), 4.0)
    scenario = make_scenario("solar", arrival_source=source)
    trace = scenario.draw(np.random.default_rng(0))
    assert trace.task_slot.dtype.kind == "i" and (np.diff(trace.task_slot) >= 0).all()
    cv_2 = make_scenario("solar", arrival_source=RateArrivals(Record(COUNTS), 4.0, 2.0))
    assert (np.diff(cv_2.draw(np.random.default_rng(0)).task_slot) >= 0).all()


# The measured files


def test_the_azure_log_is_read_whole() -> None:
    source, repairs = read_log(measured(AZURE), 1.0)
    assert repairs.rows == 19_366 and repairs.counts == {}
    assert len(source.record.series) == 3501  # 18:15:47 to 19:14:07
    assert source.mean == pytest.approx(5.53, abs=0.005)
    assert source.variance / source.mean == pytest.approx(1.4, abs=0.1)
    assert replace(source.record, block_slots=60).long_run_variance / source.mean == pytest.approx(16, abs=1.5)


def test_the_recorded_rates_become_a_days_jobs() -> None:
    source, repairs = read_rates(measured(RATES), 900.0, mean=4.0)
    assert repairs.counts == {} and len(source.record.series) == 96 and source.mean == 4.0
    assert source.record.series.min() > 4.3 * 900 and source.record.series.max() < 42.5 * 900


def test_the_recorded_sun_is_104_whole_days_with_dark_nights() -> None:
    source, repairs = read_power(measured(SUN), 900.0)
    assert len(source.series_j) == 104 * 96 and repairs.rows == 10_000
    assert set(repairs.counts) == {"negative"} and 4500 < repairs.counts["negative"] < 5000
    by_day = source.series_j.reshape(104, 96)
    assert by_day[:, :16].sum() == 0 and by_day[:, 84:].sum() == 0
    assert (by_day.mean(axis=0) @ np.arange(96.0)) / by_day.mean(axis=0).sum() / 4 == pytest.approx(12.0, abs=0.75)


def test_hourly_wind_and_sun_are_read_with_their_clocks() -> None:
    ercot, repairs = read_power(
        measured("ercot_2022/mix_and_carbon_hourly.csv"), 3600.0, columns=("WND", "SUN"), zone="America/Chicago"
    )
    assert len(ercot.series_j) == 364 * 24 and repairs.counts == {}  # six hours at each end belong to no whole day
    sun, _ = read_power(measured("ercot_2022/mix_and_carbon_hourly.csv"), 3600.0, columns=("SUN",), zone="-06:00")
    assert sun.series_j.reshape(-1, 24)[:, :5].sum() < 0.001 * sun.series_j.sum()
    both = measured("pv_wind_hourly/pv_wind_hourly.csv")
    units, repairs = read_power(both, 900.0, columns=("pv", "wind"), unit="h", stamped="end")
    assert len(units.series_j) == 365 * 96 and repairs.counts == {}


@pytest.mark.parametrize(
    ("file", "column"),
    [
        *[("outcomes_energy/per_query_energy.csv.gz", "task"), ("outcomes_energy/summary_task_model.csv", "task")],
        *[("reasoning_outcomes/misguided_energy.csv", "question"), ("mlenergy_v3/gpqa_configurations.csv", "model_id")],
        ("reasoning_outcomes/token_economy.csv", "prompt_id"),
    ],
)
def test_measured_tables_without_times_are_refused_with_file_and_reason(file: str, column: str) -> None:
    with pytest.raises(
        InputError, match=rf"time_column of .*{Path(file).name} is '', but .*'{column}'.*these are: none"
    ):
        read_log(measured(file), 1.0)
    with pytest.raises(InputError, match=rf"{column} of .*{Path(file).name}, row 1, is '.*', but .* be a time"):
        read_log(measured(file), 1.0, time_column=column)


@pytest.mark.slow
def test_under_recorded_sun_and_rates_policies_keep_four_fifths_of_their_gain() -> None:
    """300 episodes in each world. Expected about 1.17 of the gain kept; standard error 0.09 by blocks of ten days."""
    world = WorldArgs(arrival_rates=measured(RATES), harvest_power=measured(SUN))
    args = TransferArgs(world, episodes=300, dispatchers=("surplus-deferral", "learned"))
    own = make_scenario("solar")
    before = gains_over_myopic(own, args)
    with pytest.warns(UserWarning, match="was trained for another scenario: weather_file"):
        after = gains_over_myopic(world.apply(own), args)
    for name in args.dispatchers:
        assert after[name].mean > 0.8 * before[name].mean


@pytest.mark.parametrize("block", [5, 10])
def test_long_run_theory_predicts_recorded_arrivals_within_a_tenth_and_poisson_does_not(block: int) -> None:
    """700 episodes of 100 blocks. Expected 0.97 of long-run theory; standard error about 1.6 %, 4 to the bound."""
    source, _ = read_log(measured(AZURE), 1.0, block_slots=block)
    fields: dict[str, Any] = {"arrival_rate": source.mean, "horizon_slots": 100 * block}
    scenario = make_scenario("paper", arrival_source=source, **fields)
    found = mean_cost(scenario, 700, SEED)
    assert found.standard_error < 0.02 * found.mean
    assert found.mean == pytest.approx(predicted_j(scenario), rel=0.1)
    assert found.mean > 1.15 * predicted_j(replace(scenario, arrival_source=None))


# Commands


def power_file(folder: Path) -> str:
    lines = [f"{900 * k},{max(math.sin(2 * math.pi * (k / 96 - 0.25)), -0.001) * 1000:.3f}" for k in range(96 * 30)]
    (folder / "power.csv").write_text("\n".join(["t_s,w", *lines]) + "\n")
    return str(folder / "power.csv")


def rates_file(folder: Path) -> str:
    (folder / "rates.csv").write_text("\n".join(["t_s,rate", *(f"{600 * k},{1 + k % 7}" for k in range(144))]) + "\n")
    return str(folder / "rates.csv")


def run(monkeypatch: pytest.MonkeyPatch, line: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["eval", *line])
    run_command_line()


def test_the_benchmark_runs_in_a_recorded_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--harvest-power", power_file(tmp_path), "--arrival-rates", rates_file(tmp_path)]
    options = ["--scenarios", "solar", "--ratios", "1", "--dispatchers", "surplus-deferral", "--episodes", "3"]
    run(monkeypatch, ["benchmark", *options, *files, "--results", str(tmp_path), "--name", "run"])
    shown = capsys.readouterr().out
    assert shown.count("power.csv: 2880 rows; times from 't_s' in s: 0 to 2591100, values from 'w', 2880 whole") == 1
    assert "values from 'rate', 96 whole slots of 900 s; nothing to repair." in shown
    assert (tmp_path / "run" / "summary.csv").is_file()


def test_a_report_says_by_how_much_the_world_was_scaled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mean rate 4 a second, 3600 a slot. Mean harvest 1000 / pi W."""
    world = WorldArgs(arrival_rates=rates_file(tmp_path), harvest_power=power_file(tmp_path))
    world.tell(Console(width=200), [scenario_at("solar", ratio) for ratio in (1, 0.5)])
    shown = capsys.readouterr().out
    demand_j = make_scenario("solar").mean_demand_j
    factor = demand_j / (1000 / math.pi * 900)
    assert shown.count("solar: arrivals scaled by 0.0011 to 4 tasks a slot.") == 1
    assert f"solar: harvest scaled by {factor:.2g} to renewable ratio 1 ({demand_j:.3g} J a slot)." in shown
    assert f"solar: harvest scaled by {factor / 2:.2g} to renewable ratio 0.5 ({demand_j / 2:.3g} J a slot)." in shown


@pytest.mark.parametrize(
    ("horizon", "block", "warned"),
    [(96, None, []), (97, None, ["arrivals"]), (288, 96, []), (288, 97, ["arrivals"]), (2881, 2, ["harvest"])],
)
def test_a_record_that_repeats_within_an_episode_is_warned_of(
    horizon: int, block: int | None, warned: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rates have 96 slots, the power 2880."""
    world = WorldArgs(arrival_rates=rates_file(tmp_path), harvest_power=power_file(tmp_path), block_slots=block)
    world.tell(Console(), [make_scenario("solar", horizon_slots=horizon)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    assert [line.split(": ")[2] for line in lines] == warned
    if horizon == 97:
        filled = "the record of 96 slots repeats to fill the 97 that an episode takes from it at once"
        advice = "Take a longer record, a shorter horizon_slots, or --block-slots (at most 96)"
        assert lines == [f"Warning: solar: arrivals: {filled}. {advice}."]


def test_a_harvest_that_meets_a_recorded_grid_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = WorldArgs(harvest_power=power_file(tmp_path))
    world.tell(Console(), [make_scenario("carbon"), make_scenario("solar")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    joined = "harvest and grid are two records, joined slot by slot from the first of each on, whatever their dates."
    assert lines == [f"Warning: carbon: {joined}"]


def test_transfer_compares_the_gains_in_both_worlds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--episodes", "40", "--dispatchers", "surplus-deferral", "greedy-deferral"]
    run(monkeypatch, ["transfer", *options, "--harvest-power", power_file(tmp_path), "--part", "train"])
    shown = capsys.readouterr().out
    assert shown.count("%") >= 8 and "greedy-deferral" in shown


def test_what_is_kept_of_a_gain_has_the_interval_of_a_ratio() -> None:
    """Of 10 ± 1 % half is kept, 5 ± 2 %: the errors of 10 % and 40 % are one of 41 %, if they are independent."""
    assert kept(Estimate(0.1, 0.005, 0.01), Estimate(0.05, 0.01, 0.02)) == "50.0% ± 20.6%"
    assert kept(Estimate(0.1, 0.005, 0.01), Estimate(0.0, 0.0, 0.0)) == "0.0% ± 0.0%"
    assert kept(Estimate(0.0, 0.0, 0.0), Estimate(0.0, 0.0, 0.0)) == "-"


def test_bursts_without_blocks_are_refused() -> None:
    with pytest.raises(InputError, match=r"block_slots is \(\), but it must be one or more numbers of slots"):
        bursts(BurstsArgs("none.csv", block_slots=()))


def test_bursts_shows_both_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.random.default_rng(0).random(3000).cumsum()
    (tmp_path / "log.csv").write_text("\n".join(["time,when", *(f"1,{1000 * t}" for t in times)]) + "\n")
    options = "--block-slots 5 --blocks 4 --episodes 5 --arrival-time-column when --arrival-unit ms"
    run(monkeypatch, ["bursts", "--arrival-log", str(tmp_path / "log.csv"), *options.split()])
    assert "log.csv: 3000 rows; times from 'when' in ms: 636.961" in capsys.readouterr().out


def test_columns_and_units_are_named_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decoys of better names stand beside the columns."""
    power = ["time,k,w,sun [w]", *(f"{k},{15 * k},1,{k % 96 + 1}" for k in range(192))]
    rates = ["time,k,w,rate", *(f"{k},{k},1,{k % 7 + 1}" for k in range(72))]
    (tmp_path / "power.csv").write_text("\n".join(power) + "\n")
    (tmp_path / "rates.csv").write_text("\n".join(rates) + "\n")
    arrivals = "--arrival-time-column k --arrival-rate-column rate --arrival-unit h --arrival-rates rates.csv"
    harvest = "--harvest-time-column k --harvest-unit min --harvest-power power.csv --harvest-power-columns"
    monkeypatch.chdir(tmp_path)
    options = "transfer --episodes 2 --dispatchers surplus-deferral"
    run(monkeypatch, [*options.split(), *arrivals.split(), *harvest.split(), "sun [w]"])
    shown = capsys.readouterr().out
    assert "times from 'k' in h: 0 to 71, values from 'rate', 288 whole slots of 900 s" in shown
    assert "times from 'k' in min: 0 to 2865, values from 'sun [w]', 192 whole slots of 900 s" in shown


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak")
def test_memory_writes_reads_and_removes_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, ["memory", "--rows", "5000", "--folder", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "Read 5,000 rows" in shown and "MB at the peak" in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folder": Path("none")}, "folder is 'none', but it must be a folder that is there already"),
        (
            {"slot_seconds": 1e-10},
            r"process that read the log is 1, but it must be 0; .*InputError: slot_seconds is 1e-10",
        ),
    ],
)
def test_why_memory_was_not_measured_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        memory.main(memory.MemoryArgs(**({"rows": 1000} | fields)))


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        *[("--part test", "part is 'test'"), ("--zone Mars", "zone is 'Mars'")],
        ("--block-slots 4 --harvest-power x", "block_slots is 4"),
        ("--arrival-time-column t --harvest-power x", "arrival_time_column is 't'"),
        ("--arrival-unit h --harvest-power x", "arrival_unit is 'h'"),
        ("--arrival-rate-column r --arrival-log x", "arrival_rate_column is 'r'"),
        ("--harvest-time-column t --arrival-log x", "harvest_time_column is 't'"),
        ("--harvest-power-columns w --arrival-log x", r"harvest_power_columns is \('w',\)"),
        ("--harvest-unit h --arrival-rates x", "harvest_unit is 'h'"),
    ],
)
def test_options_of_a_world_without_its_file_are_refused(
    line: str, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=rf"{refused}, but it must be left out where there is no (arrival|harvest)_"):
        run(monkeypatch, ["transfer", "--episodes", "2", *line.split()])


def test_a_transfer_needs_a_recorded_world(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        SystemExit, match="recorded world is None, but it must be given by one or more of arrival_log, "
    ):
        run(monkeypatch, ["transfer", "--episodes", "2"])


def test_a_log_and_rates_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="arrival_rates is 'b', but it must be left out where there is an arrival_log"):
        run(monkeypatch, ["transfer", "--arrival-log", "a", "--arrival-rates", "b"])


def test_a_gain_is_a_ratio_whose_blocks_are_one_sample_each() -> None:
    """Costs of 0.6 of the reference plus noise: a block's noise that all its episodes share widens the interval."""
    rng = np.random.default_rng(5)
    reference, blocks = rng.gamma(4.0, 1.0, 4000), np.repeat(np.arange(100), 40)
    shared = rng.normal(0, 0.2, 100)[blocks]
    found = gain(0.6 * reference + shared, reference, blocks)
    assert found.mean == pytest.approx(0.4, abs=5 * 0.2 / 10 / 4)
    assert found.standard_error == pytest.approx(0.2 / 10 / 4, rel=0.35)  # 5 of its own errors, 7 %
    alone = gain(0.6 * reference + shared, reference, np.arange(4000))
    assert alone.standard_error == pytest.approx(0.2 / math.sqrt(4000) / 4, rel=0.35)
