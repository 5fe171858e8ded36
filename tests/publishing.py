"""Servers on their own and publishers, for tests: `envstream serve` and `envstream push` as processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import videos
from serving import HEEDS, until

RUN = HEEDS + "import sys; from envstream.cli import main; sys.exit(main())"


class Alone:
    """A server without a trainer, in a process of its own.

    Attributes:
        url: of its page, with its token where there is one.
        port: of the same.
        folder: where it keeps what is sent.
    """

    def __init__(self, folder: Path, *settings: str, modules: Path | None = None) -> None:
        self.folder = folder
        said = ["env.videoStreamPort=0", f"env.videoStreamFolder={folder}", *settings]
        search = {} if modules is None else {"PYTHONPATH": str(modules)}
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, "serve", *said],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **search},
        )
        threading.Thread(target=self._read, daemon=True).start()
        until(lambda: self._address() or self.process.poll() is not None, "the server to listen")
        self.url = self._address()
        assert self.url, "\n".join(self.errors)
        self.port = int(self.url.split(":")[2].split("/")[0])

    def _read(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):  # Closed while it was read: the test is over.
            for line in self.process.stderr:
                self.errors.append(line.rstrip())

    def _address(self) -> str:
        found = re.search(r"watch at (http\S+)", "\n".join(self.errors))
        return found[1] if found else ""

    def stop(self) -> None:
        """End it as Ctrl-C does; whatever does not heed that is killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        assert self.process.stderr is not None
        with contextlib.suppress(OSError):
            self.process.stderr.close()


@contextlib.contextmanager
def serving_alone(folder: Path, *settings: str, modules: Path | None = None) -> Iterator[Alone]:
    """`envstream serve` for as long as the block lasts; `modules`: a folder whose modules it may import."""
    server = Alone(folder, *settings, modules=modules)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def pushing(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`envstream push` in a process; at the end of the block it is killed if it still runs."""
    command = [sys.executable, "-c", RUN, "push", url, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        with process:
            process.kill()


def numbered_film(path: Path, frames: int, fps: float = 30.0) -> Path:
    """A video whose pictures bear their numbers, from 0 on."""
    from envstream.video import VideoFile

    file = VideoFile(path, 64, 48, fps)
    for number in range(frames):
        file.add(videos.numbered(number), number / fps)
    file.close()
    return path
