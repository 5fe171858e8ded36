"""The page of what somebody sends to be kept: how it arrives, is processed, and the files at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pages
import videos
from elsewhere import Road
from pages import Page
from proxies import below_a_path
from publishing import numbered_film, pushing, serving_alone
from scripted import Scripted, jpeg
from serving import until

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

FRAMES = 60
PHONE = {"viewport": {"width": 390, "height": 844}}
ENV_WORDS = ("episode", "return", "steps / s", "total steps", "replay best")
SESSION = {
    "id": "a1",
    "state": "receiving",
    "received": 132,
    "expected": 300,
    "missing": 0,
    "lost": 0,
    "bytes": 3_214_075,
    "stage": "receiving",
    "percent": 41.3,
    "done": 124,
    "problem": None,
    "video": False,
    "processed": False,
}
PROCESSING = {"state": "processing", "received": 300, "stage": "processing", "percent": 65.9, "done": 195}
COMPLETE = {"state": "complete", "received": 300, "percent": 100.0, "done": 300, "video": True}

# What processors may do: change each picture, and take their time; or fail.
MODULES = """
import dataclasses, time
class Inverted:
    def __call__(self, frame):
        time.sleep(0.05)
        return dataclasses.replace(frame, pixels=255 - frame.pixels)
class Broken:
    def __call__(self, frame):
        if frame.number == 7:
            raise ValueError("seven is not to be had")
        return frame
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_film(tmp_path_factory.mktemp("film") / "wall.mp4", FRAMES)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "strange.py").write_text(MODULES)
    return folder


@pytest.fixture
def open_scripted(browser: Any) -> Iterator[Callable[..., Scripted]]:
    opened: list[Scripted] = []

    def opening(path: str = "", *streams: str, **session: Any) -> Scripted:
        page = Scripted(browser, path, streams or ("env",))
        opened.append(page)
        page.is_in("live")
        tell(page, **session)
        until(lambda: page.data("session") != "", "the session")
        return page

    yield opening
    for page in opened:
        page.context.close()
    assert [problem for page in opened for problem in page.problems] == []


def tell(page: Scripted, **session: Any) -> None:
    """Have the first stream be a session such as this."""
    state = "live" if session.get("state", "receiving") == "receiving" else "ended"
    empty = {"episode": None, "step": None, "return": None, "totalSteps": None, "stepsPerSecond": None}
    page.describe(title="wall.mp4", state=state, view=None, session={**SESSION, **session}, **empty)


def figure(page: Page, name: str) -> str:
    return str(page.tab.inner_text(f"#panel [data-value={name}]"))


def value_now(page: Page) -> int | None:
    value = page.tab.get_by_role("progressbar").get_attribute("aria-valuenow")
    return None if value is None else int(value)


def links(page: Page) -> list[str]:
    return [text.strip() for text in page.tab.locator("#panel a:visible:not(.quiet-link)").all_inner_texts()]


def saved(page: Page, name: str, path: Path) -> Path:
    """What a click on a link of the panel saves."""
    with page.tab.expect_download() as download:
        page.tab.get_by_role("link", name=name, exact=True).click()
    download.value.save_as(path)
    return path


def completed(page: Page) -> None:
    until(lambda: page.data("session") == "complete", f"completion, not {page.data('session')}", 40)


def test_what_arrives_is_counted_and_its_video_can_be_saved(
    open_page: Callable[..., Page], film: Path, tmp_path: Path
) -> None:
    with serving_alone(tmp_path / "kept", "env.videoStreamProcessors=[stats]") as server:
        page = open_page(server.url)
        page.is_in("waiting")
        with pushing(server.url, "--video", str(film), "--fps", "15"):
            until(lambda: page.data("session") == "receiving", "the session")
            until(lambda: page.data("state") == "live" and page.frame() > 1, "pictures")
            until(lambda: 0 < int(figure(page, "framesReceived")) < FRAMES, "frames")
            before = int(figure(page, "framesReceived"))
            assert figure(page, "framesExpected") == f"of {FRAMES}"
            assert not any(word in page.tab.inner_text("#panel") for word in ENV_WORDS)
            assert page.tab.locator("#show").is_hidden() and links(page) == []
            until(lambda: int(figure(page, "framesReceived")) > before, "more frames")
            until(lambda: value_now(page), "progress")
            completed(page)
        assert figure(page, "framesReceived") == str(FRAMES)
        assert (figure(page, "stage"), figure(page, "percent")) == ("Complete", "100 %")
        assert (figure(page, "missing"), figure(page, "lost")) == ("0", "0")
        assert page.tab.title() == "wall.mp4 · complete"
        assert links(page) == ["Video", "Result"]
        played = videos.played(saved(page, "Video", tmp_path / "video.mp4"))
        assert [shown.number for shown in played] == list(range(FRAMES))
        result = json.loads(saved(page, "Result", tmp_path / "result.json").read_text())
        assert result["processors"]["stats"]["frames"] == FRAMES


def test_what_processors_made_can_be_saved_as_well(
    open_page: Callable[..., Page], film: Path, modules: Path, tmp_path: Path
) -> None:
    told = "env.videoStreamProcessors=[strange.Inverted]"
    with serving_alone(tmp_path / "kept", told, modules=modules) as server:
        page = open_page(server.url, **PHONE)
        with pushing(server.url, "--video", str(film), "--fps", "100"):
            until(lambda: page.data("session") == "processing", "the processing")
            until(lambda: 0 < (value_now(page) or 0) < 100, "progress")
            assert figure(page, "stage") == "Processing the rest"
            assert "% processed · 60 frames" in page.tab.inner_text("#note")
            completed(page)
        assert links(page) == ["Video", "Processed video", "Result"]
        played = videos.played(saved(page, "Processed video", tmp_path / "processed.mp4"))
        # Its digits are inverted, of which there are twelve.
        assert [4095 - shown.number for shown in played] == list(range(FRAMES))


def test_a_processor_that_fails_is_said_in_a_sentence_and_the_video_is_there(
    open_page: Callable[..., Page], film: Path, modules: Path, tmp_path: Path
) -> None:
    told = "env.videoStreamProcessors=[strange.Broken]"
    with serving_alone(tmp_path / "kept", told, modules=modules) as server:
        page = open_page(server.url)
        with pushing(server.url, "--video", str(film), "--fps", "100"):
            until(lambda: page.data("session") == "flawed", "the problem", 40)
        assert "seven is not to be had" in page.tab.get_by_role("alert").inner_text()
        assert figure(page, "stage") == "Complete, with a problem"
        assert links(page) == ["Video", "Result"]
        assert len(videos.played(saved(page, "Video", tmp_path / "video.mp4"))) == FRAMES


def test_files_are_had_with_the_token_of_the_address_and_by_its_cookie(
    open_page: Callable[..., Page], film: Path, tmp_path: Path
) -> None:
    with serving_alone(tmp_path / "kept", "env.videoStreamToken=s3cret-s3cret") as server:
        with pushing(server.url, "--video", str(film), "--fps", "200", "--session-id", "mine") as push:
            assert push.wait(40) == 0
        page = open_page(f"http://127.0.0.1:{server.port}/?token=s3cret-s3cret")
        completed(page)
        assert len(videos.played(saved(page, "Video", tmp_path / "one.mp4"))) == FRAMES
        page.tab.reload()
        completed(page)
        href = page.tab.get_by_role("link", name="Video", exact=True).get_attribute("href")
        assert href == f"http://127.0.0.1:{server.port}/sessions/mine/video.mp4"
        assert len(videos.played(saved(page, "Video", tmp_path / "two.mp4"))) == FRAMES


def test_a_link_that_is_cut_on_the_way_costs_nothing_but_the_time(
    open_page: Callable[..., Page], film: Path, tmp_path: Path
) -> None:
    with serving_alone(tmp_path / "kept", "env.videoStreamProcessors=[stats]") as server:
        with Road(server.port) as road:
            page = open_page(server.url)
            output = "--output", str(tmp_path / "result.json")
            with pushing(
                f"http://127.0.0.1:{road.port}", "--video", str(film), "--fps", "20", *output
            ) as push:
                until(lambda: page.data("state") == "live" and page.frame() > 1, "pictures")
                until(lambda: int(figure(page, "framesReceived")) > 5, "some frames")
                road.cut()
                until(lambda: "connection is lost" in page.text(), "that its sender is gone")
                road.mend()
                assert push.wait(60) == 0
            completed(page)
            assert figure(page, "framesReceived") == str(FRAMES)
            shown = videos.played(saved(page, "Video", tmp_path / "a.mp4"))
            assert [one.number for one in shown] == list(range(FRAMES))
        result = json.loads((tmp_path / "result.json").read_text())
        assert result["received"]["received"] == FRAMES and result["received"]["lost"] == 0
        assert result["processors"]["stats"]["frames"] == FRAMES and result["problem"] is None


def test_a_server_that_nobody_sends_to_says_how(open_page: Callable[..., Page], tmp_path: Path) -> None:
    with serving_alone(tmp_path / "kept") as server:
        page = open_page(server.url)
        page.is_in("waiting")
        until(lambda: f"envstream push {server.url}" in page.text(), "how to send a video")


def test_files_are_had_below_a_path_of_a_reverse_proxy(
    open_page: Callable[..., Page], required: Callable[[str], str], film: Path, tmp_path: Path
) -> None:
    with serving_alone(tmp_path / "kept") as server:
        with pushing(server.url, "--video", str(film), "--fps", "200") as push:
            assert push.wait(40) == 0
        with below_a_path(required("nginx"), server.port, folder=tmp_path) as port:
            page = open_page(f"http://127.0.0.1:{port}/lab/run-1/")
            completed(page)
            assert len(videos.played(saved(page, "Video", tmp_path / "video.mp4"))) == FRAMES


def test_who_looks_closer_sees_missing_and_lost_only_where_there_are_some(
    open_scripted: Callable[..., Scripted],
) -> None:
    page = open_scripted()
    quiet = page.tab.evaluate("getComputedStyle(document.querySelector('.lost dd')).color")
    assert page.tab.locator("#panel .lost .icon").is_hidden()
    tell(page, missing=3, lost=12)
    until(lambda: figure(page, "lost") == "12", "what is lost")
    assert figure(page, "missing") == "3"
    assert page.tab.locator("#panel .lost .icon").is_visible()
    assert page.tab.evaluate("getComputedStyle(document.querySelector('.lost dd')).color") != quiet


def test_the_progress_is_told_to_who_cannot_see_it(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()
    bar = page.tab.get_by_role("progressbar", name="Processing")
    until(lambda: value_now(page) == 41, "a value")
    said = "Processing as it arrives, 41 %, 124 of 300 frames processed"
    assert bar.get_attribute("aria-valuetext") == said
    tell(page, expected=None, percent=None)  # Nobody knows how much a camera sends.
    until(lambda: value_now(page) is None, "no value")
    assert bar.get_attribute("aria-valuetext") == "Processing as it arrives, 124 of 132 frames processed"
    tell(page, **PROCESSING)
    until(lambda: value_now(page) == 65, "a value again")


def test_a_session_that_failed_has_its_result_only(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()
    tell(page, **{**COMPLETE, "video": False, "problem": "there is no room left on the disk"})
    until(lambda: links(page) == ["Result"], "the link")
    assert page.tab.get_by_role("alert").inner_text().strip() == "there is no room left on the disk"
    assert (page.data("session"), page.data("state")) == ("failed", "failing")


def test_a_connection_that_is_lost_is_no_end(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()
    tell(page, **PROCESSING)
    page.is_in("processing")
    for session, state in ((PROCESSING, "reconnecting"), (COMPLETE, "complete")):
        status = json.dumps({"state": "ended", "session": {**SESSION, **session}})
        at = f"{{ phase: 'lost', ever: true, ago: 1, retryMs: 500, status: {status} }}"
        assert page.module("situation", f"return it.situation({at}).state;") == state
    watched = len(page.all_heard("watch"))
    page.drop()
    until(lambda: len(page.all_heard("watch")) > watched, "the page to come back")
    tell(page, **COMPLETE)
    page.is_in("complete")


def test_an_env_beside_a_session_is_as_it_ever_was(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted("#stream=sent", "sent", "env")
    page.streams["env"].update(view="live", episode=7)
    tell(page)
    tiles = page.tab.locator(".tile")
    until(lambda: "44 %" in tiles.nth(0).inner_text(), "the session's tile")
    assert tiles.nth(0).inner_text().split() == ["sent", "receiving", "44", "%"]
    assert "ep 7" in tiles.nth(1).inner_text()
    for _ in range(2):
        tiles.nth(1).click()
        until(lambda: page.data("session") == "", "the env")
        page.picture(jpeg(9), stream="env")
        until(lambda: figure(page, "episode") == "1", "its episode")
        panel = page.tab.inner_text("#panel")
        assert all(word in panel for word in ("return", "episode", "steps / s")), panel
        assert "frames received" not in panel
        assert page.tab.locator("#show").is_visible()
        assert page.tab.locator("#chart canvas").bounding_box()["height"] > 50
        tiles.nth(0).click()
        until(lambda: page.data("session") == "receiving", "the session")
        assert not any(word in page.tab.inner_text("#panel") for word in ENV_WORDS)
        assert page.tab.locator("#show").is_hidden()


def test_in_the_grid_nothing_of_an_env_is_said_of_a_session(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted("#stream=sent", "sent", "env")
    page.tab.keyboard.press("g")
    until(lambda: page.data("view") == "grid", "the grid")
    for session, said in (
        ({}, "receiving 44 %"),
        ({"expected": None}, "receiving 132"),
        (PROCESSING, "processing 65 %"),
        ({**COMPLETE, "bytes": 7_294_075}, "complete 7.3 MB"),
    ):
        tell(page, **session)
        tile = page.tab.locator(".tile").first
        until(lambda: said in " ".join(tile.inner_text().split()), said)  # noqa: B023
        assert "ep" not in tile.inner_text().split()
        assert "episode" not in (tile.get_attribute("aria-label") or "")


def test_embedded_it_is_said_in_one_line(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted("?embed=1")
    page.picture(jpeg(9))
    until(lambda: "132 of 300 frames · 3.2 MB" in page.text(), "the line")
    assert "episode" not in page.text()
    tell(page, **PROCESSING)
    until(lambda: "65 % processed · 300 frames · 3.2 MB" in page.text(), "the progress")


def test_words_can_be_read_and_nothing_hangs_over_the_edge(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()
    page.tab.emulate_media(reduced_motion="reduce")
    problem = "undistort: the-matrix-of-the-camera-is-in-/a/folder/that/is/nowhere/to/be/found/x.json"
    large = {"received": 123_456, "expected": 200_000, "bytes": 98_765_432_100, "done": 123_000}
    flawed = {**COMPLETE, **large, "lost": 76_544, "problem": problem, "processed": True}
    for session in ({**large, "missing": 3}, COMPLETE, flawed):
        tell(page, **session)
        page.tab.wait_for_timeout(500)
        edge = "document.documentElement.scrollWidth <= innerWidth && panel.scrollWidth <= panel.clientWidth"
        for look in page.looks():
            assert page.tab.evaluate(edge), look
            assert page.tab.evaluate(LEGIBLE) == [], look


# Visible words of the panel whose contrast to what is behind them is below WCAG AA; and that contrast.
LEGIBLE = """() => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const behind = (element) => {
        const grounds = [];
        for (let at = element; at; at = at.parentElement)
            grounds.unshift(getComputedStyle(at).backgroundColor);
        for (const ground of ['white', ...grounds]) {
            context.fillStyle = ground;
            context.fillRect(0, 0, 1, 1);
        }
    };
    const light = () => {
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((one) => one / 255)
            .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const poor = [];
    for (const element of document.querySelectorAll('[data-account] *')) {
        const words = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
        if (!words || !element.checkVisibility()) continue;
        behind(element);
        const ground = light();
        context.fillStyle = getComputedStyle(element).color;
        context.fillRect(0, 0, 1, 1);
        const ink = light();
        const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
        if (contrast < 4.5) poor.push([element.textContent, contrast]);
    }
    return poor;
}"""


def test_where_a_session_stands_in_words(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()

    def of(function: str, **session: Any) -> Any:
        said = json.dumps({**SESSION, **session})
        return page.module("session", f"return it.{function}({said});")

    assert of("standing", state="ending") == "receiving"
    assert of("standing", state="ended") == "processing"
    assert of("standing", state="failed") == "failed"
    assert of("standing", **COMPLETE, problem="x") == "flawed"
    assert of("extent") == "132 of 300 frames"
    assert of("extent", received=1, expected=1) == "1 frame"
    assert of("brief") == "132 of 300 frames · 3.2 MB"
    assert of("progress", stage=None, percent=None, done=None) == {
        "stage": "Waiting to be processed",
        "percent": None,
        "text": "",
    }
    assert of("progress", state="ending", missing=2)["stage"] == "Waiting for what is missing"
    assert of("progress", percent=99.9)["percent"] == 99
    assert of("progress", **{**COMPLETE, "percent": None, "done": None})["percent"] == 100
    assert of("files") == []
    complete = of("files", **COMPLETE, processed=True)
    assert [one["path"] for one in complete] == [
        "sessions/a1/video.mp4",
        "sessions/a1/processed.mp4",
        "sessions/a1/result.json",
    ]


def test_sizes_are_said_in_words(open_scripted: Callable[..., Scripted]) -> None:
    page = open_scripted()
    sizes = [0, 812, 43_210, 999_499, 7_294_075, 999_400_000, 1_234_000_000, 98_765_432_100]
    assert page.module("words", f"return {sizes}.map(it.bytes);") == [
        "0 bytes",
        "812 bytes",
        "43 kB",
        "999 kB",
        "7.3 MB",
        "999 MB",
        "1.23 GB",
        "99 GB",
    ]
