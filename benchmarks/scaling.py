"""The arithmetic of `docs/scaling.md`: what many viewers and many workers ask of page servers and of Redis.

Reckons with costs that were measured (`Costs`, each with the benchmark that repeats it) and plays what
cannot be reckoned: which streams people look at, and how workers come back when a Redis was away. The same
seed gives the same tables. Standard library only.

    python benchmarks/scaling.py            # prints the document's tables
    python benchmarks/scaling.py --write    # puts them into it
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
SEED = 1
STEPS = (10, 1_000, 100_000)


class Costs(NamedTuple):
    """Seconds of a core for each of something; bytes."""

    sent: float = (
        29.7e-6  # Page server: a picture to one viewer. fanout.py: 1000 viewers at 30 fps, 0.89 cores.
    )
    taken: float = 850e-6  # Page server: a picture from Redis. scale.py, part bus, 10 watched.
    told: float = 155e-6  # Page server: a worker's status. The same, ten times as many as 64 workers send.
    beat: float = 71e-6  # Redis; these six: scale.py, part costs.
    status: float = 34e-6
    heard: float = 4.7e-6
    came_in: float = 46e-6
    went_out: float = 48e-6
    join: float = 307e-6
    picture: int = 20_000  # Bytes of a JPEG of 640×480; an H.264 picture of LunarLander has 400.
    beat_bytes: int = 115
    status_bytes: int = 120


class Limits(NamedTuple):
    """What there is of everything, and how much of it may be used."""

    share: float = 0.7  # Of a core or a link.
    link: float = 10e9 / 8  # Bytes a second.
    clients: int = 10_000  # Connections: `maxclients` of a Redis that nobody configured.
    listed: int = 10_000  # Workers that a page server lists.


COSTS, LIMITS = Costs(), Limits()
FPS = 30.0
BEAT_S, STATUS_S = 2.0, 2.0
CONNECTIONS_WORKER, CONNECTIONS_PAGE = 2, 3
PATIENCE, FIRST_PAUSE, LONGEST_PAUSE = 5.0, 0.1, 1.0  # As in envstream/bus/connection.py.
GIVEN_UP = 0.1  # Of a join's cost: a connection that was given up before Redis came to it.


# Who looks at what.


def choices(viewers: int, streams: int, spread: float = 1.0) -> list[int]:
    """The stream that each viewer looks at: the n-th of the leaderboard with a weight of 1/n."""
    chance = random.Random(SEED)
    weights = list(itertools.accumulate(1 / (rank + 1) ** spread for rank in range(streams)))
    return [bisect(weights, chance.random() * weights[-1]) for _ in range(viewers)]


class Watched(NamedTuple):
    """Streams that anybody looks at, and pairs of a page server and a stream that is looked at there."""

    streams: int
    pairs: int


def watched(chosen: Sequence[int], servers: int) -> Watched:
    """Viewers go to the page servers by turns, wherever what they look at is shown already."""
    pairs = {(number % servers, stream) for number, stream in enumerate(chosen)}
    return Watched(len(set(chosen)), len(pairs))


# What that takes.


class Placed(NamedTuple):
    """Viewers on page servers of a core each, and whether those bear them: more may not help."""

    servers: int
    enough: bool
    watched: Watched


class Load(NamedTuple):
    """Cores and links, as multiples of one; bytes a second; connections."""

    placed: Placed
    page_links: float
    redis_in: float
    redis_out: float
    redis: float
    connections: int


def told(workers: int) -> float:
    """The share of a page server's core that goes to statuses; every one hears all of them."""
    return min(workers, LIMITS.listed) / STATUS_S * COSTS.told


def page_core(viewers: int, workers: int, servers: int, seen: Watched, fps: float) -> float:
    """The share of its core that a page server takes."""
    sent = viewers / servers * fps * COSTS.sent
    return sent + seen.pairs / servers * fps * COSTS.taken + told(workers)


def by_turns(chosen: Sequence[int], workers: int, fps: float) -> Placed:
    """The least number of page servers that bear these viewers, who come by turns; to one in a hundred."""

    def bears(servers: int) -> bool:
        return page_core(len(chosen), workers, servers, watched(chosen, servers), fps) <= LIMITS.share

    most = len(chosen)
    if not bears(most):
        return hopeless(chosen, fps)
    least = 0
    while most - least > max(1, most // 100):
        middle = (least + most) // 2
        least, most = (least, middle) if bears(middle) else (middle, most)
    return Placed(most, True, watched(chosen, most))


def by_stream(chosen: Sequence[int], workers: int, fps: float) -> Placed:
    """The same where a stream's viewers are sent to one page server, and to the next when it is full."""
    room = LIMITS.share - told(workers)
    if room < fps * (COSTS.taken + COSTS.sent):
        return hopeless(chosen, fps)
    servers, pairs, left = 1, 0, room
    for viewers in Counter(chosen).values():
        while viewers:
            fits = int((left / fps - COSTS.taken) / COSTS.sent)
            if fits < 1:
                servers, left = servers + 1, room
                continue
            some = min(viewers, fits)
            left -= fps * (COSTS.taken + some * COSTS.sent)
            viewers, pairs = viewers - some, pairs + 1
    return Placed(servers, True, Watched(len(set(chosen)), pairs))


def hopeless(chosen: Sequence[int], fps: float) -> Placed:
    """Statuses alone are too much for any page server: as many as sending pictures takes."""
    servers = max(1, math.ceil(len(chosen) * fps * COSTS.sent / LIMITS.share))
    return Placed(servers, False, watched(chosen, servers))


Place = Callable[[Sequence[int], int, float], Placed]


def load(chosen: Sequence[int], workers: int, fps: float = FPS, place: Place = by_turns) -> Load:
    """The least number of page servers that bear it, and what Redis then has to bear."""
    placed = place(chosen, workers, fps)
    seen = placed.watched
    shown = fps * (seen.streams * COSTS.came_in + seen.pairs * COSTS.went_out)
    return Load(
        placed,
        len(chosen) * fps * COSTS.picture / LIMITS.link,
        seen.streams * fps * COSTS.picture,
        seen.pairs * fps * COSTS.picture,
        redis_of(workers, placed.servers) + shown,
        CONNECTIONS_WORKER * workers + CONNECTIONS_PAGE * placed.servers,
    )


def redis_of(workers: int, pages: int) -> float:
    """Cores of Redis for signs of life and, where a page is open, statuses that every page server hears."""
    statuses = workers / STATUS_S * (COSTS.status + pages * COSTS.heard) if pages else 0.0
    return workers / BEAT_S * COSTS.beat + statuses


def first_to_break(found: Load, workers: int) -> str:
    """What is used most, of what is used too much."""
    used = {
        "Redis' core": found.redis / LIMITS.share,
        "Redis' link": found.redis_out / (LIMITS.share * LIMITS.link),
        "`maxclients`": found.connections / LIMITS.clients,
        "the page's list": workers / LIMITS.listed,
        "a page server's core": told(workers) / LIMITS.share,
    }
    worst = max(used, key=lambda name: used[name])
    return f"{worst}: {number(used[worst])} times" if used[worst] > 1 else "nothing"


# How workers come back.


def back_after(workers: int, pages: int) -> tuple[float, int]:
    """Redis was away and is there again: seconds until the last worker is back, and how many gave up once.

    One queue, first come first served. Who is not served within `PATIENCE` hangs up and comes again later.
    """
    chance = random.Random(SEED)
    pause = [FIRST_PAUSE] * workers
    waiting = [(FIRST_PAUSE * chance.uniform(0.7, 1.3), number) for number in range(workers)]
    heapq.heapify(waiting)
    cost = COSTS.join + pages * COSTS.heard
    free, last, gave_up = 0.0, 0.0, 0
    while waiting:
        came, number = heapq.heappop(waiting)
        free = max(free, came)
        if free + cost - came <= PATIENCE:
            free += cost
            last = free
            continue
        free += GIVEN_UP * cost
        gave_up += 1
        pause[number] = min(2 * pause[number], LONGEST_PAUSE)
        heapq.heappush(waiting, (came + PATIENCE + pause[number] * chance.uniform(0.7, 1.3), number))
    return last, gave_up


# The tables.


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Two digits that count, and no more."""
    if value == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{min(digits, 4)}f}" if value < 100 else f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes a second."""
    for unit in ("B/s", "KB/s", "MB/s", "GB/s"):
        if value < 1000 or unit == "GB/s":
            break
        value /= 1000
    return f"{number(value)} {unit}"


def pages_of(found: Load) -> str:
    return f"{found.placed.servers:,}" if found.placed.enough else "not enough, however many"


def loads() -> str:
    rows = []
    for viewers, workers in itertools.product(STEPS, STEPS):
        found = load(choices(viewers, workers), workers)
        rows.append(
            [
                f"{viewers:,}",
                f"{workers:,}",
                f"{found.placed.watched.streams:,}",
                pages_of(found),
                number(found.page_links),
                size(found.redis_in),
                size(found.redis_out),
                number(found.redis),
                first_to_break(found, workers),
            ]
        )
    heads = ["viewers", "workers", "streams looked at", "page servers", "links of 10 Gbit/s to viewers"]
    return table([*heads, "into Redis", "out of it", "its cores", "breaks first"], rows)


def silent() -> str:
    rows = []
    for workers in (10, 1_000, 5_000, 10_000, 100_000):
        beats = workers / BEAT_S
        rows.append(
            [
                f"{workers:,}",
                size(beats * COSTS.beat_bytes),
                number(redis_of(workers, 0)),
                f"{CONNECTIONS_WORKER * workers:,}",
                size(workers / STATUS_S * COSTS.status_bytes),
                number(redis_of(workers, 1)),
                number(redis_of(workers, 16)),
                number(told(workers)) if workers <= LIMITS.listed else "lists 10,000",
            ]
        )
    heads = ["workers", "signs of life", "Redis' cores", "connections", "statuses, page open"]
    return table([*heads, "Redis' cores then", "with 16 page servers", "of each page server's core"], rows)


def storms() -> str:
    rows = []
    for workers in (10, 1_000, 10_000, 100_000):
        took, gave_up = back_after(workers, 4)
        rows.append([f"{workers:,}", f"{took:.2f} s", f"{gave_up:,}"])
    return table(["workers", "all back after", "times that one gave up and came again"], rows)


WAYS: list[tuple[str, float, Place, bool]] = [
    ("30 fps, wherever there is room", FPS, by_turns, False),
    ("30 fps, sent to where their stream is", FPS, by_stream, False),
    ("5 fps, sent to where their stream is", 5.0, by_stream, False),
    ("a snapshot a second, through a cache", 1.0, by_stream, True),
]


def ways() -> str:
    rows = []
    for name, fps, place, cached in WAYS:
        viewers, workers = 100_000, 1_000
        chosen = choices(viewers, workers)
        found = load(list(set(chosen)) if cached else chosen, workers, fps, place)
        link = viewers * fps * COSTS.picture / LIMITS.link
        rows.append(
            [
                name,
                pages_of(found),
                f"{number(link)}, the cache's" if cached else number(link),
                size(found.redis_out),
                number(found.redis),
                first_to_break(found, workers),
            ]
        )
    heads = ["100,000 viewers of 1,000 workers", "page servers", "links of 10 Gbit/s to viewers"]
    return table([*heads, "out of Redis", "its cores", "breaks first"], rows)


def split() -> str:
    rows = []
    for parts in (1, 10, 25, 50):
        workers, viewers = 100_000 // parts, 1_000 // parts
        found = load(choices(viewers, workers), workers)
        rows.append(
            [
                str(parts),
                f"{workers:,}",
                f"{CONNECTIONS_WORKER * workers:,}",
                number(found.redis),
                pages_of(found),
                f"{back_after(workers, found.placed.servers)[0]:.1f} s",
                first_to_break(found, workers),
            ]
        )
    heads = ["Redis, each with page servers of its own", "workers on each", "connections", "its cores"]
    return table([*heads, "page servers on each", "all back after", "breaks first"], rows)


def prices() -> str:
    us = {name: number(1e6 * value) for name, value in COSTS._asdict().items()}
    heard = f"{us['heard']} µs of Redis and {us['told']} µs of a page server for each that hears it"
    rows = [
        [
            "a picture into Redis",
            f"a render, a JPEG, 20 KB, {us['came_in']} µs of Redis",
            "streams that anybody looks at",
        ],
        [
            "a picture out of Redis",
            f"20 KB, {us['went_out']} µs of Redis, {us['taken']} µs of a page server",
            "pairs of a page server and a stream that is looked at there",
        ],
        ["a picture to a viewer", f"20 KB, {us['sent']} µs of a page server", "viewers"],
        ["a sign of life", f"{COSTS.beat_bytes} bytes and {us['beat']} µs of Redis, every 2 s", "workers"],
        [
            "a status, while a page is open",
            f"{COSTS.status_bytes} bytes and {us['status']} µs of Redis, every 2 s; {heard}",
            "workers × page servers",
        ],
        ["a worker that comes back", f"{us['join']} µs of Redis", "workers, all at once after an outage"],
    ]
    return table(["what", "costs", "grows with"], rows)


def limits() -> str:
    room, links = LIMITS.share, LIMITS.share * LIMITS.link
    rate = FPS * COSTS.picture
    rows: list[tuple[float, str, str, str]] = [
        (
            min(room / (FPS * COSTS.sent), links / rate),
            "viewers on a page server",
            "its core (its link: " + about(links / rate) + ")",
            "more page servers on the same Redis",
        ),
        (
            room / (FPS * COSTS.taken),
            "streams looked at at once on a page server",
            "its core",
            "more page servers; viewers sent to where their stream is; grids at 2 fps",
        ),
        (
            min(room / (FPS * COSTS.went_out), links / rate),
            "pairs of a page server and a stream looked at there",
            "Redis' core (its link: " + about(links / rate) + ")",
            "the same, or several Redis",
        ),
        (
            LIMITS.clients / CONNECTIONS_WORKER,
            "workers",
            "connections: `maxclients` of a Redis as it comes",
            "`maxclients 200000`, `ulimit -n`",
        ),
        (
            room / COSTS.told * STATUS_S,
            "workers, with an open page",
            "each page server's core: it hears all statuses",
            "a prefix or a Redis for each sweep, with page servers of its own",
        ),
        (LIMITS.listed, "workers", "a page server lists no more, and says so", "as above"),
        (
            room / COSTS.beat * BEAT_S,
            "workers, nobody looking",
            "Redis' core: signs of life",
            "several Redis",
        ),
    ]
    heads = ["from about", "of these at full rate", "breaks", "do"]
    return table(heads, [[about(most), *rest] for most, *rest in rows])


def about(value: float) -> str:
    """One digit that counts, or two."""
    digits = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return f"{round(value / digits) * digits:,.0f}"


TABLES = {
    "prices": prices,
    "loads": loads,
    "ways": ways,
    "silent": silent,
    "split": split,
    "storms": storms,
    "limits": limits,
}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    write = parser.parse_args().write
    text = DOCUMENT.read_text() if write else ""
    for name, make in TABLES.items():
        block = f"<!-- {name} -->\n{make()}\n<!-- end of {name} -->"
        print(f"{block}\n")
        found = re.search(rf"<!-- {name} -->\n.*?<!-- end of {name} -->", text, re.DOTALL)
        text = text.replace(found[0], block) if found else text
    if write:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
