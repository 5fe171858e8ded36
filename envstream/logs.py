"""Logs: what processes of ours say on stderr, as sentences or as one JSON object a line."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from envstream.wire import compact

CHOICES = ("text", "json")
VARIABLE = "ENVSTREAM_LOG"  # Tells the processes that a server starts.
HIDDEN = "[hidden]"
LONGEST = 10_000  # Characters of a message.
_TOKEN = re.compile(r"((?:token=|token:\s?|bearer )[\"']?)[^\s\"'&,;)]+", re.IGNORECASE)

log = logging.getLogger("envstream")


class Hiding:
    """Takes tokens out of texts: those that are known, and whatever stands where one would.

    Args:
        secrets: the known ones.
    """

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._secrets = sorted({each for each in secrets if each and len(each) > 3}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        text = text.encode(errors="replace").decode()
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _TOKEN.sub(rf"\1{HIDDEN}", text)


class JsonFormatter(logging.Formatter):
    """A record as one JSON object in a line. Pure.

    Fields: `time` (RFC 3339, UTC), `level`, `event` (where it was said, or as the record's `event` says),
    `logger`, `run`, `stream`, `pid`, `message`, and `exception` where one is told of.
    """

    def __init__(self, run: str | None = None, hide: Hiding | None = None) -> None:
        super().__init__()
        self._run = run
        self._hide = hide or Hiding()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        said: dict[str, Any] = {
            "time": moment(record.created),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", f"{record.module}.{record.funcName}"),
            "logger": record.name,
            "run": self._run,
            "stream": getattr(record, "stream", None),
            "pid": record.process,
            "message": self._hide(record.getMessage().removeprefix("envstream: "))[:LONGEST],
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["exception"] = self._hide("".join(traceback.format_exception(*record.exc_info)))[-LONGEST:]
        return compact(said)


def moment(seconds: float) -> str:
    """A time since 1970 as RFC 3339 has it."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def begin(kind: str, run: str | None = None, secrets: Iterable[str | None] = ()) -> None:
    """Have this process, which is one of ours and no trainer's, say what it says in this way."""
    for handler in [each for each in log.handlers if isinstance(each.formatter, JsonFormatter)]:
        log.removeHandler(handler)
    log.propagate = kind != "json"
    if kind != "json":
        os.environ.pop(VARIABLE, None)
        return
    os.environ[VARIABLE] = kind
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(run, Hiding(secrets)))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def inherited() -> str:
    """The way in which the process says things that started this one."""
    kind = os.environ.get(VARIABLE, "text")
    return kind if kind in CHOICES else "text"


def say(sentence: str, *, event: str, fields: Mapping[str, Any] | None = None) -> None:
    """A sentence for who started this process: as it is, or a line of JSON."""
    if inherited() == "json":
        log.info("%s", sentence, extra={"event": event, **(fields or {})})
        return
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


class Lines(io.TextIOBase):
    """Where lines are written that become sentences of the log."""

    def __init__(self, event: str) -> None:
        super().__init__()
        self._event = event

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                log.info("%s", line.strip(), extra={"event": self._event})
        return len(text)


def stderr(event: str) -> TextIO:
    """Where a command writes how far it has come."""
    return Lines(event) if inherited() == "json" else sys.stderr  # type: ignore[return-value]
