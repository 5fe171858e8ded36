"""A training run of one contender: steps an env at full speed and counts. Started by the benchmarks.

The conversation is JSON, one object a line. It says where its pictures are, as soon as it trains:
`{"port": …, "path": …, "stream": …}`; hears the window to count in, `{"from": …, "until": …}` (monotonic
seconds); says what it counted, and ends. It also ends when its standard input does, and after `--life` s.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import select
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

try:
    import gymnasium as gym
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    raise SystemExit(0) from None

STEPS_BETWEEN_LOOKS = 32  # The clock is looked at this rarely: what that costs is the same for everybody.
RENDER_FPS = 30.0

Publish = Callable[[], object]


def newest_version(env_id: str) -> str:
    """The id with the newest version that is registered: `HalfCheetah` → `HalfCheetah-v5`."""
    if env_id in gym.registry:
        return env_id
    found = [spec for spec in gym.registry.values() if spec.name == env_id and spec.namespace is None]
    if not found:
        raise SystemExit(f"no env is called {env_id}")
    return max(found, key=lambda spec: spec.version or 0).id


def make_env(env_id: str) -> Any:
    """The env; `busy` is the pure-Python one of this folder, and `KINDS` there names those of other kinds."""
    from envs import KINDS, BusyEnv

    if env_id == "busy":
        return BusyEnv()
    if env_id in KINDS:
        return KINDS[env_id]()
    return gym.make(newest_version(env_id), render_mode="rgb_array")


def count_renders(env: Any) -> list[int]:
    """Have the innermost env count its renders, without a layer that `step()` would pass through."""
    inner, count = env.unwrapped, [0]
    if not isinstance(inner, gym.Env):  # Of many envs one is asked in ways of its own.
        return count
    render = inner.render

    def counting() -> Any:
        count[0] += 1
        return render()

    inner.render = counting
    return count


def enter(args: argparse.Namespace, env: Any, folder: str) -> tuple[Any, Publish | None, dict[str, Any]]:
    """The contender: the env to train with, what the loop publishes at 30 Hz, and where it can be watched."""
    if args.contender == "bare":
        return env, None, {}
    if args.contender == "render":
        return env, env.render, {}
    if args.contender == "empty-render":
        return gym.Wrapper(env), env.render, {}
    if args.contender == "record-video":
        from rivals import record_video

        return record_video(env, folder), None, {}
    if args.contender == "envstream":
        from envstream import wrap

        wrapped = wrap(env, {"videoStreamPort": 0, **json.loads(args.settings)})
        wrapped.reset()
        url = wrapped.stream_url or ""
        with urllib.request.urlopen(f"{url}api/streams") as answer:
            name = json.load(answer)["streams"][0]["name"]
        return wrapped, None, {"port": int(url.split(":")[2].split("/")[0]), "path": "/ws", "stream": name}
    from rivals import RIVALS

    rival = RIVALS[args.contender]()
    return env, lambda: rival.put(env.render()), {"port": rival.port, "path": rival.path}


def action_chunks(env: Any, many: bool) -> Iterator[list[Any]]:
    """Random actions, drawn beforehand: the policy costs nothing, so that streaming shows the most."""
    env.action_space.seed(1)
    draw = getattr(env, "draw", env.action_space.sample)
    # Steps of many envs take longer: the clock is looked at more often.
    length = 2 if many else STEPS_BETWEEN_LOOKS
    actions = [draw() for _ in range(64 * length)]
    return itertools.cycle([actions[start : start + length] for start in range(0, len(actions), length)])


def hear() -> dict[str, Any] | None:
    """The window, if it was said by now. Ends this process when nobody is there any more."""
    if not select.select([0], [], [], 0)[0]:
        return None
    line = os.read(0, 4096)
    if not line:
        raise SystemExit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def train(env: Any, publish: Publish | None, renders: list[int]) -> dict[str, Any]:
    """Train until the window is over, and say what was done in it."""
    step, reset, due = env.step, env.reset, 0.0
    many = hasattr(env, "num_envs")  # Those begin anew by themselves.
    window: dict[str, Any] | None = None
    began: tuple[float, float, int] | None = None
    steps = 0
    for actions in action_chunks(env, many):
        for action in actions:
            result = step(action)
            if not many and (result[2] or result[3]):
                reset()
        now = time.monotonic()
        if publish is not None and now >= due:
            due = max(due + 1 / RENDER_FPS, now)
            publish()
        if began is not None:
            steps += len(actions)
            if now >= window["until"]:  # type: ignore[index]
                break
        elif window is None:
            window = hear()
        elif now >= window["from"]:
            began = (now, time.process_time(), renders[0])
    assert began is not None
    seconds, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    return {
        "steps": steps,
        "seconds": seconds,
        "steps_per_second": steps / seconds,
        "cpu": cpu / seconds,
        "renders": renders[0] - began[2],
        "renders_ever": renders[0],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", required=True)
    parser.add_argument("--env", default="CartPole-v1", help="an id, with or without version, or `busy`")
    parser.add_argument("--settings", default="{}", help="envstream's settings as JSON")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    return parser.parse_args()


def say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def main() -> None:
    args = arguments()
    signal.alarm(args.life)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not come into the conversation.
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        try:
            env = make_env(args.env)
            renders = count_renders(env)
            env, publish, where = enter(args, env, folder)
        except (ImportError, gym.error.Error) as error:
            say(out, {"missing": str(error)})
            return
        stack.callback(env.close)
        env.reset()
        say(out, {"pid": os.getpid(), **where})
        say(out, train(env, publish, renders))
        os.read(0, 1)  # Nobody is hung up on while the viewers still count: the end comes with this input.


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
