"""Every `render_mode` keeps Gymnasium's conventions, and showing changes nothing."""

import copy
import pickle
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
from helpers.screens import SIX, started

from energy_route_env import EnergyRouteEnv
from energy_route_env.rendering import Screen, screen

pytest.importorskip("PIL.Image")

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


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pygame without a display."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(screen, "RENDER_FPS", 10_000)
    return pytest.importorskip("pygame")


def in_window(pygame: Any) -> np.ndarray:
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def history(env: gym.Env, show: bool, steps: int = 60) -> list[Any]:
    actions, steps_made = np.random.default_rng(1), [env.reset(seed=4)]
    for _ in range(steps):
        if show:
            env.render()
        steps_made.append(env.step(actions.integers(env.action_space.n)))
        if steps_made[-1][2]:
            steps_made.append(env.reset())
    return steps_made


@pytest.mark.parametrize("mode", [None, "rgb_array", "ansi", "human"])
def test_gymnasiums_checker_finds_nothing_in_any_mode(mode: str | None, pygame: Any) -> None:
    check_env(gym.make(ENV_ID, render_mode=mode).unwrapped)


@pytest.mark.parametrize(("mode", "kind"), [("rgb_array", np.ndarray), ("ansi", str)])
def test_make_gives_what_the_mode_promises(mode: str, kind: type) -> None:
    env = gym.make(ENV_ID, render_mode=mode)
    env.reset(seed=0)
    assert isinstance(env.render(), kind)


@pytest.mark.parametrize("render", [EnergyRouteEnv(render_mode="ansi").render, Screen(SIX, "rgb_array").render])
def test_rendering_before_the_first_episode_says_that_reset_is_needed(render: Callable[[], Any]) -> None:
    with pytest.raises(ResetNeeded, match=r"^No episode has begun: call reset\(\) before render\(\)\.$"):
        render()


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


@pytest.mark.parametrize("variant", VARIANTS)
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
    assert {(frame.shape, frame.dtype) for frame in frames} == {((400, 640, 3), np.dtype(np.uint8))}
    assert len({frame.tobytes() for frame in frames}) > 1 or len(frames) == 2
    assert not any(np.shares_memory(frames[0], frame) for frame in frames[1:])
    assert all(frame.flags.writeable for frame in frames)
    for margin in (np.s_[:, 630:], np.s_[:, :12], np.s_[394:], np.s_[:8]):
        assert all((frame[margin] == 255).all() for frame in frames), "nothing runs off the picture"


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
    env.render()
    frames = []
    for one in (env, clone(env)):
        one.step(2)
        frame = one.render()
        frames.append(in_window(pygame) if mode == "human" else frame)
        one.close()
    np.testing.assert_array_equal(*frames)


def test_the_window_shows_every_step_by_itself_and_closes(pygame: Any) -> None:
    window, frames = EnergyRouteEnv(render_mode="human"), started("rgb_array")
    window.reset(seed=0)
    for action in (0, 1, 0):
        np.testing.assert_array_equal(in_window(pygame), frames.render())
        for env in (window, frames):
            env.step(action)
    np.testing.assert_array_equal(in_window(pygame), frames.render())
    for _ in range(2):
        assert window.render() is None
        assert pygame.display.get_init(), "a closed window opens again"
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
