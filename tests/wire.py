"""A wire between two networks that loses packets and has others overtake: `python wire.py NEAR FAR`.

Both ends are devices of the kernel (TUN) by these names; the far one is moved to the other network by whoever
runs this. What goes in at one end comes out at the other some milliseconds later, by chance, or at once. Once
its standard input ends, it says on a last line what became of the packets.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import sys
import time

DELAY, JITTER = 0.02, 0.01  # Seconds.
LOST, AT_ONCE = 0.05, 0.25  # Shares of the packets.
_TUN, _SET = 0x0001 | 0x1000, 0x400454CA  # IFF_TUN | IFF_NO_PI, TUNSETIFF.


def end(name: str) -> int:
    """One end of it, as a descriptor on which each read and each write is a packet."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _SET, struct.pack("16sH", name.encode(), _TUN))
    return device


class Wire:
    """Packets on their way."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._under_way: list[tuple[float, int, int, bytes]] = []  # When it is due, its number, where, what.
        self._newest: dict[int, int] = {}  # End → number of the newest packet that came out there.
        self.counts = dict.fromkeys(("sent", "lost", "overtaken"), 0)

    def take(self, packet: bytes, to: int, now: float) -> None:
        """A packet that is to come out at another end."""
        self.counts["sent"] += 1
        if self._chance.random() < LOST:
            self.counts["lost"] += 1
            return
        wait = self._chance.uniform(DELAY - JITTER, DELAY + JITTER) * (self._chance.random() >= AT_ONCE)
        heapq.heappush(self._under_way, (now + wait, self.counts["sent"], to, packet))

    def deliver(self, now: float) -> float | None:
        """Let out what is due; seconds until the next one is."""
        while self._under_way and self._under_way[0][0] <= now:
            _, number, to, packet = heapq.heappop(self._under_way)
            self.counts["overtaken"] += number < self._newest.get(to, 0)
            self._newest[to] = max(number, self._newest.get(to, 0))
            try:
                os.write(to, packet)
            except OSError:  # The wire is cut.
                pass
        return self._under_way[0][0] - now if self._under_way else None


def main() -> None:
    near, far = (end(name) for name in sys.argv[1:3])
    other = {near: far, far: near}
    wire = Wire()
    selector = selectors.DefaultSelector()
    for device in (near, far):
        selector.register(device, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select(wire.deliver(time.monotonic())):
            if key.fd == 0:
                sys.stdout.write(json.dumps(wire.counts) + "\n")
                return
            try:
                wire.take(os.read(key.fd, 2**16), other[key.fd], time.monotonic())
            except OSError:  # Down.
                time.sleep(0.01)


if __name__ == "__main__":
    main()
