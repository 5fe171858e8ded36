"""H.264, to access units without delay and to MP4 files. The one door for PyAV, loaded when it is needed."""

from __future__ import annotations

import contextlib
import functools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError
from envstream.files import Growing, replacing, unwritable
from envstream.frame import Pixels
from envstream.planes import TICKS, Planes

# JPEG quality → x264's crf. Up to 95, CartPole, LunarLander, HalfCheetah and Breakout are then no farther
# from their source than the JPEG is, by SSIM. HalfCheetah's textures decide; drawings bear one to nine more.
_CRF = {1: 42.0, 10: 39.0, 30: 36.0, 60: 31.0, 80: 26.5, 95: 19.0, 100: 12.0}

# A key picture comes when it is asked for and never else; each says all that a decoder must know. `psy` would
# add grain that is not in the picture.
_PARAMS = "keyint=infinite:scenecut=0:repeat-headers=1:annexb=1:bframes=0:psy=0"
# The matrix of JPEG, which decoders that do not read this assume for small pictures as well. With Rec. 709's
# curve instead of sRGB's, browsers that manage colours would paint other ones.
_COLOURS = "colorprim=bt709:transfer=iec61966-2-1:colormatrix=smpte170m:range=tv"
# What was drawn returns, also far from where it was: a paddle, a lamp, the ground behind who passed. What was
# filmed never does.
_FLAT = "ref=3:mixed-refs=1:me=umh"
# A small picture takes so little time that it can be searched thoroughly; this saves pixel art up to a third.
_SMALL, _THOROUGH = 320 * 240, "ref=8:mixed-refs=1:subme=6:partitions=all:me=umh"

# Training waits for the time of a file, nobody for its bytes: the next preset would save a fifth of them for
# 0.3 ms a picture more. Bits are not spread by texture, so that the lines of drawings stay as they are; two
# steps less of the factor, and HalfCheetah at quality 85 is as near to its source as JPEG 90.
_FILE = {
    "preset": "superfast",
    "tune": "zerolatency",
    # The colours again, as files name them.
    "color_primaries": "bt709",
    "color_trc": "iec61966-2-1",
    "colorspace": "smpte170m",
    "color_range": "tv",
}
_FILE_PARAMS, _FINER = "keyint=infinite:scenecut=0:bframes=0:psy=0:weightp=0:aq-mode=0", 2.0
# Each picture is a fragment of its own.
_GROWING = {"movflags": "empty_moov+default_base_moof+frag_every_frame+skip_trailer", "flush_packets": "1"}
_KEY_TICKS, _KEY_PICTURES = 2 * TICKS, 250
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


def _loaded() -> Any:
    if lacking := missing():
        raise EnvstreamError(lacking)
    import av

    return av


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
        av = _loaded()
        self.codec = ""
        self._count = 0
        self._planes = Planes(av, width, height, "yuv444p" if full_colour else "yuv420p")
        context: Any = av.CodecContext.create("libx264", "w")
        self._planes.prepare(context, fps)
        effort = _THOROUGH if width * height <= _SMALL else _FLAT if flat else "ref=1"
        context.options = _options(quality, effort)
        self._context: Any = context

    def encode(self, pixels: Pixels, key: bool) -> bytes:
        """The next picture as one access unit; `key`: one that builds on none before.

        Raises:
            EnvstreamError: when it has another size than those before, or x264 does not take it.
        """
        if self._context is None:
            raise EnvstreamError("this H.264 stream was closed; make another one for more pictures")
        frame = self._planes.frame(pixels, TICKS // 30 * self._count, key)
        with self._planes.errors():
            data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        self._count += 1
        return self._named(data) if _SPS in data else data

    def close(self) -> None:
        """No more pictures."""
        self._context = None

    def _named(self, data: bytes) -> bytes:
        """A key picture, of which the codec is noted, without x264's remark about itself: 700 bytes."""
        head = data.index(_SPS) + len(_SPS)
        self.codec = f"avc1.{data[head : head + 3].hex()}"
        start = data.find(_REMARK)
        return data if start < 0 else data[:start] + data[data.index(b"\0\0\1", start + 4) :]


class VideoFile:
    """An MP4 that plays in browsers, also when its process was killed. Not thread-safe.

    While it grows, all pictures but the newest are on disk; it is there with its second one. Odd sides
    become a pixel larger.

    Args:
        path: a file that is not there yet.
        fps: pictures a second, 1/3600 to 90000: how long the last one lasts, and each without a time.
        quality: 1 to 100, as of a JPEG that looks no better.

    Attributes:
        frames: pictures that were taken; once it is closed or has failed, those on disk.
        seconds: their playing time.

    Raises:
        FileExistsError: there is something at `path`.
        EnvstreamError: no PyAV with x264, a size or rate that cannot be, or nothing can be written there.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float, quality: int = 85) -> None:
        self._av = _loaded()
        self._planes = Planes(self._av, width, height, "yuv420p")
        if not 1 / 3600 <= fps <= TICKS:
            raise EnvstreamError(f"{fps} pictures a second are no video: it takes 1/3600 to {TICKS}")
        self.path, self.frames, self.seconds = path, 0, 0.0
        self._period = 1 / fps
        self._start = self._at = 0.0  # Of the first picture; of the newest, from there.
        self._ticks = self._key = self._since_key = 0
        self._keys: set[int] = set()
        try:
            self._file = Growing(path)
        except FileExistsError:
            raise
        except (OSError, ValueError) as error:
            raise unwritable(path, error) from error
        self._output: Any = self._av.open(self._file, "w", format="mp4", options=_GROWING)
        self._length = round(self._period * TICKS)
        self._stream: Any = self._output.add_stream("libx264", rate=Fraction(TICKS, self._length))
        context = self._stream.codec_context
        self._planes.prepare(context, fps)
        # Only x264 is to think of that rate: by the context's, the last picture lasts.
        params = f"{_FILE_PARAMS}:fps={context.framerate}:crf={crf_of(quality) - _FINER:.1f}"
        context.options = {**_FILE, "x264-params": params}
        context.framerate = Fraction(TICKS, self._length)

    def add(self, pixels: Pixels, at: float | None = None) -> None:
        """The next picture.

        Args:
            at: its time in seconds; the video begins with the first one's. When it is not after the picture
                before, it is moved on by 1/90000 s. None: a period after that one.

        Raises:
            EnvstreamError: it cannot be H.264, and the next one still can. Or nothing more can be written:
                then the file is closed, and what is on disk plays.
        """
        if self._output is None:
            raise EnvstreamError(f"{self.path} was closed; make another file for more pictures")
        first, last = not self.frames, self._ticks
        at = at if at is not None and math.isfinite(at) else None
        start = (at or 0.0) if first else self._start
        since = 0.0 if first else self._at + self._period if at is None else at - start
        exact = round(since * TICKS)
        ticks = 0 if first else max(exact, last + 1)
        # The second reason: two seconds would be over at its end.
        key = first or ticks + self._length > self._key + _KEY_TICKS or self._since_key == _KEY_PICTURES
        frame = self._planes.frame(pixels, ticks, key)
        with self._planes.errors():
            self._output.mux(self._stream.encode(frame))
        self._start, self._ticks = start, ticks
        self._at = since if ticks == exact else ticks / TICKS
        self._since_key += 1
        if key:
            self._key, self._since_key = ticks, 1
            self._keys.add(ticks)
        if not first:  # So that the file, as soon as it is there, has a picture and plays.
            self._write(last, key)
        self.frames += 1
        self.seconds = (ticks + self._length) / TICKS

    def close(self) -> None:
        """Makes an ordinary file of it. Never raises: what cannot be finished stays as it grew, and plays."""
        output, self._output, self._stream = self._output, None, None
        if output is None:
            return
        with contextlib.suppress(Exception):
            output.close()
            self._write(self._ticks, False)
            self._file.close()
            with replacing(self.path) as new:
                self._copy(new)
        self._file.close()
        if not self.frames:
            self.discard()

    def discard(self) -> None:
        """No more pictures, and no file. Never raises."""
        self._output = self._stream = None
        self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _write(self, since: int, look: bool) -> None:
        """Brings to disk what the muxer gave: the picture before the newest, which began at `since`."""
        try:
            self._file.flush()
            if look:
                self._file.look()
        except OSError as error:
            self.frames, self.seconds = max(0, self.frames - 1), since / TICKS
            if self._output is not None:
                self._output = self._stream = None
                self._file.close()
            if not self.frames:
                self.discard()
            raise unwritable(self.path, error) from error

    def _copy(self, new: Path) -> None:
        """The same pictures once more, with what a player must know in front of them."""
        # Absolute: FFmpeg takes what is before a colon for a protocol.
        old, name = str(self.path.absolute()), str(new.absolute())
        front = {"movflags": "faststart"}
        with self._av.open(old) as source, self._av.open(name, "w", format="mp4", options=front) as target:
            (stream,) = source.streams.video
            alike = getattr(target, "add_stream_from_template", None)  # PyAV 14 and later; it would encode.
            copy = alike(stream, opaque=True) if alike else target.add_stream(template=stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    # FFmpeg takes each beginning of a fragment for a key picture.
                    packet.stream, packet.is_keyframe = copy, packet.pts in self._keys
                    if packet.pts == self._ticks:
                        with contextlib.suppress(AttributeError):  # Before PyAV 14.
                            packet.duration = self._length
                    target.mux(packet)
        with self._av.open(name) as target:
            if target.streams.video[0].frames != self.frames:
                raise EnvstreamError(f"{new} is not whole")
