"""Logins: what a server may ask for, what it must prove, and how each refusal reads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.runtime.credential import PasswordSource
from proxy.sources.base import SourceState
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_dial import dial
from proxy.sources.postgres_login import LoginError, log_in, version_number
from proxy.sources.postgres_options import Address, PostgresOptions, TlsMode, TlsOptions
from proxy.wire.backend import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendMessage,
    ErrorResponse,
    ReadyForQuery,
)
from tests.proxy.sources.fake_server import Peer, fake_server, options_at
from tests.proxy.sources.live import borrowed, eventually, options_of, process_id_of, started
from tests.servers.postgres import Server

SECRET = "hunter-4711"


@pytest.fixture
def password(tmp_path: Path) -> PasswordSource:
    (tmp_path / "password").write_text(SECRET, encoding="utf-8")
    return PasswordSource(file=tmp_path / "password")


async def refusal(options: PostgresOptions) -> str:
    """Start a source that must not come up; return the reason it tells the operator."""
    source = PostgresSource(options)
    await source.start()
    try:
        assert source.state is SourceState.DOWN
        assert source.down_reason is not None
        assert SECRET not in source.down_reason
        return source.down_reason
    finally:
        await source.close()


async def refused_by(*answers: BackendMessage, password: PasswordSource | None = None) -> str:
    """The reason, when the server answers the startup with these messages, one for each of ours."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.receive()
            peer.send(answer)
        await peer.closed()

    async with fake_server(script) as address:
        return await refusal(options_at(address, password=password))


async def test_scram_with_channel_binding_over_tls(postgres_server: Server) -> None:
    async with started(options_of(postgres_server)) as source, borrowed(source) as connection:
        rows = await connection.backend.query(
            "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", (), ()
        )
        assert rows == [(b"t", b"TLSv1.3")]


async def test_scram_without_tls(postgres_server: Server) -> None:
    options = options_of(postgres_server, tls=TlsOptions(TlsMode.DISABLE))
    async with started(options) as source:
        assert source.state is SourceState.UP


async def test_a_wrong_password_names_the_sqlstate(
    postgres_server: Server, password: PasswordSource
) -> None:
    reason = await refusal(options_of(postgres_server, password=password))
    assert "28P01" in reason


async def test_an_unknown_database_names_the_sqlstate(postgres_server: Server) -> None:
    assert "3D000" in await refusal(options_of(postgres_server, database="absent"))


async def test_a_password_that_rotates_is_read_anew(
    postgres_server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("stale", encoding="utf-8")
    options = options_of(postgres_server, password=PasswordSource(file=path))
    source = PostgresSource(options)
    await source.start()
    try:
        assert source.state is SourceState.DOWN
        path.write_text(postgres_server.password, encoding="utf-8")
        await eventually(lambda: source.state is SourceState.UP)
        async with borrowed(source) as connection:
            assert await process_id_of(connection) > 0
    finally:
        await source.close()


async def test_a_cleartext_password_is_refused(password: PasswordSource) -> None:
    reason = await refused_by(AuthenticationCleartextPassword(), password=password)
    assert "cleartext password, which is not allowed" in reason


async def test_a_cleartext_password_needs_tls_in_fact(password: PasswordSource) -> None:
    """The option alone is not enough: over a Unix socket, say, there is no TLS."""
    options = options_at(
        Address("db"),
        password=password,
        allows_cleartext_password=True,
        tls=TlsOptions(TlsMode.REQUIRE),
    )

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.send(AuthenticationCleartextPassword())
        with pytest.raises(ConnectionError):
            await peer.receive()

    async with fake_server(script) as address:
        dialled = await dial(address, None, 2.0)
        with pytest.raises(LoginError, match="not allowed"):
            await log_in(dialled, options, await password.read())
        dialled.channel.break_off("done")


async def test_a_cleartext_password_inside_tls_where_it_is_allowed(
    postgres_server: Server,
) -> None:
    """As clouds' token logins do it. The server asks this one user for a cleartext password."""
    rules = postgres_server.directory / "data" / "pg_hba.conf"
    rules.write_text("hostssl all cleartext all password\n" + rules.read_text())
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE cleartext LOGIN PASSWORD '{postgres_server.password}'")
        connection.execute("SELECT pg_reload_conf()")
    options = options_of(postgres_server, user="cleartext")
    assert "not allowed" in await refusal(options)
    allowing = replace(options, allows_cleartext_password=True)
    async with started(allowing) as source, borrowed(source) as connection:
        assert await process_id_of(connection) > 0


async def test_a_server_that_does_not_ask_for_the_password(password: PasswordSource) -> None:
    reason = await refused_by(AuthenticationOk(), password=password)
    assert "did not ask for the password" in reason


async def test_a_server_that_asks_when_there_is_none() -> None:
    reason = await refused_by(AuthenticationSASL(("SCRAM-SHA-256",)))
    assert "none is configured" in reason


async def test_an_unknown_mechanism(password: PasswordSource) -> None:
    reason = await refused_by(AuthenticationSASL(("OAUTHBEARER",)), password=password)
    assert "no SASL mechanism" in reason


async def test_md5_is_refused(password: PasswordSource) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.send_raw(b"R\0\0\0\x0c\0\0\0\x05salt")
        await peer.closed()

    async with fake_server(script) as address:
        assert "MD5" in await refusal(options_at(address, password=password))


FIRST = AuthenticationSASL(("SCRAM-SHA-256",))
SKIPPED_PROOF = [
    # (what comes after the client's first SCRAM message, what the operator reads)
    ((AuthenticationOk(),), "unexpected answer of the server: AuthenticationOk"),
    ((AuthenticationSASLFinal(b"v=AAAA"),), "unexpected answer"),
    ((AuthenticationSASLContinue(b"r=other,s=AAAAAAAAAAA=,i=4096"),), "nonce"),
    ((AuthenticationSASLContinue(b"rubbish"),), "malformed"),
    ((ReadyForQuery(b"I"),), "."),
]


@pytest.mark.parametrize(("after", "reason"), SKIPPED_PROOF)
async def test_a_server_that_skips_its_proof(
    password: PasswordSource, after: tuple[BackendMessage, ...], reason: str
) -> None:
    told = await refused_by(FIRST, *after, password=password)
    assert reason in told


async def test_a_huge_iteration_count_costs_nothing(password: PasswordSource) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.send(FIRST)
        first = await peer.receive()
        nonce = first.data.split(b"r=")[1]  # type: ignore[attr-defined]
        peer.send(AuthenticationSASLContinue(b"r=" + nonce + b"more,s=QUJDREVGR0g=,i=2000000000"))
        await peer.closed()

    async with fake_server(script) as address, asyncio.timeout(5):
        await refusal(options_at(address, password=password))


async def test_a_refused_login_keeps_the_servers_text_to_itself() -> None:
    error = ErrorResponse({"S": "FATAL", "V": "FATAL", "C": "53300", "M": SECRET})
    reason = await refused_by(error)
    assert "SQLSTATE 53300" in reason


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ({"server_version": "13.9"}, "older than PostgreSQL 14"),
        ({"server_version": "rubbish"}, "older than PostgreSQL 14"),
        ({"server_version": "19.0"}, "newer than PostgreSQL 18"),
        ({"client_encoding": "LATIN1"}, "pinned setting"),
        ({"standard_conforming_strings": "off"}, "pinned setting"),
        ({"integer_datetimes": "off"}, "pinned setting"),
    ],
)
async def test_a_server_that_is_not_what_we_need(reports: dict[str, str], reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(reports)
        await peer.closed()

    async with fake_server(script) as address:
        assert reason in await refusal(options_at(address))


@pytest.mark.parametrize(
    ("version", "is_unfit"), [("13.22", True), ("19beta1", True), ("14.0", False), ("18.3", False)]
)
async def test_a_version_that_is_never_served_is_told_apart(version: str, is_unfit: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet({"server_version": version})  # and is gone, before anything else is asked

    async with fake_server(script) as address:
        source = PostgresSource(options_at(address))
        await source.start()
        try:
            assert source.is_unfit is is_unfit
        finally:
            await source.close()


async def test_a_login_that_never_ends_is_broken_off() -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.closed()

    async with fake_server(script) as address:
        options = replace(options_at(address), connect_seconds_max=0.2)
        await refusal(options)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16.14 (Debian 16.14-1)", 160014),
        ("18beta1", 180000),
        ("14.0", 140000),
        ("", 0),
        ("devel", 0),
    ],
)
def test_version_numbers(text: str, number: int) -> None:
    assert version_number(text) == number
