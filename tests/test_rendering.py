"""What `render_mode` shows, and that showing changes nothing."""

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo, RenderCollection

from agents import make_dispatcher
from energy_route_env import EnergyRouteEnv, Trace, make_scenario, rendering
from energy_route_env.canvas import HEIGHT, WIDTH, Color
from energy_route_env.rendering import CHART, CHART_WIDTH, model_name
from energy_route_env.units import joules

image = pytest.importorskip("PIL.Image")
animate = pytest.importorskip("eval.animate")

ENV_ID = "EnergyRoute-v0"
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "solar": {"scenario": "solar"},
    "uncertain, deadline": {"scenario": "uncertain", "deadline_slots": 8, "horizon_slots": 60},
    "one slot": {"horizon_slots": 1, "arrival_rate": 3.0},
    "many models": {"models": tuple(1e9 * 1.5**i for i in range(12)), "deadline_slots": 5, "horizon_slots": 60},
    "one difficulty": {"difficulties": (1.8,), "horizon_slots": 20},
    "crowded": {"arrival_rate": 200.0, "deadline_slots": 5, "horizon_slots": 5},
    "no harvest": {"renewable_ratio": 0.0, "horizon_slots": 60},
    "no battery": {"capacity_j": 0.0, "horizon_slots": 60},
    "no tasks": {"arrival_rate": 0.0, "horizon_slots": 60},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pygame without a display."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(rendering, "RENDER_FPS", 10_000)
    return pytest.importorskip("pygame")


def started(mode: str, trace: Trace | None = None, **fields: Any) -> EnergyRouteEnv:
    env = EnergyRouteEnv(render_mode=mode, **fields)
    env.reset(seed=0, options={"trace": trace} if trace else None)
    return env


def tasks(harvest_j: list[float], task_slot: list[int], **more: Any) -> Trace:
    return Trace.of(harvest_j, task_slot, [1.8] * len(task_slot), **more)


def pixels(env: EnergyRouteEnv, color: Color) -> np.ndarray:
    """Where the picture has this colour, shape (HEIGHT, WIDTH)."""
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    return (frame == color).all(axis=-1)


def history(env: gym.Env, show: bool, steps: int = 60) -> list[Any]:
    actions, steps_made = np.random.default_rng(1), [env.reset(seed=4)]
    for _ in range(steps):
        if show:
            env.render()
        steps_made.append(env.step(actions.integers(env.action_space.n)))
        if steps_made[-1][2]:
            steps_made.append(env.reset())
    return steps_made


# Gymnasium's conventions


@pytest.mark.parametrize("mode", [None, "rgb_array", "ansi", "human"])
def test_gymnasiums_checker_finds_nothing_in_any_mode(mode: str | None, pygame: Any) -> None:
    check_env(gym.make(ENV_ID, render_mode=mode).unwrapped)


@pytest.mark.parametrize(("mode", "kind"), [("rgb_array", np.ndarray), ("ansi", str)])
def test_make_gives_what_the_mode_promises(mode: str, kind: type) -> None:
    env = gym.make(ENV_ID, render_mode=mode)
    env.reset(seed=0)
    assert isinstance(env.render(), kind)


def test_rendering_before_the_first_episode_says_that_reset_is_needed() -> None:
    with pytest.raises(ResetNeeded, match=r"^No episode has begun: call reset\(\) before render\(\)\.$"):
        EnergyRouteEnv(render_mode="ansi").render()


def test_rendering_without_a_mode_warns_and_gives_nothing() -> None:
    env = EnergyRouteEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match='render_mode="rgb_array"'):
        assert env.render() is None


def test_the_vector_environment_still_takes_no_mode() -> None:
    assert gym.make_vec(ENV_ID, num_envs=2).metadata["render_modes"] == []


@pytest.mark.parametrize(
    ("module", "mode", "package"),
    [("PIL.Image", "rgb_array", "pillow"), ("PIL.Image", "human", "pillow"), ("pygame", "human", "pygame-ce")],
)
def test_a_missing_package_is_named_with_how_to_install_it(
    module: str, mode: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyNotInstalled, match=rf"needs {package}: pip install 'energy-route-env\[render\]'\.$"):
        EnergyRouteEnv(render_mode=mode)


def test_text_needs_no_package_beyond_the_core() -> None:
    code = (
        "import sys; sys.modules['PIL'] = sys.modules['pygame'] = None\n"
        "from energy_route_env import EnergyRouteEnv\n"
        "env = EnergyRouteEnv(render_mode='ansi'); env.reset(seed=0); print(env.render())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("paper, slot ")


@each_variant
def test_a_whole_episode_gives_frames_of_one_kind_and_text(variant: str) -> None:
    env, texts = started("rgb_array", **VARIANTS[variant]), started("ansi", **VARIANTS[variant])
    actions, frames, over = np.random.default_rng(0), [env.render()], False
    while not over:
        action = actions.integers(env.action_space.n)
        over = env.step(action)[2]
        texts.step(action)
        if over or actions.random() < 0.1:
            frames.append(env.render())
            assert str(texts.render()).count("\n") == 7
    assert {(frame.shape, frame.dtype) for frame in frames} == {((HEIGHT, WIDTH, 3), np.dtype(np.uint8))}
    assert len({frame.tobytes() for frame in frames}) > 1 or len(frames) == 2
    assert not any(np.shares_memory(frames[0], frame) for frame in frames[1:])


@pytest.mark.parametrize("variant", ["paper", "solar", "uncertain, deadline"])
@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_rendering_changes_no_episode(mode: str, variant: str) -> None:
    fields = VARIANTS[variant]
    shown = history(gym.make(ENV_ID, render_mode=mode, **fields), show=True)
    np.testing.assert_equal(shown, history(gym.make(ENV_ID, **fields), show=False))


@pytest.mark.parametrize("mode", ["rgb_array", "human"])
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_clone_made_mid_episode_shows_the_same(
    mode: str, clone: Callable[[EnergyRouteEnv], EnergyRouteEnv], pygame: Any
) -> None:
    env = started(mode, scenario="solar")
    for _ in range(30):
        env.step(0)
    copied = clone(env)
    for one in (env, copied):
        one.step(2)
    frames = [rendering.draw_frame(one._screen._view(one._batch)) for one in (env, copied)]  # type: ignore[union-attr]
    np.testing.assert_array_equal(*frames)
    env.close()


def test_the_window_shows_every_step_by_itself_and_closes(pygame: Any) -> None:
    window, frames = EnergyRouteEnv(render_mode="human"), started("rgb_array")
    window.reset(seed=0)
    for action in (0, 1, 0):
        np.testing.assert_array_equal(
            pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1), frames.render()
        )
        for env in (window, frames):
            env.step(action)
    assert window.render() is None
    for _ in range(2):
        window.close()
        assert not pygame.display.get_init()


def test_gymnasiums_wrappers_collect_a_frame_per_step() -> None:
    env = RenderCollection(gym.make(ENV_ID, render_mode="rgb_array"))
    env.reset(seed=0)
    for _ in range(4):
        env.step(0)
    assert len(env.render()) == 5


def test_gymnasiums_wrapper_records_a_video(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    env = RecordVideo(gym.make(ENV_ID, render_mode="rgb_array", horizon_slots=10), str(tmp_path / "videos"))
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    env.close()
    assert [file.suffix for file in (tmp_path / "videos").iterdir()] == [".mp4"]


# What is to be seen


def test_a_battery_is_filled_in_proportion() -> None:
    areas = []
    for charge_j in (0.0, 400.0, 800.0, 1600.0):
        env = started("rgb_array", tasks([charge_j, 0.0], [1]), horizon_slots=2, capacity_j=1600.0)
        areas.append(int(pixels(env, rendering.BATTERY).sum()))
    assert areas == [0, areas[3] / 4, areas[3] / 2, areas[3]]
    assert areas[3] > 5000


def test_an_unlimited_battery_is_half_full_at_sigma_sqrt_t() -> None:
    scenario = make_scenario(horizon_slots=4)
    half_j = 2 * scenario.volatility_j
    full = started("rgb_array", tasks([9.0, 0.0], [1]), horizon_slots=2, capacity_j=9.0)
    env = started("rgb_array", tasks([half_j, 0.0, 0.0, 0.0], [1]), horizon_slots=4)
    assert 2 * pixels(env, rendering.BATTERY).sum() == pixels(full, rendering.BATTERY).sum()
    assert f"{joules(half_j)} (half: {joules(half_j)}) [##########..........]" in str(
        started("ansi", tasks([half_j, 0.0, 0.0, 0.0], [1]), horizon_slots=4).render()
    )


def test_a_square_is_drawn_for_each_task_due_or_waiting() -> None:
    arrivals = tasks([0.0] * 4, [0] * 9, deadline_slots=[0] * 2 + [3] * 7)
    env = started("rgb_array", arrivals, horizon_slots=4, deadline_slots=3)

    def squares(color: Color) -> int:
        area = int(pixels(env, color).sum())
        legend = 100
        assert (area - legend) % 64 == 0
        return (area - legend) // 64

    assert (squares(rendering.DUE), squares(rendering.WAITING)) == (2, 7)
    for action in (0, 0, 1):
        env.step(action)
    assert (squares(rendering.DUE), squares(rendering.WAITING)) == (0, 6)


def test_harvest_and_demand_of_the_slots_so_far_are_drawn_and_none_to_come() -> None:
    env = started("rgb_array", tasks([600.0] * 8, list(range(8))), horizon_slots=8)
    for slot in range(8):
        harvest = np.flatnonzero(pixels(env, rendering.SUN)[70:150].any(axis=0)) - CHART
        assert harvest.min() == 0
        assert harvest.max() in (CHART_WIDTH * (slot + 1) // 8 - 1, CHART_WIDTH * (slot + 1) // 8 - 2)
        env.step(1)


def test_auxiliary_energy_is_drawn_as_a_curve_that_never_falls_and_names_its_sum() -> None:
    env, text = (started(mode, horizon_slots=200, renewable_ratio=0.5) for mode in ("rgb_array", "ansi"))
    total, over = 0.0, False
    while not over:
        _, reward, over, _, _ = env.step(0)
        text.step(0)
        total -= reward
    curve = pixels(env, rendering.AUXILIARY)[180:230, CHART : CHART + CHART_WIDTH - 1]
    assert curve.any(axis=0).all()
    above_ground = 228 - 180 - curve.argmax(axis=0)
    assert (np.diff(above_ground) >= 0).all()
    assert above_ground[0] < 10
    assert above_ground[-1] > 0.39 * 42, "the axis ends at the next of 1, 2, 5, 10 and so on"
    assert f"auxiliary  {joules(total)} so far" in str(text.render())


@pytest.mark.parametrize("action", [0, 1, 2])
def test_the_action_chosen_is_marked(action: int) -> None:
    env = started("rgb_array", tasks([0.0] * 4, [0, 0], deadline_slots=[3, 3]), horizon_slots=4, deadline_slots=3)
    beside_names = np.s_[:, CHART - 3]
    assert not pixels(env, rendering.CHOICE)[beside_names].any()
    env.step(action)
    marked = np.flatnonzero(pixels(env, rendering.CHOICE)[beside_names])
    assert (290 + 24 * action, 290 + 24 * action + 22) == (marked.min(), marked.max())


def test_bars_show_the_expected_energy_of_the_task_at_hand_on_each_model() -> None:
    env = started("rgb_array", tasks([0.0], [0]), horizon_slots=1, difficulty_noise=0.1)
    bars = pixels(env, rendering.EXPECTED).sum(axis=1)
    energies = env.scenario.expected_energy_j(1.8)
    assert bars[302] / bars[326] == pytest.approx(energies[0] / energies[1], abs=0.01)


def test_text_holds_the_numbers_of_the_info() -> None:
    env = started("ansi", scenario="solar")
    for action in [0, 1, 2] * 60:
        _, _, over, _, info = env.step(action)
        decision, lines = env.decision(), dict(re.findall(r"^(\w+) +(.*)$", str(env.render()), re.M))
        assert not over
        name = ("1B", "10B", "defer")[info["model"]] + " (due, could not wait)" * info["forced"]
        used = f"used {joules(info['energy_j'])}, {joules(info['auxiliary_j'])} of it auxiliary"
        assert lines["choice"] == f"{name}, {used}"
        assert lines["battery"].startswith(f"{joules(info['battery_j'])} of {joules(env.scenario.capacity_j)} [")
        assert lines["harvest"].endswith(f"in this slot, {joules(info['harvest_left_j'])} left of it")
        assert lines["queue"] == f"{decision.due[0]} due now, {decision.backlog[0]} may wait"
        expected = env.scenario.expected_energy_j(decision.observed_difficulty)[0]
        assert f"expected 1B {joules(expected[0])}, 10B {joules(expected[1])}" in lines["task"]


def test_the_clock_tells_day_and_time_where_an_episode_has_days() -> None:
    env = started("ansi", tasks([1.0] * 288, [96 + 37]), scenario="solar")
    assert str(env.render()).startswith("solar, slot 133 of 288, day 2, 09:15\n")
    assert str(started("ansi", tasks([1.0] * 9, [4]), horizon_slots=9).render()).startswith("paper, slot 4 of 9\n")


def test_the_end_tells_that_the_rest_ran() -> None:
    env = started("ansi", tasks([0.0] * 2, [1, 1], deadline_slots=[3, 3]), horizon_slots=2, deadline_slots=3)
    _, reward, over, _, _ = env.step(2)
    assert over and reward < 0
    assert f"choice     defer, then the rest, used {joules(-reward)}, {joules(-reward)} of it" in str(env.render())


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0.0, "0 J"),
        (0.5, "0.50 J"),
        (9.994, "9.99 J"),
        (63.04, "63.0 J"),
        (999.9, "1000 J"),
        (1234.0, "1.23 kJ"),
        (5.7e9, "5.70 GJ"),
        (1e300, "1e+288 TJ"),
    ],
)
def test_energies_have_three_figures_and_a_unit(energy_j: float, text: str) -> None:
    assert joules(energy_j) == text


def test_models_are_named_by_their_size() -> None:
    assert [model_name(n) for n in (1e9, 1.25e10, 3.5e8, 2e12, 5.0)] == ["1B", "12.5B", "350M", "2T", "5"]


# The animation


def test_the_command_animates_an_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.gif"
    animate.main(animate.AnimateArgs(dispatcher="surplus-deferral", every=24, fps=10, out=out))
    assert re.search(r"a\.gif: \d+ frames, [\d.]+ s, \d+ kB", capsys.readouterr().out)
    with image.open(out) as moving:
        assert (moving.size, moving.n_frames, moving.info["duration"]) == ((WIDTH, HEIGHT), 12, 100)


def test_the_animation_ends_with_the_end_of_the_episode_in_true_colours(tmp_path: Path) -> None:
    scenario, rng = make_scenario("solar", horizon_slots=96), np.random.default_rng(3)
    trace, dispatcher = scenario.draw(rng), make_dispatcher("myopic", scenario)
    frames = list(animate.episode_frames(scenario, dispatcher, trace, every=8))
    env = started("rgb_array", trace, scenario=scenario)
    while not env.step(int(dispatcher.act(env.decision())[0]))[2]:
        pass
    np.testing.assert_array_equal(frames[-1], env.render())
    animate.save_animation(frames, tmp_path / "a.gif", fps=10)
    with image.open(tmp_path / "a.gif") as moving:
        moving.seek(moving.n_frames - 1)
        shown = np.asarray(moving.convert("RGB"))
    assert (shown == frames[-1]).all(axis=-1).mean() > 0.98


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": Path("a.mp4")}, "out is 'a.mp4', but it must be a file's name that ends in"),
        ({"out": Path("nowhere/a.gif")}, "out is 'nowhere/a.gif', but it must be in a folder that exists"),
        ({"fps": 0.0}, "fps is 0.0, but it must be a finite number above 0.0 and at most 50.0"),
        ({"every": -1}, "every is -1, but it must be a whole number, 0 or more"),
    ],
)
def test_bad_arguments_of_the_command_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        animate.AnimateArgs(**arguments).check()
    assert str(caught.value).startswith(message)
