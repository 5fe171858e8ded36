"""What a session wants done. Whoever has the connection and the disk does it, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival


@dataclass(frozen=True, slots=True)
class Say:
    """The client is to be told this."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Keep:
    """This frame is to go to disk; then `kept` or `refused` is to be called."""

    arrival: Arrival


@dataclass(frozen=True, slots=True)
class KeepSignal:
    """These bytes are to go to disk; then `signal_kept` is to be called."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Further numbers will never come."""


@dataclass(frozen=True, slots=True)
class Ended:
    """All numbers are accounted for; no further frame comes."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection is to be ended, once what was said before is sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """What a live client says beside its frames."""

    message: Mapping[str, Any]


Event = Say | Keep | KeepSignal | Lost | Ended | HangUp | Status


MOST_ERRORS = 1000  # On one connection; who makes more does not listen.


def told(error: SessionError) -> list[Event]:
    """What becomes of an error: it is said, and when it is fatal, that was all."""
    said: list[Event] = [Say(error.message())]
    return said if error.recoverable else [*said, HangUp(error.code)]


def too_many() -> list[Event]:
    """What becomes of a connection with more than `MOST_ERRORS`."""
    sentence = f"more than {MOST_ERRORS} errors on one connection; see what the first ones say"
    return told(SessionError("bad_message", sentence, recoverable=False))
