"""The player: shows the episodes of streams at natural speed, and has the trainer capture the next ones."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from envstream import codec
from envstream.clip import Clip, Still
from envstream.frame import Frame, Pixels
from envstream.hub import Hub
from envstream.lane import Lane
from envstream.pace import charged
from envstream.playback import LONGEST, share_of, stride
from envstream.stream import Stream
from envstream.web.fanout import Fanout

LOOKS_EVERY = 0.1  # Seconds between two looks at what is to be done, where nothing says when.
IMPATIENT = 3.0  # Seconds after which what is left of a running episode will do.
AHEAD = 1.25  # How much oftener a picture may be sent than they come, so that none is early.


class Player:
    """Plays what `NAME@episodes` shows. Lives on the event loop."""

    def __init__(self, hub: Hub, fanout: Fanout, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._fanout = fanout
        self._loop = loop
        self._lanes: dict[Stream, Lane] = {}  # Of the streams whose episodes somebody watches.
        self._timer: asyncio.TimerHandle | None = None

    def watched(self, stream: Stream) -> None:
        """Others watch a stream's episodes than before."""
        played = stream.episodes_played
        if played is not None and played.viewers:
            self._lanes.setdefault(stream, Lane(self._hub.pool))
        self.look()

    def begun(self, stream: Stream, clip: Clip) -> None:
        """The first picture of an episode has come."""
        if stream.screening.playback.waited(time.monotonic()) or stream.screening.playback.clip is None:
            stream.screening.playback.offer(clip, time.monotonic())
            self.look()

    def look(self) -> None:
        """Do what is to be done now: show the next picture, order the next episode."""
        now = time.monotonic()
        at: float | None = None
        for stream in list(self._lanes):
            played = stream.episodes_played
            if played is None or not played.viewers or self._hub.streams.get(stream.name) is not stream:
                self._stop(stream)
                continue
            next_at = min(self._turn(stream, played, now) or now + LOOKS_EVERY, now + LOOKS_EVERY)
            at = next_at if at is None else min(at, next_at)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_later(max(0.0, at - now), self.look)

    def _stop(self, stream: Stream) -> None:
        del self._lanes[stream]
        stream.screening.playback.stop()
        # A whole episode was captured at once: who looks at the live picture now need not wait it out.
        stream.pace.budget.ease(time.monotonic())
        if stream.screening.order is not None:
            stream.screening.order(0, 0, False)

    def _turn(self, stream: Stream, played: Stream, now: float) -> float | None:
        playback = stream.screening.playback
        found = playback.turn(now)
        if found is not None:
            clip, index, still = found
            future = self._lanes[stream].submit(partial(codec.decode, still.data))
            show = partial(self._show, stream, played, clip, index, still)
            future.add_done_callback(lambda done: self._on_loop(partial(show, done)))
        waited = playback.waited(now)
        if playback.wants(now) or waited > IMPATIENT:
            self._order(stream, now, waited > IMPATIENT)
        return playback.next_at(now)

    def _on_loop(self, call: partial[None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop has ended, and every viewer with it.

    def _show(
        self, stream: Stream, played: Stream, clip: Clip, index: int, still: Still, made: Future[Pixels]
    ) -> None:
        if self._hub.get(played.name) is not played or made.exception() is not None:
            return
        now = time.monotonic()
        fps = AHEAD * clip.fps / clip.every
        if played.pace.fps != fps:
            played.pace.fps = fps
            played.edition += 1
        info: dict[str, Any] = {
            **still.values,
            "clip": clip.name,
            "index": index,
            "frames": len(clip.stills),
            "every": clip.every,
        }
        frame = Frame(made.result(), played.buffer.received + 1, still.captured, 0.0, info)
        played.put(frame, now)
        self._fanout.arrived(played)

    def _order(self, stream: Stream, now: float, impatient: bool) -> None:
        """Have the trainer capture an episode, when its time for that is there."""
        budget, screening = stream.pace.budget, stream.screening
        if screening.order is None or budget.paid_until > now:
            return
        cost = stream.pace.cost
        if cost is None:  # What a picture costs is not yet known: the first one tells.
            if not stream.asked:
                stream.ask(now)
            return
        others = len(budget.sharers - {stream.pace})
        share = share_of(budget.max_overhead, stream.steps_per_second(now), others)
        fps = screening.natural_fps
        screening.every = every = stride(fps, stream.config.capture_fps, charged(cost), share)
        screening.order(every, max(2, math.ceil(LONGEST * fps / every)), impatient)
        screening.playback.order(now)
