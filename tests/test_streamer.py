"""The streamer: an emulator on a page, and its pictures for whoever asks, while a loop runs it."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

import envstream
from cartridges import emulator, running
from envstream import StreamQuality, codec, create_video_streamer
from envstream import outlet as outlets
from envstream.config import PRESETS
from envstream.errors import PictureError, SettingError, StreamerError
from envstream.streamer import PyBoyVideoStreamer
from serving import Watcher, get, until

QUIET = {"videoStream": False}  # Pictures for who asks, and no page.


@pytest.fixture(scope="module")
def pyboy() -> Iterator[Any]:
    with emulator() as pyboy:
        yield pyboy


@pytest.fixture
def streamer(pyboy: Any) -> Iterator[PyBoyVideoStreamer]:
    """One that streams, without a page."""
    with create_video_streamer(pyboy, **QUIET) as streamer:
        yield streamer


@pytest.fixture
def shown(pyboy: Any) -> Iterator[PyBoyVideoStreamer]:
    """One with a page."""
    outlets._outlets.clear()  # A server of its own, whatever other tests have running.
    before = set(threading.enumerate())
    settings = {"videoStreamWorker": "thread", "videoStreamPort": 0, "videoStreamName": "boy"}
    with create_video_streamer(pyboy, "high", settings) as streamer:
        yield streamer
    ours = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("envstream")]
    until(lambda: not any(thread.is_alive() for thread in ours), "the server's end")


def port_of(streamer: PyBoyVideoStreamer) -> int:
    assert streamer.stream_url is not None
    return int(streamer.stream_url.split(":")[2].rstrip("/"))


def stats(port: int) -> Any:
    return json.loads(get(port, "/api/streaming/stats")[2])


# --- pictures for who asks -----------------------------------------------------------------------------


@pytest.mark.parametrize("level", PRESETS)
def test_a_picture_is_a_jpeg_at_the_scale_of_the_quality(pyboy: Any, level: str) -> None:
    with create_video_streamer(pyboy, level, **QUIET) as streamer:
        data = streamer.get_frame_as_bytes()
    picture, scale = Image.open(io.BytesIO(data)), PRESETS[level].scale
    assert (picture.format, picture.size) == ("JPEG", (160 * scale, 144 * scale))


def test_base64_is_the_same_picture_as_text(streamer: PyBoyVideoStreamer) -> None:
    text = streamer.get_frame_as_base64()
    assert codec.decode_jpeg(base64.b64decode(text)).shape == (288, 320, 3)


def test_what_is_asked_for_again_at_once_is_not_taken_and_not_compressed_again(
    streamer: PyBoyVideoStreamer,
) -> None:
    first = streamer.get_frame_as_bytes()
    assert all(streamer.get_frame_as_bytes() is first for _ in range(5))
    assert streamer.get_performance_stats()["frames_captured"] == 1


def test_a_picture_can_be_asked_for_while_another_thread_runs_the_emulator(
    pyboy: Any, streamer: PyBoyVideoStreamer
) -> None:
    with running(pyboy):
        assert codec.decode_jpeg(streamer.get_frame_as_bytes()).shape == (288, 320, 3)


def test_a_picture_before_the_start_is_refused(pyboy: Any) -> None:
    with pytest.raises(StreamerError, match=r"get_frame_as_bytes\(\) .* call start_streaming\(\) first"):
        create_video_streamer(pyboy).get_frame_as_bytes()


def test_a_picture_after_the_end_is_refused(pyboy: Any) -> None:
    streamer = create_video_streamer(pyboy, **QUIET)
    streamer.start_streaming()
    streamer.get_frame_as_bytes()
    streamer.stop_streaming()
    with pytest.raises(StreamerError):
        streamer.get_frame_as_base64()


# --- beginning and end ---------------------------------------------------------------------------------


def test_starting_and_stopping_twice_changes_nothing(pyboy: Any) -> None:
    streamer = create_video_streamer(pyboy, **QUIET)
    streamer.stop_streaming()
    for _ in range(2):
        streamer.start_streaming()
    assert sum(thread.name == "envstream-pyboy" for thread in threading.enumerate()) == 1
    for _ in range(2):
        streamer.stop_streaming()
    assert all(thread.name != "envstream-pyboy" for thread in threading.enumerate())


def test_it_can_be_started_again_and_counts_anew(pyboy: Any) -> None:
    streamer = create_video_streamer(pyboy, **QUIET)
    for _ in range(2):
        with streamer:
            streamer.get_frame_as_bytes()
            assert streamer.get_performance_stats()["frames_captured"] == 1


@pytest.mark.parametrize("thing", [None, "game.gb", object()])
def test_what_is_no_emulator_is_refused(thing: object) -> None:
    with pytest.raises(PictureError, match="expected a PyBoy emulator"):
        create_video_streamer(thing)


# --- quality -------------------------------------------------------------------------------------------


def test_the_quality_is_medium_unless_something_else_is_said(pyboy: Any) -> None:
    assert create_video_streamer(pyboy).quality == "medium"
    assert create_video_streamer(pyboy, video_stream_quality=70).quality == 70
    assert create_video_streamer(pyboy, StreamQuality.LOW, {"videoStreamQuality": 70}).quality == "low"


def test_the_enum_has_every_preset() -> None:
    assert [quality.value for quality in StreamQuality] == list(PRESETS)


@pytest.mark.parametrize("level", ["best", "", 0, 101, None, True])
def test_an_unknown_quality_is_refused_and_the_known_ones_are_named(
    streamer: PyBoyVideoStreamer, level: Any
) -> None:
    with pytest.raises(SettingError, match="low, medium, high, ultra"):
        streamer.change_quality(level)
    assert streamer.quality == "medium"


def test_another_quality_holds_for_the_next_picture(streamer: PyBoyVideoStreamer) -> None:
    streamer.get_frame_as_bytes()
    streamer.change_quality(StreamQuality.ULTRA)
    assert codec.decode_jpeg(streamer.get_frame_as_bytes()).shape == (576, 640, 3)
    assert streamer.get_performance_stats()["quality_settings"] == PRESETS["ultra"]._asdict()


# --- figures -------------------------------------------------------------------------------------------


def test_figures_are_none_until_something_was_measured(streamer: PyBoyVideoStreamer) -> None:
    figures = streamer.get_performance_stats()
    unknown = {key for key, value in figures.items() if value is None}
    assert unknown == {
        "method",
        "capture_latency_ms",
        "compression_latency_ms",
        "total_latency_ms",
        "drop_rate_percent",
        "streaming_efficiency",
    }


def test_figures_are_measured(streamer: PyBoyVideoStreamer) -> None:
    streamer.get_frame_as_bytes()
    figures = streamer.get_performance_stats()
    assert (figures["method"], figures["frames_captured"], figures["frames_streamed"]) == ("raw_buffer", 1, 1)
    assert figures["capture_latency_ms"] > 0 and figures["compression_latency_ms"] > 0
    assert (figures["target_fps"], figures["drop_rate_percent"]) == (10.0, 0.0)


# --- the page ------------------------------------------------------------------------------------------


def test_the_page_shows_an_emulator_whose_loop_knows_nothing_of_it(
    pyboy: Any, shown: PyBoyVideoStreamer
) -> None:
    with running(pyboy), Watcher(port_of(shown), "boy") as watcher:
        about, picture = watcher.frame(30)
        assert (about["width"], about["height"], about["method"]) == (160, 144, "raw_buffer")
        assert Image.open(io.BytesIO(picture)).size == (160, 144)
        assert watcher.frame(30)[0]["step"] > about["step"]


def test_nothing_is_taken_while_nobody_looks(pyboy: Any, shown: PyBoyVideoStreamer) -> None:
    port = port_of(shown)
    for _ in range(50):
        pyboy.tick(1, True)
        assert not shown.capture()
    assert stats(port)["frames_captured"] == shown.get_performance_stats()["frames_captured"] == 0


def test_a_loop_may_take_the_pictures_itself(pyboy: Any, shown: PyBoyVideoStreamer) -> None:
    assert not shown.capture()
    with Watcher(port_of(shown), "boy") as watcher:
        until(lambda: pyboy.tick(1, True) and shown.capture(), "a picture that is due")
        assert watcher.frame()[0]["method"] == "raw_buffer"


def test_the_page_and_the_streamer_agree_on_the_quality(shown: PyBoyVideoStreamer) -> None:
    port = port_of(shown)
    shown.change_quality("ultra")
    until(lambda: stats(port)["target_fps"] == 30, "the server's ultra")
    assert get(port, "/api/streaming/quality/low", method="POST")[0] == 200
    until(lambda: shown.quality == "low", "the streamer's low")
    assert shown.get_performance_stats()["quality_settings"] == stats(port)["quality_settings"]


def test_the_figures_of_both_sides_have_the_same_names(shown: PyBoyVideoStreamer) -> None:
    assert shown.get_performance_stats().keys() == stats(port_of(shown)).keys()


def test_an_emulator_without_an_env_is_wrapped_into_a_running_streamer(pyboy: Any) -> None:
    streamer = envstream.wrap(pyboy, **QUIET)
    try:
        assert codec.decode_jpeg(streamer.get_frame_as_bytes()).shape == (288, 320, 3)
    finally:
        streamer.stop_streaming()
