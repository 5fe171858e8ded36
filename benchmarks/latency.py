"""How old a picture is when its viewer has it: from the end of the capture to the last byte at the client.

640×480 pictures that lie ready (rendering costs nothing), a busy pure-Python training loop, four viewers on
`/ws` that acknowledge at once; the process worker and the thread worker take turns. Besides the whole, each
stage: until encoded, until handed to the connection, until whole at the client. p50, p99 and max in
milliseconds, as the median and the spread of the rounds.

Bars, for the process worker: p50 at most 3 ms, p99 at most 15 ms.

    python benchmarks/latency.py --json latency.json
"""

from __future__ import annotations

import argparse

from common import Bar, Contender, Row, Slice, figure, finish, middle, note, parser, spread, table, turns

BARS_MS = {"p50": 3.0, "p99": 15.0}
STAGES = ("encode", "queue", "wire")

CONTENDERS = [
    Contender("process", "envstream"),
    Contender("thread", "envstream", {"videoStreamWorker": "thread"}),
]


def row_of(contender: Contender, rounds: list[Row]) -> Row:
    """What one worker's rounds say together."""
    row: Row = {"contender": contender.name, "rounds": rounds}
    for key in ("p50", "p99", "max"):
        found = spread(rounds, "viewers", "age_ms", key)
        row[key] = found
        row[f"{key}_text"] = found and found.text("{:.2f}")
    for stage in STAGES:
        row[stage] = middle(rounds, "viewers", "stages_ms", stage, "p50")
    row["fps"] = middle(rounds, "viewers", "fps")
    row["steps_per_second"] = middle(rounds, "steps_per_second", digits=0)
    row["viewers_cpu"] = middle(rounds, "viewers", "cpu", digits=3)
    row["bytes"] = middle(rounds, "viewers", "bytes_mean", digits=0)
    return row


def measure(args: argparse.Namespace) -> list[Row]:
    """All rounds of both workers."""
    seconds, warmup = (0.6, 0.2) if args.quick else (args.seconds, 1.0)
    turn = Slice("busy", seconds, warmup, viewers=args.viewers)
    found: dict[str, list[Row]] = {contender.name: [] for contender in CONTENDERS}
    rounds = 1 if args.quick else args.rounds
    for number, order in turns(CONTENDERS, rounds):
        for contender in order:
            note(f"round {number + 1} of {rounds}: {contender.name}")
            found[contender.name].append(turn.measure(contender))
    return [row_of(contender, found[contender.name]) for contender in CONTENDERS]


def main() -> None:
    arguments = parser(__doc__, rounds=5, seconds=6.0)
    arguments.add_argument("--viewers", type=int, default=4, metavar="N")
    args = arguments.parse_args()
    rows = measure(args)
    heads = {"contender": "worker", "p50_text": "p50, ms", "p99_text": "p99, ms", "max_text": "max, ms"}
    stages = {stage: f"{stage} p50" for stage in STAGES}
    more = {"fps": "fps", "bytes": "bytes", "steps_per_second": "steps/s", "viewers_cpu": "viewers' CPU"}
    table(f"Capture to client, {args.viewers} viewers", rows, {**heads, **stages, **more})
    bars = [
        Bar(
            f"process worker: {key} at most {limit:g} ms",
            f"{rows[0][f'{key}_text']} ms",
            (figure(rows[0]["rounds"][0], "viewers", "age_ms") is not None) and rows[0][key].median <= limit,
        )
        for key, limit in BARS_MS.items()
    ]
    finish(args, "latency", rows, bars)


if __name__ == "__main__":
    main()
