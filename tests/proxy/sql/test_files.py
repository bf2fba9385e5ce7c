"""How a part over files runs: in DuckDB as a whole, or staged over what DuckDB could leave out."""

from __future__ import annotations

import pytest

from proxy.faults import UnsupportedFault
from proxy.sql.files import file_plan
from proxy.sql.plan import FilePlan
from proxy.sql.split import MERGE
from tests.proxy.sql.two_files import catalog, guarded


def plan(sql: str) -> FilePlan:
    """Of the part over targets or events; a condition that nobody translates keeps it a part."""
    (part,) = guarded(sql).parts
    assert part.files is not None
    return part.files


def test_one_source_of_files_is_merged_too() -> None:
    found = guarded("SELECT target FROM web.targets WHERE target > 5")
    assert found.source == MERGE
    assert [part.guarded.source for part in found.parts] == ["web"]


def test_what_means_the_same_runs_as_it_stands() -> None:
    direct = plan("SELECT target % 2 FROM web.targets WHERE target > 5 AND country = 'de'").direct
    assert direct is not None
    assert direct.sql == (
        'SELECT "part"."country" AS "country", "part"."target" AS "target"'
        ' FROM (SELECT "targets"."country" AS "country", "targets"."target" AS "target"'
        ' FROM "web"."targets" AS "targets") AS "part"'
        ' WHERE (("part"."target" > 5) AND ("part"."country" = \'de\'))'
    )
    assert direct.columns == (("country", "text"), ("target", "integer"))
    assert direct.relations == (("web", "targets"),)


def test_columns_that_are_not_read_are_not_masked_in_vain() -> None:
    found = plan("SELECT id FROM web.events WHERE id = 5")
    assert found.direct is None  # its row filter has a function
    (scan,) = found.scans
    assert scan.query.columns == (("id", "bigint"), ("country", "text"))


def test_conditions_of_the_guard_leave_rows_out_where_they_lie() -> None:
    found = plan("SELECT id, country FROM web.events")
    (scan,) = found.scans
    assert scan.query.sql == (
        'SELECT "events"."id", "events"."country" FROM "web"."events" AS "events"'
        ' WHERE ("events"."country" IN (SELECT unnest(CAST($1 AS VARCHAR[]))))'
    )
    assert scan.query.whole().sql == (
        'SELECT "events"."id", "events"."country" FROM "web"."events" AS "events"'
    )
    assert scan.query.whole().slots == ()
    assert "FROM pg_temp.s1 events WHERE country = ANY" in found.staged_sql
    assert "web.events" not in found.staged_sql


def test_a_count_reads_no_column_but_those_of_the_filter() -> None:
    found = plan("SELECT count(*) + 1 FROM web.targets")
    assert found.direct is not None
    assert found.direct.columns == ()
    assert found.direct.sql.startswith("SELECT 1 AS nothing FROM (SELECT 1 AS nothing")


def test_keys_narrow_a_part_over_files() -> None:
    parts = guarded(
        "SELECT * FROM web.targets a JOIN web.events b ON b.id = a.target WHERE a.country = 'x'"
    ).parts
    assert [part.narrowed_files is not None for part in parts] == [False, False]


def test_a_filter_that_reads_a_hidden_table_is_refused() -> None:
    rewritten = guarded("SELECT id FROM web.events").parts[0].guarded.rewritten
    hidden = type(catalog())("k", {})
    with pytest.raises(UnsupportedFault):
        file_plan(rewritten, hidden, (), ())
