"""Names: what streams of many workers are called on one server. Pure."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

from envstream.bus.layout import Entry
from envstream.hub import BOXES, EPISODES
from envstream.identity import Identity
from envstream.sessions.camera import CAMERA

KEPT = 50_000  # Names of workers' streams; of more, those that were asked for longest ago are free again.
_LONGEST = 32  # Characters of a run, and of a host.


class Names:
    """Gives each stream of each worker a name of its own, and always the same.

    Args:
        taken: whether something else has a name.
    """

    def __init__(self, taken: Callable[[str], bool]) -> None:
        self._taken = taken
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._given: set[str] = set()

    def stream(self, worker: str, entry: Entry, identity: Identity) -> str:
        """The name of a worker's stream."""
        group = self.group(worker, entry, identity)
        if group is not None and entry.env is not None:
            return self._name((worker, entry.id), (f"{group}/{entry.env}",))
        return self._name((worker, entry.id), _candidates(entry.title, identity))

    def group(self, worker: str, entry: Entry, identity: Identity) -> str | None:
        """The name of the vector env that a stream is one of; None = it is none."""
        if entry.group is None:
            return None
        # No id of a stream has a space in it.
        return self._name((worker, f"group {entry.group}"), _candidates(entry.title, identity))

    def _name(self, key: tuple[str, str], candidates: tuple[str, ...]) -> str:
        name = self._names.pop(key, None)
        if name is None:
            every = itertools.chain(candidates, _numbered(candidates[-1]))
            name = next(each for each in every if each not in self._given and not self._taken(each))
            self._given.add(name)
        self._names[key] = name
        while len(self._names) > KEPT:
            self._given.discard(self._names.popitem(last=False)[1])
        return name


def _candidates(title: str, identity: Identity) -> tuple[str, ...]:
    """The shortest first; each says more about whose it is."""
    for end in (EPISODES, BOXES):
        if title.endswith(end):
            title = f"{title.removesuffix(end)} {end[1:]}"
    if title.startswith(CAMERA):  # Whoever looks at a camera is not to be shown what somebody else calls one.
        title = f"env {title}"
    run = [identity.run[:_LONGEST]] if identity.run else []
    rank = [f"rank {identity.rank}"] if identity.rank is not None else []
    host = [identity.host[:_LONGEST]] if identity.host else []
    return tuple(dict.fromkeys(" · ".join([title, *more]) for more in ([], run + rank, run + rank + host)))


def _numbered(name: str) -> Iterator[str]:
    return (f"{name} · {number}" for number in itertools.count(2))
