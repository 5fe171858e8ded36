"""WebSocket frames as a client may send them, right and wrong (RFC 6455, section 5.2)."""

from __future__ import annotations

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def encoded(
    op: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\x01\x02\x03\x04",
    size: int | None = None,
    wide: int = 0,
) -> bytes:
    """One frame.

    Args:
        reserved: the three bits behind FIN.
        mask: None = not masked, as no client may.
        size: the length that it says; None = that of the payload.
        wide: bytes in which the length is written: 2, 8, or 0 = as few as it needs.
    """
    length = len(payload) if size is None else size
    first = bytes([fin << 7 | reserved << 4 | op])
    masked = 0x80 if mask is not None else 0
    wide = wide or (0 if length < 126 else 2 if length < 65_536 else 8)
    head = {0: length & 0x7F, 2: 126, 8: 127}[wide]
    sized = first + bytes([masked | head]) + (length.to_bytes(wide, "big") if wide else b"")
    if mask is None:
        return sized + payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return sized + mask + hidden.to_bytes(len(payload), "big")
