"""What stands behind the pages: whom Flask asks, and who acts on what it is told."""

from __future__ import annotations

from dataclasses import dataclass

from envstream.web.asking import Ask, at_once
from envstream.web.cameras import Cameras
from envstream.web.episodes import Command, nobody_records
from envstream.web.health import Readiness
from envstream.web.metrics import Metrics
from envstream.web.results import End, Stats, no_sessions
from envstream.web.streaming import Chosen, MaySteer


@dataclass(frozen=True)
class Backend:
    """What the app of one hub can do beyond telling of it.

    Args:
        chosen: called with every stream whose quality was changed.
        may_steer: whether a request with these headers (names in lower case) may change something.
        command: starts or stops the recording of a stream; a status and an answer.
        stats: how publishers' sessions are.
        end: ends one of them, with what it has; whether there is one.
        cameras: None = none are let in.
        metrics: what `/metrics` tells; None = there is no such address.
        readiness: what `/health/ready` looks at; None = nothing.
        ask: makes a call where streams live, and gives what it gives; Flask itself has threads of its own.
    """

    chosen: Chosen = lambda stream: None
    may_steer: MaySteer = lambda headers: True
    command: Command = nobody_records
    stats: Stats = no_sessions
    end: End = lambda name: False
    cameras: Cameras | None = None
    metrics: Metrics | None = None
    readiness: Readiness | None = None
    ask: Ask = at_once
