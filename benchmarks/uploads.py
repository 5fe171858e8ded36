"""Uploads to `envstream serve`, one after the other, whose publisher, server or worker can be killed.

Part of `faults.py`. A film of sixteen seconds is sent at its own pace, through a processor, again and again,
each time as a session of its own. Whoever is killed is started again at once, as a supervisor would; the pool
starts its workers itself.

Well again is, while the film comes, when further frames are on disk; of a worker, and once the whole film is
there, when a worker is at it, or its result is there; of a publisher whose film is there, when its successor
is connected.
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
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]

from common import START_SECONDS, note
from scenery import FPS, film, frames_in, scenes
from service import WORKER, Service

FRAMES = 16 * FPS
ENTRY = 16  # Bytes of `frames.idx` for each frame.
VICTIMS = ("publisher", "serve", "worker")
PATIENCE = 120.0  # Seconds for the last session's result.


class State(NamedTuple):
    """How far it has come: the session, its frames on disk, and when a worker was first or last at it."""

    session: int
    frames: int
    video: int

    def well(self, before: State, frames: bool) -> bool:
        """Whether it goes on; `frames`: only further frames show that."""
        if self.session > before.session:
            return True
        return self.frames > before.frames if frames else self.video > before.video


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

    def kill(self, victim: str) -> tuple[bool, float]:
        """Kill somebody; whether the film was still coming, and seconds until it goes on."""
        while victim == "worker" and not self._workers():
            time.sleep(0.05)
        began = time.monotonic()
        if victim == "publisher":
            with self._lock:
                self._push.kill()
                self._push.wait()
                while self._connected():
                    time.sleep(0.01)
                before = self._state()
                self._push = self._begin()
        elif victim == "serve":
            self._service.kill()
            before = self._state()
            self._service.start()
        else:
            before = self._state()
            for worker in self._workers():
                os.kill(worker, signal.SIGKILL)
        comes = before.frames < FRAMES
        while not self._well(victim, before, comes):
            if time.monotonic() - began > START_SECONDS:
                raise RuntimeError(f"nothing went on after the {victim} was killed")
            time.sleep(0.01)
        return comes, time.monotonic() - began

    def _well(self, victim: str, before: State, comes: bool) -> bool:
        now = self._state()
        if victim == "publisher" and not comes:
            return now.session > before.session or self._connected()
        return now.well(before, comes and victim != "worker")

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

    def _state(self) -> State:
        number = self._number
        folder = self._folder / f"upload-{number}"
        frames, video = FRAMES, 0
        with contextlib.suppress(OSError):
            video = (folder / "video.json").stat().st_mtime_ns
        with contextlib.suppress(OSError):
            frames = (folder / "frames.idx").stat().st_size // ENTRY
        if not folder.exists():
            frames = 0
        return State(number, frames, video)

    def _connected(self) -> bool:
        """Whether the server speaks with the session's publisher."""
        name, sessions = f"upload-{self._number}", self._service.stats()["sessions"]
        return any(each["session_id"] == name and each["connected"] for each in sessions)

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
