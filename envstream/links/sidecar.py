"""The sidecar: the server in a child process, fed through shared memory, watched and restarted."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from envstream.links.channel import Channel
from envstream.links.hosting import HostingWorker
from envstream.links.rendezvous import let_go


def child_command() -> list[str]:
    """The command that runs the server of this process; the control line is its standard input."""
    return [sys.executable, "-m", "envstream.web.child", str(os.getpid())]


def child_environment() -> dict[str, str]:
    """The trainer's environment and import path, so that the child finds the same packages."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *(path for path in sys.path if path and path != here)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONWARNINGS": "ignore",  # A trainer run with -W error must not take its server down.
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
    }


class Sidecar(HostingWorker):
    """Runs the server as `python -m envstream.web.child`."""

    process: subprocess.Popen[bytes] | None = None

    def own(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        descriptor = channel.block.descriptor
        fields = {"max_pixels": channel.block.max_pixels}
        return fields, [] if descriptor is None else [descriptor]

    def serve(self, lock: int | None) -> tuple[bool, str]:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # No descriptors are left.
            if lock is not None:
                let_go(lock)
            return False, f"the server process cannot be spoken to ({error})"
        self.start_message["lock"] = lock
        try:
            self.process = process = subprocess.Popen(
                child_command(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=child_environment(),
                cwd=Path(__file__).resolve().parents[2],
                pass_fds=[] if lock is None else [lock],
                start_new_session=True,  # Ctrl-C and hang-ups are the trainer's; the child follows its end.
            )
        except OSError as error:
            ours.close()
            return False, f"the server process cannot be started ({error})"
        finally:
            theirs.close()
            if lock is not None:
                let_go(lock)  # It is the child's.
        self.connect(ours)
        up, reason = self.listen(ours)
        self.hasten()  # Or a busy training loop would keep this thread from starting the next one.
        self.disconnect()
        if self.stopped() and lock is not None:
            process.wait()  # It may go on for others.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.returncode is None:
            process.kill()
            process.wait()
        return up, reason or f"exit status {process.returncode}"
