"""Smaller: JPEG or without loss, whichever takes fewer bytes."""

from __future__ import annotations

from envstream import codec
from envstream.frame import Pixels

COMPARED_EVERY = 30  # Frames for which it is remembered whether JPEG or lossless is the smaller.


class Smaller:
    """The smaller of JPEG and lossless, for the pictures of one stream at one rung.

    Which of the two it is, is found out now and then and remembered in between, so that a photograph pays
    for one glance at its colours in 30 frames, and pixel art for one JPEG. Threads that meet here may each
    find out; nothing worse.
    """

    def __init__(self) -> None:
        self._left = 0
        self._jpeg_bytes = 0  # What a lossless picture has to stay below; 0 = JPEG is the smaller.

    def encode(self, pixels: Pixels, quality: int) -> tuple[str, bytes]:
        """The picture's format and its bytes."""
        self._left -= 1
        if self._left >= 0:
            if not self._jpeg_bytes:
                return "jpeg", codec.encode(pixels, "jpeg", quality)
            data = codec.encode(pixels, "webp")
            if len(data) < self._jpeg_bytes:
                return "webp", data
        return self._compare(pixels, quality)

    def _compare(self, pixels: Pixels, quality: int) -> tuple[str, bytes]:
        jpeg = codec.encode(pixels, "jpeg", quality)
        lossless = codec.encode(pixels, "webp") if codec.is_pixel_art(pixels) else None
        wins = lossless is not None and len(lossless) < len(jpeg)
        self._left, self._jpeg_bytes = COMPARED_EVERY - 1, len(jpeg) if wins else 0
        return ("webp", lossless) if wins and lossless is not None else ("jpeg", jpeg)
