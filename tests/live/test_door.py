"""The door: TLS, startup packets, tokens, cancel keys, floods. Attack cases 88 to 94 and 97."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import psycopg
import pytest
import pytest_asyncio

from proxy.wire import backend, frontend
from proxy.wire.startup import VERSION_3_2
from tests.live.gate import AUDIENCE, DATABASE, ISSUER, Gate, serving
from tests.live.wire import RawClient, told
from tests.servers.certificate import write as write_certificate

STARTUP = {"user": "alice", "database": DATABASE}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tls_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"))
    tls = {"certificate": str(certificate), "key": str(key)}
    async with serving(listen={"port": 0, "tls": tls, "drain_seconds_max": 1}) as gate:
        yield gate


async def fatal(gate: Gate, *, token: str = "", **parameters: str) -> str:
    """The ErrorResponse that ends a start-up, as one line."""
    client = await RawClient.open(("127.0.0.1", gate.port), {**STARTUP, **parameters}, token)
    client.close()
    return told(client.greeting)[-1]


# TLS


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
async def test_tls_both_ways_in(tls_gate: Gate, negotiation: str) -> None:
    dsn = tls_gate.dsn(sslmode="require", sslnegotiation=negotiation)

    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        assert connection.pgconn.ssl_in_use
        cursor = await connection.execute("SELECT count(*) FROM shop.items")
        assert await cursor.fetchall() == [(6000,)]


async def test_large_result_over_tls(tls_gate: Gate) -> None:
    async with await psycopg.AsyncConnection.connect(tls_gate.dsn(sslmode="require")) as connection:
        cursor = await connection.execute(
            "SELECT repeat(i.sku, 100) FROM shop.items i, generate_series(1, 5)"
        )
        assert len(await cursor.fetchall()) == 30000


async def test_direct_tls_needs_the_protocol_name(tls_gate: Gate) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", tls_gate.port, ssl=context)
    writer.write(frontend.StartupMessage((3, 0), STARTUP).encode())

    assert await reader.read() == b""  # closed without a word of the protocol
    writer.close()


async def test_old_tls_is_refused(tls_gate: Gate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_alpn_protocols(["postgresql"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", tls_gate.port, ssl=context)


async def test_bytes_behind_an_encryption_request_are_refused(tls_gate: Gate) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", tls_gate.port)
    writer.write(frontend.SSLRequest().encode() + b"SELECT")

    answer = await reader.read()
    assert b"S" not in answer[:1]
    assert b"08P01" in answer
    writer.close()


@pytest.mark.parametrize("request_", [frontend.SSLRequest(), frontend.GSSENCRequest()])
async def test_encryption_that_we_lack_is_declined(
    gate: Gate, request_: frontend.FrontendMessage
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(request_.encode())
    assert await reader.readexactly(1) == b"N"
    writer.write(request_.encode())  # a second time: a loop is not entered (CVE-2026-6479)
    assert b"08P01" in await reader.read()
    writer.close()


# Startup packets


@pytest.mark.parametrize(
    ("parameters", "sqlstate"),
    [
        ({"role": "postgres"}, "42501"),
        ({"session_authorization": "postgres"}, "42501"),
        ({"replication": "database"}, "0A000"),
        ({"options": "-c role=postgres"}, "42501"),
        ({"options": "-c work_mem=1GB"}, "42501"),
        ({"options": "-c default_transaction_read_only=off"}, "42501"),
        ({"options": "--nonsense"}, "42601"),
        ({"nonsense": "1"}, "42704"),
        ({"client_encoding": "SJIS"}, "22023"),
        ({"user": ""}, "28000"),
    ],
)
async def test_startup_parameters_by_allow_list(
    gate: Gate, parameters: dict[str, str], sqlstate: str
) -> None:
    assert sqlstate in await fatal(gate, token=gate.token(), **parameters)


async def test_startup_parameters_that_are_taken(gate: Gate) -> None:
    parameters = {**STARTUP, "options": "-c search_path=shop -c TimeZone=Europe/Rome"}
    client = await RawClient.open(("127.0.0.1", gate.port), parameters, gate.token())

    answer = told(await client.converse([frontend.Query("SELECT count(*) FROM orders")]))

    assert "DataRow (b'1000',)" in answer
    assert "ParameterStatus(name='TimeZone', value='Europe/Rome')" in told(client.greeting)
    client.close()


async def test_unknown_database_is_told_after_authentication_only(gate: Gate) -> None:
    assert "3D000" in await fatal(gate, token=gate.token(), database="other")
    assert "28P01" in await fatal(gate, token="bad", database="other")


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x03",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x01\x00\x00\x00\x03\x00\x00" + b"x" * 100,
        struct.pack(">II", 8, 3 << 16 | 0) + b"",
        struct.pack(">II", 8, 2 << 16),
    ],
)
async def test_garbage_is_refused_at_once(gate: Gate, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(head)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer[:1] in (b"E", b"")
    writer.close()


@pytest.mark.parametrize(
    "message",
    [
        frontend.Query("SELECT 1"),
        frontend.Parse("", "SELECT 1"),
        frontend.Sync(),
        frontend.CopyData(b"x"),
    ],
)
async def test_nothing_before_the_password(gate: Gate, message: frontend.FrontendMessage) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(frontend.StartupMessage((3, 0), STARTUP).encode() + message.encode())

    assert b"08P01" in await reader.read()
    writer.close()


@pytest.mark.parametrize(
    "message",
    [
        frontend.PasswordMessage("x"),
        frontend.FunctionCall(2200),
        frontend.CopyData(b"x"),
        b"\x01\x00\x00\x00\x04",
    ],
)
async def test_messages_out_of_place_after_it(
    gate: Gate, message: frontend.FrontendMessage | bytes
) -> None:
    client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())

    answer = told(await client.converse([message, frontend.Query("SELECT 1")]))

    assert answer[-1].startswith("ErrorResponse FATAL")
    client.close()


# Tokens


def test_the_tokens_of_these_tests_are_good(gate: Gate) -> None:
    assert len(gate.token().split(".")) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"nbf": 4102444800},
        {"aud": "another"},
        {"iss": "https://another.test"},
        {"sub": ""},
        {"act": 7},
    ],
)
async def test_bad_payloads_get_one_answer(gate: Gate, changes: dict[str, object]) -> None:
    answer = await fatal(gate, token=gate.changed_token(changes))

    assert answer.split(" ", 1)[1] == "FATAL 28P01 authentication failed "


async def test_forged_tokens_get_the_same_answer(gate: Gate) -> None:
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
        "roles": ["analyst"],
    }
    public = json.loads((gate.directory / "jwks.json").read_text())["keys"][0]["x"]
    forged = [
        jwt.encode(payload, "", algorithm="none"),
        jwt.encode(payload, public * 2, algorithm="HS256", headers={"kid": "k1"}),
        gate.token()[:-4] + "AAAA",
        "x" * 8000,
        "",
        "a.b.c",
    ]
    answers = {await fatal(gate, token=token) for token in forged}

    assert {answer.split(" ", 1)[1] for answer in answers} == {"FATAL 28P01 authentication failed "}


async def test_no_token_reaches_the_audit_log(gate: Gate) -> None:
    token = gate.changed_token({"aud": "another"})
    await fatal(gate, token=token)

    written = b"".join(path.read_bytes() for path in _files(gate.directory / "audit"))

    assert b"authentication failed" in written
    assert token.encode() not in written
    assert token.split(".")[1].encode() not in written


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_expiry_ends_the_session(gate: Gate) -> None:
    client = await RawClient.open(
        ("127.0.0.1", gate.port), STARTUP, gate.changed_token({"exp": int(time.time()) + 2})
    )
    assert "DataRow (b'1',)" in told(await client.converse([frontend.Query("SELECT 1")]))

    ending = told(await client.converse([], readies=1))

    assert "57P01" in ending[-1]
    client.close()


# Cancel


async def test_long_cancel_keys_for_new_clients(gate: Gate) -> None:
    for version, size in (((3, 0), 4), (VERSION_3_2, 32)):
        client = await RawClient.open(
            ("127.0.0.1", gate.port), STARTUP, gate.token(), version=version
        )
        (key,) = [m for m in client.greeting if isinstance(m, backend.BackendKeyData)]
        assert len(key.secret_key) == size
        client.close()


async def test_a_wrong_cancel_key_is_met_with_silence(gate: Gate) -> None:
    client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
    (key,) = [m for m in client.greeting if isinstance(m, backend.BackendKeyData)]
    slow = (
        "SELECT count(*) FROM shop.items a, shop.items b, shop.orders c"
        " WHERE a.id + b.id + c.id < 0 AND a.id < 300"
    )
    client.write(frontend.Query(slow))
    await client.writer.drain()
    await asyncio.sleep(0.2)

    async def cancel(secret: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(frontend.CancelRequest(key.process_id, secret).encode())
        answer = await reader.read()
        writer.close()
        return answer

    assert await cancel(bytes(4)) == b""
    await asyncio.sleep(0.2)
    assert await cancel(key.secret_key) == b""
    answer = told(await client.converse([]))
    assert any("57014 canceling statement due to user request" in line for line in answer)
    # Nothing runs now: a late cancel touches nothing.
    assert await cancel(key.secret_key) == b""
    assert "DataRow (b'1',)" in told(await client.converse([frontend.Query("SELECT 1")]))
    client.close()


async def test_a_cancel_over_tls_ends_well_for_the_client(tls_gate: Gate) -> None:
    dsn = tls_gate.dsn(sslmode="require")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        slow = "SELECT count(*) FROM shop.items a, shop.items b WHERE a.id + b.id < 0"
        running = asyncio.ensure_future(connection.execute(slow))
        await asyncio.sleep(0.2)

        await connection.cancel_safe()  # raises when the connection ends without a close_notify

        with pytest.raises(psycopg.errors.QueryCanceled):
            await running


# Limits


async def test_slow_strangers_are_cut_off() -> None:
    async with serving(limits={"authentication_seconds_max": 1, "sessions_max": 2}) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        started = time.monotonic()
        answer = await reader.read()
        assert time.monotonic() - started < 4
        assert b"57014" in answer
        writer.close()
        first = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        second = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        assert "53300" in await fatal(gate, token=gate.token())
        first.close()
        second.close()


async def test_idle_sessions_end() -> None:
    limits = {"idle_seconds_max": 1, "idle_in_transaction_seconds_max": 1}
    async with serving(limits=limits) as gate:
        idle = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        inside = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        await inside.converse([frontend.Query("BEGIN; SELECT count(*) FROM shop.items")])

        assert "57P05" in told(await idle.converse([]))[-1]
        assert "25P03" in told(await inside.converse([]))[-1]
        idle.close()
        inside.close()
