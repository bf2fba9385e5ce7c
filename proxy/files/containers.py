"""Files that hold tables of their own: DuckDB and SQLite databases, and spreadsheets.

DuckDB reads its own files; the others are read by Python, checked value by value, and handed to it
as Arrow. A database beside which a write-ahead log lies is being written: it is not read. It must
not know requests.
"""

from __future__ import annotations

import datetime
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import openpyxl
import pyarrow as pa

from proxy.files.columns import literal, quoted
from proxy.files.folder import Found, table_name
from proxy.files.formats import FileError, described
from proxy.files.frames import FileTable, Trouble

UNPACKED_BYTES_MAX: Final = 256 << 20
"""Of all parts of a spreadsheet together; more is a bomb, or a case for another format."""

BATCH_ROWS: Final = 10_000
_ARROW: Final = {
    "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"), "BLOB": pa.binary(),
}  # fmt: skip
_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "BIGINT": (int,), "DOUBLE": (float, int), "BOOLEAN": (bool,), "VARCHAR": (str,),
    "TIMESTAMP": (datetime.datetime,), "BLOB": (bytes,),
}  # fmt: skip
_Row = Sequence[Any]


def inner_table(
    found: Found, inner: str, columns: Sequence[tuple[str, str]], *, is_only: bool = False
) -> FileTable:
    """A table within a file; one that is alone there has the file's name."""
    name = found.name if is_only else table_name(f"{found.name}_{inner}")
    return replace(described(name, found.format, columns), within=found.name, inner=inner)


class _Container:
    """What the three have in common: a file's tables are described together."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        raise NotImplementedError

    def check(self, connection: duckdb.DuckDBPyConnection, path: Path, table: FileTable) -> None:
        found = Found(table.within, table.format, [path])
        same = [one for one in self.describe(connection, found) if one.inner == table.inner]
        if [one.columns for one in same] != [table.columns]:
            raise FileError(Trouble.SCHEMA)


class DuckDb(_Container):
    """A database of DuckDB, attached read-only for as long as a query runs."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        name = _attached(connection, found.paths[0])
        rows = connection.execute(
            "SELECT c.schema_name, c.table_name, c.column_name, c.data_type FROM duckdb_columns() c"
            " JOIN duckdb_tables() t USING (database_name, schema_name, table_name)"
            " WHERE c.database_name = $1 ORDER BY 1, 2, c.column_index",
            [name],
        ).fetchall()
        tables: dict[str, list[tuple[str, str]]] = {}
        for schema, table, column, kind in rows:
            if schema == "main":
                tables.setdefault(table, []).append((column, kind))
        return [inner_table(found, inner, columns) for inner, columns in tables.items()]

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        return f"{quoted(_attached(connection, paths[0]))}.main.{quoted(table.inner)}"


def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    _demand_whole(path, ".wal")
    name = f"file_{table_name(path.stem)}"
    connection.execute(f"DETACH DATABASE IF EXISTS {quoted(name)}")
    connection.execute(f"ATTACH {literal(str(path))} AS {quoted(name)} (READ_ONLY)")
    return name


def _demand_whole(path: Path, *endings: str) -> None:
    if any(path.with_name(path.name + ending).exists() for ending in endings):
        raise FileError(Trouble.CHANGED)


class Sqlite(_Container):
    """A database of SQLite. A column's declared type is what every value must have; columns whose
    declaration leaves that open (dates, numerics, none) are not offered."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        with closing(_opened(found.paths[0])) as database:
            names = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            return [
                inner_table(
                    found,
                    name,
                    [
                        (row[1], affinity(row[2]))
                        for row in database.execute(f"PRAGMA table_info({quoted(name)})")
                    ],
                )
                for (name,) in names
            ]

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        columns = [(column.name, column.stored) for column in table.columns]
        listed = ", ".join(quoted(name) for name, _ in columns)

        def rows() -> Iterator[_Row]:
            with closing(_opened(paths[0])) as database:
                for row in database.execute(f"SELECT {listed} FROM {quoted(table.inner)}"):
                    yield [
                        bool(value) if kind == "BOOLEAN" and value in (0, 1) else value
                        for value, (_, kind) in zip(row, columns, strict=True)
                    ]

        return _registered(connection, table, columns, rows())


def _opened(path: Path) -> sqlite3.Connection:
    _demand_whole(path, "-wal", "-journal")
    try:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error as error:
        raise FileError(Trouble.UNREADABLE) from error


def affinity(declared: str) -> str:
    """DuckDB's name for a declared type, or the declaration itself where it leaves types open
    (SQLite documentation, "Datatypes In SQLite", 3.1)."""
    text = declared.upper()
    for word, kind in (
        ("INT", "BIGINT"), ("CHAR", "VARCHAR"), ("CLOB", "VARCHAR"), ("TEXT", "VARCHAR"),
        ("BLOB", "BLOB"), ("REAL", "DOUBLE"), ("FLOA", "DOUBLE"), ("DOUB", "DOUBLE"),
        ("BOOL", "BOOLEAN"),
    ):  # fmt: skip
        if word in text:
            return kind
    return f"SQLITE {text or 'UNTYPED'}"


class Excel(_Container):
    """Sheets as tables: the first row has their columns' names, each column holds one type."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        sheets = {name: _columns(rows) for name, rows in _sheets(found.paths[0])}
        filled = {name: columns for name, columns in sheets.items() if columns}
        return [
            inner_table(found, name, columns, is_only=len(filled) == 1)
            for name, columns in filled.items()
        ]

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        for name, rows in _sheets(paths[0]):
            if name == table.inner:
                header = [str(cell) for cell in next(iter(rows))]
                places = [header.index(column.name) for column in table.columns]
                columns = [(column.name, column.stored) for column in table.columns]
                values = ([row[place] for place in places] for row in rows if any_cell(row))
                return _registered(connection, table, columns, values)
        raise FileError(Trouble.SCHEMA)


def _sheets(path: Path) -> Iterator[tuple[str, Iterator[_Row]]]:
    try:
        with zipfile.ZipFile(path) as parts:
            if sum(one.file_size for one in parts.infolist()) > UNPACKED_BYTES_MAX:
                raise FileError(Trouble.TOO_LARGE)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise FileError(Trouble.UNREADABLE) from error
    with closing(book):
        for sheet in book.worksheets:
            yield sheet.title, iter(sheet.iter_rows(values_only=True))


def any_cell(row: _Row) -> bool:
    """Whether a row of a sheet has a value: empty ones at its end are no rows."""
    return any(value is not None for value in row)


def _columns(rows: Iterator[_Row]) -> list[tuple[str, str]]:
    """Names and types of a sheet's columns; [] for one without a header."""
    header = next(rows, ())
    names = [str(cell) for cell in header if cell is not None]
    if not names or len(set(names)) != len(header):
        return []
    kinds: list[set[type]] = [set() for _ in names]
    for row in rows:
        for place, value in enumerate(row[: len(names)]):
            if value is not None:
                kinds[place].add(type(value))
    return [(name, _kind(found)) for name, found in zip(names, kinds, strict=True)]


def _kind(types: set[type]) -> str:
    for kind, fitting in (
        ("VARCHAR", set[type]()), ("BOOLEAN", {bool}), ("BIGINT", {int}), ("DOUBLE", {int, float}),
        ("TIMESTAMP", {datetime.datetime}), ("VARCHAR", {str}),
    ):  # fmt: skip
        if types <= fitting:
            return kind
    return "EXCEL " + " ".join(sorted(one.__name__ for one in types))


def _registered(
    connection: duckdb.DuckDBPyConnection,
    table: FileTable,
    columns: Sequence[tuple[str, str]],
    rows: Iterable[_Row],
) -> str:
    """The rows as a relation of DuckDB, read once, as it asks for them."""
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns])

    def batches() -> Iterator[pa.RecordBatch]:
        pending = iter(rows)
        while chunk := list(islice(pending, BATCH_ROWS)):
            values = [
                _checked([row[n] for row in chunk], kind) for n, (_, kind) in enumerate(columns)
            ]
            yield pa.record_batch(values, schema=schema)

    name = f"rows of {table.name}"
    connection.register(name, pa.RecordBatchReader.from_batches(schema, batches()))
    return quoted(name)


def _checked(values: list[Any], kind: str) -> pa.Array:
    wanted = _PYTHON[kind]
    for value in values:
        if value is not None and (
            not isinstance(value, wanted) or (isinstance(value, bool) and kind != "BOOLEAN")
        ):
            raise FileError(Trouble.VALUE)
    return pa.array(values, _ARROW[kind])
