"""Types of files in Postgres' terms, and how DuckDB must read a column so that nothing changes.

A *stored* type is DuckDB's own name for what a file holds, or `text:<type>` for formats without
types of their own (CSV, JSON, spreadsheets), whose values Postgres itself reads from text. It must
not know files.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.files.frames import FileColumn

TEXT: Final = "text:"

# DuckDB documentation, "Data Types"; PostgreSQL documentation, chapter 8.
_PLAIN: Final = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer",
    "BIGINT": "bigint", "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint",
    "UBIGINT": "numeric(20,0)", "HUGEINT": "numeric(39,0)", "FLOAT": "real",
    "DOUBLE": "double precision", "VARCHAR": "text", "DATE": "date",
    "TIMESTAMP": "timestamp without time zone", "TIMESTAMP_S": "timestamp without time zone",
    "TIMESTAMP_MS": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "TIME": "time without time zone",
    "UUID": "uuid", "BLOB": "bytea", "INTERVAL": "interval", "JSON": "jsonb",
}  # fmt: skip
# Those that a condition may be tried on where they lie: one value, one order in both engines.
_EXACT: Final = frozenset(
    """BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER FLOAT DOUBLE VARCHAR DATE
    TIMESTAMP TIMESTAMP_S TIMESTAMP_MS UUID""".split()
) | {"TIMESTAMP WITH TIME ZONE"}
_DECIMAL: Final = re.compile(r"DECIMAL\((\d+),(\d+)\)")

# What a sniffed type of a text format becomes: the type in Postgres, which reads the text itself.
_SNIFFED: Final = {
    "BOOLEAN": "boolean", "BIGINT": "bigint", "DOUBLE": "numeric", "DATE": "date",
    "TIMESTAMP": "timestamp without time zone", "TIME": "time without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "UUID": "uuid",
}  # fmt: skip
# Texts that both engines read alike. What does not look so is told, not guessed.
_STRICT: Final = {
    "bigint": (r"[-]?[0-9]{1,18}", "BIGINT"),
    "date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "DATE"),
}

VALUE_ERROR: Final = "sallyport: value"
"""What DuckDB's error() says of a text that its column's type cannot be made of."""


def stored_column(name: str, stored: str) -> FileColumn | None:
    """A column of a file that knows its types; None for a type that nobody can carry exactly."""
    decimal = _DECIMAL.fullmatch(stored)
    if decimal:
        return FileColumn(name, f"numeric({decimal[1]},{decimal[2]})", stored)
    if stored.startswith("ENUM("):
        return FileColumn(name, "text", "ENUM", is_exact=False)
    type_name = _PLAIN.get(stored)
    if type_name is None:
        return None
    return FileColumn(name, type_name, stored, is_exact=stored in _EXACT)


def sniffed_column(name: str, sniffed: str) -> FileColumn:
    """A column of texts that look like the sniffed type."""
    type_name = _SNIFFED.get(sniffed, "text")
    is_exact = type_name == "text" or type_name in _STRICT
    return FileColumn(name, type_name, TEXT + type_name, is_exact)


def reading(column: FileColumn) -> str:
    """DuckDB's expression for the column's value in a view over the raw file."""
    name = quoted(column.name)
    if column.stored == "ENUM":
        return f"CAST({name} AS VARCHAR) AS {name}"
    if not column.stored.startswith(TEXT):
        return name
    strict = _STRICT.get(column.type_name)
    if strict is None:
        return name
    pattern, kind = strict
    return (
        f"CASE WHEN {name} IS NULL THEN NULL WHEN regexp_full_match({name}, '{pattern}')"
        f" THEN CAST({name} AS {kind}) ELSE error('{VALUE_ERROR}') END AS {name}"
    )


def writing(name: str, kind: str) -> str:
    """DuckDB's expression for a result column as a text that Postgres reads as the same value."""
    column = quoted(name)
    if kind == "BLOB":
        return f"'\\x' || hex({column}) AS {column}"
    if kind in _AS_THEY_ARE or kind.startswith("DECIMAL("):
        return column
    return f"CAST({column} AS VARCHAR) AS {column}"


_AS_THEY_ARE: Final = frozenset(
    """BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE
    VARCHAR""".split()
)


def quoted(name: str) -> str:
    """An identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text constant of DuckDB."""
    return "'" + text.replace("'", "''") + "'"
