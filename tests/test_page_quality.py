"""The quality of what the page is sent: as the link allows, for me or for everybody; and what limits it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pages
from fakes import PictureEnv
from pages import Page
from scripted import Scripted, jpeg
from serving import stats, streaming, training, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

RUNG = {"quality": 70, "fps": 30.0, "size": 1.0, "auto": True, "why": None, "codec": "jpeg", "window": 3}


@pytest.fixture
def page(browser: Any) -> Iterator[Scripted]:
    """A page at a scripted server."""
    with Scripted(browser) as page:
        until(lambda: "env" in page.watched(), "the stream to be watched")
        page.is_in("live")
        yield page
    assert page.problems == []


@pytest.fixture(scope="module")
def code(browser: Any) -> Iterator[Any]:
    """A page whose modules can be used."""
    with Scripted(browser) as page:
        yield page.module


def shown(page: Page) -> str:
    """What the closed list says."""
    return str(page.tab.evaluate("quality.selectedOptions[0]?.text"))


def options(page: Page, group: str) -> list[str]:
    """What can be chosen in a group of the list, whose label begins like this."""
    return list(page.tab.eval_on_selector_all(f"#quality optgroup[label^='{group}'] option", TEXTS))


TEXTS = "all => all.map(one => one.text)"


# ---- what the list says


def test_auto_says_what_is_sent_now(page: Scripted) -> None:
    until(lambda: shown(page) == "Auto · 85", "the best, before anything is known")
    page.tell(type="rung", stream="env", **{**RUNG, "quality": 50})
    until(lambda: shown(page) == "Auto · 50", "what is sent now")
    page.tell(type="rung", stream="env", **{**RUNG, "codec": "webp"})
    until(lambda: shown(page) == "Auto · lossless", "what is sent now")


def test_the_list_has_a_part_for_me_and_one_for_everyone(page: Scripted) -> None:
    until(lambda: options(page, "For me") == ["85 · best", "70", "50", "30"], "the levels")
    assert options(page, "For everyone · now 85") == ["Low", "Medium", "High", "Ultra"]
    page.describe(quality="medium", best=75, levels=[75, 50, 30])
    until(lambda: options(page, "For me") == ["75 · best", "50", "30"], "the levels of another best")
    assert options(page, "For everyone") == ["Low", "Medium · now", "High", "Ultra"]


def test_a_list_that_is_open_is_not_built_anew_for_another_word(page: Scripted) -> None:
    until(lambda: shown(page) == "Auto · 85", "the list")
    page.tab.evaluate("quality.options[2].mine = true")
    page.tell(type="rung", stream="env", **{**RUNG, "quality": 50})
    page.describe(quality="low")
    until(lambda: shown(page) == "Auto · 50" and "Low · now" in options(page, "For everyone"), "the words")
    assert page.tab.evaluate("quality.options[2].mine") is True


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("85", 85),
        ("1", 1),
        ("100", 100),
        ("low", "low"),
        ("0", None),
        ("101", None),
        ("1e1", None),
        ("best", None),
        (None, None),
    ],
)
def test_only_a_quality_is_taken_from_the_address(code: Any, text: str | None, quality: object) -> None:
    said = "null" if text is None else f"'{text}'"
    assert code("choices", f"return it.chosenQuality({said});") == quality


# ---- for this page


def test_a_quality_for_me_is_asked_for_the_big_picture_and_kept(page: Scripted) -> None:
    page.tab.select_option("#quality", "me:50")
    until(lambda: page.watched()["env"]["quality"] == 50, "the quality to be asked for")
    assert shown(page) == "50" and "quality=50" in page.tab.url
    page.heard.clear()
    page.drop()
    until(lambda: page.watched().get("env", {}).get("quality") == 50, "the quality on a new connection")
    page.heard.clear()
    page.tab.reload()
    until(lambda: page.watched().get("env", {}).get("quality") == 50, "the quality after a reload")
    page.tab.select_option("#quality", "auto")
    until(lambda: page.watched()["env"]["quality"] is None, "the ladder to be asked for")
    assert "quality=" not in page.tab.url


def test_the_address_may_name_any_quality(browser: Any) -> None:
    for path, quality, text in (("#quality=42", 42, "42"), ("#quality=low", "low", "Low")):
        with Scripted(browser, path) as page:
            until(lambda: page.watched().get("env", {}).get("quality") == quality, "it to be asked for")  # noqa: B023
            until(lambda: shown(page) == text, "it to be shown")  # noqa: B023


def test_tiles_follow_the_link_whatever_was_chosen(browser: Any) -> None:
    with Scripted(browser, "#quality=42", ("env", "other")) as page:
        until(lambda: "other" in page.watched(), "the tile to be watched")
        assert page.watched()["other"].get("quality") is None


def test_the_list_is_stepped_through_with_the_keys(page: Scripted) -> None:
    page.tab.focus("#quality")
    page.tab.keyboard.press("ArrowDown")
    until(lambda: page.watched()["env"]["quality"] == 85, "the first level")
    page.tab.keyboard.press("ArrowDown")
    until(lambda: page.watched()["env"]["quality"] == 70, "the second level")
    assert page.tab.evaluate("document.activeElement.id") == "quality"
    assert page.data("state") == "live"


# ---- for everybody


def test_a_quality_for_everybody_reaches_everybody(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(length=50)) as port:
        first, second = (open_page(f"http://127.0.0.1:{port}/") for _ in range(2))
        for page in (first, second):
            page.is_in("live")
            until(lambda: options(page, "For everyone · now 85"), "what the run was started with")  # noqa: B023
        first.tab.select_option("#quality", "all:low")
        until(lambda: stats(port)["streams"]["PictureEnv"]["quality"] == "low", "the server to know")
        for page in (first, second):
            until(lambda: "Low · now" in options(page, "For everyone"), "the page to say so")  # noqa: B023
            until(lambda: page.tab.input_value("#quality") == "auto", "nothing of its own")  # noqa: B023


def test_who_chooses_for_everybody_has_no_quality_of_their_own(page: Scripted) -> None:
    page.tab.select_option("#quality", "me:50")
    until(lambda: page.watched()["env"]["quality"] == 50, "the quality to be asked for")
    page.tab.route("**/api/streaming/quality/**", lambda route: route.fulfill(json={"quality": "low"}))
    page.tab.select_option("#quality", "all:low")
    until(lambda: page.watched()["env"]["quality"] is None, "the ladder to be asked for")
    assert page.tab.input_value("#quality") == "all:low", "until the server says so"
    page.describe(quality="low", best=60, levels=[60, 50, 30])
    until(lambda: shown(page) == "Auto · 60", "what is in force")


def test_a_quality_that_is_refused_stays_and_the_page_says_why(page: Scripted) -> None:
    answer = {"status": 409, "json": {"success": False, "message": "not while it is recorded"}}
    page.tab.route("**/api/streaming/quality/**", lambda route: route.fulfill(**answer))
    page.tab.select_option("#quality", "all:ultra")
    until(lambda: "not while it is recorded" in page.text(), "the reason")
    until(lambda: page.tab.input_value("#quality") == "auto", "what was before")


# ---- what limits it, and how it comes


@pytest.mark.parametrize(
    ("rung", "note"),
    [
        ({"why": None}, ""),
        ({"why": "link", "quality": 50, "fps": 15.0}, "the link limits quality: 50 at 15 fps"),
        ({"why": "link", "quality": 50}, "the link limits quality: 50"),
        ({"why": "viewer", "fps": 7.5}, "this browser limits quality: 70 at 7.5 fps"),
        (
            {"why": "bitrate", "quality": 30, "fps": 15.0, "size": 0.5},
            "the target bitrate limits quality: 30 at 15 fps, half the size (videoStreamTargetBitrate)",
        ),
        ({"why": "link", "size": 0.75}, "the link limits quality: 70, 75 % of the size"),
    ],
)
def test_what_limits_the_quality_is_said(page: Scripted, rung: dict[str, Any], note: str) -> None:
    page.tell(type="rung", stream="env", **{**RUNG, **rung})
    page.describe(message="heard")  # So that the rung has been, too.
    until(lambda: "heard" in page.tab.inner_text(".notice"), "the notice")
    assert page.tab.inner_text(".notice") == " · ".join(filter(None, ["heard", note]))


def test_a_budget_that_limits_more_is_not_contradicted(code: Any) -> None:
    said = """
        const limit = { by: 'budget', share: 0.05, renderMs: 6, fps: 9 };
        const rung = { quality: 50, fps: 15, size: 1, why: 'link' };
        return it.notice({ status: { state: 'live', targetFps: 30, limit }, rung, failures: 0 });
    """
    note = code("notice", said)
    assert "9.0 fps" in note and note.endswith("the link limits quality: 50")


@pytest.mark.parametrize(
    ("at", "word"),
    [
        ("{ rung: { codec: 'h264' }, video: { bytes: 1340, jpegBytes: 36100 } }", "H.264 · 1/27 of JPEG"),
        ("{ rung: { codec: 'h264' }, video: null }", "H.264"),
        ("{ rung: { codec: 'h264' }, video: { bytes: 900, jpegBytes: 800 } }", "H.264"),
        ("{ rung: { codec: 'jpeg', quality: 70 } }", "JPEG 70"),
        ("{ rung: { codec: 'webp', quality: 70 } }", "WebP · lossless"),
        ("{ meta: { format: 'jpeg', quality: 85 } }", "JPEG 85"),
        ("{}", "–"),
    ],
)
def test_the_codec_is_named_with_what_it_saves(code: Any, at: str, word: str) -> None:
    assert code("delivery", f"return it.codecWord({at});") == word


@pytest.mark.parametrize(
    ("call", "word"),
    [
        ("bandwidth(38400)", "38 kB/s"),
        ("bandwidth(1_234_567)", "1.2 MB/s"),
        ("bandwidth(999_600)", "1.0 MB/s"),
        ("bandwidth(420)", "0.4 kB/s"),
        ("bandwidth(null)", "–"),
        ("percent(0.952)", "95 %"),
        ("percent(null)", "–"),
        ("encodeTimes({ p50: 0.62, p95: 1.31 })", "0.6 · 1.3 ms"),
        ("encodeTimes(null)", "–"),
    ],
)
def test_figures_are_in_words(code: Any, call: str, word: str) -> None:
    assert code("delivery", f"return it.{call};") == word


def test_the_flow_is_what_came_in_the_last_seconds(code: Any) -> None:
    said = """
        const flow = new it.Flow();
        const said = [flow.perSecond(0)];
        for (let at = 0; at <= 6000; at += 100) {
            flow.add(at, 500);
            if ([500, 1000, 6000].includes(at)) said.push(flow.perSecond(at));
        }
        return [...said, flow.perSecond(20000)];
    """
    empty, early, second, steady, over = code("flow", said)
    assert (empty, early, over) == (None, None, 0)
    assert second == pytest.approx(5000, rel=0.15) and steady == pytest.approx(5000, rel=0.05)


def test_the_figures_are_on_the_page_and_can_be_folded_away(page: Scripted) -> None:
    cache = {
        "hits": 9,
        "misses": 1,
        "hitRate": 0.9,
        "bytes": 10,
        "encodeMs": {"p50": 0.5, "p95": 1, "p99": 2},
    }
    page.describe(cache=cache)
    page.picture(jpeg(9), quality=85)
    texts = "[...document.querySelectorAll('#delivery :is(.codec, dd)')].map(one => one.textContent)"
    until(lambda: page.tab.evaluate(texts)[2:] == ["0.5 · 1.0 ms", "90 %"], "the figures of the cache")
    until(lambda: page.tab.evaluate(texts)[0] == "JPEG 85", "the codec")
    until(lambda: page.tab.evaluate(texts)[1].endswith("kB/s"), "what comes in")
    assert page.tab.is_visible("#delivery dd")
    page.tab.click("#delivery summary")
    assert page.tab.is_hidden("#delivery dd") and page.tab.is_visible("#delivery .codec")
    page.tab.reload()
    until(lambda: page.data("state") == "live", "the page")
    assert page.tab.is_hidden("#delivery dd"), "as it was left"
    page.tab.focus("#delivery summary")
    page.tab.keyboard.press("Space")
    assert page.tab.is_visible("#delivery dd") and page.data("state") == "live"


# ---- with a real run


def test_a_run_sends_what_was_chosen_for_me(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url + "?codec=jpeg")
        page.is_in("live")
        until(lambda: shown(page) == "Auto · 85", "what is sent")
        levels = options(page, "For me")
        page.tab.select_option("#quality", f"me:{levels[-1]}")
        until(lambda: f"JPEG {levels[-1]}" == page.tab.inner_text(".codec"), "it to be sent")
        number = page.frame()
        until(lambda: page.frame() > number + 3, "new frames")
        page.tab.select_option("#quality", "auto")
        until(lambda: shown(page) == "Auto · 85", "what is sent")


def test_a_run_tells_how_its_pictures_come(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        texts = "[...document.querySelectorAll('#delivery :is(.codec, dd)')].map(one => one.textContent)"
        until(lambda: "–" not in page.tab.evaluate(texts), "all of the figures")
