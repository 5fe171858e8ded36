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
        try:
            self._pool.submit(self._work)
        except RuntimeError as error:  # The server is ending.
            future.set_exception(error)
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
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
