"""The sample company's files: what they hold, and that a second start leaves them alone."""

from __future__ import annotations

from pathlib import Path

import duckdb
import openpyxl

from proxy.files.folder import identity
from proxy.files.sample import CUSTOMERS, EVENTS, MONTHS, REGIONS, write


def test_they_are_written_once(tmp_path: Path) -> None:
    write(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == MONTHS + 1
    before = [identity(path) for path in files]
    write(tmp_path)
    assert [identity(path) for path in files] == before


def test_events_fit_the_company(tmp_path: Path) -> None:
    write(tmp_path)
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT region), min(customer_id), max(customer_id),"
            f" count(amount) FROM read_parquet('{tmp_path}/web_events/*.parquet')"
        ).fetchone()
    assert found is not None
    assert found[:2] == (EVENTS, len(REGIONS))
    assert found[2] >= 1
    assert found[3] <= CUSTOMERS
    assert 0 < found[4] < EVENTS / 4


def test_every_region_has_four_targets(tmp_path: Path) -> None:
    write(tmp_path)
    book = openpyxl.load_workbook(tmp_path / "targets.xlsx", read_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    assert len(rows) == 1 + 4 * len(REGIONS)
    assert rows[0] == ("region", "quarter", "starts_at", "revenue", "remark")
