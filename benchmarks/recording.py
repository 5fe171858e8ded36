"""What recording costs, beside Gymnasium's RecordVideo and SB3's VecVideoRecorder, and what is left.

CartPole-v1, pictures of 400 x 600. Five parts (`--part` picks some):
  memory    By how much the trainer's RSS grows while 1,000 pictures are recorded: its peak, less what it was
            after a first short recording. Beside it all its child processes' (the server; FFmpeg), grown
            likewise, and by how much the trainer grew since it did not yet record, imports included. Bar:
            envstream's trainer at most 15 MB after the first.
  longest   The longest call of `step()` or `reset()` in such a recording, the ones that begin and end it
            included, less the median of a bare step and render in the same process. Beside it the longest of
            those in which no other process took the core away, and the longest of 300 bare ones: what the
            machine is to blame for. Bar: envstream at most 10 ms.
  tenth     Steps/s with every 10th episode recorded, random actions, `close()` included in the time. Bar:
            1.5 times RecordVideo's. And whether each file has all pictures of its episode. VecVideoRecorder
            only records by steps: 22 of each 220, which is about as much.
  episodes  The episode view with one viewer: longest gap between two pictures, speed of playing, pictures
            skipped, and steps/s as a share of a bare loop's; `--watch`, `--policy`. Bars: 1 s after the first
            minute, natural speed, none, 95 %.
  kill      Recordings of a run that is killed with SIGKILL at a random moment: the trainer, its server, or
            both; `--kills`. Bars: every file plays, and at most the last second before it is lost.

Each turn is a fresh process. It wants psutil and PyAV, and the others `pip install moviepy
stable-baselines3`; what is not installed is said to be missing.

    python benchmarks/recording.py --json recording.json
"""

from __future__ import annotations

import argparse
import json
import sys

from common import Bar, Contender, Row, finish, middle, parser, table
from episodes import episodes
from kills import await_gone, kill, pictures_in, servers_of
from thousand import (
    OURS,
    RECORD_VIDEO,
    RECORDERS,
    VEC_VIDEO_RECORDER,
    collect,
    held,
    longest,
    memory,
    started,
    summed,
)

try:
    import av  # noqa: F401
except ImportError as error:
    raise SystemExit(f"this needs PyAV ({error}): {sys.executable} -m pip install av") from None

TENTH_BAR = 1.5
LENGTH = 22  # Pictures of an episode, about.

BARE = Contender("bare", "bare")


def every_tenth(contender: Contender, seconds: float) -> Row:
    """One turn, and whether its files are whole once its processes are gone."""
    args = ("--seconds", str(seconds), "--pictures", str(LENGTH))
    with started("tenth", contender, *args) as (tool, where, folder):
        tool.say(go=True)
        row = tool.hear(seconds + 120)
        servers = servers_of(where["pid"]) if contender is OURS else []
        assert tool.process.stdin is not None
        tool.process.stdin.close()
        tool.process.wait(60)
        row["settled_s"] = await_gone(servers)
        counts = {path.stem: pictures_in(path) for path in folder.glob("*.mp4")}
        expected: dict[str, int] = row.pop("expected")
        wrong = {name: counts.get(name) for name, count in expected.items() if counts.get(name) != count}
        row |= {"wrong": {name: [count, expected[name]] for name, count in wrong.items()}}
        said = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        missing = sum(one["missing"] for one in said) if said else None
        outcomes = sum(one["outcome"].get("missing", 0) for one in said) if said else None
        lost = sum(expected[name] - (count or 0) for name, count in wrong.items())
        row |= {"lost_pictures": lost, "said_missing": missing, "outcomes_missing": outcomes}
        return {**row, "files": len(counts), "due": len(expected)}


def tenth(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rounds, seconds = (1, 0.5) if args.quick else (args.rounds, args.seconds)
    contenders = [BARE, *RECORDERS]
    found = collect("tenth", contenders, rounds, lambda who: every_tenth(who, seconds))
    for key, like in (("of_bare", BARE), ("of_record_video", RECORD_VIDEO)):
        for who in contenders:
            for row, base in zip(found[who.name], found[like.name], strict=False):
                if "missing" not in row and "missing" not in base:
                    row[key] = row["steps_per_second"] / base["steps_per_second"]
    rows = [tenth_row(who, found[who.name]) for who in contenders]
    heads = {"contender": "recorder", "steps_per_second": "steps/s", "of_bare_text": "of bare"}
    heads |= {
        "of_record_video_text": "times RecordVideo's",
        "files": "files",
        "whole": "whole",
        "lost": "lost pictures",
    }
    table("Every 10th episode recorded", rows, {**heads, "settled_s": "then, s", "missing": ""})
    ours = rows[1]
    promise = f"tenth: at least {TENTH_BAR:g} times RecordVideo's speed"
    bar = held(promise, ours["of_record_video"], "times", lambda value: value >= TENTH_BAR)
    kept = ours["whole"] is not None and len(set(ours["whole"].split(" of "))) == 1
    return rows, [bar, Bar("tenth: every recorded episode is whole", ours["whole"] or "–", kept)]


def tenth_row(who: Contender, rows: list[Row]) -> Row:
    row = summed("tenth", who, rows, "of_bare", "of_record_video")
    for key in ("of_bare", "of_record_video"):
        row[f"{key}_text"] = row[key] and row[key].text("{:.3f}" if key == "of_bare" else "{:.2f}")
    if who is VEC_VIDEO_RECORDER:
        row["contender"] += ", by steps"
    due = sum(one.get("due") or 0 for one in rows)
    wrong = sum(len(one.get("wrong", ())) for one in rows)
    return {
        **row,
        "steps_per_second": middle(rows, "steps_per_second", digits=0),
        "files": sum(one.get("files", 0) for one in rows) if who is not BARE else None,
        "whole": f"{due - wrong} of {due}" if due else None,
        "lost": f"{sum(one.get('lost_pictures', 0) for one in rows)}" if due else None,
        "settled_s": middle(rows, "settled_s") if who is OURS else None,
    }


PARTS = {"memory": memory, "longest": longest, "tenth": tenth, "episodes": episodes, "kill": kill}


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=8.0)
    arguments.add_argument("--part", action="append", choices=list(PARTS), help="only this; may be repeated")
    arguments.add_argument("--watch", type=float, default=90.0, help="seconds that episodes are watched")
    arguments.add_argument("--policy", action="append", choices=["balance", "random"], help="of `episodes`")
    arguments.add_argument("--kills", type=int, default=50, metavar="N")
    arguments.add_argument(
        "--latest", type=float, default=5.0, help="seconds after which it is killed at most"
    )
    arguments.add_argument("--seed", type=int, default=1, help="of the moments that it is killed at")
    args = arguments.parse_args()
    rows, bars = [], []
    for name in args.part or PARTS:
        more_rows, more_bars = PARTS[name](args)
        rows += more_rows
        bars += more_bars
    finish(args, "recording", rows, bars)


if __name__ == "__main__":
    main()
