"""What is to be seen in a picture. Colours stand for one thing each, so that pixels can be counted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.screens import SIX, START, outcome, started, tasks, where

from energy_route_env.rendering import Screen
from energy_route_env.scenario import Scenario

picture = pytest.importorskip("energy_route_env.rendering.picture")

FLOWS = np.s_[picture.FLOWS_TOP : picture.FLOWS_TOP + picture.FLOWS_HEIGHT, picture.CHART :]
GRID = np.s_[picture.AUXILIARY_TOP : picture.AUXILIARY_TOP + picture.AUXILIARY_HEIGHT, picture.CHART :]
BESIDE_NAMES = np.s_[:, picture.CHART - 3]
WAITS = replace(SIX, deadline_slots=3)


def begun(scenario: Scenario = SIX, harvest_j: float = 0.0, **moment: Any) -> Screen:
    screen = Screen(scenario, "rgb_array")
    screen.begin(np.full(scenario.horizon_slots, harvest_j), START._replace(**moment))
    return screen


def area(screen: Screen, color: tuple[int, int, int]) -> int:
    return int(where(screen.render(), color).sum())


def heights(pixels: np.ndarray) -> np.ndarray:
    """Height of the highest pixel above the ground of each slot that has one, in the middle of a chart's six slots."""
    middles = pixels[:, picture.CHART_WIDTH * (2 * np.arange(6) + 1) // 12]
    return (len(pixels) - middles.argmax(axis=0))[middles.any(axis=0)]


def bands(pixels: np.ndarray) -> list[tuple[int, int]]:
    """First row and width of each block of rows with this colour, from above."""
    width = pixels.sum(axis=1)
    first = np.flatnonzero((width > 0) & (np.append(0, width[:-1]) == 0))
    return [(int(row), int(width[row])) for row in first]


def test_a_battery_is_filled_in_proportion() -> None:
    areas = [area(begun(battery_level=level), picture.BATTERY) for level in (0.0, 0.25, 0.5, 1.0)]
    assert areas == [0, areas[3] / 4, areas[3] / 2, areas[3]]
    assert areas[3] == picture.BATTERY_WIDTH * picture.BATTERY_HEIGHT


def test_an_unlimited_battery_is_half_full_at_sigma_sqrt_t() -> None:
    half_j = SIX.volatility_j * 6**0.5
    env = started("rgb_array", tasks([half_j] + [0.0] * 5, [1]), scenario=SIX)
    assert where(env.render(), picture.BATTERY).sum() == picture.BATTERY_WIDTH * picture.BATTERY_HEIGHT / 2


def test_a_square_is_shown_for_each_task_due_or_waiting() -> None:
    square, legend = 64, 100
    for queue, shown in (
        ((0, 0), (0, 0)),
        ((2, 7), (2, 7)),
        ((0, 6), (0, 6)),
        ((50, 900), (50, 46)),
        ((200, 1), (96, 0)),
    ):
        screen = begun(due=queue[0], waiting=queue[1])
        found = [(area(screen, color) - legend) / square for color in (picture.DUE, picture.WAITING)]
        assert tuple(found) == shown, "the last are left out if there is no room"


def test_harvest_is_shown_up_to_the_current_slot_and_none_to_come() -> None:
    for slot in range(7):
        sun = where(begun(harvest_j=600.0, slot=slot).render(), picture.SUN)[FLOWS].any(axis=0)
        end = picture.CHART_WIDTH * min(slot + 1, 6) / 6
        assert sun[: int(end) - 1].all()
        assert not sun[int(end) + 1 :].any()


def test_harvest_and_demand_of_each_slot_stand_on_one_scale() -> None:
    """Its top is twice the mean demand of a slot; what is more is cut off."""
    mean_j, (sun, line) = SIX.mean_demand_j, (picture.FLOWS_HEIGHT, picture.FLOWS_HEIGHT - 2)
    screen = Screen(SIX, "rgb_array")
    screen.begin(mean_j * np.array([0.4, 0.8, 0.0, 1.2, 1.6, 1.6]), START)
    for slot, energy_j in ((0, mean_j), (1, mean_j / 2), (1, mean_j / 2), (3, 9 * mean_j)):
        screen.record(outcome(energy_j, slot=slot), START._replace(slot=3))
    frame = screen.render()
    assert heights(where(frame, picture.SUN)[FLOWS]).tolist() == [int(sun * share) for share in (0.2, 0.4, 0.6)]
    shares = (0.5, 0.5, 0.0, 1.0)
    assert heights(where(frame, picture.DEMAND)[FLOWS]).tolist() == [2 + int(line * share) for share in shares]


def test_a_large_harvest_sets_the_scale() -> None:
    screen = begun(harvest_j=9 * SIX.mean_demand_j)
    assert heights(where(screen.render(), picture.SUN)[FLOWS]).tolist() == [int(picture.FLOWS_HEIGHT / 1.15)]


def test_the_first_slot_of_many_is_shown() -> None:
    screen = begun(replace(SIX, horizon_slots=1000), harvest_j=SIX.mean_demand_j)
    screen.record(outcome(0.0, 100.0), START)
    for color, chart, pixels in ((picture.SUN, FLOWS, 40), (picture.DEMAND, FLOWS, 2), (picture.AUXILIARY, GRID, 2)):
        assert where(screen.render(), color)[chart].sum() == pixels


def test_auxiliary_energy_is_summed_over_the_slots_so_far() -> None:
    """The chart's top is the next of 1, 2, 5, 10 ... joules above the sum, and above a slot's mean demand."""
    screen = begun()
    for slot, auxiliary_j in ((0, 1000.0), (2, 1000.0), (2, 2000.0), (3, 0.0)):
        screen.record(outcome(5000.0, auxiliary_j, slot=slot), START._replace(slot=slot))
    line = picture.AUXILIARY_HEIGHT - 2
    found = heights(where(screen.render(), picture.AUXILIARY)[GRID])
    assert found.tolist() == [2 + int(line * share) for share in (0.2, 0.2, 0.8, 0.8)]


@pytest.mark.parametrize(("choice", "row"), [((0, False), 0), ((1, False), 1), ((1, True), 1), ((-1, False), 2)])
def test_the_row_of_the_last_choice_is_marked(choice: tuple[int, bool], row: int) -> None:
    screen = begun(WAITS)
    assert not where(screen.render(), picture.CHOICE)[BESIDE_NAMES].any()
    screen.record(outcome(0.0, model=choice[0], forced=choice[1]), START)
    marked = np.flatnonzero(where(screen.render(), picture.CHOICE)[BESIDE_NAMES])
    bars = bands(where(screen.render(), picture.EXPECTED))
    pitch = bars[1][0] - bars[0][0]
    assert marked.min() < bars[0][0] + row * pitch < marked.max() < bars[0][0] + (row + 1) * pitch


@pytest.mark.parametrize("difficulty", [1.7, 1.9])
def test_bars_show_the_expected_energy_of_the_task_at_hand_on_each_model(difficulty: float) -> None:
    """The large model is the cheaper one for a hard task, the small one for an easy task."""
    scenario = replace(SIX, difficulty_noise=0.1)
    most_j = scenario.expected_energy_j(scenario.difficulties).max()
    widths = [
        width for _, width in bands(where(begun(scenario, observed_difficulty=difficulty).render(), picture.EXPECTED))
    ]
    assert widths == pytest.approx(240 * scenario.expected_energy_j(difficulty) / most_j, abs=1)
    assert (widths[0] > widths[1]) == (difficulty == 1.7)


def mark(scenario: Scenario, **moment: Any) -> list[int]:
    """Columns of the mark between hard and easy, 12 pixels high, from the left end of its line."""
    ink = where(begun(scenario, **moment).render(), picture.INK)
    return (np.flatnonzero(ink[picture.TASK_TOP + 3 : picture.TASK_TOP + 15, 490:].all(axis=0)) - 14).tolist()


@pytest.mark.parametrize(("difficulty", "share"), [(1.7, 0.0), (1.8, 0.5), (1.9, 1.0), (1.2, 0.0), (9.0, 1.0)])
def test_the_task_lies_between_hard_and_easy(difficulty: float, share: float) -> None:
    assert mark(SIX, observed_difficulty=difficulty) == [round(84 * share) + i for i in range(-2, 3)]


def test_the_only_difficulty_lies_in_the_middle() -> None:
    assert mark(replace(SIX, difficulties=(1.8,))) == [40, 41, 42, 43, 44]


def test_no_bar_and_no_mark_is_shown_without_a_task() -> None:
    assert mark(SIX, due=0) == []
    assert area(begun(due=0), picture.EXPECTED) == 0


def test_an_episode_shows_nothing_of_the_one_before() -> None:
    screen = begun(WAITS, harvest_j=100.0)
    screen.record(outcome(5e5, 4e5, model=1), START._replace(slot=4, battery_level=0.9, waiting=5))
    screen.begin(np.zeros(6), START)
    np.testing.assert_array_equal(screen.render(), begun(WAITS).render())
