"""Pictures from a Game Boy emulator (PyBoy): its screen, copied out of its memory.

PyBoy is not imported: what is handed in is known by its `screen`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from envstream.errors import PictureError
from envstream.frame import Pixels


class ScreenSource:
    """Copies an emulator's screen. Each picture is an array of its own and stays what it was.

    Attributes:
        method: how the screen is read: `"raw_buffer"` is the emulator's memory itself, `"ndarray"` its view
            as an array, `"image"` its Pillow image; the first of them that it has.

    Raises:
        PictureError: the emulator has none of them.
    """

    def __init__(self, pyboy: Any) -> None:
        self._screen = pyboy.screen
        self.method, self._read = self._chosen()

    def take(self) -> Pixels:
        """The screen of this moment as uint8 RGB: of shape (144, 160, 3) on a Game Boy."""
        return self._read(self._screen)

    def _chosen(self) -> tuple[str, Callable[[Any], Pixels]]:
        for method, read in _METHODS.items():
            if getattr(self._screen, method, None) is None:
                continue
            try:
                read(self._screen)
            except Exception:  # Whatever a version of the emulator does there: the next one may do.
                continue
            return method, read
        came = type(self._screen).__name__
        raise PictureError(f"expected a screen with one of {', '.join(_METHODS)}, got {came}; update PyBoy")


def _raw_buffer(screen: Any) -> Pixels:
    rows, columns = screen.raw_buffer_dims
    pixels = np.frombuffer(screen.raw_buffer, np.uint8).reshape(rows, columns, -1)
    return _colours(pixels, screen.raw_buffer_format)


def _ndarray(screen: Any) -> Pixels:
    return _colours(screen.ndarray, getattr(screen, "raw_buffer_format", "RGBA"))


def _image(screen: Any) -> Pixels:
    return np.array(screen.image.convert("RGB"))


def _colours(pixels: Pixels, channels: str) -> Pixels:
    """Red, green and blue of pixels whose channels lie as the letters say, as an array of its own."""
    colours = np.empty((*pixels.shape[:2], 3), np.uint8)
    for index, channel in enumerate("RGB"):  # Three long copies are faster than thousands of three bytes.
        colours[:, :, index] = pixels[:, :, channels.index(channel)]
    return colours


_METHODS: dict[str, Callable[[Any], Pixels]] = {
    "raw_buffer": _raw_buffer,
    "ndarray": _ndarray,
    "image": _image,
}
