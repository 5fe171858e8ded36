"""Pixels to compressed pictures: JPEG, lossless WebP for drawings, PNG on request."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import simplejpeg
from PIL import Image, PngImagePlugin, WebPImagePlugin

from envstream.errors import DamagedError, PictureError
from envstream.frame import Pixels

MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
LONGEST_SIDE = {
    "jpeg": 65_500,
    "png": 2**31 - 1,
    "webp": 16_383,
}  # Pixels that libjpeg, zlib and libwebp have room for.

_FLAT = 0.6  # Share of neighbours of one colour from which on a picture is drawn rather than filmed.
_FEW = 64  # Colours that a drawing has at most; a Game Boy Color shows 56.
# Pixels from which on a picture is no longer tried without loss: beyond, it takes milliseconds.
_SMALL = 320 * 240


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


def is_pixel_art(pixels: Pixels) -> bool:
    """Whether a picture is small and of few colours, so that it is compressed best without loss.

    Judged by every 4th row, in 0.1 ms; pictures that are not small are turned down at once.
    """
    height, width = pixels.shape[:2]
    if height * width > _SMALL or unfit(width, height, "webp") or not is_flat(pixels):
        return False
    rows = pixels[::4].astype(np.uint32)
    return np.unique(rows[..., 0] << 16 | rows[..., 1] << 8 | rows[..., 2]).size <= _FEW


# Imported here, Pillow need not load all of its forty formats when the first picture is written.
_LOADED = (PngImagePlugin, WebPImagePlugin)


def _pillow(name: str, **options: object) -> Callable[[Pixels, int], bytes]:
    def write(pixels: Pixels, quality: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, name, **options)
        return out.getvalue()

    return write


ENCODERS: dict[str, Callable[[Pixels, int], bytes]] = {
    "jpeg": _jpeg,
    "png": _pillow("PNG", compress_level=3),
    # The effort from which on more gains nothing but takes longer; without the GIL.
    "webp": _pillow("WEBP", lossless=True, quality=25, method=1),
}


def encode(pixels: Pixels, format: str = "jpeg", quality: int = 85) -> bytes:
    """Compress uint8 RGB pixels of shape (height, width, 3).

    Args:
        format: `jpeg`, `png` or `webp`; the last two are lossless and ignore `quality`.
        quality: JPEG quality, 1 to 100.

    Raises:
        PictureError: when the picture is longer than pictures of the format may be.
    """
    height, width = pixels.shape[:2]
    if (too_long := unfit(width, height, format)) is not None:
        raise PictureError(too_long)
    return ENCODERS[format](pixels, quality)


def unfit(width: int, height: int, format: str) -> str | None:
    """Why there can be no picture of that size in a format; None: there can."""
    most = LONGEST_SIDE.get(format)
    if most is None or max(width, height) <= most:
        return None
    return f"a picture of {width}x{height} cannot be {format}, whose sides have at most {most} pixels"


def decode_jpeg(data: bytes) -> Pixels:
    """JPEG bytes to uint8 RGB pixels of shape (height, width, 3).

    Raises:
        DamagedError: they are none, or damaged.
    """
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        raise DamagedError(f"the picture cannot be decoded ({error})") from error
    return pixels


def decode(data: bytes) -> Pixels:
    """A JPEG, PNG or WebP as uint8 RGB pixels of shape (height, width, 3).

    Raises:
        DamagedError: it is none, or damaged.
    """
    if data[:2] == b"\xff\xd8":
        return decode_jpeg(data)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except Exception as error:  # Of a dozen kinds, with bytes that lie.
        raise DamagedError(f"the picture cannot be decoded ({error})") from error


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
    return resize(pixels, *fitted(width, height, max_width))


def fitted(width: int, height: int, max_width: int | None) -> tuple[int, int]:
    """The size of a picture that is to be no wider than `max_width`, in proportion."""
    if max_width is None or width <= max_width:
        return width, height
    return max_width, max(1, round(height * max_width / width))
