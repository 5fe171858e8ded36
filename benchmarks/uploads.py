"""Uploads to `envstream serve`, one after the other, whose publisher, server or worker can be killed.

Part of `faults.py`. A film of eight seconds is sent at its own pace, through a processor, again and again,
each time as a session of its own. Whoever is killed is started again at once, as a supervisor would; the pool
starts its workers itself. Well again is when further frames are on disk, or a further session begins.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from common import START_SECONDS, note
from scenery import FPS, film, frames_in, scenes
from service import WORKER, Service

FRAMES = 8 * FPS
VICTIMS = ("publisher", "serve", "worker")
PATIENCE = 120.0  # Seconds for the last session's result.


class Uploads:
    """A server, and what is sent to it."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._film = folder / "film.mp4"
        film(self._film, scenes(), FRAMES)
        self._folder = folder / "sessions"
        self._service = stack.enter_context(Service(self._folder, videoStreamMaxSessions=1000))
        self._lock = threading.Lock()  # Held while a publisher is started, killed, or looked after.
        self._number, self._over = 0, threading.Event()
        self._push = self._begin()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        stack.callback(self._end)

    def kill(self, victim: str) -> float:
        """Kill somebody; seconds until it goes on."""
        began = time.monotonic()
        if victim == "publisher":
            with self._lock:
                self._push.kill()
                self._push.wait()
                before = self._kept()
                self._push = self._begin()
        elif victim == "serve":
            self._service.kill()
            before = self._kept()
            self._service.start()
        else:
            before = self._kept()
            for worker in self._workers():
                os.kill(worker, signal.SIGKILL)
        while self._kept() <= before:
            if time.monotonic() - began > START_SECONDS:
                raise RuntimeError(f"no further frame came after the {victim} was killed")
            time.sleep(0.01)
        return time.monotonic() - began

    def finish(self) -> tuple[int, int]:
        """Let the last one end; how many sessions there were, and how many videos have every frame."""
        self._over.set()
        self._thread.join()
        self._push.wait(PATIENCE)
        whole = 0
        for number in range(self._number + 1):
            found = frames_in(self._folder / f"upload-{number}" / "video.mp4")
            whole += found == FRAMES
            if found != FRAMES:
                note(f"upload-{number}: {found} of {FRAMES} frames; {self._said(number).read_text()[-600:]}")
        return self._number + 1, whole

    def _begin(self) -> subprocess.Popen[bytes]:
        """Send the film as the session of the present number, or what is left of it."""
        url, name = f"http://127.0.0.1:{self._service.port}", f"upload-{self._number}"
        words: list[Any] = ["--video", self._film, "--session-id", name, "--processors", "stats"]
        words += ["--resume-token", f"the-token-of-{name}"]
        command = [sys.executable, "-m", "envstream", "push", url, *words, "--encoding", "jpeg", "--verbose"]
        with self._said(self._number).open("a") as said:
            return subprocess.Popen([*map(str, command), "--fps", str(FPS)], stdout=said, stderr=said)

    def _said(self, number: int) -> Path:
        """What the publishers of a session said."""
        return self._folder.parent / f"said-{number}"

    def _follow(self) -> None:
        """When one session has its result, begin the next."""
        while not self._over.wait(0.02):
            with self._lock:
                if self._push.poll() is not None:
                    self._number += 1
                    self._push = self._begin()

    def _kept(self) -> tuple[int, int]:
        """The session's number, and the bytes of it that are on disk."""
        number, size = self._number, 0
        with contextlib.suppress(OSError):
            size = sum(file.stat().st_size for file in (self._folder / f"upload-{number}").rglob("*.log"))
        return number, size

    def _workers(self) -> list[int]:
        found = []
        for child in psutil.Process(self._service.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if WORKER in child.cmdline():
                    found.append(child.pid)
        return found

    def _end(self) -> None:
        self._over.set()
        self._thread.join()
        self._push.kill()
        self._push.wait()
