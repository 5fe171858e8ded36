"""The pool: jobs that processes of their own go through, and the thread that sees to these."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envstream.processing.roster import Roster
from envstream.processing.worker import Worker

log = logging.getLogger("envstream")

_LOOK = 1.0  # Seconds between two looks at processes that say nothing.
_SOON = 0.05  # The same while one has not read what it was told.
_FAREWELL = 1.0  # Seconds that processes have to end by themselves.


class Pool:
    """Goes through sessions in processes that are started when they are needed. Thread-safe; never blocks.

    A process that dies is started anew, and its jobs begin anew. A job whose processor, other than one built
    in, was at work when it died goes on without its processors. So does one whose processor hangs.

    Args:
        workers: processes at most. When there are more jobs, they share them by turns.
        progress: called with a session and `stage`, `frame`, `frames`, `percent`. From a thread of the pool,
            as `done`; while it is in there, nothing else is heard.
        done: called with a session and its result. Where nothing could be made at all, `video` is None and
            `problem` says why.
        patience: seconds without a word from a process that has work, after which it hangs.
        idle: seconds after which a process without jobs is let go.
    """

    def __init__(
        self,
        workers: int,
        progress: Callable[[str, dict[str, Any]], None],
        done: Callable[[str, dict[str, Any]], None],
        *,
        patience: float = 60.0,
        idle: float = 30.0,
    ) -> None:
        self._look_every = min(_LOOK, patience / 4, idle)
        self._orders: deque[Callable[[float], None]] = deque()
        # Protects whether the thread is there, and whether it is to end.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ear, self._mouth = socket.socketpair()
        for line in (self._ear, self._mouth):
            line.setblocking(False)
        # All of these are the thread's.
        self._attended: dict[Worker, int] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._roster = Roster(workers, Worker, progress, done, patience, idle)

    @property
    def jobs(self) -> int:
        """Jobs that are not done."""
        return len(self._roster.jobs)

    @property
    def processes(self) -> list[int]:
        """Ids of the processes that there are."""
        return [worker.process.pid for worker in list(self._roster.workers)]

    def open(self, session: str, folder: Path, about: Mapping[str, Any]) -> None:
        """A session begins; one of that name that there is, is dropped. See `Job` for what `about` is.

        Where it names a video file, have its `end` follow at once.
        """
        self._order(self._roster.open, session, folder, dict(about))

    def more(self, session: str, up_to: int) -> None:
        """The frames up to this number are on the tape, or lost."""
        self._order(self._roster.more, session, up_to)

    def end(self, session: str, end: Mapping[str, Any]) -> None:
        """No more frames; `end["frames"]` is the highest number, else it is the last `up_to`."""
        self._order(self._roster.end, session, dict(end))

    def drop(self, session: str) -> None:
        """The session is not wanted any more; what was made of it is removed."""
        self._order(self._roster.drop, session)

    def close(self, timeout: float = 10.0) -> None:
        """Ends all processes; what they were at stays as far as it came. Waits for that, unlike all else."""
        with self._lock:
            first, self._closed = not self._closed, True
            thread = self._thread
        if thread is not None:
            self._wake()
            if thread is not threading.current_thread():
                thread.join(timeout)
        elif first:
            self._let_go()

    # From any thread.

    def _order(self, do: Callable[..., None], *said: Any) -> None:
        with self._lock:
            if self._closed:
                return
            self._orders.append(lambda now: do(now, *said))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="envstream-processing", daemon=True)
                self._thread.start()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # Full of wake-ups already, or closed.
            self._mouth.send(b"\n")

    # In the pool's own.

    def _run(self) -> None:
        try:
            while not self._closed:
                self._attend()
                for key, _ in self._selector.select(self._pause()):
                    if key.fileobj is self._ear:
                        self._ear.recv(2**12)
                    elif key.data in self._roster.workers:
                        self._roster.hear(key.data, time.monotonic())
                while self._orders:
                    self._orders.popleft()(time.monotonic())
                self._roster.tell()
                self._roster.look(time.monotonic())
        except Exception:
            log.exception("envstream: processing has ended")
        finally:
            with self._lock:
                self._closed = True
            self._let_go()

    def _attend(self) -> None:
        """Listens to all processes that there are, and to no others."""
        workers = self._roster.workers
        # First: a new process may have the numbers of one that is gone.
        for worker in [worker for worker in self._attended if worker not in workers]:
            self._selector.unregister(self._attended.pop(worker))
        for worker in workers:
            if worker not in self._attended:
                self._attended[worker] = worker.fileno()
                self._selector.register(worker.fileno(), selectors.EVENT_READ, worker)

    def _pause(self) -> float | None:
        workers = self._roster.workers
        if not workers:
            return None
        return min(_SOON, self._look_every) if any(each.full for each in workers) else self._look_every

    def _let_go(self) -> None:
        workers = list(self._roster.workers)
        for worker in workers:
            worker.leave()
        until = time.monotonic() + _FAREWELL
        while time.monotonic() < until and not all(worker.gone for worker in workers):
            time.sleep(0.01)
        for worker in workers:
            worker.end()
        self._roster.workers.clear()
        self._selector.close()
        self._ear.close()
        self._mouth.close()
