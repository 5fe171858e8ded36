"""Viewers' WebSocket: many streams on one socket; a frame is a pair of messages, acked once painted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from envstream._version import __version__
from envstream.codec import MIME
from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.hub import Hub
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout, Seat
from envstream.web.messages import is_number, read_message, status_text, text, whole
from envstream.wire import compact

log = logging.getLogger("envstream")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

WIDTH_STEP = 32  # Pixels between the widths that are sent.
FORMATS = ("auto", *MIME)  # auto: without loss where that is the smaller, as for pixel art.
MOST_WATCHED = 64  # Streams on one socket.
_BROKEN = 1011  # WebSocket close code: something went wrong on this side.
_POLICY = 1008  # WebSocket close code: the peer broke the rules of the conversation.


class ViewerSocket:
    """One viewer's conversation over one WebSocket."""

    def __init__(
        self, hub: Hub, fanout: Fanout, listeners: set[Callable[[str], None]], receive: Receive, send: Send
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._listeners = listeners  # Who hears the status of all streams, about once a second.
        self._receive = receive
        self._send = send
        self._seat = Seat(Viewer())
        self._told: dict[str, int] = {}  # Stream → how many of its episodes this viewer knows of.

    async def run(self) -> None:
        """Talk until either side ends it."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        if not self._fanout.join(self._seat):
            await self._refuse()
            return
        self._listeners.add(self.tell_status)
        sender = asyncio.ensure_future(self._send_all())
        try:
            await self._send({"type": "websocket.accept"})
            self.tell(
                {"type": "hello", "server": "envstream", "version": __version__, "boot": self._hub.boot}
            )
            await self._listen()
        finally:
            self._listeners.discard(self.tell_status)
            self._fanout.leave(self._seat)
            sender.cancel()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Queue a text message; `now` is added."""
        self._seat.tell(compact({**message, "now": time.monotonic()}))

    def tell_status(self, text: str) -> None:
        """Queue the status of all streams (the same text for everybody), and the episodes that are news."""
        if not self._seat.wants_status:
            return
        self._seat.tell(text)
        for name in self._seat.viewer.watches:
            stream = self._hub.streams.get(name)
            if stream is None:
                continue
            seen = stream.episodes_seen
            known = self._told.get(name)
            fresh = known is None or known > seen
            count = seen - (known or 0) if not fresh else len(stream.episodes)
            self._told[name] = seen
            if count or fresh:
                episodes = [list(episode) for episode in list(stream.episodes)[-count:]] if count else []
                message = {"type": "episodes", "stream": name, "reset": fresh, "episodes": episodes}
                self._seat.tell(compact(message))

    async def _refuse(self) -> None:
        body = b"all seats are taken; try again in a few seconds"
        headers = [(b"retry-after", b"5"), (b"content-type", b"text/plain")]
        await self._send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def _send_all(self) -> None:
        try:
            while True:
                texts, pictures = await self._seat.collect()
                for text in texts:
                    await self._send({"type": "websocket.send", "text": text})
                for picture in pictures:
                    now = time.monotonic()
                    about = f'{picture.described},"sent_at":{now}}}'
                    await self._send({"type": "websocket.send", "text": about})
                    await self._send({"type": "websocket.send", "bytes": picture.data})
                    self._seat.viewer.sent(len(picture.data), now)
                    stream = self._hub.streams.get(picture.stream)
                    if stream is not None:
                        stream.shown(picture, now)
        except OSError:
            pass  # The viewer is gone; _listen() hears it too.
        except Exception:
            log.exception("envstream: sending to a viewer failed; its connection is closed")
            await self._send({"type": "websocket.close", "code": _BROKEN})

    async def _listen(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            try:
                self._handle(read_message(event))
            except MessageError as error:
                await self._send({"type": "websocket.close", "code": _POLICY, "reason": _short(str(error))})
                return

    def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ack":
                name, number = text(message, "stream"), whole(message, "frameNumber")
                self._seat.viewer.acknowledge(name, number)
                stream = self._hub.streams.get(name)
                if stream is not None:
                    self._fanout.serve(stream, self._seat)
            case "ping":
                self.tell({"type": "pong", "t": message.get("t") if is_number(message.get("t")) else None})
            case "watch":
                self._watch(message)
            case "performance_stats":
                keys = ("fps", "latency", "queueSize")
                self._seat.viewer.reported = {k: message[k] for k in keys if is_number(message.get(k))}
            case other:
                raise MessageError(f"unknown message type {str(other)[:40]!r}")

    def _watch(self, message: dict[str, Any]) -> None:
        wanted = message.get("streams")
        if not isinstance(wanted, list) or len(wanted) > MOST_WATCHED:
            raise MessageError(f"watch.streams is a list of at most {MOST_WATCHED} streams")
        watches: dict[str, Watch] = {}
        for item in wanted:
            if not isinstance(item, dict):
                raise MessageError("watch.streams holds objects with a name")
            watches[text(item, "name")] = self._one_watch(item)
        told_before = self._seat.wants_status  # From then on it is told of every change.
        self._seat.wants_status = message.get("status") is True
        self._seat.viewer.watch(watches)
        self._told = {name: count for name, count in self._told.items() if name in watches}
        self._fanout.changed(self._seat)
        if self._seat.wants_status:
            self.tell_status(status_text(self._hub, watches if told_before else None))

    def _one_watch(self, item: dict[str, Any]) -> Watch:
        width, fps = item.get("width"), item.get("fps")
        if width is not None:
            # In steps, so that pages of all sizes share a few encodes.
            width = max(WIDTH_STEP, min(8192, whole(item, "width")) // WIDTH_STEP * WIDTH_STEP)
        if fps is not None:
            if not is_number(fps) or fps <= 0:
                raise MessageError("watch.fps is a number above 0")
            fps = max(0.1, min(240.0, float(fps)))
        format = item.get("format", "auto")
        if format not in FORMATS:
            raise MessageError(f"watch.format is one of {', '.join(FORMATS)}")
        # At the stream's own quality, whatever that is when the frame comes; the browser does the enlarging.
        return Watch(Rung(format, None, width), fps)


def _short(reason: str) -> str:
    """A reason as long as a closing frame may carry: 123 bytes."""
    return reason.encode()[:120].decode(errors="ignore")
