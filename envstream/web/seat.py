"""A seat: one viewer and the pipe that leads to it."""

from __future__ import annotations

from envstream.viewer import Viewer
from envstream.web.pipes import Pipe


class Seat:
    """One connection's place. `wants_status`: it is told once a second how the streams are."""

    def __init__(self, viewer: Viewer, pipe: Pipe) -> None:
        self.viewer = viewer
        self.pipe = pipe
        self.wants_status = False

    def tell(self, text: str) -> None:
        """Send a text message."""
        self.pipe.tell(text)
