"""An error as something that a model can act on: code, place, hint, and the names that do exist.

This file must not connect. The words are the gate's, which tells a principal nothing that it may
not know; the names that are added come from the catalog of the same principal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import asyncpg

from sidecars.mcp.tables import Table, mentioned, near
from sidecars.mcp.values import Json

UNDEFINED_TABLE = "42P01"
UNDEFINED_COLUMN = "42703"
NEEDS_NAMES = frozenset({UNDEFINED_TABLE, UNDEFINED_COLUMN})

NEAR_CHARACTERS = 30
"""Of the statement's text on both sides of an error."""

COLUMNS_LISTED_MAX = 60
TABLES_LISTED_MAX = 40

_NAMED = re.compile(r'(?:relation|column) "?(?P<name>[^"]+?)"? does not exist')

ADVICE = {
    "0A000": "The gate does not support this; write it in another way.",
    "22P02": "A literal does not fit the type it is compared with or cast to.",
    "25006": "The gate only reads: use SELECT.",
    "28P01": "The token was refused: it may have expired. Ask the user to sign in again.",
    "42501": "This is not allowed, and asking again will not help. Use other tables or columns.",
    UNDEFINED_TABLE: "No such table for this user. Use a name from `tables_that_exist`.",
    UNDEFINED_COLUMN: "No such column for this user. Use a name from `columns_that_exist`.",
    "42803": "Add the column to GROUP BY, or aggregate it.",
    "53300": "The gate is full; wait a little and try again.",
    "57014": "It took too long and was stopped. Narrow it: WHERE, fewer tables, an aggregate.",
}


def correction(
    error: asyncpg.PostgresError, statement: str = "", tables: Sequence[Table] = ()
) -> dict[str, Json]:
    """What a model is told of an error. `tables`: those that exist, for errors about names."""
    told: dict[str, Json] = {"sqlstate": error.sqlstate, "message": _message(error)}
    for name in ("hint", "detail"):
        value = getattr(error, name, None)
        if value:
            told[name] = value
    position = getattr(error, "position", None)
    if position and str(position).isdigit():
        told["position"] = int(position)
        told["near"] = place(statement, int(position))
    if error.sqlstate in ADVICE:
        told["advice"] = ADVICE[error.sqlstate]
    told.update(_names(error, statement, tables))
    return told


def place(statement: str, position: int) -> str:
    """The text around a position, which counts characters from 1, with a mark before it."""
    at = max(0, min(position - 1, len(statement)))
    start, end = max(0, at - NEAR_CHARACTERS), at + NEAR_CHARACTERS
    return f"{statement[start:at]}>>>{statement[at:end]}"


def _message(error: asyncpg.PostgresError) -> str:
    # The driver's own text has detail and hint behind it, which are told apart.
    return str(getattr(error, "message", None) or error)


def _names(
    error: asyncpg.PostgresError, statement: str, tables: Sequence[Table]
) -> dict[str, Json]:
    """The names that exist, the likeliest first."""
    found = _NAMED.search(_message(error))
    wanted = found["name"] if found else ""
    if error.sqlstate == UNDEFINED_TABLE:
        titles = {one.title: one.quoted for one in tables}
        likely = [titles[one] for one in near(wanted, titles)]
        rest = [one for one in titles.values() if one not in likely]
        listed: list[Json] = [*likely, *rest]
        return {"tables_that_exist": listed[:TABLES_LISTED_MAX]}
    if error.sqlstate == UNDEFINED_COLUMN:
        columns: dict[str, Json] = {}
        for table in mentioned(tables, statement):
            names = [column.name for column in table.columns]
            likely = near(wanted, names)
            ordered: list[Json] = [*likely, *(name for name in names if name not in likely)]
            columns[table.quoted] = ordered[:COLUMNS_LISTED_MAX]
        return {"columns_that_exist": columns}
    return {}
