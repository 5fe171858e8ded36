"""Exposition: figures as Prometheus reads them, text format 0.0.4. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from envstream.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LONGEST_LABEL = 200  # Characters.

Labels = Mapping[str, str]


class Exposition:
    """One answer, family by family. No series stands twice in it, whatever streams are called."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._family = ""
        self._there: set[tuple[str, str]] = set()

    def family(self, name: str, kind: str, help: str) -> None:
        """The samples that follow are of this family; `kind` is counter, gauge or histogram."""
        self._family = name
        self._lines += [f"# HELP {name} {_line(help)}", f"# TYPE {name} {kind}"]

    def add(self, value: float | None, **labels: str) -> None:
        """A sample of the family; of what is not known there is none."""
        if value is not None:
            self._add("", labels, value)

    def histogram(self, histogram: Histogram, **labels: str) -> None:
        """The samples of a histogram."""
        rows = histogram.cumulated()
        for bound, count in rows:
            self._add("_bucket", {**labels, "le": number(bound)}, count)
        self._add("_sum", labels, histogram.total)
        self._add("_count", labels, rows[-1][1])

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines) + "\n"

    def _add(self, suffix: str, labels: Labels, value: float) -> None:
        name = self._family + suffix
        said = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        if (name, said) in self._there:
            return
        self._there.add((name, said))
        self._lines.append(f"{name}{{{said}}} {number(value)}" if said else f"{name} {number(value)}")


def escaped(text: str) -> str:
    """A label's value, as it stands between quotation marks."""
    # What is no text in UTF-8 would make the whole answer unreadable.
    whole = text[:LONGEST_LABEL].encode(errors="replace").decode()
    return whole.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A value, in no more digits than it has."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
