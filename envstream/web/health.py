"""`/health`: whether the process lives, and whether it can do what it is there for. Tells nothing secret."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, jsonify

from envstream._version import __version__
from envstream.hub import Hub
from envstream.web.pulse import Pulse

LATEST = 1.0  # Seconds by which the event loop may be late.
LEAST_FREE = 16_000_000  # Bytes that a disk has to have left.
LOOKED_AT = 2.0  # Seconds for which what was found of the disks holds: anybody may ask.


class Check(NamedTuple):
    """One thing that has to be so, and what is wrong where it is not."""

    ok: bool
    message: str = ""

    @property
    def said(self) -> dict[str, Any]:
        return {"ok": True} if self.ok else {"ok": False, "message": self.message}


def right(condition: bool, otherwise: str) -> Check:
    """A check that says what is wrong."""
    return Check(condition, "" if condition else otherwise)


class Readiness:
    """Whether a server can do what it is there for. For any thread.

    Args:
        listening: whether its port is open.
        trainers: how many trainers it has.
        room: whether publishers' sessions have room left within `videoStreamMaxDisk`.
        bus: whether the bus is there; None = it has none.
    """

    def __init__(
        self,
        hub: Hub,
        pulse: Pulse,
        listening: Callable[[], bool],
        trainers: Callable[[], int],
        room: Callable[[], bool],
        bus: Callable[[], bool | None],
    ) -> None:
        self._hub = hub
        self._pulse = pulse
        self._listening = listening
        self._trainers = trainers
        self._room = room
        self._bus = bus
        self._disk = Check(True)
        self._looked_at = float("-inf")

    def checks(self) -> dict[str, Check]:
        """Each check by its name."""
        bus = self._bus()
        return {
            "listening": right(self._listening(), "the port is not open"),
            "loop": right(self._pulse.late() <= LATEST, f"the event loop is over {LATEST:g} s late"),
            "disk": self._disks(time.monotonic()),
            "trainer": right(self._hub.alone or self._trainers() > 0, "no trainer is connected"),
            "bus": right(bus is not False, "Redis cannot be reached"),
        }

    def _disks(self, now: float) -> Check:
        """What is to be written can be: sessions on a server of its own, recordings where episodes are."""
        if now - self._looked_at >= LOOKED_AT:
            self._looked_at = now
            config = self._hub.config
            folders = {"sessions": config.videoStreamFolder} if self._hub.alone else {}
            if config.videoRecord:
                folders["recordings"] = config.videoRecordFolder
            found = [disk(what, Path(folder).expanduser().absolute()) for what, folder in folders.items()]
            found.append(right(self._room(), "the sessions on disk have reached videoStreamMaxDisk"))
            self._disk = next((check for check in found if not check.ok), Check(True))
        return self._disk


def disk(what: str, folder: Path) -> Check:
    """Whether a folder, or where it will be made, can be written to and has room."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(False, f"the folder of {what} cannot be written to: {error.strerror}")
    return right(free >= LEAST_FREE, f"the disk of {what} is full")


def add_health(app: Flask, hub: Hub, readiness: Readiness | None) -> None:
    """Add the addresses to the app; see `create_app`."""

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok", server="envstream", version=__version__, streams=len(hub.streams))

    @app.get("/health/live")
    def live() -> Response:
        return jsonify(status="ok")

    @app.get("/health/ready")
    def ready() -> tuple[Response, int]:
        checks = {} if readiness is None else readiness.checks()
        fine = all(check.ok for check in checks.values())
        said = {name: check.said for name, check in checks.items()}
        return jsonify(status="ready" if fine else "not ready", checks=said), 200 if fine else 503
