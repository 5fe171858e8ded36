"""The vigil: a thread that sees to it that a server's process ends, whatever keeps it from doing so."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

EVERY = 1.0  # Seconds between two looks.
LEAVING = 60.0  # Seconds that the last files and the last words may take.
JOINING = 10.0  # Seconds that threads may take that are at something when all is over.
SILENT = 60.0  # Seconds without a beat after which the event loop counts as stuck.
BEGINNING = 5.0  # Seconds in which a server whose trainer is gone sees that before it has begun.
_BY_FORCE = 70  # Exit status: it did not end by itself.


class Vigil:
    """Watches over the end of a server in a process of its own.

    The server sees by itself that its trainer is gone. Here is what holds where it cannot: it was not told
    yet how to start, its loop is stuck, a file will not be written, a thread waits for what never comes.

    Args:
        trainer: the process whose child this is.
        end: ends this process at once.
    """

    def __init__(self, trainer: int, end: Callable[[int], object] = os._exit) -> None:
        self._trainer = trainer
        self._end = end
        self._orphaned_at: float | None = None
        self._beat_at: float | None = None
        self._until: float | None = None

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._watch, name="envstream-vigil", daemon=True).start()

    def beat(self) -> None:
        """The event loop turns."""
        self._beat_at = time.monotonic()

    def ends(self) -> None:
        """The server begins to end."""
        self._until = time.monotonic() + LEAVING

    def over(self) -> None:
        """The server has ended; only threads may still be at something."""
        self._until = time.monotonic() + JOINING

    def overdue(self, now: float, orphaned: bool) -> bool:
        """Whether the process ought to be gone.

        Args:
            orphaned: whether the trainer whose child this is, is gone. Others may still be served.
        """
        if self._until is not None:
            return now > self._until
        if not orphaned:
            self._orphaned_at = None
            return False
        if self._orphaned_at is None:
            self._orphaned_at = now
        if self._beat_at is None:
            return now > self._orphaned_at + BEGINNING
        return now > max(self._beat_at, self._orphaned_at) + SILENT

    def _watch(self) -> None:
        while not self.overdue(time.monotonic(), sys.platform != "win32" and os.getppid() != self._trainer):
            time.sleep(EVERY)
        saying = threading.Thread(target=_say, daemon=True)  # Who is to read it may never do so.
        saying.start()
        saying.join(EVERY)
        self._end(_BY_FORCE)


def _say() -> None:
    left = ", ".join(thread.name for thread in threading.enumerate() if not thread.daemon)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"envstream: the server did not end by itself, and is ended (threads: {left})\n")
