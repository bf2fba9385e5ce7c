"""Types of files in Postgres' terms."""

from __future__ import annotations

import pytest

from proxy.files.columns import literal, quoted, reading, sniffed_column, stored_column, writing
from proxy.files.frames import FileColumn


@pytest.mark.parametrize(
    ("stored", "type_name"),
    [
        ("TINYINT", "smallint"), ("UINTEGER", "bigint"), ("UBIGINT", "numeric(20,0)"),
        ("DECIMAL(10,2)", "numeric(10,2)"), ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
        ("BLOB", "bytea"), ("ENUM('a', 'b')", "text"),
    ],
)  # fmt: skip
def test_a_type_that_both_have(stored: str, type_name: str) -> None:
    column = stored_column("c", stored)
    assert column is not None
    assert column.type_name == type_name


@pytest.mark.parametrize(
    "stored",
    ["TIMESTAMP_NS", "TIME WITH TIME ZONE", "BIT", "STRUCT(a BIGINT)", "BIGINT[]", "UHUGEINT"],
)
def test_a_type_that_nobody_can_carry_exactly_is_no_column(stored: str) -> None:
    assert stored_column("c", stored) is None


def test_texts_are_read_strictly_or_left_to_postgres() -> None:
    exact = sniffed_column("n", "BIGINT")
    assert exact == FileColumn("n", "bigint", "text:bigint", is_exact=True)
    assert "error(" in reading(exact)
    opaque = sniffed_column("v", "DOUBLE")
    assert opaque == FileColumn("v", "numeric", "text:numeric", is_exact=False)
    assert reading(opaque) == '"v"'


def test_values_are_written_as_postgres_reads_them() -> None:
    assert writing("a", "BIGINT") == '"a"'
    assert writing("a", "BLOB") == '\'\\x\' || hex("a") AS "a"'
    assert writing("a", "TIMESTAMP") == 'CAST("a" AS VARCHAR) AS "a"'


def test_quoting() -> None:
    assert quoted('a"b') == '"a""b"'
    assert literal("a'b\\") == "'a''b\\'"
