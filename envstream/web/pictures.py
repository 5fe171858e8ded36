"""Pictures over plain HTTP: MJPEG for curl, VLC, OpenCV and `<img>`, and single screenshots."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from envstream.encoder import Picture, Rung
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout, Seat

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BOUNDARY = b"envstream-frame"
NO_STORE = (b"cache-control", b"no-cache, no-store, must-revalidate")
FRESH_WITHIN = 1.0  # Seconds a screenshot waits for a picture newer than the request.
LONGEST_WAIT = 30.0  # Seconds `?after=` waits for the next picture.


class BadRequest(Exception):
    """A query that cannot be meant; the text says what was expected."""


class Query:
    """The query string of one request, read with limits."""

    def __init__(self, query_string: bytes) -> None:
        try:
            values = parse_qs(query_string.decode("ascii"), max_num_fields=64)
        except (UnicodeDecodeError, ValueError):
            raise BadRequest("the query string cannot be read") from None
        self._values = {key: items[0] for key, items in values.items()}

    def text(self, key: str) -> str | None:
        return self._values.get(key)

    def number(self, key: str, low: float, high: float) -> float | None:
        """A number from `low` to `high`; None when it is not there."""
        value = self._values.get(key)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise BadRequest(f"{key}={value[:40]!r}: expected a number from {low:g} to {high:g}")
        return number

    def whole(self, key: str, low: int, high: int) -> int | None:
        number = self.number(key, low, high)
        if number is not None and number % 1:
            raise BadRequest(f"{key}={self._values[key][:40]!r}: expected a whole number")
        return None if number is None else int(number)

    def choice(self, key: str, choices: Iterable[str], default: str) -> str:
        value = self._values.get(key, default)
        if value not in choices:
            raise BadRequest(f"{key}={value[:40]!r}: expected one of {', '.join(choices)}")
        return value


def stamps(picture: Picture, now: float) -> Headers:
    """The headers by which a picture tells its own story; times in seconds of the monotonic clock."""
    return [
        (b"x-timestamp", b"%.6f" % picture.frame.captured),
        (b"x-frame-number", b"%d" % picture.frame.number),
        (b"x-encode-time-ms", b"%.3f" % (picture.encode_seconds * 1000)),
        (b"x-encoded-at", b"%.6f" % picture.encoded_at),
        (b"x-sent-at", b"%.6f" % now),
    ]


async def answer(send: Send, status: int, body: bytes, headers: Headers, kind: bytes = b"text/plain") -> None:
    """Send one whole HTTP response."""
    length = (b"content-length", b"%d" % len(body))
    start = [(b"content-type", kind), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


class Pictures:
    """`/stream`, `/screen` and `/api/screenshot`."""

    def __init__(self, hub: Hub, fanout: Fanout) -> None:
        self._hub = hub
        self._fanout = fanout

    async def mjpeg(self, query: Query, receive: Receive, send: Send, version: str = "1.1") -> None:
        """An endless `multipart/x-mixed-replace` of JPEGs; a slow reader skips frames, it never lags."""
        stream = self._find(query)
        name = query.text("stream") or (stream.name if stream else "")
        fps = query.number("fps", 0.1, 240)
        watch = Watch(_rung(query, "jpeg"), fps)
        seat = Seat(Viewer(window=1))
        if not self._fanout.join(seat):
            await self._full(send)
            return
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            kind = b"multipart/x-mixed-replace; boundary=" + BOUNDARY
            headers = [(b"content-type", kind), NO_STORE, (b"connection", b"close")]
            if version == "1.0":  # Knows no chunks, in which a body without a length is sent otherwise.
                headers.append((b"content-length", b"%d" % 2**62))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._part(send, b"--" + BOUNDARY + b"\r\n")
            seat.viewer.watch({name: watch})
            self._fanout.changed(seat)
            while True:
                collected = asyncio.ensure_future(seat.collect())
                await asyncio.wait({collected, gone}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    collected.cancel()
                    return
                for picture in collected.result()[1]:
                    await self._one(send, seat, picture)
        finally:
            gone.cancel()
            self._fanout.leave(seat)

    async def _one(self, send: Send, seat: Seat, picture: Picture) -> None:
        now = time.monotonic()
        lines = [(b"content-type", b"image/jpeg"), (b"content-length", b"%d" % len(picture.data))]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines + stamps(picture, now))
        # The next boundary goes out with the picture: browsers paint a part only when the next begins.
        await self._part(send, head + b"\r\n" + picture.data + b"\r\n--" + BOUNDARY + b"\r\n")
        seat.viewer.sent(len(picture.data), now)
        stream = self._hub.streams.get(picture.stream)
        if stream is not None:
            stream.shown(picture, now)
        # An empty part waits until the connection has drained. Only then is the next frame chosen, so
        # that a slow reader gets the newest one and not a backlog.
        await self._part(send, b"")
        seat.viewer.acknowledge(picture.stream, picture.frame.number)
        if stream is not None:
            self._fanout.serve(stream, seat)

    async def screenshot(self, query: Query, receive: Receive, send: Send) -> None:
        """The newest picture, taken for this request where the training lets it."""
        stream = self._find(query)
        after = query.whole("after", 0, 2**53)
        rung = _rung(query, query.choice("format", ("jpeg", "png", "webp"), "jpeg"))
        if stream is None:
            await self._none(send, "there is no such stream yet")
            return
        picture = await self._fresh(stream, rung, after)
        if picture is None or picture.frame.number <= (after or 0):
            await self._none(send, "no such picture has come from the training yet")
            return
        now = time.monotonic()
        stream.shown(picture, now)
        await answer(send, 200, picture.data, [NO_STORE, *stamps(picture, now)], picture.mime.encode())

    async def _fresh(self, stream: Stream, rung: Rung, after: int | None) -> Picture | None:
        """A picture newer than frame `after`, or than this moment; else the newest there is."""
        newest = stream.buffer.newest()
        seen = after if after is not None else newest.number if newest else 0
        seat = Seat(Viewer(window=1))
        if (newest is None or newest.number <= seen) and not stream.ended and self._fanout.join(seat):
            watch = Watch(rung, sent=seen)
            seat.viewer.watch({stream.name: watch})
            self._fanout.changed(seat)
            try:
                wait = LONGEST_WAIT if after is not None else FRESH_WITHIN
                return (await asyncio.wait_for(seat.collect(), wait))[1][0]
            except (asyncio.TimeoutError, IndexError):
                pass  # The learner is busy, or training has not begun: what there is says when it was.
            finally:
                self._fanout.leave(seat)
        frame = stream.buffer.newest()
        if frame is None:
            return None
        return await asyncio.wrap_future(stream.encoder.picture(frame, rung))

    def _find(self, query: Query) -> Stream | None:
        return self._hub.find(query.text("stream"))

    async def _part(self, send: Send, data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _none(self, send: Send, why: str) -> None:
        await answer(send, 503, f"{why}; try again\n".encode(), [(b"retry-after", b"1"), NO_STORE])

    async def _full(self, send: Send) -> None:
        await answer(send, 503, b"all seats are taken; try again\n", [(b"retry-after", b"5"), NO_STORE])


def _rung(query: Query, format: str) -> Rung:
    """The rung that was asked for. What was not is the stream's own, also when that changes meanwhile."""
    quality, scale = query.whole("quality", 1, 100), query.whole("scale", 1, 8)
    return Rung(format, quality, query.whole("width", 16, 8192), scale)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
