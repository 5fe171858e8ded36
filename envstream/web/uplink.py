"""The uplink: what an env shows, sent to a server elsewhere, as far as somebody looks at it there."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from envstream.encoder import Rung
from envstream.errors import EnvstreamError, MessageError, SettingError
from envstream.push.address import Address
from envstream.report import trainer_cost
from envstream.sessions import fields
from envstream.sessions.fields import Fields
from envstream.stream import Say, Stream
from envstream.viewer import Viewer, Watch
from envstream.web.answers import reason, said_by, shown, text_of
from envstream.web.fanout import Fanout
from envstream.web.outbox import Outbox
from envstream.web.seat import Seat
from envstream.wire import compact

log = logging.getLogger("envstream")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0  # Seconds between two tries to connect.
STEADY = 5.0  # Seconds after which a connection is one that can be relied on.
PATIENCE = 10.0  # Seconds in which the other side has to answer.
PINGS_EVERY = 10.0  # Seconds between two looks at the other side's clock.
LAST_HEARD = 1.0  # Seconds in which what was said last arrives.
REFUSED_PAUSE = 1.0  # Seconds until another picture goes where one was refused.
MOST_TOLD = 500  # Episodes in one message.
_LONGEST_NAME, _LONGEST_MESSAGE = 100, 500  # Characters, by the protocol.
_MOST_REFUSALS = 8  # Kinds of them that are told of.
_FPS = 0.01, 1000.0


class Uplink:
    """Sends one stream. Lives on the event loop; reconnects by itself.

    Args:
        session: its name over there, the same after a restart, and `secret` the proof that it is ours.
        say: called with what the page and the trainer's log are to know.
        chosen: called when another quality was chosen over there.
        up: called when a connection stands.
    """

    def __init__(
        self,
        stream: Stream,
        fanout: Fanout,
        session: str,
        secret: str,
        say: Say,
        chosen: Callable[[Stream], None],
        up: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._fanout = fanout
        self._session = session
        self._secret = secret
        self._say = say
        self._chosen = chosen
        self._up = up
        self._told: int | None = None  # Episodes that the other side knows of; None = it was not met yet.
        self._refusals: set[str] = set()  # Kinds of refusals that were told of.
        self._quality: object = None  # The one in force over there, as it said last.
        self._ending = False
        self._stood_at: float | None = None  # Since when the connection stands.
        self._seat: Seat | None = None
        self._outbox: Outbox | None = None

    async def run(self, address: Address) -> None:
        """Send until the stream has ended, or this is cancelled."""
        pause, complained = FIRST_PAUSE, False
        while True:
            problem = await self._try(address)
            if self._ending:
                return
            stood_at, self._stood_at = self._stood_at, None
            if stood_at is not None and time.monotonic() - stood_at >= STEADY:
                pause, complained = FIRST_PAUSE, False
            if problem and not complained:
                complained = True
                sentence = f"{problem}; training goes on, and it is tried again by itself"
                self._say(self._stream, sentence, "uplink")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _try(self, address: Address) -> str | None:
        """Talk for as long as a connection lasts; what is to be said of its end."""
        why = ""
        try:
            if not await self._talk(address):
                return None
        except (OSError, asyncio.TimeoutError, WebSocketException, EnvstreamError) as error:
            why = f" ({reason(error)})"
        except Exception as error:  # Whatever it is, the picture is to come back.
            log.exception("envstream: an uplink broke down; it begins anew")
            why = f" ({type(error).__name__})"
        where = address.stream.partition("?")[0]
        if self._stood_at is None:
            return f"{where} cannot be reached{why}"
        return f"the connection to {where} ended{why}"

    async def _talk(self, address: Address) -> bool:
        """Have a connection, and talk over it; False where another one is to be had without further words."""
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        async with connect(
            address.stream,
            additional_headers=headers,
            compression=None,
            max_size=fields.LONGEST_TEXT,
            open_timeout=PATIENCE,
            close_timeout=1,
        ) as connection:
            await connection.send(compact(self._start()))
            ack = await asyncio.wait_for(self._answer(connection), PATIENCE)
            if ack.text("state", 20) != "receiving":
                # One of this name has ended there: the env was closed, and goes on as another one.
                self._session = f"{self._session[:16]}-{secrets.token_hex(6)}"
                return False
            outbox = Outbox(ack.whole("next", 1))
            seat = Seat(Viewer(), outbox)
            if not self._fanout.join(seat):
                raise EnvstreamError("all seats are taken here; raise videoStreamMaxViewers")
            try:
                self._stands(ack.flag("resumed"), seat, outbox)
                await self._exchange(connection, seat, outbox)
            finally:
                self._fanout.leave(seat)
                self._seat = self._outbox = None
        return True

    def _start(self) -> dict[str, Any]:
        least, most = _FPS
        return {
            "type": "session_start",
            "session_id": self._session,
            "resume_token": self._secret,
            "name": shown(self._stream.name, _LONGEST_NAME) or "env",
            "encoding": "auto",
            "fps": min(max(self._stream.screening.natural_fps, least), most),
            "live": True,
        }

    async def _answer(self, connection: ClientConnection) -> Fields:
        """The other side's yes."""
        while True:
            message = fields.read(text_of(await connection.recv()))
            if message["type"] == "session_ack":
                return Fields(message, "bad_message", "session_ack")
            if message["type"] == "error":
                raise EnvstreamError(said_by(message))

    def _stands(self, resumed: bool, seat: Seat, outbox: Outbox) -> None:
        """The connection stands."""
        self._seat, self._outbox, self._stood_at = seat, outbox, time.monotonic()
        if not resumed:
            self._told, self._quality = 0, None
        elif self._told is None:  # Known there from before the server here was started anew.
            self._told = self._stream.episodes.seen
        self._say(self._stream, "", "uplink")
        self._up()

    async def _exchange(self, connection: ClientConnection, seat: Seat, outbox: Outbox) -> None:
        """Send and hear, until the first of these ends; nothing that goes wrong in them is lost."""
        parts = (
            outbox.pump(connection.send, self._drained),
            self._ping(outbox),
            self._listen(connection, seat, outbox),
        )
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Who cannot send any more may still hear why.
            await asyncio.wait(tasks[-1:], timeout=LAST_HEARD)
            for task in reversed(tasks):
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _drained(self) -> None:
        if self._seat is not None:
            self._fanout.serve(self._stream, self._seat)

    async def _ping(self, outbox: Outbox) -> None:
        while True:
            outbox.say({"type": "ping", "t": time.monotonic()})
            await asyncio.sleep(PINGS_EVERY)

    async def _listen(self, connection: ClientConnection, seat: Seat, outbox: Outbox) -> None:
        async for data in connection:
            message = fields.read(text_of(data))
            self._hear(message, Fields(message, "bad_message", message["type"][:40]), seat, outbox)
            if message["type"] == "session_ended":
                return

    def _hear(self, message: Mapping[str, Any], said: Fields, seat: Seat, outbox: Outbox) -> None:
        match message["type"]:
            case "frame_ack":
                self._landed(seat, outbox, said.whole("up_to"))
            case "pong":
                asked, there = (said.number(key, -1e12, 1e12) for key in ("t", "now"))
                outbox.clock(asked, there, time.monotonic())
            case "demand":
                self._choose(message.get("quality"))
                self._follow(said, seat)
            case "error":
                self._refused(message, seat, outbox)

    def _landed(self, seat: Seat, outbox: Outbox, number: int) -> None:
        frame = outbox.landed(number)
        if frame is not None:
            try:
                self._fanout.acknowledged(seat, self._stream.name, frame)
            except MessageError:
                pass  # From before the stream began anew.

    def _choose(self, quality: object) -> None:
        """The quality over there is this; what it was when we came is no choice of anybody's."""
        before, self._quality = self._quality, quality
        if quality is None or before is None or quality == before:
            return
        try:
            self._stream.choose(quality)  # type: ignore[arg-type]  # It is looked at there.
        except SettingError:
            return  # A quality of another edition of the server.
        self._chosen(self._stream)

    def _follow(self, said: Fields, seat: Seat) -> None:
        """Somebody looks over there, or nobody does any more."""
        watches = {}
        if said.flag("watched"):
            fps = said.number("fps", *_FPS) if "fps" in said else None
            width = said.whole("width", 1) if "width" in said else None
            video = self._stream.video
            watches[self._stream.name] = Watch(Rung("auto", None, width), fps, video=video)
        seat.viewer.watch(watches)
        self._fanout.changed(seat)

    def _refused(self, message: Mapping[str, Any], seat: Seat, outbox: Outbox) -> None:
        """Something was wrong with what was sent."""
        said, code, number = said_by(message), str(message.get("code"))[:40], message.get("number")
        if message.get("recoverable") is False:
            raise EnvstreamError(said)
        if code not in self._refusals and len(self._refusals) < _MOST_REFUSALS:
            self._refusals.add(code)
            self._say(self._stream, f"the server elsewhere: {said}", "elsewhere")
        if isinstance(number, int):  # Another one may be taken, but not at the rate of pictures.
            asyncio.get_running_loop().call_later(REFUSED_PAUSE, self._landed, seat, outbox, number)

    def look(self) -> None:
        """Tell the other side what is news beside the pictures. Called about once a second."""
        outbox, stream = self._outbox, self._stream
        if outbox is None or self._told is None or self._ending:
            return
        count = min(stream.episodes.seen - self._told, len(stream.episodes), MOST_TOLD)
        fresh = [list(each) for each in stream.episodes.last(count)]
        self._told = stream.episodes.seen
        message = shown(stream.notices.newest or "", _LONGEST_MESSAGE) or None
        cost = trainer_cost(stream, time.monotonic())
        about = {"totalSteps": stream.steps, "episodes": fresh, "message": message, "trainerCost": cost}
        outbox.say({"type": "status", **about})

    def end(self) -> bool:
        """The stream has ended; whether the other side can be told so, after which `run` returns."""
        if self._outbox is not None and not self._ending:
            self.look()
            self._outbox.say({"type": "session_end", "frames": self._outbox.number})
        self._ending = True
        return self._outbox is not None
