"""Servers on their own, and runs that are shown by them, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from serving import Trainer, get, until

NAME = "PictureEnv"

# An env whose pictures cost nothing, and whose steps leave the machine to others.
SCRIPT = """
{begin}
import warnings
warnings.simplefilter("error")
import json, os, sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from envstream import StreamingWrapper
from fakes import PictureEnv

def made():
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    env = PictureEnv(noise, length=20)
    env.flickers = True
    return env

def wrapped(env):
    return StreamingWrapper(env, {settings!r})

def say(**more):
    said = dict(steps=steps, renders=env.unwrapped.renders, **more)
    said["quality"] = env._tap._channel.settings.get("videoStreamQuality") if env._tap._channel else None
    with open({diary!r} + ".new", "w") as file:
        json.dump(said, file)
    os.replace({diary!r} + ".new", {diary!r})

steps, slowest = 0, 0.0
env = wrapped(made())
env.reset(seed=1)
print({url}, flush=True)
while not os.path.exists({diary!r} + ".end"):
    time.sleep(0.002)
    before = time.monotonic()
    *_, terminated, truncated, _ = env.step(0)
    slowest = max(slowest, time.monotonic() - before)
    steps += 1
    if terminated or truncated:
        env.reset()
        say(slowest=slowest)
    {each}
before = time.monotonic()
env.close()
say(closing=time.monotonic() - before, slowest=slowest)
print("finished", flush=True)
"""


class Run(Trainer):
    """A training run in a process of its own that keeps a diary."""

    def __init__(
        self,
        diary: Path,
        *,
        each: str = "",
        begin: str = "",
        url: str = "'http://127.0.0.1:0/'",
        **settings: Any,
    ) -> None:
        self._diary = diary
        self.name = NAME
        settings = {"videoStreamPort": 0, "videoStreamMaxOverhead": 1.0, **settings}
        script = SCRIPT.format(
            tests=str(Path(__file__).parent),
            settings=settings,
            diary=str(diary),
            each=each,
            begin=begin,
            url=url,
        )
        super().__init__(script=script)

    @property
    def diary(self) -> dict[str, Any]:
        """How far it is: `steps`, `renders`, `quality`; at its end how long `closing` took."""
        try:
            said: dict[str, Any] = json.loads(self._diary.read_text())
        except FileNotFoundError:
            return {"steps": 0, "renders": 0}
        return said

    def finish(self) -> None:
        """Have it end by itself, and wait until it has closed its env."""
        Path(f"{self._diary}.end").touch()
        assert self.line() == "finished"

    def goes_on(self, steps: int = 200) -> None:
        """Wait for further steps."""
        before = self.diary["steps"]
        until(lambda: self.diary["steps"] >= before + steps, "further steps")

    @property
    def warnings(self) -> list[str]:
        """What it said on stderr, but for where it is shown."""
        shown = ("envstream: shown at", "envstream: shown through")
        return [line for line in self.errors if not line.startswith(shown)]


@contextlib.contextmanager
def run(diary: Path, **settings: Any) -> Iterator[Run]:
    """A run that ends with the block."""
    trainer = Run(diary, **settings)
    try:
        yield trainer
    finally:
        trainer.stop()


class Service:
    """`envstream serve` in a process of its own, in which every warning is an error."""

    def __init__(self, folder: Path, *settings: str, port: int = 0, before: tuple[str, ...] = ()) -> None:
        words = [*settings, f"env.videoStreamPort={port}", f"env.videoStreamFolder={folder}"]
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*before, sys.executable, "-W", "error", "-m", "envstream", "serve", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def __enter__(self) -> Service:
        until(lambda: self.said("videos and results") or self.process.poll() is not None, "its words")
        assert self.process.poll() is None, self.lines
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            finally:
                self.process.kill()
        self.ended()
        if exc[0] is None:
            wrong = [line for line in self.lines if "Warning" in line or "Traceback" in line]
            assert wrong == [], "\n".join(self.lines)

    def ended(self) -> int:
        """Its exit status, waited for."""
        status = self.process.wait(20)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def said(self, words: str) -> str | None:
        """The first line with these words."""
        return next((line for line in self.lines if words in line), None)

    @property
    def port(self) -> int:
        found = re.search(r"watch at https?://[^/]*:(\d+)/", "\n".join(self.lines))
        assert found is not None, self.lines
        return int(found[1])

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    def stats(self, path: str = "/stats") -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(get(self.port, path)[2])
        return answer

    def streams(self) -> dict[str, dict[str, Any]]:
        """All streams, by name."""
        return {each["name"]: each for each in self.stats("/api/streams")["streams"]}

    def kill(self) -> None:
        """As a machine that loses its power, but for the connections."""
        self.process.kill()
        self.ended()


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Road:
    """A way to a server that takes its time in both directions, and can be cut and mended.

    Attributes:
        open: whether it can be gone; where it is cut, nobody is let in, and who is on it is thrown out.
    """

    def __init__(self, port: int, delay: float = 0.0, host: str = "127.0.0.1") -> None:
        self._to, self._delay, self._host = port, delay, host
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.open = True
        self.port = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Road:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def cut(self) -> None:
        self.open = False
        self._loop.call_soon_threadsafe(lambda: [each.transport.abort() for each in self._writers])

    def mend(self) -> None:
        self.open = True

    async def _main(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._go, self._host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _go(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        ways = [
            asyncio.ensure_future(self._carry(reader, far_writer)),
            asyncio.ensure_future(self._carry(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                loop.call_later(self._delay, self._arrive, writer, data)
            await asyncio.sleep(self._delay)

    @staticmethod
    def _arrive(writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.transport.is_closing():
            writer.write(data)


def played(scene: Callable[[], Awaitable[None]], seconds: float = 20.0) -> None:
    """Play a scene on an event loop of its own; what is left running is an error."""

    async def main() -> None:
        await asyncio.wait_for(scene(), seconds)

    asyncio.run(main())
