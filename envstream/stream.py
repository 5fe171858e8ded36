"""A stream: a name, its buffer, its encode-once cache, its pace, its episodes and its counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, MutableSequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from envstream import video
from envstream.archive import Archive
from envstream.buffer import FrameBuffer
from envstream.cache import Cache
from envstream.config import StreamConfig
from envstream.cost import Cost
from envstream.encoder import Encoder, Picture
from envstream.episodes import Episodes
from envstream.frame import Frame
from envstream.identity import Identity
from envstream.notices import Notices
from envstream.pace import Budget, Pace, Rate, Steps
from envstream.performance import performance
from envstream.playback import Screening
from envstream.points import points_of
from envstream.processors.overlay import Overlay
from envstream.replay import Replay
from envstream.stages import Stages
from envstream.timing import Timing

Processor = Callable[[Frame], Frame | None]  # None: the picture is left out.
# Tells the page and the trainer's log of a problem with a stream: a sentence, and by whom; see `Notices.say`.
Say = Callable[["Stream", str, str], None]

STALLED_AFTER = 1.0  # Seconds a picture may be waited for before the page says that the learner is busy.


class Place(NamedTuple):
    """Where a stream stands among those of one vector env."""

    group: str
    env: int


class Stream:
    """What one env shows. Lives on the server's side; the trainer's side sees only the `due` byte.

    Args:
        budget: the share of the trainer's time that is there for captures; its streams have it in common.
        place: where the stream stands in a vector env.
        cache: where its encoded pictures are kept, with those of the other streams.

    Attributes:
        points: its ladder of quality, best first.
        video: whether it may be sent as H.264.
        moved_at: when its picture last changed.
        captures: pictures that came, a second; `served` those that went out.
    """

    def __init__(
        self,
        name: str,
        title: str,
        config: StreamConfig,
        pool: ThreadPoolExecutor,
        budget: Budget | None = None,
        place: Place | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.name = name
        self.place = place
        self.title = title
        self.config = config
        self.buffer = FrameBuffer(config.videoStreamBufferSize)
        self.encoder = Encoder(
            name, config.videoStreamCacheSize, pool, config.max_pixels, config.preset, cache
        )
        self.points = points_of(config)
        self.video = config.videoStreamCodec != "jpeg" and video.missing() is None
        self.edition = 0  # Another one when the ladder, the rate or the codecs are others than before.
        self.moved_at = float("-inf")
        self.pace = Pace(config.capture_fps, budget or Budget(config.videoStreamMaxOverhead))
        self.screening = Screening(config.videoFps)
        self.replay = Replay(config.videoStreamReplay, int(config.videoStreamKeepMemory * 250_000))
        self.processors: list[Processor] = [Overlay()] if config.videoStreamOverlay else []
        self.archive: Archive | None = None  # Where its episodes are kept.
        self.plays: Stream | None = None  # Whose episodes these are, where it shows nothing of its own.
        self.episodes_played: Stream | None = None  # And the other way round, once somebody looked.
        self.live_recording: dict[str, Any] | None = None  # What was begun on a page; see `/api/record`.
        self.due: MutableSequence[int] | memoryview = bytearray(1)
        self.bell: MutableSequence[int] | memoryview = self.due
        self._begin_counting()

    def _begin_counting(self) -> None:
        self.episodes = Episodes()
        self.notices = Notices()  # What is wrong with it.
        self.ended = False
        self.identity = Identity()
        self.said: dict[str, Any] = {}  # What who makes its pictures says beside them, as in a status.
        self.camera = False  # Whether it is what a camera sees: then it has no episodes.
        self.timing: Timing | None = None  # How long the stages take, where somebody wants to know.
        self.stages = Stages()
        self.drawn: Stream | None = None  # The same with what was found drawn into it.
        self.demanded: Callable[[], None] = lambda: None  # Others watch it, or at another quality.
        self.session: Callable[[], Mapping[str, Any]] | None = None  # How its publisher's session is.
        self.viewers = 0
        self.pictures_sent = self.frames_shown = 0
        self.failures = 0
        self._shown_up_to = 0
        self.captures = Rate()
        self._costs: deque[float] = deque(maxlen=100)
        self.served = Rate()
        self._steps = Steps()
        self._asked_at: float | None = None
        self.cost = Cost()  # Of this stream; that of all of its trainer's is the budget's.

    def put(self, frame: Frame, now: float) -> None:
        """A frame came from the trainer."""
        self._asked_at = None
        self.ended = False
        self.notices.picture()
        self.captures.add(now)
        self.stages.came(frame.cost, now - frame.captured)
        if frame.cost:  # Some are taken for another reason.
            self._costs.append(frame.cost)
            self.spent(now, frame.cost)
        for processor in self.processors:
            processed = processor(frame)
            if processed is None:
                return
            frame = processed
        before = self.buffer.newest()
        if before is not None and frame.shows(before):
            frame = frame.like(before)
        else:
            self.moved_at = now
        self.buffer.put(frame)

    @property
    def quality(self) -> int | str:
        """The quality in force: a JPEG quality, or the name of a preset."""
        return self.config.videoStreamQuality

    @property
    def target(self) -> float | None:
        """What a viewer is sent at most, in bits a second; None = any."""
        target = self.config.videoStreamTargetBitrate
        return None if target is None else 1000 * target

    def choose(self, quality: int | str) -> None:
        """Another quality from now on: rate of captures, JPEG quality and enlargement.

        Raises:
            SettingError: for what is neither a JPEG quality nor a preset.
        """
        self.config = self.config.with_quality(quality)
        self.pace.fps = self.config.capture_fps
        self.points = points_of(self.config)
        self.encoder.choose(self.config.preset)
        self.edition += 1
        if self.drawn is not None:
            self.drawn.choose(quality)
        self.demanded()

    @property
    def watchers(self) -> int:
        """Who watches it, live or by its episodes."""
        return self.looked_at + (self.episodes_played.viewers if self.episodes_played is not None else 0)

    @property
    def looked_at(self) -> int:
        """Who watches its live pictures, as they are or with what was found in them."""
        return self.viewers + (self.drawn.viewers if self.drawn is not None else 0)

    def view(self, now: float) -> str:
        """How it is best looked at: `live`, or `episode` by episode at natural speed."""
        return self.screening.view(self.config.videoStreamView, self.steps_per_second(now))

    def give_up_video(self) -> None:
        """H.264 turned out not to be had."""
        self.video = False
        self.edition += 1

    def missed(self, failures: int) -> None:
        """So many captures gave no picture so far: the one asked for will not come."""
        if failures != self.failures:
            self.failures = failures
            self._asked_at = None

    def spent(self, now: float, cost: float) -> None:
        """The trainer gave `cost` seconds to a capture, with or without a picture to show for it.

        The first capture is on the house: it opens windows and graphics contexts, once, and would
        otherwise be followed by many seconds without a picture.
        """
        if self.cost:
            self.pace.captured(now, cost)
        self.cost.spent(now, cost)
        self.pace.budget.cost.spent(now, cost)

    def note_steps(self, now: float, total: int) -> None:
        """The trainer had made `total` steps at `now`."""
        self._steps.note(now, total)
        self.pace.budget.cost.begin(now)

    @property
    def steps(self) -> int | None:
        """Steps that the env has made in all; None when not known."""
        return self._steps.newest[1] if self._steps.newest else None

    def watched(self, viewers: int) -> None:
        """So many watch it now."""
        self.viewers = viewers
        self.stages.watched(viewers)
        self.pace.share(viewers > 0)
        self.demanded()

    def ask(self, now: float) -> None:
        """Have the trainer take a picture at its next step."""
        self._asked_at = now
        self.pace.asked(now)
        self.due[0] = 1
        self.bell[0] = 1  # What `step()` looks at, where several streams come from one env.

    @property
    def asked(self) -> bool:
        """Whether a picture was asked for that has not come yet."""
        return self._asked_at is not None

    def unask(self) -> None:
        """Nobody waits for a picture any more."""
        self._asked_at = None
        self.due[0] = 0

    def finish(self) -> None:
        """The run closed this stream, or the trainer is gone."""
        self.ended = True
        self._asked_at = None
        self.screening.order = None
        self.due = self.bell = bytearray(1)  # Lets go of the trainer's memory.
        self.pace.share(False)

    def shown(self, picture: Picture, now: float, viewers: int) -> None:
        """A picture was handed to so many viewers."""
        frame = picture.frame
        self.stages.sent(frame.number, frame.captured, now - picture.encoded_at, viewers)
        self.pictures_sent += viewers
        self.served.add(now, viewers)
        if frame.number > self._shown_up_to:
            self._shown_up_to = frame.number
            self.frames_shown += 1

    def steps_per_second(self, now: float) -> float | None:
        """Env steps a second over the last few seconds; None when not known."""
        return self._steps.a_second(now)

    def overhead(self, now: float) -> float:
        """Share of the trainer's wall time that captures took over the last ten seconds."""
        return self.cost.captures(now)

    def state(self, now: float) -> str:
        """`waiting` for the first picture, `live`, `stalled` (the learner is busy) or `ended`."""
        if self.ended:
            return "ended"
        if self.buffer.newest() is None:
            return "waiting"
        return "stalled" if (self.waiting(now) or 0.0) > STALLED_AFTER else "live"

    def waiting(self, now: float) -> float | None:
        """Seconds that a picture which was asked for has not come; None = none is waited for."""
        return None if self._asked_at is None else now - self._asked_at

    def mark(self) -> tuple[object, ...]:
        """Changes when there is news to tell of this stream."""
        frame = self.buffer.newest()
        # Sub-envs step together: what each of thousands that nobody looks at has done is no news.
        steps = None if self.place else self._steps.newest
        told = self.episodes.seen if self.said else None
        number = frame.number if frame else None
        session = tuple(self.session().values()) if self.session is not None else None
        state = (self.ended, self.notices.newest, number, self.watchers, self.failures, self.quality)
        return (*state, steps, told, session)

    def performance(self) -> dict[str, Any]:
        """What its pictures cost, and how many were shown; see `performance.performance`."""
        frame, costs = self.buffer.newest(), list(self._costs)
        return performance(
            frame.info.get("method") if frame else None,
            sum(costs) / len(costs) if costs else None,
            self.encoder.latency,
            self.buffer.received,
            self.frames_shown,
            self.config.preset,
            self.pace.fps,
        )
