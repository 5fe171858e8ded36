"""envstream: watch reinforcement learning train, live in any browser, without slowing it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envstream._version import __version__

if TYPE_CHECKING:
    from envstream.config import StreamConfig
    from envstream.frame import Frame
    from envstream.wrappers.gym import StreamingWrapper

__all__ = ["Frame", "StreamConfig", "StreamingWrapper", "__version__"]

_HOMES = {
    "Frame": "envstream.frame",
    "StreamConfig": "envstream.config",
    "StreamingWrapper": "envstream.wrappers.gym",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: `import envstream` alone costs nothing and needs nothing.
    if name not in _HOMES:
        raise AttributeError(f"module 'envstream' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
