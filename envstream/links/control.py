"""The control line between a trainer and its server: one JSON object a line, empty lines are wake-ups.

A socket pair, so that the end of either side is seen by the other as end of file, whatever killed it.
"""

from __future__ import annotations

import array
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# A full line or a dead peer must never stop or kill (SIGPIPE) the trainer.
_QUIETLY = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)
_MOST_DESCRIPTORS = 64


def can_pass() -> bool:
    """Whether file descriptors go from process to process here. On Windows they do not."""
    return hasattr(socket, "SCM_RIGHTS") and hasattr(socket, "AF_UNIX")


def wake(line: socket.socket) -> None:
    """Tell the other side to look. A line already full of wake-ups needs no further one."""
    try:
        line.send(b"\n", _QUIETLY)
    except OSError:
        pass  # Full, or the peer is gone: whoever watches the line's end sees that.


def send(line: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message, with file descriptors where the system can pass them. Never waits.

    Raises:
        OSError: when the other side is gone, or has left so much unread that the message does not fit.
    """
    data = json.dumps(message).encode() + b"\n"
    if descriptors:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        # Not socket.send_fds: before Python 3.12 it ignores the flags.
        sent = line.sendmsg([data], [rights], _QUIETLY)
    else:
        sent = line.send(data, _QUIETLY)
    if sent < len(data):
        raise BlockingIOError("the control line is full")


class Incoming:
    """Cuts what comes over a control line into messages."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._rest = b""
        self.descriptors: list[int] = []
        self.ended = False

    def receive(self) -> Iterator[dict[str, Any]]:
        """The messages of one read; none for wake-ups. Sets `ended` at end of file."""
        try:
            if self._line.family == getattr(socket, "AF_UNIX", None):
                data, descriptors, _, _ = socket.recv_fds(self._line, 65536, _MOST_DESCRIPTORS)
                self.descriptors += descriptors
            else:
                data = self._line.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                yield json.loads(line)
