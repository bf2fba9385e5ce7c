"""Configuration values that become arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy import assembly
from proxy.runtime import config
from proxy.settings import Settings
from proxy.sources.postgres_options import Address, Pooling, TlsMode

SOURCE = config.Source(name="main", kind="postgres", hosts=("db",), database="d", user="u")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db", Address("db")),
        ("db:6000", Address("db", 6000)),
        ("10.0.0.1:6000", Address("10.0.0.1", 6000)),
        ("[::1]:6000", Address("::1", 6000)),
        ("::1", Address("::1")),
        ("/run/postgresql", Address("/run/postgresql")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    options = assembly.source_options(replace(SOURCE, hosts=(text,)))

    assert options.addresses == (address,)


def test_everything_of_a_source_arrives() -> None:
    options = assembly.source_options(
        replace(
            SOURCE,
            password=config.Password(file=Path("p")),
            tls=config.SourceTls(mode="require"),
            pooling="transaction",
            pool=config.Pool(connections_max=3, waiting_max=4, waiting_ms_max=5),
            connect_ms_max=1500,
            statement_ms_max=2500,
        )
    )

    assert (options.name, options.database, options.user) == ("main", "d", "u")
    assert options.password is not None
    assert options.password.file == Path("p")
    assert options.tls.mode is TlsMode.REQUIRE
    assert options.pooling is Pooling.TRANSACTION
    assert (options.pool.connections_max, options.pool.waiters_max) == (3, 4)
    assert options.pool.wait_ms_max == 5
    assert (options.connect_seconds_max, options.statement_timeout_ms) == (1.5, 2500)


def test_the_search_path_of_new_sessions() -> None:
    def begun(*names: str) -> Settings:
        configuration = config.Configuration(
            identity=config.Identity(issuers=()),
            policies=(),
            sources=(SOURCE,),
            audit=config.Audit(directory=Path("a")),
            search_path=names,
        )
        return Settings({}, assembly.session_defaults(configuration))

    assert begun("$user", "public").show("search_path") == ("search_path", '"$user", public')
    assert begun("Sales, old", "hr").search_path() == ("Sales, old", "hr")
    assert begun().search_path() == ()
