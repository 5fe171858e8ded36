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


class DamagedError(PictureError):
    """Bytes that came for a picture cannot be decoded."""


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


class SessionError(EnvstreamError, ValueError):
    """Something is wrong with frames that a client sends. It is told so, as an `error` message.

    Attributes:
        code: which kind of error it is, for programs; the sentence is for people.
        recoverable: whether the connection goes on.
        number: which frame it is about.
    """

    def __init__(self, code: str, sentence: str, recoverable: bool = True, number: int | None = None) -> None:
        super().__init__(sentence)
        self.code, self.recoverable, self.number = code, recoverable, number

    def message(self) -> dict[str, object]:
        """What the client is told."""
        said = {"type": "error", "code": self.code, "message": str(self), "recoverable": self.recoverable}
        return said if self.number is None else {**said, "number": self.number}

    @classmethod
    def over(cls, number: int, last: int | None) -> SessionError:
        why = "the session has ended" if last is None else f"the session ends with frame {last}"
        return cls("session_ended", f"frame {number}: {why}; begin another session for more", number=number)

    @classmethod
    def out_of_window(cls, number: int, first: int, window: int) -> SessionError:
        return cls(
            "out_of_window",
            f"frame {number} is more than {window} ahead of frame {first}, which has not arrived; send that "
            "one first, or say frames_lost",
            number=number,
        )

    @classmethod
    def flooding(cls, number: int, frames: int, size: int, credits: int) -> SessionError:
        return cls(
            "flooding",
            f"{frames} frames with {size} bytes are on their way to disk, where {credits} frames may be "
            "unacknowledged; wait for acknowledgements before sending more",
            recoverable=False,
            number=number,
        )

    @classmethod
    def bad_end(cls, frames: int, declared: int | None, highest: int) -> SessionError:
        why = f"there is a frame {highest}" if declared is None else f"{declared} was said before"
        return cls(
            "bad_end", f"session_end says {frames} frames, and {why}; say the highest number that there is"
        )


# What is said once, and raised by nobody.

LEFT_OUT = (
    "the server cannot keep up with what is recorded: pictures are left out, and the recording says how "
    "many; a smaller videoResolution helps"
)
NO_EPISODES = (
    "episodes of this kind of env cannot be captured step by step, so videoRecord has no effect; what is "
    "shown of it can be recorded from the page"
)
