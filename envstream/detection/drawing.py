"""Drawing: boxes, with what they are and how sure that is, burnt into the pixels of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envstream.detection.boxes import Box
from envstream.frame import Pixels

SMALLEST, LARGEST = 10, 22  # Pixels that a line of text is high.
SHARE = 30  # A line takes about this part of the picture's height.

# Of classes, in turn: to be told apart from each other on light and dark, also by those who see no red.
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (255, 255, 255),
    (148, 103, 189),
    (23, 190, 207),
    (188, 189, 34),
    (255, 152, 150),
)

Colour = tuple[int, int, int]


def draw(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """The picture with the boxes in it, the surest on top; the very same array where there are none.

    Args:
        pixels: uint8 RGB of shape (height, width, 3); left as it is.
    """
    if not boxes:
        return pixels
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    size = min(LARGEST, max(SMALLEST, picture.height // SHARE))
    for box in sorted(boxes, key=lambda box: box.score):
        colour = COLOURS[box.index % len(COLOURS)]
        left, top, right, low = corners(box, picture.width, picture.height)
        pen.rectangle((left, top, right, low), outline=colour, width=max(1, size // 6))
        if picture.height >= 4 * size:  # Else there is more text than picture.
            _write(pen, f"{box.label} {box.score:.2f}", (left, top, low), size, colour)
    return np.asarray(picture, np.uint8)


def corners(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and lower edge of a box, in whole pixels of the picture."""
    left, top = (min(max(0, int(at * side)), side - 1) for at, side in ((box.x, width), (box.y, height)))
    right = min(max(left, round((box.x + box.width) * width) - 1), width - 1)
    low = min(max(top, round((box.y + box.height) * height) - 1), height - 1)
    return left, top, right, low


def _write(pen: Any, text: str, box: tuple[int, int, int], size: int, colour: Colour) -> None:
    """A line of text above a box; where there is no room, below it, or within."""
    width, height = pen.im.size
    left, top, low = box
    wide, high = int(_font(size).getlength(text)) + size // 2, round(1.4 * size)
    x = max(0, min(left, width - wide))
    above, below = top - high, low + 1
    y = above if above >= 0 else below if below + high <= height else top
    pen.rectangle((x, y, x + wide, y + high - 1), fill=colour)
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if light > 120 else (255, 255, 255)
    pen.text((x + size // 4, y + size // 10), text, fill=ink, font=_font(size))


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)  # Pillow's own: there is one everywhere.
