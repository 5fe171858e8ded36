"""How a session stands: what the statistics say of it, and what a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envstream.sessions.session import Session


def counted(session: Session, now: float) -> dict[str, Any]:
    """What the statistics say of a session."""
    return {
        "session_id": session.session_id,
        "state": session.state,
        "silent_seconds": round(now - session.heard_at, 3),
        **session.counts(),
    }


def shown(session: Session, progress: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a page shows of a session.

    Args:
        progress: how far its processing has come; empty where it has not begun.
        result: what came of it; None = it is not complete.
    """
    result = result or {}
    problem = result.get("problem")
    return {
        "id": session.session_id,
        "state": session.state,
        "received": session.roll.received,
        "expected": session.declared if session.declared is not None else session.start.expected_frames,
        "missing": session.counts()["missing"],
        "lost": session.roll.losses,
        "bytes": session.bytes,
        "stage": progress.get("stage"),
        "percent": progress.get("percent"),
        "done": progress.get("frame"),
        "problem": None if problem is None else str(problem.get("error")),
        "video": bool(result.get("video")),
        "processed": bool(result.get("processed")),
    }
