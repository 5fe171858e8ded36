"""Real servers for tests: a trainer process or thread on a free port, and small clients to look at it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from fakes import PictureEnv

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

TRAINER = """
import sys, time
sys.path.insert(0, {tests!r})
import gymnasium as gym
from envstream import StreamingWrapper
env = gym.make("CartPole-v1", render_mode="rgb_array")
env = StreamingWrapper(env, {settings!r})
env.reset(seed=1)
env.action_space.seed(1)
print(env.stream_url, flush=True)
{extra}
while True:
    *_, terminated, truncated, _ = env.step(env.action_space.sample())
    if terminated or truncated:
        env.reset()
    time.sleep(0.001)  # It is not the machine's only work.
"""


PATIENCE = 60.0  # Seconds: on a machine that is busy, a page alone takes twenty to begin.

# A run that was put into the background hands it on that these are ignored.
HEEDS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for something to become true, and give what it became."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


class Trainer:
    """A training script in a process of its own."""

    def __init__(self, extra: str = "", script: str | None = None, **settings: Any) -> None:
        settings = {"videoStreamPort": 0, **settings}
        text = script or TRAINER.format(
            tests=str(Path(__file__).parent), settings=settings, extra=textwrap.dedent(extra)
        )
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEEDS + text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SDL_VIDEODRIVER": "dummy"},
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._read_errors, daemon=True).start()
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), "\n".join(self.errors)
        self.port = int(self.url.split(":")[2].split("/")[0])

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):  # Closed while it was read: the test is over.
            for line in self.process.stderr:
                self.errors.append(line.rstrip())

    def child(self) -> int | None:
        """The pid of the server process, if there is one."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "envstream.web.child"],
            capture_output=True,
            text=True,
        ).stdout.split()
        return int(found[0]) if found else None

    def line(self) -> str:
        """The next line that the script prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


@contextlib.contextmanager
def training(extra: str = "", script: str | None = None, **settings: Any) -> Iterator[Trainer]:
    """A training run for as long as the block lasts."""
    trainer = Trainer(extra, script, **settings)
    try:
        yield trainer
    finally:
        trainer.stop()


class Relay:
    """A slow line before a server: `benchmarks/relay.py` with a 2 MiB buffer, as in an SSH tunnel."""

    def __init__(self, port: int, kbit: float, delay_ms: float = 0.0) -> None:
        said = ["--port", str(port), "--kbit", str(kbit), "--delay-ms", str(delay_ms)]
        self._process = subprocess.Popen(
            [sys.executable, str(BENCHMARKS / "relay.py"), *said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port: int = json.loads(self._process.stdout.readline())["port"]

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._process:
            self._process.kill()

    def become(self, **line: float) -> None:
        """Another `kbit` or `delay_ms` from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()


def get(
    port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET", timeout: float = 10.0
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request: status, headers in lower case, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def stats(port: int) -> dict[str, Any]:
    """What `/stats` says."""
    answer: dict[str, Any] = json.loads(get(port, "/stats")[2])
    return answer


class Watcher:
    """A viewer on `/ws` that can be told what to do."""

    def __init__(self, port: int, *streams: str, path: str = "/ws", **options: Any) -> None:
        self._stack = contextlib.ExitStack()
        self.socket: ClientConnection = self._stack.enter_context(
            connect(f"ws://127.0.0.1:{port}{path}", compression=None, max_size=None, **options)
        )
        self.hello = self.receive()
        self.pending: dict[str, Any] | None = None
        if streams:
            self.watch(*streams)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def watch(self, *streams: str, status: bool = False, **options: Any) -> None:
        self.send(type="watch", streams=[{"name": name, **options} for name in streams], status=status)

    def receive(self, timeout: float = 10.0) -> Any:
        """The next message: a dict for text, bytes for a picture."""
        data = self.socket.recv(timeout)
        return json.loads(data) if isinstance(data, str) else data

    def message(self, kind: str, timeout: float = 10.0) -> dict[str, Any]:
        """The next text message of a kind; others are passed over."""
        while True:
            message = self.receive(timeout)
            if isinstance(message, dict) and message["type"] == kind:
                return message

    def frame(self, timeout: float = 10.0, ack: bool = True) -> tuple[dict[str, Any], bytes]:
        """The next frame: its metadata and its picture; acknowledged unless told not to."""
        about = self.message("frame_metadata", timeout)
        picture = self.receive(timeout)
        assert isinstance(picture, bytes)
        if ack:
            self.ack(about)
        return about, picture

    def ack(self, about: dict[str, Any]) -> None:
        self.send(type="ack", stream=about["stream"], frameNumber=about["frameNumber"])


@contextlib.contextmanager
def streaming(env: Any, *, still: bool = False, **settings: Any) -> Iterator[int]:
    """An env that is stepped in a thread of this process, served by the thread worker; gives the port."""
    from envstream import StreamingWrapper
    from envstream import outlet as outlets

    if isinstance(env, PictureEnv) and not still:
        env.flickers = isinstance(env.picture, np.ndarray)
    outlets._outlets.clear()  # A server of its own, whatever other tests have running.
    before = set(threading.enumerate())
    wrapped = StreamingWrapper(env, **{"videoStreamWorker": "thread", "videoStreamPort": 0, **settings})
    wrapped.reset()
    stop = threading.Event()

    def train() -> None:
        while not stop.wait(0.001):
            *_, terminated, truncated, _ = wrapped.step(0)
            if terminated or truncated:
                wrapped.reset()

    outlet = wrapped._tap.outlet
    assert outlet is not None
    address = outlet.wait(10)
    assert address is not None, outlet.failure
    thread = threading.Thread(target=train)
    thread.start()
    try:
        yield address.port
    finally:
        stop.set()
        thread.join()
        wrapped.close()
        ours = [t for t in set(threading.enumerate()) - before if t.name.startswith("envstream")]
        until(lambda: not any(thread.is_alive() for thread in ours), "the server's end")


def drained(connection: socket.socket) -> bytes:
    """Read until the server closes; fails when it does not."""
    data = b""
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionError:
        pass
    return data
