"""Frames right and wrong, as Autobahn's suite has them: the server closes with the right code, or goes on."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envstream.web.messages import LONGEST_MESSAGE
from envstream.web.socket_protocol import MOST_FRAGMENTS
from fakes import PictureEnv
from serving import BENCHMARKS, Watcher, get, stats, streaming, until

sys.path.insert(0, str(BENCHMARKS))

from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, encoded

NAME = "PictureEnv"
GOES_ON = 0  # In place of a close code.
GONE = 1  # The connection ends, with or without a word.
PATHS = ("/ws", "/stream", "/ws/camera/hall", "/ws/view/hall")
EACH = [*PATHS[:2], *(pytest.param(path, marks=pytest.mark.long) for path in PATHS[2:])]
HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)
SAYS = b'{"type":"ping","t":7}'  # Understood on every socket.
BAD_UTF8 = b'{"type":"ping","t":"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"}'
GOOD_UTF8 = '{"type":"ping","t":"κόσμε 𝄞 蛇"}'.encode()


def text(data: bytes = SAYS, **odd: object) -> bytes:
    return encoded(TEXT, data, **odd)  # type: ignore[arg-type]


def closing(code: int, reason: bytes = b"") -> bytes:
    return encoded(CLOSE, code.to_bytes(2, "big") + reason)


class Frames(NamedTuple):
    """What is sent, and what comes of it: a close code, or it goes on."""

    name: str
    data: bytes
    ends: int = GOES_ON
    pongs: int = 0  # To pings of WebSocket's own.


VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
TABLE = [
    # Framing.
    Frames("a text", text()),
    Frames("a text whose length takes more bytes than it needs", text(wide=2)),
    Frames("a text whose length takes eight bytes", text(wide=8)),
    Frames("a text masked with zeros", text(mask=bytes(4))),
    Frames("a text that is not masked", text(mask=None), 1002),
    Frames("a ping that is not masked", encoded(PING, b"x", mask=None), 1002),
    Frames("two texts in one piece", text() + text()),
    Frames("a length of 2^63", text(size=2**63, wide=8), GONE),
    Frames("a length of 2^64 - 1", text(size=2**64 - 1, wide=8), GONE),
    Frames("more than there is room for", text(size=2**40, wide=8), 1009),
    # Pings and pongs.
    Frames("a ping", encoded(PING), pongs=1),
    Frames("a ping of 125 bytes", encoded(PING, b"p" * 125), pongs=1),
    Frames("a ping of bytes that are no text", encoded(PING, b"\x00\xff\xfe"), pongs=1),
    Frames("a ping of 126 bytes", encoded(PING, b"p" * 126), 1002),
    Frames("ten pings at once", encoded(PING, b"x") * 10, pongs=10),
    Frames("a pong that nobody asked for", encoded(PONG, b"why")),
    Frames("a pong of 126 bytes", encoded(PONG, b"p" * 126), 1002),
    Frames("a ping in two pieces", encoded(PING, b"a", fin=False) + encoded(CONTINUATION, b"b"), 1002),
    # Reserved bits and kinds.
    *(Frames(f"reserved bits {bits}", text(reserved=bits), 1002) for bits in range(1, 8)),
    *(Frames(f"a ping with reserved bits {bits}", encoded(PING, reserved=bits), 1002) for bits in (1, 4)),
    *(Frames(f"the unknown kind {kind}", encoded(kind, b"x"), 1002) for kind in (3, 4, 5, 6, 7, 11, 12, 15)),
    Frames("a text, and then an unknown kind", text() + encoded(5), 1002),
    # Fragments.
    Frames("a text in two fragments", text(SAYS[:5], fin=False) + encoded(CONTINUATION, SAYS[5:])),
    Frames(
        "a text in fragments of a byte",
        text(SAYS[:1], fin=False)
        + b"".join(encoded(CONTINUATION, SAYS[at : at + 1], fin=False) for at in range(1, len(SAYS)))
        + encoded(CONTINUATION),
    ),
    Frames(
        "empty fragments",
        text(b"", fin=False) + encoded(CONTINUATION, b"", fin=False) + encoded(CONTINUATION, SAYS),
    ),
    Frames(
        "a ping between two fragments",
        text(SAYS[:5], fin=False) + encoded(PING, b"x") + encoded(CONTINUATION, SAYS[5:]),
        pongs=1,
    ),
    Frames(
        "a pong between two fragments",
        text(SAYS[:5], fin=False) + encoded(PONG) + encoded(CONTINUATION, SAYS[5:]),
    ),
    Frames("a continuation of nothing", encoded(CONTINUATION, b"x"), 1002),
    Frames("a continuation of nothing that has no end", encoded(CONTINUATION, b"x", fin=False), 1002),
    Frames("a text behind half a text", text(b"{", fin=False) + text(), 1002),
    Frames("a close between two fragments", text(b"{", fin=False) + closing(1000), 1002),
    Frames(
        "reserved bits in a continuation",
        text(b"{", fin=False) + encoded(CONTINUATION, b"}", reserved=4),
        1002,
    ),
    # Texts.
    Frames("letters of many languages", text(GOOD_UTF8)),
    Frames(
        "letters cut in two by fragments",
        text(GOOD_UTF8[:21], fin=False) + encoded(CONTINUATION, GOOD_UTF8[21:]),
    ),
    Frames("a text that is no UTF-8", text(BAD_UTF8), 1007),
    Frames(
        "no UTF-8, in fragments", text(BAD_UTF8[:28], fin=False) + encoded(CONTINUATION, BAD_UTF8[28:]), 1007
    ),
    Frames("half a letter", text(b'{"type":"ping","t":"\xf0\x9d\x84'), 1007),
    Frames("a byte that no text has", text(b"\xff"), 1007),
    Frames("a letter longer than it needs to be", text(b"\xc0\xaf"), 1007),
    Frames("a letter beyond all letters", text(b"\xf4\x90\x80\x80"), 1007),
    # The end.
    Frames("a close without a word", encoded(CLOSE), GONE),
    Frames("a close of one byte", encoded(CLOSE, b"\x03"), 1002),
    Frames("a close with a long reason", closing(1000, b"r" * 123), 1000),
    Frames("a close with too long a reason", closing(1000, b"r" * 124), 1002),
    Frames("a close whose reason is no UTF-8", closing(1000, b"\xce\xba\xed\xa0\x80"), 1007),
    Frames("a text behind a close", closing(1000) + text(), 1000),
    Frames("no UTF-8, and then what is no frame", text(BAD_UTF8) + b"\xff" * 64, GONE),
    Frames("no UTF-8 behind a close", closing(1000) + text(BAD_UTF8), 1000),
    Frames("two closes", closing(1000) + closing(1000), 1000),
    *(Frames(f"a close with {code}", closing(code), code) for code in VALID_CODES),
    *(Frames(f"a close with {code}, which nobody may say", closing(code), 1002) for code in INVALID_CODES),
    Frames("bytes that are no frames", b"\xff" * 64, GONE),
    Frames("HTTP once more", HANDSHAKE.format("/ws", "").encode(), GONE),
]
# What the conversation itself takes no more.
VIEWERS = [
    Frames("a picture from a viewer", encoded(BINARY, b"\xff\xd8"), 1008),
    Frames("no bytes from a viewer", encoded(BINARY), 1008),
    Frames("an empty text", text(b""), 1008),
    Frames("a text that is no message", text(b"hello"), 1008),
    Frames("many texts that are none", text(b"hello") * 50, 1008),
    Frames("many of them in fragments", (text(b"h", fin=False) + encoded(CONTINUATION, b"i")) * 50, 1008),
    Frames("a text of 64 KiB and one", text(b" " * (LONGEST_MESSAGE + 1)), 1009),
    Frames(
        "the same in fragments", text(b" " * LONGEST_MESSAGE, fin=False) + encoded(CONTINUATION, b"  "), 1009
    ),
    Frames("a number of 5,000 digits", text(b'{"type":"ping","t":' + b"9" * 5000 + b"}"), 1008),
    Frames("lists in lists in lists", text(b"[" * 60_000), 1008),
]


class Raw:
    """A WebSocket of which every byte is one's own."""

    def __init__(self, port: int, path: str, headers: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(HANDSHAKE.format(path, headers).encode())
        self._came = b""
        while b"\r\n\r\n" not in self._came:
            self._came += self._more()
        self.head, _, self._came = self._came.partition(b"\r\n\r\n")
        self.pongs = 0

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server has hung up")
        return data

    def frame(self) -> tuple[int, bytes]:
        """The next frame of the server: its kind and what is in it."""
        while True:
            if len(self._came) >= 2:
                size, start = self._came[1] & 127, 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(self._came[2:start], "big") if len(self._came) >= start else 1 << 62
                if len(self._came) >= start + size:
                    kind, data = self._came[0] & 15, self._came[start : start + size]
                    self._came = self._came[start + size :]
                    return kind, data
            self._came += self._more()

    def ends(self) -> int:
        """The code with which the server closes; `GONE` where it hangs up without one."""
        try:
            while True:
                kind, data = self.frame()
                if kind == CLOSE:
                    return int.from_bytes(data[:2], "big") if data else GONE
                self.pongs += kind == PONG
        except OSError:
            return GONE

    def goes_on(self) -> bool:
        """Whether a question is answered after all that was said before."""
        self.socket.sendall(text(b'{"type":"ping","t":4711}'))
        while True:
            kind, data = self.frame()
            self.pongs += kind == PONG
            if kind == CLOSE:
                return False
            if kind == TEXT and (said := json.loads(data))["type"] == "pong" and said["t"] == 4711:
                return True


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    picture = np.full((48, 64, 3), 99, np.uint8)
    with streaming(PictureEnv(picture)) as port:
        yield port


@pytest.fixture(scope="module")
def bystander(port: int) -> Iterator[Watcher]:
    """Somebody who watches all the while."""
    with Watcher(port, NAME) as viewer:
        yield viewer


@pytest.fixture(autouse=True)
def unharmed(bystander: Watcher) -> Iterator[None]:
    """Whatever one does to the server, others are sent pictures as before."""
    yield
    bystander.frame(60)


def judged(port: int, path: str, frames: Frames, chunks: list[bytes]) -> None:
    with Raw(port, path) as peer:
        assert peer.head.startswith(b"HTTP/1.1 101")
        for chunk in chunks:
            peer.socket.sendall(chunk)
        if frames.ends == GOES_ON:
            assert peer.goes_on()
            assert peer.pongs == frames.pongs
        else:
            came = peer.ends()
            assert came == frames.ends or frames.ends == GONE


def named(frames: Frames) -> str:
    return frames.name.replace(" ", "-")


@pytest.mark.parametrize("path", EACH)
@pytest.mark.parametrize("frames", TABLE, ids=named)
def test_frames_are_taken_or_refused_as_the_standard_says(port: int, path: str, frames: Frames) -> None:
    judged(port, path, frames, [frames.data])


@pytest.mark.parametrize("frames", TABLE, ids=named)
def test_it_does_not_matter_in_which_pieces_they_come(port: int, frames: Frames) -> None:
    data = frames.data[:400]
    if len(data) < len(frames.data):
        pytest.skip("many pieces of what is long say nothing more")
    try:
        judged(port, "/ws", frames, [data[at : at + 1] for at in range(len(data))])
    except (BrokenPipeError, ConnectionResetError):
        assert frames.ends != GOES_ON  # It was refused before its last byte.


@pytest.mark.parametrize("path", ["/ws", "/ws/view/hall"])
@pytest.mark.parametrize("frames", VIEWERS, ids=named)
def test_what_is_no_message_ends_a_viewers_conversation(port: int, path: str, frames: Frames) -> None:
    judged(port, path, frames, [frames.data])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reach", [1, 3, 7])
def test_half_a_frame_is_waited_for_and_its_end_ends_nothing_else(port: int, path: str, reach: int) -> None:
    with Raw(port, path) as peer:
        peer.socket.sendall(text()[:reach])
        assert get(port, "/health", timeout=60)[0] == 200
        peer.socket.shutdown(socket.SHUT_WR)
        peer.ends()
    with Raw(port, path) as other:
        assert other.goes_on()


@pytest.mark.parametrize("path", PATHS)
def test_compression_is_not_agreed_to(port: int, path: str) -> None:
    with Raw(port, path, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n") as peer:
        assert b"permessage-deflate" not in peer.head
        peer.socket.sendall(text(reserved=4))
        assert peer.ends() == 1002


@pytest.mark.parametrize("path", PATHS)
def test_who_floods_with_pings_and_reads_nothing_is_hung_up_on(port: int, path: str) -> None:
    with Raw(port, path) as peer:
        flood = encoded(PING, b"p" * 125) * 500
        with pytest.raises(ConnectionError):  # Not that it takes no more: that is no end.
            for _ in range(2000):  # 130 MB, of which the server keeps a quarter of one.
                peer.socket.sendall(flood)


def test_a_message_of_fragments_without_end_is_refused_and_holds_nobody_up(port: int) -> None:
    with Raw(port, "/stream") as peer:
        peer.socket.sendall(text(b"", fin=False))
        peer.socket.sendall(encoded(CONTINUATION, fin=False) * (MOST_FRAGMENTS + 1000))
        assert peer.ends() == 1009


def test_of_a_flood_of_frames_others_have_their_turn_between(port: int, bystander: Watcher) -> None:
    with Raw(port, "/ws") as peer:
        peer.socket.sendall(encoded(PONG) * 30_000)
        bystander.frame(60)
        assert peer.goes_on()


def test_who_is_hung_up_on_and_stays_loses_its_seat(port: int) -> None:
    before = stats(port)["clients_connected"]
    with Raw(port, "/ws") as peer:
        peer.socket.sendall(text(b"hello"))
        kind = peer.frame()[0]
        while kind != CLOSE:
            kind = peer.frame()[0]
        until(lambda: stats(port)["clients_connected"] == before, "the seat to be free")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=300), st.sampled_from(PATHS))
def test_any_bytes_end_no_more_than_their_own_connection(port: int, data: bytes, path: str) -> None:
    with Raw(port, path) as peer:
        peer.socket.sendall(data)
        peer.socket.shutdown(socket.SHUT_WR)
        peer.ends()
    assert get(port, "/health", timeout=60)[0] == 200


def test_frames_are_made_as_the_standard_has_them() -> None:
    # RFC 6455, section 5.7.
    assert encoded(TEXT, b"Hello", mask=None) == bytes.fromhex("810548656c6c6f")
    assert encoded(TEXT, b"Hello", mask=bytes.fromhex("37fa213d")) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert encoded(BINARY, bytes(256), mask=None)[:4] == bytes.fromhex("827e0100")
    assert (Path(BENCHMARKS) / "frames.py").exists()
