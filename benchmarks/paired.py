"""What streaming costs a training loop, to fractions of a per cent: short turns in one process.

Two training processes differ by several per cent on a small machine, also when they do the same
(`overhead.py`). Here one process steps one env in turns, in random order within each round: bare, bare with
`render()` at 30 Hz whose picture is thrown away, the same through an empty `gymnasium.Wrapper`, and through
envstream's wrapper. Viewers sit in a process of their own and get pictures while it is envstream's turn. A
ratio is taken within a round; what is reported is the median of the rounds, the quarter of them below and
above, and in brackets how far the median itself may be off (95 %, by drawing rounds anew).

Bars: CartPole with 1 and 16 viewers at least 97 % of the loop that renders at 30 Hz; other kinds of envs at
least 99 % of the bare loop with nobody watching and 95 % with one viewer; with hundreds, 97 %. Those live in
one light process (`crowd.py`), on another core together with the server: `slides` has steps of 3.6 µs, pure
Python with nothing in it, and `long` of 30 µs, about LunarLander's; 640×480 pictures cost nothing to render.

    python benchmarks/paired.py --json paired.json
    python benchmarks/paired.py --env async8 --viewers 0 1
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import time
import urllib.request
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import slideshow  # Has envs of its own.
from common import Bar, Row, Tool, finish, note, off_by, parser, table
from fanout import move, server_of, started_on
from trainer import RENDER_FPS, action_chunks, make_env

ENVS = ("CartPole-v1", "async8", "subproc8", "pyboy", "tensors", *slideshow.FULL_SPEED)
BARS = {"CartPole-v1": {1: 0.97, 16: 0.97}}
CROWD_BARS = {name: {300: 0.97} for name in slideshow.FULL_SPEED}
MANY = 100  # Viewers from which on they and the server have a core that the trainer keeps off.
OTHER_BARS = {0: 0.99, 1: 0.95}
SETTLING = 0.15  # Share of a turn that is not counted: caches and the other processes follow suit.


def turn(env: Any, publish: Callable[[], object] | None, chunks: Any, seconds: float) -> float:
    """Steps a second of one loop, by the clock."""
    step, reset, many = env.step, env.reset, hasattr(env, "num_envs")
    begun = time.monotonic()
    counted_from, end = begun + SETTLING * seconds, begun + seconds
    steps, start, due = 0, 0.0, 0.0
    for actions in chunks:
        for action in actions:
            result = step(action)
            if not many and (result[2] or result[3]):
                reset()
        now = time.monotonic()
        if publish is not None and now >= due:
            due = max(due + 1 / RENDER_FPS, now)
            publish()
        if start:
            steps += len(actions)
            if now >= end:
                return steps / (now - start)
        elif now >= counted_from:
            start = now
    raise AssertionError("the actions never end")


def watch(stack: contextlib.ExitStack, url: str, viewers: int) -> None:
    """So many viewers of the first stream, in a process of their own."""
    if not viewers:
        return
    tool, core = "viewers.py", None
    if viewers >= MANY:
        tool, core = "crowd.py", max(os.sched_getaffinity(0))
        move(server_of(os.getpid()), core)
    with urllib.request.urlopen(f"{url}api/streams") as answer:
        name = json.load(answer)["streams"][0]["name"]
    port = url.split(":")[2].split("/")[0]
    args = ("--port", port, "--path", "/ws", "--stream", name, "--count", str(viewers), "--first", "0")
    with started_on(core) if core is not None else contextlib.nullcontext():
        stack.enter_context(Tool(tool, *args, "--life", "3600"))
    if core is not None:
        free = os.sched_getaffinity(0)
        stack.callback(os.sched_setaffinity, 0, free)
        os.sched_setaffinity(0, free - {core} or free)


def measure(name: str, viewers: int, rounds: int, seconds: float) -> list[Row]:
    """All loops over one env, in turns."""
    import gymnasium as gym

    from envstream import wrap

    with contextlib.ExitStack() as stack:
        env = make_env(name)
        streaming = wrap(env, videoStreamPort=0, videoStreamMaxViewers=1000)
        stack.callback(streaming.close)
        streaming.reset()
        watch(stack, streaming.stream_url, viewers)
        loops: dict[str, tuple[Any, Callable[[], object] | None]] = {"bare": (env, None)}
        if name not in OTHER:
            loops["render at 30 Hz"] = (env, env.render)
            loops["empty wrapper, render at 30 Hz"] = (gym.Wrapper(env), env.render)
        loops["envstream"] = (streaming, None)
        chunks = action_chunks(env, hasattr(env, "num_envs"))
        turn(streaming, None, chunks, 2.0)
        found: dict[str, list[float]] = {loop: [] for loop in loops}
        order = list(loops)
        for _ in range(rounds):
            random.shuffle(order)
            for loop in order:
                found[loop].append(turn(*loops[loop], chunks, seconds))
    base = "bare" if name in OTHER else "render at 30 Hz"
    rows: list[Row] = []
    for loop, rates in found.items():
        shares = [rate / other for rate, other in zip(rates, found[base], strict=True)]
        low, _, high = quantiles(shares, n=4)
        sure = off_by(shares)
        rows.append(
            {
                "env": name,
                "viewers": viewers,
                "loop": loop,
                "steps_per_second": round(median(rates)),
                "share": median(shares),
                "quarters": (low, high),
                "sure": sure,
                "text": f"{100 * median(shares):.1f} ({100 * sure[0]:.1f}–{100 * sure[1]:.1f})",
                "quarters_text": f"{100 * low:.1f}–{100 * high:.1f}",
            }
        )
    return rows


OTHER = tuple(name for name in ENVS if name not in BARS)


def main() -> None:
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    arguments: argparse.ArgumentParser = parser(__doc__, rounds=60, seconds=0.33)
    arguments.add_argument("--env", action="append", choices=ENVS, help="only this; may be repeated")
    arguments.add_argument("--viewers", type=int, nargs="+", metavar="N")
    args = arguments.parse_args()
    rows: list[Row] = []
    bars = []
    for name in args.env or ENVS:
        seconds = args.seconds if name in BARS else 3 * args.seconds
        marks = BARS.get(name) or CROWD_BARS.get(name, OTHER_BARS)
        for viewers in args.viewers or marks:
            note(f"{name}, {viewers} viewers")
            found = measure(name, viewers, 3 if args.quick else args.rounds, 0.1 if args.quick else seconds)
            rows += found
            ours, mark = found[-1], marks.get(viewers)
            if mark is not None:
                promise = f"{name}, {viewers} viewers: at least {100 * mark:g} %"
                bars.append(Bar(promise, f"{ours['text']} %", ours["share"] >= mark))
    heads = {"env": "env", "viewers": "viewers", "loop": "loop", "steps_per_second": "steps/s"}
    table("Turns in one process", rows, {**heads, "text": "% (95 % sure)", "quarters_text": "quarters"})
    finish(args, "paired", rows, bars)


if __name__ == "__main__":
    main()
