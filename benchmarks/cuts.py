"""The part `cuts` of `ingest.py`: one upload whose link is cut and whose server is killed, and one without.

A video is sent twice by `envstream push`, at the same pace. The second time through a relay that is cut at
random moments, to a server that is killed with SIGKILL at others and started again on the same port and
folder. Both videos that the server made are then decoded and held against each other, picture by picture.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common import Bar, Row, note, table
from cutter import Cutter
from kills import BITS, BLOCK, number_of
from scenery import film, scenes
from service import Service

SESSION = "cuts"
PATIENCE = 600.0  # Seconds for one upload and its result, beyond its own time.
WELL = 0  # What `envstream push` ends with when nothing is missing.


class Event(NamedTuple):
    """Something that happens once so many frames have come."""

    frame: int
    kind: str


def plan(frames: int, cuts: int, kills: int, seed: int) -> list[Event]:
    """When the link is cut and when the server is killed."""
    moments = random.Random(seed)
    kinds = ["cut"] * cuts + ["kill"] * kills
    moments.shuffle(kinds)
    at = sorted(moments.sample(range(frames // 50 + 1, frames * 9 // 10), len(kinds)))
    return [Event(*each) for each in zip(at, kinds, strict=True)]


def upload(service: Service, video: Path, fps: float, frames: int, events: list[Event]) -> Row:
    """Send it, and let happen to it what is to happen."""
    done: list[Event] = []
    with Cutter(service.port) as relay:
        args = ["--video", str(video), "--encoding", "jpeg", "--fps", str(fps), "--session-id", SESSION]
        began = time.monotonic()
        push = subprocess.Popen(
            [sys.executable, "-m", "envstream", "push", f"http://127.0.0.1:{relay.port}", *args],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            for event in events:
                if not reached(push, service, relay, event.frame):
                    break
                happen(event, service, relay)
                done.append(event)
            _, errors = push.communicate(timeout=frames / fps + PATIENCE)
        finally:
            push.kill()
            push.wait()
        sent = relay.numbers
    return {
        "seconds": round(time.monotonic() - began, 2),
        "status": push.returncode,
        "cuts": sum(event.kind == "cut" for event in done),
        "kills": sum(event.kind == "kill" for event in done),
        "sent": sum(sent.values()),
        "sent_again": sum(sent.values()) - len(sent),
        "errors": errors[-1000:] if push.returncode != WELL else "",
    }


def reached(push: subprocess.Popen[str], service: Service, relay: Cutter, frame: int) -> bool:
    """Wait until so many frames have come and there is a connection; False: it is over before."""
    while push.poll() is None:
        (session,) = [each for each in service.stats()["sessions"] if each["session_id"] == SESSION] or [None]
        if session is not None and session["received"] >= frame and relay.connections:
            return True
        time.sleep(0.02)
    return False


def happen(event: Event, service: Service, relay: Cutter) -> None:
    """Cut, or kill and start again."""
    if event.kind == "cut":
        relay.cut()
        return
    service.kill()
    service.start()


def pictures(path: Path) -> Iterator[tuple[Any, int, int]]:
    """Of each picture of a video the bytes, the time in the video's own ticks, and the number it bears."""
    import av

    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield frame.to_ndarray(), frame.pts or 0, number_of(frame)


def compared(plain: Path, cut: Path) -> Row:
    """How far two videos are the same, picture by picture."""
    row = dict.fromkeys(("frames", "other_pictures", "other_times", "out_of_order", "too_many_or_few"), 0)
    for index, (one, other) in enumerate(zip_longest(pictures(plain), pictures(cut))):
        if one is None or other is None:
            row["too_many_or_few"] += 1
            continue
        row["frames"] += 1
        row["other_pictures"] += not np.array_equal(one[0], other[0])
        row["other_times"] += one[1] != other[1]
        row["out_of_order"] += not one[2] == other[2] == index
    return row


COLUMNS = {
    "contender": "upload",
    "cuts": "cuts",
    "kills": "kills",
    "frames": "frames",
    "sent": "sent",
    "sent_again": "sent again",
    "seconds": "seconds",
    "lost_s": "time lost, s",
    "other_pictures": "other pictures",
    "other_times": "other times",
    "out_of_order": "out of order",
    "too_many_or_few": "too many or few",
}


def cuts(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    frames, number_of_cuts, number_of_kills = args.frames, args.cuts, args.kills
    fps = args.fps
    if args.quick:
        frames, number_of_cuts, number_of_kills, fps = 300, 2, 1, 100.0
    with tempfile.TemporaryDirectory() as name:
        video = Path(name, "numbered.mp4")
        film(video, scenes(), frames, BITS, BLOCK)
        rows, videos = [], []
        for way, events in (
            ("undisturbed", []),
            ("cut and killed", plan(frames, number_of_cuts, number_of_kills, args.seed)),
        ):
            folder = Path(name, way.split()[0])
            with Service(folder) as service:
                row = {"part": "cuts", "contender": way, **upload(service, video, fps, frames, events)}
            note(f"cuts: {row}")
            rows.append(row)
            videos.append(folder / SESSION / "video.mp4")
        rows[1] |= compared(*videos)
    rows[0]["frames"] = frames
    rows[1]["lost_s"] = round(rows[1]["seconds"] - rows[0]["seconds"], 2)
    table("A link that is cut, a server that is killed", rows, COLUMNS)
    return rows, bars(rows[1], frames, number_of_cuts, number_of_kills)


def bars(row: Row, frames: int, number_of_cuts: int, number_of_kills: int) -> list[Bar]:
    flaws = sum(row[key] for key in ("other_pictures", "other_times", "out_of_order", "too_many_or_few"))
    happened = (row["cuts"], row["kills"]) == (number_of_cuts, number_of_kills)
    value = f"{row['frames']} of {frames} pictures, {flaws} differences, {row['sent_again']} sent again"
    promise = (
        f"cuts: after {number_of_cuts} cuts and {number_of_kills} kills the video is frame for frame the same"
    )
    held = flaws == 0 and row["frames"] == frames and happened and row["status"] == WELL
    return [Bar(promise, value, held)]
