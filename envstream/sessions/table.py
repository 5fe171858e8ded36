"""The sessions of one server: who may begin or resume one, what they may take, and what becomes of them."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from envstream.errors import EnvstreamError, SessionError
from envstream.hub import MOST_ENDED, Hub
from envstream.lane import Lane
from envstream.processing.pool import Pool
from envstream.sessions import offers
from envstream.sessions.camera import CAMERA
from envstream.sessions.depot import Depot
from envstream.sessions.outcome import Surroundings
from envstream.sessions.reception import Reception
from envstream.sessions.session import Session
from envstream.sessions.showing import Showing
from envstream.sessions.start import Limits, Start, digest
from envstream.sessions.store import Store
from envstream.stream import Stream

log = logging.getLogger("envstream")

MOST_LIVE = 1000  # Sessions that are only shown: each costs about as much as a viewer.
LIVE_SILENCE = 10.0  # Seconds without a word after which the connection of one is taken for dead.
LIVE_PATIENCE = 5.0  # Seconds without a connection after which what is only shown has ended.
REMEMBERED = MOST_ENDED  # Complete sessions that are kept in memory; of others the result is read from disk.
# What a session fails with whose files somebody changed.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, EnvstreamError)


class Sessions:
    """Publishers' sessions, by id. Lives on the event loop.

    Args:
        opened: called with the stream of a session that begins, `shown` when a stream has a new frame.
        later, on_loop, clock: see `Surroundings`.
    """

    def __init__(
        self,
        hub: Hub,
        opened: Callable[[Stream], None],
        shown: Callable[[Stream], None],
        later: Callable[[float, Callable[[], None]], Any],
        on_loop: Callable[[Callable[[], None]], None],
        clock: Callable[[], float],
    ) -> None:
        config, self._hub = hub.config, hub
        self._opened, self._shown = opened, shown
        self._on_loop = on_loop
        self._clock = clock
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="envstream-store")
        folder = Path(config.videoStreamFolder).expanduser().absolute()
        self.depot = Depot(folder, int(config.videoStreamMaxDisk * 1_000_000), self._threads)
        workers = config.videoStreamWorkers or os.cpu_count() or 1
        self._pool = Pool(workers, self._from_pool(self._progressed), self._from_pool(self._done))
        self._surroundings = Surroundings(
            self._pool, later, on_loop, clock, self.depot, config.videoStreamKeepFrames
        )
        self._receptions: dict[str, Reception] = {}
        self._jobs: dict[str, Callable[[dict[str, Any]], None]] = {}  # Of whole files, without a reception.
        self.timeout, self.keeps = config.videoStreamSessionTimeout, config.videoStreamKeepFrames
        self.begun = self.refused = self.completed = 0

    # Who may begin.

    def limits(self) -> Limits:
        """What one session may take."""
        config = self._hub.config
        return Limits(
            max_message=int(config.videoStreamMaxMessage * 1_000_000),
            max_pixels=config.max_pixels,
            memory=int(config.videoStreamMaxMemory * 1_000_000) // config.videoStreamMaxSessions,
        )

    def admit(self, start: Start) -> tuple[Session, bool]:
        """A session for a publisher, and whether it is one that goes on.

        Raises:
            SessionError: when it may not begin, saying why.
        """
        try:
            found = self._find(start)
            return (self._begin(start) if found is None else found).session, found is not None
        except (EnvstreamError, OSError) as error:
            self.refused += 1
            if isinstance(error, SessionError):
                raise
            raise SessionError("disk_full", str(error), recoverable=False) from error

    def reception(self, session: Session) -> Reception:
        """What deals with a session."""
        return self._receptions[session.session_id]

    def connected(self, name: str) -> bool:
        """Whether the publisher of a session is there."""
        reception = self._receptions.get(name)
        return reception is not None and reception.link is not None

    def _find(self, start: Start) -> Reception | None:
        name = start.session_id
        known = self._receptions.get(name or "")
        if name is None or not (known or self.depot.holds(name)):
            return None
        # First: what is stored is taken up for nobody but its owner.
        token = str(self.depot.said(name).get("token")) if known is None else known.session.token
        if not hmac.compare_digest(digest(start.resume_token or "").encode(), token.encode()):
            raise SessionError(
                "session_taken",
                f"there is a session {name!r} of somebody else; choose another session_id, or give the "
                "resume_token of that one",
                recoverable=False,
            )
        try:
            return known or self._revive(name)
        except _DAMAGED as error:
            log.warning("envstream: session %s cannot be taken up again: %s", name, error)
            sentence = f"session {name!r} is damaged and cannot go on; choose another session_id"
            raise SessionError("session_taken", sentence, recoverable=False) from error

    def _begin(self, start: Start) -> Reception:
        config = self._hub.config
        alike = [each for each in self._receptions.values() if each.session.start.live == start.live]
        active = sum(each.receives for each in alike)
        if active >= (MOST_LIVE if start.live else config.videoStreamMaxSessions):
            raise SessionError(
                "too_many_sessions",
                f"{active} publishers are here, and videoStreamMaxSessions allows no more; try again later",
                recoverable=False,
            )
        processors = self.checked(start.processors)
        name = start.session_id or secrets.token_hex(8)
        token = start.resume_token or secrets.token_urlsafe(24)
        store = None if start.live else self.depot.new(name)
        session = Session(name, digest(token), start, self.limits(), now=self._clock())
        session.resume_token = token
        reception = self._receive(session, store, start.name or name, processors)
        self._process(reception)
        self.begun += 1
        return reception

    def checked(self, processors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a publisher's frames go through; see `offers.checked`."""
        return offers.checked(self._hub.config, processors)

    def _receive(
        self, session: Session, store: Store | None, title: str, processors: list[dict[str, Any]]
    ) -> Reception:
        # Whoever looks at a camera by its token is not to be shown what somebody else calls one.
        theirs = title.startswith(CAMERA) and not session.start.camera
        name = self._free(f"session {title}" if theirs else title)
        stream = self._hub.open(name, title, self._hub.config)
        stream.camera = session.start.camera
        stream.screening.natural_fps = session.start.fps
        stream.screening.possible = False  # Its episodes, if it has such, are not to be had one by one.
        self._opened(stream)
        showing = Showing(stream, Lane(self._hub.pool), self._on_loop, self._shown)
        lane = Lane(self._threads)
        reception = Reception(session, store, showing, lane, processors, self._surroundings)
        self._receptions[session.session_id] = reception
        self._forget_oldest()
        return reception

    def _free(self, title: str) -> str:
        # Also of a stream that has ended: its session may go on, or is being processed, and is looked at.
        used = {each.showing.stream.name for each in self._receptions.values() if not each.done}
        name, number = title, 2
        while name in used or ((known := self._hub.get(name)) is not None and not known.ended):
            name, number = f"{title}-{number}", number + 1
        return name

    def _forget_oldest(self) -> None:
        complete = [name for name, each in self._receptions.items() if each.session.state == "complete"]
        for name in complete[: max(0, len(complete) - REMEMBERED)]:
            del self._receptions[name]

    # Processing.

    def _process(self, reception: Reception) -> None:
        if reception.store is not None and reception.outcome is not None:
            reception.outcome.note()
            about = reception.outcome.about(self._hub.config.max_pixels)
            self._pool.open(reception.session.session_id, reception.store.folder.absolute(), about)

    def process_file(
        self,
        folder: Path,
        about: Mapping[str, Any],
        signal: Path | None,
        done: Callable[[dict[str, Any]], None],
    ) -> None:
        """Process a whole video that lies in a folder; `done` is called on the event loop with the result."""
        self._jobs[folder.name] = done
        self._pool.open(folder.name, folder, {**about, "max_pixels": self._hub.config.max_pixels})
        said = None if signal is None else str(signal)
        self._pool.end(folder.name, {"frames": None, "lost": [], "signal": said})

    def _from_pool(
        self, call: Callable[[str, dict[str, Any]], None]
    ) -> Callable[[str, dict[str, Any]], None]:
        return lambda name, said: self._on_loop(partial(call, name, said))

    def _progressed(self, name: str, progress: dict[str, Any]) -> None:
        reception = self._receptions.get(name)
        if reception is not None:
            reception.progressed(progress)

    def _done(self, name: str, result: dict[str, Any]) -> None:
        self.completed += 1
        job, reception = self._jobs.pop(name, None), self._receptions.get(name)
        if job is not None:
            job(result)
        elif reception is not None:
            reception.complete(result)

    # What was there before, and what has become old.

    def recover(self) -> int:
        """Take up what an earlier server left unfinished in the folder; how many sessions that are.

        Raises:
            EnvstreamError: another server is at work in the folder, or it cannot be used.
        """
        found = 0
        for name in [each for each in self.depot.unfinished() if each not in self._receptions]:
            try:
                self._revive(name)
                found += 1
            except _DAMAGED as error:
                log.warning("envstream: session %s cannot be taken up again: %s", name, error)
        return found

    def _revive(self, name: str) -> Reception:
        now = self._clock()
        session, store, said = self.depot.revive(name, self.limits(), now)
        reception = self._receive(session, store, str(said["title"]), list(said["processors"]))
        reception.lost_at = now
        if session.state != "complete":
            self._process(reception)
        reception.take_up(now)
        return reception

    def tidy(self, now: float) -> None:
        """End what has been silent for too long. Called about once a second."""
        for name, reception in list(self._receptions.items()):
            silent = now - reception.session.heard_at
            if reception.store is not None:
                if silent > self.timeout:
                    reception.expire(now)
            elif reception.link is not None:
                if silent > LIVE_SILENCE:  # It speaks each second: the way to it is dead.
                    reception.link.hang_up("nothing came for too long")
            elif not reception.receives or now - (reception.lost_at or now) > LIVE_PATIENCE:
                reception.showing.stream.finish()
                del self._receptions[name]

    def end(self, name: str) -> bool:
        """End a session with what it has; whether there is one that anything could still come for."""
        reception = self._receptions.get(name)
        return reception is not None and reception.dismiss(self._clock())

    def stats(self) -> dict[str, Any]:
        """What `/streaming/stats` answers."""
        sessions = [each.status(self._clock()) for each in list(self._receptions.values())]
        return {**self.counts(), "sessions": sessions}

    def counts(self) -> dict[str, Any]:
        """How many there are and were, and what they hold."""
        receptions, config = list(self._receptions.values()), self._hub.config
        return {
            "active_sessions": sum(each.receives for each in receptions),
            "max_sessions": config.videoStreamMaxSessions,
            "processing_sessions": sum(each.session.state == "processing" for each in receptions),
            "sessions_begun": self.begun,
            "sessions_refused": self.refused,
            "sessions_completed": self.completed,
            "memory_bytes": sum(each.pending for each in receptions),
            "max_memory_mb": config.videoStreamMaxMemory,
            "disk_bytes": self.depot.used,
            "max_disk_mb": config.videoStreamMaxDisk,
        }

    def close(self) -> None:
        """The server ends. What is not complete goes on with the next one on the same folder."""
        for reception in self._receptions.values():
            reception.close()
        self._pool.close()
        self._threads.shutdown(wait=True)
        self.depot.release()
