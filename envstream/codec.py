"""Pixels to compressed pictures: JPEG on the frame path, PNG and WebP on request."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import simplejpeg
from PIL import Image

from envstream.frame import Pixels

MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

_FLAT = 0.6  # Share of neighbours of one colour from which on a picture is drawn rather than filmed.


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    # Halved colour smears the thin lines and text of drawings; elsewhere it is not seen and halves the time.
    data: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", "444" if is_flat(pixels) else "420")
    return data


def is_flat(pixels: Pixels) -> bool:
    """Whether a picture is made of areas of one colour, as drawings are; judged by every 16th row."""
    rows = pixels[::16]
    if rows.shape[1] < 2:
        return True
    return bool((rows[:, 1::2] == rows[:, : rows.shape[1] // 2 * 2 : 2]).mean() >= _FLAT)


def _pillow(name: str, **options: object) -> Callable[[Pixels, int], bytes]:
    def write(pixels: Pixels, quality: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, name, **options)
        return out.getvalue()

    return write


ENCODERS: dict[str, Callable[[Pixels, int], bytes]] = {
    "jpeg": _jpeg,
    "png": _pillow("PNG", compress_level=3),
    "webp": _pillow("WEBP", lossless=True, method=2),
}


def encode(pixels: Pixels, format: str = "jpeg", quality: int = 85) -> bytes:
    """Compress uint8 RGB pixels of shape (height, width, 3).

    Args:
        format: `jpeg`, `png` or `webp`; the last two are lossless and ignore `quality`.
        quality: JPEG quality, 1 to 100.
    """
    return ENCODERS[format](pixels, quality)


def decode_jpeg(data: bytes) -> Pixels:
    """JPEG bytes to uint8 RGB pixels of shape (height, width, 3)."""
    pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB")
    return pixels


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Pixels at another size: whole multiples by repetition (pixel art stays crisp), else smoothly."""
    old_height, old_width = pixels.shape[:2]
    if (old_width, old_height) == (width, height):
        return pixels
    if width % old_width == 0 and height % old_height == 0:
        return pixels.repeat(height // old_height, axis=0).repeat(width // old_width, axis=1)
    small = width <= old_width and height <= old_height
    method = Image.Resampling.BOX if small else Image.Resampling.BICUBIC
    picture = Image.fromarray(pixels).resize((width, height), method)
    return np.asarray(picture, np.uint8)


def fit(pixels: Pixels, max_width: int | None) -> Pixels:
    """Pixels no wider than `max_width`, in proportion; None = as they are."""
    height, width = pixels.shape[:2]
    if max_width is None or width <= max_width:
        return pixels
    return resize(pixels, max_width, max(1, round(height * max_width / width)))
