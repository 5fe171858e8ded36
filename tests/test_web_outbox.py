"""The outbox: pictures go out in order as a publisher's, and the other side's clock is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from elsewhere import played
from envstream.encoder import Picture
from envstream.frame import Frame
from envstream.web.outbox import LONGEST_TRIP, Outbox
from envstream.web.pipes import Parcel

MakeParcel = Callable[..., Parcel]


@pytest.fixture
def parcel(frame: Callable[..., Frame]) -> MakeParcel:
    def make(number: int, data: bytes = b"picture", **info: Any) -> Parcel:
        picture = Picture(
            stream="env",
            frame=frame(number, **info),
            data=data,
            format="jpeg",
            quality=85,
            width=6,
            height=4,
            encode_seconds=0.0,
            encoded_at=0.0,
        )
        return Parcel(picture, 0.0)

    return make


def sent(outbox: Outbox, drained: Callable[[], None] = lambda: None) -> list[Any]:
    """What goes out: objects of texts, and bytes."""
    out: list[Any] = []

    async def send(data: str | bytes) -> None:
        out.append(json.loads(data) if isinstance(data, str) else data)

    async def scene() -> None:
        task = asyncio.ensure_future(outbox.pump(send, drained))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    played(scene)
    return out


def test_a_picture_is_what_it_is_and_then_its_bytes(parcel: MakeParcel) -> None:
    outbox = Outbox(1)
    outbox.post(parcel(7, b"bytes", episode=2))
    about, data = sent(outbox)
    assert data == b"bytes"
    assert about == {
        "type": "frame",
        "number": 1,
        "timestamp": 7.0,
        "size": 5,
        "encoding": "jpeg",
        "width": 6,
        "height": 4,
        "key": True,
        "captured": None,
        "info": {"episode": 2},
    }


def test_numbers_go_on_where_the_other_side_is_and_have_no_gaps(parcel: MakeParcel) -> None:
    outbox = Outbox(11)
    for number in (3, 8):
        outbox.post(parcel(number))
    assert [each["number"] for each in sent(outbox)[::2]] == [11, 12]


def test_what_landed_is_told_by_the_number_here_and_once(parcel: MakeParcel) -> None:
    outbox = Outbox(1)
    for number in (3, 8, 9):
        outbox.post(parcel(number))
    assert [outbox.landed(number) for number in (2, 2, 1, 3, 99)] == [8, None, None, 9, None]


def test_it_is_free_again_once_all_has_gone_out(parcel: MakeParcel) -> None:
    outbox, calls = Outbox(1), []
    assert outbox.free
    outbox.post(parcel(1))
    assert not outbox.free
    sent(outbox, lambda: calls.append(outbox.free))
    assert calls == [True]


def test_what_is_posted_as_it_drains_goes_out_too(parcel: MakeParcel) -> None:
    outbox = Outbox(1)
    left = [parcel(2)]
    outbox.post(parcel(1))
    out = sent(outbox, lambda: outbox.post(left.pop()) if left else None)
    assert [each["number"] for each in out[::2]] == [1, 2]


def test_a_picture_that_stands_is_told_of_and_nothing_else_that_viewers_hear(parcel: MakeParcel) -> None:
    outbox = Outbox(1)
    outbox.clock(0.0, 100.0, 0.0)
    outbox.tell(json.dumps({"type": "still", "timestamp": 1.0}))  # There is no picture yet.
    outbox.post(parcel(1))
    outbox.tell(json.dumps({"type": "rung", "quality": 85}))
    outbox.tell(json.dumps({"type": "still", "timestamp": 1.5}))
    assert sent(outbox)[2:] == [{"type": "status", "still": {"number": 1, "captured": 101.5}}]


def test_times_are_told_by_the_other_sides_clock(parcel: MakeParcel) -> None:
    outbox = Outbox(1)
    outbox.clock(10.0, 1010.1, 10.2)
    outbox.post(parcel(7))
    assert sent(outbox)[0]["captured"] == pytest.approx(1007.0)


def test_of_looks_at_the_clock_the_quickest_counts() -> None:
    outbox = Outbox(1)
    outbox.clock(10.0, 1010.1, 10.2)
    outbox.clock(20.0, 1020.0, 21.0)  # It waited behind pictures on the way back.
    assert outbox.offset == pytest.approx(1000.0)
    outbox.clock(30.0, 1030.06, 30.1)
    assert outbox.offset == pytest.approx(1000.01)


def test_a_clock_that_drifts_is_followed_by_and_by() -> None:
    outbox = Outbox(1)
    outbox.clock(0.0, 500.0, 0.001)
    for second in range(10, 80, 10):
        outbox.clock(second, 600.0 + second, second + 0.01)
    assert outbox.offset == pytest.approx(600.0, abs=0.01)


@pytest.mark.parametrize("now", [10.0 + LONGEST_TRIP + 1, 9.0], ids=["too late", "before it was asked"])
def test_an_answer_that_says_nothing_of_the_clock_is_left_aside(now: float) -> None:
    outbox = Outbox(1)
    outbox.clock(10.0, 1000.0, now)
    assert outbox.offset is None
