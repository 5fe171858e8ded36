"""Pipes: how pictures and texts leave for one viewer, without a task and without a copy for each of them."""

from __future__ import annotations

import struct
from asyncio import Future, WriteTransport
from collections import deque
from functools import cached_property
from typing import Protocol

from envstream.encoder import Picture

BOUNDARY = b"envstream-frame"
MOST_TEXTS = 64  # Texts that wait for a slow reader; of more, the newest.

Headers = list[tuple[bytes, bytes]]


def stamps(picture: Picture, now: float) -> Headers:
    """The headers by which a picture tells its own story; times in seconds of the monotonic clock."""
    return [
        (b"x-timestamp", b"%.6f" % picture.frame.captured),
        (b"x-frame-number", b"%d" % picture.frame.number),
        (b"x-encode-time-ms", b"%.3f" % (picture.encode_seconds * 1000)),
        (b"x-encoded-at", b"%.6f" % picture.encoded_at),
        (b"x-sent-at", b"%.6f" % now),
    ]


def socket_frame(opcode: int, data: bytes) -> bytes:
    """One whole WebSocket frame from a server, its head before it (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + data


class Parcel:
    """A picture as it goes out at one moment: the same bytes for all who get it then."""

    def __init__(self, picture: Picture, now: float) -> None:
        self.picture = picture
        self.now = now

    @cached_property
    def messages(self) -> bytes:
        """As a pair of WebSocket messages: what it is, then the picture."""
        about = f'{self.picture.described},"sent_at":{self.now}}}'.encode()
        return socket_frame(1, about) + socket_frame(2, self.picture.data)

    @cached_property
    def part(self) -> bytes:
        """As a part of an MJPEG stream. The next boundary goes with it: browsers paint a part only then."""
        data = self.picture.data
        lines = [(b"content-type", self.picture.mime.encode()), (b"content-length", b"%d" % len(data))]
        head = b"".join(
            name + b": " + value + b"\r\n" for name, value in lines + stamps(self.picture, self.now)
        )
        return head + b"\r\n" + data + b"\r\n--" + BOUNDARY + b"\r\n"

    @cached_property
    def chunk(self) -> bytes:
        """The part as a chunk of an HTTP/1.1 body."""
        return b"%x\r\n" % len(self.part) + self.part + b"\r\n"


class Pipe(Protocol):
    """One viewer's connection.

    Attributes:
        acknowledges: whether the viewer says when a picture was painted; else it counts as seen once it
            has gone out.
    """

    acknowledges: bool

    @property
    def free(self) -> bool:
        """Whether what was sent before has gone out."""

    def post(self, parcel: Parcel) -> None:
        """Send a picture."""

    def tell(self, text: str) -> None:
        """Send a text, where the connection has texts."""


class SocketPipe:
    """A viewer's WebSocket. Texts that find it busy wait until it is not."""

    acknowledges = True

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport
        self._waiting: deque[bytes] = deque(maxlen=MOST_TEXTS)

    @property
    def free(self) -> bool:
        return self._transport.get_write_buffer_size() == 0 and not self._transport.is_closing()

    def post(self, parcel: Parcel) -> None:
        if not self._transport.is_closing():
            self._transport.write(parcel.messages)

    def tell(self, text: str) -> None:
        self._waiting.append(socket_frame(1, text.encode()))
        if self.free:
            self.drained()

    def drained(self) -> None:
        """What was sent before has gone out."""
        if self._waiting and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()


class PartPipe:
    """An endless MJPEG response."""

    acknowledges = False

    def __init__(self, transport: WriteTransport, chunked: bool) -> None:
        self._transport = transport
        self._chunked = chunked
        # Nothing is kept on this side: a picture is chosen when the one before has gone to the kernel.
        transport.set_write_buffer_limits(high=0)

    @property
    def free(self) -> bool:
        return self._transport.get_write_buffer_size() == 0 and not self._transport.is_closing()

    def post(self, parcel: Parcel) -> None:
        if not self._transport.is_closing():
            self._transport.write(parcel.chunk if self._chunked else parcel.part)

    def tell(self, text: str) -> None:
        """MJPEG has no texts."""


class Once:
    """Waits for one picture."""

    acknowledges = False

    def __init__(self, arrived: Future[Picture]) -> None:
        self._arrived = arrived

    @property
    def free(self) -> bool:
        return not self._arrived.done()

    def post(self, parcel: Parcel) -> None:
        if not self._arrived.done():
            self._arrived.set_result(parcel.picture)

    def tell(self, text: str) -> None:
        """Nobody reads texts here."""
