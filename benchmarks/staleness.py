"""How old a picture is behind a slow line: does a viewer fall behind, or does it skip?

640×480 pictures of 40-60 KB, 30 a second offered, over a relay that passes 4 Mbit/s (`relay.py`): ten
pictures a second at best. Four ways to watch take turns:
  /ws, no line between         for comparison: what capture, encoding and loopback take by themselves
  /ws through the relay        a 2 MiB buffer before the bottleneck, like an SSH tunnel; pictures acknowledged
  /stream through the relay    the same buffer, MJPEG: nothing tells the server that pictures queue there
  /stream, slow reader         no such buffer: the reader itself is slow, MJPEG
The age is taken when the picture is whole at the client. `--delay-ms` adds a one-way delay.

Bars: /ws at most two pictures' own transfer times plus the round trip: from the measured size of a picture,
the line's delay both ways, and the age without a line. On a line that is never idle the age lies at that
bar and not below it (while one picture passes, the next waits for it), so that it is held against the
median, and p99 is printed beside it. /stream before a slow reader: at most 0.5 s at p99.

    python benchmarks/staleness.py --json staleness.json --delay-ms 20
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from common import Bar, Contender, Row, Slice, finish, middle, note, parser, spread, table

READER_BAR_MS = 500.0
FRAME_OVERHEAD = 400  # Bytes of metadata and headers that travel with a picture, about.
TUNNEL_BUFFER = 2 << 20
READER_BUFFER = 4096


class Way(NamedTuple):
    """One way to watch: the address, the relay's buffer, and SO_RCVBUF before it (0 = the system's)."""

    name: str
    path: str
    buffer: int | None = None  # None: no relay at all.
    receive_buffer: int = 0


DIRECT = Way("/ws, no line between", "/ws")
WAYS = [
    DIRECT,
    Way("/ws through the relay", "/ws", TUNNEL_BUFFER, 16384),
    Way("/stream through the relay", "/stream", TUNNEL_BUFFER, 16384),
    Way("/stream, slow reader", "/stream", READER_BUFFER, 0),
]


def measure(args: argparse.Namespace, way: Way) -> Row:
    """One turn of one way to watch."""
    relay = None
    if way.buffer is not None:
        relay = ["--kbit", str(args.kbit), "--buffer", str(way.buffer), "--delay-ms", str(args.delay_ms)]
        relay += ["--receive-buffer", str(way.receive_buffer)]
    seconds, warmup = (1.0, 0.5) if args.quick else (args.seconds, args.warmup)
    turn = Slice("busy", seconds, warmup, viewers=1, relay=relay)
    return turn.measure(Contender(way.name, "envstream", path=way.path))


def row_of(args: argparse.Namespace, way: Way, rounds: list[Row], direct_ms: float) -> Row:
    """What the rounds of one way say together, and the bar that its pictures' size makes."""
    size = middle(rounds, "viewers", "bytes_mean", digits=0)
    fps = middle(rounds, "viewers", "fps")
    row: Row = {"contender": way.name, "bytes": size, "fps": fps, "rounds": rounds}
    for key in ("p50", "p99", "max"):
        found = spread(rounds, "viewers", "age_ms", key)
        row[key] = found
        row[f"{key}_text"] = found and found.text("{:.0f}")
    row["frame_ms"] = None if size is None else round((size + FRAME_OVERHEAD) * 8 / args.kbit, 1)
    row["bar_ms"] = row["judged"] = None
    if way.buffer == TUNNEL_BUFFER and way.path == "/ws" and row["frame_ms"] is not None:
        row["bar_ms"], row["judged"] = round(2 * row["frame_ms"] + 2 * args.delay_ms + direct_ms, 1), "p50"
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
    return bars


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=8.0)
    arguments.add_argument("--warmup", type=float, default=8.0, help="seconds for the buffers to fill first")
    arguments.add_argument("--kbit", type=float, default=4000.0, help="what the line passes, kbit/s")
    arguments.add_argument("--delay-ms", type=float, default=0.0, help="one-way delay of the line")
    args = arguments.parse_args()
    found: dict[str, list[Row]] = {way.name: [] for way in WAYS}
    rounds = 1 if args.quick else args.rounds
    for number in range(rounds):
        for way in WAYS:
            note(f"round {number + 1} of {rounds}: {way.name}")
            found[way.name].append(measure(args, way))
    direct_ms = middle(found[DIRECT.name], "viewers", "age_ms", "p50") or 0.0
    rows = [row_of(args, way, found[way.name], direct_ms) for way in WAYS]
    heads = {"contender": "way", "p50_text": "age p50, ms", "p99_text": "p99, ms", "max_text": "max, ms"}
    more = {"bar_ms": "bar, ms", "frame_ms": "one frame, ms", "bytes": "bytes", "fps": "fps"}
    table(f"Behind {args.kbit:g} kbit/s, one-way delay {args.delay_ms:g} ms", rows, {**heads, **more})
    finish(args, "staleness", rows, bars_of(rows))


if __name__ == "__main__":
    main()
