"""`python -m envstream.web.child`: the server process beside a trainer. Its stdin is the control line."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import Any

from envstream.links.block import Block
from envstream.web.server import run

_NICER = 5  # Where every core is busy, training goes first.


def attach(message: dict[str, Any], descriptors: list[int]) -> Block:
    """The trainer's block, from the descriptor that came with its announcement."""
    descriptor = descriptors.pop(0)
    try:
        return Block.attach(descriptor, message["max_pixels"])
    finally:
        os.close(descriptor)


def main() -> None:
    """Serve until the trainer is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the trainer.
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICER)
    line = socket.socket(fileno=os.dup(0))
    sys.setswitchinterval(0.001)  # Flask's threads give way to the event loop sooner.
    run(line, attach)


if __name__ == "__main__":
    main()
