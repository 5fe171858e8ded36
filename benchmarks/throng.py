"""The parts `sessions` and `memory` of `ingest.py`: many publishers at once, and what they cost in memory."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import Bar, Row, Tool, note, table
from scenery import FPS, frames_in
from service import Gauge, Load, Service, cpu_seconds

AT_ONCE = 20  # What the bars of `sessions` are about.
LATE_BAR_S, MEMORY_BAR_MB = 1.0, 32.0
SLOWEST = 0.25  # Seconds that processing may take for a picture before it is given up.


@contextlib.contextmanager
def started(count: int, frames: int, fps: float) -> Iterator[tuple[Service, Tool, int]]:
    """A server of its own, so many publishers that are ready to send, and how large their pictures are."""
    life = int(frames / (fps or FPS) + count * frames * SLOWEST) + 300
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        service = stack.enter_context(Service(folder, videoStreamMaxSessions=max(10, count)))
        args = ["--port", str(service.port), "--count", str(count), "--frames", str(frames)]
        tool = stack.enter_context(Tool("publisher.py", *args, "--fps", str(fps), "--life", str(life)))
        yield service, tool, life


def sent_by(count: int, frames: int, fps: float) -> Row:
    """One turn: what came of it, and what the server's memory grew to."""
    with started(count, frames, fps) as (service, tool, life), Gauge(service.pid) as gauge:
        ready = tool.hear()
        client = tool.process.pid
        before, own = gauge.load(), cpu_seconds(client)
        tool.say(go=True)
        sent = tool.hear(life)
        after = gauge.load()
        row: Row = {
            **shares(before, after),
            "client_cores": (cpu_seconds(client) - own) / (after.at - before.at),
        }
        results = tool.hear(life)
        row |= {"frame_bytes": ready["frame_bytes"], "ack_ms": sent["ack_ms"], "sessions": sent["sessions"]}
        row |= {"sent_s": sent["seconds"], "results_s": results["seconds"] - sent["seconds"]}
        row |= {"results": results["results"], "workers": gauge.workers, "idle_mb": gauge.idle_mb}
        row |= {"server_mb": gauge.server_mb, "workers_mb": gauge.workers_mb}
        row["in_videos"] = [
            frames_in(service.folder / f"publisher-{index}" / "video.mp4") for index in range(count)
        ]
        return row


def shares(before: Load, after: Load) -> Row:
    """How many cores they took."""
    seconds = after.at - before.at
    return {
        "server_cores": (after.server - before.server) / seconds,
        "worker_cores": (after.workers - before.workers) / seconds,
    }


# `sessions`.


def sessions(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    counts, seconds = ([3], 2.0) if args.quick else (args.sessions, args.hold)
    frames = max(2, round(seconds * FPS))
    rows = []
    for count in counts:
        note(f"sessions: {count} at once for {seconds:g} s")
        rows.append(sessions_row(count, frames, sent_by(count, frames, FPS)))
        note(f"    {rows[-1]}")
    columns = {
        "contender": "sessions",
        "sent": "sent",
        "received": "received",
        "lost": "lost",
        "duplicates": "twice",
        "held": "pace held",
        "late_s": "last one late, s",
        "ack_p50": "ack p50, ms",
        "ack_p99": "p99",
        "server_text": "server, cores",
        "worker_text": "workers",
        "client_text": "client",
        "results_s": "then, s",
        "whole": "whole videos",
    }
    table(f"Publishers at once, {FPS} pictures a second each", rows, columns)
    judged = next((row for row in rows if row["count"] == AT_ONCE), rows[0])
    return rows, sessions_bars(judged)


def sessions_row(count: int, frames: int, row: Row) -> Row:
    each: list[Row] = row["sessions"]
    held = [one["late_s"] is not None and one["late_s"] <= LATE_BAR_S for one in each]
    whole = sum(found == frames for found in row["in_videos"])
    ages = row["ack_ms"] or {}
    return {
        "part": "sessions",
        "contender": str(count),
        "count": count,
        "due": count * frames,
        **{key: sum(one[key] for one in each) for key in ("sent", "received", "lost", "duplicates")},
        **{key: sum(one[key] for one in each) for key in ("sent_again", "errors")},
        "problems": [one["problem"] for one in each if one["problem"]],
        "held": f"{sum(held)} of {count}",
        "late_s": max((one["late_s"] for one in each if one["late_s"] is not None), default=None),
        "ack_p50": ages.get("p50"),
        "ack_p99": ages.get("p99"),
        **{f"{key}_text": f"{row[f'{key}_cores']:.2f}" for key in ("server", "worker", "client")},
        "whole": f"{whole} of {count}",
        **row,
        "results_s": round(row["results_s"], 1),
    }


def sessions_bars(row: Row) -> list[Bar]:
    count = row["count"]
    everyone = f"{count} of {count}"
    arrived = f"{row['received']} of {row['due']}, {row['lost']} lost"
    name = f"sessions: {count} at once"
    return [
        Bar(f"{name}, none lost", arrived, row["received"] == row["due"] and row["lost"] == 0),
        Bar(f"{name}, the pace is held", row["held"], row["held"] == everyone),
        Bar(f"{name}, every video has all pictures", row["whole"], row["whole"] == everyone),
    ]


# `memory`.


def memory(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    turns: list[tuple[int, int, float]] = [(1, length, 0.0) for length in args.lengths]
    turns.append((AT_ONCE, round(args.hold * FPS), FPS))
    if args.quick:
        turns = [(1, 300, 0.0), (3, 60, FPS)]
    rows = []
    for count, frames, fps in turns:
        note(f"memory: {count} x {frames} pictures")
        rows.append(memory_row(count, frames, fps, sent_by(count, frames, fps)))
        note(f"    {rows[-1]}")
    columns = {
        "contender": "sessions",
        "pace": "pictures/s each",
        "idle": "idle server, MB",
        "server": "at most",
        "per_session": "a session",
        "worker": "workers at most",
        "worker_per_session": "a session",
        "workers": "workers",
        "whole": "whole videos",
    }
    table("Memory", rows, columns)
    worst = max(row["per_session"] for row in rows)
    promise = f"memory: a session takes at most {MEMORY_BAR_MB:g} MB of the server, whatever its length"
    return rows, [Bar(promise, f"{worst:.1f} MB at worst", worst <= MEMORY_BAR_MB)]


def memory_row(count: int, frames: int, fps: float, row: Row) -> Row:
    whole = sum(found == frames for found in row["in_videos"])
    one: Callable[[float], float] = lambda megabytes: round(megabytes / count, 1)  # noqa: E731
    figures: dict[str, Any] = {
        "per_session": one(row["server_mb"] - row["idle_mb"]),
        "worker_per_session": one(row["workers_mb"]),
    }
    return {
        "part": "memory",
        "contender": f"{count} of {frames} pictures",
        "count": count,
        "pace": f"{fps:g}" if fps else f"{frames / row['sent_s']:.0f}",
        **{name: f"{row[key]:.1f}" for name, key in (("idle", "idle_mb"), ("server", "server_mb"))},
        "worker": f"{row['workers_mb']:.1f}",
        "whole": f"{whole} of {count}",
        **figures,
        **row,
    }
