"""Identity: whose stream it is, among those of many workers."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """Who makes a stream's pictures.

    Attributes:
        run: what the whole training is called; None = nobody said.
        rank: which of its processes it is, from 0; None = there is but one, or nobody said.
        host: the machine it runs on.
        pid: its process there.
    """

    run: str | None = None
    rank: int | None = None
    host: str | None = None
    pid: int | None = None
