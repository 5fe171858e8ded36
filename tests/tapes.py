"""Sessions on disk for tests: real pictures that bear their number, on a real tape."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import videos
from envstream import codec
from envstream.frame import Pixels
from envstream.sessions.arrival import Arrival
from envstream.sessions.store import Store

FPS = 30.0

IMPORTS = "import os, sys, time\nfrom dataclasses import replace\n"


def sent(number: int, pixels: Pixels | None = None, encoding: str = "jpeg", **more: Any) -> Arrival:
    """A frame as it was sent, of a numbered picture unless another one is given."""
    pixels = videos.numbered(number) if pixels is None else pixels
    data = pixels.tobytes() if encoding == "raw" else codec.encode(pixels, encoding, 95)
    height, width = pixels.shape[:2]
    made = Arrival(number, number / FPS, encoding, width, height, True, None, {}, data)
    return made._replace(**more)


def taped(folder: Path, arrivals: Iterable[Arrival | int]) -> Store:
    """A session's folder with these frames; a number is a numbered picture at 30 a second."""
    store = Store.create(folder)
    for arrival in arrivals:
        store.write(sent(arrival) if isinstance(arrival, int) else arrival)
    return store


def module(folder: Path, name: str, source: str) -> None:
    """Somebody's own module with processors, in a folder that is imported from."""
    (folder / f"{name}.py").write_text(IMPORTS + source)
