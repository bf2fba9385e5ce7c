"""TLS modes, what proves identity, and what a server may not do before the handshake."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest

from proxy.sources.base import SourceState
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_dial import DialError, dial, tls_context
from proxy.sources.postgres_options import Address, PostgresOptions, TlsMode, TlsOptions
from tests.proxy.sources.fake_server import Peer, fake_server
from tests.proxy.sources.live import options_of
from tests.servers import certificate
from tests.servers.postgres import Server


async def reason_down(options: PostgresOptions) -> str | None:
    source = PostgresSource(options)
    await source.start()
    try:
        return source.down_reason
    finally:
        await source.close()


async def test_verify_full_accepts_the_right_certificate(postgres_server: Server) -> None:
    assert await reason_down(options_of(postgres_server)) is None


async def test_tls_gives_what_scram_binds_to(postgres_server: Server) -> None:
    context = tls_context(TlsOptions(TlsMode.VERIFY_FULL, postgres_server.root_certificate))
    dialled = await dial(Address(postgres_server.host, postgres_server.port), context, 5.0)
    certificate_text = postgres_server.root_certificate.read_text()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate_text)).digest()
    assert dialled.channel_binding == digest
    dialled.channel.break_off("done")


async def test_verify_full_refuses_another_authority(
    postgres_server: Server, tmp_path: Path
) -> None:
    other, _ = certificate.write(tmp_path)
    tls = TlsOptions(TlsMode.VERIFY_FULL, other)
    reason = await reason_down(options_of(postgres_server, tls=tls))
    assert reason is not None
    assert "certificate was not accepted" in reason


async def test_verify_full_refuses_another_name(postgres_server: Server) -> None:
    """127.0.0.2 is the same server under a name that its certificate does not have."""
    context = tls_context(TlsOptions(TlsMode.VERIFY_FULL, postgres_server.root_certificate))
    address = Address("127.0.0.1", postgres_server.port)
    with pytest.raises(DialError, match="certificate was not accepted"):
        await dial(address, context, 5.0, server_name="other.example")


async def test_require_encrypts_without_proof(postgres_server: Server) -> None:
    assert await reason_down(options_of(postgres_server, tls=TlsOptions(TlsMode.REQUIRE))) is None


async def test_require_with_an_authority_checks_the_chain(
    postgres_server: Server, tmp_path: Path
) -> None:
    other, _ = certificate.write(tmp_path)
    tls = TlsOptions(TlsMode.REQUIRE, other)
    assert await reason_down(options_of(postgres_server, tls=tls)) is not None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"N", "does not offer TLS"),
        # CVE-2021-23222: plain bytes smuggled in front of the encrypted stream.
        (b"SR\0\0\0\x08\0\0\0\0", "unencrypted data"),
        # CVE-2024-10977: a text before TLS is not to be believed.
        (b"ESERROR\0Mhush\0\0", "invalid response"),
        (b"X", "invalid response"),
        (b"", "closed the connection"),
    ],
)
async def test_answers_to_the_request_for_tls(answer: bytes, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive_raw(8)
        if answer:
            peer.send_raw(answer)
            await peer.closed()

    context = tls_context(TlsOptions(TlsMode.REQUIRE))
    async with fake_server(script) as address:
        with pytest.raises(DialError, match=reason) as caught:
            await dial(address, context, 2.0)
    assert "hush" not in str(caught.value)


async def test_bytes_that_follow_the_answer_do_not_enter_the_session() -> None:
    """The same attack in two segments: the second ends up in the handshake, which then fails."""

    async def script(peer: Peer) -> None:
        await peer.receive_raw(8)
        peer.send_raw(b"S")
        await asyncio.sleep(0.05)
        peer.send_raw(b"R\0\0\0\x08\0\0\0\0")
        await peer.closed()

    context = tls_context(TlsOptions(TlsMode.REQUIRE))
    async with fake_server(script) as address:
        with pytest.raises(DialError):
            await dial(address, context, 2.0)


async def test_a_server_that_never_answers() -> None:
    async def script(peer: Peer) -> None:
        await peer.closed()

    context = tls_context(TlsOptions(TlsMode.REQUIRE))
    async with fake_server(script) as address:
        with pytest.raises(DialError, match=r"no answer within 0\.2 s"):
            await dial(address, context, 0.2)


async def test_nobody_listens() -> None:
    with pytest.raises(DialError, match="connection failed"):
        await dial(Address("127.0.0.1", 1), None, 2.0)
    with pytest.raises(DialError, match="connection failed"):
        await dial(Address("/nonexistent"), None, 2.0)


def test_contexts() -> None:
    assert tls_context(TlsOptions(TlsMode.DISABLE)) is None
    strict = tls_context(TlsOptions(TlsMode.VERIFY_FULL))
    assert strict is not None
    assert strict.check_hostname
    assert strict.verify_mode is ssl.CERT_REQUIRED
    assert strict.minimum_version >= ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match="No such file"):
        tls_context(TlsOptions(TlsMode.VERIFY_FULL, Path("/nonexistent")))


async def test_a_unix_socket_needs_no_tls(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()

    server = await asyncio.start_unix_server(serve, tmp_path / ".s.PGSQL.5432")
    try:
        context = tls_context(TlsOptions(TlsMode.VERIFY_FULL))
        dialled = await dial(Address(str(tmp_path)), context, 2.0)
        assert dialled.channel_binding is None
        dialled.channel.break_off("done")
        await gone.wait()
    finally:
        server.close()


async def test_a_source_over_a_unix_socket_is_up(postgres_server: Server, tmp_path: Path) -> None:
    """A relay stands in for the server's own socket, which the test servers do not open."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(postgres_server.host, postgres_server.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
            target.close()

        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

    server = await asyncio.start_unix_server(relay, tmp_path / ".s.PGSQL.5432")
    source = PostgresSource(options_of(postgres_server, addresses=(Address(str(tmp_path)),)))
    try:
        await source.start()
        assert source.state is SourceState.UP
    finally:
        await source.close()
        server.close()
