"""The self-test in a real browser: it measures, proves what was painted, and says what it came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pages
from envstream import video
from envstream.testcard import STRIP, Card
from fakes import PictureEnv
from pages import Page
from proxies import below_a_path
from serving import streaming, until

pytestmark = pytest.mark.browser

browser, open_page = pages.browser, pages.open_page

STAGES = ["wait", "compress", "queue", "transfer", "draw", "screen", "total"]


def measured(page: Page) -> Any:
    """What it came to."""
    until(lambda: page.data("result"), "the self-test to be over")
    return json.loads(page.data("result"))


def test_it_measures_below_a_path_and_what_was_painted_is_proved(
    open_page: Callable[..., Page], required: Callable[[str], str], tmp_path: Path
) -> None:
    with (
        streaming(PictureEnv()) as direct,
        below_a_path(required("nginx"), direct, folder=tmp_path) as port,
    ):
        page = open_page(f"http://127.0.0.1:{port}/lab/run-1/selftest?seconds=1")
        page.is_in("waiting")
        page.tab.click("#start")
        report = measured(page)
        formats = [phase["format"] for phase in report["phases"]]
        assert formats == (["jpeg", "h264"] if video.missing() is None else ["jpeg"])
        for phase in report["phases"]:
            assert phase["pictures"] > 1 and phase["proved"] == phase["pictures"]
            assert list(phase["stages"]) == STAGES
            total = phase["stages"]["total"]
            assert 0 < total["p50"] <= total["p95"] <= total["p99"]
            assert phase["bytesPerSecond"] > 0 and phase["fps"] > 0
        assert report["secureContext"] is True and report["roundTripMs"]["count"] >= 12
        assert report["verdict"]["text"] in page.text() and "capture to paint" in page.text()
        # Again, with a stream of its own that begins at 1.
        page.tab.click("#start")
        assert len(measured(page)["phases"]) == len(formats)


def test_the_result_can_be_copied_and_a_link_may_start_it(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(), videoStreamToken="s3cret", videoStreamCodec="jpeg") as port:
        page = open_page(
            f"http://127.0.0.1:{port}/selftest?token=s3cret&seconds=1#run",
            permissions=["clipboard-read", "clipboard-write"],
        )
        report = measured(page)
        assert [phase["format"] for phase in report["phases"]] == ["jpeg"]
        assert report["h264"] == "no: not made by this server"
        page.tab.click("[data-action=copy]")
        until(lambda: "Copied." in page.text(), "the copy")
        copied = page.tab.evaluate("navigator.clipboard.readText()")
        assert json.loads(copied) == report and "s3cret" not in copied


def test_without_its_token_the_page_is_not_to_be_had(browser: Any) -> None:
    with streaming(PictureEnv(), videoStreamToken="s3cret") as port, browser.new_context() as context:
        tab = context.new_page()
        assert tab.goto(f"http://127.0.0.1:{port}/selftest").status == 401


@pytest.fixture(scope="module")
def blank(browser: Any) -> Any:
    """The page before it has begun."""
    with streaming(PictureEnv()) as port, Page(browser, f"http://127.0.0.1:{port}/selftest") as page:
        page.is_in("waiting")
        yield page


@pytest.mark.parametrize("number", [1, 255, 65_536, 2**24 - 1])
def test_the_page_reads_the_number_that_the_server_wrote(blank: Page, number: int) -> None:
    line = Card().picture(number)[STRIP // 2]
    pixels = [value for pixel in line.tolist() for value in (*pixel, 255)]
    assert blank.module("testcard", f"return it.numberIn(Uint8ClampedArray.from({pixels}))") == number
    pixels[0:80] = [255 - value for value in pixels[0:80]]
    assert blank.module("testcard", f"return it.numberIn(Uint8ClampedArray.from({pixels}))") is None


def test_percentiles_and_jitter_are_what_they_are_called(blank: Page) -> None:
    said = blank.module(
        "measure",
        "const hundred = Array.from({length: 100}, (_, at) => 100 - at);"
        "const jitter = it.jitter([0, 10, 20, 35, 45]);"
        "return [it.summed([...hundred, NaN]), jitter, it.fpsOf([0, 100, 200]), it.percentile([], 50)];",
    )
    assert said == [{"p50": 51, "p95": 96, "p99": 100, "count": 100}, 5, 10, None]


@pytest.mark.parametrize(
    ("fps", "text"),
    [
        (29.4, "Your way is good for 30 fps; 24 ms behind (JPEG)."),
        (12.0, "Your way carries 12.0 of 30 fps; 24 ms behind (JPEG)."),
    ],
)
def test_the_verdict_is_one_sentence(blank: Page, fps: float, text: str) -> None:
    phase = {"format": "jpeg", "fps": fps, "proved": 5, "stages": {"total": {"p50": 24.2}}}
    assert blank.module("measure", f"return it.verdict([{json.dumps(phase)}], 30).text") == text


def test_where_nothing_came_through_nothing_is_claimed(blank: Page) -> None:
    phase = {"format": "jpeg", "fps": 30, "proved": 0, "stages": {"total": {"p50": 24.2}}}
    said = blank.module("measure", f"return it.verdict([{json.dumps(phase)}], 30)")
    assert not said["good"] and "No picture came through" in said["text"]
