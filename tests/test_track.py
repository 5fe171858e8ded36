"""A track: pictures go through one encoder, in the order in which they were given."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from envstream import track as track_module
from envstream.track import COMPARED_EVERY, Track

PIXELS = np.zeros((16, 32, 3), np.uint8)


class Encoder:
    """Notes what it was made for and asked for."""

    made: list[Encoder] = []
    codec = "avc1.640028"

    def __init__(self, width: int, height: int, fps: float, quality: int, **kind: bool) -> None:
        self.about = (width, height, fps, quality, kind["flat"])
        self.keys: list[bool] = []
        self.closed = False
        Encoder.made.append(self)

    def encode(self, pixels: object, key: bool) -> bytes:
        if self.closed:
            raise ValueError("closed")
        self.keys.append(key)
        return b"x" * 10

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Encoder.made = []
    monkeypatch.setattr(track_module, "VideoEncoder", Encoder)
    yield


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_what_is_given_in_order_is_done_in_order_and_never_two_at_once(threads: ThreadPoolExecutor) -> None:
    track, done, at_work = Track(1, threads, 30.0, 85), [], threading.Lock()

    def job(number: int) -> int:
        assert at_work.acquire(blocking=False)
        time.sleep(0)  # Another thread may come in between.
        done.append(number)
        at_work.release()
        return number

    futures = [track.submit(lambda n=number: job(n)) for number in range(200)]  # type: ignore[misc]
    assert [future.result(10) for future in futures] == list(range(200)) == done


def test_the_encoder_is_made_with_the_first_picture(threads: ThreadPoolExecutor) -> None:
    track = Track(1, threads, 15.0, 70)
    assert Encoder.made == []
    track.submit(lambda: track.encode(PIXELS, True)).result(10)
    track.submit(lambda: track.encode(PIXELS, False)).result(10)
    (made,) = Encoder.made
    assert made.about == (32, 16, 15.0, 70, True) and made.keys == [True, False]
    assert track.codec == "avc1.640028"


def test_a_job_that_fails_is_its_own_affair(threads: ThreadPoolExecutor) -> None:
    track = Track(1, threads, 30.0, 85)
    failing = track.submit(lambda: 1 / 0)
    assert track.submit(lambda: 2).result(10) == 2
    with pytest.raises(ZeroDivisionError):
        failing.result(10)


def test_an_encoder_that_fails_leaves_a_mark(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = Track(1, threads, 30.0, 85)
    track.submit(lambda: track.encode(PIXELS, True)).result(10)
    assert not track.failed
    Encoder.made[0].closed = True
    with pytest.raises(ValueError, match="closed"):
        track.submit(lambda: track.encode(PIXELS, False)).result(10)
    assert track.failed


def test_now_and_then_it_is_measured_what_a_jpeg_would_take(threads: ThreadPoolExecutor) -> None:
    track = Track(1, threads, 30.0, 85)
    assert track.saving is None
    for _ in range(COMPARED_EVERY + 1):
        track.submit(lambda: track.encode(PIXELS, False)).result(10)
    saving = track.saving
    assert saving is not None and saving[0] == 10 and saving[1] > 100
    assert len(track._jpeg_bytes) == 2


def test_closing_lets_go_of_the_encoder_after_what_is_queued(threads: ThreadPoolExecutor) -> None:
    track = Track(1, threads, 30.0, 85)
    pictures = [track.submit(lambda: track.encode(PIXELS, False)) for _ in range(5)]
    track.close()
    track.close()
    assert [len(picture.result(10)) for picture in pictures] == [10] * 5
    track.submit(lambda: None).result(10)
    assert Encoder.made[0].closed


def test_a_pool_that_has_ended_says_so_through_the_picture() -> None:
    with ThreadPoolExecutor(1) as ended:
        pass
    with pytest.raises(RuntimeError):
        Track(1, ended, 30.0, 85).submit(lambda: 1).result(10)
