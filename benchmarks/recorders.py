"""Training processes that record, each in one contender's way. Started by `recording.py`.

The conversation is JSON, one object a line: a role says when it is ready, hears that it may go, says what it
found, and waits for its standard input to end. It also ends with that input, and after `--life` seconds.
What is not installed is said as `{"missing": …}`.

Roles: `thousand` records one long episode and times each call; `tenth` records every 10th episode at full
speed, and says what each file is to hold.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from trainer import say

try:
    import gymnasium as gym
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    raise SystemExit(0) from None

ENV = "CartPole-v1"
EPISODE = "rl-video-episode-{}"  # Both name their files so.
EVERY = 10
WARMUP = 60  # Pictures of the first recording, after which imports and the drawing library are there.
BARE_CALLS = 300
WHOLE = ("envstream", "record-video")  # Who records whole episodes.
LONG_ENOUGH = 30.0  # Seconds that a first recording may take to be there.

Step = Callable[[Any], Any]
Role = Callable[[argparse.Namespace, TextIO], None]


class Endless(gym.Wrapper[Any, Any, Any, Any]):
    """An episode that goes on until `reset()`: where it would end, the env begins anew, and nobody hears."""

    def step(self, action: Any) -> Any:
        seen, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            seen, info = self.env.reset()
        return seen, reward, False, False, info


def drawn() -> Iterator[int]:
    """Random actions, drawn beforehand: the same in each process."""
    space = gym.spaces.Discrete(2, seed=1)
    return itertools.cycle([int(space.sample()) for _ in range(4096)])


def cartpole() -> Any:
    return gym.make(ENV, render_mode="rgb_array")


def recorder(kind: str, env: Any, folder: str, every: int = 1, length: int = 0) -> Any:
    """The env as a contender records it; `length` in pictures is for who records by steps."""
    if kind == "bare":
        return env
    if kind == "envstream":
        from envstream import StreamingWrapper

        which = "all" if every == 1 else f"every: {every}"
        settings = {"videoRecord": True, "videoRecordEpisodes": which, "videoRecordFolder": folder}
        return StreamingWrapper(env, videoStream=False, **settings)
    if kind == "record-video":
        from gymnasium.wrappers import RecordVideo

        return RecordVideo(env, folder, episode_trigger=lambda number: number % every == 0)
    from stable_baselines3.common.vec_env import DummyVecEnv, VecVideoRecorder

    period = every * length
    venv = env if hasattr(env, "num_envs") else DummyVecEnv([lambda: env])
    return VecVideoRecorder(venv, folder, lambda step: step % period == 0, video_length=length)


# thousand


def timed(call: Callable[[], object]) -> tuple[float, int]:
    """Milliseconds, and how often others had this thread's core meanwhile though it would have gone on."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    began = time.perf_counter()
    call()
    took = 1000 * (time.perf_counter() - began)
    return took, resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw - before


def bare_calls(env: Any, actions: Iterator[int]) -> list[tuple[float, int]]:
    """Milliseconds of a step and a render with nothing around them."""
    env.reset(seed=1)
    for _ in range(WARMUP):
        env.step(next(actions))
        env.render()

    def one() -> None:
        env.step(next(actions))
        env.render()

    return [timed(one) for _ in range(BARE_CALLS)]


def warm(env: Any, step: Step, actions: Iterator[int], folder: Path) -> None:
    """A first recording, until its file is there whole; then some rest."""
    env.reset()
    for _ in range(WARMUP):
        step(next(actions))
    env.reset()
    until = time.monotonic() + LONG_ENOUGH
    while not written(folder) and time.monotonic() < until:
        time.sleep(0.05)
        step(next(actions))
    gc.collect()
    time.sleep(0.5)


def written(folder: Path) -> bool:
    """Whether a recording is there and finished; with a JSON beside it, that says so."""
    said = [path.read_text() for path in folder.glob("*.json")]
    return any('"finished"' in text for text in said) or bool(not said and [*folder.glob("*.mp4")])


def thousand(args: argparse.Namespace, out: TextIO) -> None:
    """One recording of so many pictures, each call timed."""
    env, actions = Endless(cartpole()), drawn()
    bare = bare_calls(env, actions)
    say(out, {"pid": os.getpid()})
    await_word()
    folder, by_steps = Path(args.folder), args.kind == "vec-video-recorder"
    recording = recorder(args.kind, env, args.folder, length=WARMUP)

    def step(action: int) -> Any:
        return recording.step([action] if by_steps else action)

    warm(recording, step, actions, folder)
    if by_steps:  # It can only make recordings of one length.
        recording = recorder(args.kind, recording.venv, args.folder, length=args.pictures - 1)
    say(out, {"warm": True})
    await_word()
    calls = [timed(recording.reset)]
    calls += [timed(lambda: step(next(actions))) for _ in range(args.pictures - 1)]
    # Who records by steps has written its file by now.
    calls += [] if by_steps else [timed(recording.reset)]
    say(out, {"bare": bare, "calls": calls})
    await_end()
    recording.close()


# tenth


def tenth(args: argparse.Namespace, out: TextIO) -> None:
    """Every 10th episode at full speed, its end included: steps a second, and what each file is to hold."""
    by_steps = args.kind == "vec-video-recorder"
    env = recorder(args.kind, cartpole(), args.folder, EVERY, length=args.pictures)
    play = play_vector if by_steps else play_episodes
    env.reset() if by_steps else env.reset(seed=1)
    say(out, {"pid": os.getpid()})
    await_word()
    began = time.perf_counter()
    steps, lengths = play(env, began + args.seconds)
    env.close()
    seconds = time.perf_counter() - began
    expected = {EPISODE.format(number): lengths[number] + 1 for number in range(0, len(lengths), EVERY)}
    found = {"steps": steps, "seconds": seconds, "steps_per_second": steps / seconds}
    say(out, {**found, "episodes": len(lengths), "expected": expected if args.kind in WHOLE else {}})
    await_end()


def play_episodes(env: Any, until: float) -> tuple[int, list[int]]:
    """Steps in all, and of each episode; the first one has been begun."""
    actions, lengths = drawn(), []
    while True:
        steps, over = 0, False
        while not over:
            _, _, terminated, truncated, _ = env.step(next(actions))
            steps, over = steps + 1, terminated or truncated
        lengths.append(steps)
        if time.perf_counter() >= until:
            return sum(lengths), lengths
        env.reset()


def play_vector(env: Any, until: float) -> tuple[int, list[int]]:
    actions, lengths, steps, before = drawn(), list[int](), 0, 0
    while time.perf_counter() < until:
        steps += 1
        if env.step([next(actions)])[2][0]:
            lengths.append(steps - before)
            before = steps
    return steps, lengths


# the conversation


def await_word() -> None:
    """Until something is said; ends this process when nobody is there any more."""
    if not os.read(0, 4096):
        raise SystemExit(0)


def await_end() -> None:
    while os.read(0, 4096):
        pass


def converse(roles: Mapping[str, Role], parser: argparse.ArgumentParser) -> None:
    """Be what the first argument says."""
    parser.add_argument("role", choices=list(roles))
    parser.add_argument("--kind", default="envstream", help="the contender")
    parser.add_argument("--folder", default="", help="where its recordings go")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not come into the conversation.
    try:
        roles[args.role](args, out)
    except (ImportError, gym.error.Error) as error:
        say(out, {"missing": str(error)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000, help="of one recording by steps")
    converse({"thousand": thousand, "tenth": tenth}, parser)


if __name__ == "__main__":
    main()
