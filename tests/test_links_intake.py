"""The intake: what a trainer wrote into its block is in the hub's streams afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.hub import Hub
from envstream.links.block import Block, Writer
from envstream.links.intake import Intake
from envstream.stream import Stream

PICTURE = np.zeros((4, 6, 3), np.uint8)


class Server:
    """A hub with an intake, and what the intake called."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.hub = Hub(StreamConfig(), pool)
        self.calls: list[str] = []
        self.intake = Intake(
            self.hub,
            lambda stream: self.calls.append(f"opened {stream.name}"),
            lambda stream: self.calls.append(f"arrived {stream.name}"),
            lambda: self.calls.append("changed"),
        )

    def announce(self, name: str = "env", block: Block | None = None, **settings: Any) -> Writer:
        block = block or Block.create(1000, shared=False)
        self.intake.open({"op": "open", "name": name, "title": name.title(), "settings": settings}, block)
        self.calls.clear()
        return Writer(block)

    @property
    def stream(self) -> Stream:
        return self.hub.streams["env"]


@pytest.fixture
def server(pool: ThreadPoolExecutor) -> Server:
    return Server(pool)


def test_an_announced_stream_is_opened_with_its_own_settings(server: Server) -> None:
    message = {"name": "env", "title": "CartPole-v1", "settings": {"videoStreamBufferSize": 3}}
    server.intake.open(message, Block.create(1000, shared=False))
    assert server.calls == ["opened env"]
    assert (server.stream.title, server.stream.config.videoStreamBufferSize) == ("CartPole-v1", 3)


def test_a_stream_with_a_wrong_setting_is_refused(server: Server) -> None:
    with pytest.raises(SettingError):
        server.announce(videoFps=-1)


def test_demand_left_over_from_another_server_is_cleared(server: Server) -> None:
    block = Block.create(1000, shared=False)
    block.due[0] = 1
    server.announce(block=block)
    assert block.due[0] == 0


def test_asking_a_stream_reaches_the_trainer(server: Server) -> None:
    writer = server.announce()
    server.stream.ask(1.0)
    assert writer.due[0] == 1


def test_a_picture_becomes_a_frame(server: Server) -> None:
    writer = server.announce()
    writer.write(PICTURE, 12.5, 0.25, {"episode": 3})
    server.intake.look()
    frame = server.stream.buffer.newest()
    assert frame is not None
    assert (frame.number, frame.captured, frame.cost, frame.info) == (1, 12.5, 0.25, {"episode": 3})
    assert np.array_equal(frame.pixels, PICTURE)


def test_pictures_that_came_together_are_told_once(server: Server) -> None:
    writer = server.announce()
    for _ in range(3):
        writer.write(PICTURE, 1.0, 0.0, {})
    server.intake.look()
    assert server.calls == ["arrived env"]
    assert server.stream.buffer.received == 3


def test_a_wake_up_for_nothing_tells_nobody(server: Server) -> None:
    server.announce()
    server.intake.look()
    assert server.calls == []


def test_each_stream_gets_its_own_pictures(server: Server) -> None:
    server.announce("a")
    writer = server.announce("b")
    writer.write(PICTURE, 1.0, 0.0, {})
    server.intake.look()
    assert server.calls == ["arrived b"]


def test_episodes_and_steps_reach_the_stream(server: Server) -> None:
    writer = server.announce()
    writer.episode(1, 20, 3.5, 20)
    writer.episode(2, 30, 4.5, 50)
    server.intake.look()
    assert list(server.stream.episodes) == [(1, 20, 3.5), (2, 30, 4.5)]
    assert server.stream.episodes_seen == 2


def test_a_capture_that_failed_is_counted_paid_for_and_waited_for_no_longer(server: Server) -> None:
    writer = server.announce()
    server.stream.ask(1.0)
    writer.spent(0.5)
    writer.failed()
    server.intake.look()
    assert (server.stream.failures, server.stream.asked) == (1, False)
    assert server.stream.overhead(0.0) == pytest.approx(0.05)


def test_what_a_picture_cost_is_paid_for_once(server: Server) -> None:
    writer = server.announce()
    writer.spent(0.5)
    writer.write(PICTURE, 1.0, 0.5, {})
    server.intake.look()
    assert server.stream.overhead(0.0) == pytest.approx(0.05)


def test_a_closed_block_ends_its_stream_after_its_last_picture(server: Server) -> None:
    writer = server.announce()
    writer.write(PICTURE, 1.0, 0.0, {})
    writer.close()
    server.intake.look()
    assert (server.stream.ended, server.stream.buffer.received) == (True, 1)
    assert server.calls == ["arrived env", "changed"]


def test_an_ended_stream_is_told_of_once(server: Server) -> None:
    server.announce().close()
    server.intake.look()
    server.intake.look()
    assert server.calls == ["changed"]


def test_a_stream_that_is_opened_again_begins_anew(server: Server) -> None:
    server.announce().close()
    server.intake.look()
    writer = server.announce()
    writer.write(PICTURE, 1.0, 0.0, {})
    server.intake.look()
    assert (server.stream.ended, server.stream.buffer.received) == (False, 1)


def test_a_sentence_of_the_trainer_is_shown(server: Server) -> None:
    server.announce()
    server.intake.note({"name": "env", "message": "render() gives nothing"})
    assert server.stream.message == "render() gives nothing"
    assert server.calls == ["changed"]


def test_a_sentence_about_an_unknown_stream_is_dropped(server: Server) -> None:
    server.intake.note({"name": "env", "message": "hello"})
    assert server.calls == []
