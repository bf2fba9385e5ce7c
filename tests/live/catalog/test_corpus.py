"""Goal: what clients ask of the catalog is answered through the gate as a real Postgres answers.

Method: 443 statements seen on the wire, each asked of a running gate for a principal that sees
everything, and of a stock Postgres of the catalog server's version that holds the same visible
schema. Rows, columns and errors are compared. One of them names a function: the gate shows no
functions, so both say that it does not exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping

import pytest_asyncio

from proxy.catalog.shadow import MAJOR_NEW
from proxy.runtime.embedded import Cluster
from tests.live.catalog.asking import Reply, ask, oid_finder, without_oids
from tests.live.catalog.differences import DIFFERENCES, DIFFERENCES_OF_NEW, EQUAL, Difference
from tests.live.catalog.stage import COMPANY, Stage, reference, serving
from tests.live.wire import RawClient
from tests.proxy.catalog.conftest import DATABASE
from tests.proxy.catalog.queries import entries

OWN = (b"<public.", b"<hr.", b"<sales.")

Row = tuple[bytes | None, ...]


async def test_every_entry_is_answered_as_by_a_real_postgres(stage: Stage, real: Cluster) -> None:
    await compare(stage, real, DIFFERENCES)


@pytest_asyncio.fixture(loop_scope="session")
async def newer() -> AsyncIterator[tuple[Stage, Cluster]]:
    async with serving(COMPANY, MAJOR_NEW) as stage, reference(MAJOR_NEW) as real:
        yield stage, real


async def test_every_entry_is_answered_as_by_a_newer_postgres(
    newer: tuple[Stage, Cluster],
) -> None:
    await compare(*newer, DIFFERENCES | DIFFERENCES_OF_NEW)


async def compare(stage: Stage, real: Cluster, differences: Mapping[int, Difference]) -> None:
    gate = await stage.client("analyst")
    startup = {"user": "analyst", "database": DATABASE, "client_encoding": "UTF8"}
    direct = await RawClient.open(real.socket_path, startup)
    gate_oids, direct_oids = await oid_finder(gate), await oid_finder(direct)

    told: list[str] = []
    for entry in entries():
        one = await ask(gate, entry.with_oids(gate_oids))
        other = await ask(direct, entry.with_oids(direct_oids))
        allowed = differences.get(entry.number, EQUAL)
        problem = compared(one, gate_oids, other, direct_oids, allowed)
        if problem:
            told.append(f"{entry.number} {entry.client}: {problem}")
        elif allowed is not EQUAL and not compared(one, gate_oids, other, direct_oids, EQUAL):
            told.append(f"{entry.number} is listed as different and is not")
    gate.close()
    direct.close()

    print("\n".join(told))
    assert len(entries()) == 443
    assert told == []


def compared(
    one: Reply,
    one_oids: Callable[[str], int],
    other: Reply,
    other_oids: Callable[[str], int],
    allowed: Difference,
) -> str:
    """What is wrong with the gate's answer, "" for nothing."""
    if one.error != other.error:
        return f"{one.error or 'no error'} instead of {other.error or 'no error'}"
    names, other_names = names_of(one_oids), names_of(other_oids)
    shape = [(name, names.get(oid, oid), modifier) for name, oid, modifier in one.columns]
    wanted = [(name, other_names.get(oid, oid), modifier) for name, oid, modifier in other.columns]
    if shape != wanted:
        return f"columns {shape} instead of {wanted}"
    if allowed.is_shape:
        return ""
    rows = Counter(prepared(one, names, allowed))
    real_rows = Counter(prepared(other, other_names, allowed))
    if allowed.is_part:
        return f"rows {list(rows - real_rows)[:3]} are not real" if rows - real_rows else ""
    if rows != real_rows:
        return f"rows {list(rows - real_rows)[:3]} instead of {list(real_rows - rows)[:3]}"
    return ""


def names_of(oids: Callable[[str], int]) -> dict[int, str]:
    return {oid: name for name, oid in oids.known.items() if oid >= 16_384}  # type: ignore[attr-defined]


def prepared(reply: Reply, names: dict[int, str], allowed: Difference) -> list[Row]:
    rows: list[Row] = []
    for raw in reply.rows:
        row = tuple(without_oids(value, names) for value in raw)
        if any(value is not None and b"pgv_" in value for value in row):
            continue
        if allowed.is_own and not any(value and value.startswith(OWN) for value in row):
            continue
        rows.append(tuple(v for place, v in enumerate(row) if place not in allowed.columns))
    return rows
