"""A chain of pictures that build on each other: who has them all, and when it begins anew."""

from __future__ import annotations

from envstream.chain import KEY_PAUSE, Chain


def test_a_chain_may_begin_at_once_and_then_not_too_often() -> None:
    chain = Chain(1, 30.0)
    assert chain.may_begin_anew(10.0)
    chain.go_on(10.0, key=True)
    assert not chain.may_begin_anew(10.0 + KEY_PAUSE / 2)
    assert chain.may_begin_anew(10.0 + KEY_PAUSE)


def test_who_has_all_pictures_is_where_the_chain_is() -> None:
    chain = Chain(7, 30.0)
    chain.go_on(0.0, key=True)
    mine = chain.here
    assert mine == (7, 1)
    chain.go_on(0.1, key=False)
    assert chain.here != mine


def test_the_next_picture_is_due_a_period_later() -> None:
    chain = Chain(1, 10.0)
    chain.go_on(5.0, key=True)
    assert not chain.due(5.04) and chain.due(5.06)
    assert chain.next_at == 5.05


def test_a_late_picture_does_not_shift_the_ones_after_it() -> None:
    chain, made = Chain(1, 10.0), 0
    for tick in range(1000):
        now = 0.013 * tick
        if chain.due(now):
            chain.go_on(now, key=False)
            made += 1
    assert abs(made - 130) <= 2
