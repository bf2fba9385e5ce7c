"""Typed literals: whatever passes here, Postgres reads."""

from __future__ import annotations

import pytest

from policies.expression import to_sql
from policies.literal import canonical_type, typed_literal
from tests.policies.conftest import Execute

ACCEPTED = [
    ("int", "7"),
    ("integer", "-2147483648"),
    ("bigint", "9223372036854775807"),
    ("smallint", "-32768"),
    ("numeric", "-12.50"),
    ("boolean", "true"),
    ("date", "2025-01-31"),
    ("date", "0001-01-01"),
    ("date", "9999-12-31"),
    ("timestamp", "2025-01-31 12:00:00"),
    ("timestamp", "9999-12-31T23:59:59.999999"),
    ("timestamptz", "2025-01-31T12:00:00+02:00"),
    ("timestamptz", "0001-01-01T00:00:00Z"),
    ("interval", "1 year 2 months, 3 days"),
    ("interval", "10000 years"),
    ("interval", "1 second"),
    ("uuid", "b3b1c1a0-0000-4000-8000-00000000abcd"),
    ("uuid", "B3B1C1A0000040008000000000000000"),
    ("jsonb", '{"a": [1, null, "x"]}'),
    ("text", "it's \\ text"),
]


@pytest.mark.parametrize(("type_name", "text"), ACCEPTED)
def test_postgres_reads_what_is_accepted(execute: Execute, type_name: str, text: str) -> None:
    literal = typed_literal(type_name, text)
    assert literal.type_name == canonical_type(type_name)
    assert execute(f"SELECT pg_typeof({to_sql(literal)})::text") == [(literal.type_name,)]


@pytest.mark.parametrize("amount", ["10000 years", "10000 months", "10000 seconds"])
def test_the_largest_interval_is_in_range_of_now(execute: Execute, amount: str) -> None:
    interval = to_sql(typed_literal("interval", amount))
    assert execute(f"SELECT (now() + {interval}) > (now() - interval '1 day')") == [(True,)]


REFUSED = [
    ("int", "2147483648"),
    ("int", "1.5"),
    ("int", ""),
    ("int", " 1"),
    ("int", "٣"),
    ("smallint", "40000"),
    ("numeric", "1e5"),
    ("numeric", "NaN"),
    ("numeric", "9" * 41),
    ("boolean", "yes"),
    ("date", "infinity"),
    ("date", "now"),
    ("date", "2025-02-30"),
    ("date", "20250131"),
    ("timestamp", "2025-01-31T12:00:00+02:00"),
    ("timestamptz", "2025-01-31T12:00:00"),
    ("timestamptz", "tomorrow"),
    ("interval", "10001 days"),
    ("interval", "1 fortnight"),
    ("interval", "P1D"),
    ("interval", ""),
    ("interval", "-1 days"),
    ("uuid", "x"),
    ("jsonb", "{"),
    ("jsonb", "NaN"),
    ("jsonb", '"\\u0000"'),
    ("text", "\x00"),
    ("regclass", "pg_class"),
    ("money", "1"),
]


@pytest.mark.parametrize(("type_name", "text"), REFUSED)
def test_refused(type_name: str, text: str) -> None:
    with pytest.raises(ValueError):
        typed_literal(type_name, text)
