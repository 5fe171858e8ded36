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
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self.bytes = 0

    def lacks(self, number: int) -> bool:
        """Whether no picture of frame `number` is kept that ought to be."""
        return self._seconds > 0 and number not in self._pictures

    def add(self, picture: Picture) -> None:
        """A picture that was shown, and that stands for itself."""
        if self._seconds <= 0:
            return
        number = picture.frame.number
        before = self._pictures.get(number)
        if before is not None and before.width * len(before.data) >= picture.width * len(picture.data):
            return
        self._pictures[number] = picture
        self.bytes += len(picture.data) - (0 if before is None else len(before.data))
        oldest = picture.frame.captured - self._seconds
        while self._pictures:
            first = next(iter(self._pictures.values()))
            if first.frame.captured >= oldest and self.bytes <= self._most_bytes:
                break
            self._drop()

    def shorten(self) -> int:
        """Let go of the older half; how many bytes that were."""
        before = self.bytes
        for _ in range((len(self._pictures) + 1) // 2):
            self._drop()
        return before - self.bytes

    def _drop(self) -> None:
        self.bytes -= len(self._pictures.popitem(last=False)[1].data)

    def clear(self) -> None:
        """The stream has begun anew."""
        self._pictures.clear()
        self.bytes = 0

    @property
    def length(self) -> float:
        """Seconds from the first to the last picture."""
        if len(self._pictures) < 2:
            return 0.0
        first, last = next(iter(self._pictures.values())), next(reversed(self._pictures.values()))
        return max(0.0, last.frame.captured - first.frame.captured)

    def clip(self, name: str, stream: str, title: str) -> Clip | None:
        """What is kept, as a clip in real time; None where there is nothing."""
        pictures = sorted(self._pictures.values(), key=lambda picture: picture.frame.number)
        if not pictures:
            return None
        begun = pictures[0].frame.captured
        clip = Clip(name, stream, title, kind="live")
        for picture in pictures:
            frame = picture.frame
            values = {key: frame.info[key] for key in VALUES if key in frame.info}
            time = max(0.0, frame.captured - begun)
            clip.add(
                Still(
                    picture.data, picture.format, time, frame.captured, picture.width, picture.height, values
                )
            )
        clip.finish("live")
        return clip
