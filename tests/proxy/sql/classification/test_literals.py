"""Literals that are safe for every row: what is accepted, what is not known to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sql.classification import literals
from tests.servers import postgres


@pytest.mark.parametrize(
    ("pattern", "is_fine"),
    [
        ("", True),
        ("%x%", True),
        ("a\\%", True),
        ("a\\\\", True),
        ("a\\", False),
        ("a\\\\\\", False),
        ("%" * literals.LIKE_WILDCARDS_MAX, True),
        ("%" * (literals.LIKE_WILDCARDS_MAX + 1), False),
        ("a" * (literals.LIKE_PATTERN_CHARACTERS_MAX + 1), False),
    ],
)
def test_like_patterns(pattern: str, is_fine: bool) -> None:
    assert literals.is_well_formed_like_pattern(pattern) is is_fine


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        ("30 days", True),
        ("1 day", True),
        ("1day", True),
        ("1 year 2 months", True),
        ("1 year, 2 mons", True),
        ("-3 hours", True),
        ("1.5 hours", True),
        ("2 centuries", True),
        ("1000 years", True),
        ("1001 years", False),
        ("998 years 400 days", True),
        ("999 years 13 months", False),
        ("1 hour 1 hours", False),
        ("600 years -50 decades", False),
        ("11 centuries", False),
        ("1 day 2:03", False),
        ("P1Y", False),
        ("1 day ago", False),
        ("infinity", False),
        ("1", False),
        ("", False),
        ("days", False),
        ("1 dayz", False),
        ("1 day" * 100, False),
        ("9999999999 years", False),
    ],
)
def test_intervals(text: str, is_fine: bool) -> None:
    assert literals.is_bounded_interval(text) is is_fine


_PART = st.tuples(
    st.integers(-1100, 1100), st.sampled_from([*literals._YEARS_PER_UNIT, "days", "mons", "years"])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PART, min_size=1, max_size=4))
def test_an_accepted_interval_is_what_the_server_reads(
    postgres_connection: psycopg.Connection[tuple[object, ...]], parts: list[tuple[int, str]]
) -> None:
    text = " ".join(f"{count} {unit}" for count, unit in parts)
    if literals.is_bounded_interval(text):
        row = postgres_connection.execute(
            "SELECT now() + %s::interval BETWEEN now() - interval '1001 years' "
            "AND now() + interval '1001 years'",
            (text,),
        ).fetchone()
        assert row == (True,)


@pytest.fixture(scope="module")
def postgres_connection(
    postgres_of: Callable[[int], postgres.Server],
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """One connection to the default server."""
    with postgres_of(postgres.DEFAULT_MAJOR).connect() as connection:
        yield connection


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        ("{}", True),
        ('{"a": [1, 2]}', True),
        ("[" * 64 + "]" * 64, True),
        ("[" * 65 + "]" * 65, False),
        ("[" * 100_000, False),
        ("{", False),
        ("", False),
    ],
)
def test_shallow_json(text: str, is_fine: bool) -> None:
    assert literals.is_shallow_json(text) is is_fine


def test_fields() -> None:
    assert literals.is_known_field("date", "year")
    assert literals.is_known_field("timestamptz", "HOUR")
    assert not literals.is_known_field("date", "hour")
    assert not literals.is_known_field("timestamp", "timezone")
    assert not literals.is_known_field("text", "year")


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        *(("YYYY-MM", True), ("FMMonth YYYY", True), ("HH24:MI:SS.US", True), ("", False)),
        ("YY" * 99 + "x", False),  # must not take exponential time
        *(("TMMonth", False), ('"x"', False), ("YYYY-MM-DD" * 50, False), ("9", False)),
    ],
)
def test_time_formats(text: str, is_fine: bool) -> None:
    assert literals.is_known_time_format(text) is is_fine


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-2147483647", -2147483647), ("2147483648", None), ("1.5", None), ("", None)],
)
def test_integers(text: str, value: int | None) -> None:
    assert literals.integer(text) == value


def test_text_search_names_exist_on_every_server(
    postgres_major_server: postgres.Server,
) -> None:
    with postgres_major_server.connect() as connection:
        rows = connection.execute("SELECT cfgname::text FROM pg_ts_config").fetchall()
        existing = {str(name) for (name,) in rows}
        assert existing >= literals._TEXT_SEARCH_CONFIGURATIONS
        for name in sorted(literals._TEXT_SEARCH_CONFIGURATIONS):
            assert literals.is_built_in_text_search_configuration(name)
            query = "x" * literals.TEXT_SEARCH_QUERY_CHARACTERS_MAX
            for call in ("plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"):
                for text in (query, "日" * len(query), '"a b" -c or & ! (', "", "\\"):
                    connection.execute(f"SELECT {call}(%s, %s)", (name, text))
    assert not literals.is_built_in_text_search_configuration("custom")
