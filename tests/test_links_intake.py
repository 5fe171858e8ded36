"""The intake: what a trainer wrote into its block is in the hub's streams afterwards."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.hub import Hub
from envstream.links.block import Block
from envstream.links.intake import Intake
from envstream.links.writer import Writer
from envstream.report import counts, status
from envstream.stream import Stream
from envstream.takes import Takes

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
            lambda: Takes(self.hub, self._say, lambda: None, lambda stream, clip: None),
        )

    def _say(self, stream: Stream, message: str, by: str) -> None:
        self.calls.append(f"{stream.name}: {message}")

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
    assert server.stream.episodes.last() == [(1, 20, 3.5), (2, 30, 4.5)]
    assert server.stream.episodes.seen == 2


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


def test_what_a_picture_cost_is_paid_for_once_also_where_that_is_told_after_it(
    server: Server,
) -> None:
    writer = server.announce()
    for _ in range(2):
        writer.write(PICTURE, 1.0, 0.5, {})
        server.intake.look()
        writer.spent(0.5)
        server.intake.look()
    assert server.stream.cost.seconds == pytest.approx(1.0)


def test_nor_is_it_paid_for_again_and_again_where_that_is_told_before_it(server: Server) -> None:
    writer = server.announce()
    for _ in range(10):
        writer.spent(0.5)
        server.intake.look()
        writer.write(PICTURE, 1.0, 0.5, {})
        server.intake.look()
    assert server.stream.cost.seconds == pytest.approx(5.5)  # The first one is taken for a failed one.


def test_what_counting_takes_of_each_step_is_part_of_what_the_trainer_pays(server: Server) -> None:
    writer = server.announce()
    server.intake.look()
    assert server.stream.cost.counting is None
    writer.counted(90e-9)
    server.intake.look()
    assert server.stream.cost.counting == 90e-9


def test_what_all_streams_of_a_trainer_cost_is_told_with_each_of_them(server: Server) -> None:
    for name in ("env", "other"):
        server.announce(name).spent(0.3)
    server.intake.look()
    now = time.monotonic()
    for stream in server.hub.streams.values():
        assert counts(stream, now)["trainer_cost"]["seconds"] == pytest.approx(0.6)
        assert stream.cost.seconds == pytest.approx(0.3)
        assert status(stream, now)["trainerCost"]["limit"] == 0.05


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
    assert server.stream.notices.newest == "render() gives nothing"
    assert server.calls == ["changed"]


def test_a_sentence_about_an_unknown_stream_is_dropped(server: Server) -> None:
    server.intake.note({"name": "env", "message": "hello"})
    assert not server.hub.streams


# --- vector envs ---------------------------------------------------------------------------------------


@pytest.fixture
def several(server: Server) -> Writer:
    """Sub-envs 0, 3 and 7 of a vector env."""
    block = Block.create(1000, shared=False)
    message = {"name": "Cart", "title": "CartPole-v1", "settings": {}, "envs": [0, 3, 7]}
    server.intake.open(message, block)
    return Writer(block)


def test_each_sub_env_that_can_be_shown_is_a_stream(server: Server, several: Writer) -> None:
    told = [status(server.hub.streams[name], 0.0) for name in ("Cart/0", "Cart/3", "Cart/7")]
    assert [(one["title"], one["group"], one["env"]) for one in told] == [
        ("CartPole-v1", "Cart", 0),
        ("CartPole-v1", "Cart", 3),
        ("CartPole-v1", "Cart", 7),
    ]


def test_asking_one_sub_env_asks_no_other(server: Server, several: Writer) -> None:
    server.hub.streams["Cart/3"].ask(1.0)
    assert several.due[0] == 1
    assert several.wanted(3) == [1]


def test_a_picture_comes_to_the_stream_of_its_sub_env(server: Server, several: Writer) -> None:
    several.write(np.zeros((4, 6, 3), np.uint8), 1.0, 0.0, {}, 2)
    server.calls.clear()
    server.intake.look()
    assert server.calls == ["arrived Cart/7"]
    assert server.hub.streams["Cart/0"].buffer.newest() is None


def test_an_episode_comes_to_the_stream_of_its_sub_env(server: Server, several: Writer) -> None:
    several.episode(4, 20, 9.5, 100, 1)
    server.intake.look()
    assert server.hub.streams["Cart/3"].episodes.last() == [(4, 20, 9.5)]
    assert not len(server.hub.streams["Cart/0"].episodes)


def test_a_closed_vector_env_ends_all_its_streams(server: Server, several: Writer) -> None:
    several.close()
    server.intake.look()
    assert all(stream.ended for stream in server.hub.streams.values())


def test_a_sentence_about_a_vector_env_stands_at_all_its_streams(server: Server, several: Writer) -> None:
    server.intake.note({"name": "Cart", "message": "the pictures are black"})
    assert {stream.notices.newest for stream in server.hub.streams.values()} == {"the pictures are black"}


def test_all_streams_of_a_trainer_share_its_budget(server: Server, several: Writer) -> None:
    server.announce("other")
    budgets = {id(stream.pace.budget) for stream in server.hub.streams.values()}
    assert len(budgets) == 1


def test_a_trainer_chooses_another_quality(server: Server) -> None:
    server.announce()
    server.intake.choose({"op": "quality", "name": "env", "quality": "low"})
    assert (server.stream.quality, server.calls) == ("low", ["changed"])


def test_a_quality_for_an_unknown_stream_is_dropped(server: Server) -> None:
    server.intake.choose({"op": "quality", "name": "env", "quality": "low"})
    assert server.calls == []


def test_a_quality_for_a_vector_env_is_that_of_all_its_streams(server: Server, several: Writer) -> None:
    server.intake.choose({"op": "quality", "name": "Cart", "quality": "low"})
    assert {stream.quality for stream in server.hub.streams.values()} == {"low"}
