"""Addresses: what people type, and what it means."""

from __future__ import annotations

import pytest

from envstream.errors import EnvstreamError
from envstream.push.address import Address


@pytest.mark.parametrize(
    ("typed", "stream", "http"),
    [
        ("http://host:8080", "ws://host:8080/stream", "http://host:8080"),
        ("https://host", "wss://host/stream", "https://host"),
        ("ws://host:8080/stream", "ws://host:8080/stream", "http://host:8080"),
        ("wss://host/stream/", "wss://host/stream", "https://host"),
        ("HTTP://host/proxy/8080/", "ws://host/proxy/8080/stream", "http://host/proxy/8080"),
        ("ws://[::1]:80/?a=b", "ws://[::1]:80/stream?a=b", "http://[::1]:80"),
    ],
)
def test_every_way_to_write_it_leads_to_the_stream(typed: str, stream: str, http: str) -> None:
    assert Address.read(typed) == Address(stream, http, None)


def test_a_token_is_taken_out_of_the_address() -> None:
    assert Address.read("http://host/?token=a%2Bb&x=1") == Address(
        "ws://host/stream?x=1", "http://host", "a+b"
    )


def test_a_token_of_its_own_goes_before_that_of_the_address() -> None:
    assert Address.read("http://host/?token=a", "b").token == "b"


@pytest.mark.parametrize("typed", ["host:8080", "ftp://host", "http://", "http://host:port", "", "ws://[::1"])
def test_what_cannot_be_meant_is_one_sentence(typed: str) -> None:
    with pytest.raises(EnvstreamError, match="expected an address such as http://host:8080"):
        Address.read(typed)


def test_a_file_of_a_session_lies_under_the_pages() -> None:
    assert (
        Address.read("ws://host/x/stream").file("a-1", "video.mp4") == "http://host/x/sessions/a-1/video.mp4"
    )
