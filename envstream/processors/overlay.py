"""The overlay: the status line of a picture, burnt into its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from envstream.frame import Frame

SMALLEST, LARGEST = 9, 28  # Pixels that a line of text is high.
SHARE = 24  # A line takes about this part of the picture's height.
SHADE = 0.45  # What is left of the picture's light below the text.

Mask = npt.NDArray[np.float32]


class Overlay:
    """Writes episode, step and return along the lower edge; as much of it as there is room for.

    Safe to call from any thread. The frame that is given is left as it is.
    """

    def __call__(self, frame: Frame) -> Frame:
        """The frame with its status line; the very same one where there is nothing to say, or no room."""
        size = min(LARGEST, max(SMALLEST, frame.height // SHARE))
        room = frame.width - size
        if frame.height < 2 * size:
            return frame
        text = fitting(sayings(frame.info), size, room)
        if not text:
            return frame
        mask = line(text, size)
        pixels = np.array(frame.pixels)
        high = min(mask.shape[0], frame.height)
        bar = pixels[-high:].astype(np.float32) * SHADE
        left, wide = size // 2, mask.shape[1]
        ink = mask[:high, :, None]
        bar[:, left : left + wide] = bar[:, left : left + wide] * (1 - ink) + 255 * ink
        pixels[-high:] = bar.round().astype(np.uint8)
        return replace(frame, pixels=pixels, content=frame.content)


def sayings(info: Mapping[str, Any]) -> list[str]:
    """What there is to say of a picture, the most important first."""
    said = []
    for key in ("episode", "step", "return"):
        value = info.get(key)
        if isinstance(value, float) and not value.is_integer():
            said.append(f"{key} {value:.1f}" if abs(value) >= 10 else f"{key} {value:.3g}")
        elif isinstance(value, (int, float)):
            said.append(f"{key} {value:.0f}")
    return said


def fitting(said: list[str], size: int, room: int) -> str:
    """As many of the sayings, from the first, as fit into `room` pixels."""
    for count in range(len(said), 0, -1):
        text = "  ".join(said[:count])
        if _font(size).getlength(text) <= room:
            return text
    return ""


@lru_cache(maxsize=64)
def line(text: str, size: int) -> Mask:
    """A line of text as a mask from 0 to 1, as high as a line is."""
    font = _font(size)
    picture = Image.new("L", (int(font.getlength(text)) + 2, round(size * 1.5)))
    ImageDraw.Draw(picture).text((0, round(size * 0.2)), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / np.float32(255)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)  # Pillow's own: there is one everywhere.
