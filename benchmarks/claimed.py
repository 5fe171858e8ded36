"""Is what the page says that streaming costs the trainer what it does cost?

A training at full speed and the same without envstream take turns, the other one being stopped meanwhile;
what is missing of the bare speed is what streaming costs. Then the training runs alone for as long as the
page's figure looks back (ten seconds), and `/stats` is asked. Bar: the two differ by 2 points at most.

What no stopwatch in the trainer sees (caches, the interpreter's lock, a core that the server shares) is in
the first figure and not in the second.

    python benchmarks/claimed.py --json claimed.json
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import urllib.request
from typing import Any

from common import Bar, Row, Spread, finish, note, parser, table
from faults import Sufferer, of_bare, stream_of, watched

ENVS = ("CartPole-v1", "long")
WINDOW = 11.0  # Seconds that the page's figure is of, and one more.
BAR = 0.02


def claimed(port: int) -> dict[str, Any]:
    """What the server says that it costs the trainer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=10) as answer:
        (stream,) = json.load(answer)["streams"].values()
    said: dict[str, Any] = stream["trainer_cost"]
    return said


def compared(env: str, watching: bool, rounds: int, seconds: float, window: float, seed: int) -> Row:
    """What it costs, and what is said."""
    with contextlib.ExitStack() as stack:
        bare = Sufferer(stack, None, env)
        bare.hold()
        training = Sufferer(stack, {}, env)
        if watching:
            stack.enter_context(watched(training.port, stream_of(training.port)))
        time.sleep(1.0)
        training.hold()
        costs = [1 - ratio for ratio in of_bare(bare, training, rounds, seconds, random.Random(seed))]
        training.go_on()
        time.sleep(window)
        said = claimed(training.port)
    spread = Spread.of(costs)
    return {
        "env": env,
        "viewers": int(watching),
        "costs": round(spread.median, 4),
        "costs_text": spread.text("{:.1f} %", 100),
        "said": said["share"],
        "said_text": f"{100 * said['share']:.1f} %",
        "rounds": costs,
        "parts": said,
    }


def main() -> None:
    arguments = parser(__doc__, rounds=40, seconds=0.5)
    arguments.add_argument("--seed", type=int, default=1)
    args = arguments.parse_args()
    rounds, seconds, window = (2, 0.3, 2.0) if args.quick else (args.rounds, args.seconds, WINDOW)
    rows = []
    for env in ENVS:
        for watching in (False, True):
            note(f"{env}, {int(watching)} viewers")
            rows.append(compared(env, watching, rounds, seconds, window, args.seed))
    columns = {"env": "env", "viewers": "viewers", "costs_text": "costs", "said_text": "the page says"}
    table("What streaming costs the trainer", rows, columns)
    bars = []
    for row in rows:
        off = abs(row["costs"] - row["said"])
        promise = f"{row['env']}, {row['viewers']} viewers: the page is right within {BAR:.0%}"
        bars.append(Bar(promise, f"off by {off:.1%}", off <= BAR))
    finish(args, "claimed", rows, bars)


if __name__ == "__main__":
    main()
