"""Receipts: news comes soon but not one by one, and credits shrink with the size of frames."""

from __future__ import annotations

import pytest

from envstream.sessions.receipts import FRAMES, SECONDS, Receipts
from envstream.sessions.start import Limits

LIMITS = Limits(max_message=1000, max_pixels=5000, memory=1000, credits=64)


def receipts(size: int = 1) -> Receipts:
    return Receipts(LIMITS, size)


def test_frames_of_which_no_size_is_known_take_no_room() -> None:
    assert receipts(0).credits == LIMITS.credits


def test_without_news_nothing_is_told() -> None:
    assert not receipts().due(100.0, force=True)


def test_the_first_news_is_told_at_once_and_only_once() -> None:
    told = receipts()
    told.news()
    assert told.due(0.0, force=False)
    assert not told.due(100.0, force=True)


def test_further_news_waits_for_a_handful_of_frames() -> None:
    told = receipts()
    told.news()
    told.due(0.0, force=False)
    for _ in range(FRAMES - 1):
        told.news()
        assert not told.due(SECONDS / 2, force=False)
    told.news()
    assert told.due(SECONDS / 2, force=False)


def test_further_news_waits_only_so_long_and_not_at_all_where_it_is_urgent() -> None:
    told = receipts()
    told.news()
    told.due(0.0, force=False)
    told.news()
    assert not told.due(SECONDS * 0.9, force=False)
    assert told.due(SECONDS * 1.1, force=False)
    told.news()
    assert told.due(SECONDS * 1.2, force=True)


@pytest.mark.parametrize(("size", "credits"), [(1, 64), (100, 10), (1000, 1), (10_000, 1)])
def test_as_many_frames_may_be_under_way_as_fit_into_memory(size: int, credits: int) -> None:
    assert receipts(size).credits == credits


def test_a_large_frame_takes_credits_at_once_and_small_ones_give_them_back_slowly() -> None:
    told = receipts()
    told.weigh(500)
    assert told.credits == 2
    told.weigh(1)
    assert told.credits == 2
    for _ in range(200):
        told.weigh(1)
    assert told.credits == 64


def test_a_number_that_is_asked_for_again_and_again_counts_once() -> None:
    told = receipts()
    assert told.ask([1, 2], accounted=()) == 2
    assert told.ask([2, 3], accounted={1}) == 1
    assert told.ask([2, 3], accounted={1}) == 0
    assert [told.asked(number) for number in (1, 2, 3, 4)] == [False, True, True, False]
