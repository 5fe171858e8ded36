"""The teller: how a worker's streams are, as far as it was not told yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from envstream.bus.layout import LONGEST_SENTENCE, stream_id
from envstream.episodes import RECENT
from envstream.report import trainer_cost
from envstream.stream import Stream
from envstream.wire import brief

UNWATCHED_EVERY = 2  # Rounds after which streams that nobody watches are told of.
AT_ONCE = 100  # Streams in one message.

Statuses = dict[str, dict[str, Any]]


class Teller:
    """Remembers what page servers know of each stream, and finds out what is news to them."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, int] = {}
        self._round = 0

    def forget(self) -> None:
        """Somebody listens who has heard nothing yet: all of it is news."""
        self._told.clear()
        self._seen.clear()
        self._round = 0

    def news(self, streams: Iterable[Stream], now: float) -> Iterator[Statuses]:
        """What is news of these streams, by id, in messages that are not too long. Called once a second."""
        everything = self._round % UNWATCHED_EVERY == 0
        self._round += 1
        some: Statuses = {}
        for stream in streams:
            if not everything and not stream.viewers:
                continue
            fresh = self._fresh(stream, now)
            if fresh:
                some[stream_id(stream.name)] = fresh
            if len(some) >= AT_ONCE:
                yield some
                some = {}
        if some:
            yield some

    def _fresh(self, stream: Stream, now: float) -> dict[str, Any]:
        before, said = self._told.get(stream.name, {}), _said(stream, now)
        self._told[stream.name] = said
        fresh = {key: value for key, value in said.items() if key not in before or before[key] != value}
        seen = stream.episodes.seen
        count = min(seen - self._seen.get(stream.name, 0), len(stream.episodes), RECENT)
        if count > 0:
            fresh["seen"] = seen
            fresh["episodes"] = [brief(list(each)) for each in stream.episodes.last(count)]
        self._seen[stream.name] = seen
        return fresh


def _said(stream: Stream, now: float) -> dict[str, Any]:
    """How a stream is, in few words; of its episodes only the best, as all that end are told of."""
    said: dict[str, Any] = {
        "quality": stream.quality,
        "message": (stream.notices.newest or "")[:LONGEST_SENTENCE] or None,
        "fps": round(stream.captures.at(now), 1),
    }
    if stream.episodes.best is not None:
        said["bestReturn"] = brief(stream.episodes.best)
    if stream.viewers:
        said["trainerCost"] = trainer_cost(stream, now)
    # Sub-envs step together: what each of thousands that nobody looks at has done is no news.
    if stream.viewers or stream.place is None:
        said["totalSteps"] = stream.steps
    return said
