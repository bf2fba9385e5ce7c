"""Families and casts of types, compared with what Postgres does."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from policies.claims import ClaimType
from policies.column_type import bare_type, casts_totally, family, mismatches
from policies.expression import TYPE_NAMES
from policies.model import RelationKey
from policies.predicate import Scope, parse_condition
from tests.policies.conftest import Execute

COLUMNS = {
    "t": "text",
    "v": "character varying(20)",
    "n": "numeric(12,2)",
    "i": "integer",
    "b": "boolean",
    "d": "date",
    "ts": "timestamp without time zone",
    "tz": "timestamp with time zone",
    "u": "uuid",
    "a": "text[]",
    "e": "crm.mood",
}
CLAIMS = {
    "text": ClaimType.parse("text"),
    "number": ClaimType.parse("bigint"),
    "texts": ClaimType.parse("text[]"),
    "date": ClaimType.parse("date"),
    "uuid": ClaimType.parse("uuid"),
}
SCOPE = Scope("main", CLAIMS)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("numeric(12,2)", "numeric"),
        ("character varying(20)[]", "character varying[]"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("int4", "integer"),
        ("crm.mood", "crm.mood"),
    ],
)
def test_bare_types(name: str, bare: str) -> None:
    assert bare_type(name) == bare


def test_families() -> None:
    assert family("character varying(20)") == family("text") == "text"
    assert family("smallint[]") == family("numeric[]") == "number[]"
    assert family("crm.mood") == "crm.mood"


@pytest.mark.parametrize(
    "text",
    [
        "t = claim('text')",
        "v = claim('text')",
        "n = claim('number')",
        "i = 5",
        "i = '5'",
        "e = 'happy'",
        "t = any(claim('texts'))",
        "a && claim('texts')",
        "d = claim('date')",
        "d < current_date",
        "ts < current_date",
        "tz < now() - interval '1 day'",
        "u = claim('uuid')",
        "lower(t) = claim('text')",
        "length(t) > 3",
        "t in ('a', claim('text'))",
        "b is distinct from true",
        "d between '2025-01-01' and current_date",
    ],
)
def test_comparisons_that_fit(text: str) -> None:
    assert mismatches(parse_condition(text, SCOPE), COLUMNS, CLAIMS) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t = claim('number')", "compares text with number"),
        ("i = claim('text')", "compares number with text"),
        ("t = 5", "compares text with number"),
        ("u = claim('text')", "compares uuid with text"),
        ("i = any(claim('texts'))", "compares number[] with text[]"),
        ("t in ('a', 5)", "compares text with number"),
        ("i between claim('text') and 5", "compares number with text"),
        ("tz < current_date", "session's time zone"),
        ("ts < now()", "session's time zone"),
        ("d = now()", "session's time zone"),
        ("not (t = claim('number'))", "compares text with number"),
        ("d::text like '2024%'", "casts date to text"),
        ("tz::text < 'x'", "follows settings"),
        ("left(d::text, 4) = '2024'", "casts date to text"),
        ("claim('date')::text = '2024-01-01'", "casts date to text"),
        ("now()::text > '2024'", "casts timestamptz to text"),
        ("d < '01/02/2024'", "reads '01/02/2024' as date"),
        ("d in ('2024-01-01', 'yesterday')", "reads 'yesterday' as date"),
        (
            "tz between '2024-01-01 00:00:00+00' and '2025-01-01'",
            "reads '2025-01-01' as timestamptz",
        ),
        ("'31.12.2024' > ts", "reads '31.12.2024' as timestamp"),
    ],
)
def test_comparisons_that_do_not_fit(text: str, message: str) -> None:
    found = mismatches(parse_condition(text, SCOPE), COLUMNS, CLAIMS)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize("text", ["i::text = '5'", "u::text like 'a%'", "e::text = 'happy'"])
def test_texts_that_are_the_same_under_every_setting(text: str) -> None:
    assert mismatches(parse_condition(text, SCOPE), COLUMNS, CLAIMS) == []


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("since < current_date", "session's time zone"),
        ("since < '2024-01-01'", "reads '2024-01-01' as timestamptz"),
        ("since::text like '2024%'", "casts timestamp with time zone to text"),
        ("level = claim('text')", "compares number with text"),
    ],
)
def test_conditions_inside_a_lookup(where: str, message: str) -> None:
    found = looked_up(f"t IN (SELECT who FROM org.grants WHERE {where})")

    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i IN (SELECT who FROM org.grants)", "compares number with text"),
        ("ts IN (SELECT since FROM org.grants)", "session's time zone"),
        ("(t, d) IN (SELECT who, since FROM org.grants)", "session's time zone"),
    ],
)
def test_what_is_looked_up(text: str, message: str) -> None:
    found = looked_up(text)

    assert len(found) == 1
    assert message in found[0]


def test_a_lookup_that_fits() -> None:
    where = "since < now() AND level > 3 AND who = claim('text')"

    assert looked_up(f"(t, i) IN (SELECT who, level FROM org.grants WHERE {where})") == []


def looked_up(text: str) -> list[str]:
    key = RelationKey("main", "org", "grants")
    columns = {"who": "text", "since": "timestamp with time zone", "level": "integer"}
    scope = replace(SCOPE, lookups={key: tuple(columns)})
    return mismatches(parse_condition(text, scope), COLUMNS, CLAIMS, {key: columns})


@pytest.mark.parametrize("source", sorted(TYPE_NAMES))
@pytest.mark.parametrize("target", sorted(TYPE_NAMES))
def test_total_casts_exist(execute: Execute, source: str, target: str) -> None:
    if casts_totally(source, target):
        assert execute(f"SELECT NULL::{source}::{target}") == [(None,)]


EXTREMES = {
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "real": ["NaN", "Infinity", "-3.4e38", "1e-37"],
    "double precision": ["NaN", "-Infinity", "1.7e308", "5e-324"],
    "numeric": ["NaN", "Infinity", "9" * 1000],
    "timestamp without time zone": ["infinity", "-infinity", "294276-12-31", "4713-11-24 BC"],
    "date": ["infinity", "5874897-12-31", "4713-11-24 BC"],
    "timestamp with time zone": ["infinity", "294276-12-31 00:00+00"],
    "boolean": ["true", "false"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
}


@pytest.mark.parametrize("source", EXTREMES)
def test_total_casts_take_extreme_values(execute: Execute, source: str) -> None:
    for target in TYPE_NAMES:
        if casts_totally(source, target):
            for value in EXTREMES[source]:
                execute(f"SELECT '{value}'::{source}::{target}::text")


def test_a_cast_that_can_fail_is_not_total(execute: Execute) -> None:
    assert not casts_totally("bigint", "integer")
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        execute("SELECT 9223372036854775807::bigint::integer")
    assert not casts_totally("date", "timestamp without time zone")
    with pytest.raises(psycopg.Error):
        execute("SELECT '5874897-12-31'::date::timestamp")
