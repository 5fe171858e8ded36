"""The page of a camera in a real browser: what it sends, how it adapts, and what it says where it cannot."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import pages
from envstream.detection.shapes import Scene
from pages import QUIET, Page, chromium
from proxies import below_a_path
from publishing import Alone, serving_alone
from serving import get, until

pytest.importorskip("onnxruntime", reason='pip install "gymnasium-envstream[detect]"')
pytestmark = pytest.mark.browser
open_page = pages.open_page

FPS, SECONDS = 30, 3
FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
LOOKING = "env.videoStreamDetect=shapes"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera sees: shapes that move, as Motion JPEG."""
    path = tmp_path_factory.mktemp("camera") / "shapes.mjpeg"
    scene = Scene(640, 360, count=5, seed=3)
    with path.open("wb") as file:
        for number in range(FPS * SECONDS):
            Image.fromarray(scene.at(number / FPS)[0]).save(file, "JPEG", quality=85)
    return path


@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Any]:
    """A browser whose camera sees that."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]'")
    seen = f"--use-file-for-fake-video-capture={film}"
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium(), args=[*QUIET, *FAKE, seen])
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with serving_alone(tmp_path_factory.mktemp("kept"), LOOKING) as running:
        yield running


def stats(server: Alone, token: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(get(server.port, f"/api/camera/{token}/stats")[2])
    return said


def connected(server: Alone, token: str) -> bool:
    return bool(stats(server, token)["camera_connected"])


def start(page: Page) -> None:
    page.tab.get_by_role("button", name="Start", exact=True).click()


def figure(page: Page, name: str) -> str:
    return str(page.tab.inner_text(f"#panel [data-value={name}]"))


def module(page: Page, name: str, code: str) -> Any:
    """What a function body gives that uses a module of the page, as `it`."""
    return page.tab.evaluate(f"async () => {{ const it = await import('../static/{name}.js'); {code} }}")


def test_what_the_camera_sees_comes_to_who_watches_it(open_page: Callable[..., Page], server: Alone) -> None:
    page = open_page(f"{server.url}camera/front")
    page.is_in("waiting")
    assert not connected(server, "front")
    assert "only" not in page.tab.title() and page.tab.title() == "Camera front · off"
    start(page)
    page.is_in("live")
    until(lambda: connected(server, "front"), "the camera at the server")
    until(lambda: page.frame() > 0, "a picture")

    viewer = open_page(f"{server.url}view/front")
    viewer.is_in("live")
    until(lambda: figure(page, "watched") == "yes", "somebody to be told of")
    until(lambda: float(page.data("fps")) > 8, f"a rate, not {page.data('fps')}", 30)
    until(lambda: viewer.frame() > 10, "pictures")
    until(lambda: viewer.data("latency").isdigit(), "a latency")
    assert int(viewer.data("latency")) < 2000  # By the server's clock, which the camera tells times in.
    width, height = re.findall(r"(\d+) × (\d+)", viewer.text())[0]
    # 640 x 360, or less on a busy machine.
    assert int(width) / int(height) == pytest.approx(16 / 9, abs=0.02)
    assert "×" in figure(page, "size")
    until(lambda: "bit/s" in figure(page, "bitrate"), "a bitrate")  # None of a second without a picture.
    until(lambda: figure(page, "trip").endswith("s"), "a round trip")
    assert page.tab.evaluate("preview.videoWidth > 0")

    page.tab.keyboard.press(" ")
    page.is_in("waiting")
    until(lambda: not connected(server, "front"), "the camera to go")
    assert page.tab.evaluate("preview.srcObject === null")  # Its light goes out.
    viewer.is_in("ended")
    assert "The camera is gone" in viewer.text()
    page.tab.keyboard.press(" ")
    viewer.is_in("live")


def test_its_tile_on_the_main_page_tells_rate_and_size(open_page: Callable[..., Page], server: Alone) -> None:
    start(open_page(f"{server.url}camera/tiled"))
    wall = open_page(server.url)
    until(lambda: wall.data("state") in ("live", "waiting"), "the page")
    wall.tab.keyboard.press("g")
    tile = wall.tab.locator('.tile[data-stream="camera tiled"]')
    until(lambda: "640 × 360" in tile.inner_text(), "its size")
    assert "fps" in tile.inner_text() and "ep " not in tile.inner_text()
    assert "640 × 360" in (tile.get_attribute("aria-label") or "")


def test_while_nobody_watches_one_picture_a_second_is_sent(
    open_page: Callable[..., Page], server: Alone
) -> None:
    page = open_page(f"{server.url}camera/quiet")
    start(page)
    page.is_in("live")
    until(lambda: page.frame() > 1, "pictures")
    before, began = page.frame(), time.monotonic()
    until(lambda: page.frame() > before + 1, "two more")
    assert time.monotonic() - began > 1.2
    assert "nobody watches" in page.tab.inner_text("#note")
    assert figure(page, "watched") == "no"


def test_what_is_found_is_drawn_over_what_the_camera_sees(
    open_page: Callable[..., Page], server: Alone
) -> None:
    page = open_page(f"{server.url}camera/shapes")
    start(page)
    page.is_in("live")
    assert page.tab.locator("#panel-found").is_hidden()
    page.tab.keyboard.press("b")
    until(lambda: int(page.data("boxes")) > 1, "boxes", 40)
    drawn = "boxes.getContext('2d').getImageData(0, 0, boxes.width, boxes.height).data.some((one) => one > 0)"
    assert page.tab.evaluate(drawn)
    until(lambda: any(name in figure(page, "found") for name in ("circle", "square", "star")), "their names")
    assert " px" in figure(page, "detector")
    page.tab.keyboard.press("b")
    until(lambda: page.data("boxes") == "0", "no boxes")
    assert not page.tab.evaluate(drawn)
    until(lambda: not stats(server, "shapes")["viewer_count"], "nobody to watch")


def test_the_overlay_lies_on_the_picture_in_a_stage_of_any_shape(
    open_page: Callable[..., Page], server: Alone
) -> None:
    page = open_page(f"{server.url}camera/edges", viewport=PHONE)
    start(page)
    page.is_in("live")
    page.tab.keyboard.press("b")
    until(lambda: int(page.data("boxes")) > 0, "boxes", 40)
    for size in (PHONE, DESK, {"width": 600, "height": 900}):
        page.tab.set_viewport_size(size)
        until(
            lambda: page.tab.evaluate(
                "boxes.clientHeight > 9 && Math.abs(boxes.clientWidth / boxes.clientHeight"
                " - preview.videoWidth / preview.videoHeight) < 0.02"
                " && (Math.abs(boxes.clientWidth - stage.clientWidth) < 2"
                " || Math.abs(boxes.clientHeight - stage.clientHeight) < 2)"
            ),
            "the overlay to be as large as the picture",
        )


@pytest.mark.parametrize(
    ("error", "said", "helps"),
    [
        ("NotAllowedError", "The camera is not allowed", "address bar"),
        ("NotFoundError", "There is no camera", "Plug one in"),
        ("NotReadableError", "The camera is in use", "Another program"),
        ("OddError", "The camera does not open", "OddError"),
    ],
)
def test_why_there_is_no_camera_is_said_and_what_helps(
    open_page: Callable[..., Page], server: Alone, error: str, said: str, helps: str
) -> None:
    page = open_page(f"{server.url}camera/none")
    page.tab.evaluate(
        "(name) => { const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "window.mend = () => (navigator.mediaDevices.getUserMedia = real);"
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }",
        error,
    )
    start(page)
    page.is_in("failing")
    words = page.text()
    assert said in words and helps in words
    assert not connected(server, "none")
    page.tab.evaluate("void mend()")
    start(page)  # It can be tried again.
    page.is_in("live")


def test_on_a_page_that_is_not_secure_it_says_where_it_would_be(
    open_page: Callable[..., Page], server: Alone
) -> None:
    page = open_page(f"{server.url}camera/open")
    page.tab.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")
    start(page)
    page.is_in("failing")
    assert "This page is not secure" in page.text()
    assert f"http://localhost:{server.port}/camera/open" in page.text()


def test_a_camera_that_is_unplugged_is_missed(open_page: Callable[..., Page], server: Alone) -> None:
    page = open_page(f"{server.url}camera/plug")
    start(page)
    page.is_in("live")
    page.tab.evaluate("preview.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    page.is_in("failing")
    assert "The camera is gone" in page.text()
    until(lambda: not connected(server, "plug"), "its connection to end")


def test_another_page_takes_its_place_and_it_does_not_fight_back(
    open_page: Callable[..., Page], server: Alone
) -> None:
    first = open_page(f"{server.url}camera/both")
    start(first)
    first.is_in("live")
    second = open_page(f"{server.url}camera/both")
    start(second)
    second.is_in("live")
    first.is_in("failing")
    assert "Another page has this camera’s place" in first.text()
    before = second.frame()
    until(lambda: second.frame() > before + 1, "the second one to go on")
    assert first.data("state") == "failing"


def test_it_comes_back_by_itself_to_a_server_that_was_away(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = f"env.videoStreamPort={port}"
    with serving_alone(tmp_path / "one", told) as server:
        page = open_page(f"{server.url}camera/back")
        start(page)
        page.is_in("live")
        until(lambda: page.frame() > 0, "a picture")
    page.is_in("reconnecting")
    assert page.tab.evaluate("preview.srcObject !== null")  # The camera stays open.
    before = page.frame()
    with serving_alone(tmp_path / "two", told) as server:
        page.is_in("live", 30)
        until(lambda: page.frame() > before, "pictures again")
        assert connected(server, "back")


def test_all_of_it_works_below_a_path_of_a_reverse_proxy(
    open_page: Callable[..., Page], required: Callable[[str], str], server: Alone, tmp_path: Path
) -> None:
    with below_a_path(required("nginx"), server.port, folder=tmp_path) as port:
        page = open_page(f"http://127.0.0.1:{port}/lab/run-1/camera/deep")
        start(page)
        page.is_in("live")
        viewer = open_page(page.tab.get_attribute("#link", "href"))
        assert viewer.tab.url == f"http://127.0.0.1:{port}/lab/run-1/view/deep"
        viewer.is_in("live")
        until(lambda: viewer.frame() > 1, "pictures")


def test_a_camera_that_is_listed_needs_no_other_token(open_page: Callable[..., Page], tmp_path: Path) -> None:
    told = "env.videoStreamToken=s3cret-s3cret", "env.videoStreamCameras=[gate-1]"
    with serving_alone(tmp_path / "kept", *told) as server:
        address = f"http://127.0.0.1:{server.port}"
        page = open_page(f"{address}/camera/gate-1")
        start(page)
        page.is_in("live")
        viewer = open_page(f"{address}/view/gate-1")
        viewer.is_in("live")
        until(lambda: viewer.frame() > 1, "pictures")


class Silent(Page):
    """The page, and a server that says only what a test has it say."""

    def prepare(self) -> None:
        self.pictures = 0
        self.told: list[dict[str, Any]] = []
        self.tab.route_web_socket("**/ws/camera/*", self._greet)

    def _greet(self, connection: Any) -> None:
        self._socket = connection
        connection.on_message(self._hear)
        self.say(type="session_ack", next=1, credits=64)
        self.say(type="demand", watched=True, fps=30, quality="high", width=None)

    def _hear(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.pictures += 1
            assert message.startswith(b"\xff\xd8")
        else:
            self.told.append(json.loads(message))

    def say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def came(self) -> int:
        """How many pictures came."""
        self.tab.evaluate("0")  # What is on its way comes in.
        return self.pictures

    def numbers(self) -> list[int]:
        return [one["frameNumber"] for one in self.told if one["type"] == "frame_metadata"]


@pytest.fixture
def silent(browser: Any, server: Alone) -> Iterator[Silent]:
    page = Silent(browser, f"{server.url}camera/silent")
    yield page
    page.context.close()
    assert page.problems == []


def test_no_more_than_two_pictures_are_under_way(silent: Silent) -> None:
    start(silent)
    silent.is_in("live")
    until(lambda: silent.came() >= 2, "two pictures")
    silent.tab.wait_for_timeout(700)
    assert silent.came() == 2
    silent.say(type="frame_ack", up_to=2, frameNumber=silent.numbers()[-1], credits=64)
    until(lambda: silent.came() == 4, "two more")
    assert silent.numbers() == [1, 2, 3, 4]
    said = next(one for one in silent.told if one["type"] == "frame_metadata")
    assert said["format"] == "jpeg" and said["width"] > 0 and 30 <= said["quality"] <= 92
    assert abs(said["timestamp"] / 1000 - time.time()) < 60


def test_times_are_told_in_the_clock_of_the_server(silent: Silent) -> None:
    start(silent)
    silent.is_in("live")
    ping = until(
        lambda: silent.came() >= 0 and [one for one in silent.told if one["type"] == "ping"], "a ping"
    )[-1]
    silent.say(type="pong", t=ping["t"], now=5000 + ping["t"] / 1000)
    until(lambda: silent.came() == 2, "pictures")
    silent.say(type="frame_ack", up_to=2, frameNumber=2, credits=64)
    until(lambda: silent.came() == 4, "later ones")
    newest = [one for one in silent.told if one["type"] == "frame_metadata"][-1]
    here = float(silent.tab.evaluate("performance.now() / 1000"))
    assert 5000 + here - 15 < newest["captured"] <= 5000 + here


# How the pace adapts: times put in by hand.
LINE = """
    // A line of so many bytes a second and so long a way, over so many seconds; what the pace does with it.
    function line(pace, { bytes, way, seconds, picture, encode = 5, from = 0 }) {
        const [acks, rungs, made] = [[], [], []];
        let [free, number, sent, asked] = [from, from * 1000, 0, from];
        for (let now = from; now < from + 1000 * seconds; now += 1000 / 60) {
            while (acks.length && acks[0].at <= now) pace.acknowledged(acks.shift().number, now);
            pace.step(now, 0);
            if (now >= asked) pace.heard(Math.max(0, free - now) + way);
            if (now >= asked) asked += 2000;
            rungs.push(pace.scale * pace.quality);
            while (made.length && made[0] <= now) made.shift();
            if (!pace.due(now, 0, made.length > 1)) continue;
            made.push(Math.max(now, made.at(-1) ?? 0) + encode * pace.scale ** 2);
            const size = picture * pace.scale ** 2 * pace.quality ** 1.5;
            free = Math.max(free, now) + (1000 * size) / bytes;
            pace.compressed(encode * pace.scale ** 2);
            pace.sent((number += 1), now);
            acks.push({ number, at: free + way });
            sent += 1;
        }
        const late = rungs.slice(rungs.length / 2);
        const changes = late.filter((one, at) => at && one !== late[at - 1]).length;
        const { fps, scale, quality, why, trip } = pace;
        return { fps, scale, quality, why, trip, rate: sent / seconds, changes };
    }
    function made(most = 30, quality = 92) {
        const pace = new it.Pace(most);
        pace.demand({ watched: true, fps: 60, quality });
        pace.connected();
        return pace;
    }
"""


@pytest.fixture(scope="module")
def pure(browser: Any, server: Alone) -> Iterator[Callable[[str, str], Any]]:
    """Has a function body use a module of the page."""
    page = Page(browser, f"{server.url}camera/pure")
    yield lambda name, code: module(page, name, code)
    page.context.close()
    assert page.problems == []


Pure = Callable[[str, str], Any]


def paced(pure: Pure, code: str) -> Any:
    return pure("cameraPace", LINE + code)


def test_on_a_good_line_pictures_become_as_good_as_they_can(pure: Pure) -> None:
    good = "{ bytes: 5e7, way: 4, seconds: 30, picture: 120000 }"
    end = paced(pure, f"return line(made(), {good});")
    assert (end["fps"], end["scale"], end["quality"], end["why"]) == (30, 1, 0.92, None)
    assert end["rate"] > 28


def test_where_the_device_can_there_are_sixty_a_second(pure: Pure) -> None:
    end = paced(pure, "return line(made(60), { bytes: 5e7, way: 2, seconds: 20, picture: 90000 });")
    assert end["fps"] == 60 and end["rate"] > 50


def test_a_picture_that_is_made_when_two_others_have_gone_is_not_sent(pure: Pure) -> None:
    code = """
    const pace = new it.Pace();
    const fits = [];
    for (const number of [1, 2]) {
        fits.push(pace.fits(0));
        pace.sent(number, 0);
    }
    fits.push(pace.fits(0));
    pace.acknowledged(1, 0);
    return [...fits, pace.fits(0)];
    """
    assert pure("cameraPace", code) == [True, True, False, True]


def test_on_a_narrow_line_pictures_get_smaller_before_they_get_fewer(pure: Pure) -> None:
    end = paced(pure, "return line(made(), { bytes: 600000, way: 10, seconds: 40, picture: 120000 });")
    assert end["rate"] > 15
    assert end["scale"] * end["quality"] < 0.7
    assert end["trip"] < 400


def test_on_a_line_that_carries_next_to_nothing_five_small_ones_are_left(pure: Pure) -> None:
    end = paced(pure, "return line(made(), { bytes: 12000, way: 20, seconds: 60, picture: 120000 });")
    assert (end["scale"], end["quality"]) == (0.25, 0.3)
    assert 5 <= end["fps"] < 20 and end["why"] == "link"


def test_a_long_line_costs_rate_and_no_quality(pure: Pure) -> None:
    end = paced(pure, "return line(made(), { bytes: 5e7, way: 200, seconds: 40, picture: 120000 });")
    assert 8 < end["rate"] <= 11
    assert end["scale"] == 1 and end["quality"] >= 0.75


def test_a_device_that_compresses_slowly_sends_smaller_ones(pure: Pure) -> None:
    end = paced(
        pure, "return line(made(), { bytes: 5e7, way: 4, seconds: 30, picture: 120000, encode: 60 });"
    )
    assert end["scale"] < 1


def test_it_goes_down_at_once_and_up_slowly_and_does_not_flap(pure: Pure) -> None:
    way = "way: 5, picture: 120000"
    told = paced(
        pure,
        f"""const pace = made();
        const good = line(pace, {{ bytes: 5e7, seconds: 20, {way} }});
        const fall = line(pace, {{ bytes: 300000, seconds: 5, from: 20000, {way} }});
        const long = line(pace, {{ bytes: 300000, seconds: 90, from: 25000, {way} }});
        const again = line(pace, {{ bytes: 5e7, seconds: 60, from: 115000, {way} }});
        return [good, fall, long, again];""",
    )
    good, fall, long, again = (one["scale"] * one["quality"] for one in told)
    assert fall < 0.75 * good and long < good
    assert told[2]["changes"] < 14  # In forty-five seconds.
    assert again > long


def test_the_rate_is_what_the_server_asks_for_and_one_where_nobody_watches(pure: Pure) -> None:
    told = paced(
        pure,
        """const pace = made();
        const asked = (fps, watched, quality) => {
            pace.demand({ fps, watched, quality });
            return [pace.fps, +pace.quality.toFixed(2)];
        };
        return [asked(10, true, 'low'), asked(10, false, 92), asked(0, true, 40), asked(1, true, 10)];""",
    )
    # A little faster than asked, as two beats of one rate miss each other.
    assert told == [[12.5, 0.6], [1, 0.75], [30, 0.4], [5, 0.3]]


def test_what_is_held_back_or_never_acknowledged_is_not_added_to(pure: Pure) -> None:
    told = paced(
        pure,
        """const pace = made();
        const first = [pace.due(0, 1e6), pace.due(0, 0)];
        pace.sent(1, 0);
        pace.sent(2, 10);
        const two = pace.underWay;
        const later = [pace.due(1000, 0), pace.due(10005, 0), pace.underWay];
        pace.refused();
        return [...first, two, ...later, pace.underWay];""",
    )
    assert told == [False, True, 2, False, True, 1, 0]


def test_an_acknowledgement_counts_for_all_before_it(pure: Pure) -> None:
    told = paced(
        pure,
        """const pace = made();
        pace.sent(7, 0);
        pace.sent(8, 50);
        pace.acknowledged(8, 100);
        const { underWay, trip } = pace;
        pace.sent(9, 100);
        pace.connected();
        return [underWay, trip, pace.underWay, pace.trip];""",
    )
    assert told[0] == 0 and 50 <= told[1] <= 100 and told[2:] == [0, None]


def test_what_is_asked_of_the_browser_for_each_choice(pure: Pure) -> None:
    asked = pure(
        "cameraSource",
        "return ['user', 'abc', ''].map((device) => it.constraints({ device, size: '720', fps: 60 }).video);",
    )
    assert asked[0]["facingMode"] == "user" and asked[1]["deviceId"] == {"ideal": "abc"}
    assert not {"facingMode", "deviceId"} & set(asked[2])
    assert asked[2]["width"] == {"ideal": 1280} and asked[2]["frameRate"] == {"ideal": 60, "max": 60}


def test_pictures_have_whole_and_even_sizes(pure: Pure) -> None:
    sizes = "[1, 0.75, 0.375, 0.001].map((share) => it.scaled({ width: 641, height: 359 }, share))"
    assert [list(one.values()) for one in pure("cameraShutter", f"return {sizes};")] == [
        [641, 359],
        [480, 270],
        [240, 134],
        [16, 16],
    ]


def test_times_on_the_cameras_clock_are_told_on_ours(pure: Pure) -> None:
    told = pure(
        "cameraSource",
        """const origin = new it.Origin();
        const quick = [origin.captured(5000, 103), origin.captured(5033, 134), origin.captured(5066, 190)];
        const jumped = [origin.captured(900000, 224), origin.captured(900033, 257)];
        return [...quick, ...jumped];""",
    )
    # The second was on its way for the least time; what comes late was captured no later.
    assert told == pytest.approx([103, 134, 167, 224, 257], abs=0.1)


LACKING = ["MediaStreamTrackProcessor", "VideoFrame", "Worker", "OffscreenCanvas"]


@pytest.mark.parametrize("count", range(1, len(LACKING) + 1))
def test_browsers_that_lack_the_quicker_ways_send_pictures_all_the_same(
    open_page: Callable[..., Page], server: Alone, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    gone = "".join(f"delete window.{name};" for name in LACKING[:count])
    monkeypatch.setattr(Page, "prepare", lambda page: page.tab.add_init_script(gone))
    page = open_page(f"{server.url}camera/lacking-{count}")
    start(page)
    page.is_in("live")
    until(lambda: page.frame() > 1, "pictures")
    monkeypatch.undo()
    viewer = open_page(f"{server.url}view/lacking-{count}")
    viewer.is_in("live")
    until(lambda: viewer.frame() > 5, "pictures")


def test_where_its_worker_does_not_begin_the_page_compresses_itself(
    open_page: Callable[..., Page], server: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(page: Page) -> None:
        page.tab.route("**/shutterWorker.js", lambda route: route.abort())

    monkeypatch.setattr(Page, "prepare", without)
    page = open_page(f"{server.url}camera/alone")
    start(page)
    page.is_in("live")
    until(lambda: page.frame() > 1, "pictures")


def test_why_the_server_does_not_let_it_in_is_said(pure: Pure) -> None:
    said = pure(
        "cameraWords",
        "return ['token', 'unknown', 'its publisher is here again, x', 'flooding'].map(it.refused);",
    )
    assert [one["headline"] for one in said] == [
        "Locked",
        "There is no such camera",
        "Another page has this camera’s place",
        "The server has ended it",
    ]
    assert "flooding" in said[3]["text"]


def test_nothing_hangs_over_the_edge(open_page: Callable[..., Page], server: Alone) -> None:
    page = open_page(f"{server.url}camera/{'long-name-' * 6}")
    edge = (
        "document.documentElement.scrollWidth <= innerWidth && panel.scrollWidth <= panel.clientWidth"
        " && [...document.querySelectorAll('button, select, a')].every((one) => !one.checkVisibility()"
        " || one.getBoundingClientRect().right <= innerWidth + 0.5)"
    )
    page.is_in("waiting")
    for look in page.looks():
        assert page.tab.evaluate(edge), look
    start(page)
    page.is_in("live")
    page.tab.keyboard.press("b")
    until(lambda: page.tab.locator("#panel-found").is_visible(), "what is found")
    for look in page.looks():
        assert page.tab.evaluate(edge), look
        assert page.tab.evaluate("start.getBoundingClientRect().bottom <= innerHeight"), look
