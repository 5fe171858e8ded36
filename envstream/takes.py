"""Takes on the server's side: from the pictures of an episode to a recording, a clip, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from envstream.clip import VALUES, Clip, Still
from envstream.config import SECRETS
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.lane import Lane
from envstream.playback import LONGEST, by_rate
from envstream.processors.overlay import Overlay
from envstream.recording import Recording
from envstream.smaller import Smaller
from envstream.stream import Say, Stream

MOST_WAITING = 8  # Pictures of one trainer that wait to be compressed; more wait in its block.
QUALITY = 90  # Of a clip's JPEGs.

Report = Callable[[Stream, str | None], None]  # What is wrong with a finished recording; None = nothing.


class Making:
    """One take that is being made into something. Its pictures are dealt with in order, in a pool."""

    def __init__(self, hub: Hub, stream: Stream, about: Mapping[str, Any], done: Callable[[], None]) -> None:
        self._hub = hub
        self._stream = stream
        self._done = done
        self._first: int = about.get("first", 0)
        self.lane = Lane(hub.makers)
        self.recording: Recording | None = None
        self.clip: Clip | None = None
        self._last: Mapping[str, Any] = {}
        self._count = 0
        fps, config = stream.screening.natural_fps, stream.config
        if "record" in about:
            said = recorded(hub, stream, about)
            self.recording = Recording(Path(config.videoRecordFolder), about["record"], fps, said)
            self._overlay = Overlay() if config.videoRecordOverlay else None
        every = about.get("clip") or (by_rate(fps, config.capture_fps) if config.videoStream else 0)
        if every:
            clip = Clip(hub.archive.name("episode"), stream.name, stream.title, fps=fps)
            clip.every, clip.first, clip.seed = every, self._first, about.get("seed")
            self.clip = clip
        # How many of the pictures that come are left out for one of the clip's.
        self._of_each = 1 if about.get("clip") and "record" not in about else every
        self._most = about.get("most") or round(LONGEST * fps / max(1, every))
        self._smaller = Smaller()
        self._step = self._first  # Of the clip's newest picture.
        self.announced = False  # Whether the player has been told of the clip.

    def put(self, frame: Callable[[], Frame], last: bool) -> None:
        """A further picture, the `last` one perhaps."""
        self.lane.submit(partial(self._put, frame, last)).add_done_callback(self._dealt)

    def _dealt(self, done: Future[None]) -> None:
        if done.exception() is not None and self.recording is not None:  # A picture that cannot be read.
            self.recording.missing += 1
        self._done()

    def finish(self, outcome: Mapping[str, Any], report: Report) -> None:
        """No further picture comes."""
        self.lane.submit(partial(self._finish, dict(outcome), report)).add_done_callback(
            lambda done: self._done()
        )

    def _put(self, make: Callable[[], Frame], last: bool) -> None:
        frame = make()
        index, self._count = self._count, self._count + 1
        self._last = frame.info
        if self.recording is not None:
            self.recording.add(frame if self._overlay is None else self._overlay(frame))
        clip = self.clip
        if clip is not None and (index % self._of_each == 0 or last):
            if len(clip.stills) >= self._most and not last:
                clip.ended = "cut"
            else:
                step = frame.info.get("step", 0)
                if not last:  # The trainer may have come to take fewer than it was asked for.
                    clip.every = max(clip.every, step - self._step)
                self._step = step
                clip.add(self._still(clip, frame, index))

    def _still(self, clip: Clip, frame: Frame, index: int) -> Still:
        format, data = self._smaller.encode(frame.pixels, QUALITY)
        values = {key: frame.info.get(key) for key in VALUES}
        # Of what is recorded each step is here, and it may go on over episodes, whose steps begin at 0 again.
        steps = index if self.recording is not None else frame.info.get("step", 0) - self._first
        time = max(steps / clip.fps, clip.stills[-1].time if clip.stills else 0.0)
        return Still(data, format, time, frame.captured, frame.width, frame.height, values)

    def _finish(self, outcome: dict[str, Any], report: Report) -> None:
        for key in ("steps", "return"):
            outcome.setdefault(key, self._last.get({"steps": "step"}.get(key, key)))
        if self.clip is not None and self.clip.stills:
            self.clip.finish("cut" if self.clip.ended == "cut" else outcome["ended"])
            self._hub.archive.add(self.clip)
        recording = self.recording
        if recording is None:
            return
        if outcome.get("keep") is False:
            recording.discard()
            return
        recording.missing += outcome.pop("missing", 0)
        recording.finish(outcome)
        config = self._stream.config
        run = self._stream.identity.life or self._hub.run
        shelf = self._hub.shelf(Path(config.videoRecordFolder), config.videoRecordKeep, run)
        problem = shelf.done(recording)
        report(self._stream, recording.problem or problem)


class Takes:
    """The takes of one trainer's block that are under way. Lives on the event loop.

    Args:
        say: tells the trainer and the page of a problem; called from any thread.
        resume: called from any thread when there is room again.
        begun: called from any thread with a stream and its clip, when the first picture of it is there.
    """

    def __init__(
        self, hub: Hub, say: Say, resume: Callable[[], None], begun: Callable[[Stream, Clip], None]
    ) -> None:
        self._hub = hub
        self._say = say
        self._resume = resume
        self._begun = begun
        self._troubled: Stream | None = None  # On whose page it is said that recordings do not go well.
        self._under_way: dict[int, tuple[Stream, Making]] = {}
        self._ending: list[Making] = []
        self.known: dict[int, Mapping[str, Any]] = {}  # What was said of takes that another server began.

    def ready(self) -> bool:
        """Whether a further picture can be dealt with soon."""
        return self._waiting() < MOST_WAITING

    def put(
        self, stream: Stream, take: int, frame: Callable[[], Frame] | None, info: Mapping[str, Any]
    ) -> None:
        """A picture of a take, or what there is to say of it."""
        found = self._under_way.get(take)
        if found is None:
            about = info.get("begin") or self.known.pop(take, None)
            if about is None:
                return  # Of one that this server knows nothing of.
            making = Making(self._hub, stream, about, self._resume)
            self._under_way[take] = found = stream, making
        _, making = found
        if frame is not None:
            making.put(frame, "end" in info)
            if making.clip is not None and not making.announced:
                making.announced = True
                making.lane.submit(partial(self._begun, stream, making.clip))
        if "end" in info:
            del self._under_way[take]
            self._end(making, info["end"])

    def finish(self) -> None:
        """The trainer is gone: what is there is finished."""
        under_way, self._under_way = self._under_way, {}
        for _, making in under_way.values():
            self._end(making, {"ended": "closed"})

    @property
    def busy(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._under_way) or self._waiting() > 0

    def _report(self, stream: Stream, problem: str | None) -> None:
        # Said once, until a recording goes well again: a full disk is full for each of the next hundred.
        troubled = self._troubled  # Others may end in other threads meanwhile.
        if problem is not None and troubled is None:
            self._troubled = stream
            self._say(stream, problem, "recordings")
        elif problem is None and troubled is not None:
            self._troubled = None
            self._say(troubled, "", "recordings")

    def _end(self, making: Making, outcome: Mapping[str, Any]) -> None:
        self._ending = [one for one in self._ending if len(one.lane)]
        self._ending.append(making)
        making.finish(outcome, self._report)

    def _waiting(self) -> int:
        under_way = [making for _, making in self._under_way.values()]
        return sum(len(making.lane) for making in (*under_way, *self._ending))


def recorded(hub: Hub, stream: Stream, about: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON beside a recording says of it."""
    settings = dataclasses.asdict(stream.config)
    return {
        "env": stream.title,
        "stream": stream.name,
        "run": stream.identity.life or hub.run,
        **{key: value for key, value in about.items() if key not in ("clip", "most", "record", "env")},
        "sub_env": about.get("env"),
        "config": {key: value for key, value in settings.items() if key not in SECRETS},
    }
