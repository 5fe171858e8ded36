"""A rendezvous: where the processes of one user that want one address find the server that has it.

A folder that is this user's alone holds, for each address that is wanted, a lock and a Unix socket. Who holds
the lock runs the server; the system lets go of it when that process ends, however it does. The others connect
to the socket, and what they are connected to is a control line, as a trainer has to a server of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import sys
import tempfile
from pathlib import Path

PATIENCE = 3.0  # Seconds in which a server answers who knocks.
_WAITING = 4096  # Trainers that may knock at once.
_LONGEST = 100  # Characters of a socket's path: systems take 104 or 108.


class Rendezvous:
    """The meeting place for one host and port, as they are wanted.

    Args:
        host, port: where its server is to listen. Where the port is taken by somebody else that will be the
            next free one, and the meeting place stays.
    """

    def __init__(self, host: str, port: int) -> None:
        self._wanted = f"{host}\0{port}\0{_network()}"

    def claim(self) -> int | None:
        """The lock, as a descriptor that a server keeps open for as long as it lives; None: another has it.

        Raises:
            OSError: there is no such place on this system, or it is not safe.
        """
        import fcntl  # Not everywhere.

        descriptor = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        _held.add(descriptor)
        return descriptor

    def listen(self) -> socket.socket:
        """Where the others come; only for who has the lock.

        Raises:
            OSError: as `claim` does.
        """
        path = self._path("sock")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # Of a server that is gone.
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            listener.listen(_WAITING)
            listener.setblocking(False)
            _held.add(listener.fileno())
        except BaseException:
            listener.close()
            raise
        return listener

    def join(self) -> socket.socket | None:
        """A control line to the server that is there; None: there is none, or it is not up yet.

        Whoever uses it waits `PATIENCE` seconds at most for what comes, until that is changed.

        Raises:
            OSError: as `claim` does.
        """
        path = self._path("sock")
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(PATIENCE)
        try:
            line.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            line.close()
            return None
        except BaseException:
            line.close()
            raise
        return line

    def _path(self, kind: str) -> Path:
        name = hashlib.sha256(self._wanted.encode()).hexdigest()[:16]
        return _folder() / f"{name}.{kind}"


def let_go(descriptor: int) -> None:
    """Close a lock, or what was listened with."""
    _held.discard(descriptor)
    with contextlib.suppress(OSError):
        os.close(descriptor)


# A process that is forked from this one must not keep the place of a server that it does not have.
_held: set[int] = set()


def _after_fork() -> None:
    for descriptor in list(_held):
        let_go(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _folder() -> Path:
    """A folder that nobody else can look into; others on this machine may not answer in our place."""
    if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
        raise OSError("processes cannot find each other on this system")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "envstream") if runtime and os.access(runtime, os.W_OK) else None
    if folder is None or len(str(folder)) + 22 > _LONGEST:
        folder = Path(tempfile.gettempdir(), f"envstream-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o077
    if not ours:
        raise OSError(f"{folder} is to be a folder that only this user can look into; remove it")
    return folder


def _network() -> int:
    """Which network this process sees: the same port in another one is another address."""
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0
