"""`python -m envstream.web.child`: the server process beside a trainer. Its stdin is the control line."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from envstream import descriptors, logs
from envstream.config import StreamConfig
from envstream.web.heap import keep_small
from envstream.web.server import Host, run
from envstream.web.trainers import attach
from envstream.web.vigil import Vigil

_NICER = 5


def _give_way() -> None:
    """Where every core is busy, training goes first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICER)
    # Linux shares the cores out among sessions first (sched(7), "The autogroup feature"): a process's own
    # niceness counts within its session only, and this one has a session of its own.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICER))


def _be_quiet() -> None:
    """Who reads what the first trainer said waits for the end of it, and not for that of others."""
    with Path(os.devnull).open("r+b") as nothing:
        for descriptor in (1, 2):
            os.dup2(nothing.fileno(), descriptor)


def _log(settings: StreamConfig, start: dict[str, Any]) -> None:
    """Say what is said as the settings have it, and never a token."""
    run = (start.get("identity") or {}).get("run")
    roles = (start.get("roles") or {}).values()
    secrets = (start.get("token"), start.get("secret"), *roles, *(settings.videoStreamCameras or ()))
    logs.begin(settings.videoStreamLog, settings.videoStreamRun or run, secrets)


def main() -> None:
    """Serve until the trainer is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the trainer.
    # Its process id is told: it may have gone, and somebody else have become our parent, before we can look.
    vigil = Vigil(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid())
    vigil.start()
    descriptors.raise_limit()
    line = socket.socket(fileno=os.dup(0))
    sys.setswitchinterval(0.001)  # Flask's threads give way to the event loop sooner.
    keep_small()
    # Not before it is up: where training keeps every core busy, the page would take seconds to appear.
    try:
        run(line, attach, Host(_give_way, _be_quiet, vigil.beat, vigil.ends, _log))
    finally:
        vigil.over()


if __name__ == "__main__":
    main()
