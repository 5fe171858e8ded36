"""The recorder: what is seen of a stream, as a file; begun and ended on a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from envstream import video
from envstream.encoder import Rung
from envstream.frame import Frame
from envstream.hub import EPISODES, Hub
from envstream.lane import Lane
from envstream.recording import Recording
from envstream.stream import Say, Stream
from envstream.takes import recorded
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout
from envstream.web.pipes import Parcel
from envstream.web.seat import Seat

MOST_WAITING = 8  # Pictures that wait to be written; while they do, no further one is asked for.
MOST_AT_ONCE = 16  # Streams that are recorded at one time.


class FilePipe:
    """Writes the pictures that a seat is sent into a file, in a lane of its own."""

    acknowledges = False

    def __init__(self, lane: Lane, recording: Recording, written: Callable[[], None]) -> None:
        self._lane = lane
        self._recording = recording
        self._written = written
        self._began: float | None = None

    @property
    def free(self) -> bool:
        return len(self._lane) < MOST_WAITING

    def post(self, parcel: Parcel) -> None:
        frame = parcel.picture.frame
        # Episodes are captured in less time than they are played in.
        moment = parcel.now if "clip" in frame.info else frame.captured
        self._began = moment if self._began is None else self._began
        future = self._lane.submit(partial(self._write, frame, moment - self._began))
        future.add_done_callback(lambda done: self._written())

    def _write(self, frame: Frame, at: float) -> None:
        self._recording.add(frame, at)

    def tell(self, text: str) -> None:
        """A file has no texts."""


class Recorder:
    """Records streams as they are seen. Lives on the event loop.

    Args:
        told: called when something changed that pages should hear of; from any thread.
        say: tells the trainer and the page of a problem.
    """

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        told: Callable[[], None],
        say: Say,
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._told = told
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, tuple[Stream, Seat, Recording, Lane]] = {}
        self._ending: list[Lane] = []

    def start(self, stream: Stream) -> str | None:
        """Begin to record a stream; what stands in the way, or None."""
        lacking = video.missing()
        if lacking is not None:
            return lacking
        if stream.name in self._running:
            return "this stream is being recorded already"
        if len(self._running) >= MOST_AT_ONCE:
            return f"{MOST_AT_ONCE} streams are recorded already; stop one of them"
        fps = stream.pace.fps
        name = f"{stream.name.removesuffix(EPISODES)}-live"
        folder = Path(stream.config.videoRecordFolder)
        recording = Recording(folder, name, fps, recorded(self._hub, stream, {}))
        lane = Lane(self._hub.makers)
        pipe = FilePipe(lane, recording, lambda: self._from_thread(partial(self._wrote, stream)))
        seat = Seat(Viewer(), pipe)
        if not self._fanout.join(seat):
            return "all seats are taken"
        self._running[stream.name] = stream, seat, recording, lane
        seat.viewer.watch({stream.name: Watch(Rung("jpeg"), window=1)})
        self._fanout.changed(seat)
        self._show(stream)
        return None

    def stop(self, stream: Stream) -> str | None:
        """End a stream's recording; the name of its file, or None where there is none."""
        found = self._running.pop(stream.name, None)
        if found is None:
            return None
        stream, seat, recording, lane = found
        self._fanout.leave(seat)
        lane.submit(partial(self._finish, stream, recording))
        self._ending = [*(one for one in self._ending if len(one)), lane]
        stream.live_recording = None
        self._told()
        paths = recording.paths
        return paths[0].name if paths else None

    def tidy(self) -> None:
        """Finish the files of streams that have ended. Called about once a second."""
        for stream, *_ in list(self._running.values()):
            if stream.ended or self._hub.get(stream.name) is not stream:
                self.stop(stream)

    def finish(self) -> None:
        """The run has ended: every file is finished."""
        for stream, *_ in list(self._running.values()):
            self.stop(stream)

    @property
    def busy(self) -> bool:
        """Whether something is still to be written."""
        return any(len(lane) for lane in self._ending)

    def _finish(self, stream: Stream, recording: Recording) -> None:
        recording.finish({"ended": "stopped"})
        self._from_thread(partial(self._say, stream, recording.problem or "", "recorder"))

    def _wrote(self, stream: Stream) -> None:
        """A picture was written: there may be room for the next."""
        found = self._running.get(stream.name)
        if found is not None:
            self._show(stream)
            self._fanout.drained(stream, (found[1],))

    def _show(self, stream: Stream) -> None:
        _, _, recording, _ = self._running[stream.name]
        paths = recording.paths
        stream.live_recording = {
            "name": paths[0].name if paths else None,
            "seconds": round(recording.seconds, 2),
            "frames": recording.frames,
            "problem": recording.problem,
        }

    def _from_thread(self, call: partial[Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop has ended.

    # For the threads of the pages.

    def command(self, name: str, on: bool) -> tuple[int, dict[str, Any]]:
        """Start or stop the recording of a stream; a status and an answer."""
        stream = self._hub.get(name)
        if stream is None:
            missing = f"there is no stream {name[:200]!r}"
            return 404, {"success": False, "message": missing, "recording": None, "file": None}
        if on:
            problem = self.start(stream)
            answer = {"message": problem or "recording", "recording": stream.live_recording}
            return (409 if problem else 200), {"success": problem is None, **answer, "file": None}
        running = stream.name in self._running
        file = self.stop(stream)
        message = f"recorded {file}" if file else "nothing was recorded"
        link = None if file is None else f"recordings/{file}"
        return (200 if running else 409), {
            "success": running,
            "message": message,
            "recording": None,
            "file": link,
        }
