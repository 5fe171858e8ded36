"""Workers that train and are shown, one or many in one process. Started by `scale.py` and `outages.py`.

Many in one process have a server each all the same, in threads, with ports that differ: to a Redis they are
as many workers as on as many machines. Their envs sleep most of the time, so that sixty fit on one core;
pictures are 640×480 and 20 KB each as JPEG, and cost nothing to render.

Says `{"pid": …, "titles": […], "urls": […]}` once all step (`urls`: of those that have a page of their own).
To each line that it hears on its standard input it answers what was done since the one before: steps,
renders, the longest time between two rounds of steps. Ends with its input, and after `--life` seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from typing import Any, TextIO

import envs
from slideshow import NOISE
from trainer import hear, say

PAUSE = 0.004  # Seconds between two rounds of steps.
EPISODE = 1000  # Steps.


class Shown(envs.TrivialEnv):
    """Steps cost nothing; what is rendered was drawn before."""

    def __init__(self, drawn: list[envs.Pixels]) -> None:
        super().__init__()
        self._drawn = drawn
        self._steps = 0

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        return 0, 1.0, self._steps % EPISODE == 0, False, {}

    def render(self) -> Any:
        self.renders += 1
        return self._drawn[self.renders % len(self._drawn)]


class Crew:
    """The workers of this process, and the loop that steps them.

    Args:
        count: how many.
        first: the number of the first; it gives the name.
        settings: of each; a `videoStreamPort` above 0 is that of the first, the others have the next ones.
    """

    def __init__(self, count: int, first: int, settings: dict[str, Any]) -> None:
        from envstream import wrap

        self.titles = [f"worker {first + index}" for index in range(count)]
        port = settings.get("videoStreamPort", 0)
        many = {"videoStreamWorker": "thread"} if count > 1 else {}
        drawn = envs.pictures(noise=NOISE)
        self._bare = [Shown(drawn) for _ in self.titles]
        self.envs = []
        for index, (title, env) in enumerate(zip(self.titles, self._bare, strict=True)):
            own = {"videoStreamPort": port + index if port else 0, "videoStreamName": title}
            self.envs.append(wrap(env, {**many, **settings, **own}))
        for env in self.envs:
            env.reset()

    def run(self, out: TextIO) -> None:
        """Step until nobody listens any more."""
        steps, longest, renders, before = 0, 0.0, 0, time.monotonic()
        while True:
            for env in self.envs:
                if env.step(0)[2]:
                    env.reset()
            now = time.monotonic()
            steps += len(self.envs)
            longest = max(longest, now - before)
            before = now
            if hear() is not None:
                new = self.renders() - renders
                say(out, {"steps": steps, "renders": new, "longest_ms": round(1000 * longest, 1)})
                steps, longest, renders = 0, 0.0, renders + new
            time.sleep(PAUSE)

    def renders(self) -> int:
        return sum(env.renders for env in self._bare)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not come into the conversation.
    crew = Crew(args.count, args.first, args.settings)
    urls = [] if "videoStreamHub" in args.settings else [env.stream_url for env in crew.envs]
    say(out, {"pid": os.getpid(), "titles": crew.titles, "urls": urls})
    crew.run(out)


if __name__ == "__main__":
    main()
