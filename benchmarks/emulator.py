"""Pictures of a Game Boy: what it takes to get one out of the emulator, and how large it is on its way.

Plays Catch, the game that comes with envstream, with random buttons, and for some thousand frames takes the
picture and compresses it as a viewer's socket gets it at the preset `medium`: at native size, without loss
where that is smaller than JPEG. Beside it the usual way in the same frames: `screen.image`, saved as PNG.
Then trains at full speed with a viewer and `videoFps=60`. Bars: capture p50 below 0.1 ms, capture and encode
p50 below 1 ms, 800 bytes a picture on average, 60 fps.

    python benchmarks/emulator.py --json emulator.json
"""

from __future__ import annotations

import io
import random
import time
from typing import Any

from common import Bar, Contender, Row, Slice, Spread, figure, finish, note, parser, table
from envstream.config import PRESETS
from envstream.encoder import Smaller
from envstream.envs.emulator import Emulator
from envstream.sources.pyboy import ScreenSource

PRESET = PRESETS["medium"]
FRAMES_APART = 6  # That the medium preset's 10 fps lie apart.


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def usual(emulator: Emulator) -> tuple[float, float, int]:
    """Seconds to take and to compress one picture the usual way, and its bytes."""
    began = time.perf_counter()
    image: Any = emulator.pyboy.screen.image
    copied = image.copy()
    taken = time.perf_counter()
    buffer = io.BytesIO()
    copied.save(buffer, "PNG")
    return taken - began, time.perf_counter() - taken, buffer.tell()


def ours(source: ScreenSource, smaller: Smaller) -> tuple[float, float, int]:
    """Seconds to take and to compress one picture our way, and its bytes."""
    began = time.perf_counter()
    picture = source.take()
    taken = time.perf_counter()
    _, data = smaller.encode(picture, PRESET.compression)
    return taken - began, time.perf_counter() - taken, len(data)


def play(pictures: int, seed: int) -> dict[str, list[tuple[float, float, int]]]:
    """Both ways over the same frames of one game; who comes first changes."""
    emulator = Emulator(None, window=False, always_drawn=True, options={})
    buttons = random.Random(seed)
    source, smaller = ScreenSource(emulator.pyboy), Smaller()
    found: dict[str, list[tuple[float, float, int]]] = {"envstream": [], "screen.image, PNG": []}
    try:
        for index in range(pictures):
            pressed = buttons.choice(["left", "right", "start", None])
            if pressed:
                emulator.pyboy.button(pressed, FRAMES_APART)
            emulator.pyboy.tick(FRAMES_APART, True)
            ways = [
                ("envstream", lambda: ours(source, smaller)),
                ("screen.image, PNG", lambda: usual(emulator)),
            ]
            for name, way in ways if index % 2 else ways[::-1]:
                found[name].append(way())
    finally:
        emulator.stop()
    return found


def summed(name: str, rounds: list[list[tuple[float, float, int]]]) -> Row:
    """One row of the table: medians of the rounds, and their spread."""
    capture = Spread.of(1000 * percentile([one[0] for one in each], 0.5) for each in rounds)
    both = Spread.of(1000 * percentile([one[0] + one[1] for one in each], 0.5) for each in rounds)
    worst = Spread.of(1000 * percentile([one[0] + one[1] for one in each], 0.99) for each in rounds)
    size = Spread.of(sum(one[2] for one in each) / len(each) for each in rounds)
    return {
        "way": name,
        "capture_ms": capture,
        "both_ms": both,
        "size": size,
        "capture": capture.text("{:.3f}"),
        "both": both.text("{:.3f}"),
        "worst": worst.text("{:.2f}"),
        "bytes": size.text("{:.0f}"),
    }


def watched_fps(rounds: int, seconds: float) -> Spread:
    """Pictures a second that a viewer gets of a training run that may show 60."""
    contender = Contender("envstream", "envstream", {"videoFps": 60})
    turn = Slice("pyboy", seconds, viewers=1)
    return Spread.of(figure(turn.measure(contender), "viewers", "fps") for _ in range(rounds))


def main() -> None:
    args = parser(__doc__, rounds=5, seconds=3.0).parse_args()
    rounds, pictures = (1, 60) if args.quick else (args.rounds, 1000)
    games = []
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        games.append(play(pictures, number))
    rows = [summed(name, [game[name] for game in games]) for name in games[0]]
    heads = {"way": "way", "capture": "capture p50, ms", "both": "with encode, ms", "worst": "p99, ms"}
    table("One picture of a running game", rows, {**heads, "bytes": "bytes"})
    fps = watched_fps(1 if args.quick else 3, 1.0 if args.quick else args.seconds)
    mine = rows[0]
    bars = [
        Bar("capture p50 below 0.1 ms", f"{mine['capture']} ms", mine["capture_ms"].median < 0.1),
        Bar("capture and encode p50 below 1 ms", f"{mine['both']} ms", mine["both_ms"].median < 1),
        Bar("at most 800 bytes a picture", f"{mine['bytes']} bytes", mine["size"].median <= 800),
        Bar("60 fps are possible", f"{fps.text()} fps", fps.median >= 59),
    ]
    finish(args, "emulator", [*rows, {"way": "envstream, videoFps=60", "fps": fps}], bars)


if __name__ == "__main__":
    main()
