"""The block: what one side writes, the other reads, and neither ever waits."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.errors import SharedMemoryError
from envstream.frame import Pixels
from envstream.links.block import (
    EPISODES,
    HEADER,
    HEADERS,
    LIVE_SLOTS,
    MOST_PARTS,
    SLOTS,
    TAKE_BYTES,
    Block,
)
from envstream.links.reader import Reader
from envstream.links.writer import Packed, Writer

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
MAX_PIXELS = 64 * 64

pytestmark = pytest.mark.skipif(os.name == "nt", reason="blocks are handed over by descriptor")


def ends(max_pixels: int = MAX_PIXELS) -> tuple[Writer, Reader]:
    block = Block.create(max_pixels, shared=False)
    return Writer(block), Reader(block)


def full(value: int) -> Pixels:
    return np.full((4, 6, 3), value % 256, np.uint8)


def write(
    writer: Writer, pixels: Pixels = PICTURE, captured: float = 1.0, cost: float = 0.0, **info: Any
) -> bool:
    return writer.write(pixels, captured, cost, info)


# --- pictures ------------------------------------------------------------------------------------------

steps = st.integers(1, 3) | st.integers(-3, -1)


@given(
    st.integers(1, 64),
    st.integers(1, 64),
    steps,
    steps,
    steps.filter(lambda step: abs(step) == 1),
    st.booleans(),
)
def test_what_is_written_is_read_back_whatever_its_size_and_strides(
    height: int, width: int, down: int, across: int, channel: int, sideways: bool
) -> None:
    base = np.random.default_rng(height * 64 + width).integers(0, 256, (height, width, 3), np.uint8)
    pixels = base[::down, ::across, ::channel]
    if sideways:
        pixels = pixels.transpose(1, 0, 2)
    writer, reader = ends()
    assert write(writer, pixels)
    (capture,) = reader.captures()
    assert np.array_equal(capture.pixels, pixels)


def test_a_picture_brings_its_times_and_what_the_env_said() -> None:
    writer, reader = ends()
    info = {"episode": 3, "level": "é", "return": -1.5}
    writer.write(PICTURE, 12.5, 0.25, info)
    (capture,) = reader.captures()
    assert (capture.number, capture.captured, capture.cost, capture.info) == (1, 12.5, 0.25, info)


def test_what_the_env_said_is_left_out_when_it_is_too_long() -> None:
    writer, reader = ends()
    write(writer, story="long " * 1000)
    (capture,) = reader.captures()
    assert capture.info == {}


def test_what_json_does_not_know_becomes_text() -> None:
    writer, reader = ends()
    write(writer, position=np.array([1, 2]))
    (capture,) = reader.captures()
    assert capture.info == {"position": "[1 2]"}


def test_a_picture_that_was_read_keeps_its_pixels_when_the_slot_is_used_again() -> None:
    writer, reader = ends()
    write(writer, full(1))
    (capture,) = reader.captures()
    for value in range(2, 2 + LIVE_SLOTS):
        write(writer, full(value))
    assert (capture.pixels == 1).all()


def test_a_read_picture_is_there_once() -> None:
    writer, reader = ends()
    write(writer)
    assert len(list(reader.captures())) == 1
    assert list(reader.captures()) == []


def test_a_picture_larger_than_a_slot_spoils_no_other() -> None:
    block = Block.create(MAX_PIXELS, shared=False)
    writer, reader = Writer(block), Reader(block)
    for value in range(LIVE_SLOTS):
        write(writer, full(value))
    next(reader.captures())  # The first slot is free; the one behind it holds what is not yet read.
    with contextlib.suppress(ValueError, OSError):
        write(writer, np.full((1, block.stride // 3 + 100, 3), 255, np.uint8))
    assert [int(capture.pixels[0, 0, 0]) for capture in reader.captures()] == [1, 2, 3]


# --- the ring ------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=60))
def test_the_ring_never_overwrites_what_is_unread_and_keeps_the_order(events: list[bool]) -> None:
    writer, reader = ends()
    unread: list[int] = []
    written = 0
    for is_write in events:
        if is_write:
            taken = write(writer, full(written + 1))
            assert taken == (len(unread) < LIVE_SLOTS)
            if taken:
                written += 1
                unread.append(written)
        else:
            read = [(capture.number, int(capture.pixels[0, 0, 0])) for capture in reader.captures()]
            assert read == [(number, number % 256) for number in unread]
            unread = []


def test_a_slot_is_free_again_as_soon_as_its_picture_was_taken_out() -> None:
    writer, reader = ends()
    for value in range(LIVE_SLOTS):
        write(writer, full(value))
    next(reader.captures())
    assert write(writer)
    assert not write(writer)


def test_a_new_reader_of_an_old_block_begins_at_what_is_written_next() -> None:
    block = Block.create(MAX_PIXELS, shared=False)
    writer = Writer(block)
    write(writer, full(1))
    reader = Reader(block)
    write(writer, full(2))
    assert [capture.number for capture in reader.captures()] == [2]


# --- episodes and counters -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, EPISODES - 1), max_size=5))
def test_no_episode_is_lost_while_the_reader_looks_often_enough(bursts: list[int]) -> None:
    writer, reader = ends()
    count = 0
    for burst in bursts:
        wanted = [(count + n, n, 0.5 * n, n % 3) for n in range(burst)]
        count += burst
        for number, length, total, part in wanted:
            writer.episode(number, length, total, 0, part)
        assert reader.episodes() == wanted


def test_of_too_many_episodes_the_newest_are_read() -> None:
    writer, reader = ends()
    for number in range(3 * EPISODES):
        writer.episode(number, 1, 0.0, 0)
    numbers = [number for number, *_ in reader.episodes()]
    assert numbers == list(range(3 * EPISODES - len(numbers), 3 * EPISODES))
    assert len(numbers) >= EPISODES - 1
    assert reader.episodes() == []


@pytest.mark.parametrize("total", [float("inf"), -1e300])
def test_any_return_can_be_noted(total: float) -> None:
    writer, reader = ends()
    writer.episode(1, 2, total, 3)
    assert reader.episodes() == [(1, 2, total, 0)]


def test_steps_are_noted_with_episodes_and_alone() -> None:
    writer, reader = ends()
    writer.episode(1, 2, 0.0, 40)
    assert reader.total_steps == 40
    writer.steps(41)
    assert reader.total_steps == 41


def test_time_spent_is_told_once() -> None:
    writer, reader = ends()
    writer.spent(0.25)
    writer.spent(0.5)
    assert (reader.spent(), reader.spent()) == (0.75, 0.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="two processes share a block by fork here")
def test_time_spent_is_never_read_half_written() -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    writer, reader = Writer(block), Reader(block)
    writer.spent(100.0)
    reader.spent()
    child = os.fork()
    if child == 0:
        try:
            for _ in range(400_000):
                writer.spent(1e-6)
        finally:
            os._exit(0)
    told = []
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        told += [reader.spent() for _ in range(1000)]
    assert min(told) >= 0.0 and max(told) < 1.0


def test_episodes_that_are_written_over_while_others_are_read_are_left_out() -> None:
    writer, reader = ends()
    for number in range(EPISODES):
        writer.episode(number, 1, 1.0, number)

    class Later:
        """The count as it is at first, and ten more when it is looked at again."""

        looks = 0

        def __getitem__(self, _: int) -> int:
            self.looks += 1
            return EPISODES + 10 * (self.looks > 1)

    reader._block.words = Later()  # type: ignore[assignment]
    assert [episode[0] for episode in reader.episodes()] == list(range(11, EPISODES))


def test_time_spent_before_a_reader_came_is_none_of_its_business() -> None:
    block = Block.create(MAX_PIXELS, shared=False)
    Writer(block).spent(5.0)
    assert Reader(block).spent() == 0.0


def test_failures_are_counted() -> None:
    writer, reader = ends()
    writer.failed()
    writer.failed()
    assert reader.failures == 2


def test_the_end_is_seen_by_the_reader() -> None:
    writer, reader = ends()
    assert not reader.closed
    writer.close()
    assert reader.closed


def test_demand_set_by_the_reader_is_seen_by_the_writer() -> None:
    writer, reader = ends()
    reader.due[0] = 1
    assert writer.due[0] == 1


# --- memory --------------------------------------------------------------------------------------------


def test_a_descriptor_leads_to_the_same_memory() -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    assert block.descriptor is not None
    reader = Reader(Block.attach(block.descriptor, MAX_PIXELS))
    write(Writer(block))
    (capture,) = reader.captures()
    assert np.array_equal(capture.pixels, PICTURE)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory without a name is Linux's")
@pytest.mark.parametrize("size", [0, 4096, 2**40])
def test_nobody_cuts_the_memory_off_under_who_writes_there(size: int) -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    for way in (block.descriptor, f"/proc/self/fd/{block.descriptor}"):
        assert way is not None
        with pytest.raises(PermissionError):
            os.truncate(way, size)
    assert write(Writer(block))


def test_a_block_that_nobody_holds_any_more_leaves_no_descriptor_open() -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    descriptor = block.descriptor
    assert descriptor is not None
    inode = os.fstat(descriptor).st_ino
    del block
    gc.collect()
    try:
        assert os.fstat(descriptor).st_ino != inode
    except OSError as error:
        assert error.errno == errno.EBADF


def test_without_memfd_an_unlinked_file_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object) -> int:
        raise OSError(errno.ENOSYS, "no memfd here")

    monkeypatch.setattr(os, "memfd_create", refused, raising=False)
    block = Block.create(MAX_PIXELS, shared=True)
    reader = Reader(block)
    write(Writer(block))
    assert len(list(reader.captures())) == 1


def no_memory(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_no_memory_at_all_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_memory, raising=False)
    with pytest.raises(SharedMemoryError, match=r"No space left.*videoStreamWorker=thread"):
        Block.create(MAX_PIXELS, shared=True)


def test_memory_is_set_aside_once_for_as_many_pictures_as_ever_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    writer, reader = Writer(block), Reader(block)
    places: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", lambda fd, place, size: places.append(place), raising=False)
    for waiting in (1, 1, 2, 3, 2, 1, 3):
        for value in range(waiting):
            assert write(writer, full(value))
        list(reader.captures())
    assert len(places) == len(set(places)) == 3


def test_no_memory_for_one_picture_is_an_error_and_the_next_one_may_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block = Block.create(MAX_PIXELS, shared=True)
    writer, reader = Writer(block), Reader(block)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", no_memory, raising=False)
        with pytest.raises(OSError, match="No space left"):
            write(writer, full(1))
    assert list(reader.captures()) == []
    write(writer, full(2))
    assert [int(capture.pixels[0, 0, 0]) for capture in reader.captures()] == [2]


# --- several parts -------------------------------------------------------------------------------------


def ask(reader: Reader, part: int, parts: int) -> None:
    reader.demand(part, parts)[0] = 1
    reader.due[0] = 1


def test_the_parts_that_are_asked_for_are_named_once() -> None:
    writer, reader = ends()
    ask(reader, 5, 8)
    ask(reader, 2, 8)
    assert writer.due[0] == 1
    assert sorted(writer.wanted(8)) == [2, 5]
    assert (writer.wanted(8), writer.due[0]) == ([], 0)


def test_no_more_parts_are_named_than_there_is_room_for_and_the_rest_stays_due() -> None:
    writer, reader = ends()
    for part in range(8):
        ask(reader, part, 8)
    first = writer.wanted(8)
    assert (len(first), writer.due[0]) == (LIVE_SLOTS, 1)
    for part in first:
        writer.write(PICTURE, 1.0, 0.0, {}, part)
    assert (writer.wanted(8), writer.due[0]) == ([], 1)
    assert [capture.part for capture in reader.captures()] == first
    assert sorted(first + writer.wanted(8)) == list(range(8))


def test_a_part_that_is_always_asked_for_does_not_keep_others_waiting() -> None:
    writer, reader = ends()
    served = set()
    for _ in range(8):
        for part in range(8):
            ask(reader, part, 8)
        for part in writer.wanted(8)[:1]:
            served.add(part)
            writer.write(PICTURE, 1.0, 0.0, {}, part)
        list(reader.captures())
    assert len(served) > 1


def test_a_single_part_is_asked_for_with_the_byte_that_step_looks_at() -> None:
    writer, reader = ends()
    reader.demand(0, 1)[0] = 1
    assert writer.due[0] == 1


def test_the_most_parts_fit_beside_the_episodes() -> None:
    writer, reader = ends()
    for n in range(EPISODES):
        writer.episode(n, 1, 1.0, n)
    ask(reader, MOST_PARTS - 1, MOST_PARTS)
    assert writer.wanted(MOST_PARTS) == [MOST_PARTS - 1]
    assert [number for number, *_ in reader.episodes()][-1] == EPISODES - 1


# --- takes ---------------------------------------------------------------------------------------------


def shoot(writer: Writer, value: int, take: int = 7, **info: Any) -> bool:
    return writer.write(full(value), 1.0, 0.0, info, 0, take)


def test_of_a_take_more_pictures_may_wait_than_of_a_live_picture() -> None:
    writer, _ = ends()
    assert [shoot(writer, value) for value in range(SLOTS + 1)] == [True] * SLOTS + [False]


def test_large_pictures_of_a_take_wait_in_no_more_memory_than_there_is_for_them() -> None:
    writer, _ = ends(TAKE_BYTES // 9)
    size = TAKE_BYTES // 5
    assert (writer.room(100, True), writer.room(size, True), writer.room(TAKE_BYTES, True)) == (8, 5, 4)
    assert writer.room(100) == LIVE_SLOTS


def test_a_picture_of_a_take_is_left_where_it_is_until_it_can_be_dealt_with() -> None:
    writer, reader = ends()
    write(writer, full(1))
    shoot(writer, 2)
    write(writer, full(3))
    busy = [(one.take, int(one.pixels[0, 0, 0])) for one in reader.captures(lambda: False)]
    assert (busy, reader.pending) == ([(0, 1)], True)
    assert [(one.take, int(one.pixels[0, 0, 0])) for one in reader.captures()] == [(7, 2), (0, 3)]
    assert not reader.pending


def test_a_new_reader_of_an_old_block_still_gets_the_pictures_of_takes() -> None:
    block = Block.create(MAX_PIXELS, shared=False)
    writer = Writer(block)
    write(writer, full(1))
    shoot(writer, 2)
    assert [(one.number, one.take) for one in Reader(block).captures()] == [(2, 7)]


def test_a_compressed_picture_and_a_word_without_one_travel_as_well() -> None:
    writer, reader = ends()
    writer.write(Packed(b"jpeg", 6, 4), 1.0, 0.0, {}, 0, 7)
    writer.write(None, 1.0, 0.0, {"end": {"ended": "reset"}}, 0, 7)
    first, second = reader.captures()
    assert first.picture == Packed(b"jpeg", 6, 4)
    assert (second.picture, second.info) == (None, {"end": {"ended": "reset"}})


def test_a_picture_that_cannot_be_read_is_passed_over_and_not_met_again() -> None:
    block = Block.create(MAX_PIXELS, shared=False)
    writer, reader = Writer(block), Reader(block)
    write(writer, full(1))
    HEADER.pack_into(block.memory, HEADERS, 1.0, 0.0, 0, 2**20, 2**20, 0, 0, 0, 2)
    write(writer, full(2))
    with pytest.raises(ValueError):
        list(reader.captures())
    assert reader.pending
    assert [capture.pixels[0, 0, 0] for capture in reader.captures()] == [2]
    assert not reader.pending


def test_an_order_for_an_episode_is_seen_by_the_trainer_and_taken_once() -> None:
    writer, reader = ends()
    reader.stage(3, every=2, most=100)
    assert (writer.orders(8), writer.staged(3), writer.due[0]) == ([3], 1, 1)
    assert (writer.unstage(3), writer.orders(8)) == ((2, 100), [])
    reader.stage(3, 2, 100, True)
    assert writer.staged(3) == 2
    reader.stage(3, 0, 0)
    assert writer.orders(8) == []
