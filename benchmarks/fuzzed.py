"""A training run for `fuzz.py`: steps an env in no hurry, and ends with its standard input.

It says where it is on a line of JSON: `{"port": …, "stream": …}`.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time

import gymnasium as gym

from envstream import StreamingWrapper

PAUSE = 0.004  # Seconds between steps: the cores are for the server and for whoever asks it.


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--settings", type=json.loads, default={})
    env = StreamingWrapper(
        gym.make("CartPole-v1", render_mode="rgb_array"),
        {"videoStreamPort": 0, **reader.parse_args().settings},
    )
    env.reset(seed=1)
    env.action_space.seed(1)
    url = env.stream_url or ""
    print(json.dumps({"port": int(url.split(":")[2].split("/")[0]), "stream": "CartPole-v1"}), flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
        time.sleep(PAUSE)
    env.close()


if __name__ == "__main__":
    main()
