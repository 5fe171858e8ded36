"""The outlet: what the wrappers of one process share towards one server: its start, names, its end."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import secrets
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from envstream._version import __version__
from envstream.config import StreamConfig
from envstream.entrance import announcement, in_notebook_kernel, keys_of, place_of, query_of
from envstream.errors import SharedMemoryError
from envstream.identity import Identity, identity
from envstream.links.block import Block
from envstream.links.channel import Channel, Nature
from envstream.links.control import can_pass
from envstream.links.hosting import HostingWorker
from envstream.links.rendezvous import Rendezvous
from envstream.links.sidecar import Sidecar
from envstream.links.worker import Address

log = logging.getLogger("envstream")

THREAD_COST = (
    "the server runs in a thread of the training process instead, which shares its interpreter: expect "
    "a busy pure-Python loop to lose 10-30 % of its speed while somebody watches"
)

# Envs that agree on these share a server. One that wants another token must not be shown without it.
SERVER_SETTINGS = (
    "videoStream",
    "videoStreamHost",
    "videoStreamPort",
    "videoStreamWorker",
    "videoStreamToken",
    "videoStreamTokens",
    "videoStreamTlsCert",
    "videoStreamTlsKey",
    "videoStreamAllowedHosts",
    "videoStreamTrustedProxies",
    "videoStreamMaxHandshakes",
    "videoStreamMaxViewers",
    "videoStreamHub",
)

_outlets: dict[tuple[Any, ...], Outlet] = {}
# Protects the table of outlets and each outlet's list of channels. Taken when envs open and close,
# never in step().
_lock = threading.RLock()


class Outlet:
    """One server and the channels of this process that lead to it."""

    def __init__(self, key: tuple[Any, ...], config: StreamConfig) -> None:
        self._key = key
        self._config = config
        self._channels: list[Channel] = []
        self._numbers = itertools.count(2)
        self._up = threading.Event()
        self._announced: str | None = None
        self.address: Address | None = None
        self.failure: str | None = None
        self._keys = keys = keys_of(config)
        self.token = keys.best
        self._place = place_of(config)
        self._start: dict[str, Any] = {
            "op": "start",
            "version": __version__,
            "token": keys.token,
            "made": keys.token is not None and keys.token != config.videoStreamToken,
            "roles": dict(keys.roles),
            "asked": config.videoStreamTokens,
            "notebook": in_notebook_kernel(),
            "port": config.videoStreamPort,
            "place": self._place,
            "pid": os.getpid(),
            "identity": identity_here(config)._asdict(),
            "run": secrets.token_hex(8),
            "secret": secrets.token_urlsafe(24),
        }
        self._worker = self._make_worker(config.videoStreamWorker)

    def _make_worker(self, kind: str) -> HostingWorker:
        worker: HostingWorker
        if kind == "process" and not can_pass():
            log.warning("envstream: this system hands no memory from process to process; %s", THREAD_COST)
            kind = "thread"
        if kind == "thread":
            from envstream.web.thread import ThreadWorker

            worker = ThreadWorker(self._start, self._came_up, self._gave_up)
        else:
            worker = Sidecar(self._start, self._came_up, self._fall_back)
        worker.shown = self._shown
        worker.rendezvous = None if self._place is None else Rendezvous(*self._place)
        return worker

    def open(
        self,
        title: str,
        settings: Mapping[str, Any],
        config: StreamConfig,
        envs: Sequence[int] | None = None,
        nature: Nature = Nature(),  # noqa: B008 - immutable
    ) -> Channel:
        """A channel for an env, or for `envs` of a vector env. The server comes up meanwhile."""
        with _lock:
            block = self._block(config)
            name = self._free_name(title)
            channel = Channel(name, title, settings, block, self.wake, envs, nature)
            first = not self._channels
            self._channels.append(channel)
            if first:
                self._start["settings"] = dict(settings)
                self._worker.start_message["settings"] = dict(settings)
                self._worker.launch()
            self._worker.add(channel)
            return channel

    def _block(self, config: StreamConfig) -> Block:
        try:
            return Block.create(config.max_pixels, shared=True)
        except SharedMemoryError as error:
            if isinstance(self._worker, Sidecar):
                self._fall_back(str(error))
            self._worker.rendezvous = None  # What is not shared no other process can show.
            return Block.create(config.max_pixels, shared=False)

    def close(self, channel: Channel) -> None:
        """End one stream; the last one takes the server with it."""
        with _lock:
            channel.close()
            if channel not in self._channels:
                return
            self._channels.remove(channel)
            self._worker.remove(channel)
            if not self._channels:
                self._worker.stop()
                if _outlets.get(self._key) is self:
                    del _outlets[self._key]

    def note(self, channel: Channel, message: str, *, lasting: bool = False) -> None:
        """Show a sentence about a channel on the page: until its next frame, or lasting; "" = none."""
        self._worker.note(channel, message, lasting=lasting)

    def choose(self, channel: Channel, quality: int | str) -> None:
        """Another quality for what a channel shows, now and after a restart of the server."""
        self._worker.choose(channel, quality)

    def wake(self) -> None:
        """Have the server look into the blocks. Never blocks, never raises."""
        self._worker.wake()

    def wait(self, timeout: float | None = None) -> Address | None:
        """The server's address, waited for up to `timeout` seconds; None when it is not up."""
        if self._config.videoStream:
            self._up.wait(timeout)
        return self.address

    @property
    def url(self) -> str | None:
        """The address to open in a browser, with the token if there is one; None before it is known."""
        if self.address is None:
            return None
        return self.address.url + self.query

    @property
    def query(self) -> str:
        """What an address of the page needs to be let in."""
        return query_of(self.token)

    def abandon(self) -> None:
        """This process is a fork: the server, its line and its memory stay the parent's."""
        self._worker.abandon()

    def _free_name(self, title: str) -> str:
        taken = {channel.name for channel in self._channels}
        name = title
        while name in taken:
            name = f"{title}-{next(self._numbers)}"
        return name

    def _came_up(self, address: Address) -> None:
        self.address = address
        if address.shared:
            self.token = address.token
        else:
            self._start["port"] = address.port
        self._up.set()
        url = self.url
        if url != self._announced:
            self._announced = url
            elsewhere = address.shared or self._config.videoStreamHub is not None
            said = f"envstream: shown at {url}" if elsewhere else announcement(address, self._keys)
            sys.stderr.write(said + "\n")
            sys.stderr.flush()

    def _shown(self, where: str) -> None:
        self._up.set()
        if where != self._announced:
            self._announced = where
            sys.stderr.write(f"envstream: shown through {where}, on the pages of its servers\n")
            sys.stderr.flush()

    def _gave_up(self, reason: str) -> None:
        self.failure = reason
        self._up.set()
        log.error("envstream: %s. Training goes on without a page.", reason)

    def _fall_back(self, reason: str) -> None:
        """The process worker cannot run: run the same server in a thread, and say what that costs."""
        if "cannot listen on" in reason:  # A thread could not listen there either.
            self._gave_up(reason)
            return
        log.warning("envstream: %s; %s", reason, THREAD_COST)
        with _lock:
            before, self._worker = self._worker, self._make_worker("thread")
            before.stop()
            if self._channels:
                self._worker.launch()
            for channel in self._channels:
                self._worker.add(channel)


def identity_here(config: StreamConfig) -> Identity:
    """Who this process is."""
    process = multiprocessing.current_process()
    worker = process.name if multiprocessing.parent_process() is not None else None
    host, script = socket.gethostname(), sys.argv[0] if sys.argv else ""
    return identity(config.videoStreamRun, os.environ, script, worker, host, os.getpid())


def connect(config: StreamConfig) -> Outlet:
    """The outlet of this process that serves as `config` says; made when there is none yet."""
    key = (os.getpid(), *(str(getattr(config, name)) for name in SERVER_SETTINGS))
    with _lock:
        if key not in _outlets:
            _outlets[key] = Outlet(key, config)
        return _outlets[key]


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # The one inherited may be held by a thread that does not exist here.
    outlets = list(_outlets.values())
    _outlets.clear()
    for outlet in outlets:
        outlet.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
