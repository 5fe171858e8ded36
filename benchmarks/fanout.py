"""How many viewers one server core carries, and what becomes of the trainer and of the others meanwhile.

640×480 pictures of 20 KB as JPEG, 30 a second; all viewers live in one light process (`crowd.py`) that has a
core of its own and says how much of it it took. Three parts (`--part` picks some):
  viewers  30, 100, 300, 600, 1000, 1500 of them on `/ws` (every picture acknowledged) and on `/stream`
           (MJPEG), until the server holds them no longer: the slowest viewer at 29 fps or more, p99 of the
           pictures' ages at most 50 ms. The server's process is pinned to one core; the crowd has another,
           and there the trainer, which sleeps between its pictures, has its place too. Beside it what people
           use today: a Flask thread, PyPI's mjpeg-streamer, vidgear's WebGear. Those serve from the trainer's
           process, which gets the server's core for itself. The latter two end a picture only with the next
           one; mjpeg-streamer does not say when it captured it, so that it has no age and is judged by the
           rate alone, repeated pictures included.
           Bar: 1000 viewers on either address.
  rungs    100 viewers of three qualities. Bar: at most 3 encodes a frame, and 97 % of the pictures sent
           without one.
  trouble  100 viewers, and then six bad ones as well, on `/ws` and on `/stream` one each that stops reading,
           whose process is stopped, that reads a trickle. Bar: p99 of the hundred at most 10 % higher.

What others take of the two cores meanwhile is in the column `others`: a figure counts for little above 0.05.
The rivals want `pip install -e ".[bench]"`; in a Python of their own give `--rivals-python`. What is not
installed is skipped. Linux only.

    python benchmarks/fanout.py --json fanout.json --rivals-python /path/to/rivals/bin/python
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from common import (
    Bar,
    Contender,
    Missing,
    Row,
    Spread,
    Tool,
    figure,
    finish,
    middle,
    note,
    parser,
    spread,
    table,
    turns,
)

FULL_FPS, AGE_BAR_MS, VIEWERS_BAR = 29.0, 50.0, 1000
ENCODES_BAR, SENT_WITHOUT_BAR = 3.0, 0.97
TROUBLE_BAR = 1.10
GATHER_SECONDS = 60.0  # For every viewer to have its first pictures.
LIFE = 400
QUALITY = 85

SETTINGS = {"videoStreamMaxViewers": 100_000}
PATIENT = {
    **SETTINGS,
    "videoStreamMaxOverhead": 1.0,
}  # The crowd beside it must not make a capture look dear.
SOCKET = Contender("envstream /ws", "envstream", PATIENT)
MJPEG = Contender("envstream /stream", "envstream", PATIENT, path=f"/stream?quality={QUALITY}")
BARE = Contender("bare", "bare")
WATCH = [{"quality": QUALITY, "format": "jpeg"}]


class Cores(NamedTuple):
    """Who runs where. With two cores, the crowd shares its own with the trainer."""

    server: int
    crowd: int
    trainer: int

    @classmethod
    def here(cls) -> Cores:
        free = sorted(os.sched_getaffinity(0))
        return cls(free[-1], free[0], free[1] if len(free) > 2 else free[0])


class Stage(NamedTuple):
    """A trainer that shows its pictures, and the process that serves them."""

    contender: Contender
    trainer: Tool
    where: Row
    server: int

    @property
    def pid(self) -> int:
        return int(self.where["pid"])

    def status(self) -> Row:
        """What the server says about the stream."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.where['port']}/api/streams") as answer:
            found: Row = json.load(answer)["streams"][0]
        return found


# Processes, and where they run.


@contextlib.contextmanager
def started_on(core: int) -> Iterator[None]:
    """What is started meanwhile runs on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(pid: int, core: int) -> None:
    """Have all threads of a process run on a core from now on; those to come follow them."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def server_of(pid: int) -> int:
    """The process that serves a trainer's pictures: its child, or itself."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if b"envstream.web.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return pid


def cpu_of(pid: int) -> float:
    """User and system seconds of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def busy(core: int) -> float:
    """Seconds that a core was not idle so far."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    ticks = next([int(field) for field in line[1:9]] for line in lines if line[0] == f"cpu{core}")
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def staged(contender: Contender, env: str, trainer: int, server: int) -> Iterator[Stage]:
    """A trainer on its core, and its server on another.

    Raises:
        Missing: when the contender needs a package that is not there.
    """
    args = ("--contender", contender.kind, "--env", env, "--settings", json.dumps(dict(contender.settings)))
    with started_on(trainer):
        tool = Tool("slideshow.py", *args, "--life", str(LIFE), python=contender.python)
    with tool:
        where = tool.hear()
        if "missing" in where:
            raise Missing(where["missing"])
        stage = Stage(contender, tool, where, server_of(where["pid"]))
        if contender.kind != BARE.kind:
            move(stage.server, server)
        yield stage


@contextlib.contextmanager
def crowd(stage: Stage, core: int, count: int, *args: str, path: str | None = None) -> Iterator[Tool]:
    """So many viewers, each of which has pictures by now.

    Raises:
        RuntimeError: when that takes too long.
    """
    said = ["--port", str(stage.where["port"]), "--stream", stage.where.get("stream", "")]
    said += ["--path", path or stage.contender.path or stage.where["path"]]
    said += ["--count", str(count), "--life", str(LIFE), *args]
    with started_on(core):
        tool = Tool("crowd.py", *said)
    with tool:
        tool.hear(GATHER_SECONDS)
        yield tool


def measure(stage: Stage, viewers: Tool | None, seconds: float, warmup: float, cores: Sequence[int]) -> Row:
    """One window: what the viewers saw, and who took how much of the cores."""
    start = time.monotonic() + warmup
    window = {"from": start, "until": start + seconds}
    if viewers is not None:
        viewers.say(**window)
    # A rival serves in the trainer's process.
    pids = {stage.server: "server_cpu", stage.pid: "trainer_cpu"}
    if stage.contender.kind not in (BARE.kind, SOCKET.kind):
        pids = {stage.server: "server_cpu"}
    time.sleep(max(0.0, start - time.monotonic()))
    before = {pid: cpu_of(pid) for pid in pids}
    busy_before = sum(busy(core) for core in set(cores))
    time.sleep(max(0.0, window["until"] - time.monotonic()))
    row: Row = {key: (cpu_of(pid) - before[pid]) / seconds for pid, key in pids.items()}
    taken = (sum(busy(core) for core in set(cores)) - busy_before) / seconds
    row["seen"] = seen = viewers.hear(60) if viewers is not None else None
    row["others"] = max(0.0, taken - sum(row[key] for key in pids.values()) - (figure(seen, "cpu") or 0.0))
    for hangup in (figure(seen, "hangups") or ())[:3]:
        note(f"    HUNG UP ON: {stage.contender.name}, {hangup}")
    return row


# viewers


def field(args: argparse.Namespace) -> list[Contender]:
    """Everybody who serves."""
    python = args.rivals_python
    flask = Contender("Flask MJPEG thread", "flask", python=python)
    if args.quick:
        return [SOCKET, MJPEG, flask]
    kinds = {"mjpeg-streamer": "mjpeg-streamer", "vidgear WebGear": "webgear"}
    return [SOCKET, MJPEG, flask, *(Contender(name, kind, python=python) for name, kind in kinds.items())]


def climb_once(args: argparse.Namespace, contender: Contender, count: int) -> Row:
    """One turn of one contender before so many viewers; an empty row where they did not all get pictures."""
    cores = Cores.here()
    ours = contender.kind == "envstream"
    home = cores.trainer if ours else cores.server
    with staged(contender, "idle", home, cores.server) as stage:
        try:
            with crowd(stage, cores.crowd, count, "--watch", json.dumps(WATCH)) as viewers:
                return measure(stage, viewers, args.seconds, args.warmup, cores)
        except RuntimeError as error:
            note(f"    {str(error)[-300:]}")
            return {}


def viewers_row(contender: Contender, count: int, rounds: list[Row]) -> Row:
    """What the rounds of one contender before so many viewers say together."""
    row: Row = {"part": "viewers", "contender": contender.name, "viewers": count, "rounds": rounds}
    for key in ("fps", "fps_min", "cpu", "bytes_mean", "repeats", "gathered"):
        row[key] = middle(rounds, "seen", key)
    for key in ("p50", "p99", "max"):
        found = row[key] = spread(rounds, "seen", "age_ms", key)
        row[f"{key}_text"] = found and found.text()
    for key in ("server_cpu", "trainer_cpu", "others"):
        row[key] = middle(rounds, key)
    whole = all(rounds) and row["fps_min"] is not None
    row["holds"] = (
        whole and row["fps_min"] >= FULL_FPS and (not row["p99"] or row["p99"].median <= AGE_BAR_MS)
    )
    row["holds_text"] = "yes" if row["holds"] else "no"
    return row


def step(args: argparse.Namespace, climbing: Sequence[Contender], count: int) -> dict[str, list[Row]]:
    """All rounds before so many viewers; none of a contender whose package is not there."""
    found: dict[str, list[Row]] = {contender.name: [] for contender in climbing}
    missing: set[str] = set()
    for number, order in turns(climbing, args.rounds):
        for contender in order:
            if contender.name in missing:
                continue
            note(f"round {number + 1} of {args.rounds}: {contender.name}, {count} viewers")
            try:
                found[contender.name].append(climb_once(args, contender, count))
            except Missing as error:
                missing.add(contender.name)
                print(f"skipped: {contender.name} ({error}); pip install -e '.[bench]'")
    return found


def viewers(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    climbing, rows = field(args), []
    for count in args.viewers:
        found = step(args, climbing, count)
        climbing = [contender for contender in climbing if found[contender.name]]
        rows += [viewers_row(contender, count, found[contender.name]) for contender in climbing]
        held = {row["contender"] for row in rows if row["viewers"] == count and row["holds"]}
        # The bar's own step is always shown.
        climbing = [c for c in climbing if c.name in held or (c in (SOCKET, MJPEG) and count < VIEWERS_BAR)]
    rows.sort(key=lambda row: [c.name for c in field(args)].index(row["contender"]))
    heads = {"contender": "viewers", "viewers": "N", "fps": "fps", "fps_min": "slowest"}
    ages = {
        "p50_text": "age p50, ms",
        "p99_text": "p99, ms",
        "server_cpu": "server's CPU",
        "cpu": "crowd's CPU",
    }
    more = {"gathered": "all there after, s", "others": "others", "holds_text": "holds"}
    table("One server core", rows, {**heads, **ages, **more})
    return rows, [viewers_bar(contender, rows) for contender in (SOCKET, MJPEG)]


def viewers_bar(contender: Contender, rows: list[Row]) -> Bar:
    """The promise to one address, judged at its step or at the last one there is."""
    ours = [row for row in rows if row["contender"] == contender.name]
    judged = next((row for row in ours if row["viewers"] == VIEWERS_BAR), ours[-1])
    most = max((row["viewers"] for row in ours if row["holds"]), default=0)
    promise = (
        f"{contender.name}: {VIEWERS_BAR} viewers at {FULL_FPS:g} fps or more, p99 at most {AGE_BAR_MS:g} ms"
    )
    value = f"{judged['viewers']} at {judged['fps_min']} fps, p99 {judged['p99_text']} ms; held up to {most}"
    return Bar(promise, value, bool(judged["holds"]) and judged["viewers"] >= VIEWERS_BAR)


# rungs


def rungs(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    count, cores = 12 if args.quick else 100, Cores.here()
    watch = [{"quality": quality, "format": "jpeg"} for quality in (QUALITY, 70, 50)]
    rounds = []
    for number in range(args.rounds):
        note(f"round {number + 1} of {args.rounds}: {count} viewers of three qualities")
        with staged(SOCKET, "idle", cores.trainer, cores.server) as stage:
            with crowd(stage, cores.crowd, count, "--watch", json.dumps(watch)) as viewers:
                time.sleep(args.warmup)
                before = stage.status()
                row = measure(stage, viewers, args.seconds, 0.0, cores)
                after = stage.status()
        said = {key: after[key] - before[key] for key in ("frames_received", "frames_served", "encodes")}
        row["per_frame"] = said["encodes"] / max(1, said["frames_received"])
        row["without"] = 1 - said["encodes"] / max(1, said["frames_served"])
        rounds.append({**row, **said, "cache": after.get("cache")})
    row = {"part": "rungs", "contender": SOCKET.name, "viewers": count, "rounds": rounds}
    row |= {key: middle(rounds, key, digits=4) for key in ("per_frame", "without")}
    row |= {"rungs": len(rounds[-1]["seen"]["rungs"]), "fps": middle(rounds, "seen", "fps")}
    row["hit_rate"] = middle(rounds, "cache", "hitRate", digits=4)
    heads = {"contender": "viewers", "viewers": "N", "rungs": "kinds of pictures", "fps": "fps"}
    more = {"per_frame": "encodes a frame", "without": "sent without one", "hit_rate": "the cache says"}
    table("Encode once", [row], {**heads, **more})
    return [row], [
        Bar(
            f"three qualities: at most {ENCODES_BAR:g} encodes a frame",
            f"{row['per_frame']}, {row['rungs']} kinds of pictures came",
            row["per_frame"] <= ENCODES_BAR,
        ),
        Bar(
            f"three qualities: {100 * SENT_WITHOUT_BAR:g} % of the pictures are sent without an encode",
            f"{100 * row['without']:.2f} %",
            row["without"] >= SENT_WITHOUT_BAR,
        ),
    ]


# trouble


@contextlib.contextmanager
def bad_viewers(stage: Stage, core: int) -> Iterator[None]:
    """On each address one that stops reading, one that is stopped, and one that reads a trickle."""
    with contextlib.ExitStack() as stack:
        for path in (stage.where["path"], MJPEG.path):
            for behaviour in ("deaf", "trickle", "well"):
                tool = stack.enter_context(crowd(stage, core, 1, "--behave", behaviour, path=path))
                if behaviour == "well":
                    tool.process.send_signal(signal.SIGSTOP)
                    stack.callback(tool.process.send_signal, signal.SIGCONT)
        yield


def trouble(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    count, cores = 10 if args.quick else 100, Cores.here()
    rows, bars = [], []
    for contender in (SOCKET, MJPEG):
        pairs = []
        with staged(contender, "idle", cores.trainer, cores.server) as stage:
            with crowd(stage, cores.crowd, count, "--watch", json.dumps(WATCH)) as viewers:
                for number in range(args.rounds):
                    note(f"round {number + 1} of {args.rounds}: {contender.name}, trouble")
                    calm = measure(stage, viewers, args.seconds, args.warmup, cores)
                    with bad_viewers(stage, cores.crowd):
                        pairs.append((calm, measure(stage, viewers, args.seconds, args.warmup, cores)))
        ratio = Spread.of(bad["seen"]["age_ms"]["p99"] / calm["seen"]["age_ms"]["p99"] for calm, bad in pairs)
        for name, rounds in zip(("alone", "with six bad ones"), zip(*pairs, strict=True), strict=True):
            row = viewers_row(contender, count, list(rounds))
            rows.append({**row, "part": "trouble", "beside": name})
        rows[-1]["ratio"] = ratio.text("{:.2f}")
        promise = f"{contender.name}: p99 at most {TROUBLE_BAR:.2f} times as high beside six bad viewers"
        bars.append(Bar(promise, ratio.text("{:.2f}"), ratio.median <= TROUBLE_BAR))
    heads = {"contender": "viewers", "viewers": "N", "beside": "beside", "fps": "fps", "fps_min": "slowest"}
    ages = {
        "p50_text": "age p50, ms",
        "p99_text": "p99, ms",
        "ratio": "p99 of alone",
        "server_cpu": "server's CPU",
    }
    table("Bad viewers beside good ones", rows, {**heads, **ages, "others": "others"})
    return rows, bars


PARTS = {"viewers": viewers, "rungs": rungs, "trouble": trouble}


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=5.0)
    arguments.add_argument("--part", action="append", choices=list(PARTS), help="only this; may be repeated")
    arguments.add_argument(
        "--viewers", type=int, nargs="+", default=[30, 100, 300, 600, 1000, 1500], metavar="N"
    )
    arguments.add_argument("--warmup", type=float, default=1.5, help="seconds before each measured window")
    arguments.add_argument(
        "--rivals-python", default=sys.executable, metavar="PATH", help="a Python with the rivals' packages"
    )
    args = arguments.parse_args()
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("this needs Linux and two cores: the server must have one for itself")
    if args.quick:
        args.rounds, args.seconds, args.warmup, args.viewers = 1, 0.5, 0.3, [20]
    rows, bars = [], []
    for name in args.part or PARTS:
        more_rows, more_bars = PARTS[name](args)
        rows += more_rows
        bars += more_bars
    finish(args, "fanout", rows, bars)


if __name__ == "__main__":
    main()
