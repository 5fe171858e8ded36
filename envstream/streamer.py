"""`create_video_streamer()`: a bare PyBoy emulator on a page, and its pictures for whoever asks."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from envstream import codec
from envstream import settings as settings_module
from envstream.config import Preset, StreamConfig
from envstream.errors import StreamerError
from envstream.frame import Frame, Pixels
from envstream.performance import performance
from envstream.sources.glimpse import Glimpse, alone
from envstream.wrappers.tap import Tap

IDLE = 0.1  # Seconds between two looks at whether somebody watches, when nobody did of late.
TRIES = 20  # For the first picture that somebody asks for, on a machine with too much to do.
LINGER = 2.0  # Seconds after the last picture for which the next one is expected soon.


class StreamQuality(str, Enum):
    """The presets of quality, from small and slow to large and quick."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    ULTRA = "ultra"


Quality = StreamQuality | str | int


class PyBoyVideoStreamer:
    """Shows an emulator on a page while a loop of the user's calls `pyboy.tick()`, and gives its pictures.

    Pictures are taken when somebody looks at the page or asks for one, at the rate of the quality, by a
    thread beside the loop; never while nobody does. Instead the loop may call `capture()` after each
    `tick()`, which costs it less; from the first call on, the thread leaves the page's pictures to it.

    Args:
        pyboy: a `PyBoy` emulator, version 2 or newer.
        quality: `low`, `medium`, `high`, `ultra`, a `StreamQuality`, or a JPEG quality from 1 to 100. None =
            what the settings say about `videoStreamQuality`, else `medium`.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        settings: single settings, in camelCase or snake_case; they win over `config`.

    Raises:
        PictureError: `pyboy` is no emulator of that kind.
        SettingError: for a setting or a quality that is wrong.

    Example:
        >>> with create_video_streamer(pyboy, quality="high") as streamer:
        ...     while pyboy.tick(): streamer.capture()
    """

    def __init__(
        self, pyboy: Any, quality: Quality | None = None, config: object = None, **settings: Any
    ) -> None:
        self._glimpse = Glimpse(pyboy)
        self._pyboy = pyboy
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        if quality is not None:
            given["videoStreamQuality"] = _plain(quality)
        given.setdefault("videoStreamQuality", StreamQuality.MEDIUM.value)
        self._settings = given
        self._config = StreamConfig(**given)
        self._tap = Tap(self._config, given, _title(pyboy))
        # Protects the glimpse, the tap and the counts: one picture is taken at a time.
        self._taking = threading.Lock()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._reset()

    def _reset(self) -> None:
        self._left_to_loop = False
        self._newest: Frame | None = None
        self._encoded: tuple[int, Preset, bytes] | None = None
        self._captured = 0
        self._streamed = 0
        self._given = 0  # The number of the last frame that somebody got.
        self._capture_times: deque[float] = deque(maxlen=100)
        self._encode_times: deque[float] = deque(maxlen=100)

    # Beginning and end.

    def start_streaming(self) -> None:
        """Open the page and take pictures from now on. Returns at once; a second call changes nothing."""
        if self._stop is not None:
            return
        self._reset()
        self._stop = stop = threading.Event()
        self._tap.open()
        self._thread = threading.Thread(
            target=self._look_after, args=(stop,), name="envstream-pyboy", daemon=True
        )
        self._thread.start()

    def stop_streaming(self) -> None:
        """End the stream; the page says so. A second call changes nothing."""
        stop, self._stop = self._stop, None
        if stop is None:
            return
        stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)
        with self._taking:
            self._settings["videoStreamQuality"] = self.quality
            self._tap.close()

    def __enter__(self) -> PyBoyVideoStreamer:
        self.start_streaming()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop_streaming()

    @property
    def stream_url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        return self._tap.url

    # Pictures.

    def capture(self) -> bool:
        """Take a picture if somebody waits for one. For the loop that calls `tick()`, between two calls.

        Returns:
            Whether a picture was taken.
        """
        self._left_to_loop = True
        if not self._tap.due[0] or not self._taking.acquire(blocking=False):
            return False
        try:
            return self._show(self._glimpse.take)
        finally:
            self._taking.release()

    def get_frame_as_bytes(self) -> bytes:
        """The newest picture as a JPEG, enlarged and compressed as the quality in force says.

        The one that was taken last is given again where it is no older than the quality's rate asks for.

        Raises:
            StreamerError: streaming has not been started, or no picture could be taken.
        """
        if self._stop is None:
            raise StreamerError.not_started("get_frame_as_bytes()")
        with self._taking:
            preset = self._config.with_quality(self.quality).preset
            newest = self._newest
            if newest is None or time.monotonic() - newest.captured >= 1.0 / preset.fps:
                self._renew()
            newest = self._newest
            assert newest is not None
            self._gave(newest.number)
            return self._jpeg(newest, preset)

    def get_frame_as_base64(self) -> str:
        """The same as `get_frame_as_bytes()`, as base64 text for JSON."""
        return base64.b64encode(self.get_frame_as_bytes()).decode("ascii")

    # Quality and figures.

    @property
    def quality(self) -> int | str:
        """The quality in force: that of the last `change_quality()`, or chosen on the page since."""
        channel = self._tap.channel
        settings = self._settings if channel is None else channel.settings
        quality: int | str = settings["videoStreamQuality"]
        return quality

    def change_quality(self, level: Quality) -> None:
        """Another quality from now on, here and on the page.

        Raises:
            SettingError: for what is neither a preset nor a JPEG quality from 1 to 100.
        """
        quality = self._config.with_quality(_plain(level)).videoStreamQuality
        self._settings["videoStreamQuality"] = quality
        self._encode_times.clear()
        outlet, channel = self._tap.outlet, self._tap.channel
        if outlet is not None and channel is not None:
            outlet.choose(channel, quality)

    def get_performance_stats(self) -> dict[str, Any]:
        """What pictures cost and how many got out, under the names that `/api/streaming/stats` uses.

        The time of compression is that of `get_frame_as_bytes()`; for the page the server compresses, and
        tells what that takes at `/api/streaming/stats`. What is not yet measured is None.
        """
        config = self._config.with_quality(self.quality)
        return performance(
            self._glimpse.method if self._captured else None,
            _mean(self._capture_times),
            _mean(self._encode_times),
            self._captured,
            self._streamed,
            config.preset,
            config.capture_fps,
        )

    # The thread beside the loop.

    def _look_after(self, stop: threading.Event) -> None:
        """Take pictures for the page as long as it wants any."""
        last = float("-inf")
        while not stop.wait(self._pause(last)):
            if not self._tap.due[0] or self._left_to_loop:
                continue
            with self._taking:
                if stop.is_set():
                    return
                self._show(self._glimpse.take_between_frames)
                if (
                    not self._tap.ready
                ):  # Silenced by failures, as of a machine that was too busy for a while.
                    self._tap.open()
            last = time.monotonic()

    def _pause(self, last: float) -> float:
        if time.monotonic() - last > LINGER:
            return IDLE
        return min(IDLE, 0.1 / self._config.with_quality(self.quality).capture_fps)

    def _keep(self, take: Callable[[], Pixels]) -> Pixels:
        """Take a picture and remember it."""
        started = time.perf_counter()
        pixels = take()
        seconds = time.perf_counter() - started
        self._capture_times.append(seconds)
        self._captured += 1
        self._newest = Frame(pixels, self._captured, time.monotonic(), seconds)
        return pixels

    def _show(self, take: Callable[[], Pixels]) -> bool:
        """Take a picture for the page."""
        before, frames = self._captured, int(self._pyboy.frame_count)
        info = {"step": frames, "totalSteps": frames, "method": self._glimpse.method}
        self._tap.capture(lambda: self._keep(take), info)
        if self._captured > before:
            self._gave(self._captured)
        return self._captured > before

    def _renew(self) -> None:
        """Take a picture for somebody who asked; on a busy machine the one before must do."""
        take = self._glimpse.take if alone() else self._glimpse.take_between_frames
        for left in reversed(range(TRIES if self._newest is None else 1)):
            try:
                self._keep(take)
                return
            except StreamerError:
                if self._newest is None and not left:
                    raise

    def _gave(self, number: int) -> None:
        if number > self._given:
            self._given = number
            self._streamed += 1

    def _jpeg(self, frame: Frame, preset: Preset) -> bytes:
        if self._encoded is not None and self._encoded[:2] == (frame.number, preset):
            return self._encoded[2]
        started = time.perf_counter()
        pixels = codec.resize(frame.pixels, frame.width * preset.scale, frame.height * preset.scale)
        data = codec.encode(pixels, "jpeg", preset.compression)
        self._encode_times.append(time.perf_counter() - started)
        self._encoded = frame.number, preset, data
        return data


def create_video_streamer(
    pyboy: Any, quality: Quality | None = None, config: object = None, **settings: Any
) -> PyBoyVideoStreamer:
    """A streamer for an emulator, not yet started; see `PyBoyVideoStreamer`. Without a quality: `medium`."""
    return PyBoyVideoStreamer(pyboy, quality, config, **settings)


def _plain(quality: Quality) -> str | int:
    return quality.value if isinstance(quality, StreamQuality) else quality


def _title(pyboy: Any) -> str:
    title = str(getattr(pyboy, "cartridge_title", "") or "").strip("\0 ")
    return title or "PyBoy"


def _mean(seconds: deque[float]) -> float | None:
    values = list(seconds)
    return sum(values) / len(values) if values else None
