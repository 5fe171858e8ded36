"""What many workers, many page servers and a Redis between them cost, and what becomes of them in trouble.

Everything runs on this one machine, against real processes. Parts (`--part` picks some):
  idle     8 trainers that share one page, nobody watching: their speed against the same 8 without envstream,
           in turns of half a second (`crews.py`). Bar: 99 % of it, and nothing is rendered.
  costs    Redis' own CPU time for what workers and page servers say to it (`costs.py`). Bar: a core bears the
           signs of life of 10,000 workers.
  bus      64 workers on one Redis (a server each, in one process), 1 of them watched: bytes into and out of
           Redis a second, against 1 worker that is watched; with a viewer alone, and with a page that lists
           all. Bar: at most 1.10 times as many. And 10 of them watched: what a page server takes for each.
  latency  a picture's age at its viewer, from a worker's own page and through Redis and a page server, in
           turns. Bar: at most 10 ms more at p99.
  servers  4 page servers on one Redis with 1000 viewers each at a tenth of the rate. Bars: all list the same
           streams, no picture is older than a second, none is fetched that nobody asked for.
  kills    `kill -9` at random moments of whatever there is (`outages.py`): the serving process, a trainer,
           Redis, a page server, 20 times each. Bars: 3 s until everything is shown again; no training loop
           stops or raises.

Pictures are 640×480 and 20 KB each. Wants `redis-server`, psutil, and Linux.

    python benchmarks/scale.py --json scale.json
    python benchmarks/scale.py --part kills --kills 5
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import redis

import costs
import crews
import outages
from broker import Broker, free_port
from common import (
    Bar,
    Row,
    Spread,
    Tool,
    figure,
    finish,
    middle,
    note,
    parser,
    spread,
    table,
)
from service import Service

BYTES_BAR, OLDEST_BAR_MS = 1.10, 1000.0
ADDED_BAR_MS = {"p99": 10.0}
WORKERS, SERVERS, VIEWERS = 64, 4, 1000
TENTH_FPS = 3.0
STATUS_S = 2.0  # Seconds between two statuses of a worker that is listed and not watched.
FETCHED_BAR = 1.5
QUALITY = 85
LIFE = 400
GATHER_SECONDS = 90.0  # For every viewer to have its first pictures.
ROOMY = {"videoStreamMaxOverhead": 1.0}  # What else runs here must not make a capture look dear.
WATCH = {"quality": QUALITY, "format": "jpeg"}


# What takes part.


def listed(port: int) -> list[Row]:
    """The streams of a page that have not ended."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/streams", timeout=30) as answer:
        found: list[Row] = json.load(answer)["streams"]
    return [stream for stream in found if stream["state"] != "ended"]


def await_listed(port: int, count: int, patience: float = 60.0) -> list[Row]:
    """The streams of a page once there are so many.

    Raises:
        RuntimeError: when there are not.
    """
    end = time.monotonic() + patience
    while len(found := listed(port)) != count:
        if time.monotonic() > end:
            raise RuntimeError(
                f"the page at {port} has {len(found)} streams after {patience:g} s, not {count}"
            )
        time.sleep(0.1)
    return found


def core_seconds(pid: int) -> float:
    """CPU time of a process so far, finer than the system's ticks; of threads that are there."""
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def name_of(streams: Sequence[Row], title: str) -> str:
    name: str = next(stream["name"] for stream in streams if stream["title"] == title)
    return name


@contextlib.contextmanager
def crew(count: int, **settings: object) -> Iterator[tuple[Tool, Row]]:
    """So many workers in one process, and what they said."""
    said = ["--settings", json.dumps({**ROOMY, **settings}), "--life", str(LIFE)]
    with Tool("workers.py", "--count", str(count), *said) as tool:
        yield tool, tool.hear()


@contextlib.contextmanager
def page(broker: Broker) -> Iterator[Service]:
    """A page server on that Redis."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with Service(Path(folder), videoStreamHub=broker.url, videoStreamMaxViewers=100_000) as service:
            yield service


@contextlib.contextmanager
def viewer(port: int, stream: str, *args: str) -> Iterator[Tool]:
    """One viewer that has pictures by now."""
    words = ["--port", str(port), "--stream", stream, "--watch", json.dumps(WATCH), "--life", str(LIFE)]
    with Tool("viewers.py", *words, *args) as tool:
        tool.hear(GATHER_SECONDS)
        yield tool


def window(tools: Sequence[Tool], seconds: float, warmup: float) -> list[Row]:
    """What each of these saw within the same time."""
    start = time.monotonic() + warmup
    for tool in tools:
        tool.say(**{"from": start, "until": start + seconds})
    return [tool.hear(warmup + seconds + 30) for tool in tools]


# bus


class Traffic(NamedTuple):
    """One way to look: so many workers, whether a page lists them, and how many are watched."""

    workers: int
    lists: bool = False
    watched: int = 1

    @property
    def name(self) -> str:
        who = f"{self.workers} {'worker' if self.workers == 1 else 'workers'}, {self.watched} watched"
        return f"{who}, all listed" if self.lists else who


def bus_turn(args: argparse.Namespace, way: Traffic) -> Row:
    """Bytes a second through Redis, and what they take."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker())
        service = stack.enter_context(page(broker))
        _, said = stack.enter_context(
            crew(way.workers, videoStreamHub=broker.url, videoStreamPort=free_port())
        )
        streams = await_listed(service.port, way.workers)
        status = ["--status"] * way.lists
        watching = [
            stack.enter_context(viewer(service.port, name_of(streams, title), *status))
            for title in said["titles"][: way.watched]
        ]
        time.sleep(args.warmup)
        before, cpu, began = broker.bytes(), broker.cpu(), time.monotonic()
        served = core_seconds(service.pid)
        seen = window(watching, args.seconds, 0.0)
        after, seconds = broker.bytes(), time.monotonic() - began
        used = core_seconds(service.pid) - served
        return {
            "in": (after[0] - before[0]) / seconds,
            "out": (after[1] - before[1]) / seconds,
            "both": (sum(after) - sum(before)) / seconds,
            "redis_cpu": (broker.cpu() - cpu) / seconds,
            "page_cpu": used / seconds,
            "us_a_picture": 1e6 * used / max(1, seconds * sum(one["fps"] for one in seen)),
            "fps": min(one["fps"] for one in seen),
            "bytes": seen[0]["bytes_mean"],
            "seen": seen,
        }


def statuses(broker: Broker) -> list[Row]:
    """One status of each of the workers that are there, as it is published for pages."""
    found: dict[str, Row] = {}
    heard = redis.Redis.from_url(broker.url).pubsub(ignore_subscribe_messages=True)
    heard.subscribe("envstream:status")
    deadline = time.monotonic() + 60
    while len(found) < WORKERS and time.monotonic() < deadline:
        message = heard.get_message(timeout=1.0)
        if message is not None:
            status = json.loads(message["data"])
            found[status["worker"]] = status
    heard.close()
    return list(found.values())


def told_turn(args: argparse.Namespace) -> float:
    """Microseconds of a page server for a status: of ten times as many as its workers send."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker())
        service = stack.enter_context(page(broker))
        _, said = stack.enter_context(crew(WORKERS, videoStreamHub=broker.url, videoStreamPort=free_port()))
        name = name_of(await_listed(service.port, WORKERS), said["titles"][0])
        stack.enter_context(viewer(service.port, name, "--status"))
        known, speaker = statuses(broker), redis.Redis.from_url(broker.url)
        loads = []
        for often in (0, 10):
            began, before, count = time.monotonic(), core_seconds(service.pid), 0
            while time.monotonic() < began + args.seconds:
                for status in known if often else ():
                    for stream in status["streams"].values():
                        stream["totalSteps"] = 10**6 + count
                    speaker.publish("envstream:status", json.dumps(status))
                    count += 1
                    time.sleep(STATUS_S / often / len(known))
                if not often:
                    time.sleep(0.1)
            loads.append(((core_seconds(service.pid) - before) / (time.monotonic() - began), count))
        (idle, _), (busy, count) = loads
        return 1e6 * (busy - idle) * args.seconds / count


def bus_row(way: Traffic, rounds: Sequence[Row], alone: Sequence[Row]) -> Row:
    """What the rounds of one way say, also against those with one worker."""
    row: Row = {"part": "bus", "contender": way.name, **way._asdict(), "rounds": list(rounds)}
    row |= {f"{key}_kb": round(0.001 * (middle(rounds, key) or 0), 1) for key in ("in", "out")}
    row |= {key: middle(rounds, key, digits=4) for key in ("redis_cpu", "page_cpu")}
    row |= {key: middle(rounds, key) for key in ("fps", "bytes")}
    row["us_text"] = Spread.of(one["us_a_picture"] for one in rounds).text("{:.0f}")
    if way.workers > 1 and way.watched == 1:
        pairs, others = list(zip(rounds, alone, strict=True)), way.workers - 1
        row["ratio"] = Spread.of(many["both"] / one["both"] for many, one in pairs)
        row["ratio_text"] = row["ratio"].text("{:.3f}")
        more = Spread.of((many["both"] - one["both"]) / others for many, one in pairs)
        row["more_text"] = more.text("{:.0f}")
    return row


def bus(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    workers, several = (3, 2) if args.quick else (WORKERS, 10)
    ways = [Traffic(count, lists) for lists in (False, True) for count in (1, workers)]
    ways.append(Traffic(workers, watched=several))
    found: dict[Traffic, list[Row]] = {way: [] for way in ways}
    for number in range(args.rounds):
        first = number % len(ways)
        for way in ways[first:] + ways[:first]:
            note(f"bus, round {number + 1} of {args.rounds}: {way.name}")
            found[way].append(bus_turn(args, way))
    rows = [bus_row(way, rounds, found[Traffic(1, way.lists)]) for way, rounds in found.items()]
    told = Spread.of(told_turn(args) for _ in range(args.rounds))
    row = next(row for row in rows if row["lists"] and row["workers"] > 1)
    row |= {"told": told, "told_text": told.text("{:.0f}")}
    heads = {"contender": "on Redis", "in_kb": "in, KB/s", "out_kb": "out, KB/s", "fps": "fps"}
    more = {"bytes": "bytes a picture", "ratio_text": "of 1 worker", "more_text": "B/s a worker more"}
    cpus = {"redis_cpu": "Redis' CPU", "page_cpu": "page server's", "us_text": "µs of it a picture"}
    table("Redis", rows, {**heads, **more, **cpus, "told_text": "µs of it a status"})
    return rows, [
        Bar(
            f"{row['contender']}: at most {BYTES_BAR:.2f} times the bytes of 1 worker",
            row["ratio_text"],
            row["ratio"].median <= BYTES_BAR,
        )
        for row in rows
        if "ratio" in row
    ]


# latency


def latency_turn(args: argparse.Namespace, broker: Broker | None) -> Row:
    """Ages at one viewer: through Redis, or from the worker's own page."""
    with contextlib.ExitStack() as stack:
        if broker is None:
            _, said = stack.enter_context(crew(1))
            port = int(said["urls"][0].split(":")[2].split("/")[0])
        else:
            port = stack.enter_context(page(broker)).port
            _, said = stack.enter_context(crew(1, videoStreamHub=broker.url, videoStreamPort=free_port()))
        name = name_of(await_listed(port, 1), said["titles"][0])
        watching = stack.enter_context(viewer(port, name))
        (seen,) = window([watching], args.seconds, args.warmup)
        return seen


def latency(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    ways = ["direct", "through Redis"]
    found: dict[str, list[Row]] = {way: [] for way in ways}
    with Broker() as broker:
        for number in range(args.rounds):
            for way in ways[number % 2 :] + ways[: number % 2]:
                note(f"latency, round {number + 1} of {args.rounds}: {way}")
                found[way].append(latency_turn(args, broker if way != "direct" else None))
    rows, bars = [], []
    for way, rounds in found.items():
        row: Row = {"part": "latency", "contender": way, "rounds": rounds, "fps": middle(rounds, "fps")}
        for key in ("p50", "p99", "max"):
            row[key] = spread(rounds, "age_ms", key)
            row[f"{key}_text"] = row[key] and row[key].text()
        rows.append(row)
    pairs = list(zip(found["through Redis"], found["direct"], strict=True))
    for key, limit in ADDED_BAR_MS.items():
        ages = [(figure(one, "age_ms", key), figure(other, "age_ms", key)) for one, other in pairs]
        added = Spread.of(one - other for one, other in ages if None not in (one, other))
        rows[1][f"{key}_added"] = added.text()
        promise = f"Redis adds at most {limit:g} ms at {key}"
        bars.append(Bar(promise, f"{added.text()} ms", added.median <= limit))
    heads = {"contender": "way", "fps": "fps", "p50_text": "age p50, ms", "p99_text": "p99, ms"}
    more = {"max_text": "max, ms", "p50_added": "added at p50", "p99_added": "added at p99"}
    table("Capture to viewer", rows, {**heads, **more})
    return rows, bars


# servers


def servers_turn(args: argparse.Namespace, servers: int, viewers: int) -> Row:
    """So many page servers with so many viewers each of one stream."""
    watch = json.dumps([{**WATCH, "fps": TENTH_FPS}])
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker())
        services = [stack.enter_context(page(broker)) for _ in range(servers)]
        _, said = stack.enter_context(crew(4, videoStreamHub=broker.url, videoStreamPort=free_port()))
        lists = [await_listed(service.port, 4) for service in services]
        crowds = []
        for service, streams in zip(services, lists, strict=True):
            words = ["--port", str(service.port), "--stream", name_of(streams, said["titles"][0])]
            words += ["--count", str(viewers), "--watch", watch, "--life", str(LIFE), "--first", "1"]
            crowds.append(stack.enter_context(Tool("crowd.py", *words)))
        for tool in crowds:
            tool.hear(GATHER_SECONDS)
        before = broker.bytes(), [core_seconds(service.pid) for service in services], time.monotonic()
        seen = window(crowds, args.seconds, args.warmup)
        seconds = time.monotonic() - before[2]
        cpus = [core_seconds(service.pid) - used for service, used in zip(services, before[1], strict=True)]
        after = broker.bytes()
        names = {
            tuple(sorted((one["name"], one["title"]) for one in listed(service.port))) for service in services
        }
    return {
        "lists": len(names),
        "streams": len(next(iter(names))),
        "fps": min(one["fps"] for one in seen),
        "fps_min": min(one["fps_min"] for one in seen),
        "oldest_ms": max(one["age_ms"]["max"] for one in seen),
        "p50_ms": max(one["age_ms"]["p50"] for one in seen),
        "p99_ms": max(one["age_ms"]["p99"] for one in seen),
        "hangups": sum(len(one["hangups"]) for one in seen),
        "page_cpu": max(cpus) / seconds,
        "redis_out_kb": 0.001 * (after[1] - before[0][1]) / seconds,
        "fetched": (after[1] - before[0][1]) / seconds / servers / seen[0]["bytes_mean"],
        "seen": seen,
    }


def servers(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    count, viewers = (2, 10) if args.quick else (SERVERS, VIEWERS)
    rounds = []
    for number in range(args.rounds):
        note(f"servers, round {number + 1} of {args.rounds}: {count} with {viewers} viewers each")
        rounds.append(servers_turn(args, count, viewers))
    row: Row = {"part": "servers", "contender": f"{count} page servers, {viewers} viewers each"}
    row["rounds"] = rounds
    for key in ("fps", "fps_min", "p50_ms", "p99_ms", "page_cpu", "redis_out_kb", "fetched", "streams"):
        row[key] = middle(rounds, key)
    row |= {key: max(one[key] for one in rounds) for key in ("lists", "oldest_ms", "hangups")}
    heads = {"contender": "on one Redis", "streams": "streams", "lists": "different lists", "fps": "fps"}
    ages = {"fps_min": "slowest", "p50_ms": "age p50, ms", "p99_ms": "p99, ms", "oldest_ms": "oldest, ms"}
    more = {"page_cpu": "CPU of the busiest", "redis_out_kb": "out of Redis, KB/s"}
    more |= {"fetched": "pictures/s each fetches", "hangups": "hangups"}
    table(f"Page servers at {TENTH_FPS:g} fps a viewer", [row], {**heads, **ages, **more})
    oldest = row["oldest_ms"]
    return [row], [
        Bar(f"{count} page servers list the same streams", f"{row['lists']} lists", row["lists"] == 1),
        Bar(f"no picture is older than {OLDEST_BAR_MS / 1000:g} s", f"{oldest} ms", oldest <= OLDEST_BAR_MS),
        Bar(
            f"each fetches at most {FETCHED_BAR:g} times the pictures that its viewers asked for",
            f"{row['fetched']} a second for {TENTH_FPS:g}",
            row["fetched"] <= FETCHED_BAR * TENTH_FPS,
        ),
    ]


PARTS = {
    "idle": crews.idle,
    "costs": costs.costs,
    "bus": bus,
    "latency": latency,
    "servers": servers,
    "kills": outages.kills,
}


def main() -> None:
    arguments = parser(__doc__, rounds=5, seconds=5.0)
    arguments.add_argument("--part", action="append", choices=list(PARTS), help="only this; may be repeated")
    arguments.add_argument("--env", default="long", help="what `idle` trains (default: steps of 30 µs)")
    arguments.add_argument("--turns", type=int, default=crews.TURNS, help="of each crew in `idle`")
    arguments.add_argument("--warmup", type=float, default=1.5, help="seconds before each measured window")
    arguments.add_argument("--kills", type=int, default=20, help="of each kind (default %(default)s)")
    arguments.add_argument("--seed", type=int, default=1, help="of the moments of kills")
    args = arguments.parse_args()
    if args.quick:
        args.rounds, args.seconds, args.warmup, args.kills = 1, 0.7, 0.4, 1
    rows, bars = [], []
    for name in args.part or PARTS:
        more_rows, more_bars = PARTS[name](args)
        rows += more_rows
        bars += more_bars
    finish(args, "scale", rows, bars)


if __name__ == "__main__":
    main()
