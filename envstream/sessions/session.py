"""A session: all that one client sends, over as many connections as it takes. No socket, clock or disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.events import Ended, Event, Keep, KeepSignal, Lost, Say, told
from envstream.sessions.receipts import Receipts
from envstream.sessions.roll import Roll
from envstream.sessions.start import Limits, Start

MOST_ASKED = 256  # Missing numbers in one message.
_FLOOD = 4  # Times the credits, and times the memory, that may be under way to disk.
_COUNTS = ("duplicates", "out_of_order", "asked_again", "bytes")
_STATES = ("receiving", "ending", "ended", "processing", "complete")


class Session:
    """Which frames of a client are there, on their way to disk, or missing, and what it is told of that.

    Of a live session nothing is stored: numbers only go up, and what is left out is lost.

    Args:
        token: what opens it again, in whatever form it is kept; not looked at here.
        roll: what arrived before a restart.
        ended: how many frames there are, if the client said so before a restart.

    Attributes:
        state: `receiving`, `ending` (the end was said, numbers are missing), `ended`; its owner goes on with
            `processing`, `complete`.
        declared: how many frames there are; None = not said yet.
        heard_at: when its client was last heard of.
        resume_token: the token as the client gets to know it, where the server made it.
        signal_about: size, lines and SHA-256 of the newest signal.
        duplicates, out_of_order, asked_again, bytes: counts; of bytes, those on disk.
    """

    def __init__(
        self,
        session_id: str,
        token: str,
        start: Start,
        limits: Limits,
        roll: Roll | None = None,
        ended: int | None = None,
        now: float = 0.0,
    ) -> None:
        self.session_id, self.token, self.start, self.limits = session_id, token, start, limits
        self.roll = Roll() if roll is None else roll
        self.declared = ended
        self.state = "receiving"
        self.heard_at = now
        self.resume_token: str | None = None
        self.signal_about: dict[str, Any] = {}
        self.duplicates = self.out_of_order = self.asked_again = self.bytes = 0
        self._under_way: dict[int, int] = {}  # Numbers that are not on disk yet, and their bytes.
        self._weight = 0  # Of all of them.
        self._given_up = False
        self._shown = self.roll.up_to  # Of a live session, the newest that was dealt with.
        self._receipts = Receipts(limits, start.raw_size if start.encoding == "raw" else 1)
        if ended is not None:
            self.roll.expect(ended)
            self.state = "ended" if self.roll.up_to >= ended else "ending"

    @classmethod
    def of(
        cls, said: Mapping[str, Any], limits: Limits, roll: Roll | None = None, now: float = 0.0
    ) -> Session:
        """The session that said this of itself; `roll`: what is on its disk.

        Raises:
            ValueError, LookupError, TypeError: no session said this.
        """
        start, name, token = Start.read({**said["start"]}), str(said["session_id"]), str(said["token"])
        processed = _STATES.index(said["state"]) > _STATES.index("ended")
        if processed:  # Its frames may be gone from disk.
            roll = Roll.of({**said["roll"], "lost": said["lost"]})
        session = cls(name, token, start, limits, roll, said["ended"], now)
        session.state = said["state"] if processed else session.state
        session.signal_about = dict(said["signal"])
        for count in _COUNTS:
            setattr(session, count, int(said["counts"][count]))
        return session

    def said(self) -> dict[str, Any]:
        """What is to be known of it after a restart, for disk."""
        roll = self.roll.said()
        return {
            "session_id": self.session_id,
            "token": self.token,
            "start": self.start.said(),
            "state": self.state,
            "ended": self.declared,
            "lost": roll.pop("lost"),
            "roll": roll,
            "signal": self.signal_about,
            "counts": {name: getattr(self, name) for name in _COUNTS},
        }

    # What there is.

    @property
    def over(self) -> bool:
        """Whether no further frame is taken."""
        return self.state not in ("receiving", "ending")

    @property
    def credits(self) -> int:
        """How many frames the client may have unacknowledged at once."""
        return self._receipts.credits

    @property
    def full(self) -> bool:
        """Whether so much is on its way to disk that nothing more should be read for now."""
        return self._weight >= self.limits.memory

    def counts(self) -> dict[str, int | None]:
        """What came, in numbers."""
        return {
            "received": self.roll.received,
            "lost": self.roll.losses,
            "missing": self.roll.absent - len(self._under_way),
            **{name: getattr(self, name) for name in _COUNTS},
            "expected": self.start.expected_frames,
            "declared": self.declared,
        }

    # What comes.

    def frame(self, arrival: Arrival, now: float) -> list[Event]:
        """A frame came, whole."""
        number, size = arrival.number, len(arrival.data)
        late = number <= self.roll.highest if self.start.live else number in self.roll
        if late or number in self._under_way:
            self.duplicates += 1
            return self._acknowledged(now)
        error = self._unwanted(number) or self._flood(number, size)
        if error is not None:
            return told(error)
        self._receipts.weigh(size)
        if self.start.live:
            self.roll.lose(self.roll.up_to + 1, number - 1)
            self.roll.add(number)
            return [Keep(arrival)]
        self.out_of_order += number < self.roll.highest and not self._receipts.asked(number)
        self._under_way[number] = size
        self._weight += size
        self.roll.expect(number)
        return [Keep(arrival)]

    def _unwanted(self, number: int) -> SessionError | None:
        """Why a frame that is new does not belong here."""
        if self.over or self._beyond(number):
            return SessionError.over(number, None if self.over else self.declared)
        window = self.limits.window
        if not self.start.live and self.roll.ahead(number) > window:
            return SessionError.out_of_window(number, self.roll.up_to + 1, window)
        return None

    def _flood(self, number: int, size: int) -> SessionError | None:
        """Why nothing more can be taken for now."""
        frames, memory = len(self._under_way), _FLOOD * self.limits.memory
        if frames < _FLOOD * self.limits.credits and (not frames or self._weight + size <= memory):
            return None
        return SessionError.flooding(number, frames, self._weight, self.credits)

    def _beyond(self, number: int) -> bool:
        return self.declared is not None and number > self.declared

    def unfit(self, number: int, error: SessionError, now: float) -> list[Event]:
        """A frame was announced, and what came for it is not to be had; it is asked for again."""
        unknown = number not in self.roll and number not in self._under_way
        if unknown and not self.start.live and self._unwanted(number) is None:
            self.roll.expect(number)
        return [*told(error), *self._acknowledged(now, force=True)]

    def kept(self, number: int, size: int, now: float) -> list[Event]:
        """A frame is on disk, or, in a live session, dealt with; `size`: its bytes."""
        if self.start.live:
            self._shown = max(self._shown, number)
        elif not (self._landed(number) and self.roll.add(number)):
            return []
        self.bytes += size
        return self._finished(now) or self._acknowledged(now, force=self.start.live)  # Live: at once.

    def refused(self, number: int, error: SessionError, now: float) -> list[Event]:
        """A frame that was to be kept cannot be; it has not arrived then, and is asked for again."""
        self._landed(number)
        if self._given_up:
            self.roll.lose(number, number)
            return [*told(error), Lost(), *self._finished(now)]
        return [*told(error), *self._acknowledged(now, force=True)]

    def _landed(self, number: int) -> bool:
        size = self._under_way.pop(number, None)
        self._weight -= size or 0
        return size is not None

    def lose(self, first: int, last: int, now: float) -> list[Event]:
        """The client says that these will never come; what is on its way to disk has come."""
        if self.over or self.start.live:
            return []  # Of a live session, each frame says what was left out before it.
        window = self.limits.window
        if self._beyond(last):
            return told(SessionError.over(last, self.declared))
        if self.roll.ahead(first) > window + 1:  # Right behind a window that is full it may be.
            return told(SessionError.out_of_window(first, self.roll.up_to + 1, window))
        count = self._lose(first, last)
        news: list[Event] = [Lost()] if count else []
        return news + (self._finished(now) or self._acknowledged(now, force=True))

    def _lose(self, first: int, last: int) -> int:
        count = 0
        for number in sorted(each for each in self._under_way if first <= each <= last):
            count += self.roll.lose(first, number - 1)
            first = number + 1
        return count + self.roll.lose(first, last)

    def end(self, frames: int, now: float) -> list[Event]:
        """The client says that this is the highest number there is."""
        if self.declared is None and not self.over and frames >= self.roll.highest:
            self.declared, self.state = frames, "ending"
            if self.start.live:
                self.roll.lose(self.roll.up_to + 1, frames)
            self.roll.expect(frames)
        elif frames != self.declared:
            return told(SessionError.bad_end(frames, self.declared, self.roll.highest))
        if self.over:
            return [self._farewell()]
        return self._finished(now) or self._acknowledged(now, force=True)

    def give_up(self, now: float) -> list[Event]:
        """Nothing more will come: what is missing is lost, and the end is what there is."""
        if self.over:
            return []
        self._given_up = True
        self.declared = self.roll.highest if self.declared is None else self.declared
        self.state = "ending"
        news: list[Event] = [Lost()] if self._lose(1, self.declared) else []
        return news + (self._finished(now) or self._acknowledged(now, force=True))

    def signal(self, name: str, data: bytes, now: float) -> list[Event]:
        """A signal came, whole."""
        if self.start.live or self.state in _STATES[3:]:
            why = "a live session stores none" if self.start.live else f"the session is {self.state} already"
            return told(SessionError("bad_signal", f"no signal is taken: {why}; begin another session"))
        lines = data.count(b"\n") + (not data.endswith(b"\n") and len(data) > 0)
        digest = hashlib.sha256(data).hexdigest()
        self.signal_about = {"size": len(data), "lines": lines, "sha256": digest}
        return [KeepSignal(name, data)]

    def signal_kept(self, now: float) -> list[Event]:
        """The signal is on disk."""
        return [Say({"type": "signal_ack", **self.signal_about})]

    # What is said.

    def welcome(self, resumed: bool, token: str | None = None) -> list[Event]:
        """The answer to a `session_start`; `token`: the one in it."""
        about = {
            "session_id": self.session_id,
            "resume_token": token or self.resume_token,
            "resumed": resumed,
        }
        room = {"state": self.state, "next": self.roll.up_to + 1, "max_message": self.limits.max_message}
        said = Say({"type": "session_ack", **about, **room, **self._account()})
        return [said, self._farewell()] if self.over else [said]

    def acknowledgement(self, now: float, force: bool = False) -> Say | None:
        """What the client is to be told of its frames, if there is news and it is time; `force`: any time."""
        if not self._receipts.due(now, force):
            return None
        up_to = self._shown if self.start.live else self.roll.up_to
        account = {"received": self.roll.received, "duplicates": self.duplicates, **self._account()}
        return Say({"type": "frame_ack", "up_to": up_to, **account})

    def _account(self) -> dict[str, Any]:
        missing = self.roll.missing(MOST_ASKED, self._under_way)
        self.asked_again += self._receipts.ask(missing, self.roll)
        return {"missing": missing, "credits": self.credits, "highest": self.roll.highest}

    def _acknowledged(self, now: float, force: bool = False) -> list[Event]:
        self._receipts.news()
        said = self.acknowledgement(now, force)
        return [] if said is None else [said]

    def _finished(self, now: float) -> list[Event]:
        if self.over or self.declared is None or self.roll.up_to < self.declared:
            return []
        self.state = "ended"
        # First it is known here: whoever is told that it has ended may forget its frames.
        return [Ended(), *self._acknowledged(now, force=True), self._farewell()]

    def _farewell(self) -> Say:
        counts = {"frames": self.declared, "received": self.roll.received, "lost": self.roll.losses}
        return Say({"type": "session_ended", **counts})
