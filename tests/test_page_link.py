"""The page behind a line that gets slow and fast again: the quality follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pages
from fakes import PictureEnv
from pages import Page
from serving import Relay, streaming, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page


def grained() -> np.ndarray[Any, Any]:
    """A picture with as much in it as a rendered scene: 20 KB as JPEG."""
    far = np.random.default_rng(1).normal(128, 12, (300, 400, 1)) + np.linspace(-60, 60, 400)[None, :, None]
    return np.repeat(far, 3, axis=2).clip(0, 255).astype(np.uint8)


def quality(page: Page) -> int:
    """The JPEG quality that comes."""
    return int(page.tab.inner_text(".codec").removeprefix("JPEG ") or 0)


@pytest.mark.long
def test_the_quality_falls_with_the_line_and_comes_back_with_it(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(grained(), length=50)) as port, Relay(port, kbit=40_000, delay_ms=20) as relay:
        page = open_page(f"http://127.0.0.1:{relay.port}/?codec=jpeg")
        page.is_in("live")
        until(lambda: page.tab.inner_text(".codec") == "JPEG 85", "the best")
        relay.become(kbit=2_000)
        until(lambda: quality(page) < 85, "the quality to fall")
        until(lambda: "the link limits quality" in page.tab.inner_text(".notice"), "the page to say so")
        before = page.frame()
        until(lambda: page.frame() > before + 20, "pictures to go on")
        assert page.data("state") == "live"
        relay.become(kbit=40_000)
        until(lambda: quality(page) == 85, "the best again", seconds=90)
        until(lambda: page.tab.inner_text(".notice") == "", "nothing to say")
