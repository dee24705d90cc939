"""One episode as an animated picture, with one frame for every slot or every few slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from agents import Dispatcher, make_dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace, make_scenario
from energy_route_env.checks import require, require_real, require_whole
from energy_route_env.rendering import Frame
from eval.rollout import draw_traces

FORMATS = (".gif", ".webp", ".png")


@dataclass(frozen=True)
class AnimateArgs:
    """Run a dispatcher through one episode and save it as an animated picture."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float = 1.0
    """Renewable ratio."""
    dispatcher: str = "learned"
    """Name of the dispatcher."""
    episode: int = 0
    """Number of the episode among those of the seed."""
    seed: int = 0
    """Seed of the traces; 0 is the benchmark's."""
    every: int = 0
    """Slots from one frame to the next; 0 for as few as give at most 150 frames."""
    fps: float = 12.0
    """Frames per second."""
    out: Path = Path("solar.gif")
    """The file to write: .gif, .webp or .png (animated). An existing one is replaced."""

    def check(self) -> None:
        """Check the counts and the file's name."""
        for name in ("episode", "seed", "every"):
            require_whole(name, getattr(self, name), 0)
        require_real("fps", self.fps, 0.0, 50.0, above=True)
        require(self.out.suffix in FORMATS, "out", str(self.out), f"a file's name that ends in one of {FORMATS}")
        require(self.out.parent.is_dir(), "out", str(self.out), "in a folder that exists")


def main(args: AnimateArgs) -> None:
    """Run, save the animation, and say where it is."""
    args.check()
    scenario = make_scenario(args.scenario, renewable_ratio=args.ratio)
    dispatcher = make_dispatcher(args.dispatcher, scenario)
    dispatcher.reset(args.seed)
    every = args.every or -(-scenario.horizon_slots // 150)
    trace = draw_traces(scenario, [args.episode], args.seed)[0]
    titled = replace(scenario, name=f"{scenario.name}, {args.dispatcher}")
    frames = list(episode_frames(titled, dispatcher, trace, every))
    save_animation(frames, args.out, args.fps)
    seconds, kilobytes = len(frames) / args.fps, args.out.stat().st_size / 1e3
    Console().print(f"{args.out}: {len(frames)} frames, {seconds:.1f} s, {kilobytes:.0f} kB", soft_wrap=True)


def episode_frames(scenario: Scenario, dispatcher: Dispatcher, trace: Trace, every: int) -> Iterator[Frame]:
    """One frame at the first decision of every `every` slots, and one at the end of the episode.

    Yields:
        Pictures of shape (height, width, 3).
    """
    env = EnergyRouteEnv(scenario, render_mode="rgb_array")
    env.reset(options={"trace": trace})
    shown, ended = 0, False
    while not ended:
        action = int(dispatcher.act(env.decision(dispatcher.privileged))[0])
        *_, terminated, truncated, info = env.step(action)
        ended = terminated or truncated
        if ended or info["slot"] // every > shown:
            shown = info["slot"] // every
            yield np.asarray(env.render())


def save_animation(frames: Sequence[Frame], path: Path, fps: float) -> None:
    """Write the frames; the last one stays for two seconds."""
    images = [Image.fromarray(frame) for frame in frames]
    if path.suffix == ".gif":
        palette = common_colors(frames[:: max(len(frames) // 8, 1)])
        images = [in_palette(frame, palette) for frame in frames]
    durations = [round(1000 / fps)] * (len(images) - 1) + [2000]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, lossless=True)


def common_colors(frames: Sequence[Frame], most: int = 64) -> NDArray[np.uint8]:
    """The most common colours, shape (at most `most`, 3)."""
    colors, counts = np.unique(np.concatenate([_packed(frame) for frame in frames]), return_counts=True)
    return _unpacked(colors[np.argsort(-counts, kind="stable")[:most]])


def in_palette(frame: Frame, palette: NDArray[np.uint8]) -> Image.Image:
    """The frame in these colours; a colour that is not among them becomes the nearest one."""
    colors, which = np.unique(_packed(frame), return_inverse=True)
    apart = np.square(_unpacked(colors)[:, None].astype(int) - palette.astype(int)).sum(axis=-1)
    image = Image.fromarray(apart.argmin(axis=-1).astype(np.uint8)[which].reshape(frame.shape[:2]))
    image.putpalette(palette.tobytes())
    return image


def _packed(frame: Frame) -> NDArray[np.int32]:
    """Each pixel's colour as one number."""
    red, green, blue = np.moveaxis(frame.astype(np.int32), -1, 0)
    return ((red * 256 + green) * 256 + blue).ravel()


def _unpacked(colors: NDArray[np.int32]) -> NDArray[np.uint8]:
    return np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=-1).astype(np.uint8)
