"""Whole episodes, replays of what is kept, and recording, on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pages
from pages import Page
from scripted import SIZE, Answer, Asked, Scripted, jpeg
from serving import training, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

FIELDS: dict[str, Any] = {
    "view": "live",
    "naturalFps": 50.0,
    "screen": None,
    "clips": 1,
    "replaySeconds": 42.0,
    "recording": None,
}
SCREEN: dict[str, Any] = {
    "state": "playing",
    "episode": 12,
    "every": 1,
    "why": None,
    "renderMs": 1.2,
    "fps": 25.0,
    "from": 0,
    "cut": False,
    "message": None,
}
GONE = {"error": "this episode is kept no more"}

# Counts the decoded pictures that nobody has closed, and hands pictures over as a test wants them.
COUNTING = """
    window.images = { open: 0, most: 0, made: 0 };
    const make = window.createImageBitmap;
    window.createImageBitmap = async (...given) => {
        const image = await make(...given);
        images.made += 1;
        images.open += 1;
        images.most = Math.max(images.most, images.open);
        return image;
    };
    const close = ImageBitmap.prototype.close;
    ImageBitmap.prototype.close = function () {
        images.open -= 1;
        close.call(this);
    };
"""
FEEDING = """
    const real = window.fetch;
    window.fetch = (url, options) => {
        if (!String(url).includes('/pictures')) return real(url, options);
        const body = new ReadableStream({ start: (feed) => { window.feed = feed; } });
        return Promise.resolve(new Response(body));
    };
"""


def clip(name: str, episode: int, total: float, frames: int = 40, **other: Any) -> dict[str, Any]:
    """What the list of kept episodes says of one."""
    about = {"id": name, "kind": "episode", "stream": "env", "episode": episode, "steps": frames}
    rest = {"return": total, "frames": frames, "every": 1, "first": 0, "cut": False, "ended": "terminated"}
    marks = {
        "fps": 20.0,
        "naturalFps": 20.0,
        "bytes": 1,
        "at": 0.0,
        "seed": None,
        "best": False,
        "worst": False,
    }
    return {**about, **rest, **marks, **other}


class Kept(Scripted):
    """A page at a scripted server that keeps episodes."""

    def __init__(
        self, browser: Any, path: str = "", streams: tuple[str, ...] = ("env",), feeds: bool = False
    ) -> None:
        self.clips = [
            clip("e1", 3, 9.0, worst=True),
            clip("e2", 20, 30.0),
            clip("e3", 31, 200.0, best=True, every=2, frames=20, fps=10.0),
        ]
        self.live = clip("r1", 40, 5.0, frames=300, kind="live")
        self._asked: list[str] = []  # Methods and addresses.
        self.feeds = feeds
        super().__init__(browser, path, streams)

    def prepare(self) -> None:
        self.streams = {name: {**status, **FIELDS} for name, status in self.streams.items()}
        self.tab.add_init_script(COUNTING)
        if self.feeds:
            self.tab.add_init_script(FEEDING)
        super().prepare()

    def whole(self, about: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """A clip with its pictures: grey 5, 6, 7, ... in turn."""
        pictures: list[dict[str, Any]] = []
        data = b""
        for at in range(about["frames"]):
            picture = jpeg(5 + at % 15).data
            place = {"offset": len(data), "size": len(picture), "format": "jpeg", "time": at / about["fps"]}
            values = {"step": at * about["every"], "action": [0.5, -1], "reward": 1.0, "return": float(at)}
            pictures.append({**place, "episode": about["episode"], **values})
            data += picture
        size = {"title": "env", "width": SIZE[0], "height": SIZE[1]}
        return {**about, **size, "pictures": pictures}, data

    def answer(self, asked: Asked) -> Answer:
        path = asked.path
        if not path.startswith("api/"):
            return super().answer(asked)
        stream = asked.query.get("stream", [""])[0]
        said = f"{asked.method} {path}"
        self._asked.append(f"{said} {stream}" if path.startswith("api/record/") else said)
        if path == "api/episodes":
            return Answer.of({"stream": stream, "clips": self.clips if stream == "env" else []})
        if path == "api/replay":
            return Answer.of(self.whole(self.live)[0])
        if path.startswith("api/record/"):
            file = None if path.endswith("start") else "recordings/env-live-1.mp4"
            return Answer.of({"success": True, "message": "", "recording": None, "file": file})
        return self._clip(path.removeprefix("api/episodes/"))

    def _clip(self, path: str) -> Answer:
        name = re.split(r"[./]", path)[0]
        found = [one for one in [*self.clips, self.live] if one["id"] == name]
        if not found:
            return Answer.of(GONE, 404)
        if path.endswith(".mp4"):
            return Answer.of({"error": "H.264 needs PyAV"}, 501)
        if path.endswith("/pictures"):
            return Answer(self.whole(found[0])[1], "application/octet-stream")
        return Answer.of(self.whole(found[0])[0])

    @property
    def asked(self) -> list[str]:
        """What was asked for over HTTP: methods and addresses, of recordings with the stream."""
        self.tab.evaluate("0")  # What is on its way comes in.
        return self._asked

    def episodes(self, numbers: range) -> None:
        """Episodes have ended, each with its number as its return."""
        self.tell(type="episodes", stream="env", reset=True, episodes=[[n, n, float(n)] for n in numbers])

    def shows(self, **data: str) -> None:
        """Wait for what the page says of itself."""
        for name, value in data.items():
            until(lambda: self.data(name) == value, f"{name} {value}, not {self.data(name)}")  # noqa: B023

    def index(self) -> int:
        return int(self.data("index") or -1)

    def replayed(self) -> int:
        """The grey of the replay's canvas, in tens."""
        code = "document.querySelector('#replay').getContext('2d').getImageData(30, 20, 1, 1).data[1]"
        return round(float(self.tab.evaluate(code)) / 10)

    def news(self) -> str:
        return str(self.tab.inner_text("#news"))


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Kept]]:
    """Opens pages; at the end of the test none of them may have had an error."""
    all_opened: list[Kept] = []

    def opening(path: str = "", **options: Any) -> Kept:
        all_opened.append(Kept(browser, path, **options))
        return all_opened[-1]

    yield opening
    for page in all_opened:
        page.context.close()
    assert [problem for page in all_opened for problem in page.problems] == []


@pytest.fixture
def page(opened: Callable[..., Kept]) -> Kept:
    """A page that shows a stream as it goes on, of which three episodes are kept."""
    page = opened()
    until(lambda: "env" in page.watched(), "the stream to be watched")
    page.picture(jpeg(9))
    page.is_in("live")
    until(lambda: page.tab.inner_text("[data-part=count]") == "3", "the kept episodes")
    return page


@pytest.fixture(scope="module")
def code(browser: Any) -> Iterator[Any]:
    """A page whose modules can be used."""
    with Scripted(browser) as page:
        yield page.module


# ---- live or episodes


def test_a_server_without_episodes_offers_none(browser: Any) -> None:
    with Scripted(browser) as page:
        page.is_in("live")
        for part in ("#show", "#instant", "#record", "#kept"):
            assert page.tab.is_hidden(part)
        page.tab.keyboard.press("v")
        assert page.data("show") == "live"


def test_the_switch_shows_whole_episodes_in_place_of_the_stream(page: Kept) -> None:
    page.tab.keyboard.press("v")
    page.shows(show="episodes")
    until(lambda: set(page.watched()) == {"env@episodes"}, "the episodes to be watched instead")
    assert "show=episodes" in page.tab.url
    page.describe(screen=SCREEN)
    number = page.picture(jpeg(12), "env@episodes", episode=12, every=2, frames=9, index=0, clip="e9")
    until(lambda: page.grey() == 12, "its picture")
    until(lambda: number in page.acknowledged("env@episodes"), "the acknowledgement by that name")
    assert page.data("stream") == "env"
    until(lambda: page.tab.inner_text(".badge").strip() == "Episode", "the badge")
    until(lambda: page.tab.inner_text(".note") == "episode 12 at natural speed, every 2nd step", "the note")
    page.tab.click("#show button >> nth=0")
    until(lambda: set(page.watched()) == {"env"}, "the stream again")
    assert "show=live" in page.tab.url


def test_without_a_choice_the_page_follows_what_fits(page: Kept) -> None:
    page.describe(view="episode")
    until(lambda: "env@episodes" in page.watched(), "the episodes")
    assert "show=" not in page.tab.url
    page.tab.keyboard.press("v")
    until(lambda: "env" in page.watched(), "the stream")
    page.describe(view="episode")
    page.tab.reload()
    page.heard.clear()
    until(lambda: "env" in page.watched(), "the choice to be kept")
    assert page.data("show") == "live"


def test_tiles_stay_live_while_episodes_are_seen(opened: Callable[..., Kept]) -> None:
    page = opened("#show=episodes", streams=("env", "other"))
    until(lambda: set(page.watched()) == {"env@episodes", "env", "other"}, "the tiles of both")
    watched = page.watched()
    assert (watched["env@episodes"]["width"], watched["env"]["width"]) == (None, 320)
    page.picture(jpeg(7), "env", episode=4)
    page.picture(jpeg(12), "env@episodes", episode=3)
    until(lambda: page.grey() == 12, "the episode's picture")
    grey = "document.querySelector('.tile-canvas').getContext('2d').getImageData(5, 5, 1, 1).data[1]"
    until(lambda: round(page.tab.evaluate(grey) / 10) == 7, "the live picture on the tile")


def test_an_episode_that_is_awaited_is_said_so(opened: Callable[..., Kept]) -> None:
    page = opened("#show=episodes")
    page.is_in("waiting")
    assert "Waiting for an episode to begin" in page.tab.inner_text(".overlay")


def test_quality_and_pause_go_on_with_episodes(opened: Callable[..., Kept]) -> None:
    page = opened("#show=episodes&quality=42")
    until(lambda: page.watched().get("env@episodes", {}).get("quality") == 42, "the quality to be asked for")
    page.picture(jpeg(12), "env@episodes")
    page.is_in("live")
    page.tab.keyboard.press("Space")
    page.is_in("paused")
    until(lambda: page.watched() == {}, "no demand")


# ---- the kept ones


def test_the_list_is_fetched_when_it_has_changed(page: Kept) -> None:
    assert page.asked.count("GET api/episodes") == 1
    page.describe(step=2)
    page.clips.append(clip("e4", 33, 1.0))
    page.describe(clips=2)
    until(lambda: page.tab.inner_text("[data-part=count]") == "4", "the new one")
    assert page.asked.count("GET api/episodes") == 2


def test_the_best_and_the_worst_are_a_click_away(page: Kept) -> None:
    assert page.tab.inner_text("[data-kept=best]").split() == ["replay", "best", "200", "episode", "31"]
    page.tab.click("[data-kept=worst]")
    page.shows(show="replay", clip="e1")
    page.tab.wait_for_url("**episode=e1*")


def test_any_of_them_can_be_chosen_from_the_list(page: Kept) -> None:
    texts = page.tab.eval_on_selector_all("#kept option", "all => all.map(one => one.text)")
    assert texts[1:] == [
        "episode 31 · return 200 · best",
        "episode 20 · return 30",
        "episode 3 · return 9 · worst",
    ]
    page.tab.select_option("#kept select", "e2")
    page.shows(show="replay", clip="e2")


def find_mark(page: Kept) -> dict[str, float]:
    """A place on the chart, in the middle of a mark."""
    box = page.tab.locator(".chart-canvas").bounding_box()
    assert box is not None
    for across in range(30, int(box["width"]), 3):
        page.tab.mouse.move(box["x"] + across, box["y"] + box["height"] / 2)
        if page.tab.evaluate("document.querySelector('.chart-canvas').classList.contains('leads')"):
            return {"x": box["x"] + across, "y": box["y"] + box["height"] / 2}
    raise AssertionError("no mark was found on the chart")


def test_a_mark_on_the_chart_says_what_it_is_and_leads_to_it(page: Kept) -> None:
    page.episodes(range(10, 31))  # Of the kept ones only the 20th is among them, in the middle.
    until(lambda: page.tab.is_hidden(".chart-empty"), "the chart")
    place = find_mark(page)
    tip = "episode 20\nreturn 20\n20 steps\nclick to replay"
    assert page.tab.inner_text(".chart-tip") == tip
    page.tab.mouse.click(**place)
    page.shows(show="replay", clip="e2")


def test_a_finger_touches_a_mark_twice(page: Kept) -> None:
    page.episodes(range(10, 31))
    until(lambda: page.tab.is_hidden(".chart-empty"), "the chart")
    place = find_mark(page)
    page.tab.mouse.move(0, 0)
    line = page.context.new_cdp_session(page.tab)
    line.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def tap() -> None:
        line.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
        line.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    tap()
    until(lambda: "tap again to replay" in page.tab.inner_text(".chart-tip"), "the tip")
    assert page.data("show") == "live"
    tap()
    page.shows(show="replay", clip="e2")


def test_the_marks_are_reached_with_the_keys(page: Kept) -> None:
    page.episodes(range(1, 41))
    until(lambda: page.tab.is_hidden(".chart-empty"), "the chart")
    page.tab.focus(".chart-canvas")
    page.tab.keyboard.press("Shift+ArrowLeft")
    page.tab.keyboard.press("Shift+ArrowLeft")
    assert page.tab.inner_text(".chart-tip").split("\n")[::3] == ["episode 20", "Enter replays it"]
    page.tab.keyboard.press("Enter")
    page.shows(show="replay", clip="e2")
    assert page.tab.evaluate("document.activeElement.className") == "scrub"
    page.tab.keyboard.press("Escape")
    page.shows(show="live")
    focused = "document.activeElement.className"
    until(lambda: page.tab.evaluate(focused).startswith("chart-canvas"), "the keyboard to be back")


def test_a_thousand_episodes_are_drawn_in_no_time(page: Kept) -> None:
    page.clips = [clip(f"e{n}", n, float(n % 97)) for n in range(1, 1001, 5)]
    page.describe(clips=2)
    page.episodes(range(1, 1001))
    until(lambda: page.tab.inner_text("[data-part=count]") == "200", "the kept ones")
    spent = """(() => {
        const canvas = document.querySelector('.chart-canvas');
        const { left, top } = canvas.getBoundingClientRect();
        const begun = performance.now();
        for (let at = 0; at < 100; at += 1) {
            const place = { clientX: left + 50 + at, clientY: top + 50 };
            canvas.dispatchEvent(new PointerEvent('pointermove', place));
        }
        return (performance.now() - begun) / 100;
    })()"""
    assert page.tab.evaluate(spent) < 50  # Milliseconds; a few, on an idle machine.


# ---- a replay


def test_a_clip_is_played_to_its_end_and_again(page: Kept) -> None:
    page.tab.click("[data-kept=best]")
    page.shows(replay="playing")
    before = page.index()
    until(lambda: page.index() > before, "it to go on")
    page.shows(replay="ended", index="19")
    assert page.replayed() == 5 + 19 % 15
    assert "Again" in page.tab.inner_text(".scrubber")
    assert page.tab.inner_text(".note") == "episode 31, return 200, every 2nd step"
    words = page.tab.inner_text(".values").split()
    assert words == ["step", "38", "reward", "1", "return", "19", "action", "[0.50,", "−1]"]
    page.tab.keyboard.press("Space")
    page.shows(replay="playing")


def test_it_is_stepped_and_scrubbed_through(page: Kept) -> None:
    page.tab.select_option("#kept select", "e2")
    page.shows(replay="playing")
    page.tab.keyboard.press("Space")
    page.shows(replay="paused")
    here = page.index()
    page.tab.keyboard.press("ArrowRight")
    page.shows(index=str(here + 1))
    page.tab.keyboard.press(",")
    page.shows(index=str(here))
    page.tab.focus(".scrub")
    page.tab.keyboard.press("Home")
    page.shows(index="0", replay="paused")
    page.tab.keyboard.press("ArrowRight")
    page.shows(index="1")
    assert page.replayed() == 6
    assert page.tab.get_attribute(".scrub", "aria-valuetext") == "0:00.0, picture 2 of 40"
    page.tab.keyboard.press("End")
    page.shows(index="39", replay="ended")


def test_the_speed_is_chosen_with_a_list_or_keys(page: Kept) -> None:
    page.tab.select_option("#kept select", "e2")
    page.shows(replay="playing")
    page.tab.keyboard.press("-")
    page.tab.keyboard.press("-")
    page.tab.keyboard.press("-")
    assert page.tab.input_value("#replay-bar select") == "0.25"
    page.tab.select_option("#replay-bar select", "8")
    page.shows(replay="ended", index="39")


def test_while_it_is_seen_hardly_anything_is_asked_for(page: Kept) -> None:
    page.tab.click("[data-kept=best]")
    page.shows(show="replay")
    until(lambda: page.watched() == {"env": {"name": "env", "width": 32, "fps": 0.1}}, "a glimpse at most")
    page.tab.click(".leave")
    page.shows(show="live", clip="", replay="")
    until(lambda: page.watched()["env"]["width"] is None, "the stream again")
    assert "episode=" not in page.tab.url and page.grey() == 9, "the picture from before"


def test_it_begins_while_the_rest_is_still_arriving(opened: Callable[..., Kept]) -> None:
    page = opened(feeds=True)
    until(lambda: page.tab.inner_text("[data-part=count]") == "3", "the kept episodes")
    page.tab.select_option("#kept select", "e2")
    until(lambda: page.tab.evaluate("Boolean(window.feed)"), "the pictures to be asked for")
    page.shows(replay="loading")
    about, data = page.whole(page.clips[1])
    half = about["pictures"][20]["offset"] + 10
    give = "part => feed.enqueue(new Uint8Array(part))"
    page.tab.evaluate(give, list(data[:half]))
    page.shows(index="19", replay="playing")  # Of the next one some bytes are there.
    page.tab.evaluate(give, list(data[half:]))
    page.tab.evaluate("feed.close()")
    page.shows(index="39", replay="ended")


def test_few_pictures_are_decoded_at_a_time_and_none_stays(page: Kept) -> None:
    made = page.tab.evaluate("images.made")
    page.tab.select_option("#kept select", "e2")
    page.shows(replay="ended")
    assert page.tab.evaluate("images.made") >= made + 20
    assert page.tab.evaluate("images.most") <= 14
    page.tab.keyboard.press("Escape")
    until(lambda: page.tab.evaluate("images.open") == 0, "all of them to be closed")


def test_one_that_is_kept_no_more_is_said_so(opened: Callable[..., Kept]) -> None:
    page = opened("#stream=env&episode=e99")
    page.shows(show="live", replay="failed")
    until(lambda: "kept no more" in page.news(), "the sentence")
    until(lambda: "env" in page.watched(), "the stream")
    assert "episode=" not in page.tab.url


def test_an_address_leads_straight_to_a_replay(opened: Callable[..., Kept]) -> None:
    page = opened("#stream=env&episode=e3")
    page.shows(show="replay", clip="e3", replay="ended")
    page.tab.evaluate("location.hash = 'stream=env&episode=e1'")
    page.shows(clip="e1", replay="playing")
    page.tab.evaluate("location.hash = 'stream=env'")
    page.shows(show="live", clip="")


def test_a_video_that_cannot_be_made_is_explained(page: Kept) -> None:
    page.tab.click("[data-kept=best]")
    page.shows(clip="e3")
    assert str(page.tab.get_attribute("#video", "href")).endswith("api/episodes/e3.mp4")
    page.tab.click("#video")
    until(lambda: "H.264 needs PyAV" in page.news(), "the sentence")


def test_its_address_can_be_passed_on(page: Kept) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.tab.click("[data-kept=best]")
    page.shows(clip="e3")
    page.tab.click("[data-action=link]")
    until(lambda: "copied" in page.news(), "the sentence")


def test_a_choice_of_another_stream_ends_it(opened: Callable[..., Kept]) -> None:
    page = opened("#stream=env&episode=e3", streams=("env", "other"))
    page.shows(clip="e3")
    until(lambda: page.tab.locator(".tile").count() == 2, "the tiles")
    page.tab.click(".tile >> nth=1")
    page.shows(show="live", stream="other", clip="")


# ---- what was just seen


def test_the_last_seconds_are_seen_once_more(page: Kept) -> None:
    page.tab.keyboard.press("r")
    page.shows(show="replay", clip="r1", replay="playing")
    assert "POST api/replay" in page.asked
    assert 99 <= page.index() < 140  # Of 300 pictures, at 20 a second; the clip is fifteen seconds long.
    assert page.tab.inner_text(".note") == "the last 14.9 s, episode 40"
    page.tab.keyboard.press("Home")
    page.shows(index="0", replay="paused")


def test_nothing_that_was_seen_cannot_be_seen_again(page: Kept) -> None:
    page.describe(replaySeconds=0)
    until(lambda: page.tab.is_disabled("#instant"), "the button to be disabled")
    page.tab.keyboard.press("r")
    assert page.data("show") == "live"


# ---- recording


def test_recording_is_begun_and_ended_and_leads_to_its_file(page: Kept) -> None:
    page.tab.keyboard.press("c")
    until(lambda: "POST api/record/start env" in page.asked, "the order")
    page.describe(recording={"name": "env-live-1.mp4", "seconds": 7.4, "frames": 9, "problem": None})
    until(lambda: page.tab.inner_text("#record").strip() == "0:07", "the seconds")
    assert page.tab.get_attribute("#record", "aria-pressed") == "true"
    page.tab.keyboard.press("Shift+R")
    until(lambda: "POST api/record/stop env" in page.asked, "the order")
    until(lambda: "env-live-1.mp4" in page.news(), "the file")
    assert page.tab.get_attribute("#news a", "href") == page.address + "recordings/env-live-1.mp4"


def test_what_is_recorded_is_what_is_seen(page: Kept) -> None:
    page.tab.keyboard.press("v")
    page.tab.click("#record")
    until(lambda: "POST api/record/start env@episodes" in page.asked, "the order for the episodes")


def test_a_recording_that_another_page_began_is_shown(page: Kept) -> None:
    page.describe(
        recording={"name": "env-live-1.mp4", "seconds": 65.0, "frames": 9, "problem": "the disk is full"}
    )
    until(lambda: page.tab.inner_text("#record").strip() == "1:05", "the seconds")
    until(lambda: "the disk is full" in page.tab.inner_text(".notice"), "the problem")


def test_a_recording_that_is_refused_is_explained(page: Kept) -> None:
    answer = {"status": 409, "json": {"success": False, "message": "the disk is full"}}
    page.tab.route("**/api/record/**", lambda route: route.fulfill(**answer))
    page.tab.click("#record")
    until(lambda: "the disk is full" in page.news(), "the reason")
    until(lambda: page.tab.get_attribute("#record", "aria-pressed") == "false", "nothing to be recorded")


# ---- words and places


@pytest.mark.parametrize(
    ("screen", "meta", "note"),
    [
        (None, None, "waiting for an episode to begin"),
        ({**SCREEN, "state": "waiting"}, None, "waiting for an episode to begin"),
        (SCREEN, None, "episode 12 at natural speed"),
        ({**SCREEN, "every": 3}, None, "episode 12 at natural speed, every 3rd step"),
        ({**SCREEN, "from": 4312}, None, "episode 12 at natural speed, from step 4,312"),
        (
            {**SCREEN, "cut": True},
            {"frames": 11, "every": 2},
            "episode 12 at natural speed, every 2nd step, cut at step 20",
        ),
    ],
)
def test_what_is_played_is_said(code: Any, screen: Any, meta: Any, note: str) -> None:
    assert code("screening", f"return it.screenNote({json.dumps(screen)}, {json.dumps(meta)});") == note


def test_why_steps_are_left_out_is_said(code: Any) -> None:
    budget = {**SCREEN, "every": 2, "why": "budget", "renderMs": 40}
    said = code("screening", f"return it.screenLimit({json.dumps(budget)});")
    assert said == "a picture takes 40 ms, so every 2nd step is shown (videoStreamMaxOverhead)"
    assert code("screening", f"return it.screenLimit({json.dumps(SCREEN)});") == ""


@pytest.mark.parametrize(
    ("call", "word"),
    [
        ("shortAction(2)", "2"),
        ("shortAction(null)", "–"),
        ("shortAction([0.123, -0.4])", "[0.12, −0.40]"),
        ("shortAction([[1, 2], [3, 4], [5, 6]])", "[1, 2, 3, 4 … 6]"),
        ("shortAction('left')", "left"),
        ("clockTime(62.04)", "1:02.0"),
        ("stopwatch(7.9)", "0:07"),
    ],
)
def test_values_are_short(code: Any, call: str, word: str) -> None:
    assert code("values", f"return it.{call};") == word


def test_the_playhead_follows_the_times_of_the_pictures(code: Any) -> None:
    said = """
        const head = new it.Playhead([0, 0.1, 0.2, 1.2, 1.3]);
        const said = [head.index, head.length, head.before(1)];
        head.play(true);
        head.advance(1000);
        head.advance(1150);
        said.push(head.index);
        head.speed = 4;
        head.advance(1200);
        said.push(head.index);
        head.advance(1300, true);
        said.push(head.index);
        head.advance(9000);
        said.push(head.atEnd);
        head.seek(99);
        return [...said, head.index];
    """
    # While the tab was behind others only half a second passes.
    assert code("playhead", said) == [0, 1.3, 2, 1, 2, 2, True, 4]


# ---- with a real run


def test_a_run_is_seen_episode_by_episode_and_replayed(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    with training(videoRecordFolder=str(tmp_path)) as trainer:
        page = open_page(trainer.url + "#show=episodes")
        page.is_in("live", 40)
        until(lambda: "at natural speed" in page.tab.inner_text(".note"), "an episode")
        until(lambda: page.tab.is_enabled("[data-kept=best]"), "a kept episode", 40)
        page.tab.click("[data-kept=best]")
        until(lambda: page.data("replay") == "ended", "the replay to its end", 60)
        assert int(page.data("index")) > 0 and page.data("show") == "replay"
        page.tab.keyboard.press("Escape")
        page.tab.keyboard.press("v")
        until(lambda: page.data("show") == "live" and page.tab.is_enabled("#instant"), "something to replay")
        page.tab.wait_for_timeout(2000)
        page.tab.keyboard.press("r")
        until(lambda: page.data("clip").startswith("r") and page.data("index"), "what was just seen")


def test_what_a_page_records_is_a_file(open_page: Callable[..., Page], tmp_path: Path) -> None:
    pytest.importorskip("av", reason="pip install 'gymnasium-envstream[record]'")
    with training(videoRecordFolder=str(tmp_path)) as trainer:
        page = open_page(trainer.url + "#show=live")
        page.is_in("live", 40)
        page.tab.click("#record")
        until(lambda: page.tab.inner_text("#record").strip() not in ("Record", "0:00"), "a second of it")
        page.tab.click("#record")
        until(lambda: page.tab.locator("#news a").count() == 1, "the link")
        with page.tab.expect_download() as loading:
            page.tab.click("#news a")
        assert loading.value.suggested_filename.endswith(".mp4")
        assert list(tmp_path.glob("*.mp4"))
