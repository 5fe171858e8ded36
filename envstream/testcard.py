"""The test card: a moving picture that says its own number in black and white, for measuring. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 640, 360
CELLS, CELL, STRIP = 32, 20, 24  # Cells across, their width, and the strip's height, in pixels.
NUMBERS = 2**24  # The number is told modulo this; the last eight cells are its check.
BALL = 56  # Pixels, the moving square's side.


def check(number: int) -> int:
    """What the last eight cells say of a number: a picture that was misread is told from a true one."""
    return (number * 151 + 77) % 251


class Card:
    """Makes pictures of one size."""

    def __init__(self) -> None:
        across = np.linspace(40, 215, 2 * WIDTH).astype(np.uint8)
        down = np.linspace(30, 150, HEIGHT).astype(np.uint8)
        ground = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
        ground[..., 0] = down[:, None]
        ground[..., 1] = np.concatenate([across[::2], across[::-2]])[None, :]
        ground[..., 2] = 170
        ground[:, ::32] = 60  # Lines, by which one sees that it moves.
        self._ground = np.concatenate([ground, ground[:, :WIDTH]], axis=1)

    def picture(self, number: int) -> npt.NDArray[np.uint8]:
        """The picture of frame `number`."""
        start = number * 4 % (2 * WIDTH)
        picture = self._ground[:, start : start + WIDTH].copy()
        x, y = _bounce(number * 7, WIDTH - BALL), STRIP + _bounce(number * 5, HEIGHT - STRIP - BALL)
        picture[y : y + BALL, x : x + BALL] = (245, 190, 60)
        bits = np.unpackbits(np.frombuffer((number % NUMBERS).to_bytes(3, "big"), np.uint8))
        checked = np.unpackbits(np.array([check(number % NUMBERS)], np.uint8))
        cells = np.concatenate([bits, checked]) * np.uint8(255)
        picture[:STRIP] = np.repeat(cells, CELL)[None, :, None]
        return picture


def _bounce(way: int, room: int) -> int:
    """Where something is that goes to and fro in so much room."""
    there = way % (2 * room)
    return min(there, 2 * room - there)
