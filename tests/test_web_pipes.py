"""Pipes: a picture leaves in one write, and what a busy connection cannot take waits or is dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.frames import Frame as SocketFrame
from websockets.streams import StreamReader

from envstream.encoder import Picture
from envstream.viewer import Viewer
from envstream.web.pipes import BOUNDARY, MOST_TEXTS, Once, Parcel, PartPipe, SocketPipe, socket_frame
from envstream.web.seat import Seat


class Wire:
    """A transport that keeps what is written, and pretends to be as full as the test says."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.closing = False
        self.high: int | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        self.high = high


def read(data: bytes) -> list[tuple[int, bytes]]:
    """The WebSocket frames in `data`, as the websockets package reads them."""
    reader = StreamReader()
    reader.feed_data(data)
    frames = []
    while reader.buffer:
        parsing = SocketFrame.parse(reader.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as done:
            frames.append((int(done.value.opcode), bytes(done.value.data)))
    return frames


@pytest.fixture
def picture(frame: Any) -> Picture:
    return Picture("env", frame(7), b"\xff\xd8picture", "jpeg", 6, 4, 85, 0.001, 7.5)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_a_frame_of_any_size_is_read_as_it_was_written(size: int) -> None:
    assert read(socket_frame(2, b"x" * size)) == [(2, b"x" * size)]


def test_a_picture_is_a_pair_of_messages_in_one_write(picture: Picture) -> None:
    wire: Any = Wire()
    SocketPipe(wire).post(Parcel(picture, 8.0))
    (written,) = wire.written
    (kind, about), (other, data) = read(written)
    assert (kind, other, data) == (1, 2, picture.data)
    told = json.loads(about)
    assert (told["type"], told["frameNumber"], told["sent_at"]) == ("frame_metadata", 7, 8.0)


def test_a_part_tells_its_story_and_ends_with_the_next_boundary(picture: Picture) -> None:
    wire: Any = Wire()
    PartPipe(wire, chunked=False).post(Parcel(picture, 8.0))
    head, _, rest = wire.written[0].partition(b"\r\n\r\n")
    assert rest == picture.data + b"\r\n--" + BOUNDARY + b"\r\n"
    assert b"x-frame-number: 7" in head and b"content-length: %d" % len(picture.data) in head


def test_a_chunk_says_how_long_it_is(picture: Picture) -> None:
    wire: Any = Wire()
    PartPipe(wire, chunked=True).post(Parcel(picture, 8.0))
    size, _, rest = wire.written[0].partition(b"\r\n")
    assert len(rest) == int(size, 16) + 2 and rest.endswith(b"\r\n")


def test_nothing_is_kept_back_on_an_mjpeg_connection() -> None:
    wire: Any = Wire()
    PartPipe(wire, chunked=True)
    assert wire.high == 0


def test_a_connection_with_something_left_to_send_is_not_free() -> None:
    wire: Any = Wire()
    pipe = SocketPipe(wire)
    assert pipe.free
    wire.waiting = 1
    assert not pipe.free


@pytest.mark.parametrize("make", [SocketPipe, lambda wire: PartPipe(wire, True)])
def test_nothing_is_written_to_a_connection_that_ends(make: Any, picture: Picture) -> None:
    wire: Any = Wire()
    pipe = make(wire)
    wire.closing = True
    pipe.post(Parcel(picture, 8.0))
    pipe.tell("a")
    assert wire.written == [] and not pipe.free


def test_texts_wait_for_a_busy_connection_and_keep_their_order() -> None:
    wire: Any = Wire()
    seat = Seat(Viewer(), SocketPipe(wire))
    wire.waiting = 1
    seat.tell("a")
    seat.tell("b")
    assert wire.written == []
    wire.waiting = 0
    seat.tell("c")
    assert [data for _, data in read(b"".join(wire.written))] == [b"a", b"b", b"c"]


def test_of_too_many_texts_for_a_slow_reader_the_newest_are_kept() -> None:
    wire: Any = Wire()
    pipe = SocketPipe(wire)
    wire.waiting = 1
    for number in range(10 * MOST_TEXTS):
        pipe.tell(str(number))
    wire.waiting = 0
    pipe.drained()
    texts = [data for _, data in read(b"".join(wire.written))]
    assert len(texts) == MOST_TEXTS and texts[-1] == b"%d" % (10 * MOST_TEXTS - 1)


def test_one_picture_is_waited_for_and_no_more(picture: Picture) -> None:
    async def wait() -> None:
        arrived: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        pipe = Once(arrived)
        assert pipe.free
        for _ in range(2):
            pipe.post(Parcel(picture, 8.0))
        pipe.tell("nobody reads this")
        assert arrived.result() is picture and not pipe.free

    asyncio.run(wait())
