"""The hub: every stream that one server shows, by name."""

from __future__ import annotations

import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from envstream.archive import Archive
from envstream.cache import Cache
from envstream.config import StreamConfig
from envstream.encoder import encoding_pool
from envstream.pace import Budget
from envstream.recording import Shelf
from envstream.report import counts as counts_of
from envstream.report import status
from envstream.stream import Place, Stream

EPISODES = "@episodes"  # What the name of a stream's episodes, as they are played, ends with.
BOXES = "@boxes"  # What the name of a stream ends with whose pictures show what was found in them.
MOST_ENDED = 32  # Streams that have ended and can still be looked at.


class Hub:
    """Name → stream. `boot` tells one server's life from the next."""

    def __init__(
        self, config: StreamConfig, pool: ThreadPoolExecutor | None = None, run: str | None = None
    ) -> None:
        self.config = config
        self.pool = pool or encoding_pool()
        self.run = run or secrets.token_hex(8)
        self.cache = Cache(int(config.videoStreamCacheMemory * 1_000_000))
        self.archive = Archive(config.videoStreamKeepEpisodes, int(config.videoStreamKeepMemory * 750_000))
        self._shelves: dict[tuple[Path, int | None, str], Shelf] = {}
        self.streams: dict[str, Stream] = {}
        self.hidden: dict[str, Stream] = {}  # In nobody's list: each is for one viewer.
        self.started = time.monotonic()
        self.boot = secrets.token_hex(8)
        self.host = config.videoStreamHost
        self.port = config.videoStreamPort
        self.viewers = 0
        self.refused = 0
        self.alone = False  # Whether no training runs this server.

    def open(
        self,
        name: str,
        title: str,
        config: StreamConfig,
        budget: Budget | None = None,
        place: Place | None = None,
    ) -> Stream:
        """A new stream called `name`; an ended one of that name is replaced."""
        ended = [known for known, stream in self.streams.items() if stream.ended]
        for old in ended[: max(0, len(ended) - MOST_ENDED)]:
            del self.streams[old]
            self.archive.forget(old)
        self.streams.pop(name, None)  # A stream begun anew stands last.
        stream = self.streams[name] = Stream(name, title, config, self.pool, budget, place, self.cache)
        stream.archive = self.archive
        return stream

    def get(self, name: str) -> Stream | None:
        """The stream of that name, or what plays the episodes of one."""
        stream = self.streams.get(name) or self.hidden.get(name)
        if stream is None and name.endswith((EPISODES, BOXES)):
            base = self.streams.get(name.rpartition("@")[0])
            if base is not None:
                return self._episodes_of(base) if name.endswith(EPISODES) else self._drawn_of(base)
        return stream

    def _drawn_of(self, base: Stream) -> Stream:
        """What shows a stream with what was found in it; its pictures are asked for there."""
        if base.drawn is None:
            name = base.name + BOXES
            budget = base.pace.budget  # What it has captured costs the trainer as much.
            base.drawn = Stream(name, base.title, base.config, self.pool, budget, base.place, self.cache)
            base.drawn.demanded = base.demanded
        base.drawn.due, base.drawn.bell, base.drawn.ended = base.due, base.bell, base.ended
        return base.drawn

    def _episodes_of(self, base: Stream) -> Stream:
        if base.episodes_played is None:
            name = base.name + EPISODES
            # Its pictures cost the trainer nothing more: they were paid for when the episode was captured.
            played = Stream(name, base.title, base.config, self.pool, None, base.place, self.cache)
            played.plays = base
            base.episodes_played = played
        return base.episodes_played

    @cached_property
    def makers(self) -> ThreadPoolExecutor:
        """Threads for recordings and clips: those who watch do not wait for them."""
        return ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), thread_name_prefix="envstream-make")

    def shelf(self, folder: Path, keep: int | None, run: str) -> Shelf:
        """Where a run's recordings in a folder are kept, the newest `keep` of them."""
        return self._shelves.setdefault((folder, keep, run), Shelf(folder, keep, run))

    def trim(self) -> None:
        """Keep the replays of all live pictures together within their quarter of the memory for replay."""
        shown = [one for stream in list(self.streams.values()) for one in (stream, stream.drawn)]
        replays = [stream.replay for stream in shown if stream is not None]
        over = sum(replay.bytes for replay in replays) - int(self.config.videoStreamKeepMemory * 250_000)
        while over > 0:
            largest = max(replays, key=lambda replay: replay.bytes)
            over -= largest.shorten()

    def find(self, name: str | None) -> Stream | None:
        """The stream called `name`; None = the first one still running, else the last one opened."""
        if name is not None:
            return self.get(name)
        streams = list(self.streams.values())
        running = [stream for stream in streams if not stream.ended]
        return running[0] if running else streams[-1] if streams else None

    def finish(self) -> None:
        """The trainer is gone: every stream has ended."""
        for stream in list(self.streams.values()):
            stream.finish()

    def close(self) -> None:
        """Let go of the threads; what is to be written has been."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        if "makers" in vars(self):
            self.makers.shutdown(wait=False)

    def stats(self) -> dict[str, Any]:
        """What `/stats` answers: totals over all streams, then each stream."""
        now = time.monotonic()
        streams = list(self.streams.values())
        counts = {stream.name: counts_of(stream, now) for stream in streams}
        told = {stream.name: status(stream, now) for stream in streams}
        totals = {
            key: sum(count[key] for count in counts.values())
            for key in ("frames_received", "frames_served", "frames_dropped")
        }
        return {
            **totals,
            "clients_connected": self.viewers,
            "clients_refused": self.refused,
            "uptime_seconds": round(now - self.started, 3),
            "current_fps": max((each["fps"] for each in told.values()), default=0.0),
            "server_running": True,
            "host": self.host,
            "port": self.port,
            "max_viewers": self.config.videoStreamMaxViewers,
            "cache_bytes": self.cache.bytes,
            "streams": {name: {**each, **counts[name]} for name, each in told.items()},
        }
