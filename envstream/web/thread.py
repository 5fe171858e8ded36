"""The thread worker: the same server in a thread of the trainer, for where a process is not wanted."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from typing import Any

from envstream.links.block import Block
from envstream.links.channel import Channel
from envstream.links.hosting import HostingWorker
from envstream.links.rendezvous import let_go
from envstream.web.server import run


class ThreadWorker(HostingWorker):
    """Runs the server in a daemon thread. Blocks are handed over as they are, under a number."""

    _numbers = itertools.count()

    def launch(self) -> None:
        self._blocks: dict[int, Block] = {}
        super().launch()

    def stop(self) -> None:
        """End the server, and give the interpreter its usual pace back."""
        super().stop()
        self.relax()

    def own(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        number = next(self._numbers)
        self._blocks[number] = channel.block
        return {"block": number}, []

    def serve(self, lock: int | None) -> tuple[bool, str]:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # No descriptors are left.
            if lock is not None:
                let_go(lock)
            return False, f"the server's thread cannot be spoken to ({error})"
        self.start_message["lock"] = lock
        server = threading.Thread(
            target=run, args=(theirs, self._attach), name="envstream-server", daemon=True
        )
        server.start()
        self.connect(ours)
        up, reason = self.listen(ours)
        if os.getpid() == self.start_message["pid"]:
            self.disconnect()
            server.join(10)
        return up, reason or "it broke down"

    def _attach(self, message: dict[str, Any], descriptors: list[int]) -> Block:
        return self._blocks.pop(message["block"])
