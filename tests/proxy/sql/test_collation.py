"""The columns behind an output, and whether their collations agree."""

from __future__ import annotations

import pytest

from proxy.catalog.virtual import Column
from proxy.sql.collation import Collations, agree
from tests.proxy.sql.fixture import bound


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT german FROM texts", ["german"]),
        ("SELECT lower(german) || swedish FROM texts", ["german", "swedish"]),
        ("SELECT q.x FROM (SELECT german AS x FROM texts) q", ["german"]),
        ("SELECT german FROM texts UNION SELECT swedish FROM texts", ["german", "swedish"]),
        ("SELECT v.a FROM texts, LATERAL (VALUES (german), (plain)) v(a)", ["german", "plain"]),
        (
            "WITH RECURSIVE r AS (SELECT german AS g FROM texts UNION ALL SELECT g FROM r)"
            " SELECT g FROM r",
            ["german"],
        ),
        ("SELECT 'x'", []),
    ],
)
def test_columns_behind_an_output(sql: str, names: list[str]) -> None:
    statement = bound(sql)
    columns = Collations(statement, ()).columns_behind(statement.root.outputs[0])

    assert sorted({column.name for column in columns}) == names


def test_agreement() -> None:
    plain, german = Column("a", 25, "text", 1), Column("b", 25, "text", 2, collation="de-x-icu")
    name = Column("c", 19, "name", 3)
    blurred = Column("d", 25, "text", 4, collation="de-x-icu", is_deterministic=False)
    domain = Column("e", 9999, "d", 5, type_kind="d", base_type_oid=25)

    assert agree([])
    assert agree([plain, german, german])
    assert agree([plain, name])
    assert not agree([german, name])
    assert not agree([german, domain])
    assert not agree([blurred])
