"""The tables of a folder as a catalog, in Postgres' types. Pure.

It must not know how files are read. Columns of types that nobody can carry are not there, and
tables that cannot be read are not either: whoever made the catalog tells the operator.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

from proxy.catalog.virtual import Column, Relation, SourceCatalog, type_oid_of
from proxy.files.frames import FileColumn, FileTable

SERVER_VERSION: Final = 160_000
"""What runs over files is the gate's own Postgres; its grammar is that of 16."""

FIRST_OID: Final = 16_384
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")


def file_catalog(source: str, schema: str, tables: Iterable[FileTable]) -> SourceCatalog:
    """The catalog of a source of files; its tables stand in `schema`."""
    relations = {}
    offered = [one for one in tables if one.failure is None and one.columns]
    for number, table in enumerate(offered):
        relation = _relation(source, schema, table, FIRST_OID + number)
        relations[relation.key] = relation
    return SourceCatalog(
        source, SERVER_VERSION, relations, {}, {schema: None}, text_rules=None, is_files=True
    )


def _relation(source: str, schema: str, table: FileTable, oid: int) -> Relation:
    columns = tuple(_column(one, place) for place, one in enumerate(table.columns, 1))
    told = [schema, table.name, table.format, [[c.name, c.stored] for c in table.columns]]
    return Relation(
        source=source,
        schema=schema,
        name=table.name,
        kind="r",
        columns=columns,
        oid=oid,
        fingerprint=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
    )


def _column(column: FileColumn, position: int) -> Column:
    return Column(
        name=column.name,
        type_oid=type_oid_of(column.type_name),
        type_name=column.type_name,
        position=position,
        typmod=_typmod(column.type_name),
        is_opaque=not column.is_exact and _NUMERIC.fullmatch(column.type_name) is None,
    )


def _typmod(type_name: str) -> int:
    """A numeric's precision and scale as `atttypmod` has them (numeric.c, make_numeric_typmod)."""
    declared = _NUMERIC.fullmatch(type_name)
    if declared is None:
        return -1
    return ((int(declared[1]) << 16) | int(declared[2])) + 4
