"""A short tape of frames between one writer and any number of readers. Threads meet only here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from envstream.frame import Frame


class FrameBuffer:
    """Keeps the newest `size` frames. `put` never blocks and drops the oldest.

    Readers keep their own place as the number of the last frame they saw; a gap in the numbers is what
    they missed.
    """

    def __init__(self, size: int = 10) -> None:
        if size < 1:
            raise ValueError(f"a buffer keeps at least one frame, not {size}")
        self._frames: deque[Frame] = deque(maxlen=size)
        # Protects the deque while it is searched, and carries the wake-up of waiting threads.
        self._changed = threading.Condition()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.received = 0

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Frame) -> None:
        """Append `frame`, dropping the oldest when full. Numbers must rise."""
        with self._changed:
            self._frames.append(frame)
            self.received += 1
            self._changed.notify_all()
            listeners = self._listeners
        for listener in listeners:
            listener()

    def newest(self, after: int = 0) -> Frame | None:
        """The newest frame with a number above `after`, or None."""
        try:
            frame = self._frames[-1]  # One end of a deque needs no lock, and this is asked very often.
        except IndexError:
            return None
        return frame if frame.number > after else None

    def next(self, after: int = 0) -> Frame | None:
        """The oldest frame still here with a number above `after`, or None."""
        with self._changed:
            return next((frame for frame in self._frames if frame.number > after), None)

    def wait(self, after: int = 0, timeout: float | None = None) -> Frame | None:
        """Like `newest`, but waits up to `timeout` seconds for such a frame."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (self._frames and self._frames[-1].number > after):
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return self._frames[-1]

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called after every `put`, in the writer's thread; returns what ends that.

        A listener must be quick, must not block and must not raise.
        """
        with self._changed:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._changed:
                self._listeners = tuple(known for known in self._listeners if known is not listener)

        return unsubscribe
