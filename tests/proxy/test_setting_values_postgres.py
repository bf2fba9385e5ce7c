"""Every validator beside a real Postgres: what both accept, both tell back alike."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from proxy.faults import Fault
from proxy.setting_values import identifier_list
from proxy.settings import Settings
from tests.servers.postgres import Server

VALUES = {
    "TimeZone": (
        "utc", "europe/rome", "America/Argentina/Buenos_Aires", "-5", "+3", "0", "5.5", "-0.5",
        "3.75", "+05:30", "-05:30", "05:30", "<+05:30>-05:30", "<-03>+03", "+05", "Nowhere/City",
        "5:3", "1e1", "٥",
    ),
    "DateStyle": (
        "ISO", "iso, dmy", "German", "german, mdy", "YMD, German", "SQL, European", "Postgres",
        "postgresql, US", "NonEuropean", "ISO, SQL", "DMY, MDY", "ISO, ISO", "nonsense", "DEFAULT",
    ),
    "IntervalStyle": ("ISO_8601", "sql_standard", "postgres", "verbose", ""),
    "extra_float_digits": ("3", " -15 ", "+1", "4", "-16", "x", "", "٣"),
    "bytea_output": ("HEX", "escape", "base64"),
    "xmlbinary": ("hex", "BASE64", "escape"),
    "xmloption": ("Document", "content", "x"),
    "statement_timeout": (
        "0", "1500", "2000", "90s", "90 s", "2min", "1.5h", "1d", "0.4ms", "1500us", "60000",
        "86400000", "2147483647", "2147483648", "99999999d", "1 week", "-1", "", "1S", "٣",
    ),
    "search_path": (
        "", '""', "a", "A, b", '"A", b', 'a, "b c" ,d', '"$user", public', '"x""y"', "a,", ",a",
        "a b", '"open', "a,,b", " a ", '"é"',
    ),
    "default_text_search_config": (
        "english", "GERMAN", "pg_catalog.Simple", "yiddish", "klingon", "shop.english", "x y",
    ),
    "client_min_messages": ("error", "WARNING", "debug3", "loud"),
    "default_transaction_isolation": ("serializable", "Repeatable Read", "snapshot"),
    "escape_string_warning": ("on", "OFF", "t", "f", "yes", "no", "1", "0", "tr", "fals", "o", ""),
}  # fmt: skip
ROWS = [(name, value) for name, values in VALUES.items() for value in values]

STRICTER = {("TimeZone", "05:30"), ("TimeZone", "5:3"), ("TimeZone", "1e1")}
"""What Postgres takes and the gate refuses; nothing goes the other way."""


@pytest.fixture(scope="module")
def connection(postgres_server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.dsn, autocommit=True) as found:
        yield found


@pytest.mark.parametrize(("name", "value"), ROWS)
def test_a_value_is_judged_as_by_postgres(
    connection: psycopg.Connection, name: str, value: str
) -> None:
    try:
        connection.execute("RESET ALL")
        if name == "DateStyle":
            connection.execute("SET DateStyle = 'ISO, MDY'")  # what every session here begins with
        row = connection.execute("SELECT set_config(%s, %s, false)", (name, value)).fetchone()
        shown = connection.execute(f"SHOW {name}").fetchone()
        assert row is not None
        expected, code = (shown or row)[0], None
    except psycopg.Error as error:
        expected, code = None, error.sqlstate
    settings = Settings({})
    try:
        settings.set(name, value, is_local=False)
        found, told = settings.show(name)[1], None
    except Fault as fault:
        found, told = None, fault.sqlstate

    if (name, value) in STRICTER:
        assert code is None
        assert told == "22023"
        return
    if name == "search_path" and expected is not None:
        expected = identifier_list(expected)  # kept as written there, in one spelling here
    assert (found, told) == (expected, code)
