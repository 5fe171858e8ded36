"""The assembler: what a source becomes, and what is said of a line that cannot be meant."""

from __future__ import annotations

import pytest

from envstream.errors import AssemblyError
from envstream.pyboy_game.assembler import SIZE, assemble
from envstream.pyboy_game.opcodes import OPCODES

# As the processor's manual has them.
INSTRUCTIONS = [
    ("nop", "00"),
    ("ld bc, $1234", "01 34 12"),
    ("ld [bc], a", "02"),
    ("inc b", "04"),
    ("dec [hl]", "35"),
    ("ld [hl], 7", "36 07"),
    ("ld a, -1", "3e ff"),
    ("ld [$c000], sp", "08 00 c0"),
    ("ld [hl+], a", "22"),
    ("ld a, [hl-]", "3a"),
    ("ld d, e", "53"),
    ("ld [hl], a", "77"),
    ("halt", "76"),
    ("add a, b", "80"),
    ("add b", "80"),
    ("sbc a, [hl]", "9e"),
    ("xor a", "af"),
    ("cp 'A'", "fe 41"),
    ("add hl, de", "19"),
    ("add sp, -2", "e8 fe"),
    ("push af", "f5"),
    ("pop hl", "e1"),
    ("jp nz, $0150", "c2 50 01"),
    ("jp hl", "e9"),
    ("jr c, 0", "38 fe"),
    ("call $4000", "cd 00 40"),
    ("ret nc", "d0"),
    ("reti", "d9"),
    ("rst $38", "ff"),
    ("ldh [$ff40], a", "e0 40"),
    ("ldh a, [c]", "f2"),
    ("ld a, [$c010]", "fa 10 c0"),
    ("swap a", "cb 37"),
    ("bit 7, [hl]", "cb 7e"),
    ("set 1 + 2, b", "cb d8"),
    ("stop", "10 00"),
    ("LD A, [HL]", "7e"),
]


@pytest.mark.parametrize(("line", "bytes_"), INSTRUCTIONS)
def test_an_instruction_becomes_its_bytes(line: str, bytes_: str) -> None:
    expected = bytes.fromhex(bytes_)
    assert assemble(line).code[: len(expected)] == expected


def test_every_code_of_the_processor_can_be_written_once() -> None:
    codes = {opcode.code for opcode in OPCODES.values()}
    singles = {code[0] for code in codes if len(code) == 1}
    unused = {0xCB, 0xD3, 0xDB, 0xDD, 0xE3, 0xE4, 0xEB, 0xEC, 0xED, 0xF4, 0xFC, 0xFD}
    restarts = set(range(0xCF, 0x100, 8))  # written with their address
    assert singles == set(range(256)) - unused - restarts - {0x10, 0xF8}
    assert {code[1] for code in codes if code[0] == 0xCB} >= set(range(0x40))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12", 12),
        ("$fF", 255),
        ("%1010", 10),
        ("';'", 59),
        ("','", 44),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("$100 - 1 & %11110000", 0xF0),
        ("1 << 4 | 1", 17),
        ("7 / 2", 3),
        ("~0", -1),
        ("low($1234)", 0x34),
        ("high(there)", 0x12),
    ],
)
def test_a_value_is_calculated(value: str, number: int) -> None:
    code = assemble(f"there = $1234\n db {value}").code
    assert code[0] == number & 255


def test_labels_are_known_before_and_after_they_are_set() -> None:
    source = """
        org $0150
    start:  jr .skip        ; forward
            db 1, 2
    .skip:  jp start        ; and back
    other:  jr .skip
    .skip:  dw other, other.skip, start.skip
    """
    program = assemble(source)
    assert program.symbols["start.skip"] == 0x154 and program.symbols["other.skip"] == 0x159
    assert program.code[0x150:0x15F] == bytes.fromhex("18 02 01 02 c3 50 01 18 00 57 01 59 01 54 01")
    assert len(program.code) == SIZE


def test_texts_spaces_and_blobs_are_put_in() -> None:
    code = assemble('db "A;,B", 0\n ds 3, $ee\n blob picture\n db 9', {"picture": b"xyz"}).code
    assert code[:12] == b"A;,B\0\xee\xee\xeexyz\x09"


def test_names_can_come_from_outside() -> None:
    assert assemble("db apple + 1", names={"apple": 4}).code[0] == 5


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hop 1", "'hop' is no instruction"),
        ("ld [hl], [hl]", "the processor has no ld"),
        ("ld a", "the processor has no ld a"),
        ("jp nowhere", "nothing is named 'nowhere'"),
        ("ld a, 256", "expected a byte value from -128 to 255, got 256"),
        ("jr $4000", "expected a jump value"),
        ("bit 8, a", "expected a bit value from 0 to 7, got 8"),
        ("rst 3", "expected a vector value"),
        ("ldh a, [$c000]", "expected a high value"),
        ("db 1 +", "is no value"),
        ("db 1,,2", "is no value"),
        ("db f(1)", "is no value"),
        ("db 1.5", "is no value"),
        ("db 'AB'", "is no value"),
        ("db 1 / 0", "zero"),
        ("db __import__('os')", "is no value"),
        ("org $8000", "org expects one value from 0 to 32767"),
        ("ds", "ds expects one value"),
        ("blob tiles", "expected the name of a blob (none)"),
        ("again: db 1", "the name 'again' is taken"),
        ("again = 2", "the name 'again' is taken"),
        ("org 0\n db 1", "something else lies at $0000"),
        ("org $7fff\n dw 1", "the cartridge is full"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(line: str, said: str) -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(f"again: nop\n{line}\n")
    assert said in str(error.value)
    assert str(error.value).startswith(f"line {2 + line.count(chr(10))}: ")
