"""Sent: a frame that came compressed. It is passed on as it came, and decoded for who needs its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from envstream import codec
from envstream.frame import Frame, Pixels, Source


class SentFrame(Frame):
    """A frame whose picture is a JPEG that somebody else made; see `Frame`.

    Its pixels are decoded when they are first asked for, in the thread that asks, and kept.

    Args:
        source: the JPEG, which was seen to be one of `width` x `height` pixels.
    """

    def __init__(
        self,
        source: Source,
        width: int,
        height: int,
        number: int,
        captured: float,
        info: Mapping[str, Any],
        content: int = 0,
    ) -> None:
        about = {"number": number, "captured": captured, "cost": 0.0, "info": info}
        # A frozen class has its attributes set this way; the pixels come later.
        self.__dict__.update(about, content=content or number, source=source, _size=(width, height))

    def __getattr__(self, name: str) -> Pixels:
        if name != "pixels":
            raise AttributeError(f"a frame has no {name!r}")
        assert self.source is not None
        pixels = np.ascontiguousarray(codec.decode_jpeg(self.source.data))
        pixels.flags.writeable = False
        self.__dict__["pixels"] = pixels
        return pixels

    @property
    def width(self) -> int:
        return int(self.__dict__["_size"][0])

    @property
    def height(self) -> int:
        return int(self.__dict__["_size"][1])

    def like(self, before: Frame) -> Frame:
        """See `Frame.like`; what the one before has decoded is there for this one as well."""
        frame = self._copy(self.number, self.captured, before.content)
        if "pixels" in vars(before):
            frame.__dict__["pixels"] = before.pixels
        return frame

    def again(self, number: int, captured: float) -> Frame:
        """See `Frame.again`."""
        return self._copy(number, captured, 0)

    def _copy(self, number: int, captured: float, content: int) -> SentFrame:
        assert self.source is not None
        return SentFrame(self.source, self.width, self.height, number, captured, self.info, content)
