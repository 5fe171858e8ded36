"""Does memory stay flat? Streams for some minutes with two viewers and looks at RSS every second.

CartPole-v1 at full speed, process worker. For the trainer and for its server process: the median RSS of the
first minute and of the last, what lies between them, and the slope of a straight line through everything.
RSS counts the shared pages of the frame slots on both sides.

Bars: the trainer grows by less than 20 MB, the server process by less than 5 MB.

    python benchmarks/memory.py --minutes 10 --json memory.json
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from statistics import linear_regression, median
from typing import Any

from common import Bar, Contender, Row, Tool, finish, note, parser, table

try:
    import psutil  # type: ignore[import-untyped]
except ImportError:
    raise SystemExit(f"this needs psutil: {sys.executable} -m pip install psutil") from None

BARS_MB = {"trainer": 20.0, "server": 5.0}
SERVER = "envstream.web.child"

Samples = dict[str, list[tuple[float, float]]]


def server_of(trainer: int) -> Any:
    """The server process of a trainer."""
    for child in psutil.Process(trainer).children():
        if SERVER in child.cmdline():
            return child
    raise RuntimeError("the trainer has no server process")


def megabytes(process: Any) -> float:
    return float(process.memory_info().rss / 1e6)


def sample(trainer: int, seconds: float, period: float) -> Samples:
    """RSS of both processes, every `period` seconds."""
    watched = {"trainer": psutil.Process(trainer), "server": server_of(trainer)}
    samples: Samples = {name: [] for name in watched}
    began = time.monotonic()
    at = began
    while at - began < seconds:
        for name, process in watched.items():
            samples[name].append((at - began, megabytes(process)))
        at += period
        time.sleep(max(0.0, at - time.monotonic()))
    return samples


def row_of(name: str, samples: list[tuple[float, float]], seconds: float) -> Row:
    """Growth between the first and the last minute (of a short run: the first and the last quarter)."""
    part = min(60.0, seconds / 4)
    end = samples[-1][0]
    first = median(rss for at, rss in samples if at <= part)
    last = median(rss for at, rss in samples if at >= end - part)
    slope = linear_regression(*zip(*samples, strict=True)).slope
    return {
        "contender": name,
        "first_mb": round(first, 2),
        "last_mb": round(last, 2),
        "growth_mb": round(last - first, 2),
        "slope_mb_per_hour": round(slope * 3600, 2),
        "samples": samples,
    }


def run(args: argparse.Namespace) -> list[Row]:
    """Train and watch, and sample meanwhile."""
    seconds, period = (3.0, 0.1) if args.quick else (args.minutes * 60, 1.0)
    life = int(seconds) + 120
    with contextlib.ExitStack() as stack:
        trainer = stack.enter_context(Contender("memory", "envstream").start("CartPole-v1", life))
        where = trainer.hear()
        watch = ["--port", str(where["port"]), "--stream", where["stream"], "--count", str(args.viewers)]
        audience = stack.enter_context(Tool("viewers.py", *watch, "--life", str(life)))
        audience.hear()
        now = time.monotonic()
        for tool in (trainer, audience):
            tool.say(**{"from": now, "until": now + seconds})
        samples = sample(where["pid"], seconds, period)
        seen = audience.hear(60)
        note(f"viewers had {seen['fps']} pictures a second, the slowest {seen['fps_min']}")
        return [{**row_of(name, held, seconds), "fps": seen["fps"]} for name, held in samples.items()]


def main() -> None:
    arguments = parser(__doc__, rounds=1, seconds=0.0)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--viewers", type=int, default=2, metavar="N")
    args = arguments.parse_args()
    rows = run(args)
    heads = {"contender": "process", "first_mb": "first minute, MB", "last_mb": "last minute, MB"}
    more = {"growth_mb": "growth, MB", "slope_mb_per_hour": "slope, MB/h", "fps": "fps"}
    table("RSS", rows, {**heads, **more})
    bars = [
        Bar(f"{name} grows by less than {limit:g} MB", f"{row['growth_mb']} MB", row["growth_mb"] < limit)
        for row, (name, limit) in zip(rows, BARS_MB.items(), strict=True)
    ]
    finish(args, "memory", rows, bars)


if __name__ == "__main__":
    main()
