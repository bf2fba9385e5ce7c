"""Finds C functions that stand in CPython's tables with another signature than they are called by.

A native processor ignores a missing or surplus argument; WebAssembly compares the whole signature
of an indirect call and traps. The compiler's warning cannot tell such an entry from a legitimate
cast, so the finished tables are read instead: PyMethodDef, PyGetSetDef, PyType_Spec, PyModuleDef
and static PyTypeObjects. What is stored at run time is not seen: there, the packages' tests decide.
The build stops unless this finds nothing. It must not know how a library was made.

Source: CPython 3.14, Include/methodobject.h, descrobject.h, typeslots.h, cpython/object.h; offsets
for 4-byte pointers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecars.python.build.wasm_module import Module, Pointer, Signature, To, parse, pointers

NAME_BYTES_MAX = 200
METHOD_FLAGS = 0x3FF
_METHOD_STYLE = 0x38F
# METH_VARARGS, with KEYWORDS, NOARGS, O, FASTCALL, with KEYWORDS, with METHOD: parameters.
_METHOD_PARAMETERS = {0x1: 2, 0x3: 3, 0x4: 2, 0x8: 2, 0x80: 3, 0x82: 4, 0x282: 5}

# Slots 1 to 83 of typeslots.h: parameters; `v`: returns nothing; `-`: no function.
_SLOTS = (
    "3 2v 3 1 2 1 2 2 1 2 1 2 1 2 2 2 2 2 2 3 2 2 2 2 2 1 1 2 2 1 2 1 3 2 2 2 2 2 3 2 2 2 2 2 1 2"
    " 2 - - 3 1 1v 1v 3 3 - 2 2 1 3 1 1 1 - 3 1 3 3 3 1 3 - - 1v 2 2 1 1 1 1v 3 4 -"
).split()
# PyTypeObject: offset to parameters, for members that are functions.
_TYPE_MEMBERS = (
    "24:1v 32:2 36:3 44:1 60:1 64:3 68:1 72:2 76:3 92:3 96:1 100:3 108:1 112:1 136:3 140:3 148:3"
    " 152:2 156:3 160:1v 164:1 188:1v 196:1v 200:4"
).split()
_TYPE_FLAGS_AT, _TYPE_BASIC_SIZE_AT, _TYPE_ITEM_SIZE_AT, _TYPE_NAME_AT = 84, 16, 20, 12
_TYPE_BYTES = 208
_BASIC_BYTES_MIN, _BASIC_BYTES_MAX, _ITEM_BYTES_MAX = 8, 8192, 64
# Structures that a type points to: offset in the type to parameters of their members.
_SUITES = {
    40: "1 1 1 3",
    48: "2 2 2 2 2 3 1 1 1 1 1 2 2 2 2 2 1 - 1 2 2 2 2 3 2 2 2 2 2 2 2 2 2 1 2 2",
    52: "1 2 2 2 - 3 - 2 2 2",
    56: "1 2 3",
    80: "3 2v",
}


def wanted(text: str) -> Signature | None:
    """The signature of a table's entry: `2v` takes two words and returns nothing."""
    if text == "-":
        return None
    return "i" * int(text[0]), "" if text.endswith("v") else "i"


@dataclass
class Report:
    """What was compared, and the sentences about what is wrong."""

    checked: int = 0
    wrong: list[str] = field(default_factory=list)


def check(content: bytes) -> Report:
    """All tables of one library. Raises ModuleError."""
    return _Tables(parse(content)).check()


class _Tables:
    def __init__(self, module: Module) -> None:
        self._module = module
        self._pointers = pointers(module)
        self._memory = module.memory()
        self._report = Report()
        self._done: set[int] = set()

    def check(self) -> Report:
        for at in sorted(self._pointers):
            if self._name(at) is None:
                continue
            self._method(at)
            self._property(at)
            self._static_type(at - _TYPE_NAME_AT)
            self._specification(at)
        return self._report

    # Words

    def _word(self, at: int) -> int:
        return int.from_bytes(self._memory[at : at + 4].ljust(4, b"\0"), "little")

    def _to(self, at: int) -> Pointer | None:
        return self._pointers.get(at)

    def _is_memory(self, at: int) -> bool:
        found = self._to(at)
        return found is not None and found.to is To.MEMORY

    def _is_function(self, at: int) -> bool:
        found = self._to(at)
        return found is not None and found.to in (To.FUNCTION, To.IMPORTED_FUNCTION)

    def _is_null(self, at: int) -> bool:
        return at not in self._pointers and self._word(at) == 0

    def _is_text_or_null(self, at: int) -> bool:
        return self._is_memory(at) or self._is_null(at)

    def _is_function_or_null(self, at: int) -> bool:
        return self._is_function(at) or self._is_null(at)

    def _name(self, at: int) -> str | None:
        """The printable text that a word points to."""
        found = self._to(at)
        if found is None or found.to is not To.MEMORY:
            return None
        if not 0 <= found.offset < len(self._memory):
            return None
        end = self._memory.find(b"\0", found.offset)
        text = self._memory[found.offset : end if end >= 0 else None]
        if not 0 < len(text) < NAME_BYTES_MAX or not text.isascii():
            return None
        name = text.decode()
        return name if name.isprintable() else None

    def _expect(self, at: int, need: str, where: str) -> None:
        """Compare the function at a word with the one that CPython calls."""
        found, signature = self._to(at), wanted(need)
        if found is None or found.to is not To.FUNCTION or signature is None:
            return
        actual = self._module.signature(found.offset)
        if actual is None or at in self._done:
            return
        self._done.add(at)
        self._report.checked += 1
        if actual != signature:
            said, called = (f"({one[0]})->({one[1]})" for one in (actual, signature))
            self._report.wrong.append(f"{where}: is {said}, called as {called}")

    # Tables

    def _method(self, at: int) -> None:
        """PyMethodDef: name, function, flags, documentation."""
        flags = self._word(at + 8)
        is_one = self._is_function(at + 4) and at + 8 not in self._pointers
        if not is_one or not flags or flags & ~METHOD_FLAGS or not self._is_text_or_null(at + 12):
            return
        parameters = _METHOD_PARAMETERS.get(flags & _METHOD_STYLE)
        if parameters is not None:
            self._expect(at + 4, str(parameters), f"method {self._name(at)}")

    def _looks_like_property(self, at: int) -> bool:
        """PyGetSetDef: name, getter, setter, documentation, closure; 20 bytes."""
        return (
            self._is_memory(at)
            and self._is_function_or_null(at + 4)
            and self._is_function_or_null(at + 8)
            and (self._is_function(at + 4) or self._is_function(at + 8))
            and self._is_text_or_null(at + 12)
        )

    def _property(self, at: int) -> None:
        """A single entry may look like something else: a neighbour or the end must follow."""
        name = self._name(at) or ""
        is_end = all(self._is_null(at + 20 + offset) for offset in (0, 4, 8, 12))
        has_neighbour = self._looks_like_property(at + 20) or self._looks_like_property(at - 20)
        if self._looks_like_property(at) and (is_end or has_neighbour) and name.isidentifier():
            self._expect(at + 4, "2", f"getter of {name}")
            self._expect(at + 8, "3", f"setter of {name}")

    def _static_type(self, at: int) -> None:
        if at < 0 or not self._looks_like_type(at):
            return
        name = self._name(at + _TYPE_NAME_AT)
        for offset, need in _pairs(_TYPE_MEMBERS):
            self._expect(at + offset, need, f"type {name} +{offset}")
        for offset, needs in _SUITES.items():
            suite = self._to(at + offset)
            if suite is not None and suite.to is To.MEMORY:
                for index, need in enumerate(needs.split()):
                    where = f"type {name} +{offset}[{index}]"
                    self._expect(suite.offset + 4 * index, need, where)

    def _looks_like_type(self, at: int) -> bool:
        """A static PyTypeObject: a reference count, plausible sizes, functions in their places."""
        plain = (0, _TYPE_BASIC_SIZE_AT, _TYPE_ITEM_SIZE_AT, _TYPE_FLAGS_AT, 172)
        if any(at + offset in self._pointers for offset in plain):
            return False
        basic = self._word(at + _TYPE_BASIC_SIZE_AT)
        is_sized = _BASIC_BYTES_MIN <= basic < _BASIC_BYTES_MAX
        is_sized = is_sized and self._word(at + _TYPE_ITEM_SIZE_AT) < _ITEM_BYTES_MAX
        name = (self._name(at + _TYPE_NAME_AT) or "").replace(".", "_").replace("-", "_")
        if not is_sized or not self._word(at) or not name.isidentifier():
            return False
        members = [at + offset for offset, _ in _pairs(_TYPE_MEMBERS)]
        functions = sum(self._is_function(member) for member in members)
        others = any(
            member in self._pointers and not self._is_function(member) for member in members
        )
        return functions >= 2 and not others

    def _specification(self, at: int) -> None:
        """PyType_Spec and the tail of PyModuleDef: a name, sizes, and a list of numbered slots."""
        slots = self._to(at + 16)
        if slots is None or slots.to is not To.MEMORY:
            return
        name = self._name(at)
        numbers = [at + offset for offset in (4, 8, 12)]
        is_specification = not any(number in self._pointers for number in numbers)
        if is_specification and self._word(at + 12) and self._word(at + 8) < 4096:
            for place, slot in self._slots(slots.offset, len(_SLOTS)):
                self._expect(place, _SLOTS[slot - 1], f"type {name} slot {slot}")
        is_module = at + 8 not in self._pointers and self._is_text_or_null(at + 4)
        if is_module and self._is_text_or_null(at + 12):
            for place, slot in self._slots(slots.offset, 8):
                self._expect(place, "2" if slot == 1 else "1", f"module {name} slot {slot}")

    def _slots(self, at: int, highest: int) -> Iterable[tuple[int, int]]:
        """Place and number of each slot in a list that a 0 ends."""
        while at not in self._pointers and 0 < self._word(at) <= highest:
            yield at + 4, self._word(at)
            at += 8


def _pairs(texts: Iterable[str]) -> list[tuple[int, str]]:
    return [(int(offset), need) for offset, _, need in (text.partition(":") for text in texts)]
