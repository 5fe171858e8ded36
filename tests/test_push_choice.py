"""The choice: it finds what a link carries, comes back when there is room, and never goes to and fro."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise

import pytest

from envstream.push.choice import Choice, Rung, fineness

JPEG = 60_000  # Bytes of a JPEG of quality 50 of the pictures that are simulated.
H264 = 12_000
WINDOW = 64  # Pictures under way at most, where a source waits.

Speed = Callable[[float], float]


def size_of(rung: Rung) -> int:
    return int((JPEG if rung.encoding == "jpeg" else H264) * fineness(rung.quality))


def live(choice: Choice, speed: Speed, seconds: float, fps: float = 30, work: float = 0.002) -> list[Rung]:
    """The rung of each picture of a live source, over a link with so many bytes a second at a time."""
    queue: deque[tuple[float, float]] = deque()  # When it was offered, and the bytes that are still to go.
    done, rungs = 0.0, []
    for number in range(int(seconds * fps)):
        now = number / fps
        budget = speed(now) / fps
        while queue and budget > 0:
            at, left = queue.popleft()
            sent = min(left, budget)
            budget, done = budget - sent, done + sent
            if left > sent:
                queue.appendleft((at, left - sent))
        rung = choice.rung
        rungs.append(rung)
        queue.append((now, size_of(rung)))
        choice.encoded(now, size_of(rung), work * (4 if rung.encoding == "h264" else 1), 1 / fps)
        choice.acknowledged(now, int(done))
        choice.decide(now, now - queue[0][0])
    return rungs


def hurried(choice: Choice, speed: Speed, seconds: float, jpeg: float, h264: float) -> list[Rung]:
    """The rung of each picture of a file, whose pictures take so many seconds to compress."""
    under_way: deque[tuple[float, int]] = deque()  # When each will have arrived, and its bytes.
    now = free_at = total = 0.0
    rungs = []
    while now < seconds:
        rung = choice.rung
        rungs.append(rung)
        work = jpeg if rung.encoding == "jpeg" else h264
        before = now
        while len(under_way) >= WINDOW:
            arrived, size = under_way.popleft()
            now, total = max(now, arrived), total + size
        waited = now - before
        now += work
        while under_way and under_way[0][0] <= now:
            total += under_way.popleft()[1]
        free_at = max(free_at, now) + size_of(rung) / speed(now)
        under_way.append((free_at, size_of(rung)))
        choice.encoded(now, size_of(rung), work, 0.0, waited)
        choice.acknowledged(now, int(total))
        choice.decide(now, 0.0)
    return rungs


def changes(rungs: list[Rung]) -> int:
    return sum(one != other for one, other in pairwise(rungs))


def need(rung: Rung, fps: float = 30) -> float:
    return size_of(rung) * fps


BEST = Rung("jpeg", 85)


# --- a live source -------------------------------------------------------------------------------------


def test_a_link_that_carries_the_best_gets_the_best() -> None:
    assert set(live(Choice(), lambda now: 1.1 * need(BEST), 60)) == {BEST}


@pytest.mark.parametrize("rung", [Rung("jpeg", 70), Rung("jpeg", 50), Rung("h264", 70), Rung("h264", 30)])
def test_a_slower_link_gets_what_it_carries_and_that_stays_so(rung: Rung) -> None:
    rungs = live(Choice(), lambda now: 1.25 * need(rung), 240)
    assert rung in rungs[: 10 * 30]
    assert rungs.count(rung) > 0.8 * len(rungs)
    assert changes(rungs) <= 16  # Now and then it is tried whether more goes, ever more seldom.


def test_a_link_that_becomes_slow_is_followed_within_seconds() -> None:
    rungs = live(Choice(), lambda now: 2 * need(BEST) if now < 20 else 1.3 * need(Rung("h264", 50)), 40)
    assert set(rungs[: 20 * 30]) == {BEST}
    assert rungs[26 * 30].encoding == "h264"


def test_a_link_that_becomes_quick_again_gets_the_best_again() -> None:
    slow = 1.3 * need(Rung("h264", 50))
    rungs = live(Choice(), lambda now: slow if now < 40 else 3 * need(BEST), 200)
    assert rungs[30 * 30].encoding == "h264" and rungs[-1] == BEST
    # Not at the first good moment: only where there was room for a while.
    assert all(rung != BEST for rung in rungs[30 * 30 : 45 * 30])


def test_trials_that_fail_come_ever_more_seldom() -> None:
    rungs = live(Choice(), lambda now: 0.97 * need(Rung("jpeg", 70)), 600)
    at = [number / 30 for number, (one, other) in enumerate(pairwise(rungs)) if one != other]
    first, last = [each for each in at if each < 200], [each for each in at if each >= 400]
    assert len(last) <= len(first) and len(last) <= 6


@pytest.mark.parametrize("factor", [0.7, 0.8, 0.9, 1.0, 1.1, 1.2])
@pytest.mark.parametrize("rung", [BEST, Rung("jpeg", 50), Rung("h264", 50)])
def test_there_is_no_speed_at_which_it_flaps(rung: Rung, factor: float) -> None:
    rungs = live(Choice(), lambda now: factor * need(rung), 300)
    assert changes(rungs[10 * 30 :]) <= 20


def test_a_link_whose_speed_swings_does_not_make_it_swing() -> None:
    rungs = live(Choice(), lambda now: need(Rung("jpeg", 50)) * (1.6 if int(now) % 2 else 0.8), 300)
    assert changes(rungs[20 * 30 :]) <= 24


def test_without_an_encoder_it_stays_with_jpeg() -> None:
    rungs = live(Choice(h264=False), lambda now: need(Rung("jpeg", 30)) * 1.2, 60)
    assert {rung.encoding for rung in rungs} == {"jpeg"} and rungs[-1].quality <= 30


def test_an_encoder_that_is_slower_than_the_pictures_come_is_not_used_again() -> None:
    rungs = live(Choice(), lambda now: 1.2 * need(Rung("h264", 70)), 120, work=0.01)
    tried = sum(rung.encoding == "h264" for rung in rungs)
    assert 0 < tried < 60 and rungs[-1] == Rung("jpeg", 50)


def test_a_link_that_was_away_is_not_a_slow_one() -> None:
    choice = Choice()
    live(choice, lambda now: 2 * need(BEST), 10)
    choice.interrupted(40.0)
    choice.encoded(40.0, size_of(BEST), 0.002, 1 / 30)
    choice.acknowledged(40.0, 0)
    assert not choice.decide(40.0, 30.0)


def test_no_rung_is_better_than_what_was_asked_for() -> None:
    assert Choice(60).rung == Rung("jpeg", 60) and Choice(5).rung == Rung("jpeg", 5)
    rungs = live(Choice(60), lambda now: need(Rung("h264", 30)), 30)
    assert max(rung.quality for rung in rungs if rung.encoding == "jpeg") == 60


# --- a file --------------------------------------------------------------------------------------------


def test_a_file_stays_jpeg_where_the_link_is_quicker_than_the_encoder() -> None:
    rungs = hurried(Choice(paced=False), lambda now: 100e6, 60, jpeg=0.003, h264=0.012)
    assert set(rungs) == {BEST}


def test_a_file_becomes_h264_where_the_link_is_slower() -> None:
    rungs = hurried(Choice(paced=False), lambda now: 1e6, 60, jpeg=0.003, h264=0.012)
    assert rungs[-1] == Rung("h264", 85) and changes(rungs) <= 1


def test_a_file_goes_back_where_h264_turns_out_slower_still() -> None:
    # Over the link a JPEG takes 27 ms, and compressing H.264 100.
    rungs = hurried(Choice(paced=False), lambda now: 4e6, 120, jpeg=0.003, h264=0.1)
    assert rungs[-1] == BEST and changes(rungs) <= 2


def test_a_file_over_a_link_that_becomes_quick_becomes_jpeg_again() -> None:
    speed: Speed = lambda now: 1e6 if now < 30 else 100e6  # noqa: E731
    rungs = hurried(Choice(paced=False), speed, 120, jpeg=0.003, h264=0.012)
    assert rungs[-1] == BEST and changes(rungs) <= 4


@pytest.mark.parametrize("speed", [1e6, 3e6, 5e6, 8e6, 12e6, 20e6, 40e6])
def test_there_is_no_speed_at_which_a_file_flaps(speed: float) -> None:
    rungs = hurried(Choice(paced=False), lambda now: speed, 120, jpeg=0.003, h264=0.012)
    assert changes(rungs) <= 8


def test_a_file_without_an_encoder_stays_jpeg() -> None:
    rungs = hurried(Choice(paced=False, h264=False), lambda now: 1e6, 30, jpeg=0.003, h264=0.012)
    assert set(rungs) == {BEST}


def test_a_better_quality_takes_more_bytes() -> None:
    sizes = [fineness(quality) for quality in range(1, 101)]
    assert sizes == sorted(sizes) and fineness(50) == 1
