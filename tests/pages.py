"""The page in a real browser, for tests: a tab, and what the page says of itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from conftest import missing
from netns import unchanged
from serving import PATIENCE, until

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


CHROMIUMS = "chromium-headless-shell", "chromium", "google-chrome", "chromium-browser"

Self = TypeVar("Self", bound="Page")


LOOKS = {"desk": (1440, 900), "phone": (390, 844), "lying": (844, 390)}

# Until what follows from another size was painted.
PAINTED = """new Promise((done) => requestAnimationFrame(() =>
    requestAnimationFrame(() => setTimeout(done, 100))))"""


class Page:
    """A tab, and what the page says of itself in its body's data attributes."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.tab = self.context.new_page()
        self.prepare()
        self.problems: list[str] = []
        self.unanswered: list[str] = []  # Requests that came to nothing: what a page that stands still lacks.
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("requestfailed", lambda asked: self.unanswered.append(f"{asked.url} {asked.failure}"))
        self.tab.on("response", self._answered)
        with unchanged():
            self.tab.goto(url)
            self.await_whole()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.context.close()

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.unanswered.append(f"{response.url} {response.status}")

    def await_whole(self) -> None:
        """Where the machine's networks changed meanwhile it lacks a part, and is loading itself anew."""
        lacking = self.tab.locator(".incomplete")
        while lacking.count():
            print(f"{lacking.inner_text()} {self.unanswered}")  # Is seen where the test fails.
            lacking.wait_for(state="detached", timeout=1000 * PATIENCE)
            self.tab.wait_for_load_state()

    def prepare(self) -> None:
        """What is to happen before the page is opened."""

    def looks(self, lying: bool = False) -> Iterator[str]:
        """Have the page as large as on a desk and on a phone, light and dark, one after the other.

        Args:
            lying: also as on a phone that lies on its side.
        """
        for name, (width, height) in LOOKS.items():
            if name == "lying" and not lying:
                continue
            self.tab.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                self.tab.emulate_media(color_scheme=scheme)
                self.tab.evaluate(PAINTED)
                yield f"{name}, {scheme}"

    def data(self, name: str) -> str:
        return str(self.tab.evaluate(f"document.body.dataset.{name}"))

    def is_in(self, state: str, seconds: float = PATIENCE) -> None:
        try:
            until(lambda: self.data("state") == state, f"the page to be {state}", seconds)
        except AssertionError as error:
            loaded = "performance.getEntriesByType('resource').map(one => one.name.split('/').pop())"
            parts = self.tab.evaluate(f"{loaded}.join(' ')")
            said = f"it is {self.data('state')}; it has {parts}; it lacks {self.unanswered}"
            raise AssertionError(f"{error}; {said}") from None

    def frame(self) -> int:
        value = self.data("frame")
        return int(value) if value.isdigit() else 0

    def pixels(self) -> str:
        """The canvas as it is painted now."""
        return str(self.tab.evaluate("document.querySelector('canvas').toDataURL()"))

    def text(self) -> str:
        return str(self.tab.inner_text("body"))

    def module(self, name: str, code: str) -> Any:
        """What a function body gives that uses a module of the page, as `it`."""
        return self.tab.evaluate(f"async () => {{ const it = await import('./static/{name}.js'); {code} }}")


def chromium() -> str:
    """Where a Chromium is: the one without windows if it is there, which draws no more than the page."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        missing("a Chromium browser", "on Debian: apt-get install chromium chromium-headless-shell")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]'")
    path = chromium()
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Page]]:
    """Opens pages; at the end of the test none of them may have had an error."""
    pages: list[Page] = []

    def opening(url: str, **options: Any) -> Page:
        pages.append(Page(browser, url, **options))
        return pages[-1]

    yield opening
    for page in pages:
        page.context.close()
    assert [problem for page in pages for problem in page.problems] == []
