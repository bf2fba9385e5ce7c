"""What EXPLAIN POLICY prints, read back: which tables, which rows, which masks.

The form is the gate's (one fact a line, facts of a table indented by two spaces). This file must
not connect. A line that is not understood is left out: it only describes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_MASK = re.compile(r"  column (?P<column>.+): masked by (?P<mask>.+)")
_ROWS = re.compile(r"  rows: (?P<rows>.+)")
_NO_TABLE = "no table is read"


@dataclass(slots=True)
class TablePolicy:
    """What holds for one table: `rows` in the gate's words, masks by column."""

    title: str
    rows: str = ""
    masks: dict[str, str] = field(default_factory=dict)


def read_policy(lines: Sequence[str]) -> list[TablePolicy]:
    """The tables that a statement reads, in the order of their names."""
    found: list[TablePolicy] = []
    for line in lines[1:]:
        if not line.startswith(" "):
            if line != _NO_TABLE:
                found.append(TablePolicy(line))
        elif found:
            _read_fact(found[-1], line)
    return found


def titles(policies: Iterable[TablePolicy]) -> list[str]:
    """`schema.name` of each."""
    return [one.title for one in policies]


def _read_fact(table: TablePolicy, line: str) -> None:
    mask = _MASK.fullmatch(line)
    if mask:
        table.masks[mask["column"]] = mask["mask"]
    rows = _ROWS.fullmatch(line)
    if rows:
        table.rows = rows["rows"]
