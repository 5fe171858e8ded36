"""Run those tests that need nothing of Debian: no browser, no nginx, no Redis, no framework for training.

    pip install -e ".[record,process]" "gymnasium[classic-control]" pytest pytest-timeout pytest-xdist \\
        hypothesis psutil
    python tools/portable.py

This is what the workflows run on macOS and Windows, on the newest Python, and with the oldest packages. What
it is given goes on to pytest.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What decides has neither socket nor process: it runs everywhere.
PURE = [
    "test_config",
    "test_settings",
    "test_frame",
    "test_buffer",
    "test_codec",
    "test_ladder",
    "test_pace",
    "test_window",
    "test_triggers",
    "test_sessions_conversation",
    "test_sessions_headers",
    "test_sessions_session",
    "test_web_auth",
    "test_benchmarks_slopes",
]
# A server in a thread, pages and sockets over loopback, recordings.
WHOLE = ["test_portable", "test_video", "test_recording", "test_wrappers_gym", "test_web_messages"]
# Where descriptors can be passed: a server in a process of its own.
POSIX = ["test_links_block", "test_links_control", "test_links_channel"]


def chosen() -> list[str]:
    """The files for this system."""
    names = PURE + WHOLE + ([] if sys.platform == "win32" else POSIX)
    return [str(ROOT / "tests" / f"{name}.py") for name in names]


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-m", "not browser and not long", *sys.argv[1:], *chosen()]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
