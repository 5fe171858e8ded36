"""envstream: watch reinforcement learning train, live in any browser, without slowing it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envstream._version import __version__

if TYPE_CHECKING:
    from envstream.config import StreamConfig
    from envstream.frame import Frame
    from envstream.publishing import publish, stream_url, unpublish
    from envstream.streamer import PyBoyVideoStreamer, StreamQuality, create_video_streamer
    from envstream.wrappers.gym import StreamingWrapper
    from envstream.wrappers.sb3 import StreamingVecEnv as StreamingVecEnv
    from envstream.wrappers.vector import StreamingVectorWrapper
    from envstream.wrapping import wrap

__all__ = [  # StreamingVecEnv is there too, but wants Stable-Baselines3, which not everybody has.
    "Frame",
    "PyBoyVideoStreamer",
    "StreamConfig",
    "StreamQuality",
    "StreamingVectorWrapper",
    "StreamingWrapper",
    "__version__",
    "create_video_streamer",
    "publish",
    "stream_url",
    "unpublish",
    "wrap",
]

_HOMES = {
    "Frame": "envstream.frame",
    "PyBoyVideoStreamer": "envstream.streamer",
    "StreamConfig": "envstream.config",
    "StreamQuality": "envstream.streamer",
    "StreamingVecEnv": "envstream.wrappers.sb3",
    "StreamingVectorWrapper": "envstream.wrappers.vector",
    "StreamingWrapper": "envstream.wrappers.gym",
    "create_video_streamer": "envstream.streamer",
    "publish": "envstream.publishing",
    "stream_url": "envstream.publishing",
    "unpublish": "envstream.publishing",
    "wrap": "envstream.wrapping",
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
