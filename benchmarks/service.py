"""`envstream serve` in a process of its own, as `ingest.py` wants it: where it listens, what it takes.

Its memory and its CPU time are those of the server and, told apart, those of its worker processes.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from common import START_SECONDS

try:
    import psutil  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(f"this needs psutil ({error}): {sys.executable} -m pip install psutil") from None

WORKER = "envstream.processing.child"
LOOKS_EVERY = 0.1  # Seconds between two looks at memory.
_UP = re.compile(r"watch at https?://[^/ ]*:(\d+)/")
_PLACES = "videos and results go to"  # The last thing it says of itself.


class Service:
    """A server without a trainer.

    Args:
        folder: where what publishers send goes; one of its own.
        settings: of `env:`, without that.

    Attributes:
        port: where it listens, also after it was started again; 0 = it was not started yet.
        said: lines that it has written, also before it was killed.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.port = folder, 0
        self.said: list[str] = []
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self) -> None:
        """Come up, on the same port as before.

        Raises:
            RuntimeError: it does not, with what it said; or it is on another port.
        """
        settings = {"videoStreamPort": self.port, "videoStreamFolder": self.folder, **self._settings}
        words = [f"env.{key}={value}" for key, value in settings.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "envstream", "serve", *words], stderr=subprocess.PIPE, text=True
        )
        up = threading.Event()
        begun = len(self.said)
        threading.Thread(target=self._listen, args=(self._process, up), daemon=True).start()
        ports: list[int] = []
        if up.wait(START_SECONDS):
            ports = [int(found[1]) for line in self.said[begun:] if (found := _UP.search(line))]
        if not ports or self.port not in (0, ports[0]):
            self.kill()
            raise RuntimeError(f"envstream serve is not up at port {self.port}: {self.said[begun:]}")
        self.port = ports[0]

    def kill(self) -> None:
        """End it as a machine does that has no memory left: with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stats(self) -> dict[str, Any]:
        """What `/streaming/stats` answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/streaming/stats", timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    def _listen(self, process: subprocess.Popen[str], up: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip())
                if _PLACES in line:
                    up.set()
        up.set()


class Load(NamedTuple):
    """Seconds of CPU time until a moment."""

    at: float
    server: float
    workers: float


class Gauge:
    """Looks at a server's processes again and again, in a thread of its own, until it is left.

    Attributes:
        idle_mb: the server's RSS at the beginning.
        server_mb, workers_mb: the highest since, of the workers together.
        workers: most of them at once.
    """

    def __init__(self, server: int) -> None:
        self._server = psutil.Process(server)
        self._times: dict[int, float] = {}  # Of workers, also of those that are gone.
        self._lock, self._over = threading.Lock(), threading.Event()
        self.idle_mb = self.server_mb = self._megabytes(self._server)
        self.workers_mb, self.workers = 0.0, 0
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Gauge:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def load(self) -> Load:
        """CPU time until now."""
        self._look()
        with self._lock:
            return Load(time.monotonic(), cpu_seconds(self._server.pid), sum(self._times.values()))

    def _follow(self) -> None:
        while not self._over.wait(LOOKS_EVERY):
            with contextlib.suppress(psutil.Error):
                self._look()

    def _look(self) -> None:
        held = []
        for worker in self._server.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if WORKER in worker.cmdline():
                    held.append(self._megabytes(worker))
                    with self._lock:
                        self._times[worker.pid] = cpu_seconds(worker.pid)
        with self._lock:
            self.server_mb = max(self.server_mb, self._megabytes(self._server))
            self.workers_mb = max(self.workers_mb, sum(held))
            self.workers = max(self.workers, len(held))

    @staticmethod
    def _megabytes(process: Any) -> float:
        return float(process.memory_info().rss / 1e6)


def cpu_seconds(process: int) -> float:
    """CPU time of a process until now."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)
