"""DuckDB, locked: settings, views over files, and a query's rows as CSV.

It must not know pipes or processes. A query's text is of the gate's own making, and its values are
bound; DuckDB still may open nothing but the source's folder, write nowhere but to its own folder
of temporary files, and load nothing.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import csv

from proxy.files import folder
from proxy.files.columns import VALUE_ERROR, literal, quoted, writing
from proxy.files.containers import DuckDb, Excel, Sqlite
from proxy.files.folder import FolderError, Found, Identity
from proxy.files.formats import Csv, FileError, Format, Parquet, view
from proxy.files.formats_json import Json
from proxy.files.frames import FileTable, Trouble
from proxy.files.values import value_of

BATCH_ROWS: Final = 10_000
FORMATS: Final[dict[str, Format]] = {
    "parquet": Parquet(), "csv": Csv(), "json": Json(), "duckdb": DuckDb(), "sqlite": Sqlite(),
    "excel": Excel(),
}  # fmt: skip
_WRITING: Final = csv.WriteOptions(include_header=False, quoting_style="needed")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one reader may use, in bytes; `threads` of DuckDB."""

    memory_bytes_max: int
    temporary_bytes_max: int
    threads: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One query: `tables` by their name in it, `values` bound to its $1…"""

    sql: str
    tables: Mapping[tuple[str, str], FileTable]
    values: Sequence[tuple[str, Any]] = ()


class Engine:
    """DuckDB over the files of `root`; `scratch` is its folder for what memory cannot hold."""

    def __init__(self, root: Path, scratch: Path, bounds: Bounds) -> None:
        self._root = root
        self._known: dict[Path, tuple[Identity, FileTable]] = {}
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{bounds.memory_bytes_max}B",
                "threads": str(bounds.threads),
                "temp_directory": str(scratch),
                "max_temp_directory_size": f"{bounds.temporary_bytes_max}B",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "python_enable_replacements": "false",
            },
        )
        for setting in (
            "integer_division = true",
            "ieee_floating_point_ops = false",
            "TimeZone = 'UTC'",
            "preserve_insertion_order = true",
            f"allowed_directories = [{literal(str(root) + '/')}, {literal(str(scratch) + '/')}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def tables(self) -> list[FileTable]:
        """Every table of the folder, those that cannot be read with their failure."""
        return [table for found in self._look().values() for table in self._describe(found)]

    def _look(self) -> dict[str, Found]:
        return folder.look(self._root)

    def _describe(self, found: Found) -> list[FileTable]:
        if found.failure is None and found.format not in FORMATS:
            found.failure = "is of a format that is not read here"
        if found.failure is not None:
            return [FileTable(found.name, found.format, failure=found.failure)]
        try:
            return FORMATS[found.format].describe(self._connection, found)
        except Exception as error:  # whatever a file makes of its reader: one table is not offered
            reason = trouble_of(error).value
            return [FileTable(found.name, found.format, failure=f"cannot be read: {reason}")]

    def read(self, wish: Wish) -> Iterator[tuple[int, bytes]]:
        """The rows of a query as CSV, batch by batch.

        Raises FileError, duckdb.Error, OSError; what came before is then of no use. Every file is
        the same before the first row and after the last, or it is FileError CHANGED.
        """
        paths = self._paths(wish)
        before = self._identities(paths)
        self._check(wish, paths, before)
        for (schema, name), table in wish.tables.items():
            relation = FORMATS[table.format].relation(self._connection, paths[schema, name], table)
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {quoted(schema)}.{quoted(name)} AS {view(table, relation)}"
            )
        yield from self._rows(wish)
        if self._identities(self._paths(wish)) != before:
            raise FileError(Trouble.CHANGED)

    def _rows(self, wish: Wish) -> Iterator[tuple[int, bytes]]:
        values = [value_of(kind, content) for kind, content in wish.values]
        query = self._connection.sql(wish.sql, params=values)
        kinds = [(name, str(kind)) for name, kind in zip(query.columns, query.types, strict=True)]
        written = query.project(", ".join(writing(name, kind) for name, kind in kinds))
        with written.to_arrow_reader(BATCH_ROWS) as batches:
            for batch in batches:
                yield batch.num_rows, _as_csv(batch)

    def _paths(self, wish: Wish) -> dict[tuple[str, str], list[Path]]:
        look = self._look()
        paths = {}
        for place, table in wish.tables.items():
            found = look.get(table.place)
            if found is None:
                raise FileError(Trouble.MISSING)
            if found.failure is not None or found.format != table.format:
                raise FileError(Trouble.UNREADABLE)
            paths[place] = found.paths
        return paths

    def _identities(self, paths: Mapping[tuple[str, str], Sequence[Path]]) -> dict[Path, Identity]:
        try:
            return {path: folder.identity(path) for own in paths.values() for path in own}
        except FileNotFoundError as error:
            raise FileError(Trouble.CHANGED) from error

    def _check(
        self,
        wish: Wish,
        paths: Mapping[tuple[str, str], Sequence[Path]],
        identities: Mapping[Path, Identity],
    ) -> None:
        """Every file has its table's columns. What was found is kept until the file changes."""
        for place, table in wish.tables.items():
            for path in paths[place]:
                if self._known.get(path) != (identities[path], table):
                    FORMATS[table.format].check(self._connection, path, table)
                    self._known[path] = (identities[path], table)


def _as_csv(batch: pa.RecordBatch) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(batch, buffer, _WRITING)
    return buffer.getvalue()


def trouble_of(error: Exception) -> Trouble:
    """What kind of trouble an error is; its text may quote a row, so it goes nowhere."""
    if isinstance(error, FileError):
        return error.trouble
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return Trouble.MEMORY
    if isinstance(error, FileNotFoundError):
        return Trouble.CHANGED
    if (
        VALUE_ERROR in str(error)
        or "FileError: value" in str(error)
        or isinstance(error, duckdb.ConversionException)
    ):
        return Trouble.VALUE
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        return Trouble.BROKEN
    if isinstance(error, duckdb.Error | OSError | FolderError | UnicodeError | sqlite3.Error):
        return Trouble.UNREADABLE
    return Trouble.BROKEN
