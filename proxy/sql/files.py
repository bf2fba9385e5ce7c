"""How a guarded query over files runs: in DuckDB, or in a Postgres over what DuckDB read.

Filter before data leaves a source: conditions of the guard, and the client's that were copied into
a part, are tried by DuckDB wherever they mean the same there (`duckdb.py`). If all of the query
does, DuckDB runs it. If not, the rows that the translatable conditions leave are loaded, stored
columns only and those that are read, into a Postgres connection of their own, where the guarded
query itself runs: masks and the other conditions apply there, before anything a client wrote.

This file must not know sources, folders or formats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from proxy.catalog.virtual import ClassCatalog, VisibleRelation
from proxy.faults import UnsupportedFault
from proxy.sql import tree
from proxy.sql.bind import bind
from proxy.sql.duckdb import Expressions, Inexact, quoted
from proxy.sql.duckdb_query import Place, columns_used, direct_query, relation_name
from proxy.sql.guard import Rewritten
from proxy.sql.plan import FilePlan, FileQuery, FileScan
from proxy.sql.safety import Safety
from proxy.sql.scope import Bound, ItemKind, Select, columns_read

STAGED_SCHEMA = "pg_temp"
"""Where scans are loaded: temporary tables belong to one connection and end with it."""


def file_plan(
    rewritten: Rewritten,
    catalog: ClassCatalog,
    columns: Sequence[tuple[str, str]],
    parameter_oids: Sequence[int],
) -> FilePlan:
    """The plan of a part. `columns` are the names and types that it returns, `parameter_oids` those
    of the client's parameters; claims follow them.

    Raises UnsupportedFault for a row filter over a table that the principal does not see.
    """
    node = _without_unread(rewritten.node, catalog)
    oids = (*parameter_oids, *(slot.type_oid for slot in rewritten.claim_slots))
    bound = bind(node, _physical(catalog))
    safety = Safety(bound, oids)
    read = columns_read(bound)
    tables: dict[Place, str] = {}
    wanted: dict[Place, set[str]] = {}
    for item in bound.items:
        if item.kind is ItemKind.RELATION and item.relation is not None:
            place = (item.relation.schema, item.relation.name)
            tables.setdefault(place, f"s{len(tables) + 1}")
            wanted.setdefault(place, set()).update(read.get(id(item), set()))
    scans = tuple(
        FileScan(table, _scan(bound, safety, place, wanted[place]))
        for place, table in tables.items()
    )
    direct = direct_query(bound, safety, columns)
    return FilePlan(direct, scans, _staged(node, tables))


def _physical(catalog: ClassCatalog) -> Callable[[str, str], VisibleRelation | None]:
    """Relations with all stored columns: the guard's own conditions may read hidden ones."""

    def resolve(schema: str, name: str) -> VisibleRelation | None:
        found = catalog.resolve(schema, name, ())
        if found is None:
            raise UnsupportedFault(
                "a row filter over files cannot read a table that is not visible"
            )
        return VisibleRelation(found.relation, found.relation.columns)

    return resolve


def _without_unread(node: tree.Node, catalog: ClassCatalog) -> tree.Node:
    """A copy whose guard puts out only what the part reads of it: the rest is not fetched."""
    copied = tree.copy(node)
    bound = bind(copied, _physical(catalog))
    root = bound.root
    if isinstance(root, Select) and len(root.items) == 1:
        (item,) = root.items
        if item.kind is ItemKind.SUBQUERY and isinstance(item.query, Select):
            used = columns_used(bound, item)
            inner = item.query
            kept = [
                tree.copy(target)
                for target, output in zip(inner.node.target_list, inner.outputs, strict=True)
                if output.name in used
            ]
            del inner.node.target_list[:]
            inner.node.target_list.extend(kept)
    return copied


def _staged(node: tree.Node, tables: Mapping[Place, str]) -> str:
    staged = tree.copy(node)
    for message in tree.walk(staged):
        if message.DESCRIPTOR.name == "RangeVar" and message.schemaname:
            table = tables[message.schemaname, message.relname]
            if not message.HasField("alias"):
                message.alias.CopyFrom(tree.alias(message.relname))
            message.schemaname, message.relname = STAGED_SCHEMA, table
    return tree.print_tree(staged)


# One relation


def _scan(bound: Bound, safety: Safety, place: Place, names: set[str]) -> FileQuery:
    """Stored columns of a relation, and of its rows those that any use of it may need."""
    uses = [
        (item, level)
        for level in bound.levels()
        for item in level.items
        if item.kind is ItemKind.RELATION
        and item.relation is not None
        and (item.relation.schema, item.relation.name) == place
    ]
    item, level = uses[0]
    assert item.relation is not None, "chosen so"
    columns = [column for column in item.relation.columns if column.name in names]
    expressions = Expressions(bound, safety)
    # A relation that is named twice is read whole: what narrows one use may not fit the other.
    conditions = _translatable(expressions, level) if len(uses) == 1 else []
    alias = quoted(item.name)
    listed = ", ".join(f"{alias}.{quoted(column.name)}" for column in columns)
    whole = f"SELECT {listed or '1 AS nothing'} FROM {relation_name(place)} AS {alias}"
    sql = f"{whole} WHERE {' AND '.join(conditions)}" if conditions else whole
    kept = tuple((column.name, column.type_name) for column in columns)
    return FileQuery(sql, tuple(expressions.slots), kept, (place,), whole)


def _translatable(expressions: Expressions, level: Select) -> list[str]:
    """Those conditions of a level over one relation that DuckDB answers as Postgres would."""
    if len(level.items) != 1:
        return []
    found = []
    for part in tree.conjuncts(level.node.where_clause):
        known = len(expressions.slots)
        try:
            found.append(expressions.condition(part))
        except Inexact:
            del expressions.slots[known:]
    return found
