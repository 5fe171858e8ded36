"""Conversation and session beside a model of a client, a bad network and a disk that may refuse or lose."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import Ended, Event, HangUp, Keep, KeepSignal, Lost, Say
from envstream.sessions.roll import Roll
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start

WINDOW, CREDITS, MOST = 24, 8, 60
LIMITS = Limits(max_message=100, max_pixels=10**6, memory=10**6, window=WINDOW, credits=CREDITS)
START = {"type": "session_start", "session_id": "s", "width": 8, "height": 8, "fps": 30, "encoding": "jpeg"}

NUMBERS = st.integers(1, MOST)
DAMAGED = b"X"


def check(arrival: Arrival) -> None:
    if arrival.data.startswith(DAMAGED):
        raise SessionError("not_an_image", "no picture", number=arrival.number)


def bytes_of(number: int) -> bytes:
    """What the client first sent, and always sends, for a number."""
    return b"frame %d" % number


class Disk:
    """What is written, and what was noted beside it."""

    def __init__(self) -> None:
        self.frames: dict[int, bytes] = {}
        self.signals: list[bytes] = []
        self.noted: dict[str, Any] = {}
        self.queue: list[Arrival] = []

    def roll(self) -> Roll:
        roll = Roll()
        for number in sorted(self.frames):
            roll.add(number)
        for first, last in self.noted.get("lost", []):
            roll.lose(first, last)
        return roll


class Publishing(RuleBasedStateMachine):
    """A client sends frames in any order, some twice, some never, over connections and servers that end."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.session: Session | None = None
        self.now = 0.0
        self.up_to = 0  # The highest that the client was ever told.
        self.received = 0
        self.lost: set[int] = set()  # What the client gave up.
        self.declared: int | None = None
        self.ends = 0
        self.missing: list[int] = []

    # The server.

    def admit(self, start: Start) -> tuple[Session, bool]:
        resumed = self.session is not None
        if self.session is None:
            self.session = Session("s", "", start, LIMITS)
            self.disk.noted = json.loads(json.dumps(self.session.said()))
        return self.session, resumed

    def serve(self, events: list[Event]) -> None:
        """Does what the session wants, except that frames wait for the disk."""
        for event in events:
            assert self.session is not None
            match event:
                case Keep(arrival):
                    assert arrival.number not in self.disk.frames, "what is on disk is not written again"
                    assert arrival.number not in [each.number for each in self.disk.queue]
                    assert arrival.data == bytes_of(arrival.number)
                    self.disk.queue.append(arrival)
                case KeepSignal(_, data):
                    self.disk.signals.append(data)
                    self.serve(self.session.signal_kept(self.now))
                case Lost():
                    self.disk.noted = json.loads(json.dumps(self.session.said()))
                case Ended():
                    self.ends += 1
                    assert self.session.state == "ended"
                    self.disk.noted = json.loads(json.dumps(self.session.said()))
                case HangUp():
                    self.connect()
                case Say(message):
                    self.hear(dict(message))

    def hear(self, message: dict[str, Any]) -> None:
        """What the client makes of it."""
        json.dumps(message, allow_nan=False)
        if message["type"] in ("frame_ack", "session_ack"):
            up_to = message["up_to"] if "up_to" in message else message["next"] - 1
            assert up_to >= self.up_to, "what was acknowledged stays so"
            for number in range(self.up_to + 1, up_to + 1):
                assert number in self.disk.frames or number in self.lost
            self.up_to, self.missing = up_to, message["missing"]
            assert not set(self.missing) & (set(self.disk.frames) | {each.number for each in self.disk.queue})
        if message["type"] == "session_ended":
            assert self.session is not None
            assert message["frames"] == self.session.declared
            assert self.declared in (None, message["frames"])
            assert message["received"] == len(self.disk.frames)
            assert message["received"] + message["lost"] == message["frames"]
        if message["type"] == "error":
            assert message["message"] and message["code"]

    def text(self, **message: Any) -> None:
        self.serve(self.conversation.text(json.dumps(message), self.now))

    def announce(self, number: int, size: int) -> None:
        self.text(type="frame", number=number, timestamp=number / 30, size=size)

    def bytes(self, data: bytes) -> None:
        self.serve(self.conversation.data(data, self.now))

    def send(self, number: int) -> None:
        data = bytes_of(number)
        self.announce(number, len(data))
        self.bytes(data)

    # What happens.

    @initialize()
    def connect(self) -> None:
        self.conversation = Conversation(self.admit, LIMITS, check)
        self.text(**START)

    @rule(number=NUMBERS)
    def send_any(self, number: int) -> None:
        self.send(number)

    @rule(count=st.integers(1, 12))
    def send_next(self, count: int) -> None:
        assert self.session is not None
        first = self.session.roll.highest + 1
        for number in range(first, min(first + count, MOST + 1)):
            self.send(number)

    @rule(count=st.integers(1, 5))
    def send_what_is_missing(self, count: int) -> None:
        for number in self.missing[:count]:
            if number <= MOST:
                self.send(number)

    @rule(number=NUMBERS, cut=st.integers(0, 8), more=st.integers(0, 1))
    def send_with_another_length(self, number: int, cut: int, more: int) -> None:
        data = bytes_of(number)
        self.announce(number, len(data))
        self.bytes(data + b"!" if more else data[: min(cut, len(data) - 1)])

    @rule(number=NUMBERS)
    def send_damaged(self, number: int) -> None:
        self.announce(number, 4)
        self.bytes(DAMAGED * 4)

    @rule(number=NUMBERS, size=st.integers(-1, 200))
    def announce_only(self, number: int, size: int) -> None:
        self.announce(number, size)

    @rule(number=st.integers(MOST + WINDOW, 2**53))
    def send_far_ahead(self, number: int) -> None:
        self.send(number)

    @rule(data=st.binary(max_size=4) | st.just(b"frame 1"))
    def send_bytes_only(self, data: bytes) -> None:
        # What was announced with just this length would be taken for it, as it must be.
        self.text(type="ping", t=0)
        self.bytes(data)

    @rule(data=st.text(max_size=8) | st.just('{"type": "frame"}'))
    def send_nonsense(self, data: str) -> None:
        self.serve(self.conversation.text(data, self.now))

    @rule(first=NUMBERS, more=st.integers(0, 6))
    def give_up(self, first: int, more: int) -> None:
        assert self.session is not None
        # The client has given them up; whether the server takes its word for it or not.
        last = min(first + more, MOST)
        self.lost |= set(range(first, last + 1))
        self.text(**{"type": "frames_lost", "from": first, "to": last})

    @rule(frames=st.integers(0, MOST))
    def end(self, frames: int) -> None:
        assert self.session is not None
        self.text(type="session_end", frames=frames)
        self.declared = self.session.declared

    @rule(data=st.binary(max_size=9), honest=st.booleans())
    def signal(self, data: bytes, honest: bool) -> None:
        before = len(self.disk.signals)
        self.text(type="signal", name="x.csv", size=len(data), sha256=None if honest else "0" * 64)
        self.bytes(data)
        assert len(self.disk.signals) == before + honest

    @rule(at=st.integers(0, 50))
    def write(self, at: int) -> None:
        if self.disk.queue:
            arrival = self.disk.queue.pop(at % len(self.disk.queue))
            self.disk.frames[arrival.number] = arrival.data
            assert self.session is not None
            self.serve(self.session.kept(arrival.number, len(arrival.data), self.now))

    @rule(at=st.integers(0, 50))
    def fail_to_write(self, at: int) -> None:
        if self.disk.queue:
            arrival = self.disk.queue.pop(at % len(self.disk.queue))
            assert self.session is not None
            error = SessionError("disk_full", "no room", number=arrival.number)
            self.serve(self.session.refused(arrival.number, error, self.now))

    @rule(seconds=st.floats(0, 1))
    def wait(self, seconds: float) -> None:
        assert self.session is not None
        self.now += seconds
        said = self.session.acknowledgement(self.now, force=seconds > 0.05)
        if said is not None:
            self.serve([said])

    @rule()
    def reconnect(self) -> None:
        self.connect()

    @rule()
    def restart(self) -> None:
        self.disk.queue.clear()  # Never written.
        self.session = Session.of(self.disk.noted, LIMITS, self.disk.roll(), self.now)
        self.connect()
        if self.declared is not None:
            self.text(type="session_end", frames=self.declared)

    # What is always so.

    @invariant()
    def the_session_knows_what_is_on_disk(self) -> None:
        if self.session is None:
            return
        roll = self.session.roll
        assert roll.highest <= MOST
        lost = {n for first, last in roll.lost for n in range(first, last + 1)}
        assert lost <= self.lost
        assert roll.received == len(self.disk.frames)
        assert lost.isdisjoint(self.disk.frames)
        assert all(number in roll for number in self.disk.frames)
        assert self.session.counts()["missing"] == len(
            set(range(1, roll.highest + 1))
            - lost
            - set(self.disk.frames)
            - {a.number for a in self.disk.queue}
        )

    @invariant()
    def memory_is_bounded_by_the_window(self) -> None:
        if self.session is not None:
            beyond = [
                pair for pair in self.session.roll.said()["arrived"] if pair[0] > self.session.roll.up_to
            ]
            assert len(self.session.roll.said()["arrived"]) == len(beyond) <= WINDOW
            assert len(self.session._receipts._asked) <= 256 + WINDOW
            assert len(self.disk.queue) <= 4 * CREDITS

    def teardown(self) -> None:
        """An honest client sends what is missing until all is there: then the session ends."""
        if self.session is None:
            return
        self.connect()
        while self.disk.queue:
            self.write(0)
        if self.declared is None:
            self.end(self.session.roll.highest)
        for _ in range(MOST):
            if self.session.over:
                break
            self.send_what_is_missing(4)
            while self.disk.queue:
                self.write(0)
            self.wait(1.0)
        assert self.session.state == "ended"
        assert self.ends >= 1
        assert self.up_to == self.declared
        for number in range(1, self.up_to + 1):
            assert (number in self.disk.frames) or (number in self.lost)


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
