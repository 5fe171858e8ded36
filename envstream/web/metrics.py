"""`/metrics`: what a server is doing, for Prometheus: each stream, each stage, and the process itself."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from envstream._version import __version__
from envstream.histogram import Histogram
from envstream.hub import Hub
from envstream.process import use
from envstream.report import trainer_cost
from envstream.stream import Stream
from envstream.web.exposition import Exposition
from envstream.web.pulse import Pulse

MOST_STREAMS = 200  # With figures of their own; those of more are summed.
OTHER = "other"  # What the sum of the others is called.

Value = float | None


class Figure(NamedTuple):
    """One figure of a stream. `adds`: whether it can be summed over streams."""

    name: str
    kind: str
    help: str
    adds: bool
    read: Callable[[Stream, float], Value]


def _of_all(read: Callable[[Stream], float]) -> Callable[[Stream, float], Value]:
    """Summed over a stream's live pictures, its episodes and those with what was found in them."""
    return lambda stream, now: sum(
        read(each) for each in (stream, stream.episodes_played, stream.drawn) if each is not None
    )


def _cost(key: str) -> Callable[[Stream, float], Value]:
    return lambda stream, now: (trainer_cost(stream, now) or {}).get(key)


def _age(stream: Stream, now: float) -> Value:
    frame = stream.buffer.newest()
    return None if frame is None else now - frame.captured


def _mean(stream: Stream, now: float) -> Value:
    mean: Value = stream.said.get("meanReturn", stream.episodes.mean)
    return mean


def _best(stream: Stream, now: float) -> Value:
    best: Value = stream.said.get("bestReturn", stream.episodes.best)
    return best


# fmt: off
FIGURES = (
    Figure("frames_received_total", "counter", "Pictures that came from the trainer or publisher.", True,
           lambda s, now: s.buffer.received),
    Figure("frames_shown_total", "counter", "Pictures that were sent to at least one viewer.", True,
           lambda s, now: s.frames_shown),
    Figure("frames_dropped_total", "counter", "Pictures that came and were sent to nobody.", True,
           lambda s, now: s.stages.dropped(s.buffer.received - s.frames_shown)),
    Figure("frames_sent_total", "counter", "Pictures sent, each counted for every viewer.", True,
           _of_all(lambda s: s.pictures_sent)),
    Figure("capture_failures_total", "counter", "Captures that gave no picture.", True,
           lambda s, now: s.failures),
    Figure("capture_seconds_total", "counter", "Seconds the trainer gave to captures of this stream.", True,
           lambda s, now: s.cost.seconds),
    Figure("encodes_total", "counter", "Pictures compressed.", True, _of_all(lambda s: s.encoder.encodes)),
    Figure("encoded_bytes_total", "counter", "Bytes of compressed pictures.", True,
           _of_all(lambda s: s.encoder.encoded_bytes)),
    Figure("cache_hits_total", "counter", "Pictures that had been compressed for somebody else.", True,
           _of_all(lambda s: s.encoder.hits)),
    Figure("viewers", "gauge", "Who watches, live or by its episodes.", True, lambda s, now: s.watchers),
    Figure("episodes_total", "counter", "Episodes that ended.", True, lambda s, now: s.episodes.seen),
    Figure("steps_total", "counter", "Env steps; of a vector env those of all its sub-envs.", False,
           lambda s, now: s.steps),
    Figure("steps_per_second", "gauge", "Env steps a second of late.", False,
           lambda s, now: s.steps_per_second(now)),
    Figure("age_seconds", "gauge", "Age of the newest picture.", False, _age),
    Figure("capture_fps", "gauge", "Pictures that came, a second.", False, lambda s, now: s.captures.at(now)),
    Figure("sent_fps", "gauge", "Pictures that were sent, a second, to all viewers.", False,
           lambda s, now: s.served.at(now)),
    Figure("return_mean", "gauge", "Mean return of the last hundred episodes.", False, _mean),
    Figure("return_best", "gauge", "Best return of all episodes that are known.", False, _best),
    Figure("overhead_share", "gauge", "Share of wall time that its captures took, last 10 s.", True,
           lambda s, now: s.overhead(now)),
    Figure("trainer_cost_share", "gauge",
           "Share of the trainer's wall time that all it shows took, counting included, last 10 s.", False,
           _cost("share")),
    Figure("trainer_cost_since_start_share", "gauge", "The same since the trainer began.", False,
           _cost("since_start")),
    Figure("trainer_cost_limit_share", "gauge", "What captures may take, videoStreamMaxOverhead.", False,
           _cost("limit")),
)
# fmt: on

STAGE_HELP = (
    "Seconds a picture spent in a stage: capture (render), handover (until the server had it), queue "
    "(compressed until sent), transfer, paint, ack (sent until acknowledged), total (captured until "
    "acknowledged)."
)


class Row(NamedTuple):
    """What was read of one stream, or of several."""

    name: str
    values: list[Value]
    stages: list[tuple[str, Histogram]]
    encodes: list[tuple[str, Histogram]]


class Metrics:
    """Reads the figures. `gather` is for the event loop, `text` for the thread that answers.

    Args:
        connections: how many there are at the port, of any kind.
        sessions: how publishers' sessions are, as in `/streaming/stats`.
    """

    def __init__(
        self,
        hub: Hub,
        pulse: Pulse,
        connections: Callable[[], int],
        sessions: Callable[[], dict[str, Any]],
    ) -> None:
        self._hub = hub
        self._pulse = pulse
        self._connections = connections
        self._sessions = sessions

    def gather(self) -> tuple[list[Row], list[tuple[str, str, str, float | None]]]:
        """Every stream's figures, and the server's: name, kind, help, value."""
        now = time.monotonic()
        streams = sorted(self._hub.streams.values(), key=lambda stream: stream.ended)
        own = [each for each in streams if each.name != OTHER][:MOST_STREAMS]
        rows = [_row(each, now) for each in own]
        others = [each for each in streams if each not in set(own)]
        if others:
            rows.append(_sum(_row(each, now) for each in others))
        return rows, self._server(now, streams)

    def _server(self, now: float, streams: list[Stream]) -> list[tuple[str, str, str, float | None]]:
        hub, sessions = self._hub, self._sessions()
        running = sum(not stream.ended for stream in streams)
        return [
            ("uptime_seconds", "gauge", "Since this server began.", now - hub.started),
            ("streams", "gauge", "Streams that have not ended.", running),
            ("viewers", "gauge", "Viewers' connections.", hub.viewers),
            ("viewers_refused_total", "counter", "Viewers for whom there was no seat.", hub.refused),
            ("connections", "gauge", "Connections at the port, of any kind.", self._connections()),
            ("cache_bytes", "gauge", "Compressed pictures that are kept.", hub.cache.bytes),
            ("sessions", "gauge", "Publishers that send now.", sessions.get("active_sessions", 0)),
            ("sessions_begun_total", "counter", "Publishers that began.", sessions.get("sessions_begun", 0)),
            ("sessions_refused_total", "counter", "That were refused.", sessions.get("sessions_refused", 0)),
            ("sessions_completed_total", "counter", "With result.", sessions.get("sessions_completed", 0)),
            ("sessions_disk_bytes", "gauge", "What their folder holds.", sessions.get("disk_bytes", 0)),
        ]

    def text(self, gathered: tuple[list[Row], list[tuple[str, str, str, float | None]]]) -> str:
        """The answer. Histograms are read as they are: they may be one picture ahead."""
        rows, server = gathered
        out = Exposition()
        out.family("envstream_build_info", "gauge", "Which envstream this is.")
        out.add(1, version=__version__, python=platform.python_version())
        for name, kind, help, value in server:
            out.family(f"envstream_{name}", kind, help)
            out.add(value)
        for index, figure in enumerate(FIGURES):
            out.family(f"envstream_stream_{figure.name}", figure.kind, figure.help)
            for row in rows:
                out.add(row.values[index], stream=row.name)
        out.family("envstream_stage_seconds", "histogram", STAGE_HELP)
        for row in rows:
            for stage, histogram in row.stages:
                out.histogram(histogram, stream=row.name, stage=stage)
        out.family("envstream_encode_seconds", "histogram", "Seconds that compressing a picture took.")
        for row in rows:
            for format, histogram in row.encodes:
                out.histogram(histogram, stream=row.name, format=format)
        out.family(
            "envstream_event_loop_lag_seconds", "histogram", "How late the event loop came to a timer."
        )
        out.histogram(self._pulse.lag)
        _process(out)
        return out.text()


def _row(stream: Stream, now: float) -> Row:
    shown = [each for each in (stream, stream.episodes_played, stream.drawn) if each is not None]
    return Row(
        stream.name,
        [figure.read(stream, now) for figure in FIGURES],
        _added((stage, one) for each in shown for stage, one in list(each.stages.of.items())),
        _added((format, one) for each in shown for format, one in list(each.encoder.took.items())),
    )


def _sum(rows: Iterable[Row]) -> Row:
    """Many streams as one: what can be summed."""
    listed = list(rows)
    values = [
        sum(row.values[index] or 0 for row in listed) if figure.adds else None
        for index, figure in enumerate(FIGURES)
    ]
    stages = _added(each for row in listed for each in row.stages)
    return Row(OTHER, values, stages, _added(each for row in listed for each in row.encodes))


def _added(histograms: Iterable[tuple[str, Histogram]]) -> list[tuple[str, Histogram]]:
    """Histograms of one name as one; others are given as they are."""
    several: dict[str, list[Histogram]] = {}
    for name, histogram in histograms:
        several.setdefault(name, []).append(histogram)
    return [(name, each[0] if len(each) == 1 else Histogram.sum(each)) for name, each in several.items()]


def _process(out: Exposition) -> None:
    """What Prometheus' own clients tell of a process, under the names that dashboards know."""
    used = use()
    for name, kind, help, value in (
        ("resident_memory_bytes", "gauge", "Resident memory size in bytes.", used.rss),
        ("cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", used.cpu),
        ("open_fds", "gauge", "Number of open file descriptors.", used.descriptors),
        ("max_fds", "gauge", "Maximum number of open file descriptors.", used.most_descriptors),
        ("threads", "gauge", "Number of threads.", used.threads),
        ("start_time_seconds", "gauge", "Start time of the process since unix epoch.", used.started),
    ):
        out.family(f"process_{name}", kind, help)
        out.add(value)
