"""Notices: what is wrong with a stream, by several who say so."""

from __future__ import annotations

import pytest

from envstream.notices import Notices


@pytest.fixture
def notices() -> Notices:
    return Notices()


def test_nothing_is_wrong_at_first(notices: Notices) -> None:
    notices.picture()
    assert notices.newest is None


def test_a_sentence_is_there_until_the_next_picture(notices: Notices) -> None:
    notices.say("one picture failed", "training")
    assert notices.newest == "one picture failed"
    notices.picture()
    assert notices.newest is None


def test_one_that_lasts_is_there_until_its_author_takes_it_back(notices: Notices) -> None:
    notices.say("the disk is full", "recordings", lasting=True)
    notices.picture()
    assert notices.newest == "the disk is full"
    notices.say("", "recordings")
    assert notices.newest is None


def test_what_lasts_is_seen_again_after_one_that_does_not(notices: Notices) -> None:
    notices.say("the disk is full", "recordings", lasting=True)
    for author in ("training", "recordings"):
        notices.say("some pictures are left out", author)
        assert notices.newest == "some pictures are left out"
        notices.picture()
        assert notices.newest == "the disk is full"


def test_who_takes_back_its_own_leaves_that_of_others(notices: Notices) -> None:
    notices.say("the disk is full", "recordings", lasting=True)
    notices.say("the connection is lost", "connection", lasting=True)
    assert notices.newest == "the connection is lost"
    notices.say("", "connection", lasting=True)
    assert notices.newest == "the disk is full"


def test_an_author_has_one_sentence_that_lasts(notices: Notices) -> None:
    notices.say("it is slow", "publisher", lasting=True)
    notices.say("it is black", "publisher", lasting=True)
    assert notices.newest == "it is black"
    notices.say("", "publisher")
    assert notices.newest is None


def test_the_newest_is_seen_also_where_its_author_spoke_before_others(notices: Notices) -> None:
    notices.say("first", "a", lasting=True)
    notices.say("second", "b", lasting=True)
    notices.say("third", "a", lasting=True)
    assert notices.newest == "third"


def test_what_is_said_already_is_no_news(notices: Notices) -> None:
    assert notices.say("the disk is full", "recordings", lasting=True)
    assert not notices.say("the disk is full", "recordings", lasting=True)
    assert notices.say("the disk is fuller", "recordings", lasting=True)
    assert notices.say("", "recordings")
    assert not notices.say("", "recordings")
