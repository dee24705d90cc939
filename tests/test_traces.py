"""Logs, rates and power from files: every rule for messy input, by what it says in docs/scenarios.md."""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy_route_env.checks import InputError, MissingExtra
from energy_route_env.world import files
from energy_route_env.world.tables import RULES, zone_of
from energy_route_env.world.traces import read_log, read_power, read_rates

START = datetime(2024, 3, 4)
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines into a file of this name and return its path."""

    def writes(*lines: str, name: str = "trace.csv") -> str:
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return str(tmp_path / name)

    return writes


@pytest.fixture(params=[1, 3, 100_000])
def chunk_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The rules are the same wherever a chunk ends."""
    monkeypatch.setattr(files, "CHUNK_ROWS", request.param)
    yield request.param


def stamps(seconds: list[float], offset: str = "") -> list[str]:
    return [f"{START + timedelta(seconds=s)}{offset}" for s in seconds]


# Logs


LOG = [0.25, 1.5, 1.75, 3.0, 3.5, 3.75, 5.5]


def test_a_log_becomes_counts_of_whole_slots(write: Write, chunk_rows: int) -> None:
    """Slots 1 to 4; the first and the last are cut by the log's ends."""
    source, repairs = read_log(write("time", *stamps(LOG)), 1.0)
    assert source.record.series.tolist() == [2, 0, 3, 0]
    assert source.mean == 5 / 4
    assert repairs.counts == {} and repairs.rows == 7
    taken = "times from 'time': 2024-03-04T00:00:00Z to 2024-03-04T00:00:05Z, 4 whole slots of 1 s"
    assert str(repairs).endswith(f"trace.csv: 7 rows; {taken}; nothing to repair.")


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9), ("h", 1 / 3600)])
def test_times_may_be_numbers_in_any_unit(write: Write, unit: str, scale: float) -> None:
    numbers = [repr(s * scale) for s in LOG]
    source, _ = read_log(write("t,tokens", *[f"{n},1" for n in numbers]), 1.0, unit=unit)
    assert source.record.series.tolist() == [2, 0, 3, 0]


def test_the_order_of_a_log_does_not_matter(write: Write, chunk_rows: int) -> None:
    mixed = [3.0, 0.25, 5.5, 1.5, 1.75, 3.75, 3.5]
    source, repairs = read_log(write("time", *stamps(mixed)), 1.0)
    assert source.record.series.tolist() == [2, 0, 3, 0]
    assert repairs.counts == {"unsorted": 3}


def test_a_request_that_is_written_twice_counts_once(write: Write, chunk_rows: int) -> None:
    """Twice in a row with the same tokens; other tokens at the same time are another request. At most 1 % may be so."""
    lines = [f"{s},7" for s in stamps([k + 0.5 for k in range(300)])]
    lines[100:100] = [lines[100]]  # again
    lines[200:200] = [lines[200][:-1] + "8"]
    source, repairs = read_log(write("time,tokens", *lines), 1.0)
    assert source.record.series.sum() == 300 + 1 - 2  # those at both ends lie in slots that are cut
    assert repairs.counts == {"duplicate": 1}
    alike = [lines[0], lines[0][:-1] + "8", "", ",1"]  # the same time, no row, no time
    many = [*alike, *[line for line in lines for _ in range(2)]]
    with pytest.raises(
        InputError, match=r"equal to another row is 303, but it must be at most 1 % of 607, the first in row 5"
    ):
        read_log(write("time,tokens", *many), 1.0)


def test_times_in_whole_seconds_are_different_requests_and_ask_for_slots_of_seconds(write: Write) -> None:
    file = write("time,tokens", *[f"{s},1" for s in stamps([0, 1, 1, 1, 2, 4, 6])])
    source, repairs = read_log(file, 2.0)
    assert source.record.series.tolist() == [1, 1]  # 2 to 4 and 4 to 6
    assert repairs.counts == {"rounded": 7}
    for slot in (0.5, 1.5):
        with pytest.raises(InputError, match=rf"slot_seconds is {slot}, but it must be a multiple of 1 s"):
            read_log(file, slot)
    minutes = write("time", *stamps([60.0 * k for k in range(5)]))
    with pytest.raises(InputError, match=r"slot_seconds is 90.0, but it must be a multiple of 60 s"):
        read_log(minutes, 90.0)


def test_rows_without_a_time_are_left_out_up_to_a_hundredth(write: Write, chunk_rows: int) -> None:
    lines = [f"{s},1" for s in stamps([k + 0.5 for k in range(200)])]
    lines[50] = ",1"
    source, repairs = read_log(write("time,tokens", *lines), 1.0)
    assert source.record.series.sum() == 197 and repairs.counts == {"no time": 1}
    lines[60] = lines[70] = ",1"
    with pytest.raises(
        InputError, match=r"without a time is 3, but it must be at most 1 % of 200, the first in row 51"
    ):
        read_log(write("time,tokens", *lines), 1.0)


def test_a_stray_time_is_refused_instead_of_a_record_of_decades(write: Write) -> None:
    file = write("time", *stamps(LOG), "1970-01-01 00:00:00.5")
    with pytest.raises(InputError, match=r"whole slots in .* is 17095\d+, but .* earliest time is in row 1 or after"):
        read_log(file, 1.0)


def test_a_log_of_times_all_over_the_centuries_is_refused_while_it_is_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_route_env.world.traces.MOST_SLOTS", 10 * 65_536)
    numbers = [str(1e6 * k + 0.5) for k in range(30)]
    with pytest.raises(InputError, match=r"slots in .* is 1376256, but it must be 655360 at most"):
        read_log(write("t", *numbers), 1.0)


def test_a_stray_time_in_fine_power_or_rates_is_a_gap_that_is_not_filled(write: Write) -> None:
    """Two days, of which one has a short gap, and a row of 1970; the days between, 56 years, are left out."""
    days = np.random.default_rng(2).random(2 * 8640).round(6)
    rows = [*power_rows(days.tolist(), 10), "1970-01-01 00:00:00,1"]
    source, repairs = read_power(write("time,w", *rows[:100], *rows[102:]), 900.0)
    assert repairs.counts == {"unsorted": 1, "filled": 2, "days left out": 19_786}
    expected = 10 * days.reshape(-1, 90).sum(axis=1)
    np.testing.assert_allclose(source.series_j[2:], expected[2:], rtol=1e-7)  # of seconds from 1970 on
    stray = r"slots in .* is 1709683190, but .* 19786 days, between rows 17281 and 1$"
    for read in (read_power, read_rates):
        with pytest.raises(InputError, match=stray.replace("$", r"\.")):
            read(write("time,w", *rows), 1.0)
    ends = ["1678-01-01,1", "1678-01-02,1", "2261-01-01,1"]
    with pytest.raises(InputError, match=r"in less than 292 years: .* is one of 212935 days, between rows 2 and 3"):
        read_power(write("time,w", *ends), 900.0)


def test_more_missing_rows_than_slots_that_there_may_be_are_refused(write: Write) -> None:
    micros = [*range(20), *range(3_000_000_000, 3_000_000_020)]
    with pytest.raises(InputError, match=r"rows missing in gaps of .* is 2999999980, but it must be 100000000 at most"):
        read_rates(write("t,rate", *[f"{t},1" for t in micros]), 60.0, unit="us")


def test_a_log_that_begins_at_midnight_keeps_whole_days(write: Write) -> None:
    """From 20:00 UTC on the first day, by -04:00 from 16:00, to the third day: one whole day of 24 hours is left."""
    hours = [f"2024-07-01T{20 + k // 60 if k < 240 else 0:02d}:{k % 60:02d}:30.5" for k in range(0, 240, 10)]
    hours += [f"2024-07-0{2 + k // 24}T{k % 24:02d}:15:00.5" for k in range(40)]
    source, _ = read_log(write("time", *hours), 3600.0, zone="UTC", start="midnight")
    assert source.record.series.tolist() == [1] * 24
    shifted, _ = read_log(write("time", *hours), 3600.0, zone="-04:00", start="midnight")  # local times of -04:00
    assert shifted.record.series.tolist() == [1] * 24 and shifted.record.start_every == 24
    moved, _ = read_log(write("time", *[hour + "Z" for hour in hours]), 3600.0, zone="-04:00", start="midnight")
    assert moved.record.series.tolist() == [1] * 24  # from 04:00 UTC on
    with pytest.raises(InputError, match=r"whole days in .* is 0, but it must be 1 or more to begin at midnight"):
        read_log(write("time", *hours[:30]), 3600.0, start="midnight")


# Columns


@pytest.mark.parametrize(
    "head",
    [
        *[
            "created_at,tokens,id",
            "request_id,createdAt,tokens",
            "request_id,tokens,arrival time",
            "id,TIMESTAMP,runtime",
        ],
        *["first,response_time,id", "id,on_battery,Date"],
    ],
)
def test_times_are_the_first_column_if_it_can_be_or_the_only_one_of_such_a_name(write: Write, head: str) -> None:
    """Each named column but the times has numbers, which would be times from 0 to 6 s."""
    names = head.split(",")
    taken = next(
        name for name in ("created_at", "createdAt", "arrival time", "TIMESTAMP", "first", "Date") if name in names
    )
    lines = [",".join(time if name == taken else str(k) for name in names) for k, time in enumerate(stamps(LOG))]
    source, repairs = read_log(write(head, *lines), 1.0)
    assert source.record.series.tolist() == [2, 0, 3, 0]
    assert repairs.taken.startswith(f"times from '{taken}': 2024")


@pytest.mark.parametrize(("head", "said"), [("id,tokens", "none"), ("id,sent_at,done_at", r"\['sent_at', 'done_at'\]")])
def test_numbers_of_no_such_name_are_no_times_unless_they_are_named(write: Write, head: str, said: str) -> None:
    names = head.split(",")
    file = write(head, *[",".join([str(k)] * len(names)) for k in range(9)])
    with pytest.raises(
        InputError, match=rf"time_column of .*, but it must be named, as one of \['id', .*these are: {said}"
    ):
        read_log(file, 1.0)
    source, repairs = read_log(file, 2.0, time_column="id", unit="s")
    assert source.record.series.tolist() == [2, 2, 2]
    assert repairs.taken == "times from 'id' in s: 0 to 8, 3 whole slots of 2 s"


@pytest.mark.parametrize("head", ["t,rate,id", "id,t,rate", "id,rate,t", "rate,t"])
def test_values_are_in_the_column_after_the_times_or_before_them_where_they_are_last(write: Write, head: str) -> None:
    lines = [",".join({"t": str(600 * k), "rate": "2", "id": "99"}[name] for name in head.split(",")) for k in range(4)]
    source, repairs = read_rates(write(head, *lines), 600.0)
    assert source.record.series.tolist() == [1200] * 4 and "values from 'rate'" in repairs.taken


def test_times_alone_have_no_values(write: Write) -> None:
    with pytest.raises(InputError, match=r"columns of .* is \['t'\], but it must be two or more: times and values"):
        read_rates(write("t", "0", "600", "1200"), 600.0)


# Rates


def test_rates_hold_from_row_to_row_and_keep_their_sums(write: Write) -> None:
    source, _ = read_rates(write("t_s,rate_per_s", "0,2", "600,5", "1200,0.5"), 600.0)
    np.testing.assert_allclose(source.record.series, [1200, 3000, 300])
    coarse, _ = read_rates(write("t_s,rate_per_s", "0,2", "600,5", "1200,0.5"), 900.0)
    assert coarse.record.series.sum() == pytest.approx(4500)
    scaled, _ = read_rates(write("t_s,x,r", "0,9,2", "600,9,5"), 600.0, rate_column="r", mean=4.0)
    assert scaled.mean == 4.0 and scaled.record.mean == pytest.approx(2100)


def test_the_cv_of_a_table_is_its_root_mean_square_by_requests(write: Write) -> None:
    file = write("t,rate,cv", "0,1,2.0", "600,3,1.0")
    assert read_rates(file, 600.0, cv="cv")[0].cv == pytest.approx(np.sqrt((1 * 4 + 3 * 1) / 4))
    assert read_rates(file, 600.0, cv=1.5)[0].cv == 1.5
    blank = write("t,rate,cv", "0,1,2.0", "600,3,")
    assert read_rates(blank, 600.0, cv="cv")[0].cv == pytest.approx(np.sqrt((1 * 4 + 3 * 1) / 4))


def test_a_rate_below_0_and_a_long_gap_of_rates_are_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"rate of .*, row 2, is -0.1, but it must be at least 0"):
        read_rates(write("t,rate", "0,1", "600,-0.1", "1200,1"), 600.0)
    rows = [f"{600 * k},1" for k in [*range(20), *range(40, 60)]]
    with pytest.raises(
        InputError, match=r"gap between rows 20 and 21 of .* is 3.33333 h from 1970-01-01T03:20:00.*two hours"
    ):
        read_rates(write("t,rate", *rows), 600.0)


# Power


def power_rows(watts: list[Any], step_s: float = 900.0, offset: str = "") -> list[str]:
    times = stamps([step_s * k for k in range(len(watts))], offset)
    return [f"{time},{watt}" for time, watt in zip(times, watts, strict=True)]


DAYS = np.random.default_rng(4).random(96 * 3).round(6) * 1000


@pytest.mark.parametrize(
    ("step_s", "slot_s"), [(900, 900), (900, 3600), (900, 1200), (300, 900), (3600, 900), (7, 900)]
)
def test_energy_is_kept_at_any_step_and_slot(write: Write, step_s: int, slot_s: int) -> None:
    """Two days and more of power; the harvest of the whole days is the integral of the steps over them."""
    watts = np.random.default_rng(step_s).random(-(-2 * 86_400 // step_s)).round(6) * 1000
    source, repairs = read_power(write("time,w", *power_rows(watts.tolist(), step_s)), slot_s)
    assert source.slots_per_day == 86_400 // slot_s and len(source.series_j) == 2 * source.slots_per_day
    inside = np.diff(np.minimum(step_s * np.arange(len(watts) + 1), 2 * 86_400))
    assert source.series_j.sum() == pytest.approx(watts @ inside, rel=1e-3 if step_s == 7 else 1e-12)
    assert repairs.counts == {}
    if slot_s % step_s == 0:
        expected = (step_s * watts).reshape(-1, slot_s // step_s).sum(axis=1)
        np.testing.assert_allclose(source.series_j, expected, rtol=1e-9, atol=1e-6)


def test_a_time_may_stamp_the_end_of_what_it_holds_for(write: Write) -> None:
    rows = [f"{hour},{hour}" for hour in range(1, 25)]
    source, _ = read_power(write("timestep,pv", *rows), 3600.0, unit="h", stamped="end")
    np.testing.assert_allclose(source.series_j, 3600.0 * np.arange(1, 25))


def test_several_columns_bring_the_same_mean(write: Write) -> None:
    rows = [f"{hour},{hour},{100 * (24 - hour)}" for hour in range(24)]
    source, repairs = read_power(write("h,wind,sun", *rows), 3600.0, time_column="h", unit="h", columns=("wind", "sun"))
    assert (
        repairs.taken == "times from 'h' in h: 0 to 23, values from 'wind', values from 'sun', 24 whole slots of 3600 s"
    )
    wind, sun = np.arange(24.0), np.arange(24.0, 0, -1)
    np.testing.assert_allclose(source.series_j, (wind / wind.mean() + sun / sun.mean()) / 2)


@pytest.mark.parametrize("stamped", ["start", "end"])
def test_unsorted_power_is_sorted(write: Write, chunk_rows: int, stamped: Any) -> None:
    rows = power_rows(DAYS.tolist())
    expected, _ = read_power(write("time,w", *rows), 900.0, stamped=stamped)
    rows[3], rows[50] = rows[50], rows[3]
    source, repairs = read_power(write("time,w", *rows), 900.0, stamped=stamped)
    np.testing.assert_array_equal(source.series_j, expected.series_j)
    assert repairs.counts == {"unsorted": 2}


def test_of_two_rows_of_one_time_the_mean_is_taken(write: Write) -> None:
    rows = power_rows(DAYS.tolist())
    doubled = [*rows, rows[7], f"{stamps([900.0 * 9])[0]},{DAYS[9] + 10}"]
    source, repairs = read_power(write("time,w", *doubled), 900.0)
    assert repairs.counts == {"unsorted": 1, "duplicate": 1, "same time": 1}
    expected = 900 * DAYS
    expected[9] += 900 * 5
    np.testing.assert_allclose(source.series_j, expected, rtol=1e-9)
    for extra, what in ((rows[:4], "equal to another row"), (power_rows([5000.0] * 4), "of the same time")):
        with pytest.raises(
            InputError, match=rf"{what}.* is 4, but it must be at most 1 % of 292, the first in row 290"
        ):
            read_power(write("time,w", ",1", *rows, *extra[::-1]), 900.0)


def test_a_gap_of_up_to_two_hours_is_interpolated(write: Write) -> None:
    """A row without a value, and eight rows that are not there: linear from the row before to the row after."""
    rows = power_rows(np.linspace(100, 387, 288).tolist())
    rows[40] = rows[40].split(",")[0] + ","
    del rows[100:108]
    source, repairs = read_power(write("time,w", *rows), 900.0)
    np.testing.assert_allclose(source.series_j, 900 * np.linspace(100, 387, 288), rtol=1e-9)
    assert repairs.counts == {"no value": 1, "filled": 9}


@pytest.mark.parametrize(
    ("cut", "left"), [((100, 109), [0, 2]), ((90, 100), [2]), ((86, 96), [1, 2]), ((280, 288), [0, 1])]
)
def test_days_with_a_longer_gap_are_left_out(write: Write, cut: tuple[int, int], left: list[int]) -> None:
    """Nine quarters of an hour on the second day; ten across the first midnight, or up to it; the last two hours."""
    rows = power_rows(DAYS.tolist())
    del rows[slice(*cut)]
    source, repairs = read_power(write("time,w", *rows), 900.0)
    np.testing.assert_allclose(source.series_j, 900 * DAYS.reshape(3, 96)[left].ravel(), rtol=1e-9, atol=1e-6)
    assert repairs.counts.get("days left out", 0) == {100: 1, 90: 2, 86: 1, 280: 0}[cut[0]]
    del rows[10:50], rows[150:190]
    if cut == (90, 100):
        with pytest.raises(InputError, match=r"days without a long gap in .* is 0, but it must be 1 or more"):
            read_power(write("time,w", *rows), 900.0)


def test_power_a_little_below_0_is_0_and_more_is_refused(write: Write) -> None:
    watts = DAYS.copy()
    watts[5], watts[6] = -0.009 * DAYS.max(), 0.0
    source, repairs = read_power(write("time,w", *power_rows(watts.tolist())), 3600.0)
    np.testing.assert_allclose(source.series_j, 900 * np.maximum(watts, 0).reshape(72, 4).sum(axis=1), rtol=1e-9)
    assert repairs.counts == {"negative": 1}
    watts[6] = -0.011 * DAYS.max()
    with pytest.raises(InputError, match=r"w of .*, row 7, is -10\.\d+, but it must be at least -9\.9"):
        read_power(write("time,w", *power_rows(watts.tolist())), 900.0)


# Clocks


def test_mixed_offsets_are_one_time_and_midnight_is_that_of_the_smallest(write: Write, chunk_rows: int) -> None:
    """One hour of +02:00 written as such, the rest as +01:00: the same moments."""
    alike = power_rows(DAYS.tolist(), offset="+01:00")
    mixed = alike[:]
    for k in range(8, 12):
        time = datetime.fromisoformat(alike[k].split(",")[0]).astimezone(timezone(timedelta(hours=2)))
        mixed[k] = f"{time},{DAYS[k]}"
    expected, _ = read_power(write("time,w", *alike), 900.0)
    source, repairs = read_power(write("time,w", *mixed), 900.0)
    np.testing.assert_array_equal(source.series_j, expected.series_j)
    np.testing.assert_allclose(source.series_j, 900 * DAYS, rtol=1e-9)
    assert repairs.counts == {"offset": 4}


def test_some_times_without_an_offset_are_refused(write: Write, chunk_rows: int) -> None:
    rows = [*power_rows(DAYS[:5].tolist(), offset="Z"), *power_rows([1.0])]
    with pytest.raises(
        InputError, match=r"time of .*, row 6, is '2024-03-04 00:00:00', but it must be (a time|as bef)"
    ):
        read_power(write("time,w", *rows), 900.0)
    log = [row.split(",")[0] for row in rows]
    with pytest.raises(InputError, match=r"time of .*, row [12], is '2024-03-04 0"):
        read_log(write("time", *reversed(log)), 900.0)


@pytest.mark.parametrize("offset", ["+0500", "+05", "+05:00", " +0500", "  +05"])
@pytest.mark.parametrize("form", ["%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H%M%S.%f"])
def test_a_utc_offset_is_seen_in_every_form_of_iso_8601(write: Write, form: str, offset: str) -> None:
    """One row is written in the next zone; midnight is that of the smallest offset, or of the zone that is given."""
    rows = [f"{(START + timedelta(minutes=15 * k)).strftime(form)}{offset},{DAYS[k]}" for k in range(96 * 3)]
    rows[30] = f"{(START + timedelta(minutes=450 + 60)).strftime(form)}+06,{DAYS[30]}"
    for zone in (None, "+05:00"):
        source, repairs = read_power(write("time,w", *rows), 900.0, zone=zone)
        np.testing.assert_allclose(source.series_j, 900 * DAYS, rtol=1e-9)
        assert repairs.counts == {"offset": 1}


@pytest.mark.parametrize("rows", [["-7"] * 4, ["-07", "-7:00", "-07", "-07"]])
def test_a_utc_offset_in_another_form_is_refused(write: Write, rows: list[str]) -> None:
    times = [f"2024-03-04T0{k}:00{offset}" for k, offset in enumerate(rows)]
    with pytest.raises(
        InputError, match=r"row [12], is '2024.*7.*', but it must be a time .* Z, \+01, \+0100 or \+01:00"
    ):
        read_log(write("time", *times), 900.0)


def local_rows(first: datetime, n: int, minutes: int, zone: str) -> tuple[list[str], np.ndarray]:
    """Local times without an offset, every so many minutes from a moment of universal time on, and watts."""
    moments = [first + timedelta(minutes=minutes * k) for k in range(n)]
    local = [moment.astimezone(zone_of(zone)).replace(tzinfo=None) for moment in moments]
    watts = np.arange(1.0, n + 1)
    return [f"{time},{watt}" for time, watt in zip(local, watts, strict=True)], watts


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        *[
            ("America/Denver", datetime(2024, 11, 2, 7, tzinfo=timezone.utc)),
            ("Europe/Berlin", datetime(2024, 10, 25, 23)),
        ],
        *[("America/Denver", datetime(2024, 3, 9, 7)), ("Australia/Sydney", datetime(2024, 4, 5, 14))],
    ],
)
def test_local_times_across_a_jump_of_the_clock_are_the_right_moments(
    write: Write, chunk_rows: int, zone: str, first: datetime
) -> None:
    """From a midnight of standard time on, three days; none is lost, none doubled, and every day has 24 hours."""
    for minutes in (30, 60):
        rows, watts = local_rows(first.replace(tzinfo=timezone.utc), 72 * 60 // minutes, minutes, zone)
        source, repairs = read_power(write("time,w", *rows), 60.0 * minutes, zone=zone)
        np.testing.assert_allclose(source.series_j, 60 * minutes * watts, rtol=1e-9)
        assert repairs.counts == ({} if first.month == 3 else {"repeated hour": 120 // minutes})


def test_a_time_that_the_clock_skips_is_refused(write: Write, chunk_rows: int) -> None:
    rows = [f"2024-03-10 0{hour}:30:00,1" for hour in range(6)]
    with pytest.raises(
        InputError, match=r"row 3, is '2024-03-10 02:30:00', but .* clocks in America/Denver show.*-07:00"
    ):
        read_power(write("time,w", *rows), 3600.0, zone="America/Denver")


def test_without_a_zone_a_repeated_hour_is_averaged_and_a_skipped_one_filled(write: Write) -> None:
    """Local times of a year's end whose zone nobody gave: as they stand, with the rules for double and missing rows."""
    rows, watts = local_rows(datetime(2024, 10, 25, 22, tzinfo=timezone.utc), 24 * 5 + 1, 60, "Europe/Berlin")
    source, repairs = read_power(write("time,w", *rows), 3600.0)
    assert repairs.counts == {"same time": 1}
    assert len(source.series_j) == 120 and source.series_j[26] == pytest.approx(3600 * (watts[26] + watts[27]) / 2)


def test_a_zone_says_where_midnight_is(write: Write) -> None:
    """Times of UTC; at -06:00 the day begins with the seventh row."""
    rows = power_rows(np.arange(48.0).tolist(), 3600.0, "+00:00")
    source, _ = read_power(write("time,w", *rows), 3600.0, zone="-06:00")
    np.testing.assert_allclose(source.series_j, 3600 * np.arange(6.0, 30.0))
    summer = [row.replace("2024-03", "2024-07") for row in rows]
    winter_time, _ = read_power(write("time,w", *summer), 3600.0, zone="America/Chicago")
    np.testing.assert_array_equal(winter_time.series_j, source.series_j)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "-7", "07:00", "", "+24:00", "-07:60", 3])
def test_an_unknown_zone_is_refused(write: Write, zone: Any) -> None:
    with pytest.raises(InputError, match=r"zone is .*America/Denver, or a UTC offset, as -07:00"):
        read_log(write("time", *stamps(LOG)), 1.0, zone=zone)


# Refusals


GOOD = power_rows(DAYS[:4].tolist())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("soon,1", r"time of .*, row 5, is 'soon', but it must be a time: ISO 8601"),
        ("9999-01-01 00:00:00,1", r"row 5, is '9999-01-01 00:00:00', but .* between the years 1678 and 2262"),
        ("2024-03-04 03:00:00,much", r"w of .*, row 5, is 'much', but it must be a finite number"),
        ("2024-03-04 03:00:00,inf", r"w of .*, row 5, is .*inf.*, but it must be a finite number"),
        ("2024-03-04T03+01:00,1", r"time of .*, row [1-5], is '2024-03-04.*, but it must be"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_row_and_reason(write: Write, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_power(write("time,w", *GOOD, row), 900.0)


@pytest.mark.parametrize("what", ["date", "duration", "flag", "flags and blanks", "large"])
def test_what_only_pandas_takes_for_a_number_is_refused(tmp_path: Path, what: str) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    times = pd.Series(pd.date_range("2024-03-04", periods=96, freq="15min"))
    flags = pd.Series([None, *[True] * 95], dtype=object)
    columns = {"date": times, "duration": times - times[0], "flag": flags == 1, "flags and blanks": flags}
    table = pd.DataFrame({"time": times, "w": columns.get(what, 1e308)})
    table.to_parquet(tmp_path / "sun.parquet")
    table.to_csv(tmp_path / "sun.csv", index=False)
    for name in ("sun.parquet", "sun.csv"):
        with pytest.raises(InputError, match=r"w of .*sun.*, row [12], is .*, but it must be a finite number, at most"):
            read_power(str(tmp_path / name), 900.0)


def test_numbers_that_are_no_times_are_refused(write: Write, chunk_rows: int) -> None:
    with pytest.raises(InputError, match=r"t of .*, row 3, is 'x', but it must be"):
        read_log(write("t", "1.5", "2", "x", "4"), 1.0)
    with pytest.raises(InputError, match=r"t of .*, row 2, is 1\d+\.0, but it must be a time in s .*mind the unit"):
        read_log(write("t", "1.5", "1e10", "4"), 1.0)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ((), {}, "must be a table"),
        (("time,w",), {}, r"rows of .* is 0, but it must be 1 or more"),
        (("time,w", *GOOD), {"columns": ("x",)}, r"column of .* is 'x', but it must be one of \['time', 'w'\]"),
        (("time,w", *GOOD), {"time_column": "x"}, r"column of .* is 'x', but it must be one of"),
        (("time,w", *GOOD), {}, r"whole days in .* is 0, but it must be 1 or more"),
        (("time,w", *GOOD[:1]), {}, r"rows with a time and a value in .* is 1, but it must be 2 or more"),
        (("time,w", ",1", ",2"), {}, r"times in .* is 0, but it must be 1 or more"),
        (("time,w", *GOOD), {"unit": "d"}, r"unit is 'd', but it must be one of"),
        (("time,w", *GOOD), {"stamped": "middle"}, r"stamped is 'middle', but it must be 'start' or 'end'"),
        (("time,w", *GOOD), {"part": "half"}, r"part is 'half', but it must be one of"),
        (("time,w", *power_rows([0] * 96)), {}, r"harvest in .* is 0.0, but it must be above 0"),
        (("time,w", *power_rows([""] * 96)), {}, r"rows with a time and a value in .* is 0"),
    ],
)
def test_a_table_that_is_none_is_refused(
    write: Write, lines: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    file = write(*lines) if "part" not in options else write("time,w", *power_rows(DAYS.tolist()))
    with pytest.raises(InputError, match=message):
        read_power(file, 900.0, **options)


def test_bytes_that_are_no_text_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "image.csv").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError, match=r"image\.csv"):
        read_log(str(tmp_path / "image.csv"), 1.0)
    with pytest.raises(InputError, match=r"file is 'no.csv', but it must be the path of a CSV file"):
        read_log("no.csv", 1.0)


@pytest.mark.parametrize(
    ("lines", "row", "has"),
    [
        (("t", *[f"{0.5 + k},{k % 3}" for k in range(9)]), 1, 2),
        (("t,w", *[f"{0.5 + k},1,2,3" for k in range(9)]), 1, 4),
        (("t,w", *[f"{0.5 + k},1" for k in range(8)], "9,1,2"), 9, 3),
        (("t,w,x", *[f"{0.5 + k},1," for k in range(8)], "", "9,1"), 9, 2),
    ],
)
def test_rows_with_more_or_fewer_fields_than_the_head_are_refused(
    write: Write, chunk_rows: int, lines: tuple[str, ...], row: int, has: int
) -> None:
    with pytest.raises(InputError, match=rf"fields of .*trace\.csv, row {row}, are {has}, but they must be \d, as in"):
        read_log(write(*lines), 1.0)


def test_a_comma_after_the_last_field_of_rows_or_head_changes_nothing(write: Write, chunk_rows: int) -> None:
    """Also beside a field as long as a prompt."""
    prompt = "a" * 200_000
    for head, end in (("time", ","), ("time,w", ",,"), ("time,", ""), ("time,", ","), (f"time,{prompt}", ",")):
        source, _ = read_log(write(head, *[time + end for time in stamps(LOG)]), 1.0)
        assert source.record.series.tolist() == [2, 0, 3, 0]


def packed(name: str, cut: slice) -> bytes:
    import gzip

    return gzip.compress("\n".join(["time", *stamps(LOG)]).encode())[cut] if name.endswith("gz") else b"time\n0.5\n"


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        *[("log.csv.gz", slice(-9)), ("log.csv.gz", slice(0, 30)), ("log.zip", slice(0)), ("log.csv.xz", slice(0))],
        *[("log.csv.bz2", slice(0)), ("log.tar", slice(0)), ("log.parquet", slice(0)), ("log.pq", slice(0))],
    ],
)
def test_a_file_that_is_not_what_its_name_says_or_is_cut_is_refused(name: str, cut: slice, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(packed(name, cut))
    with pytest.raises(InputError, match=rf"file is '.*{name}', but it must be a table: \w"):
        read_log(str(tmp_path / name), 1.0)


def test_bytes_in_the_place_of_packed_ones_are_refused(tmp_path: Path) -> None:
    data = bytearray(packed(".gz", slice(None)))
    data[10:20] = bytes(10)
    (tmp_path / "log.csv.gz").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"log\.csv\.gz', but it must be a table: Error -3"):
        read_log(str(tmp_path / "log.csv.gz"), 1.0)


@pytest.mark.parametrize("index", ["time", "number", None])
def test_a_parquet_file_of_pandas_has_its_index_as_a_column(tmp_path: Path, index: str | None) -> None:
    """Named, or of equal numbers; a whole time is missing."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    times = pd.array([*range(0, 86_400, 600), None], dtype="Int64")
    table = pd.DataFrame({"w": [1.0] * 145, "time": times, "number": [0] * 145})
    (table if index is None else table.set_index(index)).to_parquet(tmp_path / "sun.parquet")
    source, repairs = read_power(str(tmp_path / "sun.parquet"), 600.0, columns=("w",))
    np.testing.assert_allclose(source.series_j, [600.0] * 144)
    assert repairs.counts == {"no time": 1}


def test_slots_that_no_day_holds_are_refused(write: Write) -> None:
    file = write("time,w", *power_rows(DAYS.tolist()))
    with pytest.raises(InputError, match=r"slot_seconds is 7.0, but it must be a divisor of the day"):
        read_power(file, 7.0)
    with pytest.raises(InputError, match=r"slot_seconds is 0.0, but it must be a finite number above 0"):
        read_power(file, 0.0)
    for far in (1e-7, 4e7, 1e30):
        with pytest.raises(InputError, match=r"slot_seconds is .*, but it must be from a microsecond to a year"):
            read_log(file, far)
    with pytest.raises(InputError, match=r"start is 'noon', but it must be one of"):
        read_log(file, 900.0, start="noon")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"slot_seconds is 3600.0, but it must be a divisor of the UTC offset"):
        read_log(file, 3600.0, zone="+05:45", start="midnight")


def test_lines_before_the_head_and_compression_are_fine(write: Write, tmp_path: Path) -> None:
    import gzip

    plain, _ = read_power(write("# a comment", "time,w", *power_rows(DAYS.tolist())), 900.0)
    (tmp_path / "trace.csv.gz").write_bytes(
        gzip.compress(Path(write("time,w", *power_rows(DAYS.tolist()))).read_bytes())
    )
    packed, _ = read_power(str(tmp_path / "trace.csv.gz"), 900.0)
    np.testing.assert_array_equal(plain.series_j, packed.series_j)


def test_without_pandas_or_pyarrow_the_message_says_what_to_install(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install pyarrow"):
        read_log(write("x", name="log.parquet"), 1.0)
    if sys.version_info < (3, 14):  # which unpacks it by itself
        monkeypatch.setitem(sys.modules, "zstandard", None)
        with pytest.raises(MissingExtra, match=r"log\.csv\.zst needs another package"):
            read_log(write("x", name="log.csv.zst"), 1.0)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"pip install 'energy-route-env\[traces\]'"):
        read_log(write("time", *stamps(LOG)), 1.0)


def test_every_rule_is_in_the_docs() -> None:
    page = (Path(__file__).parents[1] / "docs" / "scenarios.md").read_text()
    assert [name for name in RULES if f"| {name} |" not in page] == []
