"""Frames that somebody sent, for tests: what each of them is follows from its number."""

from __future__ import annotations

import random
from typing import Any

from envstream.sessions.arrival import ENCODINGS, Arrival


def arrival(number: int, size: int | None = None, **more: Any) -> Arrival:
    """A frame with all that a frame can have; its bytes are no picture."""
    chance = random.Random(number)
    made = Arrival(
        number=number,
        timestamp=number / 30,
        encoding=ENCODINGS[number % len(ENCODINGS)],
        width=chance.randint(1, 65535),
        height=chance.randint(1, 65535),
        key=number % 3 == 0,
        captured=None if number % 2 else 1e9 + number,
        info={"episode": number, "return": -1.5, "place": "走\ud800"} if number % 4 else {},
        data=chance.randbytes(chance.randint(0, 5000) if size is None else size),
    )
    return made._replace(**more)
