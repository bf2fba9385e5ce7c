"""Errors as a model needs them."""

from __future__ import annotations

import asyncpg
import pytest

from sidecars.mcp.correction import ADVICE, NEAR_CHARACTERS, correction, place
from sidecars.mcp.tables import Column, Table

TABLES = [
    Table("sales", "orders", None, [Column("id", "int", None), Column("placed_at", "date", None)]),
    Table("sales", "items", None, [Column("id", "int", None)]),
]


def error(sqlstate: str, message: str, **fields: str) -> asyncpg.PostgresError:
    found = asyncpg.PostgresError(message)
    found.sqlstate = sqlstate
    for name, value in {"message": message, **fields}.items():
        setattr(found, name, value)
    return found


def test_an_absent_table_lists_those_that_exist() -> None:
    fault = error("42P01", 'relation "sales.order" does not exist', position="15")
    told = correction(fault, "SELECT * FROM sales.order", TABLES)

    assert told["tables_that_exist"] == ["sales.orders", "sales.items"]
    assert told["near"] == "SELECT * FROM >>>sales.order"
    assert told["advice"] == ADVICE["42P01"]


def test_an_absent_column_lists_those_of_the_tables_that_are_named() -> None:
    fault = error("42703", 'column "placed" does not exist')
    told = correction(fault, "select placed from sales.orders", TABLES)

    assert told["columns_that_exist"] == {"sales.orders": ["placed_at", "id"]}


def test_other_errors_come_as_they_are() -> None:
    told = correction(error("22012", "division by zero", hint="h", detail="d"))

    assert told == {"sqlstate": "22012", "message": "division by zero", "hint": "h", "detail": "d"}


@pytest.mark.parametrize("position", [0, 1, 5, 500, 10**9])
def test_any_position_is_a_place(position: int) -> None:
    assert ">>>" in place("select 1", position)
    assert len(place("x" * 1000, position)) <= 2 * NEAR_CHARACTERS + 3
