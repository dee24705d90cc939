"""`python -m eval animate`: an episode as a moving picture."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.screens import started

from agents import make_dispatcher
from energy_route_env import make_scenario

image = pytest.importorskip("PIL.Image")
animate = pytest.importorskip("eval.animate")


def test_the_command_animates_an_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.gif"
    animate.main(animate.AnimateArgs(dispatcher="surplus-deferral", every=24, fps=10, out=out))
    assert re.search(r"a\.gif: \d+ frames, [\d.]+ s, \d+ kB", capsys.readouterr().out)
    with image.open(out) as moving:
        assert (moving.size, moving.n_frames, moving.info["duration"]) == ((640, 400), 12, 100)


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
