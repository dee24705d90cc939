"""One episode as an animated picture, with one frame for every slot or every few slots."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from agents import Dispatcher, make_dispatcher
from energy_route_env import EnergyRouteEnv, Scenario, Trace
from energy_route_env.checks import require, require_real, require_whole
from energy_route_env.rendering import Frame
from eval.rollout import draw_traces, play
from eval.runs import scenario_at

FORMATS = (".gif", ".webp", ".png")


@dataclass(frozen=True)
class AnimateArgs:
    """Run a dispatcher through one episode and save it as an animated picture."""

    scenario: str = "solar"
    """Name of the scenario."""
    ratio: float | None = None
    """Renewable ratio; by default the scenario's."""
    dispatcher: str = "learned"
    """Name of a dispatcher (`benchmark --help` lists them), or the path of a policy (.safetensors)."""
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
        for name in ("episode", "seed", "every"):
            require_whole(name, getattr(self, name), 0)
        require_real("fps", self.fps, 0.0, 50.0, above=True)
        require(self.out.suffix in FORMATS, "out", str(self.out), f"a file's name that ends in one of {FORMATS}")
        require(self.out.parent.is_dir(), "out", str(self.out), "in a folder that exists")


def main(args: AnimateArgs) -> None:
    """Run the episode, save the animation, and print where it is."""
    args.check()
    scenario = scenario_at(args.scenario, args.ratio)
    dispatcher = make_dispatcher(args.dispatcher, scenario)
    dispatcher.reset(args.seed)
    every = args.every or math.ceil(scenario.horizon_slots / 150)
    trace = draw_traces(scenario, [args.episode], args.seed)[0]
    titled = replace(scenario, name=f"{scenario.name}, {args.dispatcher}")
    frames = list(episode_frames(titled, dispatcher, trace, every))
    save_animation(frames, args.out, args.fps)
    seconds, kilobytes = len(frames) / args.fps, args.out.stat().st_size / 1e3
    Console().print(f"{args.out}: {len(frames)} frames, {seconds:.1f} s, {kilobytes:.0f} kB", soft_wrap=True)


def episode_frames(scenario: Scenario, dispatcher: Dispatcher, trace: Trace, every: int) -> Iterator[Frame]:
    """Yield a frame at the first decision of every `every` slots, and one at the end of the episode.

    Yields:
        Pictures of shape (height, width, 3).
    """
    env = EnergyRouteEnv(dispatcher.charged(scenario), render_mode="rgb_array")
    shown = 0
    for info in play(env, dispatcher, trace):
        if "balance" in info or info["slot"] // every > shown:
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
    """Return the most common colours, shape (at most `most`, 3)."""
    counts = Image.fromarray(np.concatenate(frames)).getcolors(maxcolors=2**24) or []
    commonest = sorted(counts, key=lambda counted: (-counted[0], counted[1]))
    return np.array([color for _, color in commonest[:most]], np.uint8)


def in_palette(frame: Frame, palette: NDArray[np.uint8]) -> Image.Image:
    """Show the frame in these colours; any other colour becomes the nearest of them."""
    pixels = frame.reshape(-1, 3).astype(int)
    _, first, which = np.unique(pixels @ [65536, 256, 1], return_index=True, return_inverse=True)
    apart = np.square(pixels[first, None] - palette).sum(axis=-1)
    image = Image.fromarray(apart.argmin(axis=-1).astype(np.uint8)[which].reshape(frame.shape[:2]))
    image.putpalette(palette.tobytes())
    return image
