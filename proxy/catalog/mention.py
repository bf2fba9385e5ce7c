"""Which visible relations a statement may speak of: a superset, so that it can be typed without
the others. Pure.

Postgres' analysis looks relations up where they are named: in FROM, as types of rows, as functions
over rows. Names in literals are looked up by types such as regclass; a statement that has any, or
that calls a function which may take one, needs the whole class. This file must not know databases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import postgast

from proxy.catalog.route import is_catalog_relation

_LOOKS_UP: Final = ("reg", "aclitem")  # types whose input looks names up
_MAY_TAKE_NAMES: Final = (
    *("pg_", "has_", "to_reg", "col_description", "obj_description", "nextval", "currval"),
    *("setval", "row_security_active", "shobj_description", "format_type", "lastval"),
)


def mentioned(
    sql: str, relations: Collection[tuple[str, str]]
) -> frozenset[tuple[str, str]] | None:
    """Those of `relations` (schema, name) that `sql` may name; None if it may name any of them.

    Nothing for a text that Postgres' grammar refuses: the shadow will say why.
    """
    try:
        parsed = postgast.parse(sql)
    except postgast.PgQueryError:
        return frozenset()
    names: set[str] = set()
    for message in _walk(parsed):
        match message.DESCRIPTOR.name:
            case "RangeVar" if is_catalog_relation(message.schemaname, message.relname):
                return None
            case "TypeName" if _last(message.names).startswith(_LOOKS_UP):
                return None
            case "FuncCall" if _last(message.funcname).startswith(_MAY_TAKE_NAMES):
                return None
        names.update(value for _, value in message.ListFields() if isinstance(value, str))
    return frozenset(place for place in relations if place[1] in names)


def _last(names: Any) -> str:
    return str(names[-1].string.sval) if names else ""


def _walk(message: Any) -> Iterator[Any]:
    stack = [message]
    while stack:
        current = stack.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                stack.extend(value if field.is_repeated else (value,))
