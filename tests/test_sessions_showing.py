"""What a publisher sends, as frames of a stream: decoded where somebody looks, and only then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tapes
import videos
from envstream.config import StreamConfig
from envstream.frame import Pixels
from envstream.lane import Lane
from envstream.sessions.arrival import Arrival
from envstream.sessions.showing import MOST_WAITING, OLDEST, Showing, when
from envstream.stream import Stream
from envstream.timing import Timing
from senders import Loop


class Page(Loop):
    """A stream with the showing that fills it; `seen` is what was put into it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self.stream = Stream("camera", "camera", StreamConfig(), pool)
        self.lane = Lane(pool)
        self.seen: list[int] = []
        self.showing = Showing(self.stream, self.lane, self.call, self._saw, self.clock)

    def _saw(self, stream: Stream) -> None:
        frame = stream.buffer.newest()
        assert frame is not None
        self.seen.append(number_in(frame.pixels))

    def take(self, arrival: Arrival) -> None:
        self.showing.take(arrival, self.now)

    def watch(self) -> None:
        self.stream.watched(1)

    def ask(self) -> None:
        self.stream.ask(self.now)

    def idle(self) -> None:
        self.lane.submit(lambda: None).result(10)
        self.turn()


def number_in(pixels: Pixels) -> int:
    """The number of a numbered picture."""
    half = videos.SIDE // 2
    digits = pixels[half : 3 * videos.SIDE : videos.SIDE, half : 4 * videos.SIDE : videos.SIDE, 0]
    return sum(int(digit > 128) << place for place, digit in enumerate(digits.reshape(-1)))


@pytest.fixture
def page(pool: ThreadPoolExecutor) -> Page:
    return Page(pool)


def test_the_first_and_the_last_are_seen_where_nobody_looks(page: Page) -> None:
    for number in range(1, 10):
        page.take(tapes.sent(number))
        page.idle()
    assert page.seen == [1]
    page.showing.finish(page.now)
    page.until(lambda: page.stream.ended, "the end")
    assert page.seen == [1, 9]


def test_what_viewers_are_sent_is_seen(page: Page) -> None:
    page.watch()
    for number in range(1, 5):
        page.ask()
        page.take(tapes.sent(number))
        page.idle()
    assert page.seen == [1, 2, 3, 4]


def test_what_comes_faster_than_it_is_wanted_is_left_out(page: Page) -> None:
    page.watch()
    for number in range(1, 10):
        page.take(tapes.sent(number))
        page.idle()
    assert page.seen[0] == 1 and len(page.seen) < 9


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp", "raw"])
def test_each_kind_of_picture_is_shown(page: Page, encoding: str) -> None:
    page.take(tapes.sent(1234, encoding=encoding))
    page.idle()
    assert page.seen == [1234]


def test_a_jpeg_is_passed_on_as_it_came_and_nobody_decodes_it(page: Page) -> None:
    arrival = tapes.sent(1)
    page.showing.take(arrival, page.now)
    frame = page.stream.buffer.newest()
    assert frame is not None and frame.source == (arrival.data, 95)
    assert (frame.width, frame.height) == (arrival.width, arrival.height)


def test_where_processors_want_its_pixels_it_is_decoded(page: Page) -> None:
    page.stream.processors.append(lambda frame: frame)
    page.take(tapes.sent(1))
    page.idle()
    frame = page.stream.buffer.newest()
    assert frame is not None and frame.source is None and page.seen == [1]


def test_one_is_not_passed_on_past_what_is_still_decoded(page: Page) -> None:
    page.watch()
    for number, encoding in enumerate(("png", "jpeg", "png", "jpeg"), 1):
        page.ask()
        page.take(tapes.sent(number, encoding=encoding))
    page.idle()
    assert page.seen == sorted(page.seen) and page.seen[-1] == 4


def test_a_picture_that_is_late_is_not_shown(page: Page) -> None:
    page.watch()
    for number in (2, 1, 2):
        page.ask()
        page.take(tapes.sent(number))
        page.idle()
    assert page.seen == [2]


def test_a_picture_that_cannot_be_decoded_is_told_of_and_the_next_one_is_shown(page: Page) -> None:
    page.take(tapes.sent(1)._replace(data=b"no picture"))
    page.idle()
    assert (
        page.seen == [] and page.stream.notices.newest is not None and "decoded" in page.stream.notices.newest
    )
    page.take(tapes.sent(2))
    page.idle()
    assert page.seen == [2] and page.stream.notices.newest is None


def test_a_slow_machine_leaves_pictures_out_and_does_not_queue_them(page: Page) -> None:
    page.watch()
    release: list[bool] = []
    page.lane.submit(lambda: page_waits(release))
    for number in range(1, 50):
        page.ask()
        page.take(tapes.sent(number, encoding="png"))
    assert len(page.lane) <= MOST_WAITING
    release.append(True)
    page.idle()
    assert 0 < len(page.seen) <= MOST_WAITING


def page_waits(release: list[bool]) -> None:
    from serving import until

    until(lambda: release, "the test")


def test_a_still_picture_is_shown_again_with_its_time(page: Page) -> None:
    page.showing.again(None, page.now)  # Of nothing, nothing.
    page.watch()
    page.take(tapes.sent(3))
    page.idle()
    page.now += 5
    page.showing.again(page.now - 1, page.now)
    frame = page.stream.buffer.newest()
    assert frame is not None and frame.captured == page.now - 1 and page.seen == [3, 3]


def test_steps_are_noted_also_of_pictures_that_are_not_shown(page: Page) -> None:
    for number, total in ((1, 10), (2, 20), (3, True), (4, "many")):
        page.take(tapes.sent(number)._replace(info={"totalSteps": total}))
        page.now += 1
    assert page.stream.steps == 20
    page.idle()


@pytest.mark.parametrize(
    ("said", "then"),
    [(None, 5000.0), (4999.0, 4999.0), (5001.0, 5000.0), (5000.0 - OLDEST - 1, 5000.0), (-1e12, 5000.0)],
)
def test_when_a_picture_was_taken_is_believed_where_it_can_be(said: float | None, then: float) -> None:
    assert when(said, 5000.0) == then


@pytest.mark.parametrize(
    ("captured", "info", "taken"),
    [
        (999.5, {"captureMs": 100}, {"capture": 100.0, "upload": 400.0, "queue": 250.0}),
        (999.5, {}, {"upload": 500.0, "queue": 250.0}),
        (None, {"captureMs": 100}, {"capture": 100.0, "queue": 250.0}),
        (1000.05, {}, {"upload": 0.0, "queue": 250.0}),  # Nobody knows our clock so well.
        (1001.0, {}, {"queue": 250.0}),
        (None, {"captureMs": "100"}, {"queue": 250.0}),
    ],
)
def test_how_long_a_picture_took_is_kept_where_somebody_wants_to_know(
    page: Page, captured: float | None, info: dict[str, Any], taken: dict[str, float]
) -> None:
    page.stream.timing = Timing()
    page.take(tapes.sent(1, encoding="png")._replace(captured=captured, info=info))
    page.now += 0.25
    page.idle()
    assert {stage: said["p50"] for stage, said in page.stream.timing.said().items()} == taken


def h264(count: int, keys: int) -> list[Arrival]:
    """Numbered pictures as H.264, with a key picture every so many."""
    av: Any = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.gop_size = Fraction(1, 30), keys
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast"}
    arrivals = []
    for number in range(1, count + 1):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(videos.numbered(number)), format="rgb24")
        for packet in encoder.encode(frame):
            arrivals.append(
                Arrival(number, number / 30, "h264", 64, 48, packet.is_keyframe, None, {}, bytes(packet))
            )
    return arrivals


def shown(
    page: Page, arrivals: list[Arrival], before: Callable[[int], None] = lambda number: None
) -> list[int]:
    for arrival in arrivals:
        before(arrival.number)
        page.take(arrival)
        page.idle()
    return page.seen


def test_of_a_video_all_pictures_are_shown_while_somebody_looks(page: Page) -> None:
    page.watch()
    assert shown(page, h264(8, 4)) == list(range(1, 9))


def test_of_a_video_nothing_is_decoded_while_nobody_looks_until_the_next_key_picture(page: Page) -> None:
    assert shown(page, h264(12, 4), lambda number: page.watch() if number == 6 else None) == [
        1,
        9,
        10,
        11,
        12,
    ]


def test_of_a_video_nothing_is_shown_that_builds_on_what_is_missing(page: Page) -> None:
    page.watch()
    arrivals = [each for each in h264(8, 4) if each.number != 3]
    assert shown(page, arrivals) == [1, 2, 5, 6, 7, 8]
