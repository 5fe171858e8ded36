"""A channel: the trainer's end of one stream."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from envstream.frame import Pixels
from envstream.links.backlog import Backlog, Waiting
from envstream.links.block import Block
from envstream.links.writer import Writer

TAKES_KNOWN = 32  # Of which a server that is started anew is told.
LAST_PICTURES = 5.0  # Seconds that the end of an env waits for pictures of takes to be taken over.


def _hand_over_rest(backlog: Backlog, owner: int) -> None:
    if os.getpid() == owner:  # In a forked process the memory is the parent's.
        backlog.wait(LAST_PICTURES)


class Nature(NamedTuple):
    """What a server has to know of an env to show its episodes.

    Attributes:
        fps: env steps a second at natural speed; None = nobody says.
        together: envs that are stepped at once.
        episodes: whether whole episodes can be had.
    """

    fps: float | None = None
    together: int = 1
    episodes: bool = False


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
        nature: what else the server has to know of the env.
    """

    def __init__(
        self,
        name: str,
        title: str,
        settings: Mapping[str, Any],
        block: Block,
        wake: Callable[[], None],
        envs: Sequence[int] | None = None,
        nature: Nature = Nature(),  # noqa: B008 - immutable
    ) -> None:
        self.name = name
        self.nature = nature
        self.envs = None if envs is None else list(envs)
        self.title = title
        self.shown_as: str | None = None  # The stream's name, where it is another than the channel's.
        self.settings = dict(settings)
        self.block = block
        # The last sentences about it, by whether they last, for a server started anew.
        self.notes: dict[bool, dict[str, Any]] = {}
        self.takes: dict[int, dict[str, Any]] = {}  # What was said at their beginning, for such a server too.
        self._writer = Writer(block)
        self._wake = wake
        self._backlog = Backlog(self._writer, wake)
        self.due = block.due
        self.episode = self._writer.episode
        # A script that ends without closing its env: what waits is given some time as well.
        weakref.finalize(self, _hand_over_rest, self._backlog, os.getpid())

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

    def send_take(
        self,
        picture: Pixels | None,
        captured: float,
        cost: float,
        info: Mapping[str, Any],
        part: int,
        take: int,
    ) -> bool:
        """Hand over one picture of a take, or what there is to say of it; False when it had to be left out.

        Raises:
            OSError: when no memory is left for it.
        """
        self._writer.steps(info.get("totalSteps", 0))
        self._writer.spent(cost)
        if "begin" in info:
            self.takes[take] = info["begin"]
            while len(self.takes) > TAKES_KNOWN:  # Of the last that have ended pictures may still be waiting.
                del self.takes[next(iter(self.takes))]
        return self._backlog.put(Waiting(picture, captured, cost, info, part, take))

    @property
    def behind(self) -> int:
        """Pictures of takes that the server had no room for yet."""
        return len(self._backlog)

    def flush(self) -> None:
        """Hand over what waits, as far as there is room now."""
        self._backlog.flush()

    def answered(self, part: int, also: bool) -> None:
        """A picture of a part is about to be taken; `also` for another reason than that it was asked for."""
        # Before it is handed over: from then on the next one may be asked for.
        if self.envs is None or len(self.envs) == 1:
            self.due[0] = 0
        elif also:
            self.block.wanted[part] = 0

    def staged(self, part: int) -> int:
        """Whether an episode of a part is asked for; see `Writer.staged`."""
        return self._writer.staged(part)

    def orders(self) -> list[int]:
        """The parts of which an episode is asked for."""
        return self._writer.orders(1 if self.envs is None else len(self.envs))

    def unstage(self, part: int) -> tuple[int, int]:
        """Take that order; see `Writer.unstage`."""
        return self._writer.unstage(part)

    def counted(self, seconds: float) -> None:
        """Counting takes so long of each step, as was measured."""
        self._writer.counted(seconds)

    def failed(self, cost: float) -> None:
        """A capture took `cost` seconds and gave no picture."""
        self._writer.spent(cost)
        self._writer.failed()
        self._wake()

    def close(self) -> None:
        """Nothing more comes; the page says "ended". What waits for room is given some time."""
        self._backlog.wait(LAST_PICTURES)
        self._writer.close()
        self._wake()
