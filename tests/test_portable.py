"""What there is without Linux: everything that Windows or macOS lack is taken away, and it still streams."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Before anything of ours is imported. What the standard library itself wants here was imported by then.
WINDOWS = """
    import asyncio, concurrent.futures, multiprocessing, os, select, signal, socket, subprocess, sys, tempfile

    def pair(*kind):  # As the standard library makes it on Windows.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            one = socket.create_connection(listener.getsockname())
            return one, listener.accept()[0]

    if sys.platform != "win32":
        socket.socketpair = pair
    lacking = {
        socket: "SCM_RIGHTS AF_UNIX recv_fds send_fds MSG_DONTWAIT MSG_NOSIGNAL TCP_NOTSENT_LOWAT",
        os: "memfd_create posix_fallocate nice register_at_fork fork forkpty getuid geteuid getgid killpg "
        "waitid sched_getaffinity getloadavg mkfifo pwrite pread",
        signal: "SIGKILL SIGHUP SIGALRM alarm SIGUSR1 SIGUSR2 pthread_sigmask",
    }
    for module, names in lacking.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    for name in ("fcntl", "resource", "uvloop", "pwd", "grp", "termios"):
        sys.modules[name] = None
"""

# A kernel without memfd, and no /proc/self to look at: an unlinked file holds the pictures.
MACOS = """
    import os, tempfile
    for name in ("memfd_create", "posix_fallocate", "sched_getaffinity"):
        if hasattr(os, name):
            delattr(os, name)
    access = os.access
    os.access = lambda path, *how, **more: path != "/dev/shm" and access(path, *how, **more)
"""

STREAMS = """
    import sys, time, urllib.request
    sys.path.insert(0, {tests!r})
    from fakes import PictureEnv
    from envstream import StreamingWrapper
    env = StreamingWrapper(PictureEnv(), videoStreamPort=0, videoStreamWorker={worker!r})
    env.reset()
    import threading
    found = []
    def look():
        with urllib.request.urlopen(env.stream_url + "screen", timeout=60) as answer:
            found.append(answer.read()[:3])
    looking = threading.Thread(target=look)
    looking.start()
    while looking.is_alive():
        env.step(0)
        time.sleep(0.001)
    env.close()
    print(found)
"""

SERVES = """
    import threading, time
    from envstream.config import StreamConfig
    import envstream.cli, envstream.processing.pool, envstream.processing.child, envstream.push.link
    import envstream.publishing, envstream.web.serve, envstream.web.child, envstream.sessions.depot
    print("imported")
"""


def run(*parts: str, **fields: str) -> subprocess.CompletedProcess[str]:
    """A script of these parts, in a fresh interpreter."""
    code = "\n".join(textwrap.dedent(part) for part in parts).replace("{tests!r}", repr(str(ROOT / "tests")))
    for name, value in fields.items():
        code = code.replace(f"{{{name}!r}}", repr(value))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=ROOT)


@pytest.mark.parametrize("worker", ["process", "thread"])
def test_without_what_windows_lacks_a_server_in_a_thread_shows_pictures(worker: str) -> None:
    done = run(WINDOWS, STREAMS, worker=worker)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == r"[b'\xff\xd8\xff']" and "Traceback" not in done.stderr, done.stderr
    warnings = done.stderr.count("hands no memory from process to process")
    assert warnings == (1 if worker == "process" else 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such process on Windows")
def test_without_what_macos_lacks_a_server_in_a_process_shows_pictures() -> None:
    done = run(MACOS, STREAMS, worker="process")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == r"[b'\xff\xd8\xff']" and "Traceback" not in done.stderr, done.stderr
    assert "in a thread" not in done.stderr


def test_everything_can_be_imported_without_what_windows_lacks() -> None:
    done = run(WINDOWS, SERVES)
    assert done.stdout.strip() == "imported", done.stderr
