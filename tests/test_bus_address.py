"""A bus's address: read as people write it, and never shown with a secret in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.bus.address import BusAddress, is_bus
from envstream.errors import EnvstreamError


def test_a_host_is_enough() -> None:
    assert BusAddress.read("redis://node-1") == BusAddress(
        False, "node-1", 6379, 0, None, None, "envstream", None
    )


def test_everything_can_be_said() -> None:
    read = BusAddress.read("rediss://me:p%40ss%2F%23@[::1]:7000/3?prefix=lab:a&ca=/etc/ca.pem")
    assert read == BusAddress(True, "::1", 7000, 3, "me", "p@ss/#", "lab:a", "/etc/ca.pem")


def test_a_password_needs_no_user() -> None:
    assert BusAddress.read("redis://:secret@host")[4:6] == (None, "secret")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@host", "redis://host:6379/0"),
        ("rediss://me:secret@host:1/2?prefix=lab", "rediss://host:1/2?prefix=lab"),
        (" REDIS://[::1]/ ", "redis://[::1]:6379/0"),
        ("redis://h?prefix=envstream&ca=x", "redis://h:6379/0"),
    ],
)
def test_it_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert BusAddress.read(url).shown == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "expected an address such as redis://"),
        ("host:6379", "expected an address such as redis://"),
        ("http://:secret@host", "expected an address such as redis://"),
        ("redis://", "expected an address such as redis://"),
        ("redis://:secret@", "expected an address such as redis://"),
        ("redis://:secret@host:port", "its host or port is none"),
        ("redis://:secret@host:99999", "its host or port is none"),
        ("redis://:secret@host:0", "expected an address such as redis://"),
        ("redis://:se#cret@host", "expected"),
        ("redis://me:1#cret@host", "write a # in a password as %23"),
        ("redis://:sec/ret@host", "its host or port is none"),
        ("redis://:secret@host/zero", "the number of a database"),
        ("redis://:secret@host/-1", "the number of a database"),
        ("redis://:secret@host/0/1", "the number of a database"),
        ("redis://:secret@host?prefx=a", "there may be prefix and ca, nothing else"),
        ("redis://me:1?cret@host", "there may be prefix and ca, nothing else"),
        ("redis://:secret@host?prefix=", "a prefix has 1 to 64 letters"),
        ("redis://:secret@host?prefix=a*", "a prefix has 1 to 64 letters"),
    ],
)
def test_what_cannot_be_meant_is_said_without_the_password(url: str, says: str) -> None:
    with pytest.raises(EnvstreamError) as error:
        BusAddress.read(url)
    assert says in str(error.value) and "cret" not in str(error.value).partition("expected")[0]


@given(st.text())
def test_whatever_is_typed_is_read_or_said_to_be_wrong(text: str) -> None:
    for url in (text, f"redis://{text}"):
        try:
            BusAddress.read(url)
        except EnvstreamError:
            pass


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("redis://h", True),
        (" rediss://h", True),
        ("http://h", False),
        ("redis", False),
        ("", False),
        (None, False),
    ],
)
def test_an_address_says_whether_it_is_a_buss(url: str | None, is_one: bool) -> None:
    assert is_bus(url) is is_one
