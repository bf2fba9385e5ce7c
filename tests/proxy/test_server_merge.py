"""Statements over several sources on a whole server, whose merge engine is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from copy import deepcopy

import psycopg
import yaml

from proxy.server import opened
from tests.live.gate import POLICY, Files, prepared

ITEMS = POLICY[POLICY.index("  shop.items:") :]
ARCHIVE = "version: 1\ntables:\n" + ITEMS.replace("shop.items", "archive.shop.items")
COUNT = "SELECT count(*) FROM shop.orders o JOIN shop.items i ON i.order_id = o.id"


def split(files: Files) -> None:
    """The items come from a second source, which may be the same database."""
    content = yaml.safe_load(files.configuration.read_text())
    content["sources"].append({**deepcopy(content["sources"][0]), "name": "archive"})
    content["policies"].append("archive.yaml")
    content["federation"] = {"directory": "merge"}
    files.configuration.write_text(yaml.safe_dump(content))
    (files.directory / "policy.yaml").write_text(POLICY.replace(ITEMS, ""))
    (files.directory / "archive.yaml").write_text(ARCHIVE)


async def counted(connection: psycopg.AsyncConnection, minimum: int) -> int:
    """The count; `minimum` makes each text another one."""
    rows = await connection.execute(f"{COUNT} AND i.id > {minimum}")
    row = await rows.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_dead_merge_engine_is_replaced() -> None:
    listen = {"port": 0, "workers": 1, "drain_seconds_max": 2}
    async with prepared(listen=listen) as files:
        split(files)
        async with opened(files.configuration) as server:
            dsn = files.gate(server.port).dsn()
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                assert await counted(connection, 0) == 2000
                assert server.merge is not None
                victim = server.merge.process_id
                assert victim is not None
                os.kill(victim, signal.SIGKILL)
                told = await survived(connection)
            assert told <= {"57P03"}
            assert server.merge.process_id not in (None, victim)


async def survived(connection: psycopg.AsyncConnection) -> set[str | None]:
    """What was told until it was there again."""
    told = set()
    for minimum in range(600):
        try:
            await counted(connection, minimum)
        except psycopg.Error as error:
            told.add(error.sqlstate)
        else:
            return told
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come back")
