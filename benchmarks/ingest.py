"""What it takes to take frames from elsewhere: how soon there is a result, how many publishers, what is lost.

640 x 480 at 30 pictures a second, with movement, texture and noise, 50 to 58 KB each as JPEG at quality 85.
Four parts (`--part` picks some):
  latency   A recording of `--seconds`, and the seconds from its last picture to its result. Ours sends each
            picture when it is taken, and the server processes while more come; the other writes an MP4
            while it records, and sends it to `/analyze` when it is over. The processors are the same:
            `undistort` and `stats`. Both by turns on one server. Bars: twice as soon, and within 2 s.
  sessions  So many publishers at once (`--sessions`), for `--hold` seconds, from one process: pictures sent,
            received as the server says, lost, come twice; the age of acknowledgements; whether the last
            picture was sent within a second of its time; CPU of server, workers and publishers while they
            send; how long the results then take, and whether each video has all pictures. Bars, for 20: none
            lost, the pace is held, all videos whole.
  memory    The server's RSS while one session sends `--lengths` pictures as quickly as it goes, and while 20
            send at once, less an idle server's; beside it that of the workers. Each on a server of its own.
            Bar: 32 MB a session, whatever its length.
  cuts      `envstream push` through a relay that is cut `--cuts` times, to a server that is killed with
            SIGKILL `--kills` times; the video that comes of it beside that of an undisturbed upload. Bar:
            frame for frame the same pictures and times.

Publishers and server share this machine's cores. It wants psutil, PyAV and OpenCV.

    python benchmarks/ingest.py --json ingest.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from common import Bar, Contender, Row, Spread, Tool, finish, note, parser, spread, table, turns
from cuts import cuts
from scenery import FPS
from service import Service
from throng import memory, sessions

try:
    import av  # noqa: F401
    import cv2  # noqa: F401
except ImportError as error:
    packages = "av opencv-python-headless"
    raise SystemExit(
        f"this needs PyAV and OpenCV ({error}): {sys.executable} -m pip install {packages}"
    ) from None

RATIO_BAR, LAG_BAR_S = 2.0, 2.0

STREAMED = Contender("frames while they are recorded", "streamed")
UPLOADED = Contender("a video, uploaded at the end", "uploaded")


def recorded(service: Service, who: Contender, seconds: float) -> Row:
    """One turn."""
    args = ("--port", str(service.port), "--seconds", str(seconds), "--life", str(int(11 * seconds) + 300))
    with Tool("camera.py", who.kind, *args) as camera:
        camera.hear()
        camera.say(go=True)
        row = camera.hear(10 * seconds + 200)
    return {**row, "whole": row["frames"] == row["processed"] == max(2, round(seconds * FPS))}


def latency(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rounds, seconds = (1, 3.0) if args.quick else (args.rounds, args.seconds)
    found: dict[str, list[Row]] = defaultdict(list)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Service(Path(folder)) as service:
        for number, order in turns([STREAMED, UPLOADED], rounds):
            for who in order:
                note(f"latency, round {number + 1} of {rounds}: {who.name}")
                found[who.name].append(recorded(service, who, seconds))
                note(f"    {found[who.name][-1]}")
    rows = [latency_row(who, found[who.name]) for who in (STREAMED, UPLOADED)]
    both = zip(found[STREAMED.name], found[UPLOADED.name], strict=True)
    ratio = Spread.of(other["lag_s"] / ours["lag_s"] for ours, other in both)
    rows[1]["ratio"] = ratio.text()
    columns = {
        "contender": "sent",
        "sent_text": "all is sent, s",
        "lag_text": "result, s",
        "ratio": "times ours",
        "megabytes": "MB sent",
        "whole": "whole",
    }
    table(f"After the last picture of a recording of {seconds:g} s", rows, columns)
    lag = spread(found[STREAMED.name], "lag_s")
    assert lag is not None
    return rows, [
        Bar(f"latency: at least {RATIO_BAR:g} times as soon", ratio.text(), ratio.median >= RATIO_BAR),
        Bar(f"latency: at most {LAG_BAR_S:g} s", f"{lag.text('{:.2f}')} s", lag.median <= LAG_BAR_S),
    ]


def latency_row(who: Contender, rows: list[Row]) -> Row:
    row: Row = {"part": "latency", "contender": who.name, "rounds": rows}
    for key in ("lag", "sent", "late"):
        row[f"{key}_s"] = figure = spread(rows, f"{key}_s")
        row[f"{key}_text"] = figure and figure.text("{:.2f}")
    megabytes = sum(one["bytes"] for one in rows) / len(rows) / 1e6
    whole = sum(one["whole"] for one in rows)
    return {**row, "megabytes": f"{megabytes:.1f}", "whole": f"{whole} of {len(rows)}"}


PARTS = {"latency": latency, "sessions": sessions, "memory": memory, "cuts": cuts}


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=60.0)
    arguments.add_argument("--part", action="append", choices=list(PARTS), help="only this; may be repeated")
    arguments.add_argument("--sessions", type=int, nargs="+", default=[10, 20, 30], help="publishers at once")
    arguments.add_argument("--hold", type=float, default=20.0, help="seconds that they send")
    arguments.add_argument(
        "--lengths", type=int, nargs="+", default=[1000, 5000, 20_000], help="of sessions, in pictures"
    )
    arguments.add_argument("--cuts", type=int, default=20, metavar="N")
    arguments.add_argument("--kills", type=int, default=5, metavar="N")
    arguments.add_argument("--frames", type=int, default=1800, help="of the video of `cuts`")
    arguments.add_argument("--fps", type=float, default=30.0, help="that are sent of it, at most")
    arguments.add_argument("--seed", type=int, default=1, help="of the moments of cuts and kills")
    args = arguments.parse_args()
    rows, bars = [], []
    for name in args.part or PARTS:
        more_rows, more_bars = PARTS[name](args)
        rows += more_rows
        bars += more_bars
    finish(args, "ingest", rows, bars)


if __name__ == "__main__":
    main()
