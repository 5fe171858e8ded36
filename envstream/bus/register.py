"""The register: how a worker says that it lives, who it is and what streams it has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import partial

from envstream._version import __version__
from envstream.bus import layout
from envstream.bus.connection import Command, Connection, Problem, answered
from envstream.bus.layout import About, Entry, Keys
from envstream.identity import Identity
from envstream.stream import Stream
from envstream.web.answers import shown

LIFE = 4.75  # Seconds that a sign of life holds: who dies is gone within six.
FORGOTTEN = 60.0  # Seconds after which an entry is swept away whose worker could not do it itself.
ABOUT_KEPT = 60_000  # Milliseconds.
WORKERS_KEPT = 120  # Seconds.
RENEWED_EVERY = 10  # Signs of life, with which what else is kept is kept for longer.


class Register:
    """One worker's entry.

    Attributes:
        worker: its id.
    """

    def __init__(self, keys: Keys, run: str, identity: Identity) -> None:
        self._keys = keys
        self._identity = identity
        self._text = self._told = ""
        self._beats = 0
        self.worker = worker_id(run)

    def changed(self, streams: Mapping[str, Stream]) -> None:
        """There are other streams than before, by id."""
        entries = {id: _entry(id, stream, self._identity) for id, stream in streams.items()}
        self._text = layout.about_text(About(__version__, self._identity, entries))

    def forget(self) -> None:
        """It may be another server from now on."""
        self._told, self._beats = "", 0

    async def renew(self, line: Connection, now: float) -> Problem | None:
        """Say that we are alive, and, where that is news, who we are; what is wrong, where that may pass.

        Args:
            now: by the server's clock.

        Raises:
            Problem: this cannot be said there.
        """
        keys, about = self._keys, self._keys.about(self.worker)
        beat: list[Command] = [("ZADD", keys.workers, round(now + LIFE, 2), self.worker)]
        if self._beats % RENEWED_EVERY == 0:
            beat += [
                ("PEXPIRE", about, ABOUT_KEPT),
                ("EXPIRE", keys.workers, WORKERS_KEPT),
                ("ZREMRANGEBYSCORE", keys.workers, "-inf", now - FORGOTTEN),
            ]
        self._beats += 1
        answers = answered(await line.ask(*beat))
        # Where our entry was not there any more, everything was lost, or we were long taken for dead.
        if answers[0] != 0 or answers[1:2] == [0] or self._text != self._told:
            text = self._text
            said = ("SET", about, text, "PX", ABOUT_KEPT), ("PUBLISH", keys.news, self.worker)
            answers += answered(await line.ask(*said))
            self._told = text
        problem = next((answer for answer in answers if isinstance(answer, Problem)), None)
        if problem is not None:
            self._told = ""
        return problem

    def farewell(self) -> tuple[Command, ...]:
        """What is said at the end."""
        keys = self._keys
        return (
            ("ZREM", keys.workers, self.worker),
            ("DEL", keys.about(self.worker)),
            ("PUBLISH", keys.news, self.worker),
        )


def worker_id(run: str) -> str:
    """A worker's id on the bus: that of its run, which is the same after a restart of its server."""
    if re.fullmatch(layout.WORKER, run):
        return run
    return hashlib.sha256(run.encode(errors="replace")).hexdigest()[:16]


def _entry(id: str, stream: Stream, worker: Identity) -> Entry:
    """A stream as page servers are told of it; names are cut to what fits in a line."""
    place = stream.place
    cut = partial(shown, most=layout.LONGEST_NAME)
    name = cut(stream.name) or "env"
    fps = min(max(stream.screening.natural_fps, 0.01), 1000.0)
    group = cut(place.group) or "envs" if place is not None else None
    env = place.env if place is not None else None
    # Processes of one machine may share one worker.
    identity = stream.identity if stream.identity not in (worker, Identity()) else None
    return Entry(id, name, cut(stream.title) or name, group, env, fps, stream.quality, identity)
