"""What tables a principal sees, from the gate's catalog: read, searched, named.

Only the reading statements know a catalog's shape. The gate answers them with what this principal
may know exists and nothing else, so nothing here filters.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg

_COLUMNS = """
SELECT n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class'), a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.col_description(c.oid, a.attnum)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum
"""

_KEYS = """
SELECT n.nspname, c.relname, pg_catalog.pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('p', 'u', 'f')
ORDER BY n.nspname, c.relname, k.contype::text DESC, k.conname
"""

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_NEAR_MAX = 5


@dataclass(frozen=True, slots=True)
class Column:
    """One visible column; `type` as SQL writes it."""

    name: str
    type: str
    comment: str | None


@dataclass(slots=True)
class Table:
    """One visible table. `keys` are constraints as SQL writes them."""

    schema: str
    name: str
    comment: str | None
    columns: list[Column] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """`schema.name`, unquoted, as people say it and EXPLAIN POLICY prints it."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The name as SQL can read it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def quoted(name: str) -> str:
    """An identifier, with quotes where SQL needs them (documentation, 4.1.1)."""
    if _PLAIN.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def always_quoted(table: Table) -> str:
    """The same for statements of ours: no name is taken for a keyword."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))


async def read_tables(connection: asyncpg.Connection, *, with_keys: bool = False) -> list[Table]:
    """All visible tables in order of their names. Raises asyncpg.PostgresError."""
    tables: dict[tuple[str, str], Table] = {}
    for schema, name, comment, column, type_name, about in await connection.fetch(_COLUMNS):
        table = tables.setdefault((schema, name), Table(schema, name, comment))
        table.columns.append(Column(column, type_name, about))
    if with_keys:
        for schema, name, definition in await connection.fetch(_KEYS):
            if (schema, name) in tables:
                tables[schema, name].keys.append(definition)
    return list(tables.values())


def find(tables: Sequence[Table], wanted: str) -> Table | None:
    """The table that a model means: `schema.name`, quoted or not, or a bare name that is alone."""
    plain = wanted.strip().replace('"', "")
    exact = [one for one in tables if plain in (one.title, one.quoted.replace('"', ""))]
    if exact:
        return exact[0]
    folded = plain.casefold()
    bare = [one for one in tables if folded in (one.name.casefold(), one.title.casefold())]
    return bare[0] if len(bare) == 1 else None


def search(tables: Sequence[Table], words: str) -> list[Table]:
    """Tables in whose name, columns or comments every word occurs."""
    wanted = words.casefold().split()
    return [one for one in tables if all(word in _text(one) for word in wanted)]


def _text(table: Table) -> str:
    parts = [table.title, table.comment or ""]
    for column in table.columns:
        parts += [column.name, column.comment or ""]
    return "\n".join(parts).casefold()


def near(wanted: str, names: Iterable[str]) -> list[str]:
    """Names that exist and look like `wanted`, the likeliest first."""
    by_folded = {name.casefold(): name for name in names}
    by_last = {name.casefold().rpartition(".")[2]: name for name in by_folded.values()}
    target = wanted.casefold().replace('"', "")
    close = difflib.get_close_matches(target, by_folded, n=_NEAR_MAX, cutoff=0.5)
    last = target.rpartition(".")[2]
    found = [by_folded[one] for one in close]
    found += [by_last[one] for one in difflib.get_close_matches(last, by_last, n=_NEAR_MAX)]
    return list(dict.fromkeys(found))[:_NEAR_MAX]


def mentioned(tables: Sequence[Table], statement: str) -> list[Table]:
    """Tables whose name occurs in a statement as a word."""
    words = {word.casefold() for word in re.findall(r'[^\s.,;()"\']+', statement)}
    return [one for one in tables if one.name.casefold() in words]
