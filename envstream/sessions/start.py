"""The start: what a client says of a session before it sends frames, and what a session may take."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envstream.errors import SessionError
from envstream.sessions.arrival import ENCODINGS
from envstream.sessions.fields import Fields, is_small, shown

LARGEST_SIDE = 65_535  # Pixels; what PNG and JPEG decoders take is not more.
_PROCESSORS = 16
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[!-~]{16,128}")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one session may take.

    Attributes:
        max_message: bytes of one message, and so of a frame.
        max_pixels: of one picture.
        memory: bytes that may be under way to disk.
        window: how far a number may be ahead of the first one that is missing.
        credits: frames that a client may have unacknowledged at once, where their size allows that many.
    """

    max_message: int
    max_pixels: int
    memory: int
    window: int = 512
    credits: int = 64


@dataclass(frozen=True, kw_only=True)
class Start:
    """The beginning of a session, as a client wants it.

    Attributes:
        width, height: of its pictures; 0 where only each frame says it, which only live sessions may.
        session_id: how the session is called; None: the server chooses.
        resume_token: what opens the session again; None: the server chooses.
        name: how it is shown; None: by its id.
        encoding: of all frames, or `auto`: each says its own.
        expected_frames: how many the client thinks there will be; None: it does not know.
        signal_expected: whether a signal comes that is to be waited for.
        processors: what the frames go through, each with a `name` and its options.
        live: only shown, nothing is stored.
        camera: it comes from the page of a camera; no message can say so.
    """

    width: int
    height: int
    fps: float
    encoding: str
    session_id: str | None = None
    resume_token: str | None = None
    name: str | None = None
    expected_frames: int | None = None
    signal_expected: bool = False
    processors: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    live: bool = False
    camera: bool = False

    @classmethod
    def read(cls, message: Mapping[str, Any], limits: Limits | None = None) -> Start:
        """What a `session_start` says; with limits, only if it stays within them.

        Raises:
            SessionError: something in it is not as it should be.
        """
        fields = Fields(message, "bad_start", "session_start")
        if "protocol" in fields:
            fields.whole("protocol", 1, 1)
        live = fields.flag("live")
        sides = [
            # What is only shown may learn the size of its pictures later: each frame says it as well.
            0 if live and side not in fields else fields.whole(side, 0 if live else 1, LARGEST_SIDE)
            for side in ("width", "height")
        ]
        start = cls(
            width=sides[0],
            height=sides[1],
            fps=fields.number("fps", 0.01, 1000),
            encoding=fields.choice("encoding", (*ENCODINGS, "auto")),
            session_id=_session_id(message),
            resume_token=_token(fields),
            name=fields.text("name", 100) if "name" in fields else None,
            expected_frames=fields.whole("expected_frames") if "expected_frames" in fields else None,
            signal_expected=fields.flag("signal_expected"),
            processors=[_processor(fields, each) for each in fields.many("processors", _PROCESSORS)],
            live=live,
        )
        if limits is not None:
            start.check(limits)
        return start

    @property
    def raw_size(self) -> int:
        """Bytes of a frame that is not compressed."""
        return self.width * self.height * 3

    def check(self, limits: Limits) -> None:
        """Sees whether frames such as these would be taken at all.

        Raises:
            SessionError: they would not.
        """
        check_pixels(self.width, self.height, limits.max_pixels)
        if self.encoding == "raw" and self.raw_size > limits.max_message:
            raise SessionError(
                "too_large",
                f"a raw frame of {self.width}x{self.height} has {self.raw_size} bytes, and a message has at "
                f"most {limits.max_message}; send smaller or compressed pictures",
            )

    def said(self) -> dict[str, Any]:
        """The same as a message, for disk and for people: without the token, which is secret."""
        fields = dataclasses.asdict(self)
        del fields["resume_token"]
        return fields


def check_pixels(width: int, height: int, most: int) -> None:
    """Sees whether a picture is small enough to be taken.

    Raises:
        SessionError: it is not.
    """
    if width * height > most:
        raise SessionError(
            "too_many_pixels",
            f"a picture has at most {most} pixels, and {width}x{height} are {width * height}; send smaller "
            "pictures",
        )


def _session_id(message: Mapping[str, Any]) -> str | None:
    if message.get("session_id") is None:
        return None
    fields = Fields(message, "bad_session_id", "session_start")
    return fields.match("session_id", _ID, "1 to 64 of the characters A-Z a-z 0-9 _ -")


def _token(fields: Fields) -> str | None:
    if "resume_token" not in fields:
        return None
    try:
        return fields.match("resume_token", _TOKEN, "")
    except SessionError:  # A secret is not repeated.
        raise SessionError(
            "bad_start",
            "session_start: resume_token has to be 16 to 128 printable ASCII characters without spaces; "
            "make another one",
        ) from None


def _processor(fields: Fields, each: object) -> dict[str, Any]:
    spec = {"name": each} if isinstance(each, str) else each
    if not isinstance(spec, dict) or not is_small(spec):
        raise fields.wrong("processors", 'a list of names, or of small objects with a "name" and options')
    name = Fields(spec, "bad_start", f"processor {shown(spec.get('name'))}").text("name", 200)
    return {**spec, "name": name}


def digest(token: str) -> str:
    """What is kept of a token, so that what is on disk opens nothing."""
    return hashlib.sha256(b"envstream session\0" + token.encode("utf-8", "surrogatepass")).hexdigest()
