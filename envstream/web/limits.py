"""Limits: how often one address may guess tokens and begin connections. Pure: time is passed in."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

GUESSES, GUESSES_PER_SECOND = 10, 1 / 6  # Wrong tokens at once, and then one each six seconds.
BURST = 2.5  # Connections at once, in seconds of the rate.
REMEMBERED = 10_000  # Addresses; of more, those that were not heard of for longest are forgotten.

UNKNOWN = "unknown"  # Whose address is none: all of them are one.


class Allowance:
    """So many at once, then so many a second, for each address; bounded in memory.

    Args:
        rate: a second.
        burst: at once.
        most: addresses that are remembered.
    """

    def __init__(self, rate: float, burst: float, most: int = REMEMBERED) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # What was left, and when.

    def __len__(self) -> int:
        return len(self._left)

    def wait(self, who: str, now: float) -> float:
        """Seconds until the next one is allowed; 0 = it is."""
        left = self._now(who, now)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def take(self, who: str, now: float) -> None:
        """One was made. It counts, where it was not allowed, as none."""
        self._left[who] = max(0.0, self._now(who, now) - 1), now
        self._left.move_to_end(who)
        while len(self._left) > self._most:
            self._left.popitem(last=False)

    def _now(self, who: str, now: float) -> float:
        left, since = self._left.get(who, (self._burst, now))
        return min(self._burst, left + max(0.0, now - since) * self._rate)


class Limits:
    """The limits of one server.

    Args:
        handshakes: connections that one address may begin a second; None or 0 = any number.
        trusted: addresses and networks of proxies whose X-Forwarded-For is believed.
    """

    def __init__(self, handshakes: float | None, trusted: Iterable[str] = ()) -> None:
        self._guesses = Allowance(GUESSES_PER_SECOND, GUESSES)
        self._handshakes = Allowance(handshakes, handshakes * BURST) if handshakes else None
        self._trusted = [ip_network(each, strict=False) for each in trusted]

    def client(self, peer: str | None, forwarded: str) -> str:
        """Whose request it is: the peer, or whom trusted proxies name: the last one that is none of them.

        What a stranger wrote into the header stands further left than what the proxies added.
        """
        who = _address(peer or "")
        named = [each.strip() for each in forwarded.split(",") if each.strip()]
        while named and who is not None and self._is_trusted(who):
            before = _address(named.pop())
            if before is None:
                break
            who = before
        return _bucket(who)

    def guess(self, client: str, now: float) -> float:
        """Seconds until a token of this client is looked at; 0 = now."""
        return self._guesses.wait(client, now)

    def guessed(self, client: str, now: float) -> None:
        """It was a wrong one."""
        self._guesses.take(client, now)

    def begin(self, client: str, now: float) -> float:
        """Seconds until the client may begin a connection; 0 = it has.

        This machine itself may at any rate: tunnels, and proxies that nobody said are to be trusted, come
        from there, each for many people.
        """
        if self._handshakes is None or _is_here(client):
            return 0.0
        wait = self._handshakes.wait(client, now)
        if not wait:
            self._handshakes.take(client, now)
        return wait

    def _is_trusted(self, who: IPv4Address | IPv6Address) -> bool:
        return any(who in network for network in self._trusted)


def seconds(wait: float) -> str:
    """A wait for people and for Retry-After: whole seconds, at least one."""
    return str(max(1, math.ceil(wait)))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it, perhaps with a port; None: it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _bucket(who: IPv4Address | IPv6Address | None) -> str:
    """Who shares a limit: an address, or the /64 of IPv6 that one household has."""
    if who is None:
        return UNKNOWN
    if isinstance(who, IPv6Address) and not who.is_loopback:
        return f"{ip_network((int(who) >> 64 << 64, 64)).network_address}/64"
    return str(who)


def _is_here(client: str) -> bool:
    address = _address(client)
    return address is not None and address.is_loopback
