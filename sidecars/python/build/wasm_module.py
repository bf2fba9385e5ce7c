"""Reads as much of a dynamic WebAssembly library as its tables of C functions need.

This file must not know CPython. Source: WebAssembly Core Specification 2.0, chapter 5 (binary
format); tool conventions, DynamicLinking.md (`__memory_base`, `__table_base`, `GOT.func`).

Theory of operation. In position-independent code the words that hold pointers are filled by the
exported function `__wasm_apply_data_relocs`, a straight run of stores. It is executed here
symbolically: what each word points to is known without loading anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

Signature = tuple[str, str]
"""Parameters and results, a letter each: i for i32, l for i64, f, d, v, p, e."""

_LETTERS = {0x7F: "i", 0x7E: "l", 0x7D: "f", 0x7C: "d", 0x7B: "v", 0x70: "p", 0x6F: "e"}
_TYPE, _IMPORT, _FUNCTION, _EXPORT, _ELEMENT, _CODE, _DATA = 1, 2, 3, 7, 9, 10, 11
RELOCATIONS = "__wasm_apply_data_relocs"


class ModuleError(Exception):
    """The file has a form that is not known here: nothing can be said of it."""


class To(Enum):
    """What a word points to."""

    MEMORY = 1
    FUNCTION = 2
    IMPORTED_FUNCTION = 3
    IMPORTED_DATA = 4


@dataclass(frozen=True, slots=True)
class Pointer:
    """A filled word: an offset in memory or table, or nothing known of what is imported."""

    to: To
    offset: int = 0


class Reader:
    """Numbers and names one after the other."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content, self.at = content, at

    def byte(self) -> int:
        """The next byte."""
        self.at += 1
        return self.content[self.at - 1]

    def number(self, *, is_signed: bool = False) -> int:
        """A number in LEB128 (§5.2.2)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if is_signed and byte & 0x40 else value

    def name(self) -> str:
        """A name (§5.2.4)."""
        length = self.number()
        self.at += length
        return self.content[self.at - length : self.at].decode()

    def limits(self) -> None:
        """Skip limits (§5.3.8)."""
        has_maximum = self.byte() & 1
        self.number()
        if has_maximum:
            self.number()


@dataclass
class Module:
    """The parts of one library. `elements`: function by table slot; `memory`: its initial data."""

    content: bytes
    types: list[Signature] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    imported_functions: int = 0
    globals: list[tuple[str, str]] = field(default_factory=list)
    exports: dict[str, int] = field(default_factory=dict)
    elements: dict[int, int] = field(default_factory=dict)
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    bodies: list[tuple[int, int]] = field(default_factory=list)

    def signature(self, slot: int) -> Signature | None:
        """Of the function in a table slot."""
        function = self.elements.get(slot)
        return None if function is None else self.types[self.functions[function]]

    def memory(self) -> bytes:
        """All data at its place."""
        size = max((at + len(data) for at, data in self.segments), default=0)
        whole = bytearray(size)
        for at, data in self.segments:
            whole[at : at + len(data)] = data
        return bytes(whole)


def parse(content: bytes) -> Module:
    """Raises ModuleError, IndexError for a file that is no library."""
    if content[:4] != b"\0asm":
        raise ModuleError("no WebAssembly module")
    module, reader = Module(content), Reader(content, 8)
    readers = {
        _TYPE: _types,
        _IMPORT: _imports,
        _FUNCTION: _functions,
        _EXPORT: _exports,
        _ELEMENT: _elements,
        _CODE: _code,
        _DATA: _data,
    }
    while reader.at < len(content):
        section, size = reader.byte(), reader.number()
        end = reader.at + size
        if section in readers:
            readers[section](reader, module)
        reader.at = end
    return module


def _types(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        if reader.byte() != 0x60:
            raise ModuleError("a type that is no function's")
        sides = ["".join(_LETTERS[reader.byte()] for _ in range(reader.number())) for _ in "ab"]
        module.types.append((sides[0], sides[1]))


def _imports(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        origin, name, kind = reader.name(), reader.name(), reader.byte()
        if kind == 0:
            module.functions.append(reader.number())
        elif kind == 1:
            reader.byte()
            reader.limits()
        elif kind == 2:
            reader.limits()
        elif kind == 3:
            reader.at += 2
            module.globals.append((origin, name))
        else:
            reader.byte()
            reader.number()
    module.imported_functions = len(module.functions)


def _functions(reader: Reader, module: Module) -> None:
    module.functions += [reader.number() for _ in range(reader.number())]


def _exports(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        name, kind, index = reader.name(), reader.byte(), reader.number()
        if kind == 0:
            module.exports[name] = index


def _offset(reader: Reader) -> int:
    """A constant expression: a number, perhaps added to a base that counts as 0 here."""
    offset = 0
    while (code := reader.byte()) != 0x0B:
        if code == 0x41:
            offset = reader.number(is_signed=True)
        elif code == 0x23:
            reader.number()
    return offset


def _elements(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        if reader.number() != 0:
            raise ModuleError("an element segment of another kind")
        first = _offset(reader)
        for slot in range(reader.number()):
            module.elements[first + slot] = reader.number()


def _code(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        size = reader.number()
        module.bodies.append((reader.at, reader.at + size))
        reader.at += size


def _data(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        kind, at = reader.number(), 0
        if kind == 2:
            reader.number()
        if kind != 1:
            at = _offset(reader)
        size = reader.number()
        module.segments.append((at, module.content[reader.at : reader.at + size]))
        reader.at += size


def pointers(module: Module) -> dict[int, Pointer]:
    """What each filled word of memory points to. Raises ModuleError for an unknown instruction."""
    found: dict[int, Pointer] = {}
    pending, seen = [module.exports.get(RELOCATIONS, -1)], set()
    while pending:
        function = pending.pop()
        if function in seen or function < module.imported_functions:
            continue
        seen.add(function)
        for at, value in _stores(module, function, pending):
            if isinstance(value, Pointer):
                found[at] = value
    return found


_Value = Pointer | int


def _stores(module: Module, function: int, called: list[int]) -> Iterator[tuple[int, _Value]]:
    """Address and value of each store of a function; `called` gets the functions that it calls."""
    begin, end = module.bodies[function - module.imported_functions]
    reader = Reader(module.content, begin)
    for _ in range(reader.number()):
        reader.number()
        reader.byte()
    stack: list[_Value] = []
    while reader.at < end:
        code = reader.byte()
        if code == 0x23:  # global.get
            stack.append(_base(module, reader.number()))
        elif code == 0x41:  # i32.const
            stack.append(reader.number(is_signed=True))
        elif code == 0x6A:  # i32.add
            stack.append(_sum(stack.pop(), stack.pop()))
        elif code == 0x36:  # i32.store
            reader.number()
            offset, value, place = reader.number(), stack.pop(), stack.pop()
            yield (place.offset if isinstance(place, Pointer) else place) + offset, value
        elif code == 0x28:  # i32.load
            reader.number()
            reader.number()
            stack[-1] = 0
        elif code == 0x10:  # call
            called.append(reader.number())
        elif code in (0x20, 0x21, 0x22):  # local.get, local.set, local.tee
            reader.number()
            if code == 0x20:
                stack.append(0)
        elif code == 0x0B:  # end
            return
        else:
            raise ModuleError(f"instruction {code:#x} among the relocations")


def _base(module: Module, index: int) -> Pointer:
    origin, name = module.globals[index] if index < len(module.globals) else ("", "")
    if name == "__memory_base":
        return Pointer(To.MEMORY)
    if name == "__table_base":
        return Pointer(To.FUNCTION)
    return Pointer(To.IMPORTED_FUNCTION if origin == "GOT.func" else To.IMPORTED_DATA)


def _sum(one: _Value, other: _Value) -> _Value:
    if isinstance(one, Pointer):
        return Pointer(one.to, one.offset + (other if isinstance(other, int) else 0))
    return Pointer(other.to, other.offset + one) if isinstance(other, Pointer) else one + other
