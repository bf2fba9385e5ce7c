"""The session's settings: the allow-list, and what a rollback takes back."""

from __future__ import annotations

import pytest

from proxy.faults import Fault
from proxy.settings import FORBIDDEN, SAVEPOINTS_MAX, SETTINGS, Effect, Settings


@pytest.fixture
def settings() -> Settings:
    return Settings({"server_version": "16.10", "server_version_num": "160010"})


def test_names_are_found_in_any_case_and_by_alias(settings: Settings) -> None:
    assert settings.show("DATESTYLE") == ("DateStyle", "ISO, MDY")
    assert settings.show("time zone") == ("TimeZone", "UTC")
    assert settings.show("server_version") == ("server_version", "16.10")


@pytest.mark.parametrize("name", [*sorted(FORBIDDEN), "enable_seqscan", "log_statement", "geqo"])
def test_the_operators_settings_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(Fault) as caught:
        settings.set(name, "on", is_local=False)

    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize("name", ["nonsense", "sallyport.policy", "x.y", "x" * 100])
def test_unknown_names_are_not_echoed_unchecked(settings: Settings, name: str) -> None:
    with pytest.raises(Fault) as caught:
        settings.set(name, "1", is_local=False)

    assert caught.value.sqlstate == "42704"
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("row", [row for row in SETTINGS.values() if row.effect is Effect.FIXED])
def test_fixed_settings_accept_what_they_are(settings: Settings, row: object) -> None:
    name, default = row.name, row.default  # type: ignore[attr-defined]
    settings.set(name, default, is_local=False)
    with pytest.raises(Fault) as caught:
        settings.set(name, "something else", is_local=False)

    assert caught.value.sqlstate == "42501"


def test_facts_cannot_be_set(settings: Settings) -> None:
    with pytest.raises(Fault) as caught:
        settings.set("server_version", "17", is_local=False)

    assert caught.value.sqlstate == "42501"


def test_reset_returns_to_the_startup_value(settings: Settings) -> None:
    settings.at_startup("TimeZone", "Europe/Rome")
    settings.set("TimeZone", "UTC", is_local=False)
    settings.reset("TimeZone")

    assert settings.get("timezone") == "Europe/Rome"


def test_rollback_takes_back_everything_set_since_begin(settings: Settings) -> None:
    settings.set("bytea_output", "escape", is_local=False)
    settings.mark("")
    settings.set("bytea_output", "hex", is_local=False)
    settings.set("xmlbinary", "hex", is_local=True)
    settings.end(is_committed=False)

    assert settings.get("bytea_output") == "escape"
    assert settings.get("xmlbinary") == "base64"


def test_commit_forgets_only_local_values(settings: Settings) -> None:
    settings.mark("")
    settings.set("bytea_output", "escape", is_local=False)
    settings.set("xmlbinary", "hex", is_local=True)
    settings.end(is_committed=True)

    assert settings.get("bytea_output") == "escape"
    assert settings.get("xmlbinary") == "base64"


def test_savepoints_restore_their_own_values(settings: Settings) -> None:
    settings.mark("")
    settings.set("TimeZone", "Europe/Rome", is_local=False)
    settings.mark("a")
    settings.set("TimeZone", "Asia/Tokyo", is_local=True)
    settings.restore("a")
    assert settings.get("timezone") == "Europe/Rome"
    settings.set("TimeZone", "Asia/Tokyo", is_local=False)
    settings.release("a")
    assert settings.get("timezone") == "Asia/Tokyo"
    settings.end(is_committed=False)

    assert settings.get("timezone") == "UTC"


def test_a_session_value_replaces_a_local_one(settings: Settings) -> None:
    settings.mark("")
    settings.set("TimeZone", "Europe/Rome", is_local=True)
    settings.set("TimeZone", "Asia/Tokyo", is_local=False)

    assert settings.get("timezone") == "Asia/Tokyo"


def test_savepoints_have_a_limit(settings: Settings) -> None:
    for number in range(SAVEPOINTS_MAX + 1):
        settings.mark(str(number))
    with pytest.raises(Fault) as caught:
        settings.mark("one more")

    assert caught.value.sqlstate == "54000"


def test_pins_are_what_changes_output(settings: Settings) -> None:
    assert set(settings.pins()) == {
        "DateStyle", "IntervalStyle", "TimeZone", "extra_float_digits", "bytea_output",
        "xmlbinary", "xmloption",
    }  # fmt: skip


def test_a_text_search_language_is_pinned_only_once_it_was_chosen(settings: Settings) -> None:
    settings.set("default_text_search_config", "German", is_local=False)
    assert settings.pins()["default_text_search_config"] == "pg_catalog.german"

    settings.set("default_text_search_config", "", is_local=False)
    assert "default_text_search_config" not in settings.pins()
    with pytest.raises(Fault) as caught:
        settings.set("default_text_search_config", "shop.secret", is_local=False)
    assert caught.value.sqlstate == "22023"


def test_reported_settings_are_those_of_a_16_server(settings: Settings) -> None:
    told = settings.reported()

    assert told["server_version"] == "16.10"
    assert "server_version_num" not in told
    assert {"client_encoding", "standard_conforming_strings", "integer_datetimes"} <= set(told)


def test_show_all_is_sorted_and_complete(settings: Settings) -> None:
    names = [name for name, _ in settings.show_all()]

    assert names == sorted(names, key=str.lower)
    assert {"server_version", "TimeZone"} <= set(names)


def test_search_path_is_unquoted_and_without_user(settings: Settings) -> None:
    settings.set("search_path", '"$user", "Odd ""name""", shop', is_local=False)

    assert settings.search_path() == ('Odd "name"', "shop")


@pytest.mark.parametrize(
    ("value", "milliseconds"), [("0", 0), ("250", 250), ("2s", 2000), ("3min", 180_000)]
)
def test_durations_in_milliseconds(settings: Settings, value: str, milliseconds: int) -> None:
    settings.set("statement_timeout", value, is_local=False)

    assert settings.milliseconds("statement_timeout") == milliseconds


@pytest.mark.parametrize("name", [*sorted(FORBIDDEN), "enable_seqscan", "log_statement", "geqo"])
def test_the_operators_settings_are_not_shown(settings: Settings, name: str) -> None:
    with pytest.raises(Fault) as caught:
        settings.show(name)

    assert caught.value.sqlstate == "42704"


def test_facts_cannot_be_reset(settings: Settings) -> None:
    with pytest.raises(Fault) as caught:
        settings.reset("server_version")

    assert caught.value.sqlstate == "42501"


def test_reset_all_spares_the_running_transaction(settings: Settings) -> None:
    settings.mark("")
    settings.set("transaction_isolation", "serializable", is_local=True)
    settings.set("TimeZone", "Europe/Rome", is_local=True)
    settings.reset_all()

    assert settings.get("transaction_isolation") == "serializable"
    assert settings.get("timezone") == "UTC"


def test_defaults_of_the_operator_come_before_the_startup_packet() -> None:
    settings = Settings({}, {"search_path": '"$user", shop'})
    assert settings.search_path() == ("shop",)
    settings.set("search_path", "other", is_local=False)
    settings.reset("search_path")
    assert settings.search_path() == ("shop",)
    settings.at_startup("search_path", "mine, yours")
    settings.reset_all()
    assert settings.search_path() == ("mine", "yours")
