"""Anything a `render()` may give, as RGB pixels: arrays, tensors, images, text, and lists of them.

Three steps: read it as an array, arrange the array as (height, width, channels), turn its values into
bytes. Only numpy is imported; torch, Pillow and the rest are known by their manners.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from envstream.errors import PictureError
from envstream.frame import Pixels

_Array = npt.NDArray[Any]

_PIL_MODES_READ_AS_THEY_ARE = {"1", "L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16L", "I;16B", "I;16N"}


BLACK_BEFORE_WARNING = 5  # Pictures in a row that are black before the user is told what helps.
BLACK = (
    "the pictures are black; without a screen set MUJOCO_GL=egl (MuJoCo), pass --enable_cameras (Isaac Lab), "
    "or make the env with render_mode='rgb_array'"
)


def to_rgb(picture: object, *, depth: bool = False, max_pixels: int = 33_000_000) -> Pixels:
    """The picture as uint8 RGB of shape (height, width, 3).

    The result may be a view of the input, and read-only: copy what is to be kept. A uint8 array of shape
    (height, width, 3) comes back itself.

    Args:
        picture: an array, tensor, PIL image or terminal text, or a list or tuple of them, whose last one
            counts. One to four channels (grey, grey and alpha, RGB, RGBA), first or last; transparency
            lies over black. Values are 0–1 or 0–255 in floats, 0–65535 in uint16, 0–255 in other
            integers; what lies beyond is clipped, and NaN is 0.
        depth: one channel is distances: the nearest finite one is white, the farthest black.
        max_pixels: the most pixels (height times width) that are accepted.

    Raises:
        PictureError: it is not a picture, has no pixels, or has too many.
    """
    if (
        type(picture) is np.ndarray
        and picture.ndim == 3
        and picture.shape[2] == 3
        and picture.dtype == np.uint8
        and 0 < picture.size <= 3 * max_pixels
    ):
        return picture
    array = _read(picture)
    arranged = _channels_last(array)
    if fault := _fault(arranged, max_pixels):
        raise _refusal(picture, fault, array)
    with np.errstate(all="ignore"):  # some trainings run with np.seterr(all="raise")
        as_bytes = _distances_to_bytes if depth and arranged.shape[2] == 1 else _to_bytes
        return _colour(as_bytes(arranged))


def is_black(pixels: Pixels) -> bool:
    """Whether every pixel is black, as when a simulator has no GPU or display to render with.

    A sample settles it for nearly every picture; all pixels are read only when the sample is black, so
    that one bright dot on black is not taken for a failed render.
    """
    return not (pixels[::16, ::16].any() or pixels.any())


def _read(picture: object) -> _Array:
    """The picture as an array of any shape and type. Whatever goes wrong in foreign code is a refusal."""
    try:
        array = _as_array(picture)
    except Exception as error:
        advice = f"reading it failed ({type(error).__name__}: {error}): copy it to a numpy array on the CPU"
        raise _refusal(picture, advice) from error
    if array is None:
        raise _refusal(picture, _advice_for(picture))
    return array


def _as_array(picture: Any) -> _Array | None:
    """The picture as an array, by the first manner it has; None when it has none."""
    if isinstance(picture, list | tuple):
        return _as_array(picture[-1]) if picture else None
    if isinstance(picture, io.StringIO):
        picture = picture.getvalue()
    if isinstance(picture, str):
        from envstream.sources.text import text_to_rgb  # Pillow is loaded only when text comes

        return text_to_rgb(picture)
    if hasattr(picture, "detach") and hasattr(picture, "cpu"):  # torch: on a GPU, part of a graph
        picture = picture.detach().cpu().numpy()
    elif hasattr(picture, "convert") and hasattr(picture, "size"):
        picture = _readable_image(picture)
    elif hasattr(picture, "__dlpack__") and not hasattr(picture, "__array__"):
        picture = np.from_dlpack(picture)
    has_array = hasattr(picture, "__array__") or hasattr(picture, "__array_interface__")
    return np.asarray(picture) if has_array else None


def _readable_image(image: Any) -> Any:
    """A PIL image whose values are plain channels: palettes, CMYK and the like become RGBA."""
    mode = getattr(image, "mode", None)
    if mode in _PIL_MODES_READ_AS_THEY_ARE:
        return image
    return image.convert("LA" if mode == "La" else "RGBA")


def _channels_last(array: _Array) -> _Array:
    """The array as (height, width, channels), as far as its shape can be understood so."""
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        return array[:, :, np.newaxis]
    if array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4) and array.shape[0] in (1, 3, 4):
        return np.moveaxis(array, 0, 2)
    return array


def _fault(array: _Array, max_pixels: int) -> str | None:
    """What to do about an arranged array that is no picture; None when it is one."""
    if array.dtype.kind not in "buif":
        return "give bool, integer or float values"
    if array.size == 0:
        return "it has no pixels: check the size that the env renders with"
    if array.ndim > 3:
        return f"it looks like a batch of {array.shape[0]}: choose one of them"
    if array.ndim < 3 or array.shape[2] not in (1, 2, 3, 4):
        return "reshape it to (height, width, channels)"
    pixels = array.shape[0] * array.shape[1]
    if pixels > max_pixels:
        limit = f"videoStreamMaxPixels={max_pixels}"
        return f"its {pixels} pixels are more than {limit}: render smaller, or raise the limit"
    return None


def _to_bytes(array: _Array) -> Pixels:
    """Values of any number type as bytes, by what the type usually means in a picture."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        highest = array.max(where=np.isfinite(array), initial=0)
        return _unit_to_bytes(array if highest <= 1 else array / 255)
    if kind == "u" and array.dtype.itemsize == 2:
        return (array >> 8).astype(np.uint8)
    highest = min(255, np.iinfo(array.dtype).max)  # numpy 2.0 refuses to clip int8 to 255
    return np.clip(array, 0, highest).astype(np.uint8)


def _distances_to_bytes(array: _Array) -> Pixels:
    """Distances as grey: the nearest finite one is 255, the farthest 0; a flat picture is white."""
    values = array.astype(np.float64)
    finite = np.isfinite(values)
    if values.max(where=finite, initial=-np.inf) <= 0:
        values = -values  # Isaac Gym counts distance downwards, and an empty sky is -inf
    nearest = values.min(where=finite, initial=np.inf)
    farthest = values.max(where=finite, initial=-np.inf)
    return _unit_to_bytes(1 - (values - nearest) / ((farthest - nearest) or 1))


def _unit_to_bytes(values: _Array) -> Pixels:
    """0–1 as 0–255, rounded. fmax and fmin prefer the number to the NaN, so NaN is 0 and inf is clipped."""
    return (np.fmin(np.fmax(values, 0), 1) * 255 + 0.5).astype(np.uint8)


def _colour(array: Pixels) -> Pixels:
    """Bytes of one to four channels as three: grey is repeated, alpha lies over black."""
    colours = 3 if array.shape[2] > 2 else 1
    colour, alpha = array[:, :, :colours], array[:, :, colours:]
    if alpha.size and alpha.min() < 255:
        colour = ((colour.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    return np.broadcast_to(colour, (*colour.shape[:2], 3))


def _advice_for(picture: object) -> str:
    """What to do about a thing that cannot be read as an array at all."""
    if picture is None:
        return 'make the env with render_mode="rgb_array"'
    if isinstance(picture, dict):
        return "choose the picture in it"
    if isinstance(picture, list | tuple):
        return "let its last element be a picture" if picture else "it is empty: render before it is read"
    return "convert it to a numpy array"


def _refusal(picture: object, advice: str, array: _Array | None = None) -> PictureError:
    came = type(picture).__name__
    if array is not None:
        came += f" of shape {array.shape} and dtype {array.dtype}"
    return PictureError(f"expected a picture (height, width, 1 to 4 channels), got {came}; {advice}")


class Blackness:
    """Notices that pictures are black, and that they are no more."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def seen(self, pixels: Pixels) -> str | None:
        """What to say when `pixels` were shown: a warning, "" to take it back, None = nothing new."""
        if not is_black(pixels):
            warned, self._in_a_row = self._in_a_row >= BLACK_BEFORE_WARNING, 0
            return "" if warned else None
        self._in_a_row += 1
        return BLACK if self._in_a_row == BLACK_BEFORE_WARNING else None
