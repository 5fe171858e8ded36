"""Compressed pictures to pixels: stills, H.264 as it arrives, whole video files. Loads PyAV when it must."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from envstream import codec
from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.sessions.arrival import Arrival

MAX_PIXELS = (
    8192 * 8192
)  # Of a picture, unless told otherwise; a decoder makes room for all that is announced.

_LOW_DELAY = 0x80000  # FFmpeg's flag for a decoder that holds nothing back.
_KEY = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")  # A slice that builds on no picture before.

# The matrices that swscale knows, by the numbers that streams have for them. One that says none was made by
# Rec. 601, as FFmpeg does; so was JPEG's.
_MATRIX = {1: "ITU709", 4: "FCC", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
_FULL_RANGE = 2

# Files with pictures in them. Play lists are none: they have FFmpeg open files and addresses of their choice.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,gif,apng,ivf,nut,mxf,h264,"
    "hevc,mjpeg,yuv4mpegpipe,wtv,dv,m4v,obu,av1"
)


def pixels_of(arrival: Arrival) -> Pixels:
    """The pixels of a picture that stands for itself, not of H.264: uint8 RGB of shape (height, width, 3)."""
    if arrival.encoding == "raw":
        return np.frombuffer(arrival.data, np.uint8).reshape(arrival.height, arrival.width, 3)
    return np.ascontiguousarray(codec.decode(arrival.data))


class VideoDecoder:
    """One H.264 stream to pixels: an access unit in, its picture out. Not thread-safe.

    Args:
        max_pixels: a larger picture is not decoded.

    Raises:
        EnvstreamError: when there is no PyAV.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._av = _loaded()
        self._options = {"max_pixels": str(max_pixels)}
        self._rgb = _Rgb(self._av)
        self._context: Any = None  # None: nothing but a key picture can be decoded.
        self._count = 0

    def decode(self, data: bytes) -> Pixels | None:
        """The picture of an access unit, as uint8 RGB; None where it cannot be decoded.

        After what cannot be decoded, it goes on with the next key picture.
        """
        if self._context is None:
            if not _KEY.search(data):
                return None
            self._begin()
        self._count += 1
        packet = self._av.Packet(data)
        packet.pts = packet.dts = self._count
        with contextlib.suppress(self._av.error.FFmpegError, ValueError, MemoryError):
            # One that comes late, and in the place of another, is not the picture of this unit.
            for frame in self._context.decode(packet):
                if frame.pts == self._count and not frame.is_corrupt:
                    return self._rgb.pixels(frame)
        self.lost()
        return None

    def lost(self) -> None:
        """A picture is missing here: it goes on with the next key picture."""
        self._context = None

    def _begin(self) -> None:
        context: Any = self._av.CodecContext.create("h264", "r")
        context.flags |= _LOW_DELAY
        context.thread_count = 1  # More of them hold pictures back.
        context.options = self._options
        self._context = context


def frames_of(path: Path, max_pixels: int = MAX_PIXELS) -> Generator[tuple[float, Pixels], None, None]:
    """The pictures of a video file, each with its time in seconds, from 0 on; upright, as players show them.

    What is damaged in the midst is left out.

    Raises:
        EnvstreamError: no PyAV, or no video there.
    """
    av = _loaded()
    with _opened(av, path) as container:
        stream = _pictures(container, path)
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        rgb, start, found = _Rgb(av), None, False
        for frame in _decoded(av, container, stream):
            at = 0.0 if frame.time is None else float(frame.time)
            start = at if start is None else start
            found = True
            yield at - start, _upright(rgb.pixels(frame), frame)
        if not found:
            raise EnvstreamError(
                f"{path.name} is no video that can be read: none of its pictures can be decoded"
            )


def count_of(path: Path) -> int | None:
    """How many pictures a video file says it has; None where it does not say.

    Raises:
        EnvstreamError: no PyAV, or no video there.
    """
    with _opened(_loaded(), path) as container:
        stream = _pictures(container, path)
        return int(stream.frames) or None


class _Rgb:
    """Frames of PyAV to RGB, each by the formula that it names."""

    def __init__(self, av: Any) -> None:
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        self._known: Any = av.video.reformatter

    def pixels(self, frame: Any) -> Pixels:
        matrix = getattr(self._known.Colorspace, _MATRIX.get(int(frame.colorspace), "ITU601"))
        ranges = self._known.ColorRange
        full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
        done = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=ranges.JPEG if full else ranges.MPEG,
            dst_color_range=ranges.JPEG,
        )
        pixels: Pixels = np.ascontiguousarray(done.to_ndarray())
        return pixels


def _loaded() -> Any:
    try:
        import av
    except ImportError as error:
        raise EnvstreamError(
            f'reading video needs PyAV: pip install "gymnasium-envstream[record]" ({error})'
        ) from error
    return av


def _opened(av: Any, path: Path) -> Any:
    # Absolute: FFmpeg takes what is before a colon for a protocol.
    allowed = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        return av.open(str(path.absolute()), options=allowed)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EnvstreamError(
            f"{path.name} is no video that can be read ({reason}); expected a file such as .mp4, .mov, .mkv, "
            ".webm or .avi"
        ) from error


def _pictures(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise EnvstreamError(f"{path.name} has no video in it; expected a file with moving pictures")
    return container.streams.video[0]


def _decoded(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """What can be decoded of a stream."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            return  # The file ends in the midst of something.
        if packet is None:
            return
        with contextlib.suppress(av.error.FFmpegError):
            yield from packet.decode()


def _upright(pixels: Pixels, frame: Any) -> Pixels:
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
