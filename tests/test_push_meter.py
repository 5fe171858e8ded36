"""The meter: one line that is rewritten on a terminal, lines now and then elsewhere."""

from __future__ import annotations

import io
from typing import Any

from envstream.push.meter import Meter, line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(sent: int = 0, size: int = 0, **more: Any) -> dict[str, Any]:
    return {"sent": sent, "bytes_sent": size, "acknowledged": 0, "missing": 0, "lost": 0, **more}


def test_rates_are_those_of_the_last_seconds() -> None:
    out = Terminal()
    meter = Meter(out)
    for second in range(10):
        meter.show(second, said(30 * second, 125_000 * second))
    assert out.getvalue().endswith("\r30.0 pictures/s, 1.00 Mbit/s, sent 270, acknowledged 0, missing 0")
    assert "\n" not in out.getvalue()


def test_a_line_that_is_shorter_leaves_nothing_of_the_one_before() -> None:
    out = Terminal()
    meter = Meter(out)
    meter.show(0.0, said(1000))
    meter.show(1.0, said(1))
    first, second = out.getvalue().split("\r")[1:]
    assert len(second) == len(first)
    meter.say("a sentence")
    assert out.getvalue().endswith("\r" + " " * len(second.rstrip()) + "\ra sentence\n")


def test_elsewhere_a_line_is_written_every_few_seconds() -> None:
    out = io.StringIO()
    meter = Meter(out)
    for tenth in range(101):
        meter.show(tenth / 10, said(tenth))
    assert len(out.getvalue().splitlines()) == 3 and "\r" not in out.getvalue()


def test_the_stage_of_the_processing_stands_at_the_end() -> None:
    progress = {"stage": "processing", "percent": 41.6}
    assert line(said(of=20, progress=progress), 0, 0).endswith(", missing 0, processing 42 %")
    assert "sent 0/20" in line(said(of=20), 0, 0)
    assert line(said(progress={"stage": "receiving", "percent": None}), 0, 0).endswith(", receiving")


def test_what_is_lost_counts_as_missing_and_no_connection_is_said() -> None:
    text = line(said(lost=2, missing=1, problem="nobody there") | {"lost": 2, "missing": 1}, 0, 0)
    assert "missing 3, no connection (nobody there)" in text


def test_an_output_that_was_closed_is_survived() -> None:
    out = Terminal()
    meter = Meter(out)
    out.close()
    meter.show(0.0, said())
    meter.say("anything")
