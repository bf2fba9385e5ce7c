"""Files with tables of their own, read by the engine: types, values of others, and bombs."""

from __future__ import annotations

import datetime
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from proxy.files import containers
from proxy.files.containers import affinity, any_cell
from proxy.files.engine import Bounds, Engine, Wish, trouble_of
from proxy.files.frames import FileTable, Trouble


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "scratch").mkdir()
    return tmp_path / "files"


def engine(root: Path) -> Engine:
    return Engine(root, root.parent / "scratch", Bounds(128 << 20, 1 << 24, 1))


def tables(made: Engine) -> dict[str, FileTable]:
    return {table.name: table for table in made.tables()}


def rows(made: Engine, table: FileTable) -> bytes:
    wish = Wish(f'SELECT * FROM w."{table.name}"', {("w", table.name): table})
    return b"".join(data for _, data in made.read(wish))


def types(table: FileTable) -> dict[str, str]:
    return {column.name: column.type_name for column in table.columns}


def in_sqlite(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def in_duckdb(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as database:
        for statement in statements:
            database.execute(statement)


def in_excel(path: Path, **sheets: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(path)


def test_sqlite_keeps_to_what_it_declared(root: Path) -> None:
    in_sqlite(
        root / "shop.db",
        "CREATE TABLE t (id integer, name varchar(9), price real, ok boolean, d date, raw blob)",
        "INSERT INTO t VALUES (1, 'a', 1.5, 1, '2020-01-01', x'00ff'), (2, NULL, 2, 0, NULL, NULL)",
    )
    made = engine(root)
    table = tables(made)["shop_t"]
    assert types(table) == {
        "id": "bigint", "name": "text", "price": "double precision", "ok": "boolean", "raw": "bytea",
    }  # fmt: skip
    assert table.refused == (("d", "SQLITE DATE"),)
    assert rows(made, table) == b'1,"a",1.5,true,"\\x00FF"\n2,,2,false,\n'
    in_sqlite(root / "shop.db", "INSERT INTO t (id) VALUES ('a text, for SQLite lets it in')")
    with pytest.raises(Exception) as caught:
        rows(made, table)
    assert trouble_of(caught.value) is Trouble.VALUE


@pytest.mark.parametrize(
    ("declared", "kind"),
    [("BIGINT", "BIGINT"), ("nvarchar(5)", "VARCHAR"), ("double precision", "DOUBLE"),
     ("decimal(10,2)", "SQLITE DECIMAL(10,2)"), ("", "SQLITE UNTYPED")],
)  # fmt: skip
def test_affinity(declared: str, kind: str) -> None:
    assert affinity(declared) == kind


def test_duckdb_tables_but_no_views(root: Path) -> None:
    in_duckdb(
        root / "ware.duckdb",
        "CREATE TABLE stock AS SELECT 1 AS id, 2.50::decimal(10,2) AS v, [1] AS l",
        "CREATE VIEW away AS SELECT * FROM read_csv('/etc/passwd')",
    )
    made = engine(root)
    found = tables(made)
    assert list(found) == ["ware_stock"]
    assert types(found["ware_stock"]) == {"id": "integer", "v": "numeric(10,2)"}
    assert found["ware_stock"].refused == (("l", "INTEGER[]"),)
    assert rows(made, found["ware_stock"]) == b"1,2.50\n"


def test_a_database_that_is_written_is_not_read(root: Path) -> None:
    in_sqlite(root / "shop.db", "CREATE TABLE t (id integer)")
    in_duckdb(root / "ware.duckdb", "CREATE TABLE t (id integer)")
    made = engine(root)
    found = tables(made)
    (root / "shop.db-wal").write_bytes(b"x")
    (root / "ware.duckdb.wal").write_bytes(b"x")
    for name in ("shop_t", "ware_t"):
        with pytest.raises(Exception) as caught:
            rows(made, found[name])
        assert trouble_of(caught.value) is Trouble.CHANGED


def test_sheets_are_tables(root: Path) -> None:
    day = datetime.datetime(2026, 1, 2)
    targets: list[list[object]] = [
        ["country", "target", "at", "mixed"], ["de", 5, day, 1], ["fr", 2.5, None, "x"],
    ]  # fmt: skip
    in_excel(root / "one.xlsx", Q1=targets)
    in_excel(root / "two.xlsx", A=[["n"], [1]], B=[["n"], [True], [None]], Empty=[])
    made = engine(root)
    found = tables(made)
    assert list(found) == ["one", "two_a", "two_b"]
    assert types(found["one"]) == {
        "country": "text", "target": "double precision", "at": "timestamp without time zone",
    }  # fmt: skip
    assert found["one"].refused == (("mixed", "EXCEL int str"),)
    assert rows(made, found["one"]) == b'"de",5,"2026-01-02 00:00:00"\n"fr",2.5,\n'
    assert rows(made, found["two_b"]) == b"true\n"
    in_excel(root / "one.xlsx", Q1=[*targets, ["it", "many", day, 1]])
    with pytest.raises(Exception) as caught:
        rows(made, found["one"])
    assert trouble_of(caught.value) is Trouble.SCHEMA


def test_empty_rows_are_none() -> None:
    assert not any_cell((None, None))
    assert any_cell((None, 0))


def bomb(path: Path) -> None:
    in_excel(path, Q1=[["n"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/bomb.bin", b"\0" * 2_000_000)


def cut(path: Path) -> None:
    in_excel(path, Q1=[["n"], [1]])
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("make", "trouble"), [(bomb, Trouble.TOO_LARGE), (cut, Trouble.UNREADABLE)]
)
def test_a_bomb_and_a_half_file_are_no_tables(
    root: Path, make: Callable[[Path], None], trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "UNPACKED_BYTES_MAX", 1_000_000)
    make(root / "a.xlsx")
    (root / "b.db").write_bytes(b"no database")
    (root / "c.duckdb").write_bytes(b"no database")
    failures = {name: table.failure for name, table in tables(engine(root)).items()}
    assert failures == {
        "a": f"cannot be read: {trouble}",
        "b": "cannot be read: unreadable",
        "c": "cannot be read: unreadable",
    }
