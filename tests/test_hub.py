"""The hub: names, and the totals of what it shows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from envstream.config import StreamConfig
from envstream.encoder import Picture
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.stream import Stream

MakeFrame = Callable[..., Frame]


@pytest.fixture
def hub(pool: ThreadPoolExecutor) -> Hub:
    return Hub(StreamConfig(videoStreamMaxViewers=7), pool)


def opened(hub: Hub, name: str) -> Stream:
    return hub.open(name, name.title(), hub.config)


def test_a_stream_is_found_by_its_name(hub: Hub) -> None:
    first, second = opened(hub, "a"), opened(hub, "b")
    assert (hub.find("a"), hub.find("b"), hub.find("c")) == (first, second, None)


def test_without_a_name_the_first_running_stream_is_found(hub: Hub) -> None:
    first, second = opened(hub, "a"), opened(hub, "b")
    assert hub.find(None) is first
    first.finish()
    assert hub.find(None) is second


def test_without_a_name_and_nothing_running_the_last_stream_is_found(hub: Hub) -> None:
    opened(hub, "a")
    last = opened(hub, "b")
    hub.finish()
    assert hub.find(None) is last


def test_an_empty_hub_finds_nothing(hub: Hub) -> None:
    assert hub.find(None) is None


def test_a_stream_of_a_known_name_replaces_the_one_before(hub: Hub) -> None:
    first = opened(hub, "a")
    first.finish()
    second = opened(hub, "a")
    assert hub.find("a") is second
    assert not second.ended


def test_the_end_of_the_trainer_ends_every_stream(hub: Hub) -> None:
    streams = [opened(hub, name) for name in "ab"]
    hub.finish()
    assert all(stream.ended for stream in streams)


def test_ended_streams_do_not_pile_up(hub: Hub) -> None:
    for number in range(2000):
        opened(hub, f"env-{number}").finish()
    assert len(hub.streams) < 2000


def test_running_streams_are_all_kept(hub: Hub) -> None:
    for number in range(200):
        opened(hub, f"env-{number}")
    assert len(hub.streams) == 200


def test_two_lives_of_a_server_can_be_told_apart(hub: Hub, pool: ThreadPoolExecutor) -> None:
    assert Hub(StreamConfig(), pool).boot != hub.boot


def test_stats_are_totals_over_all_streams_and_then_each(hub: Hub, frame: MakeFrame) -> None:
    for name, count in (("a", 2), ("b", 3)):
        stream = opened(hub, name)
        for number in range(1, count + 1):
            stream.put(frame(number), float(number))
    stats = hub.stats()
    assert stats["frames_received"] == 5
    assert {name: each["frames_received"] for name, each in stats["streams"].items()} == {"a": 2, "b": 3}
    assert stats["streams"]["a"]["title"] == "A"


def test_stats_say_where_the_server_is_and_who_is_there(hub: Hub) -> None:
    hub.port, hub.viewers, hub.refused = 8081, 2, 1
    stats = hub.stats()
    assert (stats["host"], stats["port"], stats["server_running"]) == ("127.0.0.1", 8081, True)
    assert (stats["clients_connected"], stats["clients_refused"], stats["max_viewers"]) == (2, 1, 7)


def test_stats_of_an_empty_hub_are_zero(hub: Hub) -> None:
    stats = hub.stats()
    assert (stats["frames_received"], stats["current_fps"], stats["streams"]) == (0, 0.0, {})


def test_the_replays_of_many_live_pictures_stay_within_their_share_of_the_memory(
    pool: ThreadPoolExecutor,
) -> None:
    hub = Hub(StreamConfig(videoStreamKeepMemory=1), pool)
    for name in ("a", "b", "c"):
        stream = hub.open(name, name, hub.config)
        for number in range(1, 21):
            frame = Frame(np.zeros((4, 6, 3), np.uint8), number, number / 30)
            stream.replay.add(Picture(name, frame, bytes(10_000), "jpeg", 6, 4, 90, 0.0, 0.0))
    hub.trim()
    kept = [stream.replay.bytes for stream in hub.streams.values()]
    assert 0 < sum(kept) <= 250_000 and min(kept) > 0


def test_what_is_kept_with_boxes_drawn_in_counts_as_well(pool: ThreadPoolExecutor) -> None:
    hub = Hub(StreamConfig(videoStreamKeepMemory=1), pool)
    stream = hub.open("a", "a", hub.config)
    drawn = hub.get("a@boxes")
    assert drawn is not None
    for number in range(1, 21):
        frame = Frame(np.zeros((4, 6, 3), np.uint8), number, number / 30)
        for one in (stream, drawn):
            one.replay.add(Picture(one.name, frame, bytes(10_000), "jpeg", 6, 4, 90, 0.0, 0.0))
    hub.trim()
    assert 0 < stream.replay.bytes + drawn.replay.bytes <= 250_000


def test_a_quality_that_is_chosen_holds_with_boxes_drawn_in_too(hub: Hub) -> None:
    stream = hub.open("a", "a", hub.config)
    drawn = hub.get("a@boxes")
    stream.choose("low")
    assert drawn is not None and drawn.quality == stream.quality == "low"
