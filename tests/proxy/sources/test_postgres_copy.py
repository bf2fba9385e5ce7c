"""COPY TO STDOUT: the same bytes as the server gives, limits, errors, giving up."""

from __future__ import annotations

import asyncio

import pytest

from policies.claims import ClaimType
from proxy.faults import InternalFault, SourceFault
from proxy.sources.base import CopyStream
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sql.claim import ClaimSlot
from tests.proxy.sources.live import fragment, numbers_of, series, upto
from tests.servers.postgres import Server

QUERY = "SELECT g, 'a,\"b' FROM pg_catalog.generate_series(1, 3) AS g"
LONG = "COPY (SELECT g FROM pg_catalog.generate_series(1, 10000000) AS g) TO STDOUT"


async def bytes_of(stream: CopyStream) -> bytes:
    return b"".join([part async for batch in stream for part in batch.portions()])


@pytest.mark.parametrize("options", ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"])
async def test_the_bytes_are_the_servers(
    connection: PostgresConnection, postgres_server: Server, options: str
) -> None:
    sql = f"COPY ({QUERY}) TO STDOUT {options}"
    with postgres_server.connect() as direct, direct.cursor() as cursor, cursor.copy(sql) as copy:
        expected = b"".join(bytes(part) for part in copy)
    stream = await connection.copy_out(fragment(sql))
    assert await bytes_of(stream) == expected
    assert stream.header.format == (1 if "binary" in options else 0)
    assert stream.header.column_formats == (stream.header.format,) * 2
    assert (stream.command_tag, stream.truncated) == ("COPY 3", False)
    assert connection.status == b"I"


@pytest.mark.parametrize("is_explicit", [False, True])
async def test_limits(connection: PostgresConnection, is_explicit: bool) -> None:
    sql = LONG.replace("10000000", "300000")
    if is_explicit:
        await connection.begin()
    stream = await connection.copy_out(fragment(sql, row_limit=2))
    assert await bytes_of(stream) == b"1\n2\n"
    assert (stream.truncated, stream.command_tag) == (True, "COPY 2")
    stream = await connection.copy_out(fragment(sql, byte_limit=7 * 3 + 2))
    assert await bytes_of(stream) == b"1\n2\n3\n"
    assert stream.byte_count == 21
    assert connection.status == (b"T" if is_explicit else b"I")
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_errors_at_the_start_and_in_the_middle(connection: PostgresConnection) -> None:
    with pytest.raises(SourceFault) as caught:
        await connection.copy_out(fragment("COPY (SELECT 1 FROM absent) TO STDOUT"))
    assert caught.value.sqlstate == "42P01"
    middle = "COPY (SELECT 1 / (g - 2) FROM pg_catalog.generate_series(1, 3) AS g) TO STDOUT"
    with pytest.raises(SourceFault) as caught:
        await bytes_of(await connection.copy_out(fragment(middle)))
    assert caught.value.sqlstate == "22012"
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_giving_up_is_quick(connection: PostgresConnection) -> None:
    stream = await connection.copy_out(fragment(LONG))
    await anext(stream)
    async with asyncio.timeout(5):
        await stream.aclose()
    assert await numbers_of(await connection.execute(series(), upto(1))) == [1]


async def test_parameters_are_refused(connection: PostgresConnection) -> None:
    slot = ClaimSlot("name", "text", ClaimType.parse("text").oid)
    asked = fragment("COPY (SELECT $1) TO STDOUT", claim_slots=(slot,), claim_values=("x",))
    with pytest.raises(InternalFault):
        await connection.copy_out(asked)


async def test_what_is_no_copy_breaks_the_connection(connection: PostgresConnection) -> None:
    with pytest.raises(SourceFault):
        await connection.copy_out(fragment("SELECT 1"))
    assert not connection.is_usable
