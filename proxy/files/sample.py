"""The sample company's files: web events of 2024 as Parquet, targets of a year as a spreadsheet.

`python -m proxy.files.sample FOLDER` writes them, the same ones each time. It must not know who
reads them.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Final

import duckdb
import openpyxl

EVENTS: Final = 60_000
MONTHS: Final = 3
"""One file each, as an exporter would leave them."""

CUSTOMERS: Final = 12_000
REGIONS: Final = ("emea", "amer", "apac")

_EVENTS = """
COPY (
  SELECT i AS id,
    timestamptz '2024-01-01 00:00:00+00' + to_seconds(i * {seconds}) AS occurred_at,
    {regions}[1 + (hash(i) % 3)::int] AS region,
    (1 + hash(i + 1) % {customers})::int AS customer_id,
    ['view', 'view', 'view', 'search', 'cart', 'order'][1 + (hash(i + 2) % 6)::int] AS kind,
    '/' || ['charts', 'radar', 'sextants', 'compasses'][1 + (hash(i + 3) % 4)::int] AS path,
    (20 + hash(i + 4) % 4000)::int AS duration_ms,
    (CASE WHEN hash(i + 2) % 6 = 5 THEN (hash(i + 5) % 90000) / 100 END)::decimal(10,2) AS amount,
    '198.51.100.' || (hash(i + 6) % 256) AS address
  FROM range({first}, {last}) t(i)
) TO '{path}' (FORMAT parquet)
"""


def write(folder: Path) -> None:
    """Write what is not there yet. Raises OSError."""
    events = folder / "web_events"
    events.mkdir(parents=True, exist_ok=True)
    share = EVENTS // MONTHS
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for number in range(MONTHS):
            path = events / f"2024-{number + 1:02}.parquet"
            if not path.exists():
                draft = events / f"_{path.name}"
                connection.execute(
                    _EVENTS.format(
                        seconds=MONTHS * 30 * 86_400 // EVENTS,
                        regions=list(REGIONS),
                        customers=CUSTOMERS,
                        first=number * share,
                        last=(number + 1) * share,
                        path=str(draft).replace("'", "''"),
                    )
                )
                draft.rename(path)
    _write_targets(folder / "targets.xlsx")


def _write_targets(path: Path) -> None:
    if path.exists():
        return
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Targets"
    sheet.append(["region", "quarter", "starts_at", "revenue", "remark"])
    for place, region in enumerate(REGIONS):
        for quarter in range(4):
            starts = datetime.datetime(2026, 1 + 3 * quarter, 1)
            revenue = 400_000 + 150_000 * place + 25_000 * quarter
            remark = "agreed" if quarter < 2 else None
            sheet.append([region, quarter + 1, starts, revenue, remark])
    draft = path.with_name(f"_{path.name}")
    book.save(draft)
    draft.rename(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
