"""Reading and writing the text messages of sockets. Pure; what is malformed is a MessageError."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from envstream.encoder import Picture
from envstream.errors import MessageError
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.report import status
from envstream.stream import Stream
from envstream.wire import compact

LONGEST_MESSAGE = 64 * 1024  # Bytes; the longest honest one watches 64 streams.
_LONGEST_NAME = 200


def read_message(event: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in a received WebSocket event; it has a `type`.

    Raises:
        MessageError: for anything else.
    """
    data = event.get("text")
    if data is None:
        raise MessageError("viewers send text messages only")
    if len(data) > LONGEST_MESSAGE:
        raise MessageError(f"a message is at most {LONGEST_MESSAGE} bytes, not {len(data)}")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageError("a message is one JSON object") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise MessageError('a message is a JSON object with a "type"')
    return message


Ack = tuple[str, int, float | None]  # Stream, frame, and seconds that its bytes took.
_ACK = re.compile(
    rf'\{{"type":"ack","stream":"([^"\\\x00-\x1f]{{0,{_LONGEST_NAME}}})","frameNumber":(\d{{1,18}})'
    r'(?:,"transferMs":(\d{1,9}(?:\.\d{1,9})?))?\}'
)


def short_ack(data: str) -> Ack | None:
    """Stream, frame and seconds of transfer from an acknowledgement as pages write it; None for all else.

    It is the one message that comes thirty times a second. What does not look just so is read as any other.
    """
    found = _ACK.fullmatch(data)
    if found is None:
        return None
    stream, number, transfer = found.groups()
    return stream, int(number), None if transfer is None else float(transfer) / 1000


def text(message: Mapping[str, Any], key: str) -> str:
    """A text field of a message."""
    value = message.get(key)
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise MessageError(f"{key} is a text of at most {_LONGEST_NAME} characters")
    return value


def whole(message: Mapping[str, Any], key: str) -> int:
    """A whole, non-negative number of a message."""
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise MessageError(f"{key} is a whole number from 0")
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a JSON value is a finite number of a size that can be reckoned with."""
    # Compared, not converted: JSON has whole numbers of any length.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300


def status_text(hub: Hub, names: Iterable[str] | None = None) -> str:
    """The `streams` message that tells of every stream, or of those that `names` names."""
    if names is None:
        return _streams_text(list(hub.streams.values()), complete=True)
    return _streams_text([hub.streams[name] for name in names if name in hub.streams], complete=False)


def rung_text(
    stream: str, picture: Picture, fps: float, size: float, auto: bool, why: str | None, window: int
) -> str:
    """The `rung` message: what a viewer is sent of a stream from now on."""
    message = {
        "type": "rung",
        "stream": stream,
        "quality": picture.quality,
        "fps": round(fps, 2),
        "size": size,
        "auto": auto,
        "why": why,
        "codec": picture.format,
        "window": window,
    }
    return compact(message)


def still_text(stream: str, frame: Frame) -> str:
    """The `still` message: the picture on show is still what there is."""
    about = {"stream": stream, "frameNumber": frame.number, "timestamp": frame.captured}
    return compact({"type": "still", **about, **frame.info})


class Board:
    """What the pages were told last, so that of many streams only those that changed are told of again."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._told: dict[str, tuple[object, ...]] = {}

    def news(self) -> str:
        """The `streams` message for those who heard the ones before it."""
        streams = list(self._hub.streams.values())
        marks = {stream.name: stream.mark() for stream in streams}
        complete = list(marks) != list(self._told)
        if not complete:
            streams = [s for s in streams if s.watchers or marks[s.name] != self._told[s.name]]
        self._told = marks
        return _streams_text(streams, complete=complete)


def _streams_text(streams: list[Stream], complete: bool) -> str:
    now = time.monotonic()
    told = [status(stream, now) for stream in streams]
    return compact({"type": "streams", "now": now, "complete": complete, "streams": told})
