"""The allow-list in force: built-ins, and the operator's additions."""

from __future__ import annotations

from proxy.sql.allow import AllowList
from proxy.sql.classification import Kind


def test_plain_answers() -> None:
    allowed = AllowList()

    assert allowed.type_oid("int4") == 23
    assert allowed.type_oid("no_such_type") == 0
    assert allowed.element_type(1009) == 25
    assert allowed.element_type(25) == 0
    assert allowed.return_type("lower", (25,)) == 25
    assert allowed.return_type("lower", (0,)) == 0
    assert allowed.is_aggregate("count")
    assert allowed.is_function("pg_sleep")


def test_extensions_add_names_and_open_none() -> None:
    allowed = AllowList()
    allowed.extend(functions={"similarity": "ext", "pg_read_file": "ext"})

    assert allowed.function("similarity", 2).kind is Kind.ALLOWED
    assert allowed.function("similarity", 2).schema == "ext"
    assert allowed.function("pg_read_file", 1).kind is Kind.REFUSED
