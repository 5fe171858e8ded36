"""The pages under their content policy and in their role, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pages
from pages import Page
from publishing import numbered_film, pushing, serving_alone
from serving import training, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

TOKENS = {"view": "only-looking", "control": "steering-too", "admin": "everything-of-it"}
VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


class Watched(Page):
    """A page whose violations of its policy, errors on the console and requests are written down."""

    def prepare(self) -> None:
        self.said: list[str] = []
        self.asked: list[Any] = []
        self.tab.add_init_script(VIOLATIONS)
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("request", lambda asked: self.asked.append(asked))

    @property
    def violations(self) -> list[str]:
        seen: list[str] = self.tab.evaluate("window.violations")
        return seen + [text for text in self.said if "Content Security Policy" in text]


@pytest.fixture(scope="module")
def trained() -> Iterator[int]:
    settings: dict[str, Any] = {"videoStreamTokens": TOKENS, "videoStreamCameras": ["hall"]}
    with training(**settings) as trainer:
        yield trainer.port


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def opening(url: str, **options: Any) -> Watched:
        opened.append(Watched(browser, url, **options))
        return opened[-1]

    yield opening
    found = [page.violations + page.problems for page in opened]
    for page in opened:
        page.context.close()
    assert [each for each in found if each] == []


def opened(port: int, role: str, path: str = "") -> str:
    return f"http://127.0.0.1:{port}/{path}?token={TOKENS[role]}"


def live(page: Watched) -> Watched:
    page.is_in("live")
    until(lambda: page.frame() > 1, "pictures")
    return page


# --- the policy ----------------------------------------------------------------------------------------


def test_the_page_does_all_it_can_within_its_policy(watched: Callable[..., Watched], trained: int) -> None:
    page = live(watched(opened(trained, "admin")))
    for key in ("v", "v", "t", "t", "b", "g", "l", "l", "s", "space", "space"):
        page.tab.keyboard.press({"space": " "}.get(key, key))
        page.tab.wait_for_timeout(50)
    assert page.violations == []


@pytest.mark.parametrize("path", ["camera/hall", "view/hall"])
def test_the_pages_of_a_camera_do_too(watched: Callable[..., Watched], trained: int, path: str) -> None:
    page = watched(f"http://127.0.0.1:{trained}/{path}")
    until(lambda: page.data("state") != "connecting", "the page's first state")
    assert page.violations == []


def test_a_script_in_the_page_would_be_stopped_and_seen(browser: Any, trained: int) -> None:
    """The other tests would notice."""
    with Watched(browser, opened(trained, "view")) as page:
        page.tab.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))"
        )
        page.tab.evaluate("document.body.setAttribute('style', 'color: red')")
        until(lambda: len(page.tab.evaluate("window.violations")) == 2, "two violations")
        assert page.tab.evaluate("typeof x") == "undefined"


def test_another_page_cannot_show_it_in_a_frame(browser: Any, trained: int) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"http://localhost:{trained}/health")
    tab.set_content(f'<iframe src="{opened(trained, "view")}"></iframe>')
    until(lambda: len(tab.frames) == 2 and "chrome-error" in tab.frames[1].url, "that it is refused")
    context.close()


# --- the token -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "camera/hall", "view/hall"])
def test_the_token_leaves_the_address_and_goes_nowhere_else(
    watched: Callable[..., Watched], trained: int, path: str
) -> None:
    page = watched(opened(trained, "admin", path))
    until(lambda: "token" not in page.tab.url, "the address without it")
    until(lambda: page.data("state") != "connecting", "the page's first state")
    assert page.tab.evaluate("history.length") <= 2 and "token" not in page.tab.evaluate("location.href")
    assert [asked.url for asked in page.asked if asked.headers.get("referer")] == []
    assert TOKENS["admin"] not in page.tab.content() and TOKENS["admin"] not in "".join(page.said)
    assert page.tab.evaluate("document.cookie") == "", "scripts do not see the cookie"
    page.tab.reload()
    until(lambda: page.data("state") not in ("connecting", "refused"), "the page by its cookie")


# --- the role ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "steers"), [("view", False), ("control", True), ("admin", True)])
def test_the_page_shows_what_its_role_may_do(
    watched: Callable[..., Watched], trained: int, role: str, steers: bool
) -> None:
    page = live(watched(opened(trained, role)))
    assert page.data("role") == role
    until(lambda: page.tab.is_visible("#quality-box"), "the choice of quality")
    assert page.tab.is_visible("#record") is page.tab.is_visible("#instant") is steers
    groups = page.tab.eval_on_selector_all("#quality optgroup", "all => all.map(one => one.label)")
    assert any(label.startswith("For everyone") for label in groups) is steers and "For me" in groups
    page.tab.keyboard.press("c")
    asked = [each.url for each in page.asked if "/api/record" in each.url]
    assert bool(asked) is steers


def test_an_admin_ends_a_session_on_the_page_and_nobody_else_does(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="pip install -e '.[record]'")
    said = "{" + ", ".join(f"{role}: {text}" for role, text in TOKENS.items()) + ", publish: sending-only}"
    film = numbered_film(tmp_path / "wall.mp4", 60)
    with serving_alone(tmp_path / "kept", f"env.videoStreamTokens={said}") as server:
        page, other = (watched(opened(server.port, role)) for role in ("admin", "control"))
        where = f"http://127.0.0.1:{server.port}"
        with pushing(where, "--token", "sending-only", "--video", str(film), "--fps", "2") as push:
            for each in (page, other):
                until(lambda each=each: each.data("state") == "live", "the session")
            assert not other.tab.is_visible(".ending")
            page.tab.click(".ending button")
            until(lambda: push.poll() is not None, "the publisher's end")
            assert push.returncode != 0
        until(
            lambda: "ends with what it has" in page.tab.inner_text(".account") or _over(page), "that it ends"
        )


def _over(page: Watched) -> bool:
    return page.data("state") in ("complete", "failing", "processing")
