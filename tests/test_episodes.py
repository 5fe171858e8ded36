"""The episodes of a stream: how many have ended, their mean and their best."""

from __future__ import annotations

import math

from envstream.episodes import KEPT, RECENT, Episode, Episodes


def ended(*totals: float) -> Episodes:
    episodes = Episodes()
    for number, total in enumerate(totals, 1):
        episodes.add(number, 10, total)
    return episodes


def test_before_the_first_there_is_nothing_to_tell() -> None:
    none = Episodes()
    assert (len(none), none.seen, none.mean, none.best, none.last()) == (0, 0, None, None, [])


def test_the_last_thousand_are_kept_and_all_are_counted() -> None:
    episodes = ended(*range(KEPT + 5))
    assert (len(episodes), episodes.seen) == (KEPT, KEPT + 5)
    assert episodes.last()[0] == Episode(6, 10, 5) and episodes.last()[-1].number == KEPT + 5


def test_the_last_few_are_given_oldest_first() -> None:
    episodes = ended(1.0, 2.0, 3.0)
    assert [episode.total for episode in episodes.last(2)] == [2.0, 3.0]
    assert episodes.last(0) == episodes.last(-3) == []
    assert len(episodes.last(9)) == 3


def test_the_mean_is_that_of_the_last_hundred_and_follows_each_that_ends() -> None:
    episodes = ended(1e6, *[4.0] * RECENT)
    assert episodes.mean == 4.0
    episodes.add(200, 10, 4.0 + RECENT)
    assert episodes.mean == 5.0


def test_the_best_is_remembered_after_it_is_kept_no_more() -> None:
    assert ended(9.0, *[1.0] * (KEPT + 1)).best == 9.0


def test_a_return_that_is_no_number_is_never_the_best() -> None:
    assert ended(math.nan, -3.0, math.nan).best == -3.0
    assert ended(math.nan).best is None
