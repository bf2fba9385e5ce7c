"""DuckDB over a folder: what it reads, and what it cannot be made to do."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from proxy.files.engine import Bounds, Engine, Wish, trouble_of
from proxy.files.formats import FileError
from proxy.files.frames import FileTable, Trouble

BOUNDS = Bounds(128 << 20, 1 << 24, 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "scratch").mkdir()
    columns = {"id": pa.array(range(100), pa.int64()), "t": ['a,"b"', None] * 50}
    pq.write_table(pa.table(columns), tmp_path / "files/a.parquet")
    return tmp_path / "files"


def engine(root: Path, bounds: Bounds = BOUNDS) -> Engine:
    return Engine(root, root.parent / "scratch", bounds)


def known(engine: Engine) -> dict[tuple[str, str], FileTable]:
    return {("w", table.name): table for table in engine.tables()}


def rows(engine: Engine, sql: str, *values: tuple[str, object]) -> bytes:
    return b"".join(data for _, data in engine.read(Wish(sql, known(engine), values)))


def test_rows_are_csv_that_postgres_reads(root: Path) -> None:
    found = rows(engine(root), "SELECT id, t FROM w.a WHERE id < $1", ("integer", "2"))
    assert found == b'0,"a,""b"""\n1,\n'


def test_special_values_keep_their_meaning(root: Path) -> None:
    sql = (
        "SELECT 'infinity'::timestamp, '0044-03-15 (BC)'::date, 'nan'::double, '\\x00\\xFF'::blob,"
        " interval '1 month', 1::hugeint, true FROM w.a LIMIT 1"
    )
    assert rows(engine(root), sql) == (
        b'"infinity","0044-03-15 (BC)",nan,"\\x00FF","1 month","1",true\n'
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/sallyport-never'",
        "ATTACH '/tmp/sallyport-never.db'",
        "INSTALL httpfs",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        "SELECT * FROM duckdb_secrets()",
    ],
)
def test_nothing_beyond_the_folder_opens(root: Path, sql: str) -> None:
    with pytest.raises((duckdb.Error, AttributeError)):
        rows(engine(root), sql)


def test_a_file_that_changes_under_the_query_is_an_error(root: Path) -> None:
    locked = engine(root)
    reading = locked.read(Wish("SELECT id FROM w.a", known(locked), ()))
    next(reading)
    pq.write_table(pa.table({"id": pa.array([7], pa.int64()), "t": ["x"]}), root / "a.parquet")
    with pytest.raises(FileError) as caught:
        list(reading)
    assert caught.value.trouble is Trouble.CHANGED


def test_a_new_file_of_the_known_shape_is_read(root: Path) -> None:
    (root / "many").mkdir()
    table = pa.table({"n": pa.array([1], pa.int64())})
    pq.write_table(table, root / "many/1.parquet")
    locked = engine(root)
    tables = known(locked)
    wish = Wish("SELECT count(*) FROM w.many", {("w", "many"): tables["w", "many"]})
    assert list(locked.read(wish)) == [(1, b"1\n")]
    pq.write_table(table, root / "many/2.parquet")
    assert list(locked.read(wish)) == [(1, b"2\n")]
    pq.write_table(pa.table({"n": ["x"]}), root / "many/3.parquet")
    with pytest.raises(FileError) as caught:
        list(locked.read(wish))
    assert caught.value.trouble is Trouble.SCHEMA


@pytest.mark.parametrize(
    ("content", "trouble"),
    [(b"", Trouble.UNREADABLE), (b"PAR1 no PAR1", Trouble.UNREADABLE), (None, Trouble.MISSING)],
)
def test_a_broken_file_is_one_clear_trouble(
    root: Path, content: bytes | None, trouble: Trouble
) -> None:
    locked = engine(root)
    wish = Wish("SELECT * FROM w.a", known(locked))
    if content is None:
        (root / "a.parquet").unlink()
    else:
        (root / "a.parquet").write_bytes(content)
    with pytest.raises((FileError, duckdb.Error)) as caught:
        list(locked.read(wish))
    assert trouble_of(caught.value) is trouble


def test_a_half_written_file_is_no_table(root: Path) -> None:
    whole = (root / "a.parquet").read_bytes()
    (root / "a.parquet").write_bytes(whole[: len(whole) // 2])
    (table,) = engine(root).tables()
    assert table.failure == "cannot be read: unreadable"


def test_memory_is_bounded(root: Path) -> None:
    sql = "SELECT list(r.range) FROM w.a, range(20000000) r"
    with pytest.raises(duckdb.Error) as caught:
        rows(engine(root, Bounds(32 << 20, 1 << 20, 1)), sql)
    assert trouble_of(caught.value) is Trouble.MEMORY
