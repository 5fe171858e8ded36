"""A worker: something that runs the server for a trainer. The trainer's end of the control line."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envstream.links import control
from envstream.links.channel import Channel

log = logging.getLogger("envstream")

# A thread that waits for the interpreter asks for it only after a whole interval without a release. Envs
# release it for a moment all the time (NumPy's generators do, at every reset), and at Python's 5 ms the
# waiting thread would starve for seconds: it would be woken, find it taken again, and begin to wait anew.
SWITCH_INTERVAL = 50e-6  # Seconds.


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        token: what opens its page, where it is another process's; None = what this process has itself.
        shared: whether it is another process's.
        fingerprint: of a certificate that signs itself.
    """

    scheme: str
    host: str
    port: int
    token: str | None = None
    shared: bool = False
    fingerprint: str | None = None

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{host}:{self.port}/"


class Worker(ABC):
    """Announces channels to a server over a control line, and hears where it listens.

    Subclasses say how the server is run (`launch`) and how a block is handed to it (`handles`).

    Args:
        start: the first message: settings, token, port.
        came_up: called with the address once the server listens.
        gave_up: called with a sentence when the server cannot run at all.
    """

    def __init__(
        self,
        start: Mapping[str, Any],
        came_up: Callable[[Address], None],
        gave_up: Callable[[str], None],
    ) -> None:
        self.start_message = dict(start)
        self.came_up = came_up
        self.gave_up = gave_up
        self.stopping = False
        self._usual_interval: float | None = None
        self._channels: list[Channel] = []
        self._warned: set[str] = set()
        self._line: socket.socket | None = None
        # Protects the list of channels and which line is the current one. `step()` never takes it:
        # a wake-up uses whatever line stands in the attribute.
        # Reentrant, because an env that is collected as garbage in the midst of it ends its stream.
        self._lock = threading.RLock()

    def hasten(self) -> None:
        """Have threads of this process that wait for the interpreter get it soon; see `SWITCH_INTERVAL`."""
        if self._usual_interval is None:
            self._usual_interval = sys.getswitchinterval()
            sys.setswitchinterval(min(self._usual_interval, SWITCH_INTERVAL))

    def relax(self) -> None:
        """Give the interpreter its usual pace back."""
        usual, self._usual_interval = self._usual_interval, None
        if usual is not None:
            sys.setswitchinterval(usual)

    def wake(self) -> None:
        """Have the server look into the blocks. Never blocks, never raises."""
        line = self._line
        if line is not None:
            control.wake(line)

    def add(self, channel: Channel) -> None:
        """Announce a channel, now or as soon as the server is there."""
        with self._lock:
            self._channels.append(channel)
            if self._line is not None:
                self._announce(self._line, channel)

    def note(self, channel: Channel, message: str, *, lasting: bool = False) -> None:
        """Show a sentence about a channel on the page: until its next frame, or lasting; "" = none."""
        note = {"op": "note", "name": channel.name, "message": message, "lasting": lasting}
        with self._lock:
            if message:
                channel.notes[lasting] = note
            else:
                channel.notes.clear()
            if self._line is not None:
                self._say(self._line, note)

    def choose(self, channel: Channel, quality: int | str) -> None:
        """Another quality for what a channel shows; a server started anew begins with it."""
        channel.settings["videoStreamQuality"] = quality
        with self._lock:
            if self._line is not None:
                self._say(self._line, {"op": "quality", "name": channel.name, "quality": quality})

    def heard(self, message: Mapping[str, Any]) -> None:
        """The server said something that is no news of its address."""
        if message["op"] == "quality":
            self.chosen(message)
        elif message["op"] == "named":
            self.named(message)
        elif message["op"] == "warning" and message["message"] not in self._warned:
            self._warned.add(message["message"])
            log.warning("envstream: %s: %s", message["name"], message["message"])
        elif message["op"] == "pageless" and message["message"]:
            self.gave_up(message["message"])

    def chosen(self, message: Mapping[str, Any]) -> None:
        """Somebody chose another quality on the page."""
        with self._lock:
            for channel in self._channels:
                if channel.name == message["name"]:
                    channel.settings["videoStreamQuality"] = message["quality"]

    def named(self, message: Mapping[str, Any]) -> None:
        """The server shows a channel under another name; a server to come is asked for the same."""
        with self._lock:
            for channel in self._channels:
                if channel.name == message["name"]:
                    channel.shown_as = message["as"]

    def remove(self, channel: Channel) -> None:
        """Forget a channel that was closed."""
        with self._lock:
            self._channels = [known for known in self._channels if known is not channel]

    def stop(self) -> None:
        """End the server. Returns at once; the page says "ended"."""
        self.stopping = True
        self.disconnect()

    def abandon(self) -> None:
        """This process is a fork: let go of the line without a word. The parent's server goes on."""
        self.stopping = True
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def connect(self, line: socket.socket) -> None:
        """Begin on a new control line: say how to start, and announce every channel."""
        with self._lock:
            if self.stopping:  # Ended before it began.
                line.close()
                return
            self._say(line, self.start_message)
            for channel in self._channels:
                self._announce(line, channel)
            self._line = line

    def disconnect(self) -> None:
        """The line has ended, or is to end."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The other side was first.
            line.close()

    @abstractmethod
    def launch(self) -> None:
        """Start the server, without waiting for anything."""

    @abstractmethod
    def handles(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        """How the channel's block is handed over: fields of the message, and file descriptors."""

    def _announce(self, line: socket.socket, channel: Channel) -> None:
        fields, descriptors = self.handles(channel)
        message = {
            "op": "open",
            "name": channel.name,
            "title": channel.title,
            "as": channel.shown_as,
            "settings": channel.settings,
            "envs": channel.envs,
            **channel.nature._asdict(),
            "takes": channel.takes,
            **fields,
        }
        self._say(line, message, descriptors)
        for note in channel.notes.values():
            self._say(line, note)

    def _say(
        self, line: socket.socket, message: Mapping[str, Any], descriptors: list[int] | None = None
    ) -> None:
        try:
            control.send(line, message, descriptors or ())
        except OSError:
            # The server is gone, or reads no more: whoever waits on the line sees its end, and begins anew.
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
