import sys
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest
from helpers.episodes import play
from numpy.typing import NDArray

from agents import make_dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace, make_scenario
from energy_route_env.world.solar import photovoltaic_series
from eval.rollout import run_traces

FloatArray = NDArray[np.float64]

HOUR_S, QUARTER_S = 3600.0, 900.0
SHIPPED = ("723170TYA.CSV", "703165TY.csv", "12839.tm2")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

every_shipped_year = pytest.mark.parametrize("weather_file", SHIPPED)


def days(series: FloatArray, slot_seconds: float) -> FloatArray:
    """A row for each day."""
    return series.reshape(365, round(86_400 / slot_seconds))


def hours_of_day(slot_seconds: float) -> FloatArray:
    """The middle of each slot of a day, in hours."""
    n = round(86_400 / slot_seconds)
    return (np.arange(n) + 0.5) * 24 / n


@every_shipped_year
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_mean_harvest_is_the_ratio_times_the_mean_demand(weather_file: str, ratio: float) -> None:
    scenario = make_scenario("solar", weather_file=weather_file, renewable_ratio=ratio)
    assert scenario.harvest.mean_j == pytest.approx(ratio * scenario.mean_demand_j, rel=1e-12)
    year = scenario.harvest.draw(np.random.default_rng(0), 365 * 96)
    assert year.mean() == pytest.approx(scenario.harvest.mean_j, rel=1e-12)
    assert year.var() == pytest.approx(scenario.harvest.variance_j2, rel=1e-12)


@every_shipped_year
def test_nights_are_dark_and_days_are_not(weather_file: str) -> None:
    """Up to 55 degrees north the sun is down from 10 pm to 2 am and up from 11 am to 1 pm on every day."""
    by_day, hour = days(photovoltaic_series(weather_file, QUARTER_S), QUARTER_S), hours_of_day(QUARTER_S)
    assert (by_day >= 0).all()
    assert by_day[:, (hour > 22) | (hour < 2)].max() == 0
    assert (by_day[:, (hour > 11) & (hour < 13)].sum(axis=1) > 0).all()


@every_shipped_year
def test_the_sun_peaks_within_an_hour_of_solar_noon(weather_file: str) -> None:
    by_day, hour = days(photovoltaic_series(weather_file, QUARTER_S), QUARTER_S), hours_of_day(QUARTER_S)
    mean_day = by_day.mean(axis=0)
    assert abs(hour[mean_day.argmax()] - 12) < 1
    assert abs(mean_day @ hour / mean_day.sum() - 12) < 1


@every_shipped_year
def test_a_watt_of_panels_yields_what_such_panels_yield(weather_file: str) -> None:
    """800 to 1500 kWh a year per kW, and never more than the inverter's 1 W (PVWatts' range for these places)."""
    hourly = photovoltaic_series(weather_file, HOUR_S)
    assert 800 < hourly.sum() / 3.6e6 * 1000 < 1500
    assert hourly.max() <= HOUR_S


def test_bright_days_of_the_record_are_bright_days_of_the_harvest() -> None:
    weather, _ = pvlib.iotools.read_tmy3(
        Path(pvlib.__file__).parent / "data" / SHIPPED[0], coerce_year=1990, map_variables=True
    )
    measured = weather["ghi"].to_numpy().reshape(365, 24).sum(axis=1)
    harvested = days(photovoltaic_series(SHIPPED[0], HOUR_S), HOUR_S).sum(axis=1)
    aligned = np.corrcoef(measured, harvested)[0, 1]
    assert aligned > 0.8
    assert aligned > np.corrcoef(np.roll(measured, 1), harvested)[0, 1] + 0.3


@every_shipped_year
@pytest.mark.parametrize("slot_seconds", [60.0, 900.0, 1800.0])
def test_shorter_slots_keep_the_energy_of_every_hour(weather_file: str, slot_seconds: float) -> None:
    hourly = photovoltaic_series(weather_file, HOUR_S)
    assert hourly.shape == (8760,)
    fine = photovoltaic_series(weather_file, slot_seconds).reshape(8760, -1)
    np.testing.assert_allclose(fine.sum(axis=1), hourly, rtol=0, atol=1e-6)


def test_longer_slots_are_sums_of_hours() -> None:
    hourly = photovoltaic_series(SHIPPED[0], HOUR_S)
    long = photovoltaic_series(SHIPPED[0], 3 * HOUR_S)
    np.testing.assert_allclose(long, hourly.reshape(-1, 3).sum(axis=1), rtol=0, atol=1e-6)


def test_an_episode_is_a_stretch_of_the_year_from_a_random_midnight() -> None:
    scenario = make_scenario("solar")
    year = photovoltaic_series(SHIPPED[0], QUARTER_S)
    year = year * (scenario.mean_demand_j / year.mean())
    by_day = days(year, QUARTER_S)
    starts = set()
    for seed in range(40):
        harvest = scenario.draw(np.random.default_rng(seed)).harvest_j.reshape(3, 96)
        (start,) = np.flatnonzero((by_day == harvest[0]).all(axis=1))
        np.testing.assert_array_equal(harvest, by_day[np.arange(start, start + 3) % 365])
        starts.add(int(start))
    assert len(starts) > 30
    assert max(starts) > 300
    assert min(starts) < 60


def test_the_year_repeats_beyond_its_end() -> None:
    scenario = make_scenario("solar", horizon_slots=2 * 365 * 96)
    harvest = scenario.harvest.draw(np.random.default_rng(1), 2 * 365 * 96)
    np.testing.assert_array_equal(harvest[: 365 * 96], harvest[365 * 96 :])


Sky = list[tuple[datetime, float, float, float]]


@lru_cache
def clear_year(latitude: float, longitude: float, utc_offset_hours: int, minute: int) -> Sky:
    """Cloudless irradiance (ghi, dni, dhi) of 1990 at this minute of every hour, without the equation of time."""
    hours = np.arange(8760) + minute / 60
    hour_angle = np.deg2rad(15 * (hours - utc_offset_hours - 12) + longitude)
    declination = np.deg2rad(-23.45 * np.cos(2 * np.pi * (hours / 24 + 10) / 365))
    place = np.deg2rad(latitude)
    sine = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(hour_angle)
    up = np.maximum(sine, 0.0)
    dni, dhi = 950 * np.exp(-0.1 / np.maximum(up, 1e-3)), 100 * up
    ghi = dni * up + dhi
    stamps = [datetime(1990, 1, 1) + timedelta(hours=k, minutes=minute) for k in range(8760)]
    return list(
        zip(stamps, ghi.round(1).tolist(), (dni * (up > 0)).round(1).tolist(), dhi.round(1).tolist(), strict=True)
    )


def write_epw(path: Path, latitude: float, longitude: float, utc_offset_hours: int, rows: int = 8760) -> str:
    """An EnergyPlus year: eight lines of header, hours counted from 1 to 24, each with its mean."""
    sky = clear_year(latitude, longitude, utc_offset_hours, 30)
    place = f"LOCATION,Nowhere,-,XXX,made,000000,{latitude},{longitude},{utc_offset_hours}.0,10.0"
    lines = [place, *(f"HEADER {k},0" for k in range(7))]
    for stamp, ghi, dni, dhi in sky[:rows]:
        before = f"{stamp.year},{stamp.month},{stamp.day},{stamp.hour + 1},0,made,20.0,10.0,50,101325,0,0,300"
        lines.append(f"{before},{ghi},{dni},{dhi},0,0,0,0,180,2.0" + ",0" * 13)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def write_pvgis(path: Path, latitude: float, longitude: float) -> str:
    """A typical year as PVGIS writes it: values of the moment, in universal time."""
    sky = clear_year(latitude, longitude, 0, 0)
    lines = [
        f"Latitude (decimal degrees): {latitude}",
        f"Longitude (decimal degrees): {longitude}",
        "Elevation (m): 10.0",
        "month,year",
        *(f"{month},1990" for month in range(1, 13)),
        "time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP",
    ]
    for stamp, ghi, dni, dhi in sky:
        lines.append(f"{stamp:%Y%m%d:%H%M},20.0,50.0,{ghi},{dni},{dhi},300.0,2.0,180.0,101325.0")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(("latitude", "longitude", "utc_offset_hours"), [(35, 150, 10), (-35, -70, -3), (50, 3, 1)])
def test_an_epw_year_has_its_noon_at_noon(
    tmp_path: Path, latitude: float, longitude: float, utc_offset_hours: int
) -> None:
    path = write_epw(tmp_path / "year.epw", latitude, longitude, utc_offset_hours)
    mean_day = days(photovoltaic_series(path, QUARTER_S), QUARTER_S).mean(axis=0)
    assert abs(mean_day @ hours_of_day(QUARTER_S) / mean_day.sum() - 12) < 0.55  # half an hour of rounding


@pytest.mark.parametrize(("latitude", "longitude"), [(35, 150), (-35, -70), (50, 3)])
def test_a_pvgis_year_in_universal_time_has_its_noon_at_noon(tmp_path: Path, latitude: float, longitude: float) -> None:
    path = write_pvgis(tmp_path / "year.csv", latitude, longitude)
    mean_day = days(photovoltaic_series(path, QUARTER_S), QUARTER_S).mean(axis=0)
    assert abs(mean_day @ hours_of_day(QUARTER_S) / mean_day.sum() - 12) < 0.55


def test_epw_and_pvgis_years_of_the_same_sky_harvest_the_same(tmp_path: Path) -> None:
    epw = photovoltaic_series(write_epw(tmp_path / "year.epw", 35, 150, 10), HOUR_S)
    pvgis = photovoltaic_series(write_pvgis(tmp_path / "year.csv", 35, 150), HOUR_S)
    assert pvgis.sum() == pytest.approx(epw.sum(), rel=0.01)


def test_panels_face_the_equator_on_either_side_of_it(tmp_path: Path) -> None:
    """The same clear sky half a year apart: facing away from the sun would cost a third of the year's energy."""
    north = photovoltaic_series(write_epw(tmp_path / "north.epw", 35, 0, 0), HOUR_S)
    south = photovoltaic_series(write_epw(tmp_path / "south.epw", -35, 0, 0), HOUR_S)
    assert south.sum() == pytest.approx(north.sum(), rel=0.03)


def test_a_year_of_ones_own_feeds_an_episode(tmp_path: Path) -> None:
    path = write_epw(tmp_path / "year.epw", 35, 150, 10)
    scenario = make_scenario("solar", weather_file=path, horizon_slots=96)
    trace = scenario.draw(np.random.default_rng(0))
    balance = play(scenario, trace, cycle([0])).balance
    assert balance["harvested_j"] == pytest.approx(
        96 * scenario.harvest.mean_j, rel=0.5
    )  # a clear winter's or summer's day


def test_a_path_is_looked_up_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_epw(tmp_path / "year.epw", 35, 150, 10)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(photovoltaic_series("year.epw", HOUR_S), photovoltaic_series(path, HOUR_S))


def test_a_missing_file_is_refused_with_the_names_that_ship() -> None:
    with pytest.raises(ValueError, match=r"weather_file is 'nowhere\.epw', .*723170TYA\.CSV.*no such file was found"):
        photovoltaic_series("nowhere.epw", QUARTER_S)


def test_a_scenario_with_a_missing_file_is_refused_when_it_is_used() -> None:
    with pytest.raises(ValueError, match=r"weather_file is 'nowhere\.epw'"):
        EnergyRouteEnv("solar", weather_file="nowhere.epw")


@pytest.mark.parametrize("name", ["notes.csv", "notes.epw", "notes.tm2", "notes"])
@pytest.mark.parametrize("text", ["", "hello\n", "a,b,c\n1,2,3\n" * 20], ids=["empty", "word", "table"])
def test_a_file_that_is_no_weather_is_refused_with_what_was_tried(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=r"must be a whole year by the hour.*Tried tmy3: .*epw: .*pvgis: .*tmy2: "):
        photovoltaic_series(str(path), QUARTER_S)


def test_a_file_that_is_no_text_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "image.csv"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(ValueError, match="must be a whole year by the hour"):
        photovoltaic_series(str(path), QUARTER_S)


def test_a_year_that_lacks_hours_is_refused_with_their_number(tmp_path: Path) -> None:
    path = write_epw(tmp_path / "short.epw", 35, 150, 10, rows=8000)
    with pytest.raises(ValueError, match="8000 rows instead of 8760"):
        photovoltaic_series(path, QUARTER_S)


@pytest.mark.parametrize("value", ["0.0", ""], ids=["dark", "blank"])
def test_a_year_without_sunshine_or_with_gaps_is_refused(tmp_path: Path, value: str) -> None:
    path = Path(write_epw(tmp_path / "year.epw", 35, 150, 10))
    lines = path.read_text().splitlines()
    fields = [line.split(",") for line in lines[8:]]
    for row in fields if value else fields[12:13]:
        row[13:16] = [value] * 3
    path.write_text("\n".join(lines[:8] + [",".join(row) for row in fields]) + "\n")
    with pytest.raises(ValueError, match="must give sunshine and no missing values"):
        photovoltaic_series(str(path), QUARTER_S)


def test_without_pvlib_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pvlib", None)
    with pytest.raises(ImportError, match=r"pip install 'energy-route-env\[solar\]'"):
        photovoltaic_series("another.epw", QUARTER_S)


def measured(file: str) -> Path:
    path = DATA / file
    if not path.is_file():
        pytest.skip(f"the measured data {file} is not beside the project")
    return path


def measured_sun(scenario: Scenario, first_day: int) -> Trace:
    """Measured power of a 6 kW array, scaled to the scenario's mean demand, under drawn tasks."""
    power_w = pd.read_csv(measured("pv_serf_2016/serf_east_15min_ac_power.csv"))["ac_power"].to_numpy()
    energy_j = np.maximum(power_w, 0.0) * scenario.slot_seconds
    energy_j *= scenario.mean_demand_j / energy_j.mean()
    drawn = scenario.draw(np.random.default_rng(first_day))
    start = 96 * first_day
    return Trace.of(
        energy_j[start : start + scenario.horizon_slots],
        drawn.task_slot,
        drawn.difficulty,
        drawn.observed_difficulty,
        drawn.deadline_slots,
    )


def measured_requests(scenario: Scenario) -> Trace:
    """Measured arrivals, one slot a second, with drawn difficulties and harvests."""
    stamps = pd.to_datetime(pd.read_csv(measured("azure_llm_2023/AzureLLMInferenceTrace_conv.csv"))["TIMESTAMP"])
    second = (stamps - stamps.iloc[0]).dt.total_seconds().to_numpy().astype(int)
    second = second[second < scenario.horizon_slots]
    rng = np.random.default_rng(3)
    observed = rng.choice(scenario.difficulties, len(second))
    true = observed + scenario.difficulty_noise * rng.standard_normal(len(second))
    return Trace.of(scenario.draw(rng).harvest_j, second, true, observed)


def is_balanced(balance: dict[str, FloatArray]) -> bool:
    sources = balance["initial_j"] + balance["harvested_j"] + balance["auxiliary_j"]
    sinks = balance["consumed_j"] + balance["stored_j"] + balance["spilled_j"] + balance["lost_j"]
    return np.allclose(sources, sinks, rtol=1e-9, atol=0)


@pytest.mark.slow
def test_a_measured_week_of_sun_conserves_energy_and_leaves_the_oracle_unbeaten() -> None:
    scenario = make_scenario("solar", deadline_slots=0, difficulty_noise=0.1, horizon_slots=7 * 96)
    traces = [measured_sun(scenario, first_day) for first_day in (0, 30, 60, 90)]
    oracle = run_traces(scenario, make_dispatcher("oracle", scenario), traces)
    assert is_balanced(oracle.balance)
    for name in ("myopic", "scaling-law", "error-0.05", "fixed-0", "fixed-1", "variance-aware"):
        other = run_traces(scenario, make_dispatcher(name, scenario), traces)
        assert is_balanced(other.balance)
        np.testing.assert_array_equal(other.balance["harvested_j"], oracle.balance["harvested_j"])
        assert (other.auxiliary_j >= (1 - 1e-9) * oracle.auxiliary_j).all()


def test_under_a_measured_sun_waiting_pays() -> None:
    scenario = make_scenario("solar", horizon_slots=7 * 96)
    traces = [measured_sun(scenario, first_day) for first_day in (0, 30, 60, 90)]
    surplus, greedy, myopic = (
        run_traces(scenario, make_dispatcher(name, scenario), traces)
        for name in ("surplus-deferral", "greedy-deferral", "myopic")
    )
    assert all(is_balanced(ran.balance) for ran in (surplus, greedy, myopic))
    assert (surplus.auxiliary_j < greedy.auxiliary_j).all()
    assert (greedy.auxiliary_j < myopic.auxiliary_j).all()


@pytest.mark.slow
def test_measured_requests_conserve_energy_and_leave_the_oracle_unbeaten() -> None:
    scenario = make_scenario("uncertain", arrival_rate=5.53, horizon_slots=600)
    trace = measured_requests(scenario)
    assert trace.n_tasks > 2000
    oracle = run_traces(scenario, make_dispatcher("oracle", scenario), [trace])
    assert is_balanced(oracle.balance)
    for name in ("myopic", "scaling-law", "error-0.05", "fixed-0", "fixed-1"):
        other = run_traces(scenario, make_dispatcher(name, scenario), [trace])
        assert is_balanced(other.balance)
        assert (other.auxiliary_j >= (1 - 1e-9) * oracle.auxiliary_j).all()
