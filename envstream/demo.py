"""`envstream demo pyboy`: a Game Boy game on the page at every quality, and what that costs, measured."""

from __future__ import annotations

import io
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from envstream.config import PRESETS, Preset, StreamConfig
from envstream.envs.emulator import Emulator
from envstream.smaller import Smaller
from envstream.sources.pyboy import ScreenSource
from envstream.streamer import PyBoyVideoStreamer

FRAME = 1 / 59.7275  # Seconds that a Game Boy shows a frame for.
COMPARED = 150  # Pictures over which the old way and this one are compared.
APART = 4  # Frames between two of them.
KEPT_BEFORE = 30  # Pictures that the old way keeps.


class Cost(NamedTuple):
    """What one way of getting pictures out of an emulator costs, measured."""

    capture_ms: float
    compress_ms: float
    size: float
    fps: float
    frames_kept: int
    bytes_kept: int


def run(
    rom: str | None, seconds: float, settings: dict[str, Any], say: Callable[[str], None] = print
) -> None:
    """Play a game on the page through all presets, `seconds` altogether, then compare.

    Raises:
        CartridgeError: the ROM cannot be played.
    """
    emulator = Emulator(rom, window=False, always_drawn=True, options={})
    try:
        with PyBoyVideoStreamer(emulator.pyboy, "low", settings) as streamer:
            say(f"The page: {streamer.stream_url or 'none, see above'}")
            say(
                f"\n{'preset':8}{'scale':>6}{'fps':>5}{'reached':>9}{'capture':>12}{'compress':>12}{'picture':>10}"
            )
            for level, preset in PRESETS.items():
                streamer.change_quality(level)
                say(_row(level, preset, *_show(emulator, streamer, preset, seconds / len(PRESETS))))
        say(
            "\nThe old way: screen.image, PNG, the last 30 kept. Both ways took the same frames of one run.\n"
        )
        say(comparison(*compare(emulator)))
    finally:
        emulator.stop()


def _show(
    emulator: Emulator, streamer: PyBoyVideoStreamer, preset: Preset, seconds: float
) -> tuple[float, dict[str, Any], float]:
    """Play in real time and take pictures at the preset's rate: rate reached, figures, bytes of a picture."""
    began = now = time.perf_counter()
    due, frames, sizes = began, 0, []
    while now - began < seconds:
        _play(emulator, frames)
        emulator.run(1)
        streamer.capture()
        frames += 1
        if now >= due:
            sizes.append(len(streamer.get_frame_as_bytes()))
            due += 1 / preset.fps
        time.sleep(max(0.0, began + frames * FRAME - time.perf_counter()))
        now = time.perf_counter()
    return len(sizes) / (now - began), streamer.get_performance_stats(), statistics.fmean(sizes or [0])


def _row(level: str, preset: Preset, reached: float, stats: dict[str, Any], size: float) -> str:
    capture, compress = stats["capture_latency_ms"] or 0.0, stats["compression_latency_ms"] or 0.0
    return (
        f"{level:8}{preset.scale:>5}x{preset.fps:>5g}{reached:>9.1f}"
        f"{capture:>9.3f} ms{compress:>9.3f} ms{size:>8.0f} B"
    )


def _play(emulator: Emulator, frame: int) -> None:
    """Somebody who presses whatever comes to hand, for a third of a second each."""
    if frame % 20 == 0:
        emulator.press((random.choice(("left", "right", "a", "start")),))


def compare(emulator: Emulator) -> tuple[Cost, Cost]:
    """What the old way costs and what this one does, for the same frames."""
    screen, source, smaller = emulator.pyboy.screen, ScreenSource(emulator.pyboy), Smaller()
    keeps = StreamConfig().videoStreamBufferSize
    before = _Way(lambda: screen.image.copy(), _png, KEPT_BEFORE, lambda image: len(image.tobytes()))
    after = _Way(
        source.take, lambda pixels: smaller.encode(pixels, 75)[1], keeps, lambda pixels: pixels.nbytes
    )
    for number in range(COMPARED):
        _play(emulator, APART * number)
        emulator.run(APART)
        before.take()
        after.take()
    return before.cost(), after.cost()


class _Way:
    """One way of getting pictures out of an emulator, and what it took so far."""

    def __init__(
        self,
        capture: Callable[[], Any],
        compress: Callable[[Any], bytes],
        keep: int,
        weigh: Callable[[Any], int],
    ) -> None:
        self._capture, self._compress, self._weigh = capture, compress, weigh
        self._kept: deque[Any] = deque(maxlen=keep)
        self._times: list[tuple[float, float]] = []
        self._sizes: list[int] = []

    def take(self) -> None:
        began = time.perf_counter()
        picture = self._capture()
        captured = time.perf_counter()
        data = self._compress(picture)
        self._times.append((captured - began, time.perf_counter() - captured))
        self._sizes.append(len(data))
        self._kept.append(picture)

    def cost(self) -> Cost:
        capture = statistics.median(time for time, _ in self._times)
        compress = statistics.median(time for _, time in self._times)
        size, kept = statistics.fmean(self._sizes), sum(map(self._weigh, self._kept))
        rate = 1 / (capture + compress)
        return Cost(1000 * capture, 1000 * compress, size, rate, len(self._kept), kept)


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def comparison(before: Cost, after: Cost) -> str:
    """The two ways side by side, as a table; also how much better the second is."""
    rows = [
        ("Capture latency", *(f"{cost.capture_ms:.3f} ms" for cost in (before, after))),
        ("Compression", *(f"{cost.compress_ms:.3f} ms" for cost in (before, after))),
        ("File size", *(f"{cost.size:.0f} bytes" for cost in (before, after))),
        ("Max FPS", *(f"{cost.fps:.0f}" for cost in (before, after))),
        ("Memory buffer", *(f"{c.frames_kept} frames, {c.bytes_kept / 1e6:.2f} MB" for c in (before, after))),
    ]
    better = (
        before.capture_ms / after.capture_ms,
        before.compress_ms / after.compress_ms,
        before.size / after.size,
        after.fps / before.fps,
        before.bytes_kept / after.bytes_kept,
    )
    lines = [f"{'':18}{'before':>22}{'after':>22}{'better':>10}"]
    lines += [
        f"{name:18}{old:>22}{new:>22}{by:>9.1f}x" for (name, old, new), by in zip(rows, better, strict=True)
    ]
    return "\n".join(lines)


def main(rom: str | None, seconds: float, settings: dict[str, Any]) -> int:
    """The command: an exit status."""
    try:
        run(rom, seconds, settings)
    except KeyboardInterrupt:
        sys.stderr.write("\nended\n")
    return 0
