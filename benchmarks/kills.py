"""The part `kill` of `recording.py`: what is left of recordings when processes are killed.

A training that records every episode is killed at a random moment: the trainer, its server, or both. Then
every video in its folder is decoded. Each picture bears its number, so that it is known which are left.

Run as a script it is that trainer: role `notes` writes a line of the file `notes` for each picture: its
number, and when the call began that it was taken in.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from common import Bar, Row, Tool, note, table
from episodes import policy_of
from recorders import cartpole, converse, recorder
from trainer import hear, say

try:
    import gymnasium as gym
    import psutil  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(f"this needs psutil ({error}): {sys.executable} -m pip install psutil") from None

LOST_BAR = 1.0  # Seconds before the kill.
VICTIMS = ("trainer", "server", "both")
PAUSES = (0.0, 0.01)  # Seconds between two steps: at full speed, and as something that learns.
AFTER = 2.0  # Seconds that a training goes on whose server was killed.
PATIENCE = 60.0
SERVER = "envstream.web.child"
BITS, BLOCK = 24, 16  # Of a picture's number, and the size of one in pixels.
STEPS = 1 << 12  # More than an episode has.


# The process.


class Numbered(gym.Wrapper[Any, Any, Any, Any]):
    """Writes the number of episode and step into each picture, in black and white."""

    number = -STEPS

    def reset(self, **kind: Any) -> Any:
        self.number = (self.number // STEPS + 1) * STEPS
        return self.env.reset(**kind)

    def step(self, action: Any) -> Any:
        self.number += 1
        return self.env.step(action)

    def render(self) -> Any:
        picture: Any = self.env.render()
        for bit in range(BITS):
            picture[:BLOCK, BLOCK * bit : BLOCK * (bit + 1)] = 255 * (self.number >> bit & 1)
        return picture


def notes(args: argparse.Namespace, out: TextIO) -> None:
    """Record every episode, and note its pictures."""
    numbered, policy = Numbered(cartpole()), policy_of("balance")
    env = recorder("envstream", numbered, args.folder)
    with (Path(args.folder) / "notes").open("w", buffering=1) as file:
        try:
            while True:
                now, (seen, _), over = time.time(), env.reset(), False
                file.write(f"{numbered.number} {now}\n")
                if numbered.number == 0:
                    say(out, {"recording": True})
                while not over:
                    hear()  # Ends this process when nobody is there any more.
                    time.sleep(args.pause)
                    now = time.time()
                    seen, _, terminated, truncated, _ = env.step(policy(seen))
                    file.write(f"{numbered.number} {now}\n")
                    over = terminated or truncated
        finally:
            env.close()


# What is made of it.


def pictures_in(path: Path) -> int | None:
    """How many pictures of a video can be decoded; None when it does not play."""
    return len(numbers_in(path) or ()) or None


def numbers_in(path: Path) -> list[int] | None:
    """The numbers of all pictures of a video; None when it does not play."""
    import av

    try:
        with av.open(str(path)) as file:
            return [number_of(frame) for frame in file.decode(video=0)] or None
    except (av.FFmpegError, LookupError):
        return None


def number_of(frame: Any) -> int:
    row = frame.to_ndarray(format="gray")[BLOCK // 2, BLOCK // 2 : BLOCK * BITS : BLOCK]
    return sum(1 << bit for bit, light in enumerate(row) if light > 127)


def servers_of(trainer: int) -> list[Any]:
    """The server processes of a trainer that is there; psutil's."""
    return [child for child in psutil.Process(trainer).children() if SERVER in child.cmdline()]


def await_gone(processes: list[Any], patience: float = PATIENCE) -> float:
    """Seconds until all of them are gone.

    Raises:
        RuntimeError: when one stays.
    """
    began = time.monotonic()
    while any(process.is_running() for process in processes):
        if time.monotonic() - began > patience:
            raise RuntimeError(f"a server is still there {patience:g} s after its trainer's end")
        time.sleep(0.02)
    return time.monotonic() - began


def noted(folder: Path) -> dict[int, float]:
    """When each picture was taken."""
    lines = (folder / "notes").read_text().splitlines(keepends=True)
    return {int(line.split()[0]): float(line.split()[1]) for line in lines if line.endswith("\n")}


def unfinished(path: Path) -> bool:
    """Whether the JSON beside a video says that it was still being written."""
    said = json.loads(path.with_suffix(".json").read_text())
    return bool(said["state"] == "recording")


def losses(folder: Path, at: float) -> Row:
    """What is left in a folder of what had been taken when the kill came, and what is not.

    What is followed by a later picture of the same file was left out before, as the server could not keep
    up; so was what lacks in an episode before the newest, unless its file was being written. All else of then
    is lost by the kill.
    """
    files = {path: numbers_in(path) for path in sorted(folder.glob("*.mp4"))}
    moments = noted(folder)
    spans = [(min(numbers), max(numbers)) for numbers in files.values() if numbers]
    kept = {number for numbers in files.values() for number in numbers or ()}
    lost = [number for number, taken in moments.items() if taken <= at and number not in kept]
    reached = max((number for number in kept if moments.get(number, at) <= at), default=-1)
    open_still = {numbers[0] // STEPS for path, numbers in files.items() if numbers and unfinished(path)}
    left_out = {
        number
        for number in lost
        if (number // STEPS < reached // STEPS and number // STEPS not in open_still)
        or any(first < number < last for first, last in spans)
    }
    killed = [moments[number] for number in lost if number not in left_out]
    return {
        "files": len(files),
        "play": sum(numbers is not None for numbers in files.values()),
        "silent": [(path.name, path.stat().st_size) for path, numbers in files.items() if numbers is None],
        "taken": sum(taken <= at for taken in moments.values()),
        "lost_s": round(at - min(killed, default=at), 3),
        "lost_pictures": len(killed),
        "left_out": len(left_out),
        "lost_after": sum(taken > at and number not in kept for number, taken in moments.items()),
    }


def killed(victim: str, pause: float, wait: float) -> Row:
    """One run and its end."""
    with tempfile.TemporaryDirectory() as name:
        with Tool("kills.py", "notes", "--folder", name, "--pause", str(pause)) as tool:
            tool.hear()
            trainer = tool.process
            began = time.monotonic()
            while not (servers := servers_of(trainer.pid)):
                time.sleep(0.01)
            time.sleep(max(0.0, wait - (time.monotonic() - began)))
            at = time.time()
            if victim != "server":
                trainer.kill()
            for server in servers if victim != "trainer" else []:
                server.kill()
            if victim == "server":
                time.sleep(AFTER)
                servers = servers_of(trainer.pid)
        settled = await_gone(servers)
        row = losses(Path(name), at)
        return {"victim": victim, "pause": pause, "wait": round(wait, 3), "settled_s": settled, **row}


def summed(victim: str, pause: float, runs: list[Row]) -> Row:
    lost = [run["lost_s"] for run in runs]
    return {
        "part": "kill",
        "contender": f"{victim}, {f'{1 / pause:.0f} steps/s' if pause else 'full speed'}",
        "kills": len(runs),
        **{key: sum(run[key] for run in runs) for key in ("files", "play", "taken", "left_out")},
        "silent": [name for run in runs for name in run["silent"]],
        "lost_median_s": round(median(lost), 3),
        "lost_max_s": max(lost),
        **{f"{key}_max": max(run[key] for run in runs) for key in ("lost_pictures", "lost_after")},
        "settled_max_s": round(max(run["settled_s"] for run in runs), 2),
        "runs": runs,
    }


COLUMNS = {
    "contender": "killed",
    "kills": "times",
    "files": "files",
    "play": "play",
    "lost_median_s": "lost, s",
    "lost_max_s": "worst, s",
    "lost_pictures_max": "pictures",
    "taken": "taken before",
    "left_out": "left out before",
    "lost_after_max": "worst after",
    "settled_max_s": "server gone, s",
}


def kill(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    ways = [(victim, pause) for pause in PAUSES for victim in VICTIMS]
    moments = random.Random(args.seed)
    runs: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for number in range(3 if args.quick else args.kills):
        way = ways[number % len(ways)]
        wait = moments.uniform(0.2, 1.0 if args.quick else args.latest)
        run = killed(*way, wait)
        note(f"kill {number + 1}: {run}")
        runs[way].append(run)
    rows = [summed(*way, runs[way]) for way in ways if runs[way]]
    table("Killed while recording", rows, COLUMNS)
    files, play = (sum(row[key] for row in rows) for key in ("files", "play"))
    worst = max(row["lost_max_s"] for row in rows)
    return rows, [
        Bar("kill: every file plays", f"{play} of {files}", play == files),
        Bar(f"kill: at most {LOST_BAR:g} s are lost", f"{worst} s at worst", worst <= LOST_BAR),
    ]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pause", type=float, default=0.0, help="seconds between two steps")
    converse({"notes": notes}, arguments)
