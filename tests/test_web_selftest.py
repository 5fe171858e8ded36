"""The self-test's streams: private, bounded, and there only while somebody measures."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from envstream.codec import decode
from envstream.web.selftest import MOST
from fakes import PictureEnv
from serving import Watcher, get, stats, streaming, until
from test_testcard import number_in


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with streaming(PictureEnv(length=1000)) as port:
        yield port


def measuring(port: int) -> Watcher:
    watcher = Watcher(port, path="/ws/selftest")
    watcher.watch(watcher.hello["only"], format="jpeg")
    return watcher


def test_the_page_is_served(port: int) -> None:
    status, headers, body = get(port, "/selftest")
    assert status == 200 and headers["content-type"].startswith("text/html") and b"selftest.js" in body


def test_each_picture_shows_the_number_that_is_said_of_it(port: int) -> None:
    with measuring(port) as watcher:
        for _ in range(5):
            about, picture = watcher.frame()
            assert number_in(decode(picture)) == about["frameNumber"]
            assert about["stream"] == watcher.hello["only"]


def test_two_who_measure_have_each_their_own(port: int) -> None:
    with measuring(port) as one, measuring(port) as other:
        assert one.hello["only"] != other.hello["only"]
        assert one.frame()[0]["stream"] != other.frame()[0]["stream"]


def test_nobody_else_sees_it_in_a_list(port: int) -> None:
    with measuring(port) as watcher:
        watcher.frame()
        for path in ("/stats", "/api/streams", "/metrics"):
            assert b"elftest 1" not in get(port, path)[2] and b"Self-test" not in get(port, path)[2]
        with Watcher(port) as other:
            other.watch(status=True)
            assert [each["name"] for each in other.message("streams")["streams"]] == ["PictureEnv"]


def test_who_measures_sees_no_other_stream(port: int) -> None:
    with measuring(port) as watcher, contextlib.suppress(Exception):
        watcher.frame()
        watcher.watch("PictureEnv")
        while watcher.message("frame_metadata")["stream"] != "PictureEnv":
            pass
        pytest.fail("another stream was shown")


def test_nobody_measuring_makes_no_pictures_and_leaves_no_seat_taken(port: int) -> None:
    with measuring(port) as watcher:
        watcher.frame()
    until(lambda: stats(port)["clients_connected"] == 0, "the seats to be free")


def test_so_many_measure_at_one_time_and_no_more(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(measuring(port)).frame()
        with pytest.raises(InvalidStatus) as refused:
            measuring(port)
        assert refused.value.response.status_code == 503
    again: list[Any] = []

    def free() -> bool:
        with contextlib.suppress(InvalidStatus), measuring(port) as watcher:
            again.append(watcher.frame())
        return bool(again)

    until(free, "a place to be free again")


def test_it_needs_the_token_that_the_pages_need() -> None:
    with streaming(PictureEnv(), videoStreamToken="s3cret") as port:
        assert get(port, "/selftest")[0] == 401
        with pytest.raises(InvalidStatus):
            measuring(port)
        with Watcher(port, path="/ws/selftest?token=s3cret") as watcher:
            assert watcher.hello["only"].startswith("selftest")
            assert json.dumps(watcher.hello).count("s3cret") == 0
