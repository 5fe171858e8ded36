"""What streaming takes from training, beside what people use today.

Four parts (`--part` picks some):
  idle     `step()` with nobody watching, against an empty `gymnasium.Wrapper` around the same trivial env.
           Bar: at most 150 ns a step, and `render()` never called.
  viewers  CartPole-v1, random actions, full speed, with 0, 1 and 16 viewers. Steps/s as a share of (i) a bare
           loop and (ii) a bare loop that renders at 30 Hz and throws the picture away. Bar: the process
           worker keeps at least 97 % of (ii). Beside it: loop (ii) around a `gymnasium.Wrapper` that does
           nothing, which is the most that any wrapper can keep; the thread worker, a Flask thread as in the
           usual blog post, PyPI's mjpeg-streamer, vidgear's WebGear, and Gymnasium's RecordVideo (speed
           only).
           CartPole lets other threads in at every reset (numpy's generator gives up the interpreter), which
           spares servers in threads much waiting; `--env busy` is a pure-Python env that does not.
           Beside the share of the speed, the share per second of the trainer's own CPU: what is left of a
           miss when others are busy on the machine.
  costly   HalfCheetah with a software renderer (MUJOCO_GL=egl), one viewer, and the share of time that
           capturing may take (`videoStreamMaxOverhead`) at 0.05 and at 0.5. Bar: at 0.05 at least 94 % of
           the bare speed is left.
  kinds    Vector envs in processes, PyBoy and a batch of tensors, with 0 and 1 viewer, at the bare loop's
           side. Bar: 99 % and 95 % of the bare speed; `--kind` picks some.

Each turn is a fresh training process; all viewers live in one small process whose CPU is printed. The
rivals want `pip install -e ".[bench]"`; in a Python of their own give `--rivals-python`: they are then
measured against bare loops under that same Python. What is not installed is skipped.

    python benchmarks/overhead.py --json overhead.json --rivals-python /path/to/rivals/bin/python
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from common import (
    Bar,
    Contender,
    Missing,
    Row,
    Slice,
    Spread,
    figure,
    finish,
    middle,
    note,
    parser,
    spread,
    table,
    turns,
)

IDLE_BAR_NS = 150.0
VIEWERS_BAR = 0.97
COSTLY_BAR = 0.94
KINDS_BARS = {0: 0.99, 1: 0.95}  # Viewers → share of the bare speed.
PACKAGES = {
    "mjpeg-streamer": "mjpeg-streamer",
    "webgear": "'vidgear[asyncio]'",
    "record-video": "moviepy",
}

BARE = Contender("bare", "bare")
RENDER = Contender("bare, render at 30 Hz", "render")
EMPTY = Contender("empty wrapper, render at 30 Hz", "empty-render")
PROCESS = Contender("envstream process", "envstream")
THREAD = Contender("envstream thread", "envstream", {"videoStreamWorker": "thread"})
FLASK = Contender("Flask MJPEG thread", "flask")

Rounds = dict[tuple[str, int], list[Row]]


# idle


def step_ns(step: Callable[[int], Any], steps: int, parts: int = 10) -> float:
    """Nanoseconds that one call of `step` takes, loop included: the best of some parts, as timeit has it."""
    best = float("inf")
    for _ in range(parts):
        began = time.perf_counter_ns()
        for _ in itertools.repeat(None, steps // parts):
            step(0)
        best = min(best, (time.perf_counter_ns() - began) / (steps // parts))
    return best


def idle_row(worker: str, rounds: int, steps: int) -> Row:
    """The wrapper with its server up and nobody there, against an empty wrapper; both take turns."""
    import gymnasium as gym

    from envs import TrivialEnv
    from envstream import StreamingWrapper

    empty, inner = gym.Wrapper(TrivialEnv()), TrivialEnv()
    streaming = StreamingWrapper(inner, videoStreamPort=0, videoStreamWorker=worker)
    empty.reset()
    streaming.reset()
    assert streaming.stream_url is not None
    pairs = []
    for turn in range(rounds + 1):
        if turn % 2:
            a = step_ns(empty.step, steps)
            b = step_ns(streaming.step, steps)
        else:
            b = step_ns(streaming.step, steps)
            a = step_ns(empty.step, steps)
        pairs.append((a, b))
    streaming.close()
    extra = Spread.of(b - a for a, b in pairs[1:])  # The first pair warms up.
    return {
        "part": "idle",
        "contender": f"envstream {worker}",
        "empty_ns": round(Spread.of(a for a, _ in pairs[1:]).median, 1),
        "extra_ns": extra,
        "extra": extra.text(),
        "renders": inner.renders,
    }


def idle(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rounds, steps = (4, 20_000) if args.quick else (40, 100_000)
    rows = [idle_row(worker, rounds, steps) for worker in ("process", "thread")]
    heads = {"contender": "nobody watches", "empty_ns": "empty wrapper, ns", "extra": "streaming adds, ns"}
    table("One step()", rows, {**heads, "renders": "renders"})
    bars = [
        Bar(
            f"{row['contender']}: step() costs at most {IDLE_BAR_NS:g} ns more than an empty wrapper",
            f"{row['extra']} ns",
            row["extra_ns"].median <= IDLE_BAR_NS,
        )
        for row in rows
    ]
    renders = sum(row["renders"] for row in rows)
    return rows, [*bars, Bar("nobody watching: no render()", f"{renders} renders", renders == 0)]


# viewers


def field(args: argparse.Namespace) -> list[Contender]:
    """Everybody who takes part, baselines first; the rivals under a Python of their own have their own."""
    ours = [BARE, RENDER, EMPTY, PROCESS, THREAD, FLASK]
    if args.quick:
        return ours
    python = args.rivals_python
    if python != sys.executable:
        ours += [Contender(f"{c.name} (rivals' Python)", c.kind, python=python) for c in (BARE, RENDER)]
    kinds = {"mjpeg-streamer": "mjpeg-streamer", "vidgear WebGear": "webgear", "RecordVideo": "record-video"}
    return ours + [Contender(name, kind, python=python) for name, kind in kinds.items()]


def baseline(contender: Contender, like: Contender) -> str:
    """The name of the baseline of one kind that runs under the contender's Python."""
    return like.name if contender.python == sys.executable else f"{like.name} (rivals' Python)"


def watched(contender: Contender) -> bool:
    """Whether viewers can come: the baselines and the recorder serve nobody."""
    return contender.kind not in ("bare", "render", "empty-render", "record-video")


def block(contenders: Sequence[Contender], viewers: int, turn: Slice, missing: set[str]) -> dict[str, Row]:
    """Everybody once, before so many viewers."""
    rows: dict[str, Row] = {}
    for contender in contenders:
        if contender.name in missing or (contender.kind == "record-video" and viewers):
            continue
        count = viewers if watched(contender) else 0
        note(f"  {contender.name}, {count} viewers")
        try:
            row = replace(turn, viewers=count).measure(contender)
        except Missing as error:
            missing.add(contender.name)
            package = PACKAGES.get(contender.kind, "gymnasium")
            print(
                f"skipped: {contender.name} ({error}); {contender.python} -m pip install {package} "
                f"'gymnasium[classic-control]', or all at once: pip install -e '.[bench]'"
            )
            continue
        rows[contender.name] = row
    return rows


def against(contenders: Sequence[Contender], rows: dict[str, Row]) -> None:
    """Add each row's share of its baselines' speed in the same block."""
    for contender in contenders:
        row = rows.get(contender.name)
        for key, like in (("of_bare", BARE), ("of_render", RENDER)):
            base = rows.get(baseline(contender, like))
            if row is not None and base is not None:
                row[key] = row["steps_per_second"] / base["steps_per_second"]
                row[f"{key}_cpu"] = row[key] * base["cpu"] / row["cpu"]


def collect(contenders: Sequence[Contender], counts: Sequence[int], rounds: int, turn: Slice) -> Rounds:
    """All rounds: (contender, viewers) → its rows, one a round."""
    found: Rounds = defaultdict(list)
    missing: set[str] = set()
    for number, order in turns(contenders, rounds):
        for viewers in counts:
            note(f"round {number + 1} of {rounds}")
            rows = block(order, viewers, turn, missing)
            against(contenders, rows)
            for name, row in rows.items():
                found[name, viewers].append(row)
    return found


def summed(part: str, found: Rounds, contenders: Sequence[Contender], counts: Sequence[int]) -> list[Row]:
    """One row for each contender and number of viewers: medians, and the spread of the shares."""
    rows = []
    for viewers, contender in itertools.product(counts, contenders):
        turns_of = found.get((contender.name, viewers))
        if not turns_of:
            continue
        bare, render = spread(turns_of, "of_bare"), spread(turns_of, "of_render")
        per_cpu = spread(turns_of, "of_render_cpu")
        rows.append(
            {
                "part": part,
                "contender": contender.name,
                "viewers": viewers,
                "steps_per_second": middle(turns_of, "steps_per_second", digits=0),
                "of_bare": bare,
                "of_render": render,
                "of_bare_text": bare and bare.text(factor=100),
                "of_render_text": render and render.text(factor=100),
                "of_render_cpu_text": per_cpu and per_cpu.text(factor=100),
                "of_render_cpu": per_cpu,
                "fps": middle(turns_of, "viewers", "fps"),
                "fps_min": middle(turns_of, "viewers", "fps_min"),
                "age_p50_ms": middle(turns_of, "viewers", "age_ms", "p50"),
                "age_p99_ms": middle(turns_of, "viewers", "age_ms", "p99"),
                "hangups": sum(len(figure(row, "viewers", "hangups") or ()) for row in turns_of),
                "viewers_cpu": middle(turns_of, "viewers", "cpu", digits=3),
                "renders": [row["renders_ever"] for row in turns_of],
                "limit": [((row["viewers"] or {}).get("status") or {}).get("limit") for row in turns_of],
                "rounds": turns_of,
            }
        )
    return rows


COLUMNS = {
    "contender": "contender",
    "viewers": "viewers",
    "steps_per_second": "steps/s",
    "of_bare_text": "% of bare",
    "of_render_text": "% of render at 30 Hz",
    "of_render_cpu_text": "same per CPU s",
    "fps": "fps",
    "fps_min": "slowest",
    "age_p50_ms": "age p50, ms",
    "age_p99_ms": "p99, ms",
    "viewers_cpu": "viewers' CPU",
    "hangups": "hung up on",
}


def viewers(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    contenders = field(args)
    counts = [0, 1] if args.quick else args.viewers
    rounds = 1 if args.quick else args.rounds
    turn = Slice(args.env, 0.4, 0.1) if args.quick else Slice(args.env, args.seconds)
    rows = summed("viewers", collect(contenders, counts, rounds, turn), contenders, counts)
    table(f"{args.env} at full speed", rows, COLUMNS)
    bars = []
    for row in rows:
        if row["contender"] == PROCESS.name:
            share = row["of_render"]
            text = f"{share.text(factor=100)} %"
            promise = f"{row['viewers']} viewers: at least 97 % of a loop that renders at 30 Hz"
            bars.append(Bar(promise, text, share.median >= VIEWERS_BAR))
            if row["viewers"] == 0:
                bars.append(Bar("0 viewers: no render()", str(row["renders"]), not any(row["renders"])))
    return rows, bars


# costly


def costly(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    settings = [{"videoStreamMaxOverhead": share} for share in (0.05, 0.5)]
    budgets = [
        Contender(f"envstream, budget {s['videoStreamMaxOverhead']}", "envstream", s) for s in settings
    ]
    contenders = [BARE, *budgets]
    turn = Slice("HalfCheetah", 12.0, viewers=1, status=True)
    if args.quick:
        turn = Slice("HalfCheetah", 1.2, 0.1, viewers=1, status=True, first=1)
    try:
        found = collect(contenders, [1], 1 if args.quick else args.rounds, turn)
    except RuntimeError as error:
        print(f"skipped: HalfCheetah ({error}); it wants gymnasium[mujoco] and a renderer (MUJOCO_GL=egl)")
        return [], []
    rows = summed("costly", found, contenders, [1])
    for row in rows:
        limits = [limit for limit in row["limit"] if limit]
        row["limit_text"] = f"{limits[-1]['fps']} fps, {limits[-1]['renderMs']} ms" if limits else None
    columns = {key: COLUMNS[key] for key in ("contender", "steps_per_second", "of_bare_text", "fps")}
    table("HalfCheetah, software rendering, one viewer", rows, {**columns, "limit_text": "/ws says: limit"})
    promise = "budget 0.05: at least 94 % of the bare speed"
    return rows, [
        Bar(promise, f"{row['of_bare'].text(factor=100)} %", row["of_bare"].median >= COSTLY_BAR)
        for row in rows
        if row["contender"] == contenders[1].name and row["of_bare"]
    ]


# kinds


def kinds(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    names = {
        "async8": "AsyncVectorEnv(8)",
        "subproc8": "SubprocVecEnv(8)",
        "pyboy": "PyBoy, frame skip 24",
        "tensors": "tensors, 64 x (240, 320, 3)",
    }
    rows, bars = [], []
    for kind in args.kind or names:
        # Observing RAM, the emulator draws only what is looked at.
        contenders = [BARE, PROCESS]
        turn = Slice(kind, 0.5, 0.2) if args.quick else Slice(kind, args.seconds)
        try:
            found = collect(contenders, [0, 1], 1 if args.quick else args.rounds, turn)
        except (Missing, RuntimeError) as error:
            print(f"skipped: {names[kind]} ({error})")
            continue
        for row in summed("kinds", found, contenders, [0, 1]):
            row["kind"] = names[kind]
            rows.append(row)
            if row["contender"] == PROCESS.name:
                bar = KINDS_BARS[row["viewers"]]
                promise = f"{names[kind]}, {row['viewers']} viewers: at least {100 * bar:g} % of bare"
                share = row["of_bare"]
                bars.append(Bar(promise, f"{share.text(factor=100)} %", share.median >= bar))
    columns = {
        key: COLUMNS[key] for key in ("contender", "viewers", "steps_per_second", "of_bare_text", "fps")
    }
    table("Other kinds of envs", rows, {"kind": "env", **columns, "age_p50_ms": "age p50, ms"})
    return rows, bars


PARTS = {"idle": idle, "viewers": viewers, "costly": costly, "kinds": kinds}


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=3.0)
    arguments.add_argument("--part", action="append", choices=list(PARTS), help="only this; may be repeated")
    arguments.add_argument("--env", default="CartPole-v1", help="what `viewers` trains; an id, or `busy`")
    arguments.add_argument("--kind", action="append", choices=["async8", "subproc8", "pyboy", "tensors"])
    arguments.add_argument("--viewers", type=int, nargs="+", default=[0, 1, 16], metavar="N")
    arguments.add_argument(
        "--rivals-python", default=sys.executable, metavar="PATH", help="a Python with the rivals' packages"
    )
    args = arguments.parse_args()
    rows, bars = [], []
    for name in args.part or PARTS:
        more_rows, more_bars = PARTS[name](args)
        rows += more_rows
        bars += more_bars
    finish(args, "overhead", rows, bars)


if __name__ == "__main__":
    main()
