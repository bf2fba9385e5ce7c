"""Row shapes: what a composite type, an array of them and a function's OUT arguments bring."""

from __future__ import annotations

from proxy.catalog.virtual import ClassCatalog, TypeAttribute, TypeDefinition
from proxy.sql.shape import Shapes, shapes

ADDRESS = TypeDefinition(
    20_000, "app", "address", "c", array_oid=20_001,
    attributes=(TypeAttribute("street", 25, "text"), TypeAttribute("zip", 23, "integer")),
)  # fmt: skip
HOME = TypeDefinition(20_010, "app", "home", "d", base_type_oid=20_000)
ROW = TypeDefinition(20_020, "app", "people", "c", attributes=ADDRESS.attributes, is_row_type=True)
KNOWN = Shapes({one.oid: one for one in (ADDRESS, HOME, ROW)})


def test_fields_of_a_composite_and_of_a_domain_over_one() -> None:
    assert KNOWN.fields(20_000) == (("street", 25), ("zip", 23))
    assert KNOWN.fields(20_010) == KNOWN.fields(20_000)


def test_a_tables_row_type_tells_nothing() -> None:
    assert KNOWN.fields(20_020) == ()
    assert not KNOWN.is_known(20_020)


def test_elements_and_names() -> None:
    assert KNOWN.element(20_001) == 20_000
    assert KNOWN.element(1009) == 25
    assert KNOWN.element(25) == 0
    assert KNOWN.named("app", "address") == 20_000
    assert KNOWN.named("pg_catalog", "text") == 25


def test_types_that_two_sources_number_alike_are_not_known() -> None:
    other = TypeDefinition(20_000, "app", "other", "c", attributes=ADDRESS.attributes[:1])
    catalog = ClassCatalog("k", {}, {"one": {20_000: ADDRESS}, "two": {20_000: other}})

    assert shapes(catalog).fields(20_000) == ()


def test_columns_of_a_function() -> None:
    assert Shapes().function_columns("jsonb_each") == ("key", "value")
    assert Shapes().function_columns("lower") == ()
