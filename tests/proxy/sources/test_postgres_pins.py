"""Differences of settings, what may be pinned, and the watch over ParameterStatus."""

from __future__ import annotations

import pytest

from proxy.faults import SourceFault
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_options import Address, Pooling, PostgresOptions
from proxy.sources.postgres_pins import (
    PINNABLE,
    ParameterWatch,
    Pins,
    born_settings,
    checked_pins,
    startup_parameters,
)
from tests.proxy.sources.live import borrowed, value_of

OPTIONS = PostgresOptions("main", (Address("db"),), "app", "reader", statement_timeout_ms=5_000)
BORN = born_settings(OPTIONS)


def pins(**wanted: str) -> Pins:
    return Pins(BORN, wanted)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search_path", "pg_catalog"),
        ("default_transaction_read_only", "on"),
        ("client_min_messages", "error"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("plan_cache_mode", "force_custom_plan"),
        ("row_security", "on"),
        ("jit", "off"),
        ("statement_timeout", "5000"),
    ],
)
def test_what_a_connection_is_born_with(name: str, value: str) -> None:
    assert startup_parameters(OPTIONS)[name] == value


def test_a_pooler_gets_only_what_it_understands() -> None:
    options = PostgresOptions("p", (Address("db"),), "app", "reader", pooling=Pooling.TRANSACTION)
    assert set(startup_parameters(options)) == {
        "user",
        "database",
        "application_name",
        "client_encoding",
        "DateStyle",
        "TimeZone",
        "standard_conforming_strings",
    }


def test_everything_pinnable_is_born_too() -> None:
    assert set(PINNABLE.values()) <= set(BORN)


def test_only_the_difference_is_set() -> None:
    mine = pins(TimeZone="UTC", DateStyle="SQL, DMY")
    assert mine.difference() == {"DateStyle": "SQL, DMY"}
    mine.note_set(mine.difference(), is_in_transaction=False)
    assert mine.difference() == {}


def test_the_next_client_gets_the_birth_value_back() -> None:
    mine = pins(DateStyle="SQL, DMY")
    mine.note_set(mine.difference(), is_in_transaction=False)
    mine.wanted = {"TimeZone": "Asia/Tokyo"}
    assert mine.difference() == {"DateStyle": "ISO, MDY", "TimeZone": "Asia/Tokyo"}


def test_a_rollback_makes_what_was_set_inside_uncertain() -> None:
    mine = pins(DateStyle="SQL, DMY")
    mine.note_set(mine.difference(), is_in_transaction=True)
    mine.note_rollback()
    assert mine.difference()["DateStyle"] == "SQL, DMY"
    assert set(mine.difference()) == set(PINNABLE.values())
    mine.note_set(mine.difference(), is_in_transaction=False)
    assert mine.difference() == {}


def test_a_rollback_leaves_what_was_set_before() -> None:
    mine = pins(DateStyle="SQL, DMY")
    mine.note_set(mine.difference(), is_in_transaction=False)
    mine.note_rollback()
    assert mine.difference() == {}


def test_a_commit_makes_it_last() -> None:
    mine = pins(DateStyle="SQL, DMY")
    mine.note_set(mine.difference(), is_in_transaction=True)
    mine.note_commit()
    mine.note_rollback()
    assert mine.difference() == {}


def test_a_reset_forgets() -> None:
    mine = pins(DateStyle="SQL, DMY")
    mine.note_set(mine.difference(), is_in_transaction=False)
    mine.note_reset()
    assert mine.difference() == {}


def test_what_is_left_to_the_server_goes_back_to_its_default() -> None:
    name = "default_text_search_config"
    assert name not in startup_parameters(OPTIONS)
    mine = pins(**{name: "pg_catalog.german"})
    assert mine.difference() == {name: "pg_catalog.german"}
    mine.note_set(mine.difference(), is_in_transaction=True)
    mine.wanted = {}
    assert mine.difference() == {name: None}
    mine.note_rollback()
    assert mine.difference()[name] is None, "after a rollback it is not known, so it is set"
    mine.note_set(mine.difference(), is_in_transaction=False)
    assert mine.difference() == {}


async def test_the_text_search_language_is_the_sources_own(source: PostgresSource) -> None:
    name, sql = "default_text_search_config", "SELECT plainto_tsquery('quick foxes')"
    async with borrowed(source) as connection:
        assert await value_of(connection, sql) == b"'quick' & 'fox'", "as initdb made it: English"
        connection.pin({name: "pg_catalog.simple"})
        assert await value_of(connection, sql) == b"'quick' & 'foxes'"
        connection.pin({})
        assert await value_of(connection, sql) == b"'quick' & 'fox'"
        connection.pin({name: "pg_catalog.simple"})
        assert await value_of(connection, f"SHOW {name}") == b"pg_catalog.simple"
    async with borrowed(source) as connection:
        assert await value_of(connection, sql) == b"'quick' & 'fox'", "the reset took it back"


def test_names_are_folded() -> None:
    assert checked_pins({"timezone": "Asia/Tokyo"}, OPTIONS) == {"TimeZone": "Asia/Tokyo"}


@pytest.mark.parametrize(("asked", "given"), [("0", "5000"), ("100", "100"), ("99999", "5000")])
def test_the_statement_timeout_only_shrinks(asked: str, given: str) -> None:
    assert checked_pins({"statement_timeout": asked}, OPTIONS) == {"statement_timeout": given}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search_path", "evil"),
        ("role", "postgres"),
        ("session_authorization", "postgres"),
        ("default_transaction_read_only", "off"),
        ("row_security", "off"),
        ("TimeZone", "x" * 257),
        ("TimeZone", "a\0b"),
        ("statement_timeout", "1h"),
        ("statement_timeout", "-1"),
    ],
)
def test_what_may_not_be_pinned(name: str, value: str) -> None:
    with pytest.raises(SourceFault) as caught:
        checked_pins({name: value}, OPTIONS)
    assert caught.value.sqlstate == "22023"


# The watch: (strict, reports while open, then a report while closed, is it let pass)
WATCHED = [
    (True, {"TimeZone": "UTC"}, ("TimeZone", "UTC"), True),
    (True, {"TimeZone": "UTC"}, ("TimeZone", "Asia/Tokyo"), False),
    (True, {"in_hot_standby": "on"}, ("in_hot_standby", "off"), True),
    (True, {"is_superuser": "off"}, ("is_superuser", "on"), False),
    (True, {"session_authorization": "reader"}, ("session_authorization", "postgres"), False),
    (True, {}, ("client_encoding", "LATIN1"), False),
    (True, {}, ("search_path", "evil"), False),
    (True, {}, ("default_transaction_read_only", "off"), False),
    (True, {}, ("something_new", "x"), True),
    (False, {"TimeZone": "UTC"}, ("TimeZone", "Asia/Tokyo"), True),
    (False, {}, ("search_path", "public"), True),
    (False, {}, ("client_encoding", "LATIN1"), False),
    (False, {}, ("standard_conforming_strings", "off"), False),
]


@pytest.mark.parametrize(("is_strict", "before", "report", "passes"), WATCHED)
def test_watch(
    is_strict: bool, before: dict[str, str], report: tuple[str, str], passes: bool
) -> None:
    watch = ParameterWatch(is_strict)
    for name, value in before.items():
        assert watch.observe(name, value)
    watch.is_open = False
    assert watch.observe(*report) is passes


def test_a_constant_may_not_move_even_in_a_command_of_ours() -> None:
    watch = ParameterWatch(is_strict=True)
    assert watch.observe("TimeZone", "UTC")
    assert watch.observe("TimeZone", "Asia/Tokyo")
    assert not watch.observe("client_encoding", "SQL_ASCII")
