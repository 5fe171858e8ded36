"""A channel: the trainer's end of a stream; it says what it did, and wakes the server afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from envstream.links.block import LIVE_SLOTS, Block
from envstream.links.channel import Channel
from envstream.links.reader import Reader

PICTURE = np.zeros((4, 6, 3), np.uint8)


class Line:
    """A channel, its reader, and what the reader saw at each wake-up."""

    def __init__(self) -> None:
        block = Block.create(1000, shared=False)
        self.reader = Reader(block)
        self.seen: list[str] = []
        self.channel = Channel("env", "CartPole-v1", {"videoFps": 20}, block, self._wake)

    def _wake(self) -> None:
        pictures = len(list(self.reader.captures()))
        self.seen.append(
            "closed" if self.reader.closed else f"{pictures} picture(s), {self.reader.failures} failed"
        )


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_picture_lies_ready_when_the_server_is_woken(line: Line) -> None:
    assert line.channel.send(PICTURE, 1.0, 0.25, {"totalSteps": 7})
    assert line.seen == ["1 picture(s), 0 failed"]


def test_a_picture_brings_the_steps_and_the_cost(line: Line) -> None:
    line.channel.send(PICTURE, 1.0, 0.25, {"totalSteps": 7})
    assert (line.reader.total_steps, line.reader.spent()) == (7, 0.25)


def test_a_picture_without_room_is_dropped_and_paid_for() -> None:
    block = Block.create(1000, shared=False)
    reader = Reader(block)
    channel = Channel("env", "env", {}, block, lambda: None)
    sent = [channel.send(PICTURE, 1.0, 0.25, {}) for _ in range(LIVE_SLOTS + 1)]
    assert sent == [True] * LIVE_SLOTS + [False]
    assert reader.spent() == 0.25 * (LIVE_SLOTS + 1)


def test_a_capture_that_failed_is_counted_and_paid_for(line: Line) -> None:
    line.channel.failed(0.5)
    assert line.seen == ["0 picture(s), 1 failed"]
    assert line.reader.spent() == 0.5


def test_an_episode_is_noted_without_waking_anybody(line: Line) -> None:
    line.channel.episode(1, 2, 3.0, 40)
    assert line.seen == []
    assert (line.reader.episodes(), line.reader.total_steps) == ([(1, 2, 3.0, 0)], 40)


def test_the_end_is_told(line: Line) -> None:
    line.channel.close()
    assert line.seen == ["closed"]


def test_demand_is_the_blocks_byte(line: Line) -> None:
    line.reader.due[0] = 1
    assert line.channel.due[0] == 1


def test_the_settings_are_a_copy() -> None:
    settings = {"videoFps": 20}
    channel = Channel("env", "env", settings, Block.create(1000, shared=False), lambda: None)
    settings["videoFps"] = 30
    assert channel.settings == {"videoFps": 20}
