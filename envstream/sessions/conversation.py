"""A conversation: what is said on one connection, message by message. No socket, no clock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envstream.errors import SessionError
from envstream.sessions import fields
from envstream.sessions.arrival import ENCODINGS, Arrival
from envstream.sessions.events import MOST_ERRORS, Event, HangUp, Say, Status, told, too_many
from envstream.sessions.fields import Fields
from envstream.sessions.session import Session
from envstream.sessions.start import LARGEST_SIDE, Limits, Start, check_pixels

_LATEST = 1e9  # Seconds.
_EPISODES = 1000
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class _Announced:
    """What the next binary message has to be.

    Attributes:
        arrival: the frame, without its bytes; None = it is a signal, or nothing that is wanted.
        signal: name of the signal, and its SHA-256 where that was said.
        unwanted: whether an error was said of it already: its bytes may come, and are dropped.
    """

    size: int = 0
    arrival: Arrival | None = None
    signal: tuple[str, str | None] = ("", None)
    unwanted: bool = False


_UNWANTED = _Announced(unwanted=True)


class Conversation:
    """One connection of a client.

    Args:
        admit: the session for a `session_start`, and whether it is one that goes on; or a SessionError.
        check: raises a SessionError for a frame whose bytes are not what was said of them.

    Attributes:
        session: what it is about, once that is known.
    """

    def __init__(
        self,
        admit: Callable[[Start], tuple[Session, bool]],
        limits: Limits,
        check: Callable[[Arrival], None],
    ) -> None:
        self.session: Session | None = None
        self._admit = admit
        self._limits = limits
        self._check = check
        self._announced: _Announced | None = None
        self._errors = 0
        self._over = False
        self._types: dict[str, Callable[[dict[str, Any], float], list[Event]]] = {
            "session_start": self._start,
            "frame": self._frame,
            "frames_lost": self._frames_lost,
            "session_end": self._session_end,
            "signal": self._signal,
            "status": self._status,
            "ping": self._ping,
        }

    def begin(self, now: float) -> list[Event]:
        """The connection stands: the client speaks first."""
        return []

    def open(self, start: Start, now: float) -> list[Event]:
        """Begins a session that nobody had to ask for in a message."""
        return self._heard([], lambda: self._open(start, now), now)

    def text(self, data: str, now: float) -> list[Event]:
        """A text message came; what is to be done, in this order."""
        events: list[Event] = []
        if self._announced is not None and not self._over:
            events += self._left_out(self._announced, now)
            self._announced = None
        return self._heard(events, lambda: self._message(fields.read(data), now), now)

    def data(self, data: bytes, now: float) -> list[Event]:
        """A binary message came; what is to be done, in this order."""
        announced, self._announced = self._announced, None
        return self._heard([], lambda: self._bytes(announced, data, now), now)

    def _heard(self, before: list[Event], deal: Callable[[], list[Event]], now: float) -> list[Event]:
        if self._over:
            return []
        if self.session is not None:
            self.session.heard_at = now
        try:
            events = before + deal()
        except SessionError as error:
            events = before + told(error)
        self._errors += sum(isinstance(event, Say) and event.message["type"] == "error" for event in events)
        self._over = any(isinstance(event, HangUp) for event in events)
        if self._errors > MOST_ERRORS and not self._over:
            self._over = True
            events += too_many()
        return events

    def _message(self, message: dict[str, Any], now: float) -> list[Event]:
        deal = self._types.get(message["type"])
        if deal is None:
            known = ", ".join(self._types)
            raise SessionError(
                "unknown_type", f"there is no type {fields.shown(message['type'])}; the types are: {known}"
            )
        return deal(message, now)

    def _begun(self, what: str) -> Session:
        if self.session is None:
            raise SessionError("not_started", f"{what} came before a session; send session_start first")
        return self.session

    # Bytes.

    def _left_out(self, announced: _Announced, now: float) -> list[Event]:
        """A text came where bytes were to come."""
        if announced.unwanted:
            return []
        what, number = "signal", None
        if announced.arrival is not None:
            number = announced.arrival.number
            what = f"frame {number}"
        error = SessionError(
            "bytes_expected",
            f"{what}: a binary message of {announced.size} bytes was announced, and a text came; send the "
            "bytes right behind what is said of them",
            number=number,
        )
        return self._unfit(error, now)

    def _unfit(self, error: SessionError, now: float) -> list[Event]:
        if error.number is None or self.session is None:
            return told(error)
        return self.session.unfit(error.number, error, now)

    def _bytes(self, announced: _Announced | None, data: bytes, now: float) -> list[Event]:
        if announced is None:
            raise SessionError(
                "unexpected_bytes",
                f"{len(data)} bytes came unannounced; send a frame or signal message before each binary one",
            )
        if announced.unwanted:
            return []
        session, arrival = self._begun("a binary message"), announced.arrival
        try:
            if len(data) != announced.size:
                raise SessionError(
                    "wrong_size",
                    f"{announced.size} bytes were announced, and {len(data)} came; send all in one message",
                )
            if arrival is None:
                return self._take_signal(session, *announced.signal, data, now)
            arrival = arrival._replace(data=data)
            self._check(arrival)
        except SessionError as error:
            if arrival is not None:
                error.number = arrival.number
            return self._unfit(error, now)
        return session.frame(arrival, now)

    def _take_signal(
        self, session: Session, name: str, digest: str | None, data: bytes, now: float
    ) -> list[Event]:
        came = hashlib.sha256(data).hexdigest()
        if digest is not None and digest.lower() != came:
            raise SessionError(
                "bad_signal", f"the signal has the SHA-256 {came}, not the one announced; send it again"
            )
        return session.signal(name, data, now)

    # Messages.

    def _start(self, message: dict[str, Any], now: float) -> list[Event]:
        if self.session is not None:
            raise SessionError(
                "already_started",
                f"session {self.session.session_id} is going on here; open another connection for another",
            )
        return self._open(Start.read(message, self._limits), now)

    def _open(self, start: Start, now: float) -> list[Event]:
        session, resumed = self._admit(start)
        self.session = session
        session.heard_at = now
        return session.welcome(resumed, start.resume_token)

    def _frame(self, message: dict[str, Any], now: float) -> list[Event]:
        self._announced = _UNWANTED  # Whatever is wrong with what is said: bytes come next.
        session = self._begun("a frame")
        said = Fields(message, "bad_frame", "frame")
        number = said.whole("number", 1)
        try:
            size = self._size(said, 1)
            arrival = self._arrival(said, session.start, number)
        except SessionError as error:
            error.number = number
            return self._unfit(error, now)
        self._announced = _Announced(size, arrival)
        return []

    def _size(self, said: Fields, least: int) -> int:
        size, most = said.whole("size", least), self._limits.max_message
        if size > most:
            raise SessionError(
                "too_large",
                f"a message has at most {most} bytes, and {size} are announced; send less at once",
            )
        return size

    def _arrival(self, said: Fields, start: Start, number: int) -> Arrival:
        encoding = start.encoding
        if "encoding" in said or encoding == "auto":
            encoding = said.choice("encoding", ENCODINGS)
        if start.encoding not in (encoding, "auto"):
            raise SessionError(
                "wrong_encoding",
                f"the frames of this session are {start.encoding}, and this one is {encoding}; begin the "
                "session with encoding auto and say it with each frame",
            )
        width = start.width if start.width and "width" not in said else said.whole("width", 1, LARGEST_SIDE)
        height = start.height
        if not height or "height" in said:
            height = said.whole("height", 1, LARGEST_SIDE)
        check_pixels(width, height, self._limits.max_pixels)
        key = said.flag("key", default=encoding != "h264")
        return Arrival(
            number=number,
            timestamp=said.number("timestamp", 0, _LATEST),
            encoding=encoding,
            width=width,
            height=height,
            key=key or encoding != "h264",
            captured=said.number("captured", -1e12, 1e12) if "captured" in said else None,
            info=said.small("info"),
            data=b"",
        )

    def _frames_lost(self, message: dict[str, Any], now: float) -> list[Event]:
        session, said = self._begun("frames_lost"), Fields(message, "bad_message", "frames_lost")
        first = said.whole("from", 1)
        return session.lose(first, said.whole("to", first), now)

    def _session_end(self, message: dict[str, Any], now: float) -> list[Event]:
        session = self._begun("session_end")
        return session.end(Fields(message, "bad_end", "session_end").whole("frames"), now)

    def _signal(self, message: dict[str, Any], now: float) -> list[Event]:
        self._announced = _UNWANTED
        self._begun("a signal")
        said = Fields(message, "bad_signal", "signal")
        digest = said.match("sha256", _SHA256, "64 hexadecimal digits") if "sha256" in said else None
        signal = said.text("name", 255), digest
        self._announced = _Announced(self._size(said, 0), signal=signal)
        return []

    def _status(self, message: dict[str, Any], now: float) -> list[Event]:
        if not self._begun("status").start.live:
            raise SessionError("bad_message", "status is for live sessions; begin one with live true")
        said = Fields(message, "bad_message", "status")
        episodes = [_episode(said, each) for each in said.many("episodes", _EPISODES)]
        status: dict[str, Any] = {"episodes": episodes, **fields.cost_in(said)}
        if "totalSteps" in said:
            status["totalSteps"] = said.whole("totalSteps")
        if "message" in message:
            status["message"] = said.text("message", 500) if message["message"] else None
        if "still" in said:
            still = said.inner("still")
            captured = still.number("captured", -1e12, 1e12) if "captured" in still else None
            status["still"] = {"number": still.whole("number", 1), "captured": captured}
        return [Status(status)]

    def _ping(self, message: dict[str, Any], now: float) -> list[Event]:
        Fields(message, "bad_message", "ping").number("t", -1e300, 1e300)
        return [Say({"type": "pong", "t": message["t"], "now": now})]


def _episode(said: Fields, each: object) -> tuple[int, int, float]:
    """Number, steps and return of an episode; a return that is not finite comes as null."""
    wrong = said.wrong("episodes", "a list of [number, steps, return]")
    if not isinstance(each, list) or len(each) != 3:
        raise wrong
    row = Fields(dict(zip(("number", "steps", "return"), each, strict=True)), "bad_message", "episode")
    total = row.number("return", -1e300, 1e300) if "return" in row else float("nan")
    return row.whole("number"), row.whole("steps"), total
