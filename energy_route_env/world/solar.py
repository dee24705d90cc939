"""From measured weather to photovoltaic power, by pvlib (the extra `solar`)."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from energy_route_env.checks import InputError, MissingExtra
from energy_route_env.units import FloatArray
from energy_route_env.world.recorded import spread

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("ghi", "dni", "dhi", "temp_air", "wind_speed")
HOURS_PER_YEAR = 8760
MOST_IRRADIANCE = 2000
"""W/m2, above what the sun gives anywhere on Earth; formats mark missing hours by codes like 9999."""


def photovoltaic_series(weather_file: str, slot_seconds: float) -> FloatArray:
    """Return the photovoltaic energy of every slot of a weather year, from a midnight on, per watt installed.

    Hourly energies are kept: within an hour they are spread by a monotone interpolation of the cumulated energy.

    Args:
        weather_file: path of a TMY3, TMY2, EPW or PVGIS (CSV) file, or the name of one that ships with pvlib.
        slot_seconds: length of a slot; a divisor of the day.

    Returns:
        Joules per slot, shape (365 * 86400 / slot_seconds,).

    Raises:
        InputError: if the file is missing, is not of these formats, or gives no sunshine.
        MissingExtra: if pvlib is not installed.
    """
    cumulated_j = np.append(0.0, _hourly_power(str(_find(weather_file))).cumsum() * 3600)
    slot_edges = np.linspace(0, HOURS_PER_YEAR, round(HOURS_PER_YEAR * 3600 / slot_seconds) + 1)
    return spread(np.arange(HOURS_PER_YEAR + 1.0), cumulated_j, slot_edges)


def _pvlib() -> Any:
    try:
        import pvlib
    except ImportError as error:
        raise MissingExtra("Photovoltaic harvest needs pvlib: pip install 'energy-route-env[solar]'.") from error
    return pvlib


def _find(weather_file: str) -> Path:
    """Return the file itself, or the one of that name that ships with pvlib."""
    _pvlib()
    shipped = Path(str(resources.files("pvlib"))) / "data"
    for path in (Path(weather_file), shipped / weather_file):
        if path.is_file():
            return path
    raise InputError(
        f"weather_file is {weather_file!r}, but it must be the path of a TMY3, TMY2, EPW or PVGIS file, or the name of "
        f"one that ships with pvlib (723170TYA.CSV, 703165TY.csv, 12839.tm2): no such file was found."
    )


@lru_cache(maxsize=8)
def _hourly_power(path: str) -> FloatArray:
    """Return the mean AC power of every hour of the year, from midnight on, in watts per watt installed."""
    weather, latitude, longitude = _read(Path(path))
    power = _pvwatts(weather, latitude, longitude)
    by_local_time = np.roll(power, _hours_to_local_midnight(weather.index[0], longitude))
    if not (np.isfinite(by_local_time).all() and by_local_time.sum() > 0):
        raise InputError(f"weather_file is {path!r}, but it must give sunshine and no missing values.")
    return by_local_time


def _pvwatts(weather: pd.DataFrame, latitude: float, longitude: float) -> FloatArray:
    """Run PVWatts (Dobos 2014) for 1 W: fixed array, tilt = latitude, facing the equator, 14 % system losses."""
    pvlib = _pvlib()
    sun = pvlib.solarposition.get_solarposition(weather.index, latitude, longitude)
    irradiance = pvlib.irradiance.get_total_irradiance(
        surface_tilt=abs(latitude),
        surface_azimuth=180 if latitude >= 0 else 0,
        solar_zenith=sun["apparent_zenith"],
        solar_azimuth=sun["azimuth"],
        dni=weather["dni"],
        ghi=weather["ghi"],
        dhi=weather["dhi"],
    )["poa_global"]
    mounting = pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_polymer"]
    cell = pvlib.temperature.sapm_cell(irradiance, weather["temp_air"], weather["wind_speed"], **mounting)
    dc = pvlib.pvsystem.pvwatts_dc(irradiance, cell, pdc0=1.0, gamma_pdc=-0.0047)
    delivered = dc * (1 - pvlib.pvsystem.pvwatts_losses() / 100)
    return np.asarray(pvlib.inverter.pvwatts(delivered, pdc0=1.0), float)


def _hours_to_local_midnight(first_middle: pd.Timestamp, longitude: float) -> int:
    """Return the whole hours by which to roll the record to begin at midnight of local mean solar time."""
    start = first_middle.tz_convert("UTC")
    return round(start.hour + start.minute / 60 - 0.5 + longitude / 15)


def _read(path: Path) -> tuple[pd.DataFrame, float, float]:
    """Read hourly weather of one year, stamped with the middle of each hour, and its place."""
    errors = []
    for read in (_read_tmy3, _read_epw, _read_pvgis, _read_tmy2):
        try:
            weather, place, minutes_to_middle = read(path)
            return _as_hours(weather, minutes_to_middle), float(place["latitude"]), float(place["longitude"])
        except (ValueError, LookupError, TypeError, AttributeError, NameError, StopIteration, OSError) as error:
            errors.append(f"{read.__name__[6:]}: {type(error).__name__} {str(error).splitlines()[:1]}")
    raise InputError(
        f"weather_file is {str(path)!r}, but it must be a whole year by the hour in a format that pvlib reads "
        f"(TMY3, EPW, PVGIS, TMY2). Tried {'; '.join(errors)}."
    )


def _read_tmy3(path: Path) -> tuple[pd.DataFrame, dict[str, Any], int]:
    return *_pvlib().iotools.read_tmy3(path, coerce_year=1990, map_variables=True), -30  # stamped with the hour's end


def _read_epw(path: Path) -> tuple[pd.DataFrame, dict[str, Any], int]:
    return *_pvlib().iotools.read_epw(path, coerce_year=1990), 30  # stamped with the hour's beginning


def _read_pvgis(path: Path) -> tuple[pd.DataFrame, dict[str, Any], int]:
    result = _pvlib().iotools.read_pvgis_tmy(path, map_variables=True)  # two values since pvlib 0.13, four before
    place = result[1] if len(result) == 2 else result[2]
    place = place.get("inputs", place)
    place = place.get("location", place)
    return result[0], place, 0  # values of the moment


def _read_tmy2(path: Path) -> tuple[pd.DataFrame, dict[str, Any], int]:
    weather, place = _pvlib().iotools.read_tmy2(path)
    names = {"GHI": "ghi", "DNI": "dni", "DHI": "dhi", "DryBulb": "temp_air", "Wspd": "wind_speed"}
    weather = weather.rename(columns=names)[list(NEEDED)].astype(float)
    weather[["temp_air", "wind_speed"]] /= 10  # the format gives tenths
    return weather, place, 30  # stamped with the hour's beginning


def _as_hours(weather: pd.DataFrame, minutes_to_middle: int) -> pd.DataFrame:
    """Return the needed columns, stamped with the middle of each hour."""
    import pandas as pd

    hours = weather[list(NEEDED)]
    if len(hours) != HOURS_PER_YEAR:
        raise ValueError(f"{len(hours)} rows instead of {HOURS_PER_YEAR}")
    hours = hours.astype(float)
    if (hours[["ghi", "dni", "dhi"]] > MOST_IRRADIANCE).any(axis=None):
        raise ValueError(f"an irradiance above {MOST_IRRADIANCE} W/m2, a code for a missing value perhaps")
    return hours.set_index(pd.DatetimeIndex(hours.index) + pd.Timedelta(minutes=minutes_to_middle))
