"""`envstream serve`: the server on its own, for publishers; it ends with Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envstream import descriptors
from envstream._version import __version__
from envstream.config import StreamConfig
from envstream.entrance import announcement, keys_of, place_of
from envstream.errors import SettingError
from envstream.links import control
from envstream.links.block import Block
from envstream.links.rendezvous import Rendezvous
from envstream.links.worker import Address
from envstream.settings import portable
from envstream.web.away import is_bus
from envstream.web.heap import keep_small
from envstream.web.server import run

_INTERRUPTED = 128


class Service:
    """A server without a trainer, in a thread; the main thread waits for signals."""

    def __init__(self, config: StreamConfig, given: Mapping[str, Any]) -> None:
        self._config = config
        self._keys = keys = keys_of(config, serves=True)
        self.failure: str | None = None
        self._ours, theirs = socket.socketpair()
        start = {
            "op": "start",
            "version": __version__,
            "place": place_of(config, serves=True),
            "lock": self._lock(config),
            # What it shows comes from publishers: there is nothing to record, and no page elsewhere.
            "settings": {**portable(given, config), "videoStream": True, "videoRecord": False},
            "token": keys.token,
            "roles": dict(keys.roles),
            "asked": config.videoStreamTokens,
            "port": config.videoStreamPort,
            "pid": os.getpid(),
            "run": secrets.token_hex(8),
            "serve": True,
        }
        control.send(self._ours, start)
        self._server = threading.Thread(target=self._run, args=(theirs,), name="envstream-server")
        self._listener = threading.Thread(target=self._listen, name="envstream-line", daemon=True)

    @staticmethod
    def _lock(config: StreamConfig) -> int | None:
        """What makes this the server that trainers of this machine find; None: there is one already."""
        place = place_of(config, serves=True)
        try:
            return None if place is None else Rendezvous(*place).claim()
        except OSError:
            return None

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()
        self._listener.start()

    def stop(self) -> None:
        """End it: viewers hear so, and what is unfinished goes on with the next server on this folder."""
        try:
            self._ours.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It has ended by itself.

    def join(self, seconds: float) -> bool:
        """Wait for the end, so many seconds at most; whether it is there."""
        self._server.join(seconds)
        if self._server.is_alive():
            return False
        self._listener.join()  # Its last word may be why.
        self._ours.close()
        return True

    def _run(self, line: socket.socket) -> None:
        try:
            run(line, _no_trainer)
        except BaseException:
            self.failure = "the server broke down; what went wrong stands above"
            raise

    def _listen(self) -> None:
        incoming = control.Incoming(self._ours)
        while not incoming.ended:
            for message in incoming.receive():
                if message["op"] == "listening":
                    where = message["scheme"], message["host"], message["port"]
                    address = Address(*where, fingerprint=message.get("fingerprint"))
                    self._say(announcement(address, self._keys))
                    self._say(self._places(address, message.get("unfinished", 0)))
                elif message["op"] == "failed":
                    self.failure = message["message"]
                elif message["op"] == "warning":
                    self._say(f"envstream: {message['name']}: {message['message']}")

    def _places(self, address: Address, unfinished: int) -> str:
        folder = Path(self._config.videoStreamFolder).expanduser().absolute()
        key = self._keys.roles.get("publish") or self._keys.token
        token = f" --token {key}" if key else ""
        lines = [
            f"envstream: send a video: envstream push {address.url}{token} --video FILE",
            f"envstream: videos and results go to {folder}",
        ]
        if unfinished:
            sessions = "unfinished session was" if unfinished == 1 else "unfinished sessions were"
            lines.append(f"envstream: {unfinished} {sessions} found there; what is missing may still come")
        return "\n".join(lines)

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def serve(config: StreamConfig, given: Mapping[str, Any]) -> int:
    """Serve until a signal comes; an exit status.

    Raises:
        SettingError: when it is to show everything elsewhere.
    """
    if config.videoStreamHub is not None and not is_bus(config.videoStreamHub):
        raise SettingError(
            "videoStreamHub is for training that is shown by a server elsewhere; a server of its own shows "
            "what it has itself: leave it out"
        )
    descriptors.raise_limit()
    service = Service(config, given)
    came: list[int] = []

    def heed(number: int, frame: object) -> None:
        if came:
            os._exit(_INTERRUPTED + number)  # Somebody is in a hurry.
        came.append(number)
        service.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed)
    keep_small()
    service.start()
    while not service.join(0.5):
        pass  # Signals are heeded between two looks.
    if service.failure is not None:
        sys.stderr.write(f"envstream: {service.failure}\n")
        return 2
    return 0


def _no_trainer(message: dict[str, Any], descriptors: list[int]) -> Block:
    raise ValueError("a server on its own has no trainer")
