"""TPC-H's 22 queries, the tables spread over two sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.proxy.federation.answers import Connection, assert_alike

QUERIES = re.findall(
    r"^-- \d+\n(.+)$", Path(__file__).with_name("tpch_queries.sql").read_text(), re.MULTILINE
)


def test_all_are_there() -> None:
    assert len(QUERIES) == 22


@pytest.mark.parametrize("number", range(1, 23))
async def test_the_answer_is_that_of_one_postgres(
    gate: Connection, reference: Connection, number: int
) -> None:
    rows = await assert_alike(gate, reference, QUERIES[number - 1])
    assert rows
    assert any(value is not None for row in rows for value in row)
