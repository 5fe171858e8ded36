"""The part `episodes` of `recording.py`: whole episodes of a training at full speed, seen at natural speed.

Run as a script it is one of the two processes of it: `train` trains within a window of time, bare or before
a page; `viewer` watches the episodes of a stream, acknowledges each picture as a page does, and says when
which one came.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from common import Bar, Missing, Row, Spread, Tool, middle, note, spread, table
from recorders import await_end, cartpole, converse, drawn
from trainer import hear, say

RENDER_FPS = 50.0  # CartPole's: steps a second at natural speed.
UNJUDGED = 60.0  # Seconds from the first picture in which it may still find its pace.
GAP_BAR, SPEED_BAR, RATE_BAR = 1.0, 0.95, 0.02
WARMUP = 3.0
SLICE = 30.0  # Three long episodes.
TURNS = 0.5, 2.0  # Seconds that the bare and the watched loop run at a time.


class Seen(NamedTuple):
    """One picture as it came to the viewer."""

    at: float
    clip: str
    index: int
    step: int
    frames: int  # Of its clip, as far as known then.


# The processes.


def policy_of(name: str) -> Callable[[Any], int]:
    """`balance` keeps the pole up until the time limit; `random` does not."""
    if name == "balance":
        return lambda seen: int(seen[2] + 0.5 * seen[3] > 0)
    actions = drawn()
    return lambda seen: next(actions)


def train(args: argparse.Namespace, out: TextIO) -> None:
    """Train before a page within the window that is said, and in turns with it bare."""
    from envstream import wrap

    bare, env = cartpole(), wrap(cartpole(), {"videoStreamPort": 0})
    env.reset()
    url = env.stream_url or ""
    with urllib.request.urlopen(f"{url}api/streams") as answer:
        say(out, {"url": url, "stream": json.load(answer)["streams"][0]["name"]})
    say(out, in_turns(bare, env, args.policy))
    await_end()
    env.close()


class Loop:
    """A training loop that is run for a while, then rests, then goes on where it was."""

    def __init__(self, env: Any, policy: str) -> None:
        self._env, self._policy = env, policy_of(policy)
        self._seen, _ = env.reset(seed=1)
        self.steps, self.seconds = 0, 0.0

    def run(self, seconds: float) -> None:
        env, policy, seen = self._env, self._policy, self._seen
        began = time.monotonic()
        until, now, steps = began + seconds, began, 0
        while now < until:
            for _ in range(32):
                seen, _, terminated, truncated, _ = env.step(policy(seen))
                if terminated or truncated:
                    seen, _ = env.reset()
            steps, now = steps + 32, time.monotonic()
        self._seen = seen
        self.steps, self.seconds = self.steps + steps, self.seconds + now - began


def in_turns(bare: Any, env: Any, policy: str) -> dict[str, float]:
    """Steps/s of both within the window. The watched loop has four fifths of the time.

    As episodes are ordered by the clock and captured in its turns only, their cost shows a quarter too high.
    """
    loops = Loop(bare, policy), Loop(env, policy)
    window = None
    while window is None or time.monotonic() < window["from"]:
        loops[1].run(0.1)
        window = window or hear()
    for loop in loops:
        loop.steps, loop.seconds = 0, 0.0
    while time.monotonic() < window["until"]:
        for loop, seconds in zip(loops, TURNS, strict=True):
            loop.run(seconds)
    rates = [loop.steps / loop.seconds for loop in loops]
    return {"bare": rates[0], "watched": rates[1], "of_bare": rates[1] / rates[0]}


def viewer(args: argparse.Namespace, out: TextIO) -> None:
    """Watch for some seconds, and say what came when."""
    from websockets.sync.client import connect

    name, seen, rungs = f"{args.stream}@episodes", [], []
    with connect(args.url.replace("http", "ws", 1) + "ws", max_size=None) as line:
        line.send(json.dumps({"type": "watch", "status": True, "streams": [{"name": name}]}))
        until = time.monotonic() + args.seconds
        while (left := until - time.monotonic()) > 0:
            try:
                message = line.recv(timeout=left)
            except TimeoutError:
                break
            said = {} if isinstance(message, bytes) else json.loads(message)
            if said.get("type") == "frame_metadata":
                figures = (said[key] for key in ("clip", "index", "step", "frames"))
                seen.append(Seen(time.monotonic(), *figures))
                line.send(json.dumps({"type": "ack", "stream": name, "frameNumber": said["frameNumber"]}))
            elif said.get("type") == "rung":
                rungs.append((time.monotonic(), said))
    say(
        out,
        {"seen": seen, "until": until, "rungs": rungs, "kept": kept(args.url, {one.clip for one in seen})},
    )
    await_end()


def kept(url: str, clips: set[str]) -> dict[str, list[int]]:
    """Clip → its pictures, each as a number that is the same for the same picture."""
    found = {}
    for clip in clips:
        with contextlib.suppress(urllib.error.HTTPError):  # One that is not yet whole, or kept no more.
            with urllib.request.urlopen(f"{url}api/episodes/{clip}") as answer:
                places = json.load(answer)["pictures"]
            with urllib.request.urlopen(f"{url}api/episodes/{clip}/pictures") as answer:
                data = answer.read()
            found[clip] = [zlib.crc32(data[one["offset"] :][: one["size"]]) for one in places]
    return found


# What is made of them.


def look(policy: str, seconds: float, warmup: float) -> Row:
    """One fresh training process, watched from its beginning on."""
    whole = warmup + seconds
    life = str(int(whole) + 120)
    with contextlib.ExitStack() as stack:
        trainer = stack.enter_context(Tool("episodes.py", "train", "--policy", policy, "--life", life))
        where = trainer.hear()
        if "missing" in where:
            raise Missing(where["missing"])
        args = ("viewer", "--url", where["url"], "--stream", where["stream"], "--life", life)
        audience = stack.enter_context(Tool("episodes.py", *args, "--seconds", str(whole)))
        now = time.monotonic()
        trainer.say(**{"from": now + warmup, "until": now + whole})
        row = trainer.hear(whole + 30)
        said = audience.hear(30)
        seen = [Seen(*one) for one in said["seen"]]
        return {**row, **{key: said[key] for key in ("until", "rungs", "kept")}, "seen": seen}


def figures(row: Row, unjudged: float) -> Row:
    """Gaps, order and pace of what a viewer saw. Once more in better quality is no further picture."""
    came: Sequence[Seen] = row["seen"]
    seen = [one for before, one in zip([None, *came], came, strict=False) if not again(before, one)]
    pairs = list(itertools.pairwise(seen))
    gaps = [(after.at, after.at - before.at) for before, after in pairs]
    if seen:
        gaps.append((row["until"], row["until"] - seen[-1].at))  # Nothing came any more.
    judged = [gap for at, gap in gaps if at - seen[0].at > unjudged]
    skipped, disorder = order_of(pairs, row["kept"])
    clips = [list(held) for _, held in itertools.groupby(seen, lambda one: one.clip)]
    rates = [
        (held[-1].step - held[0].step) / (held[-1].at - held[0].at) / RENDER_FPS
        for held in clips
        if held[-1].step - held[0].step >= 20  # Of less, a millisecond's delay counts too much.
    ]
    return {
        "pictures": len(seen),
        "clips": len(clips),
        "gap_s": round(max(judged), 3) if judged else None,
        "gap_ever_s": round(max(gap for _, gap in gaps), 3) if gaps else None,
        "gaps": [
            (round(after.at - seen[0].at, 2), round(after.at - before.at, 3), before[1:], after[1:])
            for before, after in pairs
            if after.at - before.at > GAP_BAR
        ],
        "skipped": skipped,
        "disorder": disorder,
        "rate": Spread.of(rates) if rates else None,
    }


def again(before: Seen | None, one: Seen) -> bool:
    return before is not None and (before.clip, before.index) == (one.clip, one.index)


def order_of(pairs: Sequence[tuple[Seen, Seen]], kept: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """Pictures skipped, and pictures that came after a later one.

    One that looks exactly like the one before it is sent to nobody: that is no skip.
    """

    def between(clip: str, first: int, last: int) -> int:
        pictures = kept.get(clip)
        if pictures is None:
            return 0
        return sum(pictures[index] != pictures[index - 1] for index in range(max(1, first), last))

    skipped = disorder = 0
    for before, after in pairs:
        if after.clip != before.clip:
            skipped += between(before.clip, before.index + 1, len(kept.get(before.clip, ())))
            skipped += between(after.clip, 0, after.index)
        elif after.index > before.index:
            skipped += between(after.clip, before.index + 1, after.index)
        else:
            disorder += 1
    return skipped, disorder


def of_policy(args: argparse.Namespace, policy: str) -> Row:
    """One long look, whose gaps are judged, and shorter ones for the speed."""
    quick = args.quick
    watch, unjudged = (3.0, 0.0) if quick else (args.watch, UNJUDGED if args.watch > 70 else 0.0)
    rounds, slice_s, warmup = (1, 1.5, 0.1) if quick else (args.rounds, SLICE, WARMUP)
    note(f"episodes, {policy}: watching for {watch:g} s")
    row = {"part": "episodes", "contender": f"envstream, {policy} policy"}
    row |= figures(look(policy, watch, 0.0), unjudged)
    turns: list[Row] = []
    for number in range(rounds):
        note(f"episodes, {policy}: round {number + 1} of {rounds}")
        mine = look(policy, slice_s, warmup)
        speeds = {key: mine[key] for key in ("bare", "watched", "of_bare")}
        turns.append({**speeds, **figures(mine, 0.0)})
    share = spread(turns, "of_bare")
    return {
        **row,
        "rounds": turns,
        "steps_per_second": middle(turns, "watched", digits=0),
        "of_bare": share,
        "of_bare_text": share and share.text(factor=100),
    }


COLUMNS = {
    "contender": "one viewer of NAME@episodes",
    "pictures": "pictures",
    "clips": "episodes",
    "gap_s": "longest gap, s",
    "gap_ever_s": "first minute too",
    "rate_text": "of natural speed",
    "skipped": "skipped",
    "disorder": "out of order",
    "steps_per_second": "steps/s",
    "of_bare_text": "% of bare",
}


def episodes(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rows, bars = [], []
    for policy in ["balance"] if args.quick else args.policy or ["balance"]:
        row = of_policy(args, policy)
        rate = row["rate"]
        row["rate_text"] = rate and rate.text("{:.3f}")
        rows.append(row)
        share, gap, wrong = row["of_bare"], row["gap_s"], (row["skipped"], row["disorder"])
        near = rate is not None and abs(rate.median - 1) <= RATE_BAR
        bars += [
            Bar(
                f"episodes, {policy}: at most {GAP_BAR:g} s without a picture",
                f"{gap} s",
                gap is not None and gap <= GAP_BAR,
            ),
            Bar(f"episodes, {policy}: played at natural speed", f"{row['rate_text']} of it", near),
            Bar(
                f"episodes, {policy}: no picture skipped or out of order",
                "{} of {} and {}".format(wrong[0], wrong[0] + row["pictures"], wrong[1]),
                not any(wrong),
            ),
            Bar(
                f"episodes, {policy}: at least {100 * SPEED_BAR:g} % of the bare speed",
                f"{share.text(factor=100)} %",
                share.median >= SPEED_BAR,
            ),
        ]
    table("Whole episodes of CartPole at full speed, seen at natural speed", rows, COLUMNS)
    return rows, bars


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--policy", default="balance")
    arguments.add_argument("--url", default="")
    arguments.add_argument("--stream", default="")
    converse({"train": train, "viewer": viewer}, arguments)
