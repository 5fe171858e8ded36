"""Networks of their own, reached by a wire that can be slow, lose and reorder, or be cut."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from elsewhere import free_port


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
    """

    space: str
    here: str
    near: str
    far: str

    def shape(self, *how: str, here: bool = False) -> None:
        """Have the wire's way from there, or from here, be as tc's words say; no such words, no test."""
        if not self._shaped(how, here):
            pytest.skip(f"needs tc's {how[0]} in the kernel")

    def lossy(self) -> None:
        """Have both ways lose and reorder what goes there; where the kernel has no netem, only lose."""
        for here in (True, False):
            netem = "netem", "delay", "20ms", "10ms", "loss", "5%", "reorder", "25%"
            if not self._shaped(netem, here):  # A bucket without a queue drops what comes at once.
                self.shape("tbf", "rate", "2mbit", "burst", "8k", "latency", "1ms", here=here)

    def cut(self) -> None:
        """Nothing comes through any more, and neither end is told."""
        ip("-n", self.space, "link", "set", self.far, "down")

    def _shaped(self, how: Sequence[str], here: bool) -> bool:
        device, within = (self.near, []) if here else (self.far, self.within)
        command = [*within, "tc", "qdisc", "replace", "dev", device, "root", *how]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    @property
    def within(self) -> list[str]:
        """What a command begins with that is run there."""
        return ["ip", "netns", "exec", self.space]


@contextlib.contextmanager
def far_network() -> Iterator[Far]:
    """Another network; the test is left out where none can be made."""
    if not sys.platform.startswith("linux") or not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("needs ip and tc: on Debian: apt-get install iproute2")
    tag = f"{free_port():x}"
    third = int(tag, 16) % 250
    far = Far(f"envs{tag}", f"10.213.{third}.1", f"en{tag}", f"ef{tag}")
    try:
        ip("netns", "add", far.space)
    except subprocess.CalledProcessError:
        pytest.skip("needs the right to make network namespaces: run the tests as root")
    try:
        ip("link", "add", far.near, "type", "veth", "peer", "name", far.far, "netns", far.space)
        ip("addr", "add", f"{far.here}/24", "dev", far.near)
        ip("link", "set", far.near, "up")
        ip("-n", far.space, "addr", "add", f"10.213.{third}.2/24", "dev", far.far)
        ip("-n", far.space, "link", "set", far.far, "up")
        yield far
    finally:
        ip("netns", "del", far.space)
