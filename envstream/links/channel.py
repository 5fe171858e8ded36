"""A channel: the trainer's end of one stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envstream.frame import Pixels
from envstream.links.block import Block
from envstream.links.ends import Writer


class Channel:
    """Where a wrapper's pictures go. `due[0]` is the one byte that `step()` looks at.

    Args:
        name: the stream's name on the page, unique within its server.
        title: what the page calls it.
        settings: the settings of this stream, as plain data; `videoStreamQuality` among them follows what
            is chosen on the page.
        block: the memory the pictures travel through.
        wake: tells the server that something new lies in the block; never blocks, never raises.
        envs: of a vector env, the indexes of the sub-envs that can be shown: each is a stream of its own,
            a part of this channel. None = there is one stream.
    """

    def __init__(
        self,
        name: str,
        title: str,
        settings: Mapping[str, Any],
        block: Block,
        wake: Callable[[], None],
        envs: Sequence[int] | None = None,
    ) -> None:
        self.name = name
        self.envs = None if envs is None else list(envs)
        self.title = title
        self.settings = dict(settings)
        self.block = block
        self.note: dict[str, Any] | None = None  # The last sentence about it, for a server started anew.
        self._writer = Writer(block)
        self._wake = wake
        self.due = block.due
        self.episode = self._writer.episode

    def wanted(self) -> list[int]:
        """The parts that a picture is asked for."""
        parts = 1 if self.envs is None else len(self.envs)
        if parts > 1:
            return self._writer.wanted(parts)
        return [0] if self.due[0] else []

    def send(
        self, pixels: Pixels, captured: float, cost: float, info: Mapping[str, Any], part: int = 0
    ) -> bool:
        """Hand over a copy of one picture; False when there was no room and it was dropped.

        Raises:
            OSError: when no memory is left for it.
        """
        self._writer.steps(info.get("totalSteps", 0))
        self._writer.spent(cost)
        sent = self._writer.write(pixels, captured, cost, info, part)
        self._wake()
        return sent

    def failed(self, cost: float) -> None:
        """A capture took `cost` seconds and gave no picture."""
        self._writer.spent(cost)
        self._writer.failed()
        self._wake()

    def close(self) -> None:
        """Nothing more comes; the page says "ended"."""
        self._writer.close()
        self._wake()
