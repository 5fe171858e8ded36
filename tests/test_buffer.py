"""The tape between a writer and its readers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.buffer import FrameBuffer
from envstream.frame import Frame

MakeFrame = Callable[..., Frame]
FAR = 30.0  # Seconds: only a test that fails waits so long.


def test_a_full_buffer_drops_its_oldest_frame(frame: MakeFrame) -> None:
    buffer = FrameBuffer(2)
    for number in (1, 2, 3):
        buffer.put(frame(number))
    oldest = buffer.next()
    assert oldest is not None and oldest.number == 2


def test_an_empty_buffer_has_no_frame() -> None:
    assert FrameBuffer().newest() is None
    assert FrameBuffer().next() is None


def test_a_buffer_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame, not 0"):
        FrameBuffer(0)


@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 3), max_size=20).map(lambda gaps: [sum(gaps[: n + 1]) for n in range(len(gaps))]),
    st.integers(0, 50),
)
def test_readers_see_the_newest_frames_after_their_place(
    frame: MakeFrame, size: int, numbers: list[int], place: int
) -> None:
    buffer = FrameBuffer(size)
    for number in numbers:
        buffer.put(frame(number))
    unseen = [number for number in numbers[-size:] if number > place]
    newest, following = buffer.newest(place), buffer.next(place)
    assert (newest and newest.number) == (unseen[-1] if unseen else None)
    assert (following and following.number) == (unseen[0] if unseen else None)
    assert len(buffer) == min(size, len(numbers))
    assert buffer.received == len(numbers)


@given(st.integers(1, 5), st.lists(st.integers(0, 8), max_size=10))
def test_a_reader_that_steps_through_counts_what_it_missed_by_the_gaps(
    frame: MakeFrame, size: int, bursts: list[int]
) -> None:
    buffer = FrameBuffer(size)
    written = place = seen = missed = 0
    for burst in bursts:
        for _ in range(burst):
            written += 1
            buffer.put(frame(written))
        while (found := buffer.next(place)) is not None:
            missed += found.number - place - 1
            seen += 1
            place = found.number
    assert seen + missed == written


# --- waiting -------------------------------------------------------------------------------------------


def test_waiting_for_what_is_there_returns_it(frame: MakeFrame) -> None:
    buffer = FrameBuffer()
    buffer.put(frame(1))
    assert buffer.wait() is buffer.newest()


def test_waiting_ends_with_nothing_when_the_time_is_over(frame: MakeFrame) -> None:
    buffer = FrameBuffer()
    buffer.put(frame(1))
    assert buffer.wait(after=1, timeout=0) is None


def test_a_waiting_thread_is_woken_by_the_frame_it_waits_for(frame: MakeFrame) -> None:
    buffer = FrameBuffer()
    found: list[Frame | None] = []
    thread = threading.Thread(target=lambda: found.append(buffer.wait(after=1, timeout=FAR)))
    thread.start()
    buffer.put(frame(1))
    buffer.put(frame(2))
    thread.join()
    assert [seen and seen.number for seen in found] == [2]


# --- listeners -----------------------------------------------------------------------------------------


def test_a_listener_is_called_after_every_put(frame: MakeFrame) -> None:
    buffer = FrameBuffer()
    seen: list[Frame | None] = []
    buffer.subscribe(lambda: seen.append(buffer.newest()))
    frames = [frame(1), frame(2)]
    for each in frames:
        buffer.put(each)
    assert seen == frames


def test_a_listener_that_was_ended_is_not_called(frame: MakeFrame) -> None:
    buffer = FrameBuffer()
    calls: list[str] = []
    end = buffer.subscribe(lambda: calls.append("ended"))
    buffer.subscribe(lambda: calls.append("other"))
    end()
    buffer.put(frame(1))
    assert calls == ["other"]


def test_ending_twice_changes_nothing() -> None:
    end = FrameBuffer().subscribe(lambda: None)
    end()
    end()


# --- threads -------------------------------------------------------------------------------------------


def test_readers_in_threads_never_see_numbers_fall(frame: MakeFrame) -> None:
    buffer = FrameBuffer(3)
    last = 300
    falls: list[tuple[int, int]] = []

    def read() -> None:
        place = 0
        while place < last:
            found = buffer.wait(place, timeout=FAR)
            if found is None or found.number <= place:
                falls.append((place, found.number if found else -1))
                return
            place = found.number

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, last + 1):
        buffer.put(frame(number))
    for thread in threads:
        thread.join()
    assert falls == []
