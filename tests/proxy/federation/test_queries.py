"""Statements over two sources answer as one Postgres that holds what this person may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxy.federation.answers import Connection, assert_alike

QUERIES = [
    line
    for line in Path(__file__).with_name("queries.sql").read_text().splitlines()
    if line and not line.startswith("--")
]


def test_there_are_enough_of_them() -> None:
    assert len(set(QUERIES)) >= 100


@pytest.mark.parametrize("sql", QUERIES)
async def test_answers_equal_one_postgres(
    gate: Connection, reference: Connection, sql: str
) -> None:
    await assert_alike(gate, reference, sql)
