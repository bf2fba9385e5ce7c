"""Reads `queries.sql`, and asks one of its entries as the gate would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import postgast

from proxy.catalog import route
from proxy.catalog.shadow_class import ShadowClass, ShadowRows

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


async def oid_finder(connection: asyncpg.Connection) -> Callable[[str], int]:
    """A function from the names in `@@…@@` to OIDs of that database; NOBODY_OID if absent."""
    rows = await connection.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS name, c.oid::bigint FROM pg_class c
          JOIN pg_namespace n ON n.oid = relnamespace
        UNION ALL SELECT 'type:' || n.nspname || '.' || t.typname, t.oid::bigint FROM pg_type t
          JOIN pg_namespace n ON n.oid = typnamespace
        UNION ALL SELECT 'proc:' || n.nspname || '.' || p.proname, p.oid::bigint FROM pg_proc p
          JOIN pg_namespace n ON n.oid = pronamespace
        """
    )
    oids = {row["name"]: row["oid"] for row in rows}
    return lambda name: oids.get(name, NOBODY_OID)


async def ask(asked: ShadowClass, entry: Entry) -> list[ShadowRows]:
    """Run the entry's queries on the shadow; session statements are the gate's own and skipped."""
    answers = []
    for statement in postgast.parse(entry.sql).stmts:
        if statement.stmt.WhichOneof("node") != "select_stmt":
            continue
        route.redirect(statement.stmt.select_stmt)
        alone = postgast.pg_query_pb2.ParseResult(stmts=[statement])
        parameters = [None if value is None else value.encode() for value in entry.parameters]
        answers.append(await asked.run(postgast.deparse(alone), parameters))
    return answers
