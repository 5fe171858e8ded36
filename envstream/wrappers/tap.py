"""The tap: where a wrapper's pictures leave. Shared by all wrappers; nothing here raises into training."""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, Protocol

from envstream import codec, outlet
from envstream.config import StreamConfig
from envstream.errors import LEFT_OUT, NO_EPISODES, EnvstreamError
from envstream.frame import Pixels
from envstream.links.channel import Channel, Nature
from envstream.notebook import inline_page
from envstream.outlet import Outlet
from envstream.settings import portable
from envstream.sources.pixels import Blackness, to_rgb
from envstream.sources.render import LATER

log = logging.getLogger("envstream")


class Take(Protocol):
    """An episode that is captured step by step, as far as a tap has to know of it."""

    number: int
    record: bool


FAILURES_BEFORE_SILENCE = 5  # Captures in a row that fail before no more are tried in this episode.

# What a copy of a tap has from the one it was copied of.
KEPT = ("_config", "_settings", "_title", "_warned", "_envs", "nature", "wants")

_folders_told: set[str] = set()
_open_taps: weakref.WeakSet[Tap] = weakref.WeakSet()


class Tap:
    """Takes pictures when they are due. Until it is open, and after it is closed, nothing is ever due.

    Attributes:
        due: `due[0]` is not 0 when a picture is wanted; the one thing that `step()` looks at.
        captures: pictures handed over.
        failures: captures that gave no picture.
        ready: open, and not silenced by captures that failed; until then each episode tries `open()`.
        note_episode: called with number, steps, return and all steps so far when an episode has ended, and
            with the part of a vector env.

    Args:
        envs: of a vector env, the sub-envs that can be shown; each is a stream, and a part of this tap.
        nature: what else the server has to know of the env.
    """

    def __init__(
        self,
        config: StreamConfig,
        settings: dict[str, Any],
        title: str,
        envs: Sequence[int] | None = None,
        nature: Nature = Nature(),  # noqa: B008 - immutable
    ) -> None:
        self._config = config
        self._envs = envs
        self.nature = nature
        self._settings = portable(settings, config)
        self._title = config.videoStreamName or title
        self._warned: set[str] = set()
        self._reset()
        self.wants = config.videoStream or config.videoRecord

    def _reset(self) -> None:
        self.due: MutableSequence[int] | memoryview = bytearray(1)
        self.captures = 0
        self.failures = 0
        self._failed_in_a_row = 0
        self._blackness = Blackness()
        self._uncharged = 0.0
        self.ready = False
        # Bound to the open channel's: a way of three calls less, which short episodes would go all the time.
        self.note_episode: Callable[..., None] = _nobody_notes
        self._channel: Channel | None = None
        self._outlet: Outlet | None = None
        self._broken = False

    def __getstate__(self) -> dict[str, Any]:
        # A copy in another process or in a deepcopy is a tap of its own, not yet open.
        return {key: getattr(self, key) for key in KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @property
    def outlet(self) -> Outlet | None:
        """The server this tap leads to; None while it is closed."""
        return self._outlet

    @property
    def url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        if self._outlet is not None:
            self._outlet.wait(10)
        return None if self._outlet is None else self._outlet.url

    def html(self, text: str) -> str:
        """The live picture, where a notebook shows an env as a cell's result; `text` where there is none."""
        url = self.url
        return f"<code>{text}</code>" if url is None else inline_page(url, self._channel)

    @property
    def channel(self) -> Channel | None:
        return self._channel

    def open(self) -> None:
        """Begin streaming. Returns at once; a server that cannot start is reported once, and that is all."""
        if self._channel is not None:
            self._failed_in_a_row = 0  # A new episode, a new chance.
            self.ready = True
            self.due = self._channel.due
            return
        if self._broken or not self.wants:
            return
        # SDL, with which pygame draws many envs, would catch SIGTERM at the first picture: a run that could
        # be ended with `kill` before somebody looked must be afterwards, too.
        os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
        try:
            self._outlet = outlet.connect(self._config)
            self._channel = self._outlet.open(
                self._title, self._settings, self._config, self._envs, self.nature
            )
            self.due = self._channel.due
            self.note_episode = self._channel.episode
            self.ready = True
            _open_taps.add(self)
            self._say_recording()
            # An env that is dropped without close(), as by a cell that is run again, ends its stream too.
            self._ending = weakref.finalize(self, self._outlet.close, self._channel)
            self._ending.atexit = False
        except (EnvstreamError, OSError, ImportError) as error:
            self._broken = True
            self.warn(f"{error}. Training goes on without a page.")

    def _say_recording(self) -> None:
        if self._config.videoRecord and not self.nature.episodes:
            self.warn(NO_EPISODES)
        folder = self._settings["videoRecordFolder"]
        if self._config.videoRecord and self.nature.episodes and folder not in _folders_told:
            _folders_told.add(folder)
            sys.stderr.write(f"envstream: recording to {folder}\n")

    def close(self) -> None:
        """End the stream; the page says so."""
        channel, where = self._channel, self._outlet
        self._reset()
        if channel is None or where is None:
            return
        self._ending.detach()
        try:
            where.close(channel)
        except Exception as error:
            self.warn(f"ending the stream failed with {type(error).__name__}: {error}")

    def forget(self) -> None:
        """This process is a fork: the stream is the parent's, also when the copy of the env is dropped."""
        self._ending.detach()
        self._reset()
        self._broken = True

    def wanted(self) -> list[int]:
        """The parts of a vector env that are to be captured now: places in `envs`."""
        return [] if self._channel is None else self._channel.wanted()

    def capture(
        self,
        picture_now: Callable[[], object],
        info: dict[str, Any],
        *,
        depth: bool = False,
        part: int = 0,
        captured: float | None = None,
        weight: float = 1.0,
        take: Take | None = None,
    ) -> None:
        """Have a picture taken and hand it over. Called when one is due; never raises an Exception.

        `captured` is its moment, in monotonic seconds, where that is not now. `weight` is what it costs the
        training, as a multiple of the time that it takes. `take` is the episode that it is a part of, if it
        is one that is captured step by step.
        """
        started = time.perf_counter()
        channel = self._channel
        if channel is None:
            self.due[0] = 0
            return
        channel.answered(part, also=take is not None)
        try:
            picture = picture_now()
            if picture is LATER:
                self._uncharged += time.perf_counter() - started  # Paid for with the picture.
                if self._envs is None:
                    channel.due[0] = 1  # It comes with the next step.
                return
            captured = captured or time.monotonic()
            pixels = self._pixels(picture, depth)
            measured = time.perf_counter()
            spent = measured - started + self._uncharged
            handed = self._hand_over(channel, pixels, captured, weight * spent, info, part, take)
            self._uncharged = time.perf_counter() - measured  # The copy is paid for with the next picture.
            self.captures += handed
            self._failed_in_a_row = 0
        except Exception as error:
            channel.failed(time.perf_counter() - started)
            self.failed(error)
        except BaseException:  # Ctrl-C in the middle of a render: the user's, but nobody shall wait for it.
            channel.failed(time.perf_counter() - started)
            raise

    def _hand_over(
        self,
        channel: Channel,
        pixels: Pixels,
        captured: float,
        cost: float,
        info: dict[str, Any],
        part: int,
        take: Take | None,
    ) -> bool:
        if take is None:
            channel.send(pixels, captured, cost, info, part)
            return True  # What finds no room is no loss: a newer one comes.
        # What is recorded was asked for, whatever it costs: it is not charged to who watches.
        cost = 0.0 if take.record else cost
        sent = channel.send_take(pixels, captured, cost, info, part, take.number)
        if not sent:
            self.warn(LEFT_OUT)
        return sent

    def cut(self, info: dict[str, Any], part: int, take: Take) -> None:
        """Say what there is to say of a take, without a picture. Never raises an Exception."""
        if self._channel is not None:
            try:
                self._channel.send_take(None, time.monotonic(), 0.0, info, part, take.number)
            except Exception as error:
                self.failed(error)

    def _pixels(self, picture: object, depth: bool) -> Pixels:
        if picture is None:
            raise EnvstreamError("render() returned nothing; make the env with render_mode='rgb_array'")
        pixels = to_rgb(picture, depth=depth, max_pixels=self._config.max_pixels)
        if self._config.videoResolution is not None:
            pixels = codec.resize(pixels, *self._config.videoResolution)
        news = self._blackness.seen(pixels)
        if news:
            self.warn(news, lasting=True)
        elif news is not None and self._outlet is not None and self._channel is not None:
            self._outlet.note(self._channel, "")
        return pixels

    def failed(self, error: BaseException) -> None:
        """Something in streaming went wrong: one warning, a counter, and training goes on."""
        self.failures += 1
        self._failed_in_a_row += 1
        if isinstance(error, EnvstreamError):
            self.warn(str(error))
        else:
            self.warn(f"taking a picture failed with {type(error).__name__}: {error}")
        if self._failed_in_a_row >= FAILURES_BEFORE_SILENCE:
            self.due = bytearray(1)
            self.ready = False

    def warn(self, message: str, *, lasting: bool = False) -> None:
        """Say a sentence once, in the log and on the page: there until the next picture, or lasting."""
        if message in self._warned or len(self._warned) > 20:
            return
        self._warned.add(message)
        log.warning("envstream: %s: %s", self._title, message)
        if self._outlet is not None and self._channel is not None:
            self._outlet.note(self._channel, message, lasting=lasting)


def _nobody_notes(number: int, steps: int, total: float, all_steps: int, part: int = 0) -> None:
    """What `note_episode` is while no channel is open."""


def _after_fork() -> None:
    for tap in list(_open_taps):
        tap.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
