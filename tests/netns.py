"""Networks of their own, reached by a wire that can be slow, lose and reorder, or be cut.

Where a machine's networks change, Chromium fails the requests that are on their way, those to loopback too.
So nothing changes while the other worker opens a page.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elsewhere import free_port


@contextlib.contextmanager
def _locked(alone: bool) -> Iterator[None]:
    if sys.platform == "win32":  # No networks are made there.
        yield
        return
    import fcntl

    path = Path(tempfile.gettempdir()) / f"envstream-networks-{os.getuid()}"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def unchanged() -> contextlib.AbstractContextManager[None]:
    """The machine's networks stay as they are meanwhile."""
    return _locked(alone=False)


def _changing() -> contextlib.AbstractContextManager[None]:
    return _locked(alone=True)


def ip(*words: str) -> None:
    """Have the system's `ip` do something."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Far:
    """A network that is far away.

    Attributes:
        space: what it is called.
        here: our address, as it is seen from there.
        near, far: the two ends of the wire.
        wire: what carries packets over a disorderly one.
    """

    space: str
    here: str
    near: str
    far: str
    wire: subprocess.Popen[str] | None = None

    def shape(self, *how: str) -> None:
        """Have the wire's way from there be as tc's words say; no such words, no test."""
        command = [*self.within, "tc", "qdisc", "replace", "dev", self.far, "root", *how]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"needs tc's {how[0]} in the kernel")

    def cut(self) -> None:
        """Nothing comes through any more, and neither end is told."""
        with _changing():
            ip("-n", self.space, "link", "set", self.far, "down")

    @property
    def within(self) -> list[str]:
        """What a command begins with that is run there."""
        return ["ip", "netns", "exec", self.space]

    def carried(self) -> dict[str, int]:
        """Ends a disorderly wire: how many packets were `sent`, how many of them `lost` and `overtaken`."""
        assert self.wire is not None
        said, _ = self.wire.communicate(timeout=20)
        counts: dict[str, int] = json.loads(said)
        return counts


@contextlib.contextmanager
def far_network(disorderly: bool = False) -> Iterator[Far]:
    """Another network; the test is left out where none can be made.

    Args:
        disorderly: the wire is one of `wire.py`, that loses packets and has others overtake.
    """
    if not sys.platform.startswith("linux") or not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("needs ip and tc: on Debian: apt-get install iproute2")
    tag = f"{free_port():x}"
    third = int(tag, 16) % 250
    space, near, other = f"envs{tag}", f"en{tag}", f"ef{tag}"
    try:
        ip("netns", "add", space)
    except subprocess.CalledProcessError:
        pytest.skip("needs the right to make network namespaces: run the tests as root")
    wire = None
    try:
        with _changing():
            if disorderly:
                wire = _wire(near, other)
                ip("link", "set", other, "netns", space)
            else:
                ip("link", "add", near, "type", "veth", "peer", "name", other, "netns", space)
            far = Far(space, f"10.213.{third}.1", near, other, wire)
            with contextlib.suppress(OSError):  # An address of IPv6 would be one more change, seconds later.
                Path(f"/proc/sys/net/ipv6/conf/{near}/disable_ipv6").write_text("1")
            ip("addr", "add", f"{far.here}/24", "dev", near)
            ip("link", "set", near, "up")
            ip("-n", space, "addr", "add", f"10.213.{third}.2/24", "dev", other)
            ip("-n", space, "link", "set", other, "up")
        yield far
    finally:
        with _changing():
            if wire is not None:
                wire.kill()
                wire.communicate()
            ip("netns", "del", space)


def _wire(near: str, far: str) -> subprocess.Popen[str]:
    """A disorderly wire between two devices that it makes; the test is left out where it cannot."""
    command = [sys.executable, str(Path(__file__).parent / "wire.py"), near, far]
    wire = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert wire.stdout is not None
    if wire.stdout.readline() != "ready\n":
        _, why = wire.communicate()
        pytest.skip(f"needs /dev/net/tun: {why[-300:]}")
    return wire
