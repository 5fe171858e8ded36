"""H.264: pictures to access units without delay. The one door for PyAV, which is loaded when it is needed."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError
from envstream.frame import Pixels

# JPEG quality → x264's crf. Up to 95, CartPole, LunarLander, HalfCheetah and Breakout are then no farther
# from their source than the JPEG is, by SSIM. HalfCheetah's textures decide; drawings bear one to nine more.
_CRF = {1: 42.0, 10: 39.0, 30: 36.0, 60: 31.0, 80: 26.5, 95: 19.0, 100: 12.0}

# A key picture comes when it is asked for and never else; each says all that a decoder must know. `psy` would
# add grain that is not in the picture.
_PARAMS = "keyint=infinite:scenecut=0:repeat-headers=1:annexb=1:bframes=0:psy=0"
# The matrix of JPEG, which decoders that do not read this assume for small pictures as well. With Rec. 709's
# curve instead of sRGB's, browsers that manage colours would paint other ones.
_COLOURS = "colorprim=bt709:transfer=iec61966-2-1:colormatrix=smpte170m:range=tv"
_BT601, _LIMITED, _FULL = 5, 1, 2  # Those, in PyAV's words.
# What was drawn returns, also far from where it was: a paddle, a lamp, the ground behind who passed. What was
# filmed never does.
_FLAT = "ref=3:mixed-refs=1:me=umh"
# A small picture takes so little time that it can be searched thoroughly; this saves pixel art up to a third.
_SMALL, _THOROUGH = 320 * 240, "ref=8:mixed-refs=1:subme=6:partitions=all:me=umh"

_MOST = 16384  # Pixels that x264 takes either way.
_SPS, _REMARK = b"\0\0\1\x67", b"\0\0\1\x06"


@functools.cache
def missing() -> str | None:
    """None where H.264 can be encoded; else what to install."""
    try:
        import av

        av.codec.Codec("libx264", "w")
    except Exception as error:
        return f'H.264 needs PyAV with x264: pip install "gymnasium-envstream[record]" ({error})'
    return None


def crf_of(quality: int) -> float:
    """x264's constant rate factor for a JPEG quality."""
    return float(np.interp(quality, list(_CRF), list(_CRF.values())))


def _options(quality: int, effort: str) -> dict[str, str]:
    crf = f"{crf_of(quality):.1f}"
    params = f"{_PARAMS}:{_COLOURS}:{effort}"
    return {"preset": "veryfast", "tune": "zerolatency", "crf": crf, "x264-params": params}


class VideoEncoder:
    """One zero-latency x264 stream. Not thread-safe.

    Args:
        quality: 1 to 100, as of a JPEG that looks the same.
        flat: whether the pictures are drawings.
        full_colour: 4:4:4, a colour of its own for each pixel. Pixel art wants it (SSIM of Breakout at
            quality 80: 0.94 without, 0.99 with it), larger drawings look the same without, and not every
            browser decodes it.

    Raises:
        EnvstreamError: when there is no PyAV with x264, or pictures can never be of that size.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: float,
        quality: int,
        *,
        flat: bool = False,
        full_colour: bool = False,
    ) -> None:
        lacking = missing()
        if lacking is not None:
            raise EnvstreamError(lacking)
        if not (1 <= width <= _MOST and 1 <= height <= _MOST):
            raise EnvstreamError(
                f"a picture of {width}x{height} cannot be H.264: it takes 1 to {_MOST} pixels either way"
            )
        import av

        self._av: Any = av
        self.codec = ""
        self._size = height, width
        even = height + height % 2, width + width % 2
        self._padded = np.zeros((*even, 3), np.uint8) if even != self._size else None
        self._count = 0
        context: Any = av.CodecContext.create("libx264", "w")
        context.height, context.width = even
        context.pix_fmt = self._format = "yuv444p" if full_colour else "yuv420p"
        # At a low rate x264 spends more on each picture, as it is seen longer; JPEG does not.
        context.time_base, context.framerate = Fraction(1, 90000), Fraction(max(30, round(fps)))
        context.thread_count = 1
        effort = _THOROUGH if width * height <= _SMALL else _FLAT if flat else "ref=1"
        context.options = _options(quality, effort)
        self._context: Any = context
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        # Each chroma sample is the mean of its four pixels; newer PyAV has swscale's faster way to get there.
        kinds: Any = av.video.reformatter.Interpolation
        faster = getattr(kinds, "FULL_CHR_H_INP", None)
        self._halving = kinds.AREA if faster is None else kinds.AREA | faster

    def encode(self, pixels: Pixels, key: bool) -> bytes:
        """The next picture as one access unit; `key`: one that builds on none before.

        Raises:
            EnvstreamError: when it has another size than those before, or x264 does not take it.
        """
        height, width = pixels.shape[:2]
        if self._context is None:
            raise EnvstreamError("this H.264 stream was closed; make another one for more pictures")
        if (height, width) != self._size:
            began = f"{self._size[1]}x{self._size[0]}"
            raise EnvstreamError(
                f"an H.264 stream of {began} cannot go on with a picture of {width}x{height}"
            )
        try:
            frame = self._converted(pixels)
            kinds = self._av.video.frame.PictureType
            frame.pts, frame.pict_type = 3000 * self._count, kinds.I if key else kinds.NONE
            data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        except (self._av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or error
            raise EnvstreamError(f"a picture of {width}x{height} cannot be H.264: {reason}") from error
        self._count += 1
        return self._named(data) if _SPS in data else data

    def close(self) -> None:
        """No more pictures."""
        self._context = None

    def _converted(self, pixels: Pixels) -> Any:
        if self._padded is not None:
            (height, width), padded = self._size, self._padded
            padded[:height, :width] = pixels
            # The edge once more, so that it has its own colour.
            padded[:height, width:] = pixels[:, -1:]
            padded[height:] = padded[height - 1]
            pixels = padded
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return self._reformatter.reformat(
            frame,
            format=self._format,
            interpolation=self._halving,
            dst_colorspace=_BT601,
            src_color_range=_FULL,
            dst_color_range=_LIMITED,
        )

    def _named(self, data: bytes) -> bytes:
        """A key picture, of which the codec is noted, without x264's remark about itself: 700 bytes."""
        head = data.index(_SPS) + len(_SPS)
        self.codec = f"avc1.{data[head : head + 3].hex()}"
        start = data.find(_REMARK)
        return data if start < 0 else data[:start] + data[data.index(b"\0\0\1", start + 4) :]
