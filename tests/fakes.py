"""Small stand-ins that several test files share."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np

from envstream import outlet
from envstream.encoder import Picture
from envstream.links.block import Block
from envstream.links.channel import Channel
from envstream.links.reader import Reader
from envstream.web.pipes import Parcel


class QuietOutlet:
    """An outlet without a server: what the wrapper sends can be read back from its blocks."""

    def __init__(self) -> None:
        self.channels: list[Channel] = []
        self.readers: list[Reader] = []
        self.notes: list[str] = []
        self.closed: list[Channel] = []
        self.url = "http://127.0.0.1:8080/"

    def open(
        self, title: str, settings: dict[str, Any], config: Any, envs: Any = None, *nature: Any
    ) -> Channel:
        block = Block.create(1_000_000, shared=False)
        channel = Channel(title, title, settings, block, lambda: None, envs, *nature)
        self.channels.append(channel)
        self.readers.append(Reader(block))
        return channel

    def close(self, channel: Channel) -> None:
        channel.close()
        self.closed.append(channel)

    def note(self, channel: Channel, message: str, *, lasting: bool = False) -> None:
        self.notes.append(message)

    def wait(self, timeout: float | None = None) -> None:
        return None

    # What a test says and sees.

    def ask(self, part: int = 0) -> None:
        """Have the newest channel's env, or a part of a vector env, asked for a picture."""
        parts = len(self.channels[-1].envs or [0])
        self.readers[-1].demand(part, parts)[0] = 1
        self.readers[-1].due[0] = 1

    def pictures(self) -> list[Any]:
        """The captures of the newest channel since the last look."""
        return list(self.readers[-1].captures())

    def episodes(self) -> list[tuple[int, int, float]]:
        return [(number, steps, total) for number, steps, total, _ in self.readers[-1].episodes()]

    def episodes_of_parts(self) -> list[tuple[int, int, float, int]]:
        """The episodes that ended since the last look, with the part of the vector env."""
        return self.readers[-1].episodes()


def quiet_outlet(monkeypatch: Any) -> QuietOutlet:
    """Have every tap open into a `QuietOutlet`."""
    quiet = QuietOutlet()
    monkeypatch.setattr(outlet, "connect", lambda config: quiet)
    return quiet


class PictureEnv(gym.Env[int, int]):
    """An env whose `render()` gives whatever it was told to, and whose episodes last `length` steps."""

    metadata = {
        "render_modes": ["rgb_array", "ansi", "human", "rgb_array_list", "depth_array"],
        "render_fps": 30,
    }
    observation_space = gym.spaces.Discrete(1000)
    action_space = gym.spaces.Discrete(2)

    def __init__(
        self, picture: object = None, render_mode: str | None = "rgb_array", length: int = 5
    ) -> None:
        self.picture = np.full((4, 6, 3), 200, np.uint8) if picture is None else picture
        self.render_mode = render_mode
        self.length = length
        self.renders = 0
        self.now = 0
        self.flickers = False  # No picture is like the one before: what stands still is not sent again.
        self.info: dict[str, Any] = {"a": 1}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.now = 0
        return 0, self.info

    def step(self, action: int) -> Any:
        self.now += 1
        return self.now, 1.5, self.now >= self.length, False, self.info

    def render(self) -> Any:
        self.renders += 1
        if isinstance(self.picture, BaseException):
            raise self.picture
        if self.flickers:
            picture = np.array(self.picture)
            picture[0, 0] = self.renders % 256
            return picture
        return self.picture


class Mailbox:
    """A pipe into the test: what was sent to a seat, to be taken out."""

    def __init__(self, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.free = True
        self.pictures: list[Picture] = []
        self.texts: list[str] = []

    def post(self, parcel: Parcel) -> None:
        self.pictures.append(parcel.picture)

    def tell(self, text: str) -> None:
        self.texts.append(text)

    def numbers(self) -> list[int]:
        """The frames that came since the last call."""
        pictures, self.pictures = self.pictures, []
        return [picture.frame.number for picture in pictures]

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type that came so far."""
        return [message for message in map(json.loads, self.texts) if message["type"] == kind]
