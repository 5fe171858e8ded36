"""Pace: when the next picture may be taken, by rate and by a budget of the trainer's time."""

from __future__ import annotations

from collections import deque

from envstream.cost import Cost

LONGEST_PAUSE_FOR_ONE = 2.0  # Seconds without a picture for the sake of one that was unusually slow.
# A long render takes more than its own time: it leaves the caches full of its data, and training steps
# slower after it. Measured with a software renderer: a tenth of 40 ms; the rest is on the safe side.
QUICK = 0.005  # Seconds that a capture may take without leaving anything to speak of behind.
AFTERMATH = 0.2  # What is charged for what it leaves behind, as a share of what it took beyond that.
STOPPED, TIMES = 1.0, 10  # Seconds, and times the usual, beyond which a capture was stopped in its midst.
EXCUSED_EVERY = 600.0  # Seconds in which one such capture is excused.


class Usual:
    """What a capture takes, smoothed. Pure.

    One in the midst of which the trainer was stopped, or the machine was, perhaps for minutes, says nothing
    about the next, and does not count. But of such ones that is so of one in ten minutes: what is slow more
    often is costly.

    Attributes:
        seconds: None before the first.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._excused = float("-inf")

    def add(self, now: float, cost: float) -> bool:
        """A capture ended at `now`, and took `cost` seconds; whether it counts."""
        stopped = self.seconds is not None and cost > max(STOPPED, TIMES * self.seconds)
        if stopped and now - self._excused >= EXCUSED_EVERY:
            self._excused = now
            return False
        self.seconds = smoothed(self.seconds, cost)
        return True


class Budget:
    """A share of one trainer's wall time, for all captures of all its streams together. Pure.

    Args:
        max_overhead: the share, from 0 to 1.

    Attributes:
        cost: what was given to captures, whether or not it was charged.
    """

    def __init__(self, max_overhead: float) -> None:
        self.max_overhead = max_overhead
        self.cost = Cost()
        self.paid_until = float("-inf")
        self.sharers: set[Pace] = set()
        self._owed = 0.0
        self._usual = Usual()

    def captured(self, now: float, cost: float) -> None:
        """A capture ended at `now` and took `cost` seconds from the trainer."""
        if not self._usual.add(now, cost):
            return
        started = now - cost
        # One capture that was held up, on a busy machine, must not freeze the page for twenty times as
        # long: what exceeds the usual is owed, and paid off with the next ones. As each pays at least the
        # smoothed cost, never more than a few captures are owed.
        usual = max(charged(self._usual.seconds or 0.0), LONGEST_PAUSE_FOR_ONE * self.max_overhead)
        self._owed += charged(cost)
        charge = min(self._owed, usual)
        self._owed -= charge
        # Cost not yet paid for stays due: several captures in a row cannot share one pause.
        self.paid_until = max(self.paid_until, started) + charge / self.max_overhead

    def ease(self, now: float) -> None:
        """Have what would be paid for a long while from now on be owed instead, and paid off later."""
        late = self.paid_until - (now + LONGEST_PAUSE_FOR_ONE)
        if late > 0:
            self.paid_until -= late
            self._owed += late * self.max_overhead

    def fps(self, cost: float) -> float:
        """Pictures a second that it allows to each stream that shares it, where one takes `cost` seconds."""
        return self.max_overhead / charged(cost) / max(1, len(self.sharers))


class Pace:
    """Says when the next capture of one stream may be asked for. Pure: time is passed in, in seconds.

    Two rules hold together: at most `fps` captures a second, and captures take at most the budget's share
    of wall time, whatever one costs.
    """

    def __init__(self, fps: float, budget: Budget) -> None:
        self.fps = fps
        self.budget = budget
        self._tick = float("-inf")
        self._usual = Usual()
        self._held: float | None = None  # How often of late the budget, not the rate, set the moment.

    @property
    def next_at(self) -> float:
        """The earliest moment at which a capture may be asked for."""
        return max(self._tick, self.budget.paid_until)

    def share(self, wanted: bool) -> None:
        """Whether this stream's pictures are wanted, so that it shares the budget."""
        (self.budget.sharers.add if wanted else self.budget.sharers.discard)(self)

    def asked(self, now: float) -> None:
        """A capture was asked for. Keeps the beat: a late tick does not shift the ones after it."""
        self._held = smoothed(self._held, float(self.budget.paid_until > self._tick))
        period = 1.0 / self.fps
        # Half a period at least lies between two ticks, so that catching up is never a burst.
        self._tick = max(self._tick + period, now + period / 2)

    def captured(self, now: float, cost: float) -> None:
        """A capture ended at `now` and took `cost` seconds from the trainer."""
        self._usual.add(now, cost)
        self.budget.captured(now, cost)

    @property
    def cost(self) -> float | None:
        """Seconds that one capture takes, smoothed; None before the first."""
        return self._usual.seconds

    @property
    def budget_fps(self) -> float | None:
        """Pictures a second that the budget allows at the present cost; None before the first capture."""
        return None if not self.cost else self.budget.fps(self.cost)

    @property
    def limited(self) -> bool:
        """Whether the budget, not `fps`, sets the rate."""
        if len(self.budget.sharers) > 1:  # They want pictures at rates of their own: no sum says who waits.
            return (self._held or 0.0) > 0.5
        budget = self.budget_fps
        return budget is not None and budget < self.fps


def smoothed(before: float | None, value: float) -> float:
    """A running mean that follows a change within a few values."""
    return value if before is None else 0.8 * before + 0.2 * value


def charged(cost: float) -> float:
    """What a capture of `cost` seconds is charged with: that, and what it leaves behind."""
    return cost + AFTERMATH * max(0.0, cost - QUICK)


class Rate:
    """Events a second over the last `window` seconds. Pure: time is passed in; reading changes nothing."""

    def __init__(self, window: float = 3.0) -> None:
        self._window = window
        self._events: deque[tuple[float, int]] = deque(maxlen=2048)  # When, and how many at once.

    def add(self, now: float, count: int = 1) -> None:
        events = self._events
        events.append((now, count))
        while events[0][0] < now - self._window:
            events.popleft()

    def at(self, now: float) -> float:
        """Events a second at `now`; 0 when there were no two different moments in the window."""
        recent = [event for event in list(self._events) if event[0] >= now - self._window]
        if len(recent) < 2:
            return 0.0
        # Up to now, not up to the last event: the figure sinks when events stop. What came first begins it.
        return sum(count for _, count in recent[1:]) / max(now - recent[0][0], 1e-9)


class Steps:
    """Env steps: how many there were, and how many a second of late. Pure.

    Attributes:
        newest: when the total was last told, and the total; None = never.
    """

    WINDOW = 5.0  # Seconds over which they are measured.

    def __init__(self) -> None:
        self._told: deque[tuple[float, int]] = deque(maxlen=64)

    @property
    def newest(self) -> tuple[float, int] | None:
        return self._told[-1] if self._told else None

    def note(self, now: float, total: int) -> None:
        """There had been `total` steps at `now`."""
        if self._told and total == self._told[-1][1]:
            return  # Totals come with captures and episodes: no news is not a standstill.
        if self._told and total < self._told[-1][1]:
            self._told.clear()
        if not self._told or now - self._told[-1][0] >= 0.1:
            self._told.append((now, total))

    def a_second(self, now: float) -> float | None:
        """Steps a second over the last few seconds; None when not known."""
        recent = [sample for sample in list(self._told) if sample[0] >= now - self.WINDOW]
        if len(recent) < 2:
            return None
        (then, before), (last, total) = recent[0], recent[-1]
        return (total - before) / (last - then) if last > then else None
