"""The bus's clock: what a Redis server's clock shows at a moment of ours. Pure."""

from __future__ import annotations

from collections import deque

LONGEST_TRIP = 2.0  # Seconds; a clock that was read over a longer way says nothing.
LOOKS = 6  # At the other clock, of which the quickest counts.
DRIFT = 0.25  # Seconds beyond what ways explain: the other clock was set.


class Clock:
    """Offset of a server's clock to this machine's monotonic one. Wall clocks here do not matter.

    Attributes:
        offset: seconds to be added to our moments; None = not known yet.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque(maxlen=LOOKS)
        self.offset: float | None = None

    def look(self, asked: float, there: float, now: float) -> None:
        """The other clock showed `there` at some time between `asked` and `now`."""
        trip = now - asked
        if not 0 <= trip <= LONGEST_TRIP:
            return
        offset = there - (asked + now) / 2
        if self.offset is not None and abs(offset - self.offset) > DRIFT + (trip + min(self._looks)[0]) / 2:
            self._looks.clear()
        # What took long waited behind pictures, on one way and not on the other.
        self._looks.append((trip, offset))
        self.offset = min(self._looks)[1]

    def there(self, moment: float) -> float | None:
        """A moment of ours, by the other clock."""
        return None if self.offset is None else moment + self.offset

    def here(self, moment: float | None) -> float | None:
        """A moment of the other clock, by ours."""
        return None if self.offset is None or moment is None else moment - self.offset

    def forget(self) -> None:
        """It may be another server from now on."""
        self._looks.clear()
        self.offset = None


def seconds(reply: list[bytes]) -> float:
    """What `TIME` answers, in seconds."""
    whole, millionths = reply
    return int(whole) + int(millionths) / 1e6
