"""A page of which a part does not arrive, as happens on a bad line: it says so, and is loaded anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pages
from scripted import STATIC, Scripted, jpeg
from serving import PATIENCE, until

pytestmark = pytest.mark.browser
browser = pages.browser

AGAIN = "in 1 s", "in 2 s", "in 4 s"

# Tells what the page says, once: a second later it may be another page.
TELLING = """new MutationObserver((_, watching) => {
    const line = document.querySelector('.incomplete');
    if (!line) return;
    watching.disconnect();
    told(line.textContent);
}).observe(document, { childList: true, subtree: true });"""


class Lossy(Scripted):
    """A page that does not get one of its files, the first few times.

    Attributes:
        losses: how many times more.
        said: what it said of its own lack, each time.
    """

    def __init__(self, browser: Any, file: str, losses: int) -> None:
        self.file, self.losses = re.compile(rf"/{file}$"), losses
        super().__init__(browser)

    def prepare(self) -> None:
        super().prepare()
        self.said: list[str] = []
        self.tab.expose_function("told", lambda words: self.said.append(words))
        self.tab.add_init_script(TELLING)
        self.tab.route(self.file, self._pass)

    def await_whole(self) -> None:
        """It is looked at before."""

    def _pass(self, route: Any) -> None:
        self.losses -= 1
        if self.losses >= 0:
            route.abort("connectionreset")
        else:
            route.continue_()

    def says(self, words: str) -> None:
        """It says of its own lack, among others, this."""

        def came() -> bool:
            self.tab.wait_for_timeout(20)
            return any(words in one for one in self.said)

        until(came, f"{words}, not {self.said}")

    def shows(self, grey: int) -> None:
        """It lacks nothing any more, and has begun."""
        self.tab.locator(".incomplete").wait_for(state="detached", timeout=1000 * PATIENCE)
        self.tab.locator("body[data-role]").wait_for(timeout=1000 * PATIENCE)
        until(lambda: "env" in self.watched(), "the stream to be watched")
        self.picture(jpeg(grey))
        until(lambda: self.grey() == grey, "the picture")


Opening = Callable[[str, int], Lossy]


@pytest.fixture
def open_lossy(browser: Any) -> Iterator[Opening]:
    opened: list[Lossy] = []

    def opening(file: str, losses: int) -> Lossy:
        opened.append(Lossy(browser, file, losses))
        return opened[-1]

    yield opening
    for page in opened:
        page.context.close()


@pytest.mark.parametrize(
    ("file", "named"),
    [("app.js", "app.js"), ("quality.js", "app.js"), ("many.css", "many.css")],
    ids=["its script", "what that imports", "its look"],
)
def test_it_says_what_it_lacks_and_begins_when_that_arrives(
    open_lossy: Opening, file: str, named: str
) -> None:
    page = open_lossy(file, 1)
    page.says(f"A part of this page did not arrive ({named}")
    page.says(AGAIN[0])
    page.shows(9)


def test_it_waits_longer_each_time_and_as_short_as_at_first_once_it_was_whole(open_lossy: Opening) -> None:
    page = open_lossy("app.js", 2)
    for words in AGAIN[:2]:
        page.says(words)
    page.shows(9)
    page.said.clear()
    page.losses = 1
    page.tab.reload()
    page.says(AGAIN[0])


def test_it_stays_as_long_as_the_server_is_away(open_lossy: Opening) -> None:
    page = open_lossy("app.js", 3)
    page.says(AGAIN[2])
    page.context.set_offline(True)
    with page.tab.expect_event("requestfailed", lambda asked: asked.url == page.address):
        pass
    assert page.tab.locator(".incomplete").count() == 1, "not a page of the browser's own"
    page.context.set_offline(False)
    page.shows(9)


def test_every_page_has_this_and_has_it_before_its_other_scripts() -> None:
    heads = [
        re.findall(r'<script[^>]+src="[./]*static/(\w+)', file.read_text()) for file in STATIC.glob("*.html")
    ]
    assert len(heads) == 4 and {head[0] for head in heads} == {"whole"}


def test_of_several_words_on_whether_it_is_in_sight_the_newest_counts(browser: Any) -> None:
    code = """
        let tell;
        globalThis.IntersectionObserver = class {
            constructor(heard) { tell = heard; }
            observe() {}
        };
        const awake = new it.Awake(() => {});
        return [[true, false], [false, true]].map((seen) => {
            tell(seen.map((isIntersecting) => ({ isIntersecting })));
            return awake.now;
        });
    """
    with Scripted(browser) as page:
        assert page.module("awake", code) == [False, True]
