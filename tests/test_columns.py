"""Every column is written alike on the terminal and in the report, as a summary worked out by hand says."""

import math

import pandas as pd
import pytest

from eval.columns import COLUMNS, filled, merged, number, settings
from eval.report import _table
from eval.terminal import summary_tables

NAN = math.nan
SUMMARY = pd.DataFrame(
    {
        "scenario": "paper",
        "ratio": 0.9,
        "dispatcher": ["myopic", "random", "learned"],
        "episodes": 20,
        "horizon_slots": 1000,
        "same_as": ["myopic", "random", "learned"],
        "unit": "J",
        "cost": [20e3, 1234.5e3, 19e3],
        "cost_half_width": [4e3, 50.25e3, 3e3],
        "difference": [0.0, 1214.5e3, -1e3],
        "difference_half_width": [0.0, 30e3, 500.0],
        "best": "optimum",
        "above_best": [0.25, 10.5, NAN],
        "above_best_half_width": [0.01, 0.5, NAN],
        "energy_per_task_j": [594.07, 1700.0, 600.0],
        "latency_s": [17.25, 18.04, 16.96],
        "grid_share": [0.1, 0.5, 0.0704],
        "spilled_share": [0.0, 0.25, 0.0123],
        "drift_j": [-0.04, 59.4, NAN],
        "volatility_j": [696.89, 1234.56, NAN],
        "brownian_j": [21e3, 1200e3, NAN],
        "brownian_deviation_se": [1.0, 2.0, NAN],
        "exact_j": [20.5e3, 1199e3, NAN],
        "exact_deviation_se": [-0.25, 1.5, NAN],
        "solved_share": [0.99, 0.9, NAN],
        "attempts_per_task": [1.1, 1.25, NAN],
        "energy_per_solved_j": [600.0, 1890.0, NAN],
    }
)
BY_HAND = {
    ("auxiliary", "kJ"): ["20.0 ± 4.0", "1,234.5 ± 50.2", "19.0 ± 3.0"],
    ("minus myopic", "kJ"): ["", "+1,214.5 ± 30.0", "-1.0 ± 0.5"],
    ("minus myopic", "%"): ["", "+6,072.5 ± 150.0", "-5.0 ± 2.5"],
    ("above", "% of optimum"): ["+25.0 ± 1.0", "+1,050.0 ± 50.0", ""],
    ("exact", "kJ"): ["20.5", "1,199.0", ""],
    ("off by", "SE"): ["-0.2", "+1.5", ""],
    ("Brownian", "kJ"): ["21.0", "1,200.0", ""],
    ("per task", "J"): ["594.1", "1,700.0", "600.0"],
    ("latency", "s"): ["17.2", "18.0", "17.0"],
    ("grid", "%"): ["10.0", "50.0", "7.0"],
    ("spilled", "%"): ["0.0", "25.0", "1.2"],
    ("drift", "J"): ["0.0", "59.4", ""],
    ("std", "J"): ["696.9", "1,234.6", ""],
    ("solved", "%"): ["99.0", "90.0", ""],
    ("attempts", "a task"): ["1.10", "1.25", ""],
    ("per solved", "kJ"): ["0.6", "1.9", ""],
}


def shown(summary: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    return {(name, unit): cells for name, unit, cells in filled(summary)}


def test_every_column_is_written_as_by_hand() -> None:
    assert shown(SUMMARY) == BY_HAND
    assert len(COLUMNS) == len(BY_HAND)


def test_the_report_and_the_terminal_write_the_same_cells() -> None:
    report = _table("", SUMMARY)
    assert report["heads"] == ["dispatcher", *(f"{name}, {unit}" for name, unit in BY_HAND)]
    assert [row["name"] for row in report["rows"]] == ["myopic", "random", "learned"]
    assert list(zip(*(row["cells"] for row in report["rows"]), strict=True)) == list(map(tuple, BY_HAND.values()))
    terminal = [column for table in summary_tables(SUMMARY) for column in table.columns]
    written = {str(column.header): list(column.cells) for column in terminal}
    names = {"dispatcher\n": ["myopic", "random", "learned"]}
    alone = {
        f"{name}\n{unit}": cells for (name, unit), cells in BY_HAND.items() if (name, unit) != ("minus myopic", "%")
    }
    assert written == names | alone


def test_where_nothing_is_known_of_a_column_there_is_no_warning() -> None:
    assert [unit for _, unit, _ in filled(SUMMARY.assign(volatility_j=NAN, drift_j=NAN, brownian_j=NAN))]


def test_a_table_is_named_after_its_setting() -> None:
    both = pd.concat([SUMMARY, SUMMARY.assign(ratio=1.0, episodes=7)])
    titles = ["paper, ratio 0.9: 20 episodes of 1000 slots", "paper, ratio 1: 7 episodes of 1000 slots"]
    assert [title for title, _ in settings(both)] == titles
    assert all(list(rows["dispatcher"]) == ["myopic", "random", "learned"] for _, rows in settings(both))


def test_dispatchers_that_did_the_same_share_a_row_and_fewer_episodes_are_told() -> None:
    twins = SUMMARY.assign(same_as=["myopic", "random", "random"], episodes=[20, 5, 5])
    assert list(merged(twins)["dispatcher"]) == ["myopic", "random = learned (5 episodes)"]


def test_a_unit_of_its_own_is_named() -> None:
    carbon = SUMMARY.assign(unit="kg CO2", cost=[2000.0, 3.5, 1.0], cost_half_width=0.5)
    assert shown(carbon)["auxiliary", "kg CO2"] == ["2,000.0 ± 0.5", "3.5 ± 0.5", "1.0 ± 0.5"]


def test_the_report_marks_the_least_auxiliary_energy() -> None:
    assert [row["best"] for row in _table("", SUMMARY)["rows"]] == [False, False, True]


def test_a_column_without_a_number_is_left_out() -> None:
    without = [name for name, unit in shown(SUMMARY.assign(exact_deviation_se=NAN, cost=0.0))]
    assert "off by" not in without
    assert without.count("minus myopic") == 1, "percent of nothing"


def test_where_nothing_is_retried_no_table_tells_of_it() -> None:
    """Such a summary does not have these columns at all."""
    retried = ["solved_share", "attempts_per_task", "energy_per_solved_j"]
    ignored = SUMMARY.drop(columns=retried)
    assert list(shown(ignored)) == list(shown(SUMMARY))[: -len(retried)]
    assert [len(list(summary_tables(summary))) for summary in (SUMMARY, ignored)] == [3, 2]


@pytest.mark.parametrize(
    ("value", "arguments", "text"),
    [
        (-0.001, {}, "0.00"),
        (-0.001, {"sign": "+"}, "+0.00"),
        (1234567.0, {"digits": 1}, "1,234,567.0"),
        (1500.0, {"size": 1e3, "sign": "+"}, "+1.50"),
        (NAN, {}, ""),
        (1.0, {"size": NAN}, ""),
    ],
)
def test_a_number_has_no_negative_zero_and_is_empty_where_there_is_none(
    value: float, arguments: dict, text: str
) -> None:
    assert number(value, **arguments) == text
