"""The frames of a session on disk: how they stand in their two files, and reading them one by one.

The log has the records, in the order in which they came. The index has an entry of one length for each
number, which says where its record is, so that neither side remembers anything of them.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from envstream.sessions.arrival import Arrival

LOG, INDEX = "frames.log", "frames.idx"

_SIGN = b"EsF1"
# Sign, number, timestamp, captured, width, height, encoding, flags, lengths of info and of data, and the
# checksum of all that, of info and of data, which follow.
_HEAD, _SUM = struct.Struct("<4sQddII8sBII"), struct.Struct("<I")
_BEFORE = _HEAD.size + _SUM.size
_KEY, _CAPTURED = 1, 2
_ENTRY = struct.Struct("<QII")  # Where the record begins, its length, and a checksum of these and the number.
_NAMED = struct.Struct("<QQI")
_ENTRIES = 4096  # That are read at a time.

ENTRY = _ENTRY.size  # Bytes.
HIGHEST = 2**31  # Number; at 60 pictures a second, of the second year.


class Place(NamedTuple):
    """Where a record stands in the log."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.length


def head_of(arrival: Arrival) -> bytes:
    """What a record has before its data."""
    info = json.dumps(dict(arrival.info), separators=(",", ":")).encode() if arrival.info else b""
    captured = arrival.captured
    head = _HEAD.pack(
        _SIGN,
        arrival.number,
        arrival.timestamp,
        0.0 if captured is None else captured,
        arrival.width,
        arrival.height,
        arrival.encoding.encode(),
        _KEY * arrival.key | _CAPTURED * (captured is not None),
        len(info),
        len(arrival.data),
    )
    return head + _SUM.pack(zlib.crc32(arrival.data, zlib.crc32(info, zlib.crc32(head)))) + info


def entry_of(number: int, place: Place) -> bytes:
    """What the index says of a record."""
    return _ENTRY.pack(*place, zlib.crc32(_NAMED.pack(number, *place)))


def places(index: io.FileIO) -> Iterator[tuple[int, Place]]:
    """All numbers that an index has, from the lowest on; it may be used for other things meanwhile."""
    at = 0
    while True:
        at = _past_hole(index, at)
        index.seek(at)
        piece = index.read(_ENTRIES * ENTRY)
        piece = piece[: len(piece) // ENTRY * ENTRY]
        if not piece:
            return
        for number, said in enumerate(_ENTRY.iter_unpack(piece), at // ENTRY):
            place = _believed(number, *said)
            if place is not None:
                yield number, place
        at += len(piece)


def place_in(index: io.FileIO, number: int) -> Place | None:
    """Where the record of a number is; None: there is none."""
    index.seek(number * ENTRY)
    said = index.read(ENTRY)
    return _believed(number, *_ENTRY.unpack(said)) if len(said) == ENTRY else None


def record_at(log: io.FileIO, start: int) -> tuple[Arrival, Place] | None:
    """The record that begins there; None: there is no whole one."""
    log.seek(start)
    head = log.read(_BEFORE)
    if len(head) < _BEFORE or not head.startswith(_SIGN):
        return None
    length = _BEFORE + sum(_HEAD.unpack_from(head)[-2:])
    # Damaged, it could ask for any amount of memory.
    if length > os.fstat(log.fileno()).st_size - start:
        return None
    place = Place(start, length)
    arrival = arrival_in(log, place)
    return None if arrival is None else (arrival, place)


def arrival_in(log: io.FileIO, place: Place) -> Arrival | None:
    """The frame whose record stands there; None: it is damaged."""
    log.seek(place.start)
    record = memoryview(log.read(place.length))
    if len(record) != place.length or place.length < _BEFORE:
        return None
    sign, number, timestamp, captured, width, height, encoding, flags, *lengths = _HEAD.unpack_from(record)
    rest = record[_BEFORE:]
    checksum = zlib.crc32(rest, zlib.crc32(record[: _HEAD.size]))
    if sign != _SIGN or sum(lengths) != len(rest) or _SUM.unpack_from(record, _HEAD.size) != (checksum,):
        return None
    info, data = bytes(rest[: lengths[0]]), bytes(rest[lengths[0] :])
    return Arrival(
        number,
        timestamp,
        encoding.rstrip(b"\0").decode(),
        width,
        height,
        bool(flags & _KEY),
        captured if flags & _CAPTURED else None,
        json.loads(info) if info else {},
        data,
    )


def _believed(number: int, start: int, length: int, checksum: int) -> Place | None:
    if length and zlib.crc32(_NAMED.pack(number, start, length)) == checksum:
        return Place(start, length)
    return None


def _past_hole(index: io.FileIO, at: int) -> int:
    """Where something may stand again: of a million lost numbers the index has nothing but a hole."""
    kind = getattr(os, "SEEK_DATA", None)
    if kind is None:
        return at
    try:
        found = os.lseek(index.fileno(), at, kind)
    except OSError as error:  # Beyond the end, or there are no holes on this disk.
        return index.seek(0, os.SEEK_END) if error.errno == errno.ENXIO else at
    return found - found % ENTRY


class Tape:
    """The reading side, also while another process writes. Not thread-safe.

    Raises:
        FileNotFoundError: the folder has no frames.
    """

    def __init__(self, folder: Path) -> None:
        with contextlib.ExitStack() as opened:
            self._log = opened.enter_context(io.FileIO(folder / LOG))
            self._index = opened.enter_context(io.FileIO(folder / INDEX))
            self._files = opened.pop_all()

    def get(self, number: int) -> Arrival | None:
        """A frame; None: it is not there, or damaged."""
        if not 1 <= number <= HIGHEST:
            return None
        place = place_in(self._index, number)
        arrival = arrival_in(self._log, place) if place else None
        return arrival if arrival is not None and arrival.number == number else None

    def after(self, number: int, up_to: int) -> int:
        """The first number behind this one that there may be a frame of; `up_to` + 1: none up to there."""
        return min(max(number + 1, _past_hole(self._index, (number + 1) * ENTRY) // ENTRY), up_to + 1)

    def close(self) -> None:
        """No more frames."""
        self._files.close()
