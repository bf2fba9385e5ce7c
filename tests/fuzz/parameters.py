"""Generated statements in which literals are parameters, with values to bind."""

from __future__ import annotations

import random
from dataclasses import dataclass

from proxy.wire import types
from tests.fuzz.generator import Generated
from tests.fuzz.shapes import Shapes

PARAMETER_SHARE = 0.5
# Type OIDs by the generator's names; an enum has another OID in the shadow than at the source.
OIDS = {
    "int": 23, "num": 1700, "float": 701, "text": 25, "bool": 16, "ts": 1184, "date": 1082,
    "json": 3802, "arr": 1009, "uuid": 2950,
}  # fmt: skip
_TEXTS = ("1", "17", "k", "", "S-%", "é", "1%\\", "'; --", "%", "_1", "zz")


@dataclass(frozen=True)
class Parameter:
    """One `$n`: its type's OID and the values of two executions, as text; None is NULL."""

    oid: int
    values: tuple[str | None, str | None]

    def encoded(self, execution: int, format_code: int) -> bytes | None:
        """The value as it stands in a Bind message."""
        text = self.values[execution % 2]
        if text is None:
            return None
        return types.text_to_binary(self.oid, text) if format_code else text.encode()


class Parametrised(Shapes):
    """Draws statements; `parameters` are those of the last one. None while `is_plain` is set."""

    def __init__(self, source: random.Random) -> None:
        super().__init__(source)
        self.parameters: list[Parameter] = []
        self.is_plain = False

    def statement(self) -> Generated:
        """One SELECT statement, with or without parameters."""
        self.parameters = []
        return super().statement()

    def literal(self, type_: str) -> str:
        """A literal, or a parameter of the type."""
        if self.is_plain or type_ not in OIDS or self.random.random() >= PARAMETER_SHARE:
            return super().literal(type_)
        self.parameters.append(Parameter(OIDS[type_], (self._value(type_), self._value(type_))))
        return f"${len(self.parameters)}"

    def _value(self, type_: str) -> str | None:
        number = self.random.randint(0, 40)
        if self.random.random() < 0.05:
            return None
        if type_ == "text":
            return str(self.pick([*_TEXTS, str(number)]))
        return {
            "int": str(self.pick([number, number, -1, 2147483647])),
            "num": str(self.pick([f"{number}.5", "NaN", "0.00"])),
            "float": str(self.pick([f"{number}.25", "0", "Infinity"])),
            "bool": str(self.pick(["t", "f"])),
            "ts": f"2024-0{1 + number % 9}-15 10:00:00+00",
            "date": f"2024-0{1 + number % 9}-05",
            "json": f'{{"a": {number}}}',
            "arr": str(self.pick([f"{{{number},1}}", "{}", "{1,NULL}"])),
            "uuid": f"00000000-0000-0000-0000-{number:012d}",
        }[type_]
