"""Cameras on a real server: who may be one, what viewers see of it, and what strangers can do to it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import senders
import webcams
from envstream import codec
from envstream.frame import Pixels
from envstream.web.cameras import camera_in, view_of
from senders import Alone, Publisher, alone
from serving import Watcher, get, until
from webcams import Camera, Running

pytest.importorskip("onnxruntime", reason='pip install "gymnasium-envstream[detect]"')

SECRET = "a-token-of-the-server"
DETECT: dict[str, Any] = {
    "videoStreamDetect": "shapes",
    "videoStreamDetectSize": [320, 320],
    "videoStreamDetectBudget": 5,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server whose pages need no token."""
    folder = tmp_path_factory.mktemp("cameras")
    with alone(folder / "sessions", videoRecordFolder=folder / "recordings", **DETECT) as server:
        yield server
        assert not [line for line in server.errors if "Traceback" in line or "could not be dealt" in line]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server whose pages need a token, with two cameras."""
    with alone(
        tmp_path_factory.mktemp("closed"), videoStreamToken=SECRET, videoStreamCameras=["door", "roof-2"]
    ) as server:
        yield server


@pytest.fixture(scope="module")
def running(server: Alone) -> Iterator[Running]:
    """A camera that sends all the while, and has heard of no error in the end."""
    with Running(server.port, "scene") as running:
        yield running
        assert running.errors == []


@pytest.fixture
def still(server: Alone, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a stream whose camera sees the same all the while."""
    token = f"still-{senders.named()}"
    with Running(server.port, token, still=True):
        yield f"camera {token}"


def viewing(port: int, token: str, **options: Any) -> Watcher:
    return Watcher(port, path=f"/ws/view/{token}", **options)


def shown(camera: Camera, viewer: Watcher, data: bytes, number: int = 1) -> tuple[dict[str, Any], bytes]:
    """The next picture that a viewer gets, of a camera that sends this one until it does."""
    while True:
        camera.shoot(number, data, width=64, height=64)
        try:
            about, picture = viewer.message("frame_metadata", 0.05), viewer.receive()
        except TimeoutError:  # It came too soon after the one before.
            continue
        return about, picture


def said(port: int, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(get(port, f"/api/camera/{token}/stats")[2])
    return answer


# --- viewers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ack", [False, True])
def test_a_viewer_goes_on_getting_pictures_whether_it_acknowledges_or_not(
    server: Alone, running: Running, ack: bool
) -> None:
    with viewing(server.port, "scene") as viewer:
        numbers = [viewer.frame(ack=ack)[0]["frameNumber"] for _ in range(40)]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("size", [(16, 16), (1280, 720)])
def test_pictures_of_any_size_go_on_without_acknowledgements(server: Alone, size: tuple[int, int]) -> None:
    token = senders.named()
    about, numbers = {"width": size[0], "height": size[1]}, []
    with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
        for number in range(1, 10_000):
            camera.shoot(number, webcams.jpeg(*size, 6 * (number % 40)), **about)
            try:
                told = viewer.message("frame_metadata", 0.05)
            except TimeoutError:  # More often than it is shown.
                continue
            assert (told["sourceWidth"], told["sourceHeight"]) == size
            assert codec.decode(viewer.receive()).shape == (size[1], size[0], 3)
            numbers.append(told["frameNumber"])
            if len(numbers) == 40:
                break
    assert numbers == sorted(set(numbers)) and number < 200


def test_a_viewer_may_be_there_before_its_camera(server: Alone) -> None:
    token = senders.named()
    with viewing(server.port, token) as viewer, Camera(server.port, token) as camera:
        assert until(lambda: camera.message("demand")["watched"], "the word that somebody watches")
        camera.shoot(1)
        assert viewer.frame()[0]["stream"] == f"camera {token}"


def test_a_viewer_that_was_away_gets_the_newest_and_nothing_from_before(
    server: Alone, running: Running
) -> None:
    with viewing(server.port, "scene") as viewer:
        about, _ = viewer.frame()
        held = [viewer.frame(ack=False)[0] for _ in range(2)]
        before = running.landed
        until(lambda: running.landed > before + 15, "pictures that it does not get")
        began = time.monotonic()
        viewer.ack(held[-1])
        newest = viewer.frame()[0]
        while newest["frameNumber"] <= held[-1]["frameNumber"] + 2:  # What was under way before that.
            newest = viewer.frame()[0]
    assert newest["timestamp"] > began - 0.5 and newest["frameNumber"] > about["frameNumber"] + 10


def test_viewers_hear_of_their_own_quality_and_not_of_the_cameras(server: Alone, running: Running) -> None:
    with viewing(server.port, "scene") as viewer:
        viewer.frame()
        viewer.send(
            type="watch", streams=[{"name": "camera scene", "quality": 33, "format": "jpeg"}], status=False
        )
        about = until(lambda: next(a for a, _ in [viewer.frame()] if True), "a picture")
        while about["quality"] != 33:
            about = viewer.frame()[0]
    assert about["cameraQuality"] == 90


# --- what is found -------------------------------------------------------------------------------------


def test_boxes_are_where_things_are(server: Alone, running: Running) -> None:
    found = there = messages = 0
    with viewing(server.port, "scene") as viewer:
        while messages < 12:
            message = viewer.receive()
            if isinstance(message, dict) and message["type"] == "boxes":
                truths = running.truths[round(message["timestamp"], 6)]
                found, there = found + webcams.right(message["boxes"], truths), there + len(truths)
                messages += 1
            elif isinstance(message, dict) and message["type"] == "frame_metadata":
                viewer.ack(message)
    assert found > 0.7 * there > 10


def test_on_the_usual_socket_boxes_come_to_who_wants_them(server: Alone, running: Running) -> None:
    with Watcher(server.port) as wants, Watcher(server.port) as does_not:
        wants.watch("camera scene", boxes=True)
        does_not.watch("camera scene")
        assert wants.message("boxes")["stream"] == "camera scene"
        kinds = {does_not.message("frame_metadata")["type"] for _ in range(2)}
        while not isinstance(message := does_not.receive(), bytes):
            kinds.add(message["type"])
        assert "boxes" not in kinds


def test_a_picture_that_came_damaged_ends_nothing_where_boxes_are_drawn(server: Alone) -> None:
    token = senders.named()
    damaged = (Path(__file__).parent / "corpus" / "picture-bytes-between-markers.jpg").read_bytes()
    with Camera(server.port, token) as camera, Watcher(server.port) as viewer:
        camera.shoot(1)
        until(lambda: f"camera {token}" in get(server.port, "/api/streams")[2].decode(), "the stream")
        viewer.watch(f"camera {token}@boxes")
        seen, number = 0, 1
        while seen < 5:  # Pictures that come at once are not all shown.
            number += 1
            data = damaged if number % 2 else webcams.jpeg(64, 64, number % 200)
            camera.shoot(number, data, width=64, height=48 if number % 2 else 64)
            with contextlib.suppress(TimeoutError):
                seen += viewer.frame(0.5)[0]["stream"] == f"camera {token}@boxes"


def boxes_of(port: int, stream: str) -> list[dict[str, Any]]:
    """What is found in a stream that stands still."""
    with Watcher(port) as viewer:
        viewer.watch(stream, boxes=True)
        boxes: list[dict[str, Any]] = viewer.message("boxes")["boxes"]
    assert len(boxes) >= 2
    return boxes


def fully(pixels: Pixels, boxes: list[dict[str, Any]]) -> bool:
    """Whether all that was found is drawn in."""
    return all(webcams.outlined(pixels, each) for each in boxes)


@pytest.mark.parametrize("path", ["/screen", "/api/screenshot"])
def test_a_screenshot_has_the_boxes_drawn_in_where_they_are_asked_for(
    server: Alone, still: str, path: str
) -> None:
    boxes, where = boxes_of(server.port, still), f"{path}?format=png&stream={still.replace(' ', '%20')}"
    plain, with_boxes = (codec.decode(get(server.port, where + more)[2]) for more in ("", "&boxes=true"))
    assert fully(with_boxes, boxes) and not fully(plain, boxes)
    assert get(server.port, where + "&boxes=perhaps")[0] == 400


def test_it_has_them_also_where_nobody_watched_before(server: Alone, still: str) -> None:
    where = f"/screen?format=png&boxes=true&stream={still.replace(' ', '%20')}"
    pixels = codec.decode(get(server.port, where)[2])
    assert fully(pixels, boxes_of(server.port, still))


def marked(pixels: Pixels) -> bool:
    """Whether there is more in a picture than the camera saw at any time."""
    seen = [codec.decode(view.jpeg).astype(int) for view in webcams.views()]
    return min(float((np.abs(pixels - view) > 80).mean()) for view in seen) > 0.004


def mjpeg(port: int, path: str, wanted: Callable[[Pixels], bool]) -> int:
    """How many pictures come until one is as wanted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        for count in range(1, 200):
            size = 0
            while (line := answer.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length"):
                    size = int(line.split(b":")[1])
            if size and wanted(codec.decode(answer.read(size))):
                return count
            answer.readline()
    finally:
        connection.close()
    raise AssertionError("no such picture came")


def test_an_mjpeg_stream_has_the_boxes_drawn_in(server: Alone, running: Running) -> None:
    drawn: list[bool] = []

    def enough(pixels: Pixels) -> bool:
        drawn.append(marked(pixels))
        return sum(drawn) > 15

    where = "/stream?stream=camera%20scene&quality=95"
    assert mjpeg(server.port, where + "&boxes=true", enough) > 15
    assert mjpeg(server.port, where, lambda pixels: not marked(pixels)) == 1


def test_a_recording_has_the_boxes_drawn_in(server: Alone, running: Running, tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
    where = "stream=camera%20scene@boxes"
    assert get(server.port, f"/api/record/start?{where}", method="POST")[0] == 200
    with viewing(server.port, "scene") as viewer:  # Until something was found, and some pictures after that.
        viewer.message("boxes")
        for _ in range(30):
            viewer.frame()
    answer = json.loads(get(server.port, f"/api/record/stop?{where}", method="POST")[2])
    assert answer["success"] and answer["file"]
    file = "/" + answer["file"].replace(" ", "%20")
    movie = tmp_path / "movie.mp4"

    def whole() -> bool:
        told = get(server.port, file.replace(".mp4", ".json"))
        return bool(told[0] == 200 and json.loads(told[2] or "{}").get("state") == "finished")

    until(whole, "the end of the file")
    movie.write_bytes(get(server.port, file)[2])
    with av.open(str(movie)) as opened:
        pictures = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    assert sum(map(marked, pictures)) > 5, "there is more in them than the camera saw"


# --- statistics ----------------------------------------------------------------------------------------


def test_the_statistics_of_a_camera_that_never_was_say_so(server: Alone) -> None:
    about = said(server.port, senders.named())
    assert about["camera_connected"] is False and about["viewer_count"] == 0
    assert about["latency_ms"] == {} and about["stream"] is None
    assert about["processor_stats"]["inference_size"] is None and about["processor_stats"]["enabled"] is True


def test_the_statistics_say_how_long_each_stage_takes(server: Alone, running: Running) -> None:
    with viewing(server.port, "scene") as viewer:
        viewer.message("boxes")
        for _ in range(10):
            about, _ = viewer.frame(ack=False)
            viewer.send(type="ack", stream=about["stream"], frameNumber=about["frameNumber"], transferMs=0.01)
        viewer.send(type="ping", t=1)
        viewer.message("pong")
        about = said(server.port, "scene")
    assert about["camera_connected"] is True and about["viewer_count"] == 1
    latency = about["latency_ms"]
    assert set(latency) == {"capture", "upload", "queue", "inference", "encode", "delivery", "paint"}
    for stage in latency.values():
        assert 0 <= stage["p50"] <= stage["p95"] <= stage["p99"] < 20_000
    assert latency["capture"]["p50"] == 2.0
    processor = about["processor_stats"]
    assert processor["inference_size"] == 320 and processor["gpu_available"] is False
    assert 0.15 <= processor["confidence_threshold"] <= 0.5 and 1 <= processor["target_fps"] <= 30
    assert processor["detections"] > 0 and processor["problem"] is None


def test_what_a_viewer_says_of_a_transfer_is_not_believed_where_it_cannot_be(server: Alone) -> None:
    token = senders.named()
    with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
        for number, transfer in enumerate((-5, 1e9, 1e299, "soon", None, 10**400), 1):
            about, _ = shown(camera, viewer, webcams.jpeg(64, 64, 40 * number))
            viewer.send(
                type="ack", stream=about["stream"], frameNumber=about["frameNumber"], transferMs=transfer
            )
        until(lambda: "delivery" in said(server.port, token)["latency_ms"], "deliveries")
        latency = said(server.port, token)["latency_ms"]
    assert "paint" not in latency and latency["delivery"]["p99"] < 20_000


def test_where_nobody_watches_nothing_is_looked_for(server: Alone) -> None:
    token = senders.named()
    with Camera(server.port, token) as camera:
        assert camera.message("demand")["watched"] is False
        for number in range(1, 11):
            camera.shoot(number)
        camera.landed(10)
        about = said(server.port, token)
    assert "inference" not in about["latency_ms"] and about["processor_stats"]["inference_size"] is None
    assert about["viewer_count"] == 0 and about["camera_connected"] is True


def test_a_camera_that_has_gone_is_not_connected(server: Alone) -> None:
    token = senders.named()
    with Camera(server.port, token) as camera:
        camera.shoot(1)
        camera.landed(1)
    until(lambda: not said(server.port, token)["camera_connected"], "the end of the connection")


# --- cameras -------------------------------------------------------------------------------------------


def test_a_camera_hears_its_own_numbers_and_the_clock(server: Alone) -> None:
    with Camera(server.port, senders.named()) as camera:
        assert camera.ack["credits"] > 1 and camera.ack["max_message"] > 1_000_000
        assert "resume_token" not in camera.ack
        camera.shoot(1000)
        assert camera.landed(1000)["up_to"] == 1
        camera.say("ping", t=12.5)
        pong = camera.message("pong")
        assert pong["t"] == 12.5 and abs(pong["now"] - time.monotonic()) < 10


def test_a_second_camera_of_the_same_token_takes_over(server: Alone) -> None:
    token = senders.named()
    with Camera(server.port, token) as first, viewing(server.port, token) as viewer:
        assert codec.decode(shown(first, viewer, webcams.jpeg(64, 64, 10), 7)[1]).mean() < 20
        with Camera(server.port, token) as second:
            assert first.closed() == 1008
            assert codec.decode(shown(second, viewer, webcams.jpeg(64, 64, 200))[1]).mean() > 150
            second.landed(1)
            assert said(server.port, token)["camera_connected"] is True


def test_a_publisher_cannot_stand_in_for_a_camera(server: Alone) -> None:
    token = senders.named()
    false = {"width": 64, "height": 64, "fps": 30, "encoding": "jpeg", "live": True}
    with Publisher(server.port) as publisher:
        publisher.start(**false, name=f"camera {token}")
        assert said(server.port, token)["stream"] is None
        with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
            assert codec.decode(shown(camera, viewer, webcams.jpeg(64, 64, 200))[1]).mean() > 150
            assert said(server.port, token)["stream"] == f"camera {token}"


def test_a_camera_that_says_its_end_may_come_again(server: Alone) -> None:
    token = senders.named()
    with viewing(server.port, token) as viewer:
        with Camera(server.port, token) as camera:
            shown(camera, viewer, webcams.jpeg(64, 64, 10), 5)
            camera.say("session_end")
            camera.message("session_ended")
        until(lambda: not said(server.port, token)["camera_connected"], "its end")

        def comes() -> bool:
            with Camera(server.port, token) as again:
                if again.ack["state"] != "receiving":
                    return False
                picture = shown(again, viewer, webcams.jpeg(64, 64, 200))[1]
                return bool(codec.decode(picture).mean() > 150)

        until(comes, "the camera to be shown again")


GARBAGE: list[tuple[str, dict[str, Any], bytes, str]] = [
    ("no JPEG", {}, b"no picture at all", "not_an_image"),
    ("nothing", {}, b"", "bad_frame"),
    (
        "a PNG",
        {"width": 64, "height": 64},
        codec.encode(np.zeros((64, 64, 3), np.uint8), "png"),
        "wrong_encoding",
    ),
    ("another size", {"width": 100, "height": 100}, webcams.jpeg(64, 64), "wrong_dimensions"),
    ("half of one", {"width": 64, "height": 64}, webcams.jpeg(64, 64)[:100], "not_an_image"),
    ("very large", {"width": 60_000, "height": 60_000}, webcams.jpeg(64, 64), "too_many_pixels"),
]


@pytest.mark.parametrize(
    ("about", "data", "code"), [each[1:] for each in GARBAGE], ids=[g[0] for g in GARBAGE]
)
def test_a_picture_that_is_none_is_an_error_and_the_next_one_is_shown(
    server: Alone, about: dict[str, Any], data: bytes, code: str
) -> None:
    token = senders.named()
    with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
        camera.shoot(3, data, **about)
        error = camera.error(code)
        assert error["recoverable"] and error["frameNumber"] == 3
        camera.shoot(4)
        assert viewer.frame()[0]["sourceWidth"] == webcams.SIZE[0]
        camera.landed(4)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([b"bytes"], "unexpected_bytes"),
        (["{"], "bad_message"),
        (['{"type":"frame_metadata","frameNumber":1,"width":64,"height":64}', "text"], "bad_message"),
        (['{"type":"session_start"}'], "unknown_type"),
        (['{"type":"frame_metadata","frameNumber":' + "9" * 400 + ',"width":64,"height":64}'], "bad_frame"),
        (['{"type":"frame_metadata","frameNumber":1,"width":1e99,"height":64}'], "bad_frame"),
        (["x" * 100_000], "bad_message"),
    ],
    ids=["bytes alone", "no JSON", "text for bytes", "a start", "a long number", "a wide picture", "long"],
)
def test_what_cannot_be_meant_is_an_error_and_the_next_picture_is_shown(
    server: Alone, messages: list[Any], code: str
) -> None:
    token = senders.named()
    with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
        for message in messages:
            camera.socket.send(message)
        camera.error(code)
        camera.shoot(4)
        assert viewer.frame()[0]["stream"] == f"camera {token}"


def test_a_picture_that_breaks_off_within_is_told_of_and_the_next_one_is_shown(server: Alone) -> None:
    token = senders.named()
    data = webcams.views()[0].jpeg
    with Camera(server.port, token) as camera, viewing(server.port, token) as viewer:
        camera.shoot(1, data[: len(data) // 2])
        camera.shoot(2, webcams.views()[1].jpeg)
        camera.landed(2)
        assert viewer.frame()[0]["stream"] == f"camera {token}"


# --- sessions ------------------------------------------------------------------------------------------


def test_a_session_with_detect_tells_what_was_found(server: Alone) -> None:
    pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
    with Publisher(server.port) as publisher:
        publisher.start(
            width=webcams.SIZE[0], height=webcams.SIZE[1], processors=[{"name": "detect", "size": 320}]
        )
        for number, view in enumerate(webcams.views()[:4], 1):
            publisher.frame(number, view.jpeg)
        publisher.say("session_end", frames=4)
        result = publisher.result()
    told = result["processors"]["detect"] if "processors" in result else result["detect"]
    assert told["looked_at"] == 4 and told["found_in"] >= 3 and told["size"] == 320
    seen = webcams.views()[told["detections"][0]["frame"] - 1].truths
    assert webcams.right(told["detections"][0]["boxes"], seen) >= 1


def test_a_publisher_does_not_choose_the_model(server: Alone) -> None:
    with Publisher(server.port) as publisher:
        wanted = [{"name": "detect", "model": "/etc/passwd"}]
        publisher.say("session_start", width=64, height=48, fps=30, encoding="jpeg", processors=wanted)
        error = publisher.error("unknown_processor")
        assert "leave `model` out" in error["message"] and publisher.closed() == 1008


# --- who may -------------------------------------------------------------------------------------------


def status_of(port: int, path: str, **headers: str) -> int:
    """How a request is answered; of a socket, 101 where it is opened."""
    if not path.startswith("/ws"):
        return get(port, path, headers)[0]
    try:
        with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers or None, close_timeout=1):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


PLACES = ("/camera/{}", "/view/{}", "/api/camera/{}/stats", "/ws/camera/{}", "/ws/view/{}")


@pytest.mark.parametrize("place", PLACES)
def test_where_the_page_needs_no_token_any_camera_may_come(server: Alone, place: str) -> None:
    assert status_of(server.port, place.format("any-one_2")) in (200, 101)
    assert status_of(server.port, place.format("x" * 64)) in (200, 101)


@pytest.mark.parametrize("token", ["x" * 65, "a%20b", "a.b", "%2e%2e", "a%0a", "%C3%A9", "a%00", ""])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_token_is_no_camera(server: Alone, place: str, token: str) -> None:
    assert status_of(server.port, place.format(token)) == 404


@pytest.mark.parametrize("place", PLACES)
def test_where_the_page_needs_a_token_that_of_a_listed_camera_is_enough(closed: Alone, place: str) -> None:
    assert status_of(closed.port, place.format("door")) in (200, 101)
    assert status_of(closed.port, place.format("roof-2")) in (200, 101)


@pytest.mark.parametrize("place", PLACES)
def test_one_that_is_not_listed_is_none(closed: Alone, place: str) -> None:
    assert status_of(closed.port, place.format("cellar")) == 401, (
        "without a token nobody hears which there are"
    )
    assert status_of(closed.port, place.format("cellar"), Authorization=f"Bearer {SECRET}") == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/stats",
        "/api/streams",
        "/screen?stream=camera%20door",
        "/stream?stream=camera%20door",
        "/api/camera/door",
        "/camera/door/stats",
        "/view/door/stats",
        "/camera/door/../../stats",
        "/camera/door%2f..%2f..%2fstats",
        "/view/door%0a",
        "/camera/",
        "//camera/door/x",
        "/ws",
        "/ws/camera/door/stats",
        "/ws/stream",
        "/streaming/stats",
        "/api/episodes?stream=camera%20door",
        "/?token=door",
    ],
)
def test_a_cameras_token_opens_nothing_else(closed: Alone, path: str) -> None:
    assert status_of(closed.port, path) == 401


@pytest.mark.parametrize("place", PLACES)
def test_pages_of_other_sites_get_nothing(server: Alone, closed: Alone, place: str) -> None:
    for port in (server.port, closed.port):
        assert status_of(port, place.format("door"), Origin="http://elsewhere.example") == 403
    assert get(server.port, place.format("door"), {"Host": "elsewhere.example"})[0] == 403


def test_a_camera_that_is_listed_is_seen_by_its_token_alone(closed: Alone) -> None:
    with Camera(closed.port, "door") as camera, viewing(closed.port, "door") as viewer:
        camera.shoot(1)
        assert viewer.frame()[0]["stream"] == "camera door"
        about = said(closed.port, "door")
    assert about["viewer_count"] == 1 and about["processor_stats"]["enabled"] is False


def test_who_has_the_token_of_one_camera_neither_sees_another_nor_hears_of_it(closed: Alone) -> None:
    with Camera(closed.port, "roof-2") as roof, viewing(closed.port, "door") as viewer:
        roof.shoot(1)
        roof.landed(1)
        for _ in range(2):
            assert "roof" not in json.dumps(viewer.message("streams"))
        viewer.watch("camera roof-2", status=True)
        assert viewer_closed(viewer) == 1008
    with Camera(closed.port, "door") as door, viewing(closed.port, "door") as viewer:
        viewer.watch("camera door@boxes")
        numbers = itertools.count(1)

        def seen() -> bool:
            door.shoot(next(numbers))  # One that comes before it is watched is not drawn into.
            with contextlib.suppress(TimeoutError):
                return bool(viewer.frame(timeout=1)[0]["stream"] == "camera door@boxes")
            return False

        until(seen, "the same with what was found")


def viewer_closed(viewer: Watcher) -> int:
    """The code with which the server ends a viewer's connection."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            viewer.socket.recv(20)
    return int(viewer.socket.close_code or 0)


def test_where_cameras_are_listed_no_other_comes_also_without_a_token(tmp_path: Path) -> None:
    with alone(tmp_path / "sessions", videoStreamCameras=["door"]) as server:
        assert [status_of(server.port, place.format("cellar")) for place in PLACES] == [404] * 5
        assert status_of(server.port, "/api/camera/door/stats") == 200


def test_where_the_page_needs_a_token_no_camera_comes_until_it_is_listed(tmp_path: Path) -> None:
    with alone(tmp_path / "sessions", videoStreamToken=SECRET) as server:
        for place in PLACES:
            assert status_of(server.port, place.format("door")) == 401
            assert status_of(server.port, place.format("door"), Authorization=f"Bearer {SECRET}") == 404


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_model_that_is_none_is_a_sentence_on_the_page_and_pictures_go_on(tmp_path: Path) -> None:
    model = tmp_path / "notes.onnx"
    model.write_bytes(b"\x08no model")
    with alone(tmp_path / "sessions", videoStreamDetect=model) as server, Running(server.port, "cam"):
        with viewing(server.port, "cam") as viewer:
            for _ in range(20):
                viewer.frame(ack=False)
            sentence, heard = "nothing is looked for: notes.onnx", ""
            while sentence not in heard:
                heard = " ".join(stream["message"] or "" for stream in viewer.message("streams")["streams"])
            viewer.frame(ack=False)
            about = said(server.port, "cam")
        assert "notes.onnx" in about["processor_stats"]["problem"]
        assert len([line for line in server.errors if "nothing is looked for" in line]) == 1
        screen = get(server.port, "/screen?stream=camera%20cam&boxes=true")
        assert screen[0] == 200, "it is shown without boxes"


# --- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/camera/a", "/view/a", "/ws/camera/a", "/ws/view/a", "/api/camera/a/stats"]
)
def test_the_token_is_found_in_each_address(path: str) -> None:
    assert camera_in(path) == "a"


@pytest.mark.parametrize(
    "path",
    ["/", "/camera", "/camera/", "/camera/a/", "/camera/a\n", "/ws/api/camera/a/stats", "/api/view/a/stats"],
)
def test_other_addresses_have_none(path: str) -> None:
    assert camera_in(path) is None


def test_a_view_is_told_to_watch_its_camera_with_boxes() -> None:
    assert json.loads(view_of("a"))["streams"] == [{"name": "camera a", "boxes": True}]
