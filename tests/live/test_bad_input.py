"""Bad input and broken surroundings, against a running gate: one clear answer, a record, and nobody
else disturbed (I11).

What a client sends before it is let in stands in `test_door`, what it is refused afterwards in
`test_refusals`, bad files at the start in `tests/proxy/test_server` and `test_worker`.
"""

from __future__ import annotations

import asyncio
import resource
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from proxy.catalog.shadow import shadow_cluster
from proxy.runtime.audit import records, verify
from proxy.runtime.config import load
from proxy.server import opened as server_opened
from proxy.wire import backend
from proxy.wire.frontend import Query
from proxy.worker import Post, opened
from tests.live.gate import DATABASE, GATE_PASSWORD, Gate, policy_set, prepared
from tests.live.wire import RawClient, told

COUNT = "SELECT count(*) FROM shop.orders"
ATTEMPTS_MAX = 200
STARTUP = {"user": "alice", "database": DATABASE}


def message(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    return kind + struct.pack(">i", len(body) + 4 if length is None else length) + body


HOSTILE = {
    "an unknown type": (message(b"z", b""), "08P01"),
    "a server's message": (message(b"T", b"\0\0"), "08P01"),
    "a fast-path call": (message(b"F", b"\0" * 12), "0A000"),
    "a negative length": (message(b"Q", b"", -1), "08P01"),
    "a length below its own": (message(b"Q", b"", 3), "08P01"),
    "two gigabytes announced": (message(b"Q", b"", 2**31 - 1), "08P01"),
    "a query without an end": (message(b"Q", b"SELECT 1"), "08P01"),
    "a query that is not UTF-8": (message(b"Q", b"SELECT '\xff'\0"), "22021"),
    "a NUL inside a query": (message(b"Q", b"SELECT\0 1\0"), "08P01"),
    "copy data out of nowhere": (message(b"d", b"x"), "08P01"),
    "a second password": (message(b"p", b"x\0"), "08P01"),
    "a bind that counts wrongly": (
        message(b"B", b"\0\0\x7f\xff") + message(b"S", b""),
        "08P01",
    ),
    "a text of a megabyte": (message(b"Q", b"SELECT " + b"1," * 600_000 + b"1\0"), "54000"),
    "parentheses without end": (message(b"Q", b"SELECT " + b"(" * 20_000 + b"\0"), "54001"),
    "nothing but bytes": (bytes(range(256)) * 8, "08P01"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bytes_get_one_answer_and_a_record(gate: Gate, name: str) -> None:
    data, sqlstate = HOSTILE[name]
    neighbour = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
    client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
    (key,) = (m for m in client.greeting if isinstance(m, backend.BackendKeyData))
    errors = [
        one for one in await client.converse([data]) if isinstance(one, backend.ErrorResponse)
    ]
    client.close()

    assert [one.sqlstate for one in errors] == [sqlstate]
    rows = [line for line in told(await neighbour.converse([Query(COUNT)])) if "DataRow" in line]
    assert rows == ["DataRow (b'1000',)"]
    neighbour.close()
    assert await is_recorded(gate, str(key.process_id), sqlstate, errors[0].message)


async def is_recorded(gate: Gate, session: str, sqlstate: str, words: str) -> bool:
    """Whether a refusal of the session, or its end, tells what the client was told."""
    for _ in range(ATTEMPTS_MAX):
        for one in records(gate.directory / "audit"):
            if one.facts.get("actor", {}).get("session", {}).get("uid") != session:
                continue
            if one.phase == "refusal" and one.facts["status_code"] == sqlstate:
                return True
            if one.phase == "session_closed" and words in one.facts["status_detail"]:
                return True
        await asyncio.sleep(0.05)
    return False


# Surroundings


async def ask(gate: Gate, sql: str = COUNT) -> str:
    """`rows`, or the SQLSTATE of the refusal; its text where nobody was let in."""
    try:
        async with await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True) as connection:
            await (await connection.execute(sql)).fetchall()
    except psycopg.Error as error:
        return str(error.sqlstate or error)
    return "rows"


async def until(gate: Gate, expected: str, sql: str = COUNT) -> set[str]:
    """What was answered before `expected` was."""
    before: set[str] = set()
    for _ in range(ATTEMPTS_MAX):
        found = await ask(gate, sql)
        if found == expected:
            return before
        before.add(found)
        await asyncio.sleep(0.1)
    raise AssertionError(f"it was never answered with {expected}, but {before}")


@dataclass
class Surroundings:
    """A gate that reaches its source by a link, and the files it reads."""

    gate: Gate
    link: Path


@asynccontextmanager
async def surroundings(*, password: str = GATE_PASSWORD) -> AsyncIterator[Surroundings]:
    async with prepared() as files, shadow_cluster(files.directory / "shadow") as shadow:
        link = files.directory / "s"
        link.symlink_to(files.source.socket_directory)
        text = files.configuration.read_text()
        files.configuration.write_text(text.replace(str(files.source.socket_directory), str(link)))
        (files.directory / "password").write_text(password)
        post = Post(0, shadow, files.directory / "post")
        async with opened(load(files.configuration), post, lambda _: (policy_set(), ())) as worker:
            gate = files.gate(worker.port)
            gate.started = worker
            yield Surroundings(gate, link)


async def test_a_source_that_goes_away_and_comes_back() -> None:
    async with surroundings() as found:
        connection = await psycopg.AsyncConnection.connect(found.gate.dsn(), autocommit=True)
        assert (await (await connection.execute(COUNT)).fetchall()) == [(1000,)]
        await found.gate.source.stop()
        found.link.unlink()
        with pytest.raises(psycopg.OperationalError) as caught:
            await connection.execute(COUNT)
        assert caught.value.sqlstate == "08006"
        told_of = await (await connection.execute("SELECT 1 FROM pg_class LIMIT 1")).fetchall()
        assert told_of == [(1,)], "the catalog does not need the source"

        await found.gate.source.start()
        found.link.symlink_to(found.gate.source.socket_directory)
        assert await until(found.gate, "rows") <= {"08006"}
        assert (await (await connection.execute(COUNT)).fetchall()) == [(1000,)]
        await connection.close()
        outcomes = [
            one.facts.get("status_code")
            for one in records(found.gate.directory / "audit")
            if one.phase == "outcome"
        ]
    assert outcomes[0] is None
    assert outcomes[1] == "08006"
    assert outcomes[-1] is None


async def test_a_wrong_password_at_the_source_is_mended_without_a_restart() -> None:
    async with surroundings(password="wrong") as found:
        assert await ask(found.gate, "SELECT 1") != "rows"
        (found.gate.directory / "password").write_text(GATE_PASSWORD)
        await found.gate.worker.upkeep.reload_catalogs()
        before = await until(found.gate, "rows")
        written = b"".join(
            path.read_bytes()
            for path in (found.gate.directory / "audit").rglob("*")
            if path.is_file()
        )

    assert before <= {"08006", "42P01"}
    assert GATE_PASSWORD.encode() not in written


async def test_a_full_disk_refuses_work_and_recovers_without_a_restart() -> None:
    listen = {"port": 0, "workers": 1, "drain_seconds_max": 2}
    async with prepared(listen=listen) as files, server_opened(files.configuration) as server:
        gate, worker = files.gate(server.port), server.workers[0].process_id
        connection = await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True)
        assert (await (await connection.execute(COUNT)).fetchall()) == [(1000,)]
        size = max(path.stat().st_size for path in (files.directory / "audit").rglob("*.log"))
        soft, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        # A file that may not grow is a full disk of one's own.
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (size + 50, hard))
        try:
            for sql in (COUNT, "SELECT * FROM shop.secrets", "SELECT 1"):
                with pytest.raises(psycopg.Error) as caught:
                    await connection.execute(sql)
                assert caught.value.sqlstate == "53100", sql
            # What needs no record goes on: a transaction can be left.
            await connection.execute("ROLLBACK")
        finally:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (soft, hard))
        assert all("disk is full" in told for told in await until(gate, "rows"))
        assert (await (await connection.execute(COUNT)).fetchall()) == [(1000,)]
        assert server.workers[0].process_id == worker
        await connection.close()
        report = verify(files.directory / "audit")
        phases = [one.phase for one in records(files.directory / "audit")]

    assert report.is_intact
    assert "recovery" in phases
