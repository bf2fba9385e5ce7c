"""Which tables a statement speaks of, also those that its author may not see: for explanations.

A guess by name, for the operator who asks why something was refused. What the gate decides on is
what `proxy/sql/bind.py` resolves, never this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.model import RelationKey
from proxy.catalog.virtual import SourceCatalog
from proxy.sql import tree
from proxy.sql.parse import Statement

DEFAULT_SCHEMA = "public"
"""The one schema on every new session's search path."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """`keys` are relations that are named; `bare` those of them that are named without a schema
    while they lie in one that nobody leaves out; `unknown` names that fit no relation at all."""

    keys: tuple[RelationKey, ...]
    bare: tuple[RelationKey, ...]
    unknown: tuple[str, ...]


def mentioned(statement: Statement, catalogs: Sequence[SourceCatalog]) -> Mentions:
    """What the statement names. A name without schema fits relations of that name in any."""
    own = {node.ctename for node in _nodes(statement, "CommonTableExpr")}
    found: dict[RelationKey, None] = {}
    bare: dict[RelationKey, None] = {}
    unknown: dict[str, None] = {}
    for node in _nodes(statement, "RangeVar"):
        keys = [
            key
            for catalog in catalogs
            for key in catalog.relations
            if key.name == node.relname and node.schemaname in ("", key.schema)
        ]
        found.update(dict.fromkeys(keys))
        if not node.schemaname:
            bare.update((key, None) for key in keys if key.schema != DEFAULT_SCHEMA)
        if not keys and not (node.relname in own and not node.schemaname):
            unknown[".".join(filter(None, (node.schemaname, node.relname)))] = None
    return Mentions(tuple(found), tuple(bare), tuple(unknown))


def column_names(statement: Statement) -> frozenset[str]:
    """The last part of every name that may be a column's."""
    return frozenset(
        node.fields[-1].string.sval
        for node in _nodes(statement, "ColumnRef")
        if node.fields and node.fields[-1].HasField("string")
    )


def _nodes(statement: Statement, name: str) -> list[tree.Node]:
    return [node for node in tree.walk(statement.node) if node.DESCRIPTOR.name == name]
