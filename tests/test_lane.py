"""A lane: jobs in order, one at a time, whatever the pool does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from envstream.lane import Lane


def test_jobs_are_done_in_order_one_at_a_time(pool: ThreadPoolExecutor) -> None:
    done: list[int] = []
    lane = Lane(pool)
    futures = [lane.submit(lambda number=number: done.append(number)) for number in range(100)]
    for future in futures:
        future.result(5)
    assert done == list(range(100))


def test_a_job_that_raises_does_not_stop_the_next(pool: ThreadPoolExecutor) -> None:
    lane = Lane(pool)
    bad, good = lane.submit(lambda: 1 // 0), lane.submit(lambda: "fine")
    with pytest.raises(ZeroDivisionError):
        bad.result(5)
    assert good.result(5) == "fine"


def test_it_tells_how_many_are_waiting_or_being_done(pool: ThreadPoolExecutor) -> None:
    lane, gate = Lane(pool), threading.Event()
    futures = [lane.submit(gate.wait), lane.submit(lambda: None)]
    waiting = len(lane)
    gate.set()
    for future in futures:
        future.result(5)
    assert (waiting, len(lane)) == (2, 0)


class Threadless(ThreadPoolExecutor):
    """A pool in a system that has run out of threads, as long as `short`; what it took it may do later."""

    short = True

    def submit(self, *job: Any) -> Any:  # type: ignore[override]
        future = super().submit(*job)
        if self.short:
            raise RuntimeError("can't start new thread")
        return future


def test_without_threads_what_was_given_fails_and_does_not_wait_for_ever() -> None:
    with Threadless(1) as pool:
        lane, done, gate = Lane(pool), [], threading.Event()
        ThreadPoolExecutor.submit(pool, gate.wait)  # All threads that there are, are busy.
        with pytest.raises(RuntimeError, match="thread"):
            lane.submit(lambda: done.append("lost")).result(5)
        assert len(lane) == 0
        pool.short = False
        gate.set()
        lane.submit(lambda: done.append("kept")).result(5)
        assert done == ["kept"] and len(lane) == 0


def test_after_the_pool_has_ended_jobs_say_so() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        Lane(pool).submit(lambda: None).result(5)
