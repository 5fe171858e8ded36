"""The postbox: what is posted goes out, the newest of each stream, a round trip at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from envstream.bus import postbox as module
from envstream.bus.clock import Clock
from envstream.bus.connection import Problem
from envstream.bus.layout import Keys, stream_id
from envstream.bus.postbox import Postbox
from envstream.encoder import Picture
from envstream.frame import Frame
from envstream.web.messages import still_text
from envstream.web.pipes import Parcel

MakeFrame = Callable[..., Frame]


class Bus:
    """Answers what it is asked, one round trip after the other, when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuses: Problem | None = None

    async def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        self.asked.append(commands)
        await self.gate.wait()
        return [self.refuses or b"ok" for _ in commands]


@pytest.fixture
def box() -> Postbox:
    clock = Clock()
    clock.look(0.0, 1000.0, 0.0)
    return Postbox(Keys("p"), "w", clock)


def parcel(frame: Frame, stream: str = "env", data: bytes = b"\xff\xd8") -> Parcel:
    return Parcel(Picture(stream, frame, data, "jpeg", 6, 4, 85, 0.0, 0.0), 0.0)


def pumped(
    box: Postbox, bus: Bus, meanwhile: Callable[[int], None] = lambda turn: None
) -> list[tuple[Any, ...]]:
    """What has landed, after some turns of the loop."""
    landed: list[tuple[Any, ...]] = []

    async def pump() -> None:
        task = asyncio.ensure_future(
            box.pump(bus.ask, lambda posted, problem: landed.append((posted.stream, posted.frame, problem)))
        )
        for turn in range(10):
            meanwhile(turn)
            await asyncio.sleep(0)
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(pump())
    return landed


def test_a_picture_is_an_entry_that_replaces_the_one_before(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    box.post(parcel(frame(7, step=3)))
    assert pumped(box, bus) == [("env", 7, None)]
    ((add, expire),) = bus.asked
    key = f"p:frames:w:{stream_id('env')}"
    assert add[:6] == ("XADD", key, "MAXLEN", "=", 1, "*")
    assert expire == ("PEXPIRE", key, 10_000)
    fields = dict(zip(add[6::2], add[7::2], strict=True))
    assert fields["d"] == b"\xff\xd8"
    assert json.loads(fields["m"]) == {
        "number": 1,
        "captured": 1007.0,
        "encoding": "jpeg",
        "width": 6,
        "height": 4,
        "info": {"step": 3},
    }


def test_while_a_picture_is_under_way_the_newest_waits(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()

    def meanwhile(turn: int) -> None:
        if turn == 2:
            bus.gate.clear()
            box.post(parcel(frame(1)))
        elif turn in (4, 5, 6):
            box.post(parcel(frame(turn)))
        elif turn == 7:
            bus.gate.set()

    assert pumped(box, bus, meanwhile) == [("env", 1, None), ("env", 6, None)]


def test_pictures_of_several_streams_go_together(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    for name in ("a", "b", "c"):
        box.post(parcel(frame(1), name))
    assert pumped(box, bus) == [("a", 1, None), ("b", 1, None), ("c", 1, None)]
    assert len(bus.asked) == 1


@pytest.mark.parametrize(("name", "most"), [("MOST_AT_ONCE", 2), ("MOST_BYTES", 2)])
def test_but_not_too_many(
    box: Postbox, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(module, name, most)
    bus = Bus()
    for number in range(4):
        box.post(parcel(frame(1), str(number)))
    assert len(pumped(box, bus)) == 4
    assert len(bus.asked) == (2 if name == "MOST_AT_ONCE" else 4)


def test_a_picture_that_is_refused_is_told_of(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    bus.refuses = Problem("full", "it is full")
    box.post(parcel(frame(1)))
    assert pumped(box, bus) == [("env", 1, bus.refuses)]


def test_what_may_not_be_done_at_all_ends_the_connection(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    bus.refuses = Problem("permission", "it may not")
    box.post(parcel(frame(1)))
    with pytest.raises(Problem, match="it may not"):
        pumped(box, bus)


def test_that_a_picture_stands_still_is_a_status(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    box.tell(still_text("env", frame(3)))
    box.tell(json.dumps({"type": "rung"}))
    pumped(box, bus)
    (((command, channel, text),),) = bus.asked
    assert (command, channel) == ("PUBLISH", "p:status")
    assert json.loads(text) == {"worker": "w", "streams": {stream_id("env"): {"still": 1003.0}}}


def test_without_a_clock_no_moment_is_told(frame: MakeFrame) -> None:
    box, bus = Postbox(Keys("p"), "w", Clock()), Bus()
    box.post(parcel(frame(1)))
    pumped(box, bus)
    assert json.loads(bus.asked[0][0][7])["captured"] is None


def test_over_a_new_connection_nothing_old_is_sent(box: Postbox, frame: MakeFrame) -> None:
    bus = Bus()
    box.post(parcel(frame(1)))
    box.say("PING")
    box.empty()
    assert pumped(box, bus) == [] and bus.asked == []


def test_what_nobody_takes_does_not_pile_up(box: Postbox, frame: MakeFrame) -> None:
    for number in range(3 * module.MOST_TEXTS):
        box.say("ECHO", str(number))
    texts = box.texts()
    assert len(texts) == module.MOST_TEXTS and texts[-1] == ("ECHO", str(3 * module.MOST_TEXTS - 1))
