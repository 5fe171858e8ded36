"""An outcome: what becomes of the frames of one session: a video, a result, and what is said of both."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, Protocol

from envstream.files import write_json
from envstream.lane import Lane
from envstream.sessions.depot import Depot
from envstream.sessions.session import Session
from envstream.sessions.store import Store

log = logging.getLogger("envstream")

TOLD_EVERY = 0.25  # Seconds between two words to processing of how far the frames have come.


class Processing(Protocol):
    """The pool that processes; see `processing.pool.Pool`."""

    def more(self, session: str, up_to: int) -> None:
        """Frames up to this number are on disk or lost."""

    def end(self, session: str, end: Mapping[str, Any]) -> None:
        """No further frame comes."""


class Surroundings(NamedTuple):
    """What sessions have in common.

    Attributes:
        later: has something called on the event loop after so many seconds.
        on_loop: has something called on the event loop, from any thread.
        clock: seconds, monotonic.
        depot: reckons what goes to disk.
        keep_frames: whether pictures stay as they came, once the video is there.
    """

    processing: Processing
    later: Callable[[float, Callable[[], None]], Any]
    on_loop: Callable[[Callable[[], None]], None]
    clock: Callable[[], float]
    depot: Depot
    keep_frames: bool


class Outcome:
    """Sees to it that a session is processed and its result is stored. Lives on the event loop.

    Attributes:
        result: once it is complete.
    """

    def __init__(
        self,
        session: Session,
        store: Store,
        lane: Lane,
        title: str,
        processors: list[dict[str, Any]],
        world: Surroundings,
    ) -> None:
        self._session = session
        self._store = store
        self._lane = lane
        self._title = title
        self._processors = processors
        self._world = world
        self.result: dict[str, Any] | None = None
        self._told = 0  # How far processing knows that the frames have come.
        self._told_at = float("-inf")
        self._finished = False  # Whether processing knows of the end.

    def about(self, most_pixels: int) -> dict[str, Any]:
        """What processing has to know of the session."""
        start = self._session.start
        return {
            "session_id": self._session.session_id,
            "name": self._title,
            "width": start.width,
            "height": start.height,
            "fps": start.fps,
            "expected": start.expected_frames,
            "processors": self._processors,
            "max_pixels": most_pixels,
        }

    def note(self) -> None:
        """Bring to disk what cannot be read from the frames."""
        self._lane.submit(partial(self._store.note, self._said())).add_done_callback(_logged)

    def more(self, now: float) -> None:
        """Further frames are on disk."""
        up_to = self._session.roll.up_to
        if up_to > self._told and now - self._told_at >= TOLD_EVERY:
            self._told, self._told_at = up_to, now
            self._world.processing.more(self._session.session_id, up_to)

    def ended(self) -> None:
        """All frames are there that come."""
        self.note()
        self._lane.submit(self._store.sync).add_done_callback(_logged)
        self.finish()

    def finish(self, *, without_signal: bool = False) -> None:
        """Tell processing of the end, once the signal is there as well."""
        session = self._session
        if self._finished or session.state != "ended":
            return
        if session.start.signal_expected and self._store.signal is None and not without_signal:
            return
        self._finished = True
        session.state = "processing"
        self.note()
        # Behind all that is still to be written.
        written = self._lane.submit(lambda: None)
        written.add_done_callback(lambda done: self._world.on_loop(self._end_processing))

    def take_up(self, now: float) -> None:
        """Go on with what an earlier server left."""
        if self._session.state == "complete":
            self._lane.submit(self._store.close).add_done_callback(_logged)
            self.result = self._stored_result()
            return
        self.more(now)
        if self._session.state == "processing":
            self._session.state = "ended"  # Nobody is at work on it any more.
            self.finish(without_signal=True)
        else:
            self.finish()

    def complete(self, result: Mapping[str, Any], stored: Callable[[], None]) -> None:
        """Processing has ended: store the result, then call `stored`."""
        said = self._described(result)
        future = self._lane.submit(partial(self._store_result, said))
        future.add_done_callback(lambda done: self._world.on_loop(partial(self._stored, done, said, stored)))

    def close(self) -> None:
        """The server ends."""
        if self.result is None:
            self.note()
            self._lane.submit(self._store.close).add_done_callback(_logged)

    def _stored_result(self) -> dict[str, Any]:
        try:
            result = json.loads((self._store.folder / "result.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            result = None
        if not isinstance(result, dict):
            return self._described({"video": None, "problem": {"error": "the result is not there any more"}})
        return result

    def _said(self) -> dict[str, Any]:
        return {**self._session.said(), "title": self._title, "processors": self._processors}

    def _end_processing(self) -> None:
        roll, signal = self._session.roll, self._store.signal
        end = {
            "frames": roll.up_to,
            "lost": [list(each) for each in roll.lost],
            "signal": None if signal is None else str(signal),
        }
        self._world.processing.end(self._session.session_id, end)

    def _described(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The result, with what the session itself has to say of what came."""
        session, signal = self._session, self._store.signal
        lost = [list(each) for each in session.roll.lost]
        return {
            "session_id": session.session_id,
            "name": self._title,
            "folder": str(self._store.folder.absolute()),
            "start": session.start.said(),
            "received": {**session.counts(), "lost_numbers": lost},
            "signal": None if signal is None else {"file": signal.name, **session.signal_about},
            **result,
        }

    def _store_result(self, said: Mapping[str, Any]) -> None:
        with contextlib.closing(self._store):
            write_json(self._store.folder / "result.json", said)
            self._store.note({**self._said(), "state": "complete"})
            # As they came they go only when all of them are in the video.
            video = said.get("video")
            whole = video is not None and video["frames"] == self._session.roll.received
            if whole and not self._world.keep_frames:
                self._store.forget_frames()

    def _stored(self, done: Future[None], said: dict[str, Any], stored: Callable[[], None]) -> None:
        error = done.exception()
        if error is not None:
            log.error("envstream: the result of session %s is not on disk: %s", said["session_id"], error)
            said["problem"] = said.get("problem") or {"error": f"the result is not on disk: {error}"}
        self._session.state = "complete"
        self.result = said
        stored()


def _logged(done: Future[Any]) -> None:
    if not done.cancelled() and done.exception() is not None:
        log.error("envstream: a session's notes cannot be written: %s", done.exception())
