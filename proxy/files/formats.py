"""Each format: what columns a file has, and the relation of DuckDB that reads a table's files.

Here what every format is, and those of rows: Parquet and CSV. `formats_json.py` and
`containers.py` have the others. It must not know requests or limits of the process.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import duckdb

from proxy.files.columns import literal, reading, sniffed_column, stored_column
from proxy.files.folder import Found
from proxy.files.frames import FileTable, Trouble

SAMPLE_ROWS: Final = 20_480
"""Rows of a CSV or JSON file that its columns' types are taken from."""

HEADER_BYTES_MAX: Final = 1 << 20
COLUMNS_MAX: Final = 1_600
"""Of a table, as in PostgreSQL (documentation, appendix K)."""


class FileError(Exception):
    """A file cannot be read as its table wants; `trouble` says how."""

    def __init__(self, trouble: Trouble, text: str = "") -> None:
        super().__init__(text or trouble.value)
        self.trouble = trouble


class Format(Protocol):
    """One format."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        """The tables of these files. Raises duckdb.Error, FileError, OSError."""
        ...

    def check(self, connection: duckdb.DuckDBPyConnection, path: Path, table: FileTable) -> None:
        """Raise FileError unless the file has the table's columns."""
        ...

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        """What stands in DuckDB's FROM for the table. Raises as `describe`."""
        ...


def described(name: str, format_name: str, columns: Sequence[tuple[str, str]]) -> FileTable:
    """A table of columns whose types the file knows."""
    made = [(column, stored, stored_column(column, stored)) for column, stored in columns]
    if len(columns) > COLUMNS_MAX:
        return FileTable(name, format_name, failure=f"has more than {COLUMNS_MAX} columns")
    return FileTable(
        name,
        format_name,
        tuple(column for _, _, column in made if column is not None),
        tuple((column, stored) for column, stored, known in made if known is None),
    )


class Parquet:
    """Types are the file's own."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        return [described(found.name, "parquet", self._columns(connection, found.paths[0]))]

    def _columns(self, connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[str, str]]:
        text = f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})"
        rows = connection.execute(text).fetchall()
        return [(str(row[0]), str(row[1])) for row in rows]

    def check(self, connection: duckdb.DuckDBPyConnection, path: Path, table: FileTable) -> None:
        found = described(table.name, "parquet", self._columns(connection, path))
        if found.columns != table.columns:
            raise FileError(Trouble.SCHEMA)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        return f"read_parquet([{_list(paths)}])"


class Csv:
    """Texts between separators, with a header. What a column holds is taken from the first rows of
    the first file; every later row must agree."""

    def describe(self, connection: duckdb.DuckDBPyConnection, found: Found) -> list[FileTable]:
        (row,) = connection.execute(
            "SELECT Columns, HasHeader FROM sniff_csv("
            f"{literal(str(found.paths[0]))}, sample_size = {SAMPLE_ROWS}, header = true,"
            f" delim = {literal(delimiter(found.paths[0]))}, quote = '\"', escape = '\"',"
            " strict_mode = true)"
        ).fetchall()
        columns = tuple(sniffed_column(one["name"], one["type"]) for one in row[0])
        if len(columns) > COLUMNS_MAX:
            return [FileTable(found.name, "csv", failure=f"has more than {COLUMNS_MAX} columns")]
        return [FileTable(found.name, "csv", columns)]

    def check(self, connection: duckdb.DuckDBPyConnection, path: Path, table: FileTable) -> None:
        if header(path) != [column.name for column in table.columns]:
            raise FileError(Trouble.SCHEMA)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], table: FileTable
    ) -> str:
        names = ", ".join(f"{literal(column.name)}: 'VARCHAR'" for column in table.columns)
        return (
            f"read_csv([{_list(paths)}], auto_detect = false, header = true,"
            f" delim = {literal(delimiter(paths[0]))}, quote = '\"', escape = '\"', nullstr = '',"
            f" allow_quoted_nulls = false, strict_mode = true, columns = {{{names}}})"
        )


def delimiter(path: Path) -> str:
    """What stands between the values: a tab in .tsv; else a comma, unless the header has semicolons
    only."""
    if path.name.lower().endswith(".tsv"):
        return "\t"
    line = _first_line(path)
    return ";" if ";" in line and "," not in line else ","


def header(path: Path) -> list[str]:
    """The names in a CSV file's first line. Raises FileError."""
    found = next(csv.reader(io.StringIO(_first_line(path)), delimiter=delimiter(path)), None)
    if not found:
        raise FileError(Trouble.UNREADABLE)
    return found


def _first_line(path: Path) -> str:
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            line = file.readline(HEADER_BYTES_MAX)
        return line.decode("utf-8-sig").rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise FileError(Trouble.UNREADABLE) from error


def _list(paths: Sequence[Path]) -> str:
    return ", ".join(literal(str(path)) for path in paths)


def view(table: FileTable, relation: str) -> str:
    """A query over the relation whose columns have the values that the table promises."""
    columns = ", ".join(map(reading, table.columns)) or "1 AS nothing"
    return f"SELECT {columns} FROM {relation}"
