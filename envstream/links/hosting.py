"""Hosting: how a worker comes by a server: it joins the one that is there, or runs one for others as well."""

from __future__ import annotations

import logging
import socket
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from envstream.links import control
from envstream.links.channel import Channel
from envstream.links.rendezvous import PATIENCE, Rendezvous
from envstream.links.worker import Address, Worker

log = logging.getLogger("envstream")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0  # Seconds between restarts of a server that keeps dying.
_STEADY = 10.0  # Seconds after which a server counts as healthy again; to start one takes one or two.
_BRIEF = 1.0  # Seconds: one of another process that is up no longer is not come back to at once.
_TRIES = 3  # Starts that may fail before the first success until this kind of worker is given up.
_LOOK_EVERY = 0.05  # Seconds between two looks for a server that another process is starting.
_STARTS_WITHIN = 20.0  # Seconds that such a start may take.


class HostingWorker(Worker):
    """Keeps a server running, its own or another process's. Everything slow happens in a thread that sleeps.

    Subclasses say how a server of its own is run (`serve`) and what stays with it (`own`).
    """

    rendezvous: Rendezvous | None = None
    shown: Callable[[str], None] = staticmethod(lambda where: None)  # Told where else it is to be seen.
    visits = False  # Whether the line leads to another process's server.

    def launch(self) -> None:
        """Have a server and keep it, without waiting for anything."""
        self.hasten()  # Until it is up: a busy training loop would keep the thread below from starting it.
        threading.Thread(target=self._supervise, name="envstream-host", daemon=True).start()

    @abstractmethod
    def serve(self, lock: int | None) -> tuple[bool, str]:
        """One life of a server of its own: whether it came up, and why it ended.

        Args:
            lock: a descriptor that the server has to keep open for as long as it lives, and nobody else;
                None = it is no server for others.
        """

    @abstractmethod
    def own(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        """How a channel's block is handed to a server of its own."""

    def handles(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        if not self.visits:
            return self.own(channel)
        descriptor = channel.block.descriptor
        return {"max_pixels": channel.block.max_pixels}, [] if descriptor is None else [descriptor]

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
            if self.visits:
                self.visits = False  # Another one is there soon, or it is ours.
                lived = time.monotonic() - began
                pause = min(2 * pause, _LONGEST_PAUSE) if up and lived < _BRIEF else _FIRST_PAUSE
                time.sleep(_LOOK_EVERY if lived >= _BRIEF or not up else pause)
                ever_up = ever_up or up
                continue
            ever_up = ever_up or up
            failures = 0 if up else failures + 1
            if not ever_up and (failures >= _TRIES or reason.startswith("fatal: ")):
                self.gave_up(reason.removeprefix("fatal: "))
                return
            if up:
                log.warning(
                    "envstream: the server process ended (%s); training goes on and the page comes back by "
                    "itself",
                    reason,
                )
            pause = _FIRST_PAUSE if time.monotonic() - began > _STEADY else min(2 * pause, _LONGEST_PAUSE)
            if self._rest(pause):
                return

    def _rest(self, seconds: float) -> bool:
        time.sleep(seconds)
        return self.stopped()

    def stopped(self) -> bool:
        """Whether the end was asked for, by now."""
        return self.stopping

    def _live_once(self) -> tuple[bool, str]:
        """One life of a server, wherever it runs: whether it came up, and why it ended."""
        try:
            found = self._found()
        except OSError as error:
            log.debug("envstream: this process serves for itself (%s)", error)
            self.rendezvous = found = None
        return self._visit(found) if isinstance(found, socket.socket) else self.serve(found)

    def _found(self) -> socket.socket | int | None:
        """A line to the server that is there; or the lock that makes it ours to run one; None: neither."""
        waited_since = time.monotonic()
        while self.rendezvous is not None and time.monotonic() - waited_since < _STARTS_WITHIN:
            line = self.rendezvous.join()
            if line is not None:
                return line
            lock = self.rendezvous.claim()
            if lock is not None or self.stopped():
                return lock
            time.sleep(_LOOK_EVERY)  # Somebody is starting one.
        return None

    def _visit(self, line: socket.socket) -> tuple[bool, str]:
        """One life of another process's server."""
        self.visits, began = True, time.monotonic()
        self.connect(line)
        up, reason = self.listen(line)
        self.hasten()
        self.disconnect()
        silent = not up and time.monotonic() - began > PATIENCE / 2  # One that just ends hangs up at once.
        if not up and (reason or silent):
            self.rendezvous = None
            log.warning(
                "envstream: the server of another process cannot be shared (%s); this one has its own",
                reason or "it does not answer",
            )
        return up, reason

    def listen(self, line: socket.socket) -> tuple[bool, str]:
        """Hear what a server says until it is gone: whether it came up, and why it ended."""
        incoming = control.Incoming(line)
        up, reason = False, ""
        while not incoming.ended:
            for message in incoming.receive():
                line.settimeout(None)
                if message["op"] == "listening":
                    up = True
                    self.relax()
                    self._came_up(message)
                elif message["op"] == "failed":
                    reason = "fatal: " + message["message"]
                elif message["op"] == "refused":
                    reason = message["message"]
                else:
                    if message["op"] == "pageless":
                        up = True
                        self.relax()
                    if message["op"] == "shown":
                        self.shown(message["where"])
                    self.heard(message)
        return up, reason

    def _came_up(self, message: dict[str, Any]) -> None:
        where = message["scheme"], message["host"], message["port"]
        address = Address(*where, message.get("token"), self.visits, message.get("fingerprint"))
        if not self.visits:
            self.start_message["port"] = address.port  # Started anew, it comes back where it was.
        self.came_up(address)
