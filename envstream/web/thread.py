"""The thread worker: the same server in a thread of the trainer, for where a process is not wanted."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from typing import Any

from envstream.links import control
from envstream.links.block import Block
from envstream.links.channel import Channel
from envstream.links.worker import Address, Worker
from envstream.web.server import run


class ThreadWorker(Worker):
    """Runs the server in a daemon thread. Blocks are handed over as they are, under a number."""

    _numbers = itertools.count()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self.hasten()
        self._blocks: dict[int, Block] = {}
        ours, theirs = socket.socketpair()
        threading.Thread(
            target=run, args=(theirs, self._attach), name="envstream-server", daemon=True
        ).start()
        threading.Thread(target=self._listen, args=(ours,), name="envstream-line", daemon=True).start()
        self.connect(ours)

    def stop(self) -> None:
        """End the server, and give the interpreter its usual pace back."""
        super().stop()
        self.relax()

    def handles(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        number = next(self._numbers)
        self._blocks[number] = channel.block
        return {"block": number}, []

    def _attach(self, message: dict[str, Any], descriptors: list[int]) -> Block:
        return self._blocks.pop(message["block"])

    def _listen(self, line: socket.socket) -> None:
        incoming = control.Incoming(line)
        while not incoming.ended:
            for message in incoming.receive():
                if message["op"] == "listening":
                    self.came_up(Address(message["scheme"], message["host"], message["port"]))
                elif message["op"] == "failed":
                    self.gave_up(message["message"])
                else:
                    self.heard(message)
        if not self.stopping and os.getpid() == self.start_message["pid"]:
            self.disconnect()
