"""Passers-by for `soak.py`: visitors of every kind who come and go, by chance with a seed, in one process.

Viewers at several sizes, rates and qualities, as JPEG and as H.264, of the live picture and of whole
episodes; readers of MJPEG; screenshots; whole pages; replays; now and then a camera with its view, and a
publisher. They leave properly, or in the midst of a message, or with a reset; some stop reading, some never
finish their request.

The conversation is JSON, one object a line. It says `{"ready": true}`; hears `{"rate": …}`, how many come a
second from now on; with 0 all who are there leave, and `{"calm": true, …}` is said once they have.
`{"each": N}` brings so many of every kind at once. Every other line is answered with what was counted. It
ends with its standard input or after `--life` s.

    python benchmarks/passers.py --port 8080 --stream CartPole-v1
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import random
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import numpy as np
import simplejpeg

PATIENCE = 60.0  # Seconds for an answer: a server that takes longer hangs.
LONG = 0.6  # Share of those who come that stay: the lifetimes follow from it.
FRAMES, FPS = 40, 20.0  # Of what a publisher and a camera send.
PUBLISHES_EVERY, FILMS_EVERY = 60.0, 40.0  # Seconds, at ten visitors a second.
ASSET = re.compile(rb"(?:src|href)=\"(static/[^\"]+)\"")
BUSY = 503  # So many films are made at once that this one has to wait.
GONE = (404, 409)  # What was asked for is kept no more, or there is nothing yet.

# What viewers ask for, all in turn by chance.
WIDTHS, RATES, QUALITIES = (None, None, 320, 160), (None, None, 10, 5), (None, None, None, 50, "low")
SCREENS = (
    "screen",
    "api/screenshot?format=jpeg",
    "api/screenshot?format=png",
    "api/screenshot?format=webp",
    "api/screenshot?format=jpeg&width=200",
)
TABLES = ("stats", "api/streams", "api/episodes", "api/streaming/stats", "health", "streaming/stats")


class Odd(Exception):
    """An answer other than it has to be."""


class Line:
    """A connection, as a client has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, room: int | None = None) -> Line:
        """Connect; `room`: bytes that the system takes in for who does not read."""
        plug = socket.socket()
        plug.setblocking(False)
        if room is not None:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        try:
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=plug))
        except BaseException:
            plug.close()
            raise

    async def head(self) -> tuple[int, bytes]:
        """Status and headers of an answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        return int(head.split(None, 2)[1]), head

    async def shake(self, port: int, path: str) -> None:
        """Begin a WebSocket."""
        key = base64.b64encode(random.randbytes(16)).decode()
        self.writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        status, _ = await self.head()
        if status != 101:
            raise Odd(f"{path.partition('?')[0]}: a WebSocket is answered with {status}")

    def say(self, **message: Any) -> None:
        self.send(0x1, json.dumps(message).encode())

    def send(self, opcode: int, data: bytes) -> None:
        """One frame; clients must mask, with a key of zeroes the data stay as they are."""
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
        if size > 0xFFFF:
            length = struct.pack(">BQ", 0x80 | 127, size)
        self.writer.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + data)

    async def hear(self) -> tuple[int, bytes]:
        """The next message: its opcode and data."""
        while True:
            opcode, size = await self.reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            data = await self.reader.readexactly(size) if size else b""
            if opcode & 0x0F != 0x9:
                return opcode & 0x0F, data
            self.send(0xA, data)

    def leave(self, how: str) -> None:
        """`close` as the protocol wants it, `end` without a word, `reset` as a killed process does."""
        if how == "close":
            with contextlib.suppress(Exception):
                self.send(0x8, b"\x03\xe8")
        if how == "reset":
            self.writer.transport.abort()
        else:
            self.writer.close()


class Passers:
    """Everybody who is there."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.port, self.stream, self.alive = args.port, args.stream, args.alive
        self.rate = 0.0
        self.chance = random.Random(args.seed)
        self.counts: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.pictures = 0
        self.here: set[asyncio.Task[None]] = set()
        self.kinds: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "live": (30, lambda: self.watch(self.stream)),
            "episodes": (10, lambda: self.watch(f"{self.stream}@episodes")),
            "mjpeg": (12, self.mjpeg),
            "screenshot": (15, self.screenshot),
            "page": (20, self.page),
            "replay": (2, self.replay),
            "deaf": (5, self.deaf),
            "half": (4, self.half),
            "publisher": (100 / (10 * PUBLISHES_EVERY), self.publish),
            "camera": (100 / (10 * FILMS_EVERY), self.film),
        }
        if args.only:
            self.kinds = {kind: self.kinds[kind] for kind in args.only}
        picture = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
        self.jpeg = bytes(simplejpeg.encode_jpeg(picture, 80, "RGB", "420"))

    async def come(self) -> None:
        """Let them come, for ever."""
        weights = [weight for weight, _ in self.kinds.values()]
        while True:
            await asyncio.sleep(self.chance.expovariate(self.rate) if self.rate else 0.1)
            if self.rate:
                (kind,) = self.chance.choices(list(self.kinds), weights)
                self.begin(kind)

    def begin(self, kind: str) -> None:
        """One more."""
        self.counts[kind] += 1
        task = asyncio.ensure_future(self.visit(kind))
        self.here.add(task)
        task.add_done_callback(self.here.discard)

    def each(self, times: int) -> None:
        """So many of every kind, at once; those who bring something, once."""
        for kind in self.kinds:
            for _ in range(1 if kind in ("publisher", "camera") else times):
                self.begin(kind)

    async def visit(self, kind: str) -> None:
        """A visit, and what was odd about it."""
        try:
            await self.kinds[kind][1]()
        except (Odd, OSError, EOFError, asyncio.TimeoutError, ValueError, KeyError) as error:
            self.problems[f"{kind}: {type(error).__name__} {error}"[:200]] += 1

    async def calm(self) -> None:
        """Have everybody leave."""
        self.rate = 0.0
        while self.here:
            for task in list(self.here):
                task.cancel()
            await asyncio.wait(list(self.here), timeout=1.0)

    def told(self) -> dict[str, Any]:
        """What was counted so far."""
        came = {"came": sum(self.counts.values()), "here": len(self.here), "pictures": self.pictures}
        return {**came, "kinds": dict(self.counts), "problems": dict(self.problems)}

    # Those who stay.

    def lifetime(self) -> float:
        return self.chance.expovariate(1.0) * self.alive / (max(self.rate, 0.1) * LONG)

    def way_out(self) -> str:
        return self.chance.choice(("close", "close", "end", "reset"))

    @contextlib.asynccontextmanager
    async def line(self, how: str | None = None, room: int | None = None) -> Any:
        """A connection that is left in some way, whatever happens."""
        line = await Line.open(self.port, room)
        try:
            yield line
        except BaseException:
            line.leave("reset")
            raise
        line.leave(how or self.way_out())

    def watching(self, name: str) -> dict[str, Any]:
        pick = self.chance.choice
        video = self.chance.random() < 0.25
        item = {"name": name, "width": pick(WIDTHS), "fps": pick(RATES), "quality": pick(QUALITIES)}
        streams = [{**item, "video": video}]
        return {"type": "watch", "streams": streams, "status": self.chance.random() < 0.3}

    async def watch(self, name: str, path: str = "/ws") -> None:
        """A viewer who acknowledges what comes, and changes what it wants in between."""
        end = time.monotonic() + self.lifetime()
        async with self.line() as line:
            await line.shake(self.port, path)
            line.say(**self.watching(name))
            number = 0
            while (left := end - time.monotonic()) > 0:
                try:
                    opcode, data = await asyncio.wait_for(line.hear(), left)
                except asyncio.TimeoutError:
                    return
                if opcode == 0x2:
                    self.pictures += 1
                    line.say(type="ack", stream=name, frameNumber=number)
                elif opcode == 0x8:
                    raise Odd(f"closed with {int.from_bytes(data[:2], 'big')} {data[2:60]!r}")
                elif data.startswith(b'{"type":"frame_metadata"'):
                    number = json.loads(data)["frameNumber"]
                    if self.chance.random() < 0.005:
                        line.say(**self.watching(name))

    async def mjpeg(self) -> None:
        """A reader of MJPEG."""
        end = time.monotonic() + self.lifetime()
        path = f"stream?stream={quote(self.stream)}"
        if width := self.chance.choice(WIDTHS):
            path += f"&width={width}"
        async with self.line(self.chance.choice(("end", "reset"))) as line:
            self.ask(line, path)
            status, _ = await line.head()
            if status != 200:
                raise Odd(f"stream: {status}")
            while (left := end - time.monotonic()) > 0:
                try:
                    if not await asyncio.wait_for(line.reader.read(1 << 16), left):
                        raise Odd("the connection ended")
                except asyncio.TimeoutError:
                    return

    async def deaf(self) -> None:
        """A viewer who asks, and never reads what comes."""
        async with self.line(self.chance.choice(("end", "reset")), room=4096) as line:
            await line.shake(self.port, "/ws")
            line.say(**self.watching(self.stream))
            line.writer.transport.pause_reading()
            await asyncio.sleep(self.lifetime())

    async def half(self) -> None:
        """One who never finishes its request."""
        async with self.line(self.chance.choice(("end", "reset"))) as line:
            line.writer.write(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr")
            await asyncio.sleep(min(5.0, self.lifetime()))

    # Those who want one thing.

    def ask(self, line: Line, path: str, method: str = "GET", leave: bool = False) -> None:
        last = "Connection: close\r\n" if leave else ""
        size = "Content-Length: 0\r\n" if method == "POST" else ""
        line.writer.write(
            f"{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{size}{last}\r\n".encode()
        )

    async def get(self, path: str, method: str = "GET", may: tuple[int, ...] = ()) -> bytes | None:
        """The body of an answer; None of one that is no answer, where that may be."""
        async with self.line("end") as line:
            self.ask(line, path, method, leave=True)
            status, head = await line.head()
            body = await asyncio.wait_for(line.reader.read(-1), PATIENCE)
        if status == 200:
            return unchunked(body) if b"chunked" in head.lower() else body
        if status not in may:
            raise Odd(f"{path.partition('?')[0]}: {status}")
        return None

    async def screenshot(self) -> None:
        path = self.chance.choice(SCREENS)
        await self.get(f"{path}{'&' if '?' in path else '?'}stream={quote(self.stream)}")

    async def page(self) -> None:
        """The page, some of what it loads, and a table or two."""
        page = await self.get("") or b""
        found = [path.decode() for path in ASSET.findall(page)]
        for path in self.chance.sample(found, min(4, len(found))):
            await self.get(path)
        for path in self.chance.sample(TABLES, 2):
            await self.get(path)

    async def replay(self) -> None:
        """The last seconds once more, as a replay and as a film; or an episode."""
        name = f"stream={quote(self.stream)}"
        if self.chance.random() < 0.5:
            body = await self.get(f"api/replay?{name}", "POST", GONE)
            clip = json.loads(body)["id"] if body else None
        else:
            kept = json.loads(await self.get(f"api/episodes?{name}") or b"{}").get("episodes") or []
            clip = self.chance.choice(kept)["id"] if kept else None
        if clip is not None:
            for path in (f"{clip}", f"{clip}/pictures"):
                await self.get(f"api/episodes/{path}", may=GONE)
            await self.get(f"api/episodes/{clip}.mp4", may=(*GONE, BUSY))

    # Those who bring something.

    async def publish(self) -> None:
        """A short session, until its result is there."""
        start = {"width": 64, "height": 48, "fps": FPS, "encoding": "jpeg", "expected_frames": FRAMES}
        async with self.line("close") as line:
            await line.shake(self.port, "/stream")
            line.say(type="session_start", **start, name=f"passer {self.counts['publisher']}")
            for number in range(1, FRAMES + 1):
                line.say(type="frame", number=number, timestamp=number / FPS, size=len(self.jpeg))
                line.send(0x2, self.jpeg)
                await asyncio.sleep(1 / FPS)
            line.say(type="session_end", frames=FRAMES)
            while True:
                opcode, data = await asyncio.wait_for(line.hear(), PATIENCE)
                if opcode == 0x8 or b'"type":"error"' in data.replace(b" ", b""):
                    raise Odd(f"a session ends with {data[:120]!r}")
                if b'"process_complete"' in data:
                    return

    async def film(self) -> None:
        """A camera for some seconds, and one who looks at it."""
        name = f"passer-{self.chance.randrange(3)}"
        viewing = asyncio.ensure_future(self.look(name))
        try:
            async with self.line() as line:
                await line.shake(self.port, f"/ws/camera/{name}")
                hearing = asyncio.ensure_future(drain(line))
                for number in range(1, 4 * FRAMES):
                    about = {"frameNumber": number, "width": 64, "height": 48}
                    line.say(type="frame_metadata", **about)
                    line.send(0x2, self.jpeg)
                    await asyncio.sleep(1 / FPS)
                hearing.cancel()
        finally:
            viewing.cancel()
            await asyncio.wait([viewing])

    async def look(self, name: str) -> None:
        await asyncio.sleep(1.0)
        async with self.line() as line:
            await line.shake(self.port, f"/ws/view/{name}")
            await drain(line)


async def drain(line: Line) -> None:
    """Hear what comes until the connection ends."""
    with contextlib.suppress(OSError, EOFError):
        while (await line.hear())[0] != 0x8:
            pass


def unchunked(body: bytes) -> bytes:
    """What `Transfer-Encoding: chunked` wraps."""
    made, at = bytearray(), 0
    while (end := body.find(b"\r\n", at)) > 0 and (size := int(body[at:end], 16)):
        made += body[end + 2 : end + 2 + size]
        at = end + size + 4
    return bytes(made)


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


async def converse(args: argparse.Namespace) -> None:
    """Do what is said, until nothing is said any more."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(heard.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(heard.put_nowait, None)

    passers = Passers(args)
    coming = asyncio.ensure_future(passers.come())
    threading.Thread(target=listen, daemon=True).start()
    say(ready=True)
    while (message := await heard.get()) is not None:
        if "each" in message:
            passers.each(message["each"])
        elif "rate" in message:
            passers.rate = message["rate"]
            if not passers.rate:
                await passers.calm()
                say(calm=True, **passers.told())
        else:
            say(**passers.told())
    coming.cancel()
    await passers.calm()


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stream", required=True, help="the stream's name")
    parser.add_argument("--alive", type=float, default=30.0, help="how many are there at a time, on average")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="no other kinds than these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    asyncio.run(converse(args))


if __name__ == "__main__":
    main()
