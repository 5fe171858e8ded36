"""The training of `soak.py`: CartPole at the pace of something that learns, streaming and recording.

The conversation is JSON, one object a line. It says where its pictures are: `{"pid": …, "port": …,
"stream": …}`; answers every line with what it did so far, `{"steps": …, "episodes": …, "at": …}`; and ends
with its standard input, properly closed, with `{"closed": true}` as its last word.

    python benchmarks/paced.py --folder FOLDER --pause 0.0008
"""

from __future__ import annotations

import argparse
import json
import os
import select
import time
import urllib.request
from typing import Any

import gymnasium as gym

from envstream import StreamingWrapper

STEPS_BETWEEN_LOOKS = 50

# Everything that is kept for a while is small here, so that it is full long before the warm-up is over.
SETTINGS: dict[str, Any] = {
    "videoStream": True,
    "videoStreamPort": 0,
    "videoStreamReplay": 10,
    "videoStreamKeepEpisodes": 10,
    "videoStreamKeepMemory": 8,
    "videoStreamCacheMemory": 8,
    "videoStreamSessionTimeout": 20,
    "videoRecord": True,
    "videoRecordEpisodes": "every: 500",
    "videoRecordKeep": 5,
}


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def asked() -> bool | None:
    """Whether somebody wants to know; None once nobody is there any more."""
    if not select.select([0], [], [], 0)[0]:
        return False
    return True if os.read(0, 4096) else None


def train(env: Any, pause: float) -> None:
    """Step until the input ends."""
    steps = episodes = 0
    while True:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        time.sleep(pause)
        steps += 1
        if terminated or truncated:
            env.reset()
            episodes += 1
        if steps % STEPS_BETWEEN_LOOKS == 0:
            wanted = asked()
            if wanted is None:
                return
            if wanted:
                say(steps=steps, episodes=episodes, at=time.monotonic())


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--folder", required=True, help="where recordings and sessions go")
    parser.add_argument("--pause", type=float, default=0.0008, help="seconds between two steps")
    args = parser.parse_args()
    folders = {"videoRecordFolder": f"{args.folder}/videos", "videoStreamFolder": f"{args.folder}/sessions"}
    env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), {**SETTINGS, **folders})
    env.reset(seed=1)
    env.action_space.seed(1)
    url = env.stream_url or ""
    with urllib.request.urlopen(f"{url}api/streams") as answer:
        name = json.load(answer)["streams"][0]["name"]
    say(pid=os.getpid(), port=int(url.split(":")[2].split("/")[0]), stream=name)
    train(env, args.pause)
    env.close()
    say(closed=True)


if __name__ == "__main__":
    main()
