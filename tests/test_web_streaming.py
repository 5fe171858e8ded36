"""`/api/streaming`: another quality while it runs, and figures that were measured."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from envstream.config import PRESETS, StreamConfig
from envstream.encoder import Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.report import status
from envstream.stream import Stream
from envstream.web.app import create_app
from envstream.web.backend import Backend
from fakes import PictureEnv
from serving import Watcher, get, streaming, until

MakeFrame = Callable[..., Frame]


@pytest.fixture
def hub(pool: ThreadPoolExecutor) -> Hub:
    hub = Hub(StreamConfig(), pool)
    for name in ("one", "two"):
        hub.open(name, name, StreamConfig())
    return hub


@pytest.fixture
def chosen() -> list[str]:
    """The names of the streams whose quality was changed."""
    return []


@pytest.fixture
def client(hub: Hub, chosen: list[str]) -> FlaskClient:
    def note(stream: Stream) -> None:
        chosen.append(stream.name)

    return create_app(hub, Backend(chosen=note)).test_client()


# --- quality -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("level", PRESETS)
def test_a_preset_is_in_force_at_once(client: FlaskClient, hub: Hub, method: str, level: str) -> None:
    response = client.open(f"/api/streaming/quality/{level}?stream=one", method=method)
    assert response.get_json() == {
        "success": True,
        "quality": level,
        "message": f"Streaming quality changed to {level}",
        "available_qualities": ["low", "medium", "high", "ultra"],
    }
    stream = hub.streams["one"]
    assert (stream.quality, stream.pace.fps, stream.encoder.preset) == (
        level,
        PRESETS[level].fps,
        PRESETS[level],
    )


def test_a_jpeg_quality_is_one_as_well(client: FlaskClient, hub: Hub) -> None:
    assert client.post("/api/streaming/quality/42?stream=one").get_json()["quality"] == 42
    assert hub.streams["one"].encoder.preset == (1, 30.0, 42)


def test_only_the_stream_that_was_named_changes(client: FlaskClient, hub: Hub, chosen: list[str]) -> None:
    client.get("/api/streaming/quality/low?stream=two")
    assert [stream.quality for stream in hub.streams.values()] == [85, "low"]
    assert chosen == ["two"]


def test_without_a_name_every_stream_that_runs_changes(
    client: FlaskClient, hub: Hub, chosen: list[str]
) -> None:
    hub.streams["one"].finish()
    client.get("/api/streaming/quality/low")
    assert [stream.quality for stream in hub.streams.values()] == [85, "low"]
    assert chosen == ["two"]


@pytest.mark.parametrize("level", ["best", "LOW", "0", "101", "9999", "-1", "8.5", "٣", "%00", "x" * 5000])
def test_an_unknown_quality_is_refused_with_those_there_are(
    client: FlaskClient, hub: Hub, chosen: list[str], level: str
) -> None:
    response = client.get(f"/api/streaming/quality/{level}?stream=one")
    answer = response.get_json()
    assert (response.status_code, answer["success"], answer["quality"]) == (404, False, 85)
    assert answer["available_qualities"] == ["low", "medium", "high", "ultra"]
    assert "choose one of low, medium, high, ultra" in answer["message"] and len(answer["message"]) < 200
    assert hub.streams["one"].quality == 85 and chosen == []


def test_an_unknown_stream_is_refused(client: FlaskClient) -> None:
    response = client.get("/api/streaming/quality/low?stream=three")
    assert (response.status_code, response.get_json()["success"]) == (404, False)


def test_before_there_is_a_stream_there_is_nothing_to_change(pool: ThreadPoolExecutor) -> None:
    client = create_app(Hub(StreamConfig(), pool)).test_client()
    response = client.post("/api/streaming/quality/low")
    assert (response.status_code, response.get_json()["message"]) == (404, "there is no stream yet")


def test_to_ask_for_the_head_alone_changes_nothing(client: FlaskClient, hub: Hub) -> None:
    assert client.head("/api/streaming/quality/low").status_code == 200
    assert hub.streams["one"].quality == 85


def test_a_preset_is_no_quicker_than_the_run_allows(hub: Hub) -> None:
    stream = hub.open("slow", "slow", StreamConfig(videoFps=2))
    stream.choose("ultra")
    assert stream.pace.fps == 2


# --- figures -------------------------------------------------------------------------------------------


def test_figures_are_unknown_until_there_is_a_frame(client: FlaskClient) -> None:
    figures = client.get("/api/streaming/stats?stream=one").get_json()
    assert (figures["method"], figures["capture_latency_ms"], figures["frames_captured"]) == (None, None, 0)
    assert figures["quality_settings"] == {"scale": 1, "fps": 30.0, "compression": 85}


def test_figures_are_those_of_the_stream(client: FlaskClient, hub: Hub, frame: MakeFrame) -> None:
    stream = hub.streams["one"]
    seen = [frame(number, cost=0.002, method="raw_buffer") for number in range(1, 5)]
    for one in seen:
        stream.put(one, one.captured)
    picture = stream.encoder.picture(seen[-1], Rung()).result()
    stream.shown(picture, 5.0, 1)
    figures: dict[str, Any] = client.get("/api/streaming/stats").get_json()
    assert figures["method"] == "raw_buffer"
    assert figures["capture_latency_ms"] == 2.0
    assert figures["compression_latency_ms"] == pytest.approx(picture.encode_seconds * 1000, abs=1e-3)
    assert (figures["frames_captured"], figures["frames_streamed"], figures["drop_rate_percent"]) == (
        4,
        1,
        75.0,
    )


def test_another_quality_is_measured_anew(hub: Hub, frame: MakeFrame) -> None:
    stream = hub.streams["one"]
    stream.encoder.picture(frame(1), Rung()).result()
    stream.choose("low")
    assert stream.performance()["compression_latency_ms"] is None


def test_figures_of_an_unknown_stream_are_refused(client: FlaskClient) -> None:
    assert client.get("/api/streaming/stats?stream=three").status_code == 404


def test_a_server_without_a_stream_has_figures_that_say_so(pool: ThreadPoolExecutor) -> None:
    figures = create_app(Hub(StreamConfig(), pool)).test_client().get("/api/streaming/stats").get_json()
    assert (figures["frames_captured"], figures["method"]) == (0, None)


# --- what pages are told -------------------------------------------------------------------------------


def test_the_status_says_which_quality_is_in_force_and_which_there_are(hub: Hub) -> None:
    hub.streams["one"].choose("high")
    told = status(hub.streams["one"], 1.0)
    assert (told["quality"], told["qualities"]) == ("high", ["low", "medium", "high", "ultra"])


def test_a_picture_is_made_at_the_quality_in_force_when_it_is_asked_for(hub: Hub, frame: MakeFrame) -> None:
    stream, rung = hub.streams["one"], Rung(scale=None)
    small = stream.encoder.picture(frame(1), rung).result()
    stream.choose("ultra")
    large = stream.encoder.picture(frame(1), rung).result()
    assert (small.width, large.width) == (6, 24)


# --- a real server -------------------------------------------------------------------------------------

TILES = np.repeat((np.indices((144, 160)).sum(0) // 16 % 4 * 85).astype(np.uint8)[..., np.newaxis], 3, axis=2)
LOW = "/api/streaming/quality/low"


@pytest.fixture
def port() -> Iterator[int]:
    with streaming(PictureEnv(TILES), videoStreamQuality="ultra") as port:
        yield port


def quality(port: int) -> Any:
    (stream,) = json.loads(get(port, "/api/streams")[2])["streams"]
    return stream["quality"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},  # An <img> of another site.
        {"Sec-Fetch-Site": "same-site"},  # A page of another port.
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Referer": "http://evil.example/page"},  # A browser without Sec-Fetch-Site.
    ],
)
def test_a_page_of_another_site_changes_nothing(port: int, headers: dict[str, str], method: str) -> None:
    assert get(port, LOW, headers, method)[0] == 403
    for spelling in (LOW.replace("/api", "//api"), LOW.replace("quality", "qualit%79"), f"http://x{LOW}"):
        assert get(port, spelling, headers, method)[0] in (403, 404, 308)
    assert quality(port) == "ultra"


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
def test_our_own_page_the_address_bar_and_scripts_may_change_it(port: int, headers: dict[str, str]) -> None:
    assert get(port, LOW, headers, "POST")[0] == 200
    assert quality(port) == "low"


def test_who_watches_gets_the_new_quality_without_asking_anew(port: int) -> None:
    with Watcher(port) as watcher:
        watcher.watch("PictureEnv", status=True)
        watcher.frame()
        get(port, LOW)
        until(lambda: watcher.message("streams")["streams"][0]["quality"] == "low", "the news")
        watcher.frame()


def test_pixel_art_goes_out_without_loss_at_its_own_size(port: int) -> None:
    with Watcher(port, "PictureEnv") as watcher:
        about, data = watcher.frame()
    assert (about["format"], about["width"], about["height"]) == ("webp", 160, 144)
    assert (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) == TILES)[1:].all()  # Above, it flickers.


@pytest.mark.parametrize(("format", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_a_viewer_may_want_one_format_only(port: int, format: str, kind: str) -> None:
    with Watcher(port) as watcher:
        watcher.watch("PictureEnv", format=format)
        about, data = watcher.frame()
    assert (about["format"], Image.open(io.BytesIO(data)).format) == (format, kind)


def test_a_screenshot_is_a_jpeg_enlarged_as_the_quality_in_force_says(port: int) -> None:
    for level, scale in (("ultra", 4), ("low", 1), ("high", 3)):
        get(port, LOW.replace("low", level))
        _, headers, data = get(port, "/screen")
        assert headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(data)).size == (160 * scale, 144 * scale)


def test_figures_of_a_real_stream_are_measured(port: int) -> None:
    get(port, "/screen")
    figures = json.loads(get(port, "/api/streaming/stats")[2])
    assert figures["method"] == "render"
    assert (
        min(figures[key] for key in ("capture_latency_ms", "compression_latency_ms", "frames_streamed")) > 0
    )
