"""File descriptors: how many a server's process may have open, and how many of them are for connections."""

from __future__ import annotations

MOST = 65_536  # More a server does not ask for; some systems would give a billion.
USUAL = 1024  # Where nobody says how many there may be.
_OWN = 64  # For what a server opens itself: recordings, sessions, lines, pages' files. At least,
_SHARE = 8  # and one of so many.


def raise_limit() -> int:
    """Let this process have as many open as the system lets it, within reason; how many that are.

    For a process that is a server's alone: in that of somebody else the limit is not ours to change.
    """
    try:
        import resource  # Not everywhere.
    except ImportError:
        return USUAL
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = within(hard, resource.RLIM_INFINITY)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limit()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        pass  # A sandbox that keeps it: what there is, is looked at again and again.
    return limit()


def limit() -> int:
    """How many this process may have open."""
    try:
        import resource  # Not everywhere.
    except ImportError:
        return USUAL
    return within(resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.RLIM_INFINITY)


def within(allowed: int, endless: int) -> int:
    """How many of what a system allows are made use of; `endless` is how it says that there is no limit."""
    return MOST if allowed == endless else min(allowed, MOST)


def for_connections(allowed: int) -> int:
    """How many of those that a process may have open connections may take; the rest is its own."""
    return max(1, allowed - max(_OWN, allowed // _SHARE))
