"""Demand: what the page servers want to see of one worker. Pure; times in seconds of the monotonic clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from envstream.viewer import Watch

KEPT = 3.5  # Seconds that a server's demand holds; it says it each second, and one word may get lost.
MOST_SERVERS = 256


class Want(NamedTuple):
    """What is wanted of one stream.

    Attributes:
        fps: pictures a second at most; None = as many as there are.
        width: pixels, of the widest picture that is of use; None = any.
    """

    fps: float | None = None
    width: int | None = None

    def and_(self, other: Want) -> Want:
        """What is enough for both."""
        fps = None if self.fps is None or other.fps is None else max(self.fps, other.fps)
        width = None if self.width is None or other.width is None else max(self.width, other.width)
        return Want(fps, width)


def of_watches(watches: Iterable[Watch]) -> Want | None:
    """What is enough for all of these viewers; None = there is none."""
    merged: Want | None = None
    for watch in watches:
        one = Want(watch.fps, watch.rung.max_width)
        merged = one if merged is None else merged.and_(one)
    return merged


class Demand:
    """What several page servers want, each for as long as it says so."""

    def __init__(self) -> None:
        self._servers: dict[str, tuple[float, Mapping[str, Want]]] = {}

    def heard(self, server: str, streams: Mapping[str, Want], now: float) -> None:
        """A server says what it wants: of all others nothing any more."""
        self._servers.pop(server, None)
        if streams:
            while len(self._servers) >= MOST_SERVERS:
                self._servers.pop(next(iter(self._servers)))
            self._servers[server] = now + KEPT, streams

    def wanted(self, now: float) -> dict[str, Want]:
        """By stream, what is enough for all who were heard of late."""
        for server, (until, _) in list(self._servers.items()):
            if until <= now:
                del self._servers[server]
        merged: dict[str, Want] = {}
        for _, streams in self._servers.values():
            for stream, want in streams.items():
                merged[stream] = merged[stream].and_(want) if stream in merged else want
        return merged

    @property
    def ends_at(self) -> float | None:
        """When the next server's demand ends, unless it says it again."""
        return min((until for until, _ in self._servers.values()), default=None)

    def forget(self) -> None:
        """The connection over which they said it is gone."""
        self._servers.clear()
