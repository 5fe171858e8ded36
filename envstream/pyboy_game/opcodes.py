"""Every instruction of the Game Boy's processor (SM83), by how it is written.

An instruction is known by its template: its name and its operands, with `n` where a value stands.
`ld a,[$c000]` has the template `ld a,[n]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple


class Opcode(NamedTuple):
    """What an instruction becomes: its first bytes, and how its value is written.

    `value` is `""` (there is none), `"byte"`, `"word"`, `"signed"` (-128 to 127), `"jump"` (a distance from
    the next instruction), `"high"` (the low byte of an address from $ff00 on), `"bit"` (a bit's number) or
    `"vector"` (the address of a restart).
    """

    code: bytes
    value: str = ""

    @property
    def size(self) -> int:
        """Bytes of the whole instruction."""
        return len(self.code) + _SIZES[self.value]


_SIZES = {"": 0, "byte": 1, "word": 2, "signed": 1, "jump": 1, "high": 1, "bit": 0, "vector": 0}
_REGISTERS = ("b", "c", "d", "e", "h", "l", "[hl]", "a")
_PAIRS = ("bc", "de", "hl", "sp")
_STACKED = ("bc", "de", "hl", "af")
_CONDITIONS = ("nz", "z", "nc", "c")
_SUMS = ("add", "adc", "sub", "sbc", "and", "xor", "or", "cp")
_TURNS = ("rlc", "rrc", "rl", "rr", "sla", "sra", "swap", "srl")

_PLAIN = {
    "nop": 0x00, "rlca": 0x07, "rrca": 0x0F, "rla": 0x17, "rra": 0x1F, "daa": 0x27, "cpl": 0x2F, "scf": 0x37,
    "ccf": 0x3F, "halt": 0x76, "ret": 0xC9, "reti": 0xD9, "di": 0xF3, "ei": 0xFB,
    "ld [bc],a": 0x02, "ld a,[bc]": 0x0A, "ld [de],a": 0x12, "ld a,[de]": 0x1A,
    "ld [hl+],a": 0x22, "ld a,[hl+]": 0x2A, "ld [hl-],a": 0x32, "ld a,[hl-]": 0x3A,
    "ldh [c],a": 0xE2, "ldh a,[c]": 0xF2, "jp hl": 0xE9, "ld sp,hl": 0xF9,
}  # fmt: skip
_VALUED = {
    "jr n": (0x18, "jump"), "jp n": (0xC3, "word"), "call n": (0xCD, "word"), "rst n": (0xC7, "vector"),
    "ldh [n],a": (0xE0, "high"), "ldh a,[n]": (0xF0, "high"), "ld [n],a": (0xEA, "word"),
    "ld a,[n]": (0xFA, "word"), "ld [n],sp": (0x08, "word"), "add sp,n": (0xE8, "signed"),
}  # fmt: skip


def _arithmetic() -> Iterator[tuple[str, Opcode]]:
    for (row, name), (column, register) in product(enumerate(_SUMS), enumerate(_REGISTERS)):
        code = bytes([0x80 + 8 * row + column])
        yield f"{name} {register}", Opcode(code)
        yield f"{name} a,{register}", Opcode(code)
    for row, name in enumerate(_SUMS):
        code = bytes([0xC6 + 8 * row])
        yield f"{name} n", Opcode(code, "byte")
        yield f"{name} a,n", Opcode(code, "byte")
    for row, register in enumerate(_REGISTERS):
        yield f"inc {register}", Opcode(bytes([0x04 + 8 * row]))
        yield f"dec {register}", Opcode(bytes([0x05 + 8 * row]))
        yield f"ld {register},n", Opcode(bytes([0x06 + 8 * row]), "byte")


def _moves() -> Iterator[tuple[str, Opcode]]:
    for (row, to), (column, source) in product(enumerate(_REGISTERS), enumerate(_REGISTERS)):
        if to != source or to != "[hl]":  # That place in the table is `halt`.
            yield f"ld {to},{source}", Opcode(bytes([0x40 + 8 * row + column]))
    for row, pair in enumerate(_PAIRS):
        yield f"ld {pair},n", Opcode(bytes([0x01 + 16 * row]), "word")
        yield f"inc {pair}", Opcode(bytes([0x03 + 16 * row]))
        yield f"add hl,{pair}", Opcode(bytes([0x09 + 16 * row]))
        yield f"dec {pair}", Opcode(bytes([0x0B + 16 * row]))
    for row, pair in enumerate(_STACKED):
        yield f"pop {pair}", Opcode(bytes([0xC1 + 16 * row]))
        yield f"push {pair}", Opcode(bytes([0xC5 + 16 * row]))


def _jumps() -> Iterator[tuple[str, Opcode]]:
    for row, condition in enumerate(_CONDITIONS):
        yield f"jr {condition},n", Opcode(bytes([0x20 + 8 * row]), "jump")
        yield f"ret {condition}", Opcode(bytes([0xC0 + 8 * row]))
        yield f"jp {condition},n", Opcode(bytes([0xC2 + 8 * row]), "word")
        yield f"call {condition},n", Opcode(bytes([0xC4 + 8 * row]), "word")


def _bits() -> Iterator[tuple[str, Opcode]]:
    for column, register in enumerate(_REGISTERS):
        for row, name in enumerate(_TURNS):
            yield f"{name} {register}", Opcode(bytes([0xCB, 8 * row + column]))
        for first, name in ((0x40, "bit"), (0x80, "res"), (0xC0, "set")):
            yield f"{name} n,{register}", Opcode(bytes([0xCB, first + column]), "bit")


OPCODES: dict[str, Opcode] = {
    **{template: Opcode(bytes([code])) for template, code in _PLAIN.items()},
    **{template: Opcode(bytes([code]), value) for template, (code, value) in _VALUED.items()},
    "stop": Opcode(b"\x10\x00"),
    **dict(_arithmetic()),
    **dict(_moves()),
    **dict(_jumps()),
    **dict(_bits()),
}

NAMES = frozenset(template.partition(" ")[0] for template in OPCODES)
WORDS = frozenset({*_REGISTERS, *_PAIRS, *_STACKED, *_CONDITIONS, "[bc]", "[de]", "[hl+]", "[hl-]", "[c]"})
"""Operands that are written as they are; every other operand is a value."""
