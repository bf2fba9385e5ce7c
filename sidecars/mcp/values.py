"""Values as a model reads them: JSON scalars, short, exact.

This file must not know statements or tables. What JSON cannot hold exactly (numeric, timestamps,
bytes) becomes the text that PostgreSQL would print or close to it; NULL stays null.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

import asyncpg

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

EXACT_INTEGER_MAX = 2**53
"""Beyond it, readers of JSON that use doubles lose digits (RFC 8259 §6)."""

BYTES_SHOWN_MAX = 32
NESTING_DEPTH_MAX = 16


@dataclass(slots=True)
class Renderer:
    """Turns values into JSON; `shortened` counts those that were cut at `characters_max`."""

    characters_max: int
    shortened: int = field(default=0)

    def row(self, record: Iterable[object]) -> list[Json]:
        """One row, in the order of its columns."""
        return [self.value(one) for one in record]

    def value(self, value: object, depth: int = 0) -> Json:
        """One value, of any type that the driver gives."""
        if depth > NESTING_DEPTH_MAX:
            return self._text(str(value))
        match value:
            case None | bool():
                return value
            case str():
                return self._text(value)
            case int():
                return value if abs(value) <= EXACT_INTEGER_MAX else str(value)
            case float():
                return value if math.isfinite(value) else str(value)
            case Decimal():
                return str(value)
            case datetime.datetime():
                return value.isoformat(sep=" ")
            case datetime.date() | datetime.time():
                return value.isoformat()
            case bytes():
                return self._bytes(value)
            case asyncpg.Record() | Mapping():
                return {str(name): self.value(one, depth + 1) for name, one in value.items()}
            case asyncpg.Range():
                return self._text(_range(value))
            case list() | tuple():
                return [self.value(one, depth + 1) for one in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        excess = len(text) - self.characters_max
        if excess <= 0:
            return text
        self.shortened += 1
        return f"{text[: self.characters_max]}… (+{excess} characters)"

    def _bytes(self, value: bytes) -> str:
        shown = "\\x" + value[:BYTES_SHOWN_MAX].hex()
        if len(value) <= BYTES_SHOWN_MAX:
            return shown
        self.shortened += 1
        return f"{shown}… (+{len(value) - BYTES_SHOWN_MAX} bytes)"


def compact(content: object) -> str:
    """JSON without spaces: a model pays for each of them."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _range(value: asyncpg.Range) -> str:
    """As PostgreSQL prints it (documentation, 8.17.5)."""
    if value.isempty:
        return "empty"
    lower = "" if value.lower is None else str(value.lower)
    upper = "" if value.upper is None else str(value.upper)
    opening, closing = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
    return f"{opening}{lower},{upper}{closing}"
