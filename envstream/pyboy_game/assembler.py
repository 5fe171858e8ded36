"""A small assembler for the Game Boy: source text in, the bytes of a cartridge out.

The source has one statement a line; a comment begins with `;`.

    score = $c000           a name for a value
    start:                  a label; `.loop:` is a label within the one before it
        ld a, [score]       an instruction of the SM83
        org $0150           what follows lies at this address
        db 1, "TEXT", -2    bytes; a text gives one for each character
        dw start, $1234     words, low byte first
        ds 16, $ff          so many bytes, all of this value (0 where none is given)
        blob tiles          the bytes that the caller hands in under this name

Values are numbers (12, $0c, %1100, 'A'), names, `low(x)`, `high(x)`, and + - * / << >> & | ^ ~ of them.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from envstream.errors import AssemblyError
from envstream.pyboy_game.opcodes import NAMES, OPCODES, WORDS, Opcode

SIZE = 0x8000
"""Bytes of a cartridge without banks."""

_LABEL = re.compile(r"(\.?[A-Za-z_]\w*):")
_NAMED = re.compile(r"([A-Za-z_]\w*)\s*=(.*)")
_NUMBER = re.compile(r"'[^']'|\$([0-9A-Fa-f]+)|%([01]+)|(?<![\w.])\.([A-Za-z_]\w*)")
_COMMA = re.compile(r"""("[^"]*"|'[^']')|,""")
_OPERATORS: dict[type[ast.AST], Callable[..., int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_PARTS: dict[str, Callable[[int], int]] = {"low": lambda value: value & 255, "high": lambda value: value >> 8}
_RANGES = {
    "byte": (-128, 255),
    "word": (-32768, 65535),
    "signed": (-128, 127),
    "jump": (-128, 127),
    "high": (0xFF00, 0xFFFF),
    "bit": (0, 7),
    "vector": (0, 0x38),
}


@dataclass(frozen=True)
class Program:
    """What a source became: the cartridge's bytes, and what its names stand for."""

    code: bytes
    symbols: Mapping[str, int]


@dataclass(frozen=True)
class _Piece:
    """Bytes that are still to be written: where, from which line, and what its values are."""

    address: int
    size: int
    line: int
    scope: str
    opcode: Opcode
    values: tuple[str, ...] = ()


def assemble(
    source: str, blobs: Mapping[str, bytes] | None = None, names: Mapping[str, int] | None = None
) -> Program:
    """Assemble a source of at most 32 KiB; what it leaves open is $00.

    Args:
        source: the text, as this module describes it.
        blobs: bytes that `blob NAME` puts in.
        names: values that the source may use.

    Raises:
        AssemblyError: a line cannot be understood; it names the line.
    """
    assembler = _Assembler(blobs or {}, dict(names or {}))
    for number, line in enumerate(source.splitlines(), 1):
        assembler.read(number, line)
    return assembler.write()


class _Assembler:
    """First every line is read and given its address; then, with every label known, the bytes are written."""

    def __init__(self, blobs: Mapping[str, bytes], symbols: dict[str, int]) -> None:
        self._blobs = blobs
        self._symbols = symbols
        self._pieces: list[_Piece] = []
        self._address = 0
        self._scope = ""
        self._line = 0

    def read(self, number: int, line: str) -> None:
        self._line = number
        text = _without_comment(line).strip()
        if named := _NAMED.fullmatch(text):
            self._name(named[1], self._value(named[2], self._scope))
            return
        if label := _LABEL.match(text):
            self._label(label[1])
            text = text[label.end() :].strip()
        if text:
            name, _, rest = text.partition(" ")
            self._statement(name.lower(), _split(rest))

    def write(self) -> Program:
        code = bytearray(SIZE)
        written = bytearray(SIZE)
        for piece in self._pieces:
            self._line = piece.line
            end = piece.address + piece.size
            if end > SIZE:
                raise self._error(f"the cartridge is full: it ends at ${SIZE:04x}")
            if any(written[piece.address : end]):
                raise self._error(f"something else lies at ${piece.address:04x} already")
            written[piece.address : end] = b"\1" * piece.size
            code[piece.address : end] = self._bytes(piece)
        return Program(bytes(code), dict(self._symbols))

    # Reading.

    def _label(self, name: str) -> None:
        if name.startswith("."):
            name = self._scope + name
        else:
            self._scope = name
        self._name(name, self._address)

    def _name(self, name: str, value: int) -> None:
        if name in self._symbols:
            raise self._error(f"the name {name!r} is taken")
        self._symbols[name] = value

    def _statement(self, name: str, operands: list[str]) -> None:
        if name == "org":
            self._address = self._only(name, operands, range(SIZE))
        elif name in ("db", "dw"):
            kind = "byte" if name == "db" else "word"
            for operand in operands:
                for value in _characters(operand) if kind == "byte" else [operand]:
                    self._add(Opcode(b"", kind), (value,))
        elif name == "ds":
            count = self._only(name, operands[:1], range(SIZE + 1))
            fill = self._value(operands[1], self._scope) if len(operands) > 1 else 0
            self._add(Opcode(bytes([fill & 255]) * count))
        elif name == "blob":
            if len(operands) != 1 or operands[0] not in self._blobs:
                known = ", ".join(self._blobs) or "none"
                raise self._error(f"expected the name of a blob ({known}), got {', '.join(operands)!r}")
            self._add(Opcode(self._blobs[operands[0]]))
        elif name in NAMES:
            self._instruction(name, operands)
        else:
            raise self._error(f"{name!r} is no instruction and no directive")

    def _only(self, name: str, operands: list[str], allowed: range) -> int:
        value = self._value(operands[0], self._scope) if len(operands) == 1 else None
        if value is None or value not in allowed:
            raise self._error(
                f"{name} expects one value from 0 to {allowed[-1]}, got {', '.join(operands)!r}"
            )
        return value

    def _instruction(self, name: str, operands: list[str]) -> None:
        shapes, values = [], []
        for operand in operands:
            shape, value = _shape(operand)
            shapes.append(shape)
            values += value
        template = f"{name} {','.join(shapes)}".strip()
        if template not in OPCODES:
            raise self._error(f"the processor has no {name} {', '.join(operands)}".rstrip())
        self._add(OPCODES[template], tuple(values))

    def _add(self, opcode: Opcode, values: tuple[str, ...] = ()) -> None:
        piece = _Piece(self._address, opcode.size, self._line, self._scope, opcode, values)
        self._pieces.append(piece)
        self._address += piece.size

    # Writing.

    def _bytes(self, piece: _Piece) -> bytes:
        code, kind = piece.opcode
        if not kind:
            return code
        value = self._value(piece.values[0], piece.scope)
        if kind == "jump":
            value -= piece.address + piece.size
        lowest, highest = _RANGES[kind]
        if not lowest <= value <= highest or (kind == "vector" and value % 8):
            raise self._error(f"expected a {kind} value from {lowest} to {highest}, got {value}")
        if kind == "bit":
            return bytes([code[0], code[1] + 8 * value])
        if kind == "vector":
            return bytes([code[0] + value])
        if kind == "word":
            return code + (value & 0xFFFF).to_bytes(2, "little")
        return code + bytes([value & 255])

    def _value(self, text: str, scope: str) -> int:
        try:
            tree = ast.parse(_NUMBER.sub(lambda found: _python(found, scope), text.strip()), mode="eval")
        except (SyntaxError, ValueError):
            raise self._error(f"{text.strip()!r} is no value") from None
        return self._calculate(tree.body, text.strip())

    def _calculate(self, node: ast.expr, text: str) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) == 1:
            return ord(node.value)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._symbol(ast.unparse(node))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](self._calculate(node.operand, text))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self._calculate(node.left, text), self._calculate(node.right, text)
            try:
                return _OPERATORS[type(node.op)](left, right)
            except (ZeroDivisionError, ValueError, OverflowError) as error:
                raise self._error(f"{text!r}: {error}") from None
        if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.func) in _PARTS:
            return _PARTS[ast.unparse(node.func)](self._calculate(node.args[0], text))
        raise self._error(f"{text!r} is no value")

    def _symbol(self, name: str) -> int:
        if name not in self._symbols:
            raise self._error(f"nothing is named {name!r}")
        return self._symbols[name]

    def _error(self, what: str) -> AssemblyError:
        return AssemblyError(f"line {self._line}: {what}")


def _without_comment(line: str) -> str:
    """The line up to its `;`, unless that stands in quotes."""
    return re.sub(r"""("[^"]*"|'[^']')|;.*""", lambda found: found[1] or "", line)


def _split(text: str) -> list[str]:
    """Operands: what stands between commas, except those in quotes."""
    if not text.strip():
        return []
    return [part.strip() for part in _COMMA.sub(lambda found: found[1] or "\n", text).split("\n")]


def _characters(operand: str) -> list[str]:
    """The values of one operand of `db`: those of a text's characters, or itself."""
    if len(operand) > 1 and operand[0] == operand[-1] == '"':
        return [str(ord(character)) for character in operand[1:-1]]
    return [operand]


def _shape(operand: str) -> tuple[str, list[str]]:
    """An operand as templates write it, and the value it stands for, if it is one."""
    bare = operand.lower().replace(" ", "")
    if bare in WORDS:
        return bare, []
    if operand.startswith("[") and operand.endswith("]"):
        return "[n]", [operand[1:-1]]
    return "n", [operand]


def _python(found: re.Match[str], scope: str) -> str:
    """A number or a local label of ours as Python writes it."""
    hexadecimal, binary, local = found.groups()
    if hexadecimal:
        return f"0x{hexadecimal}"
    if binary:
        return f"0b{binary}"
    return f"{scope}.{local}" if local else found[0]
