"""The tables behind the figures agree with exact theory, and the figures are functions of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents import make_dispatcher, slot_distribution
from energy_route_env import make_scenario
from energy_route_env.theory import exact_expected_auxiliary_energy
from eval.decision_map import DecisionMapArgs, decision_at, decision_maps, main as draw_decision_map
from eval.figure_tables import (
    FiguresArgs,
    cost_tables,
    error_cost_tables,
    growth_tables,
    main,
    read_tables,
    relative_spread,
    two_models,
    universal_tables,
    variance_tables,
)
from eval.pictures import PICTURES

SMALL = FiguresArgs(episodes=60, trials=40, horizon=1000, seed=5)


def exact_j(ratio: float, dispatcher: str, slots: int) -> float:
    slot = slot_distribution(make_dispatcher(dispatcher, make_scenario("paper", renewable_ratio=ratio)))
    return float(exact_expected_auxiliary_energy(slot, slots))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    main(FiguresArgs(episodes=12, trials=10, horizon=200, name="first", results=results))
    return results / "first"


def test_points_of_the_universal_curve_lie_within_four_standard_errors_of_exact_theory() -> None:
    points = universal_tables(SMALL)["universal"]
    for ratio in (0.9, 1.0, 1.1):
        for _, point in points[points["ratio"] == ratio].iterrows():
            expected = exact_j(ratio, "myopic", int(point["horizon_slots"]))
            assert abs(point["mean_j"] - expected) < 4 * point["standard_error_j"]
            assert point["standard_error_j"] < 0.2 * expected
            assert point["exact_j"] == pytest.approx(expected, rel=1e-9)


def test_the_universal_theory_is_root_two_over_pi_at_no_drift_and_spreads_as_a_half_normal() -> None:
    theory = universal_tables(FiguresArgs(episodes=2))["universal_theory"].set_index("scaled_drift")
    assert theory.loc[0.0, "mean"] == pytest.approx(np.sqrt(2 / np.pi), rel=1e-6)
    assert theory.loc[0.0, "spread"] == pytest.approx(np.sqrt(np.pi / 2 - 1), rel=1e-4)


def test_the_relative_spread_of_exponential_samples_is_one_within_its_stated_error() -> None:
    samples = np.random.default_rng(1).exponential(3.0, (400, 300))
    spreads = np.array([relative_spread(row) for row in samples])
    assert abs(spreads[:, 0].mean() - 1) < 0.02  # biased by about -1 / n
    assert spreads[:, 1].mean() == pytest.approx(spreads[:, 0].std(), rel=0.15)


def test_the_models_cross_where_the_model_says() -> None:
    crossings = cost_tables(SMALL)["crossings"].set_index("measure")["difficulty"]
    assert crossings.to_dict() == pytest.approx({"energy_j": 1.73864, "latency_s": 1.82968}, abs=5e-6)


def test_growth_curves_lie_within_four_standard_errors_of_exact_theory() -> None:
    growth = growth_tables(SMALL)["growth"]
    for rate in (0.0, 0.2):
        curve = growth[growth["error_rate"] == rate].set_index("slots")
        for slots in (1, 1000):
            expected = exact_j(1.0, f"error-{rate}", slots)
            assert abs(curve.loc[slots, "mean_j"] - expected) < 4 * curve.loc[slots, "standard_error_j"]


def test_the_measured_cost_of_errors_agrees_with_exact_theory() -> None:
    measured = error_cost_tables(SMALL)["error_cost_measured"]
    last = measured[(measured["error_rate"] == 0.2) & (measured["slots"] == 1000)].iloc[0]
    expected = exact_j(1.0, "error-0.2", 1000) - exact_j(1.0, "oracle", 1000)
    assert abs(last["extra_j"] - expected) < 4 * last["standard_error_j"]
    assert last["standard_error_j"] < 0.2 * expected  # paired: far below the spread of either


def test_the_two_models_have_the_gaps_that_were_asked_for() -> None:
    scenario = two_models(volatility_gap_j=100.0, drift_gap_j=10.0)
    small, large = (slot_distribution(make_dispatcher(f"fixed-{k}", scenario)) for k in (0, 1))
    assert large.drift - small.drift == pytest.approx(10.0, abs=0.05)
    assert small.volatility - large.volatility == pytest.approx(100.0, abs=0.05)
    assert scenario.expected_energy_j(scenario.difficulties).argmin(axis=-1) == 0


def test_variance_awareness_saves_where_variances_differ_more_than_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.figure_tables.VOLATILITY_GAPS_J", (10.0, 300.0))
    monkeypatch.setattr("eval.figure_tables.DRIFT_GAPS_J", (1.0,))
    little, much = variance_tables(FiguresArgs(episodes=300, seed=5))["variance_gain"].to_dict("records")
    assert much["difference_j"] < -4 * much["difference_j_half_width"] / 1.96
    assert abs(little["difference_j"]) < 0.02 * little["myopic_j"]


def test_the_observation_at_a_made_up_decision_is_the_environments_own() -> None:
    scenario = make_scenario("uncertain")
    decision = decision_at(scenario, np.zeros(2), np.array([1.7, 1.9]), scenario.horizon_slots // 2)
    # battery, harvest, difficulty, slack, backlog, due, time left, sine and cosine of 100 s into the day
    angle = 2 * np.pi * 100 / 86400
    common = [0, 0, 0.5, np.sin(angle), np.cos(angle)]
    expected = [[0, 0.5, end, *common[:2], *common[2:]] for end in (-1, 1)]
    np.testing.assert_allclose(decision.observation, [[*row[:5], 0.5, *row[5:]] for row in expected], rtol=1e-6)


def test_the_myopic_map_sends_the_harder_half_to_the_large_model_whatever_the_battery() -> None:
    """By expected energy the models cross between the fifth and the sixth level, 1.7889 and 1.8111."""
    maps = decision_maps(make_scenario("uncertain"), ("myopic",))
    chosen = maps.pivot(index="difficulty", columns="battery_j", values="model")
    assert (chosen.nunique(axis=1) == 1).all()
    assert (chosen[chosen.index < 1.789] == 1).all(axis=None)
    assert (chosen[chosen.index > 1.811] == 0).all(axis=None)


def test_the_decision_map_command_writes_table_and_picture(tmp_path: Path) -> None:
    args = DecisionMapArgs(scenario="paper", ratio=0.9, dispatchers=("optimal", "myopic"), slots_left=7)
    draw_decision_map(replace(args, name="map", results=tmp_path))
    files = {file.name for file in (tmp_path / "map").iterdir()}
    assert files == {"decision_map.csv.gz", "decision_map.svg", "decision_map.png", "run.json"}
    maps = pd.read_csv(tmp_path / "map" / "decision_map.csv.gz")
    optimal, myopic = (maps.loc[maps["dispatcher"] == name, "model"].to_numpy() for name in ("optimal", "myopic"))
    np.testing.assert_array_equal(optimal, myopic)  # exact difficulty


def test_the_fewer_slots_are_left_the_more_often_steadiness_pays() -> None:
    late, early = (decision_maps(make_scenario("volatile"), ("optimal",), left)["model"].mean() for left in (10, 190))
    assert late > early + 0.05


def test_a_decision_map_beyond_the_horizon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="slots_left is 201, but it must be at most the horizon, 200"):
        draw_decision_map(DecisionMapArgs(slots_left=201, results=tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_every_figure_is_drawn_and_redrawing_it_from_the_tables_gives_the_same_bytes(folder: Path) -> None:
    main(FiguresArgs(tables=folder, name="again", results=folder.parent))
    for name in PICTURES:
        for ending in ("svg", "png"):
            first, second = ((path / f"{name}.{ending}").read_bytes() for path in (folder, folder.parent / "again"))
            assert first == second


@pytest.mark.slow
def test_tables_are_read_back_as_they_were_saved(folder: Path, tmp_path: Path) -> None:
    for name, table in read_tables(folder).items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    for name, table in read_tables(tmp_path).items():
        pd.testing.assert_frame_equal(table, read_tables(folder)[name], check_exact=True)


@pytest.mark.slow
def test_only_the_figures_whose_tables_are_there_are_drawn(folder: Path, tmp_path: Path) -> None:
    for name in ("costs.csv", "crossings.csv", "universal.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    main(FiguresArgs(tables=tmp_path, name="some", results=tmp_path))
    assert {path.stem for path in (tmp_path / "some").glob("*.svg")} == {"costs"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"episodes": 1}, "episodes"),
        ({"horizon": 50}, "horizon"),
        ({"tables": Path("nowhere")}, "a folder of saved tables"),
        ({"summary": Path("nowhere")}, "a summary.csv"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        main(FiguresArgs(**wrong, results=tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a folder with any of"):
        main(FiguresArgs(tables=tmp_path, results=tmp_path))
