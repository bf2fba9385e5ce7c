"""JSON: an array of objects, or one object a line. What a key holds is taken from the first rows.

A number with a fraction, or beyond 64 bits, is a double, as RFC 8259 (6) leaves room for: its text
is not kept by DuckDB. It must not know requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from proxy.files.columns import TEXT, VALUE_ERROR, literal, quoted, sniffed_column
from proxy.files.folder import Found
from proxy.files.formats import COLUMNS_MAX, SAMPLE_ROWS, FileError
from proxy.files.frames import FileColumn, FileTable, Trouble

_SCALARS: Final = {"BIGINT", "BOOLEAN"}
_DOUBLE: Final = "double precision"
_TEXTS: Final = {"VARCHAR", "DATE", "TIMESTAMP", "TIME", "UUID"}
# What json_type() says of a value that a column of the type may have.
_FITTING: Final = {
    "bigint": ("BIGINT", "UBIGINT"),
    _DOUBLE: ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    "boolean": ("BOOLEAN",),
    "text": ("VARCHAR",),
}


class Json:
    """Objects as rows, their keys as columns; what is nested is `jsonb`."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        columns = tuple(_column(*one) for one in self._columns(connection, found.paths[0]))
        if len(columns) > COLUMNS_MAX:
            return [FileTable(found.name, "json", failure=f"has more than {COLUMNS_MAX} columns")]
        return [FileTable(found.name, "json", columns)]

    def _columns(self, connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[str, str]]:
        text = f"read_json({literal(str(path))}, sample_size = {SAMPLE_ROWS}, records = true)"
        rows = connection.execute(f"DESCRIBE SELECT * FROM {text}").fetchall()
        return [(str(row[0]), str(row[1])) for row in rows]

    def check(self, connection: duckdb.DuckDBPyConnection, path: Path, table: FileTable) -> None:
        known = {column.name for column in table.columns}
        if not known.issuperset(name for name, _ in self._columns(connection, path)):
            raise FileError(Trouble.SCHEMA)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        names = ", ".join(f"{literal(column.name)}: 'JSON'" for column in table.columns)
        files = ", ".join(literal(str(path)) for path in paths)
        values = ", ".join(map(_text, table.columns))
        return f"(SELECT {values} FROM read_json([{files}], records = true, columns = {{{names}}}))"


def _column(name: str, sniffed: str) -> FileColumn:
    if sniffed in _SCALARS:
        return sniffed_column(name, sniffed)
    if sniffed == "DOUBLE":
        return FileColumn(name, _DOUBLE, TEXT + _DOUBLE, is_exact=False)
    if sniffed in _TEXTS:
        return sniffed_column(name, "VARCHAR")
    return FileColumn(name, "jsonb", f"{TEXT}jsonb", is_exact=False)


def _text(column: FileColumn) -> str:
    """The value's text, NULL for null; another kind of value is an error."""
    name = quoted(column.name)
    if column.type_name == "jsonb":
        return f"CASE WHEN json_type({name}) <> 'NULL' THEN CAST({name} AS VARCHAR) END AS {name}"
    fitting = ", ".join(map(literal, _FITTING[column.type_name]))
    return (
        f"CASE WHEN json_type({name}) IN ({fitting}) THEN json_extract_string({name}, '$')"
        f" WHEN {name} IS NULL OR json_type({name}) = 'NULL' THEN NULL"
        f" ELSE error({literal(VALUE_ERROR)}) END AS {name}"
    )
