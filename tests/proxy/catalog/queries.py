"""Reads `queries.sql`: what clients ask of the catalog, entry by entry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_OID = re.compile(r"@@([^@]+)@@")
NOBODY_OID = 4_000_000_000  # no object of the shadow has it


@dataclass(frozen=True)
class Entry:
    """One entry: who asked, the text, and its text-format parameters."""

    number: int
    client: str
    sql: str
    parameters: tuple[str | None, ...] = ()

    def with_oids(self, oid_of: Callable[[str], int]) -> Entry:
        def fill(text: str) -> str:
            return _OID.sub(lambda found: str(oid_of(found[1])), text)

        parameters = tuple(None if value is None else fill(value) for value in self.parameters)
        return Entry(self.number, self.client, fill(self.sql), parameters)


def entries() -> list[Entry]:
    """All entries, in the file's order."""
    text = Path(__file__).with_name("queries.sql").read_text()
    found: list[Entry] = []
    for chunk in text[text.index("-- client:") :].split("\n--;\n"):
        if not chunk.strip():
            continue
        client, _, sql = chunk.partition("\n")
        parameters: list[str | None] = []
        if sql.startswith("-- parameters: "):
            line, _, sql = sql.partition("\n")
            parameters = json.loads(line.removeprefix("-- parameters: "))
        client = client.removeprefix("-- client: ")
        found.append(Entry(len(found) + 1, client, sql, tuple(parameters)))
    return found
