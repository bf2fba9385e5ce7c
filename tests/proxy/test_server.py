"""The server as an operator meets it: processes, signals, refusals to start."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from proxy.runtime.config import ConfigurationError
from proxy.server import Server, opened
from proxy.upkeep import StartRefused
from tests.live.gate import POLICY, Files, Gate, prepared


@dataclass
class Running:
    """Two workers behind one port."""

    files: Files
    server: Server
    gate: Gate


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running() -> AsyncIterator[Running]:
    listen = {"port": 0, "workers": 2, "drain_seconds_max": 2}
    metrics = {"port": 0}
    async with (
        prepared(listen=listen, metrics=metrics) as files,
        opened(files.configuration) as server,
    ):
        yield Running(files, server, files.gate(server.port))


async def connect(gate: Gate) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True)


async def rows(connection: psycopg.AsyncConnection, sql: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(sql)).fetchall()


async def test_both_workers_serve_one_port(running: Running) -> None:
    connections = [await connect(running.gate) for _ in range(12)]
    # The upper bits of a session's process id name its worker.
    workers = {connection.info.backend_pid >> 24 for connection in connections}

    assert workers == {0, 1}
    for connection in connections:
        assert await rows(connection, "SELECT count(*) FROM shop.orders") == [(1000,)]
        await connection.close()


async def test_a_cancel_finds_its_worker(running: Running) -> None:
    slow = "SELECT count(*) FROM shop.items a, shop.items b, shop.items c WHERE a.id * b.id < c.id"
    for _ in range(6):  # each cancel arrives at either worker
        connection = await connect(running.gate)
        statement = asyncio.ensure_future(connection.execute(slow))
        await asyncio.sleep(0.2)
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await statement
        await connection.close()


async def asked(running: Running, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{running.server.endpoint_port}{path}"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return answer.status, await answer.text()


async def test_operators_are_told_of_all_workers(running: Running) -> None:
    connections = [await connect(running.gate) for _ in range(12)]
    for connection in connections:
        await rows(connection, "SELECT 1")
    _, text = await asked(running, "/metrics")
    for connection in connections:
        await connection.close()

    assert "sallyport_workers 2\n" in text
    assert "sallyport_sessions 12\n" in text
    assert await asked(running, "/health") == (200, "ok\n")
    status, told = await asked(running, "/ready")
    assert (status, json.loads(told)["sources"]) == (200, {"main": "up"})


async def test_a_dead_worker_is_replaced(running: Running) -> None:
    victim = running.server.workers[0].process_id
    os.kill(victim, signal.SIGKILL)

    for _ in range(200):
        if running.server.workers[0].process_id != victim:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    for _ in range(6):
        connection = await connect(running.gate)
        assert await rows(connection, "SELECT 1") == [(1,)]
        await connection.close()
    # Counters of the dead stay, as they were last told.
    _, text = await asked(running, "/metrics")
    assert "sallyport_worker_restarts_total 1\n" in text
    told = re.search(r"^sallyport_sessions_opened_total (\d+)$", text, re.MULTILINE)
    assert told is not None
    assert int(told[1]) >= 12 + 6


async def test_a_dead_catalog_server_is_replaced(running: Running) -> None:
    connection = await connect(running.gate)
    assert await rows(connection, "SELECT count(*) FROM pg_class WHERE relname = 'items'") == [(1,)]
    victim = running.server.shadow.process_id
    assert victim is not None
    os.kill(victim, signal.SIGKILL)

    told = set()
    for number in range(300):
        try:
            # Never asked before, so that nobody remembers the answer.
            found = await rows(connection, f"SELECT count(*) AS n{number} FROM shop.items")
        except psycopg.Error as error:
            told.add(error.sqlstate)
        else:
            assert found == [(6000,)]
            if running.server.shadow.process_id not in (None, victim):
                break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("it did not come back")
    assert told == {"57P03"}
    assert await rows(connection, "SELECT count(*) FROM pg_class WHERE relname = 'items'") == [(1,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        await connection.execute("SELECT * FROM shop.secrets")
    await connection.close()


async def test_reload_reaches_every_worker(running: Running) -> None:
    changed = POLICY.replace("note: {mask: withheld}", "note: {}").replace("unmask: [note]", "")
    policy = running.files.directory / "policy.yaml"
    before = policy.stat()
    policy.write_text(changed)
    os.utime(policy, ns=(before.st_atime_ns, before.st_mtime_ns))
    running.server.reload()
    await asyncio.sleep(2)
    try:
        for _ in range(6):
            connection = await connect(running.gate)
            found = await rows(connection, "SELECT note FROM shop.orders WHERE id = 3")
            assert found == [("note 3",)]
            await connection.close()
    finally:
        policy.write_text(POLICY)


# Refusals to start


async def refusal(files: Files) -> str:
    with pytest.raises((StartRefused, ConfigurationError)) as caught:
        async with opened(files.configuration):
            raise AssertionError("it started")
    return str(caught.value)


@pytest.mark.parametrize(
    ("grant", "word"),
    [
        ("ALTER ROLE gate SUPERUSER", "superuser"),
        ("ALTER ROLE gate BYPASSRLS", "BYPASSRLS"),
        ("ALTER TABLE shop.orders OWNER TO gate", "owns shop.orders"),
    ],
)
async def test_a_mighty_role_is_refused(running: Running, grant: str, word: str) -> None:
    admin = await running.files.source.connect("shop")
    await admin.execute(grant)
    try:
        assert word in await refusal(_elsewhere(running.files))
    finally:
        await admin.execute("ALTER ROLE gate NOSUPERUSER NOBYPASSRLS")
        await admin.execute("ALTER TABLE shop.orders OWNER TO postgres")
        await admin.close()


@pytest.mark.parametrize(
    ("policy", "word"),
    [
        ("", "policy"),
        ("version: 1\n", "policy"),
        (POLICY.replace("shop.orders", "shop.order").replace("shop.items", "shop.item"), "shop"),
        (POLICY.replace("columns: {id: {}", "columns: {ident: {}"), "ident"),
        (POLICY.replace("- grant: items", "- grunt: items"), "other.yaml:32"),
    ],
)
async def test_no_policy_no_gate(running: Running, policy: str, word: str) -> None:
    files = _elsewhere(running.files)
    (files.directory / "other.yaml").write_text(policy)

    assert word in await refusal(files)


def _elsewhere(files: Files) -> Files:
    """The same source with a configuration and an audit log of its own."""
    text = files.configuration.read_text()
    changed = text.replace("directory: audit", "directory: audit2")
    (files.directory / "other.yaml").write_text(POLICY)
    path = files.directory / "other-configuration.yaml"
    path.write_text(changed.replace("- policy.yaml", "- other.yaml"))
    return Files(files.directory, path, files.source, files.key)


async def test_no_identity_provider_no_gate(running: Running) -> None:
    files = _elsewhere(running.files)
    text = files.configuration.read_text()
    files.configuration.write_text(text.replace("issuer:", "isuer:"))

    assert "issuer" in await refusal(files)
