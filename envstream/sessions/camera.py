"""A camera's conversation: what a page that has a camera says, as a publisher's live session."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from envstream.errors import SessionError
from envstream.sessions import fields
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import MOST_ERRORS, Event, told, too_many
from envstream.sessions.fields import Fields
from envstream.sessions.session import Session
from envstream.sessions.start import Start

CAMERA = "camera "  # What the names of their streams begin with.
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
PASSED_ON = ("ping", "status", "session_end")
INFO = {"captureMs": "captureMs", "quality": "cameraQuality"}  # Viewers are told of another quality: theirs.

_LARGEST = 10**15  # Of a frame's number.
_LONGEST = 1e6  # Milliseconds.


class CameraConversation:
    """One connection of a camera: a text that says what comes, then the picture, a JPEG.

    A camera is one more publisher, of a live session that bears its token's name; frames are numbered anew
    here, as a page that is loaded again begins with 1.

    Attributes:
        newest: the camera's own number of each frame that is under way, by ours.
        landed: the camera's own number of the newest that arrived; None = none yet.
    """

    def __init__(self, inner: Conversation, token: str, secret: str) -> None:
        self._inner = inner
        self._start = Start(
            width=0,
            height=0,
            fps=30,
            encoding="jpeg",
            session_id=session_of(token),
            resume_token=secret,
            name=CAMERA + token,
            live=True,
            camera=True,
        )
        self._announced: dict[str, Any] | None = None
        self._errors = 0  # That were found here; the inner conversation counts its own.
        self.newest: dict[int, int] = {}
        self.landed: int | None = None

    @property
    def session(self) -> Session | None:
        return self._inner.session

    def begin(self, now: float) -> list[Event]:
        """The camera is there."""
        return self._inner.open(self._start, now)

    def text(self, data: str, now: float) -> list[Event]:
        """A text message came; what is to be done, in this order."""
        try:
            message = fields.read(data)
            kind, session = message["type"], self.session
            if kind == "session_end" and session is not None:  # Its own numbers are not ours.
                data = json.dumps({"type": kind, "frames": session.roll.highest})
            if kind in PASSED_ON:
                return self._inner.text(data, now)
            if kind != "frame_metadata":
                known = ", ".join(("frame_metadata", *PASSED_ON))
                shown = fields.shown(kind)
                raise SessionError("unknown_type", f"there is no type {shown}; a camera's are: {known}")
            return self._announce(_frame(message), now)
        except SessionError as error:
            self._announced = None
            return self._wrong(error, now)

    def _announce(self, frame: dict[str, Any], now: float) -> list[Event]:
        before, self._announced = self._announced, frame
        if before is None:
            return []
        sentence = (
            f"frame {before['theirs']} was announced, and its picture did not come; send each picture right "
            "behind its frame_metadata"
        )
        return self._wrong(SessionError("bytes_expected", sentence), now)

    def _wrong(self, error: SessionError, now: float) -> list[Event]:
        """An error that was found here."""
        if self.session is not None:
            self.session.heard_at = now
        self._errors += 1
        if self._errors > MOST_ERRORS:
            return told(error) + too_many()
        return told(error)

    def data(self, data: bytes, now: float) -> list[Event]:
        """A binary message came; what is to be done, in this order."""
        announced, self._announced = self._announced, None
        session = self.session
        if announced is None or session is None:
            sentence = (
                f"{len(data)} bytes came unannounced; send a frame_metadata message before each picture"
            )
            return self._wrong(SessionError("unexpected_bytes", sentence), now)
        number = session.roll.highest + 1
        self.newest[number] = announced.pop("theirs")
        said = {**announced, "type": "frame", "number": number, "size": len(data)}
        return [*self._inner.text(json.dumps(said), now), *self._inner.data(data, now)]

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What the server says, in the camera's own numbers."""
        said = dict(message)
        said.pop("resume_token", None)  # A camera's token is all that it needs.
        if said["type"] == "frame_ack":
            for number in [number for number in self.newest if number <= said["up_to"]]:
                self.landed = self.newest.pop(number)
            said["frameNumber"] = self.landed
        elif said["type"] == "error" and "number" in said:
            said["frameNumber"] = self.newest.get(said.pop("number"))
        return said


def session_of(token: str) -> str:
    """The name of a camera's session: one that no publisher can choose, as it has a dot."""
    return f"camera.{token}"


def _frame(message: dict[str, Any]) -> dict[str, Any]:
    """What a `frame_metadata` says of the picture that comes next."""
    said = Fields(message, "bad_frame", "frame_metadata")
    if "format" in said:
        said.choice("format", ("jpeg",))
    if "timestamp" in said:  # By the camera's clock: what counts comes as `captured`, by ours.
        said.number("timestamp", 0, 1e15)
    return {
        "theirs": said.whole("frameNumber", 0, _LARGEST),
        "timestamp": 0,
        "width": said.whole("width", 1, 65_535),
        "height": said.whole("height", 1, 65_535),
        "captured": said.number("captured", -1e12, 1e12) if "captured" in said else None,
        "info": {ours: said.number(key, 0, _LONGEST) for key, ours in INFO.items() if key in said},
    }
