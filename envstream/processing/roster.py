"""The roster: which process is at work on which job, and what becomes of the jobs of one that dies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envstream.processing.worker import Worker

log = logging.getLogger("envstream")

MOST_DEATHS = 3  # Of processes at work on one frame of a job; then the job is given up.
MOST_ENDS = 10  # Of processes wherever they were in it: who is killed by chance is not to blame, but it ends.

_SLOWER = 10  # Times as much patience while a process starts, and while files are closed, which may be large.


@dataclass(eq=False)
class Assignment:
    """A job, what is known of it, and who is at work on it.

    Attributes:
        life: tells jobs of one session from each other.
        told: the `up_to` that its process knows.
        frame: how far it has come, as its process said.
        problem: what its processors did to an earlier process.
        ends: processes that ended at work on it.
        deaths: how many of them at which frame.
    """

    session: str
    life: int
    folder: Path
    about: Mapping[str, Any]
    up_to: int = 0
    end: Mapping[str, Any] | None = None
    told: int = 0
    frame: int = 0
    problem: Mapping[str, Any] | None = None
    ends: int = 0
    deaths: Counter[int] = field(default_factory=Counter)
    worker: Worker | None = None

    @property
    def busy(self) -> bool:
        """Whether its process has something to do for it."""
        return self.end is not None or self.frame < self.up_to


class Roster:
    """All jobs, and the processes that they share. Not thread-safe; time is passed in.

    Args:
        most: processes at most.
        start: starts one.
        progress: called with a session and `stage`, `frame`, `frames`, `percent`.
        done: called with a session and its result.
        patience: seconds without a word from a process that has work, after which it hangs.
        idle: seconds after which a process without jobs is let go.

    Attributes:
        jobs: by session.
        workers: and since when each has no job.
    """

    def __init__(
        self,
        most: int,
        start: Callable[[float], Worker],
        progress: Callable[[str, dict[str, Any]], None],
        done: Callable[[str, dict[str, Any]], None],
        patience: float,
        idle: float,
    ) -> None:
        self.jobs: dict[str, Assignment] = {}
        self.workers: dict[Worker, float] = {}
        self._most, self._start = max(1, most), start
        self._progress, self._done = progress, done
        self._patience, self._idle = patience, idle
        self._lives = 0

    def open(self, now: float, session: str, folder: Path, about: Mapping[str, Any]) -> None:
        """A session begins; one of that name that there is, is dropped."""
        self.drop(now, session)
        self._lives += 1
        self.jobs[session] = job = Assignment(session, self._lives, folder, about)
        self._place(job, now)

    def more(self, now: float, session: str, up_to: int) -> None:
        """The frames up to this number are on the tape, or lost."""
        if job := self.jobs.get(session):
            self._begins(job, now)
            job.up_to = max(job.up_to, up_to)

    def end(self, now: float, session: str, end: Mapping[str, Any]) -> None:
        """No more frames."""
        if job := self.jobs.get(session):
            self._begins(job, now)
            job.end = end
            self._say(job, "end", up_to=job.up_to, end=end)

    def drop(self, now: float, session: str) -> None:
        """The session is not wanted any more."""
        if job := self.jobs.pop(session, None):
            self._say(job, "drop")
            if job.worker is not None:
                self.workers[job.worker] = now

    def tell(self) -> None:
        """Says how many frames there are, to each process that has read the last word."""
        for worker in self.workers:
            worker.write()
        for job in self.jobs.values():
            if job.up_to > job.told and job.worker is not None and not job.worker.full:
                job.told = job.up_to
                self._say(job, "more", up_to=job.up_to)

    def hear(self, worker: Worker, now: float) -> None:
        """A process said something, or is gone."""
        said, ended = worker.hear(now)
        for message in said:
            job = self.jobs.get(str(message.get("session")))
            if job is not None and job.life == message.get("life"):
                self._heed(job, message, now)
        if ended:
            self._lose(worker, worker.end(), now)

    def look(self, now: float) -> None:
        """Sees to processes that died without a word, that hang, and that nobody needs."""
        for worker, rests in list(self.workers.items()):
            jobs = self._of(worker)
            patience = self._patience * (_SLOWER if worker.finishing or worker.at is None else 1)
            if worker.gone:
                self.hear(worker, now)
                if worker in self.workers:
                    self._lose(worker, worker.end(), now)
            elif any(job.busy for job in jobs) and now - worker.heard_at > patience:
                worker.end()
                self._lose(worker, f"ended, as it said nothing for {patience:g} s", now)
            elif not jobs and now - rests > self._idle:
                worker.end()
                del self.workers[worker]

    def _of(self, worker: Worker) -> list[Assignment]:
        return [job for job in self.jobs.values() if job.worker is worker]

    def _begins(self, job: Assignment, now: float) -> None:
        """Patience with a process begins when it gets something to do."""
        if job.worker is not None and not any(each.busy for each in self._of(job.worker)):
            job.worker.heard_at = now

    def _say(self, job: Assignment, op: str, **fields: Any) -> None:
        if job.worker is not None:
            job.worker.say({"op": op, "session": job.session, **fields})

    def _place(self, job: Assignment, now: float) -> None:
        """Gives a job to the process that has the fewest, or to a new one."""
        least = min(self.workers, key=lambda worker: len(self._of(worker)), default=None)
        if least is None or (self._of(least) and len(self.workers) < self._most):
            try:
                least = self._start(now)
                self.workers[least] = now
            except OSError as error:
                log.warning("envstream: a process for processing cannot be started (%s)", error)
                if least is None:
                    self._give_up(job, f"no process can be started for it ({error})", now)
                    return
        job.worker, job.told, job.frame = least, job.up_to, 0
        about = {**job.about, **({"problem": job.problem} if job.problem else {})}
        said = {"life": job.life, "folder": str(job.folder), "about": about, "up_to": job.up_to}
        self._say(job, "open", **said, careful=job.ends > 0)
        if job.end is not None:
            self._say(job, "end", up_to=job.up_to, end=job.end)

    def _heed(self, job: Assignment, message: dict[str, Any], now: float) -> None:
        op = message["op"]
        if op == "progress":
            job.frame = message["frame"]
            said = {key: message[key] for key in ("stage", "frame", "frames", "percent")}
            self._call(self._progress, job, said)
        elif op == "failed":
            self._give_up(job, message["message"], now)
        elif op == "done":
            self._finish(job, message["result"], now)

    def _finish(self, job: Assignment, result: dict[str, Any], now: float) -> None:
        del self.jobs[job.session]
        if job.worker is not None:
            self.workers[job.worker] = now
        problem = result["problem"]
        if problem is not None and job.problem is None:
            who, number = problem["processor"], problem["frame"]
            what = "no video, or not all of it" if who is None else f"the processor {who!r} failed"
            where = "" if number is None else f" at frame {number}"
            log.warning("envstream: session %s: %s%s: %s", job.session, what, where, problem["error"])
        self._call(self._done, job, result)

    def _give_up(self, job: Assignment, error: str, now: float) -> None:
        counts = dict.fromkeys(("read", "decoded", "damaged", "lost"), 0)
        problem = {"processor": None, "frame": None, "error": error}
        result: dict[str, Any] = {"video": None, "processed": None, "processors": {}}
        self._finish(job, {**result, "problem": problem, "frames": counts}, now)

    def _call(
        self, callback: Callable[[str, dict[str, Any]], None], job: Assignment, said: dict[str, Any]
    ) -> None:
        try:
            callback(job.session, said)
        except Exception:
            log.exception("envstream: what came of session %s cannot be taken", job.session)

    def _lose(self, worker: Worker, reason: str, now: float) -> None:
        """A process is gone: its jobs begin anew in another one."""
        jobs, at = self._of(worker), worker.at
        del self.workers[worker]
        for job in jobs:
            job.worker = None
        for job in jobs:
            if at is None or (at["session"], at["life"]) == (job.session, job.life):
                self._blame(job, at or {}, reason, now)
        for job in jobs:
            if job.session in self.jobs:
                self._place(job, now)

    def _blame(self, job: Assignment, at: Mapping[str, Any], reason: str, now: float) -> None:
        """A process ended while it was at work on this job."""
        processor, number = at.get("processor"), at.get("frame", 0)
        job.ends += 1
        job.deaths[number] += bool(at)  # Else it had not begun, and it is nothing in the job.
        where = f"at frame {number}"
        if processor:
            log.warning(
                "envstream: session %s: the process ended (%s) %s in the processor %r; it begins anew "
                "without processors",
                *(job.session, reason, where, processor),
            )
            error = f"the process ended while it was at work ({reason})"
            job.problem = {"processor": processor, "frame": number, "error": error}
        elif job.deaths[number] >= MOST_DEATHS or job.ends >= MOST_ENDS:
            self._give_up(job, f"{job.ends} processes ended in the midst, the last {where} ({reason})", now)
        else:
            log.warning(
                "envstream: session %s: the process ended (%s) %s; it begins anew", job.session, reason, where
            )
