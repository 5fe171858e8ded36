"""A meter: how far sending has come, as one line that is rewritten, or as a line now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, TextIO

OVER = 2.0  # Seconds over which rates are measured.
EVERY_ON_TERMINALS, EVERY_ELSEWHERE = 0.2, 5.0  # Seconds.


class Meter:
    """Writes what there is to say of a session that is being sent. Time is passed in.

    Args:
        out: where to; what cannot be written is left out.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._seen: deque[tuple[float, int, int]] = deque()
        self._told_at = float("-inf")
        self._written = 0  # Characters of the line that is to be written over.

    def show(self, now: float, said: Mapping[str, Any]) -> None:
        """How it is; see `line`. Not every call is written."""
        self._seen.append((now, said["sent"], said["bytes_sent"]))
        while self._seen[0][0] < now - OVER and len(self._seen) > 2:
            self._seen.popleft()
        every = EVERY_ON_TERMINALS if self._terminal else EVERY_ELSEWHERE
        if now - self._told_at < every:
            return
        self._told_at = now
        text = line(said, *self._rates())
        if self._terminal:
            self._write("\r" + text.ljust(self._written))
            self._written = len(text)
        else:
            self._write(text + "\n")

    def say(self, sentence: str) -> None:
        """A line of its own."""
        self.clear()
        self._write(sentence + "\n")

    def clear(self) -> None:
        """Leaves nothing of the line that is rewritten."""
        if self._written:
            self._write("\r" + " " * self._written + "\r")
            self._written = 0

    def _rates(self) -> tuple[float, float]:
        (since, pictures, size), (now, more, bytes_sent) = self._seen[0], self._seen[-1]
        seconds = now - since
        return ((more - pictures) / seconds, (bytes_sent - size) / seconds) if seconds > 0 else (0.0, 0.0)

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):  # A terminal that was closed.
            self._terminal = False


def line(said: Mapping[str, Any], rate: float, speed: float) -> str:
    """What is said of a session.

    Args:
        said: counts of a sender; `problem` of its link while there is no connection, `progress` of the
            processing, and `of`, how many pictures there are, where that is known.
        rate: pictures a second.
        speed: bytes a second.
    """
    of = f"/{said['of']}" if said.get("of") else ""
    parts = [
        f"{rate:.1f} pictures/s",
        f"{8 * speed / 1e6:.2f} Mbit/s",
        f"sent {said['sent']}{of}",
        f"acknowledged {said['acknowledged']}",
        f"missing {said['missing'] + said['lost']}",
    ]
    if said.get("problem"):
        parts.append(f"no connection ({said['problem']})")
    progress = said.get("progress") or {}
    if progress.get("stage"):
        percent = progress.get("percent")
        known = isinstance(percent, (int, float))
        parts.append(f"{progress['stage']} {percent:.0f} %" if known else str(progress["stage"]))
    return ", ".join(parts)
