"""A lane: jobs that are done one after the other, in the threads of a pool."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Lane:
    """Does jobs in the order in which they are given, of all its jobs one at a time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        # Protects the queue, and whether somebody is at work on it.
        self._lock = threading.Lock()
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._busy = False
        self._turn = 0  # Tells who is at work from one that began late, after it was given up.
        self._left = 0

    def __len__(self) -> int:
        """Jobs that are waiting or being done."""
        return self._left

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Have `job` done after those before it; its result, or what it raises."""
        future: Future[Any] = Future()
        with self._lock:
            self._queue.append((future, job))
            self._left += 1
            if self._busy:
                return future
            self._busy = True
            self._turn += 1
            turn = self._turn
        try:
            self._pool.submit(self._work, turn)
        except RuntimeError as error:  # The server is ending, or no thread can be started.
            self._give_up(error)
        return future

    def _give_up(self, error: RuntimeError) -> None:
        """Nobody goes to work: what waits is not done, and does not wait for ever."""
        with self._lock:
            given_up = [future for future, _ in self._queue]
            self._queue.clear()
            self._left -= len(given_up)
            self._busy = False
            self._turn += 1
        for future in given_up:
            future.set_exception(error)

    def _work(self, turn: int) -> None:
        while True:
            with self._lock:
                if turn != self._turn:
                    return
                if not self._queue:
                    self._busy = False
                    return
                future, job = self._queue.popleft()
            try:
                done: Any = job()
                error: BaseException | None = None
            except BaseException as raised:
                done, error = None, raised
            with self._lock:
                self._left -= 1  # First, so that who waits for the result finds it gone.
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done)
