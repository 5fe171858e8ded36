"""A training at full speed that something is done to, and what has to hold all the same."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from serving import PATIENCE, Trainer, Watcher, get, until

NAME = "PictureEnv"
LONGEST_STEP = 2.0  # Seconds: a machine that is busy takes tenths from a process, never this.

SCRIPT = """
import warnings
warnings.simplefilter("error")
import json, os, sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from envstream import StreamingWrapper
from fakes import PictureEnv
noise = np.random.default_rng(1).integers(0, 255, ({height}, {width}, 3), np.uint8)
env = PictureEnv(noise, length=200)
env.flickers = True
env = StreamingWrapper(env, {settings!r})
{begin}
env.reset(seed=1)
print({url}, flush=True)

def say():
    with open({diary!r} + ".new", "w") as file:
        json.dump(dict(steps=steps, slowest=slowest), file)
    os.replace({diary!r} + ".new", {diary!r})

steps, slowest, told = 0, 0.0, time.monotonic()
while True:
    before = time.monotonic()
    *_, terminated, truncated, _ = env.step(0)
    if terminated or truncated:
        env.reset()
    now = time.monotonic()
    slowest = max(slowest, now - before)
    steps += 1
    {each}
    if now - told > 0.1:
        told = now
        say()
"""


class Training(Trainer):
    """A training at full speed, whose steps are counted."""

    def __init__(
        self,
        folder: Path,
        begin: str = "",
        each: str = "",
        size: tuple[int, int] = (64, 48),
        url: str = "env.stream_url",
        **settings: Any,
    ) -> None:
        self._diary = folder / "diary"
        settings = {"videoStreamPort": 0, **settings}
        script = SCRIPT.format(
            tests=str(Path(__file__).parent),
            diary=str(self._diary),
            width=size[0],
            height=size[1],
            begin=begin,
            each=each,
            url=url,
            settings=settings,
        )
        super().__init__(script=script)

    @property
    def diary(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self._diary.read_text())
        except FileNotFoundError:
            return {"steps": 0, "slowest": 0.0}
        return said

    def goes_on(self, steps: int = 500) -> None:
        """Wait for further steps."""
        before = self.diary["steps"]
        until(lambda: self.process.poll() is not None or self.diary["steps"] >= before + steps, "more steps")
        assert self.process.poll() is None, self.errors

    def is_seen(self, pictures: int = 3) -> float:
        """A new viewer sees it; seconds until its first picture."""
        began = time.monotonic()
        first = until(self._first, "a picture")
        with first as viewer:
            seconds = time.monotonic() - began
            for _ in range(pictures - 1):
                viewer.frame(PATIENCE)
        return seconds

    def _first(self) -> Watcher | None:
        """A viewer that has seen its first picture; None: it could not."""
        viewer = None
        try:
            viewer = Watcher(self.port, NAME, open_timeout=PATIENCE)
            viewer.frame(PATIENCE)
            return viewer
        except Exception:  # No server, or none yet: whatever is said of it, it is tried again.
            if viewer is not None:
                viewer.__exit__()
            return None

    def is_unharmed(self, silent: bool = True) -> None:
        """Nothing reached the training: no error, and no step that took long.

        Args:
            silent: whether its server has not complained either.
        """
        self.goes_on()
        assert self.diary["slowest"] < LONGEST_STEP
        if not silent:
            return
        assert [line for line in self.errors if "Traceback" in line or "Error" in line.split(":")[0]] == []

    def warnings(self, of: str) -> list[str]:
        """What it was told about something."""
        return [line for line in self.errors if of in line]


@contextlib.contextmanager
def unharmed(folder: Path, silent: bool = True, **how: Any) -> Iterator[Training]:
    """A training that something is done to within the block; it goes on, and is seen, all the same."""
    training = Training(folder, **how)
    try:
        training.is_seen()
        yield training
        training.is_seen()
        training.is_unharmed(silent)
    finally:
        training.stop()


@contextlib.contextmanager
def crowd(port: int, count: int, *says: bytes, reads: int | None = None) -> Iterator[list[socket.socket]]:
    """So many connections that say something, and then nothing more.

    Args:
        reads: bytes that the system takes for each, which reads none of them; None = as usual.
    """
    with contextlib.ExitStack() as stack:
        there = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            if reads is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, reads)
            one.settimeout(PATIENCE)
            one.connect(("127.0.0.1", port))
            for said in says:
                one.sendall(said)
            there.append(one)
        yield there


def request(path: str, *headers: str) -> bytes:
    """A request for a page, whole."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def handshake(path: str = "/ws") -> bytes:
    """The beginning of a WebSocket."""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    return request(path, "Upgrade: websocket", "Connection: Upgrade", key, "Sec-WebSocket-Version: 13")


def playing(folder: Path) -> list[Path]:
    """The videos in a folder, all of which play: of each, all pictures are decoded."""
    videos = sorted(folder.glob("*.mp4"))
    for video in videos:
        with av.open(str(video)) as file:
            assert sum(1 for _ in file.decode(video=0)) > 0, video
    return videos


def answers(port: int, path: str = "/health") -> bool:
    """Whether a server answers."""
    try:
        return get(port, path, timeout=5)[0] == 200
    except OSError:
        return False
