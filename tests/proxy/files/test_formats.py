"""Each format's columns, and what of a file is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxy.files.engine import FORMATS
from proxy.files.folder import look
from proxy.files.formats import FileError, delimiter, described, header, view
from proxy.files.frames import FileTable, Trouble


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def table_of(connection: duckdb.DuckDBPyConnection, root: Path, name: str) -> FileTable:
    found = look(root)[name]
    (table,) = FORMATS[found.format].describe(connection, found)
    return table


def test_parquet_knows_its_types(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    columns = {"n": pa.array([1], pa.int32()), "s": ["x"], "l": [[1]]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = table_of(connection, tmp_path, "a")
    assert [(c.name, c.type_name) for c in table.columns] == [("n", "integer"), ("s", "text")]
    assert table.refused == (("l", "BIGINT[]"),)
    FORMATS["parquet"].check(connection, tmp_path / "a.parquet", table)
    pq.write_table(pa.table({"n": pa.array([1], pa.int64())}), tmp_path / "b.parquet")
    with pytest.raises(FileError) as caught:
        FORMATS["parquet"].check(connection, tmp_path / "b.parquet", table)
    assert caught.value.trouble is Trouble.SCHEMA


def test_csv_types_come_from_its_first_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,v,d,t\n1,1.50,2026-01-01,x\n2,,,\n")
    table = table_of(connection, tmp_path, "a")
    assert [(c.name, c.type_name) for c in table.columns] == [
        ("id", "bigint"), ("v", "numeric"), ("d", "date"), ("t", "text"),
    ]  # fmt: skip
    relation = FORMATS["csv"].relation(connection, [tmp_path / "a.csv"], table)
    rows = connection.execute(view(table, relation)).fetchall()
    assert [tuple(map(str, row)) for row in rows] == [
        ("1", "1.50", "2026-01-01", "x"), ("2", "None", "None", "None"),
    ]  # fmt: skip


def test_csv_tells_an_empty_text_from_none(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text('t,u\n"",a\n,b\n')
    table = table_of(connection, tmp_path, "a")
    relation = FORMATS["csv"].relation(connection, [tmp_path / "a.csv"], table)
    assert connection.execute(view(table, relation)).fetchall() == [("", "a"), (None, "b")]


@pytest.mark.parametrize("value", ["1.5", "x", " 7", "1e3", "99999999999999999999"])
def test_a_late_value_of_another_type_is_an_error_not_a_guess(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str
) -> None:
    (tmp_path / "a.csv").write_text("n\n" + "1\n" * 30_000 + f"{value}\n")
    table = table_of(connection, tmp_path, "a")
    assert table.columns[0].type_name == "bigint"
    relation = FORMATS["csv"].relation(connection, [tmp_path / "a.csv"], table)
    with pytest.raises(duckdb.Error):
        connection.execute(view(table, relation)).fetchall()


def test_the_header_is_the_schema_of_a_csv(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    table = table_of(connection, tmp_path, "a")
    (tmp_path / "b.csv").write_text("b,a\n1,2\n")
    with pytest.raises(FileError):
        FORMATS["csv"].check(connection, tmp_path / "b.csv", table)
    (tmp_path / "c.csv").write_bytes(b"")
    with pytest.raises(FileError):
        header(tmp_path / "c.csv")


def test_separators(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n")
    (tmp_path / "b.tsv").write_text("a,b\tc\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"a,b;c\n"))
    assert delimiter(tmp_path / "a.csv") == ";"
    assert delimiter(tmp_path / "b.tsv") == "\t"
    assert header(tmp_path / "c.csv.gz") == ["a", "b;c"]
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"a,b;c\n")[:8])
    with pytest.raises(FileError) as caught:
        header(tmp_path / "d.csv.gz")
    assert caught.value.trouble is Trouble.UNREADABLE


def test_columns_are_bounded() -> None:
    many = [(f"c{number}", "BIGINT") for number in range(1_601)]
    assert described("a", "parquet", many).failure == "has more than 1600 columns"
