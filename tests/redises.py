"""Real Redis servers for tests, and workers and page servers that meet there."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import redis

from conftest import missing
from elsewhere import free_port
from envstream.bus.pages import BusPages
from envstream.bus.tries import stop
from envstream.bus.uplinks import BusUplinks
from envstream.config import StreamConfig
from envstream.encoder import Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.stream import Stream
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout
from envstream.web.pipes import Parcel
from envstream.web.seat import Seat
from serving import until

Condition = Callable[[], Any]


class Redis:
    """A Redis server at a free port, without a disk; `options` as on its command line."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server", "on Debian: apt-get install redis-server")
        self.port = free_port()
        ports = ("--port", "0", "--tls-port") if tls else ("--port",)
        listens = (*ports, str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        # Each word of an option is an argument of its own.
        words = [word for option in options for word in option.split(" ")]
        self._command = [str(program), *listens, "--save", "", "--appendonly", "no", *words]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with an empty memory."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._answers, "the Redis server")

    def kill(self) -> None:
        """It is gone at once, and what it knew with it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def pause(self, seconds: float) -> None:
        """It answers nobody for a while."""
        self.client.execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")

    @cached_property
    def client(self) -> Any:
        """To look at what is there."""
        return redis.Redis(port=self.port)

    def bytes_in(self) -> int:
        """Bytes that it was sent so far."""
        return int(self.client.info("stats")["total_net_input_bytes"])

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *exc: object) -> None:
        if "client" in vars(self):
            self.client.close()
        self.kill()


async def soon(condition: Condition, what: str, seconds: float = 20.0) -> Any:
    """Wait on the event loop for something to become true, and give what it became."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited {seconds} s for {what}")


class End:
    """A hub with its fan-out, on the running loop; its round once a second is gone more often."""

    def __init__(self, pool: ThreadPoolExecutor, url: str, **settings: Any) -> None:
        self.hub = Hub(StreamConfig(videoStreamHub=url, **settings), pool)
        self.loop = asyncio.get_running_loop()
        self.fanout = Fanout(self.hub, self.loop)
        self.said: list[str] = []
        self._beat = asyncio.ensure_future(self._look())

    def round(self) -> None:
        self.fanout.revive()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.round()

    async def close(self) -> None:
        self._beat.cancel()
        await asyncio.gather(self._beat, return_exceptions=True)


class WorkerEnd(End):
    """A worker: envs that draw when they are asked to, and the uplinks of their streams."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        url: str,
        *names: str,
        identity: Identity | None = None,
        run: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(pool, url, **settings)
        if run is not None:
            self.hub.run = run
        self.chosen: list[Any] = []
        self.sent: list[dict[str, Any]] = []
        self.renders = 0
        self.still = False
        self.numbers = 0
        self.uplinks = BusUplinks(
            self.hub,
            self.fanout,
            identity or Identity(),
            self._say,
            lambda stream: self.chosen.append(stream.quality),
            self.sent.append,
        )
        for name in names or ("env",):
            self.open(name)
        self._steps = asyncio.ensure_future(self._train())

    def open(self, name: str, **about: Any) -> Stream:
        """A further env."""
        stream = self.hub.open(name, about.pop("title", name), self.hub.config, **about)
        self.fanout.opened(stream)
        self.uplinks.opened(stream)
        return stream

    def episode(self, name: str, number: int, steps: int, total: float) -> None:
        """An episode has ended."""
        stream = self.hub.streams[name]
        stream.episodes.add(number, steps, total)

    def round(self) -> None:
        super().round()
        self.uplinks.look()

    def _say(self, stream: Stream, message: str, by: str) -> None:
        stream.notices.say(message, by, lasting=True)
        self.said.append(message)

    async def _train(self) -> None:
        noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
        while True:
            await asyncio.sleep(0.002)
            now = time.monotonic()
            for stream in list(self.hub.streams.values()):
                self.numbers += 1
                stream.note_steps(now, self.numbers)
                if stream.due[0] and not stream.ended:
                    stream.due[0] = 0
                    self.renders += 1
                    pixels = noise if self.still else np.roll(noise, self.renders, 0)
                    number = stream.buffer.received + 1
                    stream.put(Frame.copy_of(pixels, number, now, 1e-4, step=self.numbers, episode=3), now)
                    self.fanout.arrived(stream)

    async def die(self) -> None:
        """Be gone without a word."""
        task = self.uplinks._task
        await self._stop()
        assert task is not None
        await stop(task, again=1.0)

    async def close(self) -> None:
        await self._stop()
        await self.uplinks.finish(2)

    async def _stop(self) -> None:
        await super().close()
        self._steps.cancel()
        await asyncio.gather(self._steps, return_exceptions=True)


class PagesEnd(End):
    """A page server without its pages."""

    def __init__(self, pool: ThreadPoolExecutor, url: str, **settings: Any) -> None:
        super().__init__(pool, url, **settings)
        self.pages = BusPages(
            self.hub,
            self.fanout.opened,
            self.fanout.arrived,
            self.said.append,
            self.loop.call_soon_threadsafe,
            self.watches,
        )
        self.pages.start()

    def watches(self, stream: Stream) -> list[Watch]:
        found = (seat.viewer.watches.get(stream.name) for seat in self.fanout.seats)
        return [watch for watch in found if watch is not None]

    def round(self) -> None:
        super().round()
        self.pages.look()

    def look_at(self, *names: str, **options: Any) -> Looker:
        """Somebody who watches these streams."""
        return Looker(self, names, **options)

    async def appears(self, name: str = "env") -> Stream:
        """A stream, as soon as it is there."""
        stream: Stream = await soon(lambda: self.hub.streams.get(name), f"{name} on the page server")
        return stream

    async def close(self) -> None:
        await super().close()
        await self.pages.finish(2)


class Looker:
    """A viewer on a page server, who acknowledges each picture at once."""

    acknowledges = True
    free = True

    def __init__(
        self, end: PagesEnd, names: tuple[str, ...], fps: float | None = None, width: int | None = None
    ) -> None:
        self._end = end
        self.parcels: list[Parcel] = []
        self.texts: list[str] = []
        self.seat = Seat(Viewer(), self)
        assert end.fanout.join(self.seat)
        self.watch(*names, fps=fps, width=width)

    def watch(self, *names: str, fps: float | None = None, width: int | None = None) -> None:
        """Watch these from now on."""
        self.seat.viewer.watch({name: Watch(Rung("auto", None, width), fps) for name in names})
        self._end.fanout.changed(self.seat)

    def post(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        number, name = parcel.picture.frame.number, parcel.picture.stream
        self._end.loop.call_soon(self._end.fanout.acknowledged, self.seat, name, number)

    def tell(self, text: str) -> None:
        self.texts.append(text)

    def leave(self) -> None:
        """Watch no more."""
        self._end.fanout.leave(self.seat)

    async def frames(self, count: int = 2, seconds: float = 20.0) -> list[Parcel]:
        """That many further pictures."""
        before = len(self.parcels)
        await soon(lambda: len(self.parcels) >= before + count, f"{count} pictures", seconds)
        return self.parcels[before:]


@contextlib.asynccontextmanager
async def ends(*some: End) -> AsyncIterator[None]:
    """Ends for as long as the block lasts."""
    try:
        yield
    finally:
        for end in some:
            await end.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    program = shutil.which("openssl")
    if program is None:
        missing("openssl", "on Debian: apt-get install openssl")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [str(program), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    subprocess.run(
        [*command, *files, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    key.chmod(0o600)
    return cert, key


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, tls: bool = False) -> Iterator[Redis]:
    """A Redis server for as long as the block lasts."""
    with Redis(folder, *options, tls=tls) as server:
        yield server
