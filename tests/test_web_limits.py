"""Limits: so many at once, then so many a second, each address for itself, in a bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.web.limits import GUESSES, UNKNOWN, Allowance, Limits, seconds


def taken(allowance: Allowance, who: str, now: float, tries: int) -> int:
    """How many of so many tries at one moment are allowed."""
    allowed = 0
    for _ in range(tries):
        if not allowance.wait(who, now):
            allowance.take(who, now)
            allowed += 1
    return allowed


# --- one allowance -------------------------------------------------------------------------------------


def test_so_many_go_at_once_and_then_one_each_so_often() -> None:
    it = Allowance(rate=0.5, burst=3)
    assert taken(it, "a", 0.0, 10) == 3
    assert it.wait("a", 0.0) == pytest.approx(2.0)
    assert it.wait("a", 1.5) == pytest.approx(0.5)
    assert taken(it, "a", 2.0, 10) == 1
    assert taken(it, "a", 100.0, 10) == 3, "no more is saved up than the first time"


def test_each_has_its_own() -> None:
    it = Allowance(1, 2)
    assert taken(it, "a", 0.0, 5) == 2 and taken(it, "b", 0.0, 5) == 2


def test_one_can_always_come_by_and_by() -> None:
    it = Allowance(rate=0.1, burst=0.1)
    assert taken(it, "a", 0.0, 5) == 1


def test_what_is_not_allowed_costs_nothing_more() -> None:
    it = Allowance(1, 1)
    for _ in range(100):
        it.take("a", 0.0)
    assert it.wait("a", 0.0) == pytest.approx(1.0)


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    it = Allowance(1, 2)
    it.take("a", 100.0)
    it.take("a", 50.0)
    assert it.wait("a", 50.0) == pytest.approx(1.0)


def test_only_so_many_addresses_are_remembered_and_those_heard_of_last() -> None:
    it = Allowance(1, 1, most=3)
    for who in ("a", "b", "c", "a", "d"):
        it.take(who, 0.0)
    assert len(it) == 3
    assert it.wait("b", 0.0) == 0.0 and it.wait("a", 0.0) > 0 and it.wait("d", 0.0) > 0


def test_to_ask_is_not_to_take() -> None:
    it = Allowance(1, 1)
    assert [it.wait("a", 0.0) for _ in range(5)] == [0.0] * 5 and len(it) == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 5)), max_size=60))
def test_nobody_gets_more_than_burst_and_rate(tries: list[tuple[str, float]]) -> None:
    it, now, allowed = Allowance(rate=2, burst=4), 0.0, {"a": 0, "b": 0}
    for who, pause in tries:
        now += pause
        allowed[who] += taken(it, who, now, 3)
    assert max(allowed.values()) <= 4 + 2 * now + 1e-6


# --- who somebody is -----------------------------------------------------------------------------------

PROXIES = ["10.0.0.0/8", "2001:db8::1"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # Anybody can write that.
        ("127.0.0.1", "198.51.100.1", "127.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # What stands left of it a stranger wrote.
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", " , 198.51.100.1 , ", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", '"[2001:db8:5::9]:4711"', "2001:db8:5::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:0:1:aaaa::1", "", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("::1", "", "::1"),
        ("a socket", "198.51.100.1", UNKNOWN),
        (None, "198.51.100.1", UNKNOWN),
    ],
)
def test_a_client_is_the_last_address_that_is_no_trusted_proxy(
    peer: str | None, forwarded: str, client: str
) -> None:
    assert Limits(20, PROXIES).client(peer, forwarded) == client


@given(st.text(max_size=40), st.text(max_size=80))
def test_any_words_are_somebody(peer: str, forwarded: str) -> None:
    assert Limits(20, ["0.0.0.0/0", "::/0"]).client(peer, forwarded)


# --- guesses and handshakes ----------------------------------------------------------------------------


def test_after_ten_guesses_one_waits_six_seconds() -> None:
    limits = Limits(20)
    for _ in range(GUESSES):
        assert limits.guess("a", 0.0) == 0.0
        limits.guessed("a", 0.0)
    assert limits.guess("a", 0.0) == pytest.approx(6.0)
    assert limits.guess("b", 0.0) == 0.0
    assert limits.guess("a", 6.0) == pytest.approx(0.0)


def test_connections_begin_at_a_rate() -> None:
    limits = Limits(20)
    assert sum(not limits.begin("203.0.113.7", 0.0) for _ in range(200)) == 50
    assert sum(not limits.begin("203.0.113.7", 1.0) for _ in range(200)) == 20
    assert not limits.begin("203.0.113.8", 1.0)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.3.2.1", "::1"])
def test_this_machine_begins_at_any_rate(client: str) -> None:
    limits = Limits(1)
    assert not any(limits.begin(client, 0.0) for _ in range(1000))


@pytest.mark.parametrize("rate", [None, 0, 0.0])
def test_without_a_limit_anybody_does(rate: float | None) -> None:
    limits = Limits(rate)
    assert not any(limits.begin("203.0.113.7", 0.0) for _ in range(1000))


@pytest.mark.parametrize(("wait", "said"), [(0.01, "1"), (1.0, "1"), (5.2, "6")])
def test_waits_are_said_in_whole_seconds(wait: float, said: str) -> None:
    assert seconds(wait) == said
