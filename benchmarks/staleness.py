"""How old a picture is behind a slow line: does a viewer fall behind, or does it skip?

640×480 pictures of 40-60 KB, 30 a second offered, over a relay that passes 4 Mbit/s (`relay.py`): ten
pictures a second at best. Four ways to watch take turns:
  /ws, no line between         for comparison: what capture, encoding and loopback take by themselves
  /ws through the relay        a 2 MiB buffer before the bottleneck, like an SSH tunnel; pictures acknowledged
  /stream through the relay    the same buffer, MJPEG: nothing tells the server that pictures queue there
  /stream, slow reader         no such buffer: the reader itself is slow, MJPEG
The age is taken when the picture is whole at the client. `--delay-ms` adds a one-way delay.

Two more are behind a far and narrow line, 1 Mbit/s with a round trip of 150 ms, and the same 2 MiB buffer:
  /ws far away, JPEG           a viewer who can show JPEG only
  /ws far away, video          one who can decode H.264 as well; as long as none comes, it is JPEG too

Bars: /ws at most two pictures' own transfer times plus the round trip: from the measured size of a picture,
the line's delay both ways, and the age without a line. On a line that is never idle the age lies at that
bar and not below it (while one picture passes, the next waits for it), so that it is held against the
median, and p99 is printed beside it. /stream before a slow reader: at most 0.5 s at p99. Far away, JPEG is
held to the same two pictures and the round trip; video to 15 fps and 400 ms at p99.

    python benchmarks/staleness.py --json staleness.json --delay-ms 20
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from common import Bar, Contender, Row, Slice, figure, finish, middle, note, parser, spread, table

READER_BAR_MS = 500.0
VIDEO_BAR_MS, VIDEO_BAR_FPS = 400.0, 15.0
FAR_KBIT, FAR_DELAY_MS = 1000.0, 75.0
FRAME_OVERHEAD = 400  # Bytes of metadata and headers that travel with a picture, about.
TUNNEL_BUFFER = 2 << 20
READER_BUFFER = 4096


class Way(NamedTuple):
    """One way to watch: the address, the relay's buffer, and SO_RCVBUF before it (0 = the system's).

    Attributes:
        kbit, delay_ms: the line; None = the one that was asked for.
        watch: what the viewer says about the stream besides its name.
    """

    name: str
    path: str
    buffer: int | None = None  # None: no relay at all.
    receive_buffer: int = 0
    kbit: float | None = None
    delay_ms: float | None = None
    watch: Mapping[str, Any] = MappingProxyType({})


DIRECT = Way("/ws, no line between", "/ws")
WAYS = [
    DIRECT,
    Way("/ws through the relay", "/ws", TUNNEL_BUFFER, 16384),
    Way("/stream through the relay", "/stream", TUNNEL_BUFFER, 16384),
    Way("/stream, slow reader", "/stream", READER_BUFFER, 0),
    Way("/ws far away, JPEG", "/ws", TUNNEL_BUFFER, 16384, FAR_KBIT, FAR_DELAY_MS),
    Way("/ws far away, video", "/ws", TUNNEL_BUFFER, 16384, FAR_KBIT, FAR_DELAY_MS, {"video": True}),
]


def line_of(args: argparse.Namespace, way: Way) -> tuple[float, float]:
    """What the line passes, kbit/s, and its one-way delay, ms."""
    return way.kbit or args.kbit, args.delay_ms if way.delay_ms is None else way.delay_ms


def measure(args: argparse.Namespace, way: Way) -> Row:
    """One turn of one way to watch."""
    relay, (kbit, delay_ms) = None, line_of(args, way)
    if way.buffer is not None:
        relay = ["--kbit", str(kbit), "--buffer", str(way.buffer), "--delay-ms", str(delay_ms)]
        relay += ["--receive-buffer", str(way.receive_buffer)]
    seconds, warmup = (1.0, 0.5) if args.quick else (args.seconds, args.warmup)
    turn = Slice("busy", seconds, warmup, viewers=1, relay=relay, watch=way.watch)
    return turn.measure(Contender(way.name, "envstream", path=way.path))


def row_of(args: argparse.Namespace, way: Way, rounds: list[Row], direct_ms: float) -> Row:
    """What the rounds of one way say together, and the bar that its pictures' size makes."""
    kbit, delay_ms = line_of(args, way)
    size = middle(rounds, "viewers", "bytes_mean", digits=0)
    fps = middle(rounds, "viewers", "fps")
    row: Row = {"contender": way.name, "bytes": size, "fps": fps, "rounds": rounds}
    for key in ("p50", "p99", "max"):
        found = spread(rounds, "viewers", "age_ms", key)
        row[key] = found
        row[f"{key}_text"] = found and found.text("{:.0f}")
    row["formats"] = ", ".join(figure(rounds[-1], "viewers", "formats"))
    row["frame_ms"] = None if size is None else round((size + FRAME_OVERHEAD) * 8 / kbit, 1)
    row["bar_ms"] = row["bar_fps"] = row["judged"] = None
    if way.watch.get("video"):
        row["bar_ms"], row["bar_fps"], row["judged"] = VIDEO_BAR_MS, VIDEO_BAR_FPS, "p99"
    elif way.buffer == TUNNEL_BUFFER and way.path == "/ws" and row["frame_ms"] is not None:
        row["bar_ms"], row["judged"] = round(2 * row["frame_ms"] + 2 * delay_ms + direct_ms, 1), "p50"
    elif way.buffer == READER_BUFFER:
        row["bar_ms"], row["judged"] = READER_BAR_MS, "p99"
    return row


def bars_of(rows: list[Row]) -> list[Bar]:
    """The promises, for the ways that have one."""
    bars = []
    for row in rows:
        if row["judged"] is not None:
            found = row[row["judged"]]
            promise = f"{row['contender']}: {row['judged']} at most {row['bar_ms']:g} ms"
            held = found is not None and found.median <= row["bar_ms"]
            bars.append(Bar(promise, f"{row[row['judged'] + '_text']} ms", held))
        if row["bar_fps"] is not None:
            promise = f"{row['contender']}: at least {row['bar_fps']:g} fps"
            text = f"{row['fps']} fps ({row['formats']})"
            bars.append(Bar(promise, text, (row["fps"] or 0.0) >= row["bar_fps"]))
    return bars


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=8.0)
    arguments.add_argument("--warmup", type=float, default=8.0, help="seconds for the buffers to fill first")
    arguments.add_argument("--kbit", type=float, default=4000.0, help="what the line passes, kbit/s")
    arguments.add_argument("--way", action="append", choices=[way.name for way in WAYS], help="only this")
    arguments.add_argument("--delay-ms", type=float, default=0.0, help="one-way delay of the line")
    args = arguments.parse_args()
    ways = [way for way in WAYS if way is DIRECT or way.name in (args.way or [way.name])]
    found: dict[str, list[Row]] = {way.name: [] for way in ways}
    rounds = 1 if args.quick else args.rounds
    for number in range(rounds):
        for way in ways:
            note(f"round {number + 1} of {rounds}: {way.name}")
            found[way.name].append(measure(args, way))
    direct_ms = middle(found[DIRECT.name], "viewers", "age_ms", "p50") or 0.0
    rows = [row_of(args, way, found[way.name], direct_ms) for way in ways]
    heads = {"contender": "way", "p50_text": "age p50, ms", "p99_text": "p99, ms", "max_text": "max, ms"}
    more = {
        "bar_ms": "bar, ms",
        "frame_ms": "one frame, ms",
        "bytes": "bytes",
        "fps": "fps",
        "formats": "came as",
    }
    far = f"far away {FAR_KBIT:g} kbit/s, {FAR_DELAY_MS:g} ms"
    title = f"Behind {args.kbit:g} kbit/s, one-way delay {args.delay_ms:g} ms; {far}"
    table(title, rows, {**heads, **more})
    finish(args, "staleness", rows, bars_of(rows))


if __name__ == "__main__":
    main()
