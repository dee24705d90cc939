"""An array of pixels to draw rectangles, columns and letters into; the letters need Pillow (the extra `render`)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from energy_route_env.units import FloatArray

WIDTH, HEIGHT = 640, 400
"""Pixels of a frame; even, as video codecs want."""

Color: TypeAlias = tuple[int, int, int]
Frame: TypeAlias = NDArray[np.uint8]
TRACK, INK, MUTED = (234, 238, 242), (31, 35, 40), (99, 108, 118)


class Canvas:
    """An RGB picture to draw into; coordinates in pixels from the upper left."""

    def __init__(self) -> None:
        """Start with a white sheet."""
        self.pixels: Frame = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)

    def box(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """Fill a rectangle."""
        left, top = round(x), round(y)
        self.pixels[top : max(round(y + height), top), left : max(round(x + width), left)] = color

    def columns(self, x: int, y: int, height: int, low: FloatArray, high: FloatArray, color: Color) -> None:
        """Fill, in each column from x on, from `low` to `high` pixels above the ground at y + height."""
        above = np.arange(height - 1, -1, -1)[:, None]
        self.pixels[y : y + height, x : x + len(low)][(above >= low) & (above < high)] = color

    def text(self, x: int, y: int, text: str, color: Color = INK, size: int = 13, align: float = 0.0) -> int:
        """Write with the upper left corner at (x, y), or the upper right one at align = 1; the width in pixels."""
        mask = _letters(text, size)
        left = max(round(x - align * mask.shape[1]), 0)
        under = self.pixels[y : y + mask.shape[0], left : left + mask.shape[1]]
        opacity = mask[: under.shape[0], : under.shape[1], None]
        under[:] = np.rint(under * (1 - opacity) + opacity * np.array(color))
        return mask.shape[1]


@lru_cache(maxsize=2048)
def _letters(text: str, size: int) -> FloatArray:
    """The opacity of a line of text, shape (height, width)."""
    from PIL import Image, ImageDraw

    font = _font(size)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (math.ceil(font.getlength(text)), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    return np.asarray(image) / 255.0


@lru_cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
