"""The page inside a notebook's cell: the same page, reached directly or through Jupyter's proxy."""

from __future__ import annotations

import html.parser
import re

import pytest

from envstream.links.block import Block
from envstream.links.channel import Channel
from envstream.notebook import inline_page

URL = "http://127.0.0.1:8081/"


class Page(html.parser.HTMLParser):
    """The elements of a piece of HTML, the text of its script, and what is left open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.ids: list[str | None] = []
        self.script = ""
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.ids.append(dict(attrs).get("id"))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.script += data


def channel(name: str) -> Channel:
    return Channel(name, name, {}, Block.create(100, shared=False), lambda: None)


def addresses(page: Page) -> tuple[str, str]:
    """Where the frame looks: on the same machine, and through the proxy."""
    found = re.search(r'frame\.src = local \? "(.*?)" : base \+ "(.*?)";', page.script)
    assert found is not None
    return found[1], found[2]


def test_the_page_is_shown_in_a_frame_that_its_script_finds() -> None:
    page = Page(inline_page(URL, None))
    assert page.elements[:2] == ["iframe", "script"]
    assert page.open == []
    assert f'getElementById("{page.ids[0]}")' in page.script


def test_two_frames_in_one_notebook_are_two() -> None:
    assert Page(inline_page(URL, None)).ids[0] != Page(inline_page(URL, None)).ids[0]


def test_the_page_is_reached_directly_or_through_the_proxy() -> None:
    assert addresses(Page(inline_page(URL, None))) == (
        "http://127.0.0.1:8081/?embed=1",
        "proxy/8081/?embed=1",
    )


def test_the_token_goes_along() -> None:
    direct, proxied = addresses(Page(inline_page(URL + "?token=abc", None)))
    assert direct.endswith("?token=abc&embed=1") and proxied.endswith("?token=abc&embed=1")


def test_the_token_is_not_shown() -> None:
    shown = inline_page(URL + "?token=abc", None).partition("</script>")[2]
    assert "127.0.0.1:8081" in shown and "abc" not in shown


def test_the_stream_of_this_env_is_the_one_that_is_shown() -> None:
    direct, _ = addresses(Page(inline_page(URL, channel("CartPole-v1"))))
    assert direct.endswith("#stream=CartPole-v1")


@pytest.mark.parametrize("name", ["</script><b>", '"; alert(1); "', "ALE/Pong-v5 #2", "a%sb", "é"])
def test_no_name_of_a_stream_can_leave_its_place(name: str) -> None:
    page = Page(inline_page(URL, channel(name)))
    assert page.elements == Page(inline_page(URL, None)).elements
    assert re.fullmatch(r"[\w./%#=?&:-]+", addresses(page)[0], re.ASCII)


def test_no_prefix_of_a_jupyterhub_can_end_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Page(inline_page(URL, None)).elements
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/</script><b>/")
    assert Page(inline_page(URL, None)).elements == plain


def test_behind_a_jupyterhub_the_users_own_prefix_leads_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert 'let base = "/user/ada/";' in Page(inline_page(URL, None)).script
