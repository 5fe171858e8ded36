"""Answers: what a server elsewhere says, and why it cannot be reached, in words for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus


def shown(text: str, most: int) -> str:
    """A text as the protocol takes it: a line, so many characters at most."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:most].strip()


def text_of(data: str | bytes) -> str:
    """A message of the other side, where only texts are expected."""
    return data if isinstance(data, str) else data.decode(errors="replace")


def said_by(error: Mapping[str, Any]) -> str:
    """What an `error` message of the other side says."""
    return shown(str(error.get("message") or error.get("code") or "an error without a word"), 300)


def reason(error: BaseException) -> str:
    """Why a connection could not be had, for people."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        hint = {401: "; give its token as videoStreamToken", 404: "; it takes no publishers there"}
        return f"it answered {status}{hint.get(status, '')}"
    if isinstance(error, InvalidHandshake):
        return f"no WebSocket answers there: {error}"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
