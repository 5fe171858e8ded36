"""Pictures over plain HTTP: MJPEG for curl, VLC, OpenCV and `<img>`, and single screenshots."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from envstream import codec
from envstream.config import PRESETS
from envstream.encoder import Picture, Rung
from envstream.errors import DamagedError, PictureError
from envstream.hub import BOXES, EPISODES, Hub
from envstream.stream import Stream
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout
from envstream.web.http_protocol import HttpProtocol
from envstream.web.pipes import BOUNDARY, Headers, Once, PartPipe, stamps
from envstream.web.seat import Seat

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NO_STORE = (b"cache-control", b"no-cache, no-store, must-revalidate")
FRESH_WITHIN = 1.0  # Seconds a screenshot waits for a picture newer than the request.
FOUND_WITHIN = 5.0  # Seconds it waits for one in which things were looked for: a model may have to be loaded.
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
        value = self._values.get(key)
        if value is None:
            return default
        if value not in choices:
            raise BadRequest(f"{key}={value[:40]!r}: expected one of {', '.join(choices)}")
        return value


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

    async def mjpeg(self, query: Query, protocol: HttpProtocol, receive: Receive, send: Send) -> None:
        """An endless `multipart/x-mixed-replace` of JPEGs; a slow reader skips frames, it never lags.

        The head goes through `send`; pictures are written to the connection itself.
        """
        stream = self._find(query)
        name = stream.name if stream else (query.text("stream") or "") + (BOXES if _boxes(query) else "")
        watch = Watch(_rung(query, "jpeg"), query.number("fps", 0.1, 240), quality(query), window=1)
        chunked = protocol.scope["http_version"] != "1.0"
        seat = Seat(Viewer(), PartPipe(protocol.transport, chunked))
        if not self._fanout.join(seat):
            await self._full(send)
            return
        try:
            kind = b"multipart/x-mixed-replace; boundary=" + BOUNDARY
            headers = [(b"content-type", kind), NO_STORE, (b"connection", b"close")]
            if not chunked:  # It knows no chunks, in which a body without a length is sent otherwise.
                headers.append((b"content-length", b"%d" % 2**62))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            begin = b"--" + BOUNDARY + b"\r\n"
            await send({"type": "http.response.body", "body": begin, "more_body": True})
            protocol.drained = lambda: self._drained(name, seat)
            seat.viewer.watch({name: watch})
            self._fanout.changed(seat)
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            protocol.drained = None
            self._fanout.leave(seat)

    def _drained(self, name: str, seat: Seat) -> None:
        stream = self._hub.get(name)
        if stream is not None:
            self._fanout.drained(stream, (seat,))

    async def screenshot(self, query: Query, receive: Receive, send: Send) -> None:
        """The newest picture, taken for this request where the training lets it."""
        stream = self._find(query)
        after = query.whole("after", 0, 2**53)
        rung = _rung(query, query.choice("format", ("jpeg", "png", "webp"), "jpeg"))
        if stream is None:
            await self._none(send, "there is no such stream yet")
            return
        if (newest := stream.buffer.newest()) is not None:
            _check_size(stream.encoder.size(newest, rung), rung.format)
        try:
            picture = await self._fresh(stream, rung, after, quality(query))
        except DamagedError:  # A publisher sent it so; browsers draw of it what there is.
            await self._none(send, "the newest picture came damaged; the next one may be better")
            return
        except PictureError as error:  # Of a picture that came since.
            raise BadRequest(str(error)) from None
        if picture is None or picture.frame.number <= (after or 0):
            await self._none(send, "no such picture has come from the training yet")
            return
        now = time.monotonic()
        stream.shown(picture, now, 1)
        await answer(send, 200, picture.data, [NO_STORE, *stamps(picture, now)], picture.mime.encode())

    async def _fresh(
        self, stream: Stream, rung: Rung, after: int | None, fixed: int | None
    ) -> Picture | None:
        """A picture newer than frame `after`, or than this moment; else the newest there is."""
        newest = stream.buffer.newest()
        seen = after if after is not None else newest.number if newest else 0
        arrived: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        seat = Seat(Viewer(), Once(arrived))
        best = rung._replace(quality=fixed or stream.points[0].quality)
        if (newest is None or newest.number <= seen) and not stream.ended and self._fanout.join(seat):
            watch = Watch(rung, quality=best.quality, window=1, sent=seen)
            seat.viewer.watch({stream.name: watch})
            self._fanout.changed(seat)
            within = FOUND_WITHIN if stream.name.endswith(BOXES) else FRESH_WITHIN
            try:
                return await asyncio.wait_for(arrived, LONGEST_WAIT if after is not None else within)
            except asyncio.TimeoutError:
                pass  # The learner is busy, or training has not begun: what there is says when it was.
            finally:
                self._fanout.leave(seat)
        frame = stream.buffer.newest()
        if frame is None:
            return None
        return (await asyncio.wrap_future(stream.encoder.picture(frame, best))).of(frame)

    def _find(self, query: Query) -> Stream | None:
        """The stream that is meant; what plays its episodes or shows what was found, where that is wanted."""
        stream = self._hub.find(query.text("stream"))
        view, boxes = query.choice("view", ("live", "episode"), ""), _boxes(query)
        if stream is None or stream.plays is not None or stream.name.endswith(BOXES):
            return stream
        if boxes:
            return self._hub.get(stream.name + BOXES)
        wanted = view or stream.config.videoStreamView
        return self._hub.get(stream.name + EPISODES) if wanted == "episode" else stream

    async def _none(self, send: Send, why: str) -> None:
        await answer(send, 503, f"{why}; try again\n".encode(), [(b"retry-after", b"1"), NO_STORE])

    async def _full(self, send: Send) -> None:
        await answer(send, 503, b"all seats are taken; try again\n", [(b"retry-after", b"5"), NO_STORE])


def _rung(query: Query, format: str) -> Rung:
    """The format and size that were asked for; the enlargement is the stream's own where none was."""
    return Rung(format, None, query.whole("width", 16, 8192), query.whole("scale", 1, 8))


def _check_size(size: tuple[int, int], format: str) -> None:
    """Whether there can be such a picture."""
    if (too_long := codec.unfit(*size, format)) is not None:
        raise BadRequest(f"{too_long}; choose another format, or a smaller width or scale")


def _boxes(query: Query) -> bool:
    """Whether what was found is to be drawn in."""
    return query.choice("boxes", ("true", "false"), "false") == "true"


def quality(query: Query) -> int | None:
    """The quality that was asked for: a JPEG quality, or a preset's; None = as the link allows."""
    value = query.text("quality")
    return PRESETS[value].compression if value in PRESETS else query.whole("quality", 1, 100)
