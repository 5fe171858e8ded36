"""A worker: one process that goes through jobs, and the lines between it and the server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MOST = 64 * 2**20  # Bytes of a line; what is longer is none of ours.


def command() -> list[str]:
    """What is run."""
    return [sys.executable, "-m", "envstream.processing.child"]


def environment() -> dict[str, str]:
    """The server's environment and import path, so that the same packages are found."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {
        "OMP_NUM_THREADS": "1",  # One process, one core, unless somebody wants it otherwise.
        **os.environ,
        "PYTHONPATH": os.pathsep.join([here, *(path for path in paths if path != here)]),
        "PYTHONWARNINGS": "ignore",  # A server run with -W error must not take its processes down.
        "PYTHONSAFEPATH": "1",
    }


class Worker:
    """A process of `python -m envstream.processing.child`. Not thread-safe. Nothing here waits for it.

    Attributes:
        at: what it said last that it is at.
        heard_at: when it said something, or was given something to do while it had nothing.
        finishing: whether it is closing files.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, now: float) -> None:
        self.process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,  # Ctrl-C is the server's; this one follows its end.
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        for line in (self._in, self._out):
            os.set_blocking(line.fileno(), False)
        self._to_write, self._read = bytearray(), bytearray()
        self.at: Mapping[str, Any] | None = None
        self.heard_at = now
        self.finishing = False

    def fileno(self) -> int:
        """What becomes readable when it says something, or is gone."""
        return self._out.fileno()

    @property
    def full(self) -> bool:
        """Whether it has not read what it was told."""
        return bool(self._to_write)

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell it something, now or as soon as it reads."""
        self._to_write += json.dumps(message).encode() + b"\n"
        self.write()

    def write(self) -> None:
        """Write as much as it takes. That it is gone is seen where it is read."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ValueError):
            while self._to_write:
                written = os.write(self._in.fileno(), self._to_write)
                del self._to_write[:written]

    def hear(self, now: float) -> tuple[list[dict[str, Any]], bool]:
        """What it said meanwhile, and whether that was the end."""
        ended = False
        try:
            while not ended and len(self._read) <= _MOST:
                piece = os.read(self._out.fileno(), 2**16)
                ended = not piece
                self._read += piece
        except BlockingIOError:
            pass
        *lines, rest = self._read.split(b"\n")
        self._read = rest
        said = [message for line in lines if (message := _message(bytes(line))) is not None]
        for message in said:
            self.heard_at = now
            if message["op"] == "at":
                self.at, self.finishing = message, False
            elif message["op"] == "progress":
                self.finishing = message["stage"] == "finishing"
        return said, ended or len(self._read) > _MOST

    @property
    def gone(self) -> bool:
        """Whether the process has ended; somebody it started may still hold the line open."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        # It is not waited for: until it is, nobody else gets its number, which `end` needs.
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # Somebody else did.
            return True

    def leave(self) -> None:
        """Have it end by itself."""
        with contextlib.suppress(OSError):
            self._in.close()

    def end(self) -> str:
        """End it, and all that it started; how it ended, in words."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(5)
        for line in (self._in, self._out):
            with contextlib.suppress(OSError):
                line.close()
        return _ending(status)


def _message(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict) and isinstance(message.get("op"), str):
            return message
    return None


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
        return f"killed by signal {-status}"
    return "hanging" if status is None else f"exit status {status}"
