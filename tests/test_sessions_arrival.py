"""Arrivals: what a frame from elsewhere is."""

from __future__ import annotations

from envstream.sessions.arrival import ENCODINGS, Arrival


def test_an_arrival_can_be_announced_and_get_its_bytes_later() -> None:
    announced = Arrival(3, 0.1, "jpeg", 4, 2, True, None, {"step": 5}, b"")
    whole = announced._replace(data=b"abc")
    assert (whole.number, whole.info, whole.data) == (3, {"step": 5}, b"abc")
    assert announced.data == b""


def test_the_encodings_are_those_of_the_protocol() -> None:
    assert ENCODINGS == ("jpeg", "png", "webp", "raw", "h264")
