"""What pages and `/stats` are told about a stream. Pure; times in seconds of the monotonic clock."""

from __future__ import annotations

from typing import Any

from envstream.config import PRESETS
from envstream.playback import by_rate
from envstream.stream import Stream


def status(stream: Stream, now: float) -> dict[str, Any]:
    """What the page is told about a stream."""
    frame = stream.buffer.newest()
    info = {**(frame.info if frame else {}), **stream.said}
    played = stream.episodes_played
    sent = played if played is not None and played.viewers and not stream.viewers else stream
    waiting = stream.waiting(now)
    return {
        **_whose(stream),
        "state": stream.state(now),
        "message": stream.notices.newest,
        "width": frame.width if frame else None,
        "height": frame.height if frame else None,
        "fps": round(stream.captures.at(now), 2),
        "targetFps": stream.pace.fps,
        "quality": stream.quality,
        "qualities": list(PRESETS),
        "best": stream.points[0].quality,
        "levels": sorted({point.quality for point in stream.points}, reverse=True),
        "codecs": ["h264", "jpeg"] if stream.video else ["jpeg"],
        "cache": sent.encoder.counts(),
        "video": sent.encoder.saving,
        "limit": _limit(stream, now),
        "viewers": stream.watchers,
        "episode": info.get("episode"),
        "step": info.get("step"),
        "return": info.get("return"),
        **_returns(stream),
        "totalSteps": info.get("totalSteps"),
        "stepsPerSecond": stream.steps_per_second(now),
        "overhead": round(stream.overhead(now), 4),
        "trainerCost": _cost_in_short(stream, now),
        "age": round(now - frame.captured, 4) if frame else None,
        "waiting": None if waiting is None else round(waiting, 3),
        "frameNumber": frame.number if frame else None,
        "session": None if stream.session is None else dict(stream.session()),
        **_replayable(stream, now),
    }


def _whose(stream: Stream) -> dict[str, Any]:
    """What it is called, and whose it is."""
    place, identity = stream.place, stream.identity
    return {
        "name": stream.name,
        "title": stream.title,
        "group": place.group if place else None,
        "env": place.env if place else None,
        "run": identity.run,
        "rank": identity.rank,
        "host": identity.host,
        "camera": stream.camera,
    }


def _returns(stream: Stream) -> dict[str, float | None]:
    """How its episodes ended: the mean of the last hundred, and the best of all that are known."""
    return {
        "meanReturn": stream.said.get("meanReturn", stream.episodes.mean),
        "bestReturn": stream.said.get("bestReturn", stream.episodes.best),
    }


def _replayable(stream: Stream, now: float) -> dict[str, Any]:
    """What there is of a stream besides the live picture."""
    return {
        "view": stream.view(now) if stream.screening.possible else None,
        "naturalFps": stream.screening.natural_fps,
        "screen": _screen(stream, now),
        "clips": stream.archive.edition.get(stream.name, 0) if stream.archive is not None else 0,
        "replaySeconds": round(stream.replay.length, 1),
        "recording": _recording(stream),
    }


def counts(stream: Stream, now: float) -> dict[str, Any]:
    """A stream's counters for `/stats`."""
    encoder = stream.encoder
    received = stream.buffer.received
    mean = round(1000 * encoder.encode_seconds / encoder.encodes, 3) if encoder.encodes else None
    return {
        "frames_received": received,
        "frames_served": stream.pictures_sent,
        "frames_dropped": max(0, received - stream.frames_shown),
        "served_fps": round(stream.served.at(now), 2),
        "encodes": encoder.encodes,
        "cache_hits": encoder.hits,
        "cache_misses": encoder.misses,
        "encode_ms": mean,
        "encoded_bytes": encoder.encoded_bytes,
        "capture_failures": stream.failures,
        "episodes": stream.episodes.seen,
        "trainer_cost": trainer_cost(stream, now),
    }


def trainer_cost(stream: Stream, now: float) -> dict[str, Any] | None:
    """What all that its trainer shows costs that one; None: there is none, or it does not say."""
    told = stream.said.get("trainerCost")
    if told is not None:
        return dict(told)
    budget = stream.pace.budget
    if not budget.cost.begun:
        return None
    counting = stream.cost.counts(stream.steps_per_second(now))
    return budget.cost.said(now, counting, budget.max_overhead)


def _cost_in_short(stream: Stream, now: float) -> dict[str, Any] | None:
    cost = trainer_cost(stream, now)
    return None if cost is None else {"share": round(cost["share"], 4), "limit": cost["limit"]}


def _screen(stream: Stream, now: float) -> dict[str, Any] | None:
    """What is played of its episodes, while somebody watches them."""
    played = stream.episodes_played
    if played is None or not played.viewers:
        return None
    screening, playback = stream.screening, stream.screening.playback
    clip = playback.clip
    every = clip.every if clip else screening.every
    enough = by_rate(screening.natural_fps, stream.config.capture_fps)
    cost = stream.pace.cost
    return {
        "state": playback.state(now),
        "episode": clip.episode if clip else None,
        "every": every,
        "why": None if every == 1 else "rate" if every <= enough else "budget",
        "renderMs": None if cost is None else round(cost * 1000, 2),
        "fps": round(screening.natural_fps / every, 2),
        "from": clip.first if clip else 0,
        "cut": clip.cut if clip else False,
        "message": None,
    }


def _recording(stream: Stream) -> dict[str, Any] | None:
    played = stream.episodes_played
    return stream.live_recording or (played.live_recording if played is not None else None)


def _limit(stream: Stream, now: float) -> dict[str, Any] | None:
    pace = stream.pace
    if not pace.limited or pace.cost is None or pace.budget_fps is None:
        return None
    return {
        "by": "budget",
        "share": pace.budget.max_overhead,
        "renderMs": round(pace.cost * 1000, 2),
        # Shared, it allows what comes: the others take what they need of it.
        "fps": round(stream.captures.at(now) if len(pace.budget.sharers) > 1 else pace.budget_fps, 2),
    }
