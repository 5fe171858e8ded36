"""A reception: what comes from one publisher, on its way to disk, to the page and to processing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from envstream.errors import SessionError
from envstream.lane import Lane
from envstream.sessions import standing
from envstream.sessions.arrival import Arrival
from envstream.sessions.events import Ended, Event, HangUp, Keep, KeepSignal, Lost, Say, Status
from envstream.sessions.outcome import Outcome, Surroundings
from envstream.sessions.session import Session
from envstream.sessions.showing import Showing
from envstream.sessions.store import Store

LOST = "the publisher's connection is lost; it may come back"
ENDED = "the session was ended at the server; it has what had come"
ACK_AFTER = 0.05  # Seconds after which fewer frames than a handful are acknowledged as well.


class Link(Protocol):
    """The publisher's connection, as far as a reception has to know of it."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message."""

    def hang_up(self, reason: str, *, later: bool = False) -> None:
        """End the connection; `later`: the publisher is welcome again by and by."""


class Reception:
    """One publisher's session at work. Lives on the event loop; the disk is a lane's business.

    Args:
        store: where its frames go; None where they are only shown.
        processors: what they go through.

    Attributes:
        link: its publisher's connection; None while there is none.
        lost_at: since when there is none.
        pending: bytes on their way to disk.
        outcome: what becomes of it; None where it is only shown.
    """

    def __init__(
        self,
        session: Session,
        store: Store | None,
        showing: Showing,
        lane: Lane,
        processors: list[dict[str, Any]],
        world: Surroundings,
    ) -> None:
        self.session = session
        self.store = store
        self.showing = showing
        self.processors = processors
        self._lane = lane
        self._world = world
        self.link: Link | None = None
        self.lost_at: float | None = None
        self.pending = 0
        self._awaits_ack = False
        self.outcome: Outcome | None = None
        self._progress: Mapping[str, Any] = {}
        showing.stream.demanded = self._demanded
        if store is not None:
            self.outcome = Outcome(session, store, lane, showing.stream.title, processors, world)
            showing.stream.session = self.summary

    @property
    def receives(self) -> bool:
        """Whether frames are still to come."""
        return self.session.state in ("receiving", "ending")

    @property
    def done(self) -> bool:
        """Whether nothing becomes of it any more."""
        return self.session.state == ("complete" if self.store is not None else "ended")

    def status(self, now: float) -> dict[str, Any]:
        """How it is."""
        return {
            **standing.counted(self.session, now),
            "stream": self.showing.stream.name,
            "live": self.store is None,
            "connected": self.link is not None,
            "memory_bytes": self.pending,
        }

    def summary(self) -> dict[str, Any]:
        """What a page shows of it."""
        result = None if self.outcome is None else self.outcome.result
        return standing.shown(self.session, self._progress, result)

    # What the publisher says.

    def handle(self, events: Iterable[Event], now: float) -> None:
        """Do what follows from a message of the publisher."""
        for event in events:
            match event:
                case Say():
                    self.tell(event.message)
                case Keep():
                    self._keep(event.arrival, now)
                case KeepSignal():
                    self._keep_signal(event.name, event.data, now)
                case Lost():
                    if self.outcome is not None:
                        self.outcome.note()
                        self.outcome.more(now)
                case Ended():
                    self._ended(now)
                case Status():
                    self.showing.told(event.message, now)
                case HangUp():
                    if self.link is not None:
                        self.link.hang_up(event.reason)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send the publisher a message, where there is a connection."""
        if self.link is not None:
            self.link.tell(message)

    def attach(self, link: Link, events: Iterable[Event], now: float) -> None:
        """The publisher is there, perhaps again; `events`: what is said to it first."""
        before, self.link, self.lost_at = self.link, link, None
        if before is not None:
            before.hang_up("its publisher is here again, by another connection")
        self.session.heard_at = now
        self.showing.stream.notices.say("", "connection")
        self.handle(events, now)
        self.demand()
        self._tell_result()

    def detach(self, link: Link, now: float) -> None:
        """The publisher's connection has ended."""
        if self.link is link:
            self.link, self.lost_at = None, now
            if self.session.state in ("receiving", "ending"):
                self.showing.stream.notices.say(LOST, "connection", lasting=True)

    def expire(self, now: float) -> None:
        """Nothing was heard for too long: it ends with what it has, or what it waits for does not come."""
        seconds, self.session.heard_at = now - self.session.heard_at, now
        if self.receives:
            what = f"nothing came for {seconds:.0f} s; the session ends with what it has"
            self.tell(SessionError("timed_out", what, recoverable=False).message())
            self.cut(now)
        elif self.outcome is not None and not self.done:  # Its publisher waits for the result.
            self.outcome.finish(without_signal=True)
            return
        if self.link is not None:
            self.link.hang_up("nothing came for too long")

    def dismiss(self, now: float) -> bool:
        """Somebody who may ends it, with what it has; False: nothing becomes of it any more anyway."""
        link, over = self.link, self.done
        if self.receives:
            self.tell(SessionError("session_ended", ENDED, recoverable=False).message())
            self.cut(now)
        elif self.outcome is not None and not over:
            self.outcome.finish(without_signal=True)
        if link is not None:
            link.hang_up(ENDED)
        return not over

    def cut(self, now: float) -> None:
        """End it with what there is."""
        self.handle(self.session.give_up(now), now)

    def take_up(self, now: float) -> None:
        """Go on with what an earlier server left."""
        assert self.outcome is not None
        if self.receives:
            self.showing.stream.notices.say(LOST, "connection", lasting=True)
        else:
            self.showing.stream.finish()
        self.outcome.take_up(now)

    def close(self) -> None:
        """The server ends."""
        if self.outcome is not None:
            self.outcome.close()

    # To disk.

    def _keep(self, arrival: Arrival, now: float) -> None:
        self.showing.take(arrival, now)
        size = len(arrival.data)
        if self.store is None:
            self._after(self.session.kept(arrival.number, size, now), now)
            return
        if not self._world.depot.take(size):
            self.handle(self.session.refused(arrival.number, self._world.depot.full(), now), now)
            self.cut(now)
            return
        self.pending += size
        future = self._lane.submit(partial(self.store.write, arrival))
        future.add_done_callback(
            lambda done: self._world.on_loop(partial(self._written, done, arrival.number, size))
        )

    def _written(self, done: Future[int], number: int, size: int) -> None:
        now = self._world.clock()
        self.pending -= size
        error = done.exception()
        if error is None:
            self._after(self.session.kept(number, size, now), now)
        else:
            self._send_away(error)
            self.handle(self.session.refused(number, _sentence(error), now), now)

    def _send_away(self, error: BaseException) -> None:
        """The disk takes nothing now. The publisher keeps what is not acknowledged, and comes again."""
        self.tell(_sentence(error).message())
        if self.link is not None:
            self.link.hang_up("the disk takes nothing now; try again later", later=True)

    def _after(self, events: Iterable[Event], now: float) -> None:
        self.handle(events, now)
        self._acknowledge(now)
        if self.outcome is not None:
            self.outcome.more(now)

    def _acknowledge(self, now: float) -> None:
        said = self.session.acknowledgement(now)
        if said is not None:
            self.tell(said.message)
        elif not self._awaits_ack:
            self._awaits_ack = True
            self._world.later(ACK_AFTER, self._acknowledge_rest)

    def _acknowledge_rest(self) -> None:
        self._awaits_ack = False
        said = self.session.acknowledgement(self._world.clock(), force=True)
        if said is not None:
            self.tell(said.message)

    def _keep_signal(self, name: str, data: bytes, now: float) -> None:
        if self.store is None:
            return
        future = self._lane.submit(partial(self.store.write_signal, name, data))
        future.add_done_callback(lambda done: self._world.on_loop(partial(self._signal_written, done)))

    def _signal_written(self, done: Future[Path]) -> None:
        now = self._world.clock()
        if (error := done.exception()) is not None:
            self._send_away(error)
            return
        self.handle(self.session.signal_kept(now), now)
        if self.outcome is not None:
            self.outcome.note()
            self.outcome.finish()

    def _ended(self, now: float) -> None:
        self.showing.finish(now)
        if self.outcome is not None:
            self.outcome.ended()

    def progressed(self, progress: Mapping[str, Any]) -> None:
        """Processing has come further."""
        self._progress = progress
        self.tell({"type": "process_progress", **progress})

    def complete(self, result: Mapping[str, Any]) -> None:
        """Processing has ended: the result is stored, then told."""
        if self.outcome is not None:
            self.outcome.complete(result, self._tell_result)

    def _tell_result(self) -> None:
        if self.outcome is not None and self.outcome.result is not None:
            self.tell({"type": "process_complete", "result": self.outcome.result})

    # Envs elsewhere.

    def _demanded(self) -> None:
        """Others look than before, or at another quality: whoever is only shown sends what is looked at."""
        if self.store is None:
            self._world.on_loop(self.demand)

    def demand(self) -> None:
        """Tell the publisher what is looked at."""
        if self.store is None:
            self.tell(self.showing.demand)


def _sentence(error: BaseException) -> SessionError:
    """What is said of the disk: of no frame, as one that is refused is given up sooner or later."""
    if isinstance(error, SessionError):
        return SessionError(error.code, str(error))
    return SessionError("disk_full", f"the server cannot write ({type(error).__name__}); send it again later")
