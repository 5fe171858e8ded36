"""A training that `faults.py` does things to: at full speed, counting in memory that others can read.

Says `{"pid": …, "port": …}` when it trains, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Any

import slideshow  # Has envs of its own.
from trainer import STEPS_BETWEEN_LOOKS, action_chunks, hear, make_env, say

COUNTS = 16  # Bytes: steps, and seconds of the longest of them so far.
LOOKS_EVERY = 0.05  # Seconds between two looks whether anybody is there any more.


class Counts:
    """What a training counted, as it or another process sees it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            # Not with struct, which fills with zeros before it packs: others would read those at times.
            self._counts = memoryview(mmap.mmap(file.fileno(), COUNTS)).cast("d")

    def put(self, steps: int, slowest: float) -> None:
        self._counts[0], self._counts[1] = steps, slowest

    @property
    def steps(self) -> int:
        return int(self._counts[0])

    @property
    def slowest(self) -> float:
        """Seconds of the longest run of steps between two looks at the clock."""
        return self._counts[1]


def train(env: Any, counts: Counts) -> None:
    """Train until nobody is there any more."""
    steps, slowest, before, look_at = 0, 0.0, time.monotonic(), 0.0
    for actions in action_chunks(env, False):
        for action in actions:
            result = env.step(action)
            if result[2] or result[3]:
                env.reset()
        now = time.monotonic()
        steps, slowest, before = steps + len(actions), max(slowest, now - before), now
        counts.put(steps, slowest)
        if now > look_at:
            look_at = now + LOOKS_EVERY
            hear()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--env", default="long")
    arguments.add_argument("--settings", help="envstream's settings as JSON; without, the env is bare")
    arguments.add_argument("--counts", type=Path, required=True, help="the file that is counted in")
    args = arguments.parse_args()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not come into the conversation.
    env = make_env(args.env)
    where: dict[str, Any] = {}
    if args.settings is not None:
        from envstream import wrap

        env = wrap(env, {"videoStreamPort": 0, **json.loads(args.settings)})
    env.reset()
    if args.settings is not None:
        where["port"] = int(env.stream_url.split(":")[2].split("/")[0])
    say(out, {"pid": os.getpid(), **where})
    train(env, Counts(args.counts))


if __name__ == "__main__":
    assert slideshow.FULL_SPEED and STEPS_BETWEEN_LOOKS
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
