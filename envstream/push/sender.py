"""A sender: what one who sends frames has to say to a server, and what is made of its answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from envstream.push.owed import MEMORY, Owed, Picture

Message = str | bytes | memoryview

AT_ONCE = 2**18  # Bytes that `messages` gives out at a time: what is said meanwhile need not wait for more.
FIRST_CREDITS = 64  # Before the server has said how many pictures may be under way.
MOST_PROBLEMS = 20

_HEARD = {"session_ack", "frame_ack", "signal_ack", "session_ended", "process_complete", "error", "pong"}
_TAKES = "of one message, the server takes"
_OVER = ("ended", "processing", "complete", "failed")  # A session that takes nothing more, as servers say.


class Sender:
    """One session, over as many connections as it takes. Pure: no socket, no clock. Not thread-safe.

    What is not acknowledged is kept, and sent again where the server asks for it.

    Args:
        start: the fields of `session_start`, without `type`; not `live`.
        memory: bytes of pictures that are kept at most.
        goes_on: the source does not wait. Then `offer` takes every picture, and beyond `memory` the oldest
            that wait are given up.

    Attributes:
        state: `new`, `sending`, `ending` (all were offered), `processing` (the server has all there is),
            `complete` (its result, too) or `refused`.
        open: whether the server has acknowledged the session on this connection.
        refused: code and sentence of what ended the session too early; None = nothing did.
        failed: what went wrong with the processing, a sentence.
        problems: code → sentence, of all else that went wrong.
        progress: the last `process_progress`; `ended`: `session_ended`.
        result: what came of it.
    """

    def __init__(self, start: Mapping[str, Any], *, memory: int = MEMORY, goes_on: bool = False) -> None:
        self.start = dict(start)
        self.state = "new"
        self.open = False
        self.refused: tuple[str, str] | None = None
        self.failed: str | None = None
        self.problems: dict[str, str] = {}
        self.progress: dict[str, Any] = {}
        self.ended: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self._owed = Owed(memory, goes_on=goes_on)
        self._say: list[Message] = []
        self._credits, self._max_message = FIRST_CREDITS, 2**62
        self._end_said = False
        self._signal: tuple[str, bytes] | None = None
        self._signal_said = False
        self._sent_to = self._sent = self._resent = self._sent_bytes = 0

    # --- what is to be sent ----------------------------------------------------------------------------

    @property
    def room(self) -> bool:
        """Whether `offer` takes a picture of ordinary size now."""
        return self._owed.room(self._credits)

    @property
    def had(self) -> int:
        """All up to this number the server had when the connection began."""
        return self._owed.had

    def skip(self, there: bool = True) -> bool:
        """Passes over the next picture where the server has it, or where it is not `there`; else False."""
        return not there if self.over or self.state == "ending" else self._owed.skip(there)

    def offer(self, picture: Picture, now: float) -> bool:
        """Takes the next picture; False: the window is full, offer it again when something was heard."""
        if self.over or self.state == "ending":
            return True  # Nobody takes it any more.
        return self._owed.offer(picture, now, self._credits)

    def signal(self, name: str, data: bytes) -> None:
        """Has a signal sent, before all pictures that were not sent yet."""
        self._signal, self._signal_said = (name, data), False

    def end(self) -> None:
        """There are no more pictures than were offered."""
        if self.state in ("new", "sending"):
            self.state = "ending"

    def cut(self) -> None:
        """Gives up all that is not under way, so that the session can end."""
        self._owed.cut()

    @property
    def over(self) -> bool:
        """Whether the server takes no more pictures."""
        return self.state in ("processing", "complete", "refused")

    @property
    def done(self) -> bool:
        """Whether there is nothing to say and nothing to wait for."""
        return self.state in ("complete", "refused")

    def take_key(self) -> bool:
        """Whether the next picture has to build on none before, as some before it are lost; asks once."""
        wanted, self._owed.key_wanted = self._owed.key_wanted, False
        return wanted

    def backlog(self, now: float) -> float:
        """Seconds since the oldest picture was offered that is not acknowledged; 0 = all are."""
        since = self._owed.since()
        return 0.0 if since is None else max(0.0, now - since)

    def counts(self) -> dict[str, int]:
        """Pictures that were offered, sent, acknowledged, …, and their bytes."""
        owed = self._owed
        return {
            "offered": owed.number,
            "sent": self._sent,
            "acknowledged": owed.acknowledged,
            "missing": owed.missing,
            "lost": owed.lost,
            "resent": self._resent,
            "waiting": len(owed),
            "bytes_waiting": owed.bytes,
            "bytes_sent": self._sent_bytes,
            "bytes_acknowledged": owed.acknowledged_bytes,
        }

    # --- connections -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """A connection is there; nothing was said on it."""
        self.lost()
        self._say = [_text("session_start", **{"protocol": 1, **self.start})]

    def lost(self) -> None:
        """The connection is gone, with all that was under way."""
        self.open, self._say = False, []
        self._owed.disconnected()
        self._signal_said = self._end_said = False

    def messages(self) -> list[Message]:
        """What is to be sent now, in this order; ask again once it is sent, and when something was heard."""
        said, self._say = self._say, []
        if not self.open or self.done:
            return said
        if self._signal is not None and not self._signal_said:
            self._send_signal(*self._signal, said)  # Also where the server has all pictures: it waits for it.
        room, before = AT_ONCE, len(said)
        while room > 0 and (taken := self._owed.take(self._credits)) is not None:
            room -= self._send(*taken, said)
        # After the pictures: one of them may have been too large.
        lost = [_text("frames_lost", **{"from": a, "to": b}) for a, b in self._owed.take_untold()]
        said[before:before] = lost
        if (mark := self._owed.take_mark()) is not None:
            said.append(_text("ping", t=mark))
        if self.state == "ending" and self._owed.idle and not self._end_said:
            self._end_said = True
            said.append(_text("session_end", frames=self._owed.number))
        return said

    def _send(self, number: int, picture: Picture, said: list[Message]) -> int:
        size = len(picture.data)
        if size > self._max_message:
            self._too_large(number, size)
            return 0
        said += [_text("frame", **picture.said(number, self.start)), picture.data]
        self._sent_bytes += size
        new = number > self._sent_to
        self._sent, self._resent = self._sent + new, self._resent + (not new)
        self._sent_to = max(number, self._sent_to)
        return size

    def _send_signal(self, name: str, data: bytes, said: list[Message]) -> None:
        self._signal_said = True
        if len(data) > self._max_message:
            self.refuse(
                "too_large", f"the signal has {len(data)} bytes; {_TAKES} {self._max_message} at most"
            )
            return
        digest = hashlib.sha256(data).hexdigest()
        said += [_text("signal", size=len(data), name=name, sha256=digest), data]

    def _too_large(self, number: int, size: int) -> None:
        message = f"picture {number} has {size} bytes; {_TAKES} {self._max_message} at most"
        if self._owed.acknowledged:
            self._note("too_large", message)
            self._owed.lose(number, number)
        else:  # So are those after it.
            self.refuse("too_large", f"{message}; send them smaller or in another encoding")

    # --- what was heard --------------------------------------------------------------------------------

    def heard(self, message: Mapping[str, Any]) -> None:
        """Takes what the server said. What it does not know, it leaves alone."""
        kind = message.get("type")
        if self.state == "refused" or not isinstance(kind, str):
            return
        if kind == "process_progress":
            self.progress = dict(message)
        elif kind in _HEARD:
            getattr(self, f"_{kind}")(message)

    def _session_ack(self, message: Mapping[str, Any]) -> None:
        self.open = True
        for field in ("session_id", "resume_token"):
            if isinstance(message.get(field), str):
                self.start[field] = message[field]
        self._max_message = max(1, _whole(message.get("max_message"), 2**62))
        self._credits = max(1, _whole(message.get("credits"), FIRST_CREDITS))
        state = str(message.get("state"))
        if self.state == "new":
            self.state = "sending"
        if not message.get("resumed", False):
            self._owed.account(0, ())
        up_to, highest = _whole(message.get("next"), 1) - 1, _whole(message.get("highest"), 0)
        self._owed.resumed(up_to, _numbers(message.get("missing")), highest)
        if state in _OVER:
            self._over(state)
            return
        self._end_said = state == "ending" and self.state == "ending"

    def _frame_ack(self, message: Mapping[str, Any]) -> None:
        self._credits = max(1, _whole(message.get("credits"), self._credits))
        missing = _numbers(message.get("missing"))
        self._owed.account(_whole(message.get("up_to"), self._owed.up_to), missing)
        for number in sorted(missing):
            self._ask(number)

    def _ask(self, number: int, refused: bool = False) -> None:
        if not self._owed.ask(number, refused):
            self._note("given_up", f"picture {number} was given up, as the server did not take it")

    def _signal_ack(self, message: Mapping[str, Any]) -> None:
        self._signal = None

    def _session_ended(self, message: Mapping[str, Any]) -> None:
        self.ended = dict(message)
        self._over("ended")

    def _over(self, state: str) -> None:
        """The server has all there will be."""
        if len(self._owed) and self.state == "sending":
            self._note("session_ended", "the session has ended at the server; what was left was not sent")
        if state == "failed":
            self.failed = self.failed or "the processing failed"
        self._owed.clear()
        if self.state != "complete":
            self.state = "processing"

    def _process_complete(self, message: Mapping[str, Any]) -> None:
        result = message.get("result")
        self.result = dict(result) if isinstance(result, Mapping) else {}
        self._owed.clear()
        self.state = "complete"

    def _pong(self, message: Mapping[str, Any]) -> None:
        self._owed.passed(_whole(message.get("t"), 0))

    def _error(self, message: Mapping[str, Any]) -> None:
        code, text = str(message.get("code")), str(message.get("message"))
        number = message.get("number")
        if code == "processor_failed":
            self.failed = text
        elif message.get("recoverable") is not True or not self.open:
            self.refuse(code, text)
        elif isinstance(number, int):
            self._note(code, text)
            self._ask(number, refused=True)
        else:
            self._note(code, text)
            if code == "bad_signal":
                self._signal = None

    def refuse(self, code: str, message: str) -> None:
        """It cannot go on: the server does not want it to."""
        self.refused, self.state = (code, message), "refused"
        self._owed.clear()

    def _note(self, code: str, message: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.setdefault(code, message)


def _text(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields}, separators=(",", ":"), default=float)


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _numbers(value: Any) -> set[int]:
    return {number for number in value if isinstance(number, int)} if isinstance(value, list) else set()
