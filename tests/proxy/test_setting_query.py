"""Which queries are about settings and nothing else, and what they do."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.setting_query import run, setting_calls
from proxy.settings import Settings
from proxy.sql.parse import parse
from tests.proxy.doubles import make_session


def answer(text: str, settings: Settings | None = None) -> tuple[str | None, ...]:
    session = make_session()
    if settings is not None:
        session.settings = settings
    calls = setting_calls(parse(text)[0])
    assert calls is not None
    (row,) = run(calls, session).rows
    return row


def test_asyncpg_switches_jit_off() -> None:
    text = "SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new"
    settings = Settings({})
    settings.set("jit", "on", is_local=False)

    assert answer(text, settings) == ("on", "off")
    assert settings.get("jit") == "off"


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("SELECT pg_catalog.current_setting('TimeZone')", ("UTC",)),
        ("SELECT current_setting('nothing'::text, true)", (None,)),
        ("SELECT set_config('search_path', '', false)", ("",)),
        (
            "SELECT set_config('bytea_output', 'escape', false) FROM pg_show_all_settings() "
            "WHERE name = 'bytea_output'",
            ("escape",),
        ),
        (
            "select set_config('TimeZone','UTC',false) from pg_settings where name='TimeZone'",
            ("UTC",),
        ),
    ],
)
def test_answers(text: str, row: tuple[str | None, ...]) -> None:
    assert answer(text, Settings({})) == row


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("SELECT current_setting('nothing')", "42704"),
        ("SELECT set_config('role', 'postgres', false)", "42501"),
        ("SELECT set_config('default_transaction_read_only', 'off', false)", "42501"),
        ("SELECT set_config('TimeZone', 'x', false)", "22023"),
    ],
)
def test_refusals_are_those_of_set(text: str, sqlstate: str) -> None:
    with pytest.raises(Fault) as caught:
        answer(text, Settings({}))

    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize(("truth", "is_local"), [("yes", True), (" t ", True), ("n", False)])
def test_set_config_reads_a_boolean_as_postgres_does(truth: str, is_local: bool) -> None:
    settings = Settings({})
    settings.mark("")
    answer(f"SELECT set_config('TimeZone', 'Europe/Rome', '{truth}')", settings)
    assert settings.get("timezone") == "Europe/Rome"
    settings.end(is_committed=True)

    assert settings.get("timezone") == ("UTC" if is_local else "Europe/Rome")


def test_an_unclear_boolean_changes_nothing() -> None:
    settings = Settings({})
    with pytest.raises(Fault) as caught:
        answer("SELECT set_config('TimeZone', 'Europe/Rome', 'perhaps')", settings)

    assert (caught.value.sqlstate, caught.value.position) == ("22P02", 46)
    assert settings.get("timezone") == "UTC"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT current_setting('a'), 1",
        "SELECT current_setting(name) FROM t",
        "SELECT current_setting('a') FROM t",
        "SELECT current_setting('a') WHERE true",
        "SELECT DISTINCT current_setting('a')",
        "SELECT current_setting('a') UNION SELECT 'b'",
        "SELECT current_setting('a' || 'b')",
        "SELECT current_setting(DISTINCT 'a')",
        "SELECT current_setting('a') OVER ()",
        "SELECT current_setting($1)",
        "SELECT other.current_setting('a')",
        "SELECT set_config('a', NULL, false)",
        "SELECT current_setting(VARIADIC 'a')",
        "WITH x AS (SELECT 1) SELECT current_setting('a')",
        "SELECT lower(current_setting('a'))",
    ],
)
def test_every_other_query_is_judged_as_one(text: str) -> None:
    assert setting_calls(parse(text)[0]) is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings()",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_settings WHERE name = 'TimeZone'",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_settings WHERE name <> 'bytea_output'",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_settings s WHERE name = 'bytea_output'",
        "SELECT set_config('nothing', 'x', false) FROM pg_settings WHERE name = 'nothing'",
        "SELECT set_config('jit', 'on', false), set_config('TimeZone', 'UTC', false) FROM pg_settings "
        "WHERE name = 'jit'",
        "SELECT set_config('jit', 'on', false) FROM shop.orders WHERE name = 'jit'",
        "SELECT set_config('jit', 'on', false) FROM pg_settings WHERE name = 'jit' LIMIT 0",
    ],
)
def test_with_any_other_rest_it_is_a_query_like_others(text: str) -> None:
    assert setting_calls(parse(text)[0]) is None
