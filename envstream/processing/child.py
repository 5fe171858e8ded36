"""`python -m envstream.processing.child`: many jobs in turns. Reads and writes one JSON object a line.

Read from standard input, until its end:

- `open`: `session`, `life`, `folder`, `about`, `up_to`, `careful`: a job begins; all that comes of it has its
  `life`. One of which a process died is gone through frame by frame: it is seen then at which one that was.
- `more`: `session`, `up_to`: numbers up to it are on the tape, or lost.
- `end`: `session`, `up_to`, `end`: no more frames; `end["frames"]` is the highest number, else `up_to`.
- `drop`: `session`: the job is not wanted any more, and its files neither.

Written to standard output:

- `at`: `session`, `life`, `frame`, `processor`: what it is at. The processor is null, except while the frame
  is with one that is not built in.
- `progress`: `session`, `life`, `stage`, `frame`, `frames`, `percent`.
- `done`: `session`, `life`, `result`.
- `failed`: `session`, `life`, `message`: there will be no result.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from envstream import logs
from envstream.errors import EnvstreamError
from envstream.processing.job import Job

TURN = 0.1  # Seconds that a job works until it is the next one's turn.
TOLD_EVERY = 0.5  # Seconds between two words of how far a job has come.
GRACE = 5.0  # Seconds after the end of standard input; who hangs then is ended.

_NICER = 10
_WRONG = (Exception, SystemExit)


log = logging.getLogger("envstream")


@dataclass(eq=False)
class Task:
    """A job, and what it was told."""

    session: str
    life: int
    folder: Path
    about: Mapping[str, Any]
    turn: float = TURN  # Seconds that it works at a time; 0 = for one frame.
    job: Job | None = None
    up_to: int = 0
    end: Mapping[str, Any] | None = None
    told: tuple[float, int] = (float("-inf"), -1)  # When it was last said how far it has come, and how far.

    @property
    def last(self) -> int:
        """The number up to which there is something to go through."""
        frames = None if self.end is None else self.end.get("frames")
        return self.up_to if frames is None else int(frames)

    @property
    def waits(self) -> bool:
        """Whether there is nothing to do now."""
        return self.job is not None and self.end is None and not self.job.left(self.last)

    def progress(self, job: Job, stage: str) -> dict[str, Any]:
        """How far it has come."""
        frames = None if self.end is None else self.end.get("frames")
        frames = job.total if frames is None else frames
        percent = (
            None if frames is None else round(100 * min(job.position / frames, 1.0), 1) if frames else 100.0
        )
        return {"stage": stage, "frame": job.position, "frames": frames, "percent": percent}


class Turns:
    """Jobs that take turns. Not thread-safe.

    Args:
        say: takes what is to be written.
    """

    def __init__(
        self, say: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._tasks: deque[Task] = deque()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Something was read; what is not known is passed over."""
        op, session = message.get("op"), message.get("session")
        task = next((each for each in self._tasks if each.session == session), None)
        if op == "open" and task is None:
            folder = Path(message["folder"])
            turn = 0.0 if message.get("careful") else TURN
            task = Task(str(session), int(message["life"]), folder, message["about"], turn)
            task.up_to = int(message["up_to"])
            self._tasks.append(task)
        elif task is None:
            return
        elif op in ("more", "end"):
            task.up_to = max(task.up_to, int(message["up_to"]))
            task.end = dict(message["end"]) if op == "end" else task.end
        elif op == "drop":
            self._tasks.remove(task)
            if task.job is not None:
                task.job.drop()

    def work(self) -> bool:
        """A turn of the next job that has something to do; false when none has."""
        for _ in range(len(self._tasks)):
            task = self._tasks[0]
            self._tasks.rotate(-1)
            if not task.waits:
                self._turn(task)
                return True
        return False

    def _turn(self, task: Task) -> None:
        self._tell(task, "at", frame=0 if task.job is None else task.job.position, processor=None)
        try:
            self._go_on(task)
        except _WRONG as error:
            known = isinstance(error, EnvstreamError)
            if not known:
                log.error("envstream: session %s cannot be processed", task.session, exc_info=True)
            self._tasks.remove(task)
            if task.job is not None:
                with contextlib.suppress(*_WRONG):
                    task.job.leave()
            self._tell(task, "failed", message=str(error) if known else f"{type(error).__name__}: {error}")

    def _go_on(self, task: Task) -> None:
        job = task.job
        if job is None:
            task.job = Job(task.folder, task.about, partial(self._at, task), self._clock)
        elif job.left(task.last):
            job.advance(task.last, task.turn)
            self._tell_progress(task, job)
        else:
            assert task.end is not None
            closing = partial(self._closing, task, job)
            result = job.finish(task.end, closing)
            self._tasks.remove(task)
            self._tell(task, "done", result=result)

    def _tell_progress(self, task: Task, job: Job) -> None:
        now = self._clock()
        at, position = task.told
        if job.position > position and (now - at >= TOLD_EVERY or not job.left(task.last)):
            task.told = now, job.position
            stage = "receiving" if task.end is None else "processing"
            self._tell(task, "progress", **task.progress(job, stage))

    def _closing(self, task: Task, job: Job) -> None:
        self._tell(task, "progress", **task.progress(job, "finishing"))

    def _at(self, task: Task, number: int, processor: str | None) -> None:
        self._tell(task, "at", frame=number, processor=processor)

    def _tell(self, task: Task, op: str, **fields: Any) -> None:
        self._say({"op": op, "session": task.session, "life": task.life, **fields})


def main() -> None:
    """Works until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the server.
    faulthandler.enable()
    logs.begin(logs.inherited())
    _give_way()
    lines, out = _own_lines()
    heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines, heard), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        try:
            out.write(json.dumps(message).encode() + b"\n")
            out.flush()
        except BrokenPipeError:  # The server is gone. What was made so far is on disk.
            os._exit(0)

    turns, busy = Turns(say), False
    while True:
        try:
            message = heard.get(block=not busy)
        except queue.Empty:
            busy = turns.work()
            continue
        if message is None:
            return
        turns.hear(message)
        busy = True


def _own_lines() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for ourselves: a processor that prints or asks must not disturb them."""
    lines, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return lines, out


def _read(lines: BinaryIO, heard: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in lines:
            heard.put(json.loads(line))
    heard.put(None)
    time.sleep(GRACE)
    os._exit(1)  # A processor hangs, and nobody is there who would end it.


def _give_way() -> None:
    """Where every core is busy, whoever shows frames goes first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICER)
    with contextlib.suppress(OSError):  # Linux: among sessions, a process's own niceness does not count.
        Path("/proc/self/autogroup").write_text(str(_NICER))


def _run() -> int:
    try:
        main()
    except BrokenPipeError:
        pass  # The server is gone.
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    status = _run()
    sys.stdout.flush()
    os._exit(status)  # Threads that a processor began are not waited for.
