"""Steps an env for as long as it lives, and counts where others can read it. Started by `scale.py`.

`--counts` is a file of 64-bit numbers, `--place` which of them is this process's. It says its process id and
that of the server it has, if it has one, as soon as it trains, and ends with its input or after `--life` s.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import signal
import tempfile

import slideshow  # Has envs of its own.
import trainer
from fanout import server_of


def main() -> None:
    assert slideshow.FULL_SPEED
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", required=True)
    parser.add_argument("--env", required=True)
    parser.add_argument("--settings", default="{}", help="envstream's settings as JSON")
    parser.add_argument("--counts", required=True)
    parser.add_argument("--place", type=int, required=True)
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not come into the conversation.
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        env = trainer.make_env(args.env)
        renders = trainer.count_renders(env)
        env, _, where = trainer.enter(args, env, folder)
        stack.callback(env.close)
        env.reset()
        with open(args.counts, "r+b") as file:  # noqa: PTH123 - it is mapped
            # Not with struct, which fills with zeros before it packs: others would read those at times.
            counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        place = 2 * args.place
        trainer.say(out, {"pid": os.getpid(), "server": server_of(os.getpid()), **where})
        steps, step, reset = 0, env.step, env.reset
        for actions in trainer.action_chunks(env, many=False):
            for action in actions:
                result = step(action)
                if result[2] or result[3]:
                    reset()
            steps += len(actions)
            counts[place], counts[place + 1] = steps, renders[0]
            if steps % 4096 == 0:
                trainer.hear()


if __name__ == "__main__":
    main()
