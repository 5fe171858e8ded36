"""The control line: messages arrive whole and in order, wake-ups never block, the end is heard."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.links import control

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


def heard(incoming: control.Incoming) -> list[dict[str, Any]]:
    return list(incoming.receive())


class Cut:
    """A line that hands out bytes in the pieces it was given; cannot pass descriptors."""

    family = -1

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def recv(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def test_a_message_arrives(pair: Pair) -> None:
    control.send(pair[0], {"op": "note", "message": "é\n"})
    assert heard(control.Incoming(pair[1])) == [{"op": "note", "message": "é\n"}]


def test_messages_sent_together_arrive_one_by_one(pair: Pair) -> None:
    for number in range(3):
        control.send(pair[0], {"number": number})
    assert heard(control.Incoming(pair[1])) == [{"number": number} for number in range(3)]


def test_a_wake_up_is_no_message(pair: Pair) -> None:
    control.wake(pair[0])
    assert heard(control.Incoming(pair[1])) == []


def test_nothing_there_is_no_message_and_no_end(pair: Pair) -> None:
    incoming = control.Incoming(pair[1])
    assert heard(incoming) == []
    assert not incoming.ended


def test_the_end_of_one_side_is_seen_by_the_other(pair: Pair) -> None:
    incoming = control.Incoming(pair[1])
    pair[0].close()
    assert heard(incoming) == []
    assert incoming.ended


def test_a_line_full_of_wake_ups_stops_nobody(pair: Pair) -> None:
    for _ in range(20_000):
        control.wake(pair[0])


def test_waking_a_peer_that_is_gone_raises_nothing(pair: Pair) -> None:
    pair[1].close()
    control.wake(pair[0])


def test_waking_over_a_closed_line_raises_nothing(pair: Pair) -> None:
    pair[0].close()
    control.wake(pair[0])


def test_sending_to_a_peer_that_is_gone_is_an_os_error(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(OSError):
        control.send(pair[0], {"op": "start"})


@pytest.mark.skipif(not hasattr(socket, "recv_fds"), reason="descriptors cannot be passed here")
def test_descriptors_arrive_with_their_messages_and_in_their_order(pair: Pair, tmp_path: Any) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
        descriptor = os.open(path, os.O_RDONLY)
        control.send(pair[0], {"op": path.name}, [descriptor])
        os.close(descriptor)
    incoming = control.Incoming(pair[1])
    messages = heard(incoming) + heard(incoming)
    contents = []
    for descriptor in incoming.descriptors:
        contents.append(os.read(descriptor, 10).decode())
        os.close(descriptor)
    assert [message["op"] for message in messages] == contents == ["a", "b"]


messages = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3), max_size=5
)


@given(messages, st.lists(st.integers(1, 10), max_size=40))
def test_messages_arrive_whole_however_the_bytes_are_cut(
    messages: list[dict[str, Any]], cuts: list[int]
) -> None:
    sent = Recorder()
    for message in messages:
        control.wake(sent)  # type: ignore[arg-type]
        control.send(sent, message)  # type: ignore[arg-type]
    pieces, rest = [], sent.data
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    incoming = control.Incoming(Cut(*filter(None, [*pieces, rest])))  # type: ignore[arg-type]
    received: list[dict[str, Any]] = []
    while not incoming.ended:
        received += incoming.receive()
    assert received == messages


class Recorder:
    """A line that keeps what is sent."""

    data = b""

    def send(self, data: bytes, flags: int = 0) -> int:
        self.data += data
        return len(data)
