"""One recording for the part `latency` of `ingest.py`, until its result is there.

`streamed` compresses each picture as JPEG when it is taken, and sends it at once. `uploaded` compresses it
into an MP4 when it is taken, and sends that with `POST /analyze` when the recording is over. Both go through
the same processors. A little before the end `uploaded` has two pictures analysed, so that it does not wait
for a process to start that has long been started for the other.

Prints `{"ready": …}`, begins at a line on standard input, and prints what came of it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from publisher import Session, heed, say
from scenery import FPS, HEIGHT, WIDTH, Pixels, film, jpeg, scenes

PROCESSORS = ["undistort", "stats"]
BEFORE = 10.0  # Seconds before the end that the processes are woken.
ANSWER = 600.0
_BOUNDARY = "a-video-and-what-it-goes-through"


async def streamed(args: argparse.Namespace, pictures: list[Pixels], count: int, go: threading.Event) -> None:
    """Send each picture when it is taken."""

    def picture(number: int) -> bytes:
        return jpeg(pictures[(number - 1) % len(pictures)])

    session = Session(args.port, picture, count, FPS, processors=PROCESSORS)
    await session.open()
    say(ready=True)
    await asyncio.to_thread(go.wait)
    began = time.monotonic() + 0.1
    await session.send(began)
    sent_at = time.monotonic()
    await session.finish()
    if session.result is None:
        raise RuntimeError(f"there is no result: {session.problem}")
    over = began + (count - 1) / FPS
    lag = {"lag_s": session.complete_at - over, "sent_s": sent_at - over, "late_s": session.late[-1]}
    say(**lag, bytes=session.counts["bytes"], **told(session.result))


def uploaded(args: argparse.Namespace, pictures: list[Pixels], count: int, go: threading.Event) -> None:
    """Write a file, and send that."""
    from envstream.video import VideoFile

    with tempfile.TemporaryDirectory() as name:
        short, path = Path(name, "short.mp4"), Path(name, "recording.mp4")
        film(short, pictures, 2)
        file = VideoFile(path, WIDTH, HEIGHT, FPS, 85)
        say(ready=True)
        go.wait()
        began = time.monotonic() + 0.1
        over = began + (count - 1) / FPS
        waking = threading.Timer(max(0.0, over - BEFORE - time.monotonic()), analyse, (args.port, short))
        waking.start()
        for number in range(count):
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            late = time.monotonic() - began - number / FPS
            file.add(pictures[number % len(pictures)], number / FPS)
        file.close()
        size = path.stat().st_size
        sent_at, result = analyse(args.port, path)
        lag = {"lag_s": time.monotonic() - over, "sent_s": sent_at - over, "late_s": late}
        waking.join()
        say(**lag, bytes=size, **told(result))


def analyse(port: int, path: Path) -> tuple[float, dict[str, Any]]:
    """Send a video to `/analyze`: when all of it was sent, and the answer."""
    head, tail = (
        _part("processors") + ",".join(PROCESSORS).encode() + b"\r\n",
        f"--{_BOUNDARY}--\r\n".encode(),
    )
    head += _part("video", path.name)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER)
    try:
        connection.putrequest("POST", "/analyze")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
        connection.putheader("Content-Length", str(len(head) + path.stat().st_size + 2 + len(tail)))
        connection.endheaders(head)
        with path.open("rb") as file:
            connection.send(file)
        connection.send(b"\r\n" + tail)
        sent_at = time.monotonic()
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"/analyze answers {answer.status}: {said[:1000]!r}")
        return sent_at, json.loads(said)
    finally:
        connection.close()


def _part(field: str, filename: str | None = None) -> bytes:
    name = "" if filename is None else f'; filename="{filename}"'
    return f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"{name}\r\n\r\n'.encode()


def told(result: dict[str, Any]) -> dict[str, Any]:
    """What a result says of how whole it is."""
    video, processed = result.get("video") or {}, result.get("processed") or {}
    return {
        "frames": video.get("frames", 0),
        "processed": processed.get("frames", 0),
        "processors": sorted(result.get("processors") or {}),
        "problem": result.get("problem"),
    }


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("way", choices=["streamed", "uploaded"])
    parser.add_argument("--port", type=int, required=True, help="where the server listens")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the recording")
    parser.add_argument("--life", type=int, default=900, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    count, go = max(2, round(args.seconds * FPS)), threading.Event()
    pictures = scenes(count)
    heed(go.set)
    if args.way == "streamed":
        asyncio.run(streamed(args, pictures, count, go))
    else:
        uploaded(args, pictures, count, go)


if __name__ == "__main__":
    main()
