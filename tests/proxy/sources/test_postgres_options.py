"""Options refuse what could not work or would not be safe, when they are made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.runtime.credential import PasswordSource
from proxy.sources.postgres_options import (
    SILENCE_GRACE_SECONDS,
    Address,
    PostgresOptions,
    TlsMode,
    TlsOptions,
)

GOOD = PostgresOptions("main", (Address("db"),), "app", "reader", PasswordSource(environment="P"))


def test_the_defaults_are_strict() -> None:
    assert GOOD.tls.mode is TlsMode.VERIFY_FULL
    assert not GOOD.allows_cleartext_password
    assert GOOD.addresses[0].port == 5432


@pytest.mark.parametrize(
    "change",
    [
        {"addresses": ()},
        {"addresses": (Address("db"),) * 17},
        {"statement_timeout_ms": 0},
        {"allows_cleartext_password": True, "tls": TlsOptions(TlsMode.DISABLE)},
        {"user": ""},
        {"database": "a\0b"},
    ],
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(GOOD, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("host", "port"), [("", 5432), ("db", 0), ("db", 65_536)])
def test_addresses_are_checked(host: str, port: int) -> None:
    with pytest.raises(ValueError, match="address"):
        Address(host, port)


def test_a_folder_is_a_unix_socket() -> None:
    address = Address("/run/postgresql", 5433)
    assert address.is_unix_socket
    assert address.socket_path == "/run/postgresql/.s.PGSQL.5433"
    assert not Address("db").is_unix_socket


def test_silence_outlasts_the_statement_timeout() -> None:
    options = replace(GOOD, statement_timeout_ms=2_000)
    assert options.silence_seconds_max == 2 + SILENCE_GRACE_SECONDS


def test_the_way_to_the_password_is_not_printed() -> None:
    options = replace(GOOD, password=PasswordSource(file=Path("/etc/hush")))
    assert "hush" not in repr(options)
