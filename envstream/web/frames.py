"""Frames of the WebSocket protocol (RFC 6455), as far as they are read past its parser. Pure."""

from __future__ import annotations


def is_farewell(data: bytes) -> bool:
    """Whether bytes end with a frame that closes, as those of peers do that have understood."""
    at = data.rfind(b"\x88", -140)
    return (
        at >= 0
        and len(data) - at >= 6
        and data[at + 1] >= 0x80
        and at + 6 + (data[at + 1] & 0x7F) == len(data)
    )


def short_text(data: bytes) -> tuple[str | None, int]:
    """The text of a whole, unfragmented, masked text frame at the beginning of `data`, and the frame's size.

    None where there is no such frame, or where it is longer than 65,535 bytes or no UTF-8 (RFC 6455,
    section 5.2).
    """
    if len(data) < 6 or data[0] != 0x81 or data[1] < 0x80 or data[1] == 0xFF:
        return None, 0
    size, start = data[1] & 0x7F, 6
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 8
    end = start + size
    if len(data) < end or size == 0:
        return None, 0
    mask, payload = data[start - 4 : start], data[start:end]
    if mask != b"\0\0\0\0":
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
        payload = (int.from_bytes(payload, "little") ^ key).to_bytes(size, "little")
    try:
        return payload.decode(), end
    except UnicodeDecodeError:
        return None, 0
