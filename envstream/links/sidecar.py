"""The sidecar: the server in a child process, fed through shared memory, watched and restarted."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from envstream.links import control
from envstream.links.channel import Channel
from envstream.links.worker import Address, Worker

log = logging.getLogger("envstream")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0  # Seconds between restarts of a child that keeps dying.
_STEADY = 30.0  # Seconds after which a child counts as healthy again.
_TRIES = 3  # Starts that may fail before the first success until the process worker is given up.


def child_command() -> list[str]:
    """The command that runs the server; the control line is its standard input."""
    return [sys.executable, "-m", "envstream.web.child"]


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


class Sidecar(Worker):
    """Runs the server as `python -m envstream.web.child`. Everything slow happens in a thread that sleeps."""

    process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the child and keep it running, without waiting for anything."""
        self.hasten()  # Until it is up: a busy training loop would keep the thread below from starting it.
        threading.Thread(target=self._supervise, name="envstream-sidecar", daemon=True).start()

    def handles(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        descriptor = channel.block.descriptor
        fields = {"max_pixels": channel.block.max_pixels}
        return fields, [] if descriptor is None else [descriptor]

    def _supervise(self) -> None:
        try:
            self._keep_running()
        finally:
            self.relax()

    def _keep_running(self) -> None:
        pause, failures, ever_up = _FIRST_PAUSE, 0, False
        while True:
            began = time.monotonic()
            up, reason = self._live_once()
            if self.stopped():
                return
            ever_up = ever_up or up
            failures = 0 if up else failures + 1
            if not ever_up and (failures >= _TRIES or reason.startswith("fatal: ")):
                self.gave_up(reason.removeprefix("fatal: "))
                return
            if up:
                log.warning(
                    "envstream: the server process ended (%s); training goes on and the page comes back by "
                    "itself after a restart",
                    reason,
                )
            pause = _FIRST_PAUSE if time.monotonic() - began > _STEADY else min(2 * pause, _LONGEST_PAUSE)
            time.sleep(pause)
            if self.stopped():
                return

    def stopped(self) -> bool:
        """Whether the end was asked for, by now."""
        return self.stopping

    def _live_once(self) -> tuple[bool, str]:
        """One life of the child: whether it came up, and why it ended."""
        ours, theirs = socket.socketpair()
        try:
            self.process = process = subprocess.Popen(
                child_command(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=child_environment(),
                cwd=Path(__file__).resolve().parents[2],
                start_new_session=True,  # Ctrl-C and hang-ups are the trainer's; the child follows its end.
            )
        except OSError as error:
            ours.close()
            return False, f"the server process cannot be started ({error})"
        finally:
            theirs.close()
        self.connect(ours)
        up, reason = self._listen(ours)
        self.hasten()  # Or a busy training loop would keep this thread from starting the next one.
        self.disconnect()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.returncode is None:
            process.kill()
            process.wait()
        return up, reason or f"exit status {process.returncode}"

    def _listen(self, line: socket.socket) -> tuple[bool, str]:
        """Hear what the child says until it is gone."""
        incoming = control.Incoming(line)
        up, reason = False, ""
        while not incoming.ended:
            for message in incoming.receive():
                if message["op"] == "listening":
                    up = True
                    self.relax()
                    address = Address(message["scheme"], message["host"], message["port"])
                    self.start_message["port"] = address.port  # A restarted child comes back where it was.
                    self.came_up(address)
                elif message["op"] == "failed":
                    reason = "fatal: " + message["message"]
                else:
                    if message["op"] == "pageless":
                        up = True
                        self.relax()
                    self.heard(message)
        return up, reason
