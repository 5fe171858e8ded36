"""Every error envstream raises or reports: what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class EnvstreamError(Exception):
    """Base of all errors that envstream raises."""


class SettingError(EnvstreamError, ValueError):
    """A setting has a name or a value that cannot be meant. Raised when the settings are read."""

    @classmethod
    def unknown(cls, key: str, known: Iterable[str]) -> SettingError:
        known = list(known)
        near = get_close_matches(key, known, n=1, cutoff=0.6)
        lower = {name.lower(): name for name in known}
        if not near and key.lower() in lower:
            near = [lower[key.lower()]]
        hint = f"did you mean {near[0]!r}?" if near else f"the settings are: {', '.join(known)}"
        return cls(f"{key!r} is not a setting of envstream; {hint}")

    @classmethod
    def value(cls, key: str, value: object, expected: str) -> SettingError:
        return cls(f"{key}={value!r}: expected {expected}")


class PictureError(EnvstreamError, ValueError):
    """Something that was to be shown is not a picture. Says what was expected and what came."""


class SharedMemoryError(EnvstreamError, OSError):
    """No shared memory could be had for frames."""


class AddressError(EnvstreamError, OSError):
    """The server cannot listen where it was told to."""

    @classmethod
    def cannot_bind(cls, host: str, port: int, reason: object) -> AddressError:
        return cls(
            f"cannot listen on {host}:{port} ({reason}); set videoStreamHost to an address of this machine "
            f"(127.0.0.1 for this machine only, 0.0.0.0 for every network) and videoStreamPort to a free "
            f"port (0 = any)"
        )


class WorkerError(EnvstreamError, RuntimeError):
    """The server process or thread did not come up."""


class MessageError(EnvstreamError, ValueError):
    """A viewer sent a message that is no message. Its connection ends; nobody else notices."""


class AssemblyError(EnvstreamError, ValueError):
    """The source of a Game Boy program has a line that cannot be meant. Names the line."""


class CartridgeError(SettingError):
    """What was given as a Game Boy ROM cannot be played."""

    @classmethod
    def at(cls, path: object, came: str) -> CartridgeError:
        return cls(f"rom={str(path)!r}: expected the file of a Game Boy ROM, usually .gb or .gbc; {came}")


class StreamerError(EnvstreamError, RuntimeError):
    """A streamer of an emulator cannot give what it was asked for."""

    @classmethod
    def not_started(cls, what: str) -> StreamerError:
        return cls(f"{what} needs a stream that runs; call start_streaming() first")


# What is said once, and raised by nobody.

LEFT_OUT = (
    "the server cannot keep up with what is recorded: pictures are left out, and the recording says how "
    "many; a smaller videoResolution helps"
)
NO_EPISODES = (
    "episodes of this kind of env cannot be captured step by step, so videoRecord has no effect; what is "
    "shown of it can be recorded from the page"
)
