"""Viewers' WebSocket: many streams on one socket; a frame is a pair of messages, acked once painted."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from envstream._version import __version__
from envstream.codec import MIME
from envstream.config import PRESETS
from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.hub import BOXES, EPISODES, Hub
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout
from envstream.web.messages import Ack, is_number, read_message, short_ack, status_text, text, whole
from envstream.web.pipes import SocketPipe
from envstream.web.roles import ADMIN, Role
from envstream.web.seat import Seat
from envstream.web.socket_protocol import SocketProtocol
from envstream.wire import compact

log = logging.getLogger("envstream")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

WIDTH_STEP = 32  # Pixels between the widths that are sent.
FORMATS = ("auto", *MIME)  # auto: without loss where that is the smaller, as for pixel art.
PLAYED_AHEAD = 8  # Pictures of an episode that may be on their way to a page.
MOST_WATCHED = 64  # Streams on one socket.
_BROKEN = 1011  # WebSocket close code: something went wrong on this side.
_POLICY = 1008  # WebSocket close code: the peer broke the rules of the conversation.


class ViewerSocket:
    """One viewer's conversation over one WebSocket."""

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        listeners: set[Callable[[str], None]],
        protocol: SocketProtocol,
        receive: Receive,
        send: Send,
        first: str | None = None,
        only: str | None = None,
        role: Role = ADMIN,
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._listeners = listeners  # Who hears the status of all streams, about once a second.
        self._protocol = protocol
        self._receive = receive
        self._send = send
        self._first = first  # What is watched before the viewer says so.
        self._only = only  # The one stream that it may see and hear of; None = all.
        self._role = role
        self._pipe = SocketPipe(protocol.transport)
        # Who was given a picture without asking may not know of acknowledgements; who does, tells so.
        self._pipe.acknowledges = first is None
        self._seat = Seat(Viewer(), self._pipe)
        self._told: dict[str, int] = {}  # Stream → how many of its episodes this viewer knows of.

    async def run(self) -> None:
        """Talk until either side ends it."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        if not self._fanout.join(self._seat):
            await self._refuse()
            return
        self._listeners.add(self.tell_status)
        try:
            await self._send({"type": "websocket.accept"})
            self._protocol.hear, self._protocol.drained = self._hear, self._drained
            about = {"version": __version__, "boot": self._hub.boot, "alone": self._hub.alone}
            how = {"role": self._role.value, "only": self._only}
            self.tell({"type": "hello", "server": "envstream", **about, **how})
            if self._first is not None:
                self._take({"text": self._first})
            # What comes the short way is heard there; here, what came in pieces, and the end.
            while (event := await self._receive())["type"] != "websocket.disconnect":
                self._take(event)
        finally:
            self._protocol.hear = self._protocol.drained = None
            self._listeners.discard(self.tell_status)
            self._fanout.leave(self._seat)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Queue a text message; `now` is added."""
        self._seat.tell(compact({**message, "now": time.monotonic()}))

    def tell_status(self, text: str) -> None:
        """Queue the status of all streams (the same text for everybody), and the episodes that are news."""
        if not self._seat.wants_status:
            return
        if self._only is not None:
            text = status_text(self._hub, (self._only,))
        self._seat.tell(text)
        for watched in self._seat.viewer.watches:
            stream = self._hub.get(watched)
            if stream is None:
                continue
            stream = stream.plays or stream
            name = stream.name
            seen = stream.episodes.seen
            known = self._told.get(name)
            fresh = known is None or known > seen
            count = seen - (known or 0) if not fresh else len(stream.episodes)
            self._told[name] = seen
            if count or fresh:
                episodes = [list(episode) for episode in stream.episodes.last(count)]
                message = {"type": "episodes", "stream": name, "reset": fresh, "episodes": episodes}
                self._seat.tell(compact(message))

    async def _refuse(self) -> None:
        body = b"all seats are taken; try again in a few seconds"
        headers = [(b"retry-after", b"5"), (b"content-type", b"text/plain")]
        await self._send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    def _drained(self) -> None:
        """The connection has room again."""
        self._pipe.drained()
        for name in self._seat.viewer.watches:
            stream = self._hub.get(name)
            if stream is not None and not self._pipe.acknowledges:
                self._fanout.drained(stream, (self._seat,))
            elif stream is not None:
                self._fanout.serve(stream, self._seat)

    def _hear(self, text: str) -> None:
        self._take({"text": text}, short_ack(text))

    def _take(self, event: dict[str, Any], ack: Ack | None = None) -> None:
        try:
            if ack is not None:
                self._pipe.acknowledges = True
                self._fanout.acknowledged(self._seat, *ack)
            else:
                self._handle(read_message(event))
        except MessageError as error:
            self._protocol.hang_up(_POLICY, _short(str(error)))
        except Exception:
            log.exception("envstream: a viewer's message could not be dealt with; its connection is closed")
            self._protocol.hang_up(_BROKEN, "something went wrong in the server")

    def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ack":
                self._pipe.acknowledges = True
                name, number = text(message, "stream"), whole(message, "frameNumber")
                transfer = message.get("transferMs")
                seconds = transfer / 1000 if is_number(transfer) else None
                self._fanout.acknowledged(self._seat, name, number, seconds)
            case "ping":
                self.tell({"type": "pong", "t": message.get("t") if is_number(message.get("t")) else None})
            case "watch":
                self._watch(message)
            case "performance_stats":
                self._reported(message)
            case other:
                raise MessageError(f"unknown message type {str(other)[:40]!r}")

    def _reported(self, message: dict[str, Any]) -> None:
        """How it goes at the viewer: heeded for its own pictures, and never to give it more."""
        queue = message.get("queueSize")
        if is_number(queue):
            now = time.monotonic()
            for watch in self._seat.viewer.watches.values():
                if watch.ladder is not None and watch.ladder.reported(now, queue):
                    watch.aim = None

    def _watch(self, message: dict[str, Any]) -> None:
        wanted = message.get("streams")
        if not isinstance(wanted, list) or len(wanted) > MOST_WATCHED:
            raise MessageError(f"watch.streams is a list of at most {MOST_WATCHED} streams")
        watches: dict[str, Watch] = {}
        for item in wanted:
            if not isinstance(item, dict):
                raise MessageError("watch.streams holds objects with a name")
            name = text(item, "name")
            if self._only is not None and name not in (self._only, self._only + BOXES):
                raise MessageError("this address shows its own stream only; others are watched at /ws")
            watches[name] = self._one_watch(item)
            if name.endswith(EPISODES):
                watches[name].least = PLAYED_AHEAD
        told_before = self._seat.wants_status  # From then on it is told of every change.
        self._seat.wants_status = message.get("status") is True
        self._seat.viewer.watch(watches)
        names = {name.removesuffix(EPISODES) for name in watches}
        self._told = {name: count for name, count in self._told.items() if name in names}
        self._fanout.changed(self._seat)
        if self._seat.wants_status:
            self.tell_status(status_text(self._hub, names if told_before else None))

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
        quality, most = fixed_quality(item.get("quality"))
        if most is not None:
            fps = min(fps or most, most)
        # The browser does the enlarging.
        video = item.get("video")
        boxes = item.get("boxes") is True
        return Watch(Rung(format, None, width), fps, quality, video in (True, "full"), video == "full", boxes)


def fixed_quality(value: object) -> tuple[int | None, float | None]:
    """The quality that a viewer fixed by hand, and a preset's rate; None = as the link allows.

    Raises:
        MessageError: for what is neither a JPEG quality nor a preset.
    """
    if value is None:
        return None, None
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value].compression, PRESETS[value].fps
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
        choices = ", ".join(PRESETS)
        raise MessageError(f"watch.quality is null, a JPEG quality from 1 to 100, or one of {choices}")
    return value, None


def _short(reason: str) -> str:
    """A reason as long as a closing frame may carry: 123 bytes."""
    return reason.encode()[:120].decode(errors="ignore")
