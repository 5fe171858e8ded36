"""The replay: the last seconds of a live picture, as they were compressed for who watched."""

from __future__ import annotations

from collections import OrderedDict

from envstream.clip import VALUES, Clip, Still
from envstream.encoder import Picture


class Replay:
    """Keeps the best picture that was made of each frame. Pure: time is passed in.

    Args:
        seconds: how far back it reaches; 0 = nothing is kept.
        most_bytes: of all its pictures.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._stills: OrderedDict[int, Still] = OrderedDict()
        self.bytes = 0

    def lacks(self, number: int) -> bool:
        """Whether no picture of frame `number` is kept that ought to be."""
        return self._seconds > 0 and number not in self._stills

    def add(self, picture: Picture) -> None:
        """A picture that was shown, and that stands for itself."""
        if self._seconds <= 0:
            return
        frame = picture.frame
        before = self._stills.get(frame.number)
        if before is not None and before.width * len(before.data) >= picture.width * len(picture.data):
            return
        values = {key: frame.info[key] for key in VALUES if key in frame.info}
        size = picture.width, picture.height
        # Not the picture itself: its frame holds the pixels, a hundred times as much, which nobody counts.
        self._stills[frame.number] = Still(picture.data, picture.format, 0.0, frame.captured, *size, values)
        self.bytes += len(picture.data) - (0 if before is None else len(before.data))
        oldest = frame.captured - self._seconds
        while self._stills:
            first = next(iter(self._stills.values()))
            if first.captured >= oldest and self.bytes <= self._most_bytes:
                break
            self._drop()

    def shorten(self) -> int:
        """Let go of the older half; how many bytes that were."""
        before = self.bytes
        for _ in range((len(self._stills) + 1) // 2):
            self._drop()
        return before - self.bytes

    def _drop(self) -> None:
        self.bytes -= len(self._stills.popitem(last=False)[1].data)

    def clear(self) -> None:
        """The stream has begun anew."""
        self._stills.clear()
        self.bytes = 0

    @property
    def length(self) -> float:
        """Seconds from the first to the last picture."""
        if len(self._stills) < 2:
            return 0.0
        first, last = next(iter(self._stills.values())), next(reversed(self._stills.values()))
        return max(0.0, last.captured - first.captured)

    def clip(self, name: str, stream: str, title: str) -> Clip | None:
        """What is kept, as a clip in real time; None where there is nothing."""
        stills = [self._stills[number] for number in sorted(self._stills)]
        if not stills:
            return None
        begun = stills[0].captured
        clip = Clip(name, stream, title, kind="live")
        for still in stills:
            clip.add(still._replace(time=max(0.0, still.captured - begun)))
        clip.finish("live")
        return clip
