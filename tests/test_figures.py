"""Tables behind the pictures, and that a picture is a function of its table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents import make_dispatcher
from energy_route_env import make_scenario
from energy_route_env.checks import InputError
from eval.curves import CurvesArgs, gather, main as draw_curves
from eval.day import DayArgs, main as show_day, slot_by_slot
from eval.figures import day_figure, save_figure
from eval.rollout import draw_traces, run_traces

SOLAR = make_scenario("solar", horizon_slots=96)


@pytest.mark.parametrize("name", ["myopic", "greedy-deferral", "surplus-deferral", "random"])
def test_the_slots_of_an_episode_add_up_to_its_balance(name: str) -> None:
    dispatcher = make_dispatcher(name, SOLAR)
    for trace in draw_traces(SOLAR, range(3), seed=2):
        dispatcher.reset(0)
        slots = slot_by_slot(SOLAR, dispatcher, trace)
        dispatcher.reset(0)
        balance = run_traces(SOLAR, dispatcher, [trace]).balance
        assert slots["auxiliary_j"].sum() == pytest.approx(balance["auxiliary_j"][0], rel=1e-9)
        assert slots["consumed_j"].sum() == pytest.approx(balance["consumed_j"][0], rel=1e-9)
        np.testing.assert_array_equal(slots["harvest_j"], trace.harvest_j)
        assert slots["battery_j"].between(0, SOLAR.capacity_j).all()
        assert slots["backlog"].iloc[-1] == 0
        assert len(slots) == 96


def test_only_deferral_lets_tasks_wait_beyond_their_slot() -> None:
    trace = draw_traces(SOLAR, [0], seed=2)[0]
    waiting = {name: slot_by_slot(SOLAR, make_dispatcher(name, SOLAR), trace) for name in ("myopic", "greedy-deferral")}
    # After five hours of night: half of 80 arrivals, 40, less 3 standard deviations of a Poisson count.
    assert waiting["greedy-deferral"]["backlog"][19] > 21
    assert waiting["myopic"]["backlog"].max() < 15  # the arrivals of the next slot, Poisson of mean 4


def test_the_day_command_writes_table_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_day(DayArgs(dispatchers=("myopic", "surplus-deferral"), name="day", results=tmp_path))
    files = {file.name for file in (tmp_path / "day").iterdir()}
    assert files == {"day.png", "day.svg", "slots.csv", "run.json"}
    assert ", ".join(sorted(files)) in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "day" / "slots.csv")["dispatcher"]) == {"myopic", "surplus-deferral"}


def test_the_same_table_gives_the_same_picture_byte_for_byte(tmp_path: Path) -> None:
    trace = draw_traces(SOLAR, [0], seed=2)[0]
    slots = slot_by_slot(SOLAR, make_dispatcher("myopic", SOLAR), trace).assign(dispatcher="myopic")
    for name in ("a", "b"):
        save_figure(day_figure(slots, SOLAR.capacity_j), tmp_path / name)
    for ending in (".svg", ".png"):
        first, second = ((tmp_path / name).with_suffix(ending).read_bytes() for name in ("a", "b"))
        assert first == second


def curve(folder: Path, seed: int, ratios: list[float]) -> None:
    path = folder / f"seed-{seed}" / "curve.csv"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"steps": [10, 20], "seconds": [1.0, 2.0], "ratio_to_myopic": ratios}).to_csv(path, index=False)


def test_learning_curves_of_all_seeds_are_gathered_and_drawn(tmp_path: Path) -> None:
    curve(tmp_path / "shaped", 0, [1.2, 1.0])
    curve(tmp_path / "shaped", 1, [1.4, 1.1])
    curve(tmp_path / "plain", 0, [2.0, 1.5])
    runs = (tmp_path / "shaped", tmp_path / "plain")
    draw_curves(CurvesArgs(runs, out=tmp_path / "out" / "curves"))
    saved = pd.read_csv(tmp_path / "out" / "curves.csv")
    pd.testing.assert_frame_equal(saved, gather(runs))
    assert saved.groupby("run", sort=False)["ratio_to_myopic"].mean().to_dict() == {"shaped": 1.175, "plain": 1.75}
    svg = (tmp_path / "out" / "curves.svg").read_text()
    assert "shaped (2 seeds)" in svg
    assert "plain" in svg


def test_a_folder_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"each must be the folder of a run, with seed-\*/curve\.csv"):
        gather((tmp_path,))
