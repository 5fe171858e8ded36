"""Cameras for the part `many` of `detection.py`: many in one process, of pictures compressed already.

A camera sends its pictures when they are due, as its page does: never more of them under way than the server
allows, and never one that is older than the newest. Prints `{"ready": …}` once all have begun, and then hears
the window as `{"from": …, "until": …}` (monotonic seconds) on its standard input; prints what was sent in it.
Ends with its standard input or after `--life` s.

    python benchmarks/webcams.py --port 8080 --count 10 --fps 30
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from typing import Any

from scenery import FPS, HEIGHT, LOOP, WIDTH, jpeg, scenes

try:
    from websockets.asyncio.client import connect
except ImportError as error:
    raise SystemExit(f"this needs websockets 14 or later ({error})") from None


class Webcam:
    """One camera; `sent` has when each of its pictures went out."""

    def __init__(self, port: int, token: str, pictures: list[bytes], fps: float) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws/camera/{token}"
        self._pictures, self._fps = pictures, fps
        self._landed = 0
        self.sent: list[float] = []
        self.left_out: list[float] = []
        self.errors: list[str] = []

    async def run(self, began: float, ready: asyncio.Event) -> None:
        """Send until this is cancelled."""
        async with connect(self._url, compression=None, ping_interval=None, open_timeout=60) as peer:
            credits = json.loads(await peer.recv())["credits"]
            listening = asyncio.ensure_future(self._listen(peer))
            ready.set()
            number, beat = 0, 0
            while not listening.done():
                beat = max(beat + 1, int((time.monotonic() - began) * self._fps))
                await asyncio.sleep(max(0.0, began + beat / self._fps - time.monotonic()))
                now = time.monotonic()
                if number - self._landed >= credits:
                    self.left_out.append(now)
                    continue
                number += 1
                said = {"type": "frame_metadata", "frameNumber": number, "width": WIDTH, "height": HEIGHT}
                await peer.send(json.dumps({**said, "captured": now}))
                await peer.send(self._pictures[number % len(self._pictures)])
                self.sent.append(now)
            listening.result()

    async def _listen(self, peer: Any) -> None:
        async for data in peer:
            message = json.loads(data)
            if message["type"] == "frame_ack":
                self._landed = message["frameNumber"]
            elif message["type"] == "error":
                self.errors.append(message["message"])


async def film(args: argparse.Namespace) -> None:
    """All cameras, until the window is over."""
    pictures = [jpeg(pixels) for pixels in scenes(LOOP)]
    began = time.monotonic() + 0.5
    cameras = [Webcam(args.port, f"bench-{index}", pictures, args.fps) for index in range(args.count)]
    ready = [asyncio.Event() for _ in cameras]
    # As cameras do, they begin at moments of their own.
    offsets = [index / args.count / args.fps for index in range(args.count)]
    running = [
        asyncio.ensure_future(camera.run(began + offset, event))
        for camera, offset, event in zip(cameras, offsets, ready, strict=True)
    ]
    await asyncio.wait(
        [asyncio.ensure_future(asyncio.gather(*(event.wait() for event in ready))), *running],
        return_when=asyncio.FIRST_COMPLETED,
    )
    print(json.dumps({"ready": args.count, "frame_bytes": len(pictures[0])}), flush=True)
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        return
    window = json.loads(line)
    await asyncio.sleep(max(0.0, window["until"] - time.monotonic()))
    seconds = window["until"] - window["from"]

    def within(times: list[float]) -> int:
        return sum(window["from"] <= at < window["until"] for at in times)

    rates = sorted(within(camera.sent) / seconds for camera in cameras)
    errors = [error for camera in cameras for error in camera.errors]
    left_out = sum(within(camera.left_out) for camera in cameras)
    said = {"fps_min": round(rates[0], 2), "fps": round(rates[len(rates) // 2], 2), "left_out": left_out}
    print(json.dumps({**said, "errors": errors[:3]}), flush=True)
    for each in running:
        each.cancel()


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True, help="where the server listens")
    parser.add_argument("--count", type=int, default=10, help="cameras")
    parser.add_argument("--fps", type=float, default=float(FPS), help="of each")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    asyncio.run(film(args))


if __name__ == "__main__":
    main()
