"""JSON files: keys as columns, and values of another kind as errors."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from proxy.files.folder import look
from proxy.files.formats import FileError, view
from proxy.files.formats_json import Json
from proxy.files.frames import FileTable, Trouble


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def described(connection: duckdb.DuckDBPyConnection, root: Path) -> FileTable:
    (table,) = Json().describe(connection, look(root)["a"])
    return table


def rows(
    connection: duckdb.DuckDBPyConnection, table: FileTable, path: Path
) -> list[tuple[object, ...]]:
    relation = Json().relation(connection, [path], table)
    return connection.execute(view(table, relation)).fetchall()


def test_keys_are_columns(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(
        '{"n":1,"f":1.5,"t":"x","o":{"e":[1,null]},"b":true}\n'
        '{"n":null,"t":"2026-01-01","f":2,"o":null}\n'
    )
    table = described(connection, tmp_path)
    assert [(c.name, c.type_name) for c in table.columns] == [
        ("n", "bigint"), ("f", "double precision"), ("t", "text"), ("o", "jsonb"), ("b", "boolean"),
    ]  # fmt: skip
    assert rows(connection, table, path) == [
        (1, "1.5", "x", '{"e":[1,null]}', "true"),
        (None, "2", "2026-01-01", None, None),
    ]


def test_an_array_of_objects(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"n":1},{"n":2}]')
    table = described(connection, tmp_path)
    assert rows(connection, table, tmp_path / "a.json") == [(1,), (2,)]


@pytest.mark.parametrize("value", ['"x"', "1.5", "true", "[1]", "99999999999999999999"])
def test_a_late_value_of_another_kind_is_an_error(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"n":1}\n' * 30_000 + f'{{"n":{value}}}\n')
    table = described(connection, tmp_path)
    assert table.columns[0].type_name == "bigint"
    with pytest.raises(duckdb.Error):
        rows(connection, table, path)


def test_another_key_is_another_schema(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.ndjson").write_text('{"n":1,"m":2}\n')
    table = described(connection, tmp_path)
    (tmp_path / "b.ndjson").write_text('{"n":1}\n')
    Json().check(connection, tmp_path / "b.ndjson", table)
    (tmp_path / "b.ndjson").write_text('{"n":1,"other":2}\n')
    with pytest.raises(FileError) as caught:
        Json().check(connection, tmp_path / "b.ndjson", table)
    assert caught.value.trouble is Trouble.SCHEMA


def test_what_is_no_json_is_an_error(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"n":1},{"n":')
    with pytest.raises(duckdb.Error):
        described(connection, tmp_path)
