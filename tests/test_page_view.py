"""The page that shows a camera, and boxes of what is found: over its picture, and on the main page."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

import pages
from envstream.detection.shapes import Scene
from pages import Page
from publishing import Alone, serving_alone
from scripted import Scripted, jpeg
from serving import get, until

pytest.importorskip("onnxruntime", reason='pip install "gymnasium-envstream[detect]"')
pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
BOX = {"label": "star", "index": 3, "x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5, "score": 0.87}
INK = "boxes.getContext('2d').getImageData(0, 0, boxes.width, boxes.height).data.some((one) => one > 0)"

SAME_PLACE = """(() => {
    const [one, other] = [boxes, picture].map((element) => element.getBoundingClientRect());
    return ['left', 'top', 'width', 'height'].every((side) => Math.abs(one[side] - other[side]) < 1.01);
})()"""


@contextlib.contextmanager
def filming(server: Alone, token: str, fps: float = 15.0) -> Iterator[None]:
    """A camera that is no page: sends a scene until it is taken away."""
    over = threading.Event()
    with connect(f"ws://127.0.0.1:{server.port}/ws/camera/{token}") as line:
        thread = threading.Thread(target=_send, args=(line, over, fps))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _send(line: ClientConnection, over: threading.Event, fps: float) -> None:
    scene, number = Scene(480, 270, count=4, seed=3), 0
    while not over.wait(1 / fps):
        number += 1
        file = io.BytesIO()
        Image.fromarray(scene.at(number / fps)[0]).save(file, "JPEG", quality=80)
        about = {"type": "frame_metadata", "frameNumber": number, "width": 480, "height": 270}
        line.send(json.dumps({**about, "format": "jpeg", "captured": time.monotonic()}))
        line.send(file.getvalue())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with serving_alone(tmp_path_factory.mktemp("kept"), "env.videoStreamDetect=shapes") as running:
        yield running


def module(page: Page, name: str, code: str) -> Any:
    """What a function body gives that uses a module of the page, as `it`."""
    return page.tab.evaluate(f"async () => {{ const it = await import('../static/{name}.js'); {code} }}")


def boxes(page: Page) -> int:
    said = page.data("boxes")
    return int(said) if said.isdigit() else 0


def test_a_camera_is_waited_for_shown_missed_and_shown_again(
    open_page: Callable[..., Page], server: Alone
) -> None:
    page = open_page(f"{server.url}view/yard")
    until(lambda: "The camera is not there yet" in page.text(), "the wait")
    assert page.tab.get_attribute("#camera-link", "href") == f"{server.url}camera/yard"
    with filming(server, "yard"):
        page.is_in("live")
        until(lambda: page.frame() > 5, "pictures")
        until(lambda: float(page.data("fps")) > 4, "their rate", 30)
        assert page.tab.title() == "Camera yard · live"
        assert int(page.data("latency")) < 2000
        assert "480 × 270" in page.text()
    page.is_in("ended")
    assert "The camera is gone" in page.text()
    with filming(server, "yard"):
        page.is_in("live")


def test_boxes_lie_over_the_picture_and_can_be_switched_off(
    open_page: Callable[..., Page], server: Alone
) -> None:
    with filming(server, "shapes"):
        page = open_page(f"{server.url}view/shapes")
        until(lambda: boxes(page) > 1, "boxes", 40)
        button = page.tab.get_by_role("button", name="Boxes")
        assert button.get_attribute("aria-pressed") == "true"
        until(lambda: page.tab.evaluate(INK), "their lines")
        for size in (PHONE, DESK):
            page.tab.set_viewport_size(size)
            until(lambda: page.tab.evaluate(SAME_PLACE), "them to lie on the picture")
        page.tab.keyboard.press("b")
        until(lambda: boxes(page) == 0 and not page.tab.evaluate(INK), "them to be gone")
        assert button.get_attribute("aria-pressed") == "false"
        page.tab.reload()
        until(lambda: button.is_visible(), "the switch", 40)
        assert button.get_attribute("aria-pressed") == "false"  # As it was left.
        assert boxes(page) == 0
        button.click()
        until(lambda: boxes(page) > 0, "boxes")


def test_it_reports_how_it_goes_once_a_second(open_page: Callable[..., Page], server: Alone) -> None:
    sent: list[dict[str, Any]] = []
    page = open_page(f"{server.url}health")
    page.tab.on(
        "websocket",
        lambda line: line.on("framesent", lambda text: sent.append(json.loads(text))),
    )

    def told(kind: str) -> list[dict[str, Any]]:
        page.tab.evaluate("0")  # What is on its way comes in.
        return [one for one in sent if one["type"] == kind]

    with filming(server, "told"):
        page.tab.goto(f"{server.url}view/told")
        page.is_in("live")
        until(lambda: any(one["fps"] > 2 for one in told("performance_stats")), "a report of the rate")
        report = told("performance_stats")[-1]
        assert report["latency"] >= 0 and report["queueSize"] >= 0
        acks = [one["frameNumber"] for one in told("ack")]
        assert len(acks) > 3 and acks == sorted(acks)
        watched = told("watch")[-1]["streams"]
        assert [(one["name"], one["boxes"]) for one in watched] == [("camera told", True)]


def test_the_picture_can_be_saved(open_page: Callable[..., Page], server: Alone, tmp_path: Path) -> None:
    with filming(server, "saved"):
        page = open_page(f"{server.url}view/saved")
        page.is_in("live")
        with page.tab.expect_download() as download:
            page.tab.keyboard.press("s")
        assert download.value.suggested_filename == "camera_saved.png"
        download.value.save_as(tmp_path / "picture.png")
        with Image.open(tmp_path / "picture.png") as picture:
            assert picture.size == (480, 270)


def test_it_goes_on_by_itself_when_the_server_was_away(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    with serving_alone(tmp_path / "one") as server:
        port = server.port
        with filming(server, "back"):
            page = open_page(f"{server.url}view/back")
            page.is_in("live")
    page.is_in("reconnecting")
    with serving_alone(tmp_path / "two", f"env.videoStreamPort={port}") as server, filming(server, "back"):
        page.is_in("live", 30)


def test_the_main_page_shows_boxes_over_its_large_picture_only(
    open_page: Callable[..., Page], server: Alone
) -> None:
    with filming(server, "main"):
        page = open_page(f"{server.url}#stream=camera main")
        assert page.tab.locator("#box-button").is_hidden()
        until(lambda: boxes(page) > 0, "boxes", 40)
        assert page.tab.locator("#box-button").is_visible()
        page.tab.keyboard.press("b")
        until(lambda: boxes(page) == 0 and not page.tab.evaluate(INK), "them to be gone")
        stats = json.loads(get(server.port, "/api/camera/main/stats")[2])
        assert stats["viewer_count"] == 1 and stats["processor_stats"]["inference_size"]


@pytest.fixture
def scripted(browser: Any) -> Iterator[Scripted]:
    page = Scripted(browser, "#stream=env", ("env", "other"))
    page.is_in("live")
    yield page
    page.context.close()
    assert page.problems == []


def found(page: Scripted, number: int, timestamp: float, *items: dict[str, Any], stream: str = "env") -> None:
    page.tell(
        type="boxes", stream=stream, frameNumber=number, timestamp=timestamp, boxes=list(items), inferenceMs=9
    )


def test_where_nothing_was_ever_found_there_is_no_switch(scripted: Scripted) -> None:
    scripted.picture(jpeg(9))
    until(lambda: scripted.grey() == 9, "the picture")
    assert scripted.tab.locator("#box-button").is_hidden()
    until(lambda: "other" in scripted.watched(), "its tile")
    assert scripted.watched()["env"]["boxes"] is True and "boxes" not in scripted.watched()["other"]


def test_boxes_belong_to_their_picture_and_not_to_an_older_or_much_later_one(scripted: Scripted) -> None:
    begun = scripted.now()
    first = scripted.picture(jpeg(9), timestamp=begun)
    until(lambda: scripted.grey() == 9, "the picture")
    found(scripted, first + 1, begun + 0.5, BOX)  # Of a picture that is not on show yet.
    until(lambda: scripted.tab.locator("#box-button").is_visible(), "the switch")
    assert boxes(scripted) == 0 and not scripted.tab.evaluate(INK)
    scripted.picture(jpeg(12), timestamp=begun + 0.5)
    until(lambda: boxes(scripted) == 1 and scripted.tab.evaluate(INK), "its box")
    scripted.picture(jpeg(15), timestamp=begun + 1.4)
    until(lambda: scripted.grey() == 15, "the next picture")
    assert boxes(scripted) == 1
    scripted.picture(jpeg(18), timestamp=begun + 1.6)
    until(lambda: boxes(scripted) == 0 and not scripted.tab.evaluate(INK), "what is too old to go")


def test_boxes_of_other_streams_and_of_what_is_no_longer_looked_at_are_not_drawn(scripted: Scripted) -> None:
    now = scripted.now()
    number = scripted.picture(jpeg(9), timestamp=now)
    found(scripted, number, now, BOX, stream="other")
    found(scripted, number, now, BOX, BOX)
    until(lambda: boxes(scripted) == 2, "the boxes of this one")
    scripted.tab.keyboard.press("ArrowRight")
    until(lambda: scripted.data("stream") == "other", "the other stream")
    until(lambda: boxes(scripted) == 0 and scripted.tab.locator("#box-button").is_hidden(), "them to go")


def test_boxes_are_forgotten_with_their_server(scripted: Scripted) -> None:
    now = scripted.now()
    number = scripted.picture(jpeg(9), timestamp=now)
    found(scripted, number, now, BOX)
    until(lambda: boxes(scripted) == 1, "a box")
    scripted.tell(type="hello", boot="two", now=scripted.now())
    until(lambda: boxes(scripted) == 0 and scripted.tab.locator("#box-button").is_hidden(), "them to go")


def test_a_box_is_drawn_where_it_is_said_to_be(scripted: Scripted) -> None:
    now = scripted.now()
    number = scripted.picture(jpeg(9), timestamp=now)
    found(scripted, number, now, BOX)
    until(lambda: boxes(scripted) == 1, "a box")
    at = (
        "(x, y) => boxes.getContext('2d').getImageData(Math.round(x * boxes.width),"
        " Math.round(y * boxes.height), 1, 1).data[3]"
    )
    left, right = f"({at})(0.25 + 1 / boxes.width, 0.5)", f"({at})(0.75 - 2 / boxes.width, 0.5)"
    bottom = f"({at})(0.5, 0.75 - 2 / boxes.height)"
    assert min(scripted.tab.evaluate(f"[{left}, {right}, {bottom}]")) > 200
    assert scripted.tab.evaluate(f"[({at})(0.5, 0.5), ({at})(0.1, 0.5), ({at})(0.9, 0.9)]") == [0, 0, 0]


@pytest.fixture(scope="module")
def pure(browser: Any, server: Alone) -> Iterator[Callable[[str, str], Any]]:
    """Has a function body use a module of the page."""
    page = Page(browser, f"{server.url}view/pure")
    yield lambda name, code: module(page, name, code)
    page.context.close()
    assert page.problems == []


Pure = Callable[[str, str], Any]


def test_each_class_has_a_colour_on_which_dark_words_can_be_read(pure: Pure) -> None:
    colours = pure(
        "boxes",
        "const pen = document.createElement('canvas').getContext('2d');"
        "return [...Array(80).keys()].map((index) => { pen.fillStyle = it.colourOf({ index, label: 'x' });"
        "pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].join(); });",
    )
    assert len(set(colours)) > 60 and len(set(colours[:8])) == 8

    def light(colour: str) -> float:
        parts = [int(one) / 255 for one in colour.split(",")]
        r, g, b = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert min((light(one) + 0.05) / 0.053 for one in colours) > 4.5
    assert pure("boxes", "return it.colourOf({ label: 'cat' });")  # Not every model counts its classes.


def test_captions_stay_inside_of_the_picture(pure: Pure) -> None:
    places = pure(
        "boxes",
        "const size = { width: 100, height: 60 };"
        "const places = [[20, 30], [90, 30], [0, 2], [99, 59]];"
        "return places.map(([x, y]) => it.captionPlace({ x, y }, 40, 18, size));",
    )
    assert places == [{"x": 19, "y": 12}, {"x": 60, "y": 12}, {"x": 0, "y": 3}, {"x": 60, "y": 41}]


def test_boxes_that_reach_beyond_the_picture_end_at_its_edge(pure: Pure) -> None:
    placed = pure(
        "boxes",
        "return it.placed({ x: -0.5, y: 0.5, width: 1, height: 2 }, { width: 200, height: 100 });",
    )
    assert placed == {"x": 0, "y": 50, "width": 100, "height": 50}


def test_what_was_found_in_words(pure: Pure) -> None:
    assert pure("boxes", "return it.caption({ label: 'star', score: 0.866 });") == "star 87 %"
    some = [
        {"label": label, "score": score} for label, score in (("b", 0.9), ("a", 0.4), ("b", 0.5), ("c", 0.2))
    ]
    assert pure("boxes", f"return it.counted({json.dumps(some)});") == "a 1, b 2"  # A guess does not count.
    code = "return it.detectorWords({ inferenceMs: 12.4, size: 416, confidence: 0.25, fps: 12 });"
    assert pure("cameraWords", code) == "12 ms · 416 px · from 25 % · 12.0 fps"


@pytest.mark.parametrize(
    ("at", "state", "headline"),
    [
        ({"phase": "connecting", "ever": False}, "connecting", "Connecting"),
        ({"phase": "lost", "ever": True, "ago": 900, "retryMs": 1500}, "reconnecting", "Reconnecting in 2 s"),
        ({"phase": "refused", "refusal": "token"}, "refused", "Locked"),
        ({"phase": "refused", "refusal": "unknown"}, "refused", "There is no such camera"),
        ({"phase": "refused", "refusal": "full"}, "refused", "No free seat"),
        ({"phase": "open", "blank": True, "there": None}, "waiting", "Waiting for the first picture"),
        ({"phase": "open", "blank": True, "there": False}, "waiting", "The camera is not there yet"),
        ({"phase": "open", "blank": False, "ago": 40, "there": None}, "live", ""),
        ({"phase": "open", "blank": False, "ago": 4000, "there": None}, "live", ""),
        ({"phase": "open", "blank": False, "ago": 4000, "there": True}, "stalled", ""),
        ({"phase": "open", "blank": False, "ago": 4000, "there": False}, "ended", "The camera is gone"),
    ],
)
def test_what_the_page_says(pure: Pure, at: dict[str, Any], state: str, headline: str) -> None:
    said = pure("lookWords", f"return it.lookSituation({json.dumps({'retryMs': None, **at})});")
    assert (said["state"], said["headline"]) == (state, headline)


def test_nothing_hangs_over_the_edge(open_page: Callable[..., Page], server: Alone) -> None:
    token = "long-name-" * 5
    page = open_page(f"{server.url}view/{token}")
    edge = "document.documentElement.scrollWidth <= innerWidth"
    until(lambda: "not there yet" in page.text(), "the wait")
    for look in page.looks():
        assert page.tab.evaluate(edge), look
    with filming(server, token):
        page.is_in("live")
        until(lambda: boxes(page) > 0, "boxes", 40)
        for look in page.looks():
            assert page.tab.evaluate(edge), look


def test_a_small_picture_of_a_camera_is_no_pixel_art(browser: Any) -> None:
    page = Scripted(browser, "#stream=camera a", ("camera a",))
    try:
        page.is_in("live")
        page.describe(name="camera a", camera=True)
        page.picture(jpeg(9), stream="camera a")
        until(lambda: page.grey() == 9, "the picture")
        filled = "Math.abs(picture.clientWidth - stage.clientWidth) < 2"
        filled += " || Math.abs(picture.clientHeight - stage.clientHeight) < 2"
        until(lambda: page.tab.evaluate(filled), "it to fill the stage")
        assert not page.tab.evaluate("picture.classList.contains('pixelated')")
        assert page.size() == (61, 41)  # No pixel is repeated.
    finally:
        page.context.close()
    assert page.problems == []
