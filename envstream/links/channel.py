"""A channel: the trainer's end of one stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envstream.frame import Pixels
from envstream.links.block import Block, Writer


class Channel:
    """Where a wrapper's pictures go. `due[0]` is the one byte that `step()` looks at.

    Args:
        name: the stream's name on the page, unique within its server.
        title: what the page calls it.
        settings: the settings of this stream, as plain data.
        block: the memory the pictures travel through.
        wake: tells the server that something new lies in the block; never blocks, never raises.
    """

    def __init__(
        self, name: str, title: str, settings: Mapping[str, Any], block: Block, wake: Callable[[], None]
    ) -> None:
        self.name = name
        self.title = title
        self.settings = dict(settings)
        self.block = block
        self.note: dict[str, Any] | None = None  # The last sentence about it, for a server started anew.
        self._writer = Writer(block)
        self._wake = wake
        self.due = block.due
        self.episode = self._writer.episode

    def send(self, pixels: Pixels, captured: float, cost: float, info: Mapping[str, Any]) -> bool:
        """Hand over a copy of one picture; False when there was no room and it was dropped.

        Raises:
            OSError: when no memory is left for it.
        """
        self._writer.steps(info.get("totalSteps", 0))
        self._writer.spent(cost)
        sent = self._writer.write(pixels, captured, cost, info)
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
