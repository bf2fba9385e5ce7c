"""Tables and columns by name, for explanations."""

from __future__ import annotations

import pytest

from proxy.catalog.virtual import Column, Relation, SourceCatalog
from proxy.commands.mention import column_names, mentioned
from proxy.sql.parse import parse


def catalog(*names: str) -> SourceCatalog:
    relations = [
        Relation(
            source="main",
            schema=name.split(".")[0],
            name=name.split(".")[1],
            kind="r",
            columns=(Column(name="id", type_oid=23, type_name="integer", position=1),),
            oid=number,
        )
        for number, name in enumerate(names, 1)
    ]
    return SourceCatalog(
        source="main",
        server_version=160_000,
        relations={one.key: one for one in relations},
        types={},
    )


HERE = catalog("hr.staff", "public.orders", "sales.orders", "public.x")


@pytest.mark.parametrize(
    ("text", "keys", "bare", "unknown"),
    [
        ("select * from hr.staff", ["hr.staff"], [], []),
        ("select * from staff", ["hr.staff"], ["hr.staff"], []),
        ("table orders", ["public.orders", "sales.orders"], ["sales.orders"], []),
        ("select (select 1 from sales.orders), 2 from gone", ["sales.orders"], [], ["gone"]),
        ("with a as (select * from x) select * from a", ["public.x"], [], []),
        ("with x as (select 1) select * from x", ["public.x"], [], []),
        ("select * from hr.gone join hr.gone b on true", [], [], ["hr.gone"]),
        ("delete from hr.staff using x", ["hr.staff", "public.x"], [], []),
        ("copy hr.staff to stdout", ["hr.staff"], [], []),
        ("select 1", [], [], []),
    ],
)
def test_what_a_statement_speaks_of(
    text: str, keys: list[str], bare: list[str], unknown: list[str]
) -> None:
    found = mentioned(parse(text)[0], [HERE])
    assert sorted(f"{key.schema}.{key.name}" for key in found.keys) == keys
    assert [f"{key.schema}.{key.name}" for key in found.bare] == bare
    assert list(found.unknown) == unknown


def test_names_of_columns() -> None:
    (statement,) = parse("select a, t.b, t.*, count(c) from t where d = 'e' order by f")
    assert column_names(statement) == {"a", "b", "c", "d", "f"}
