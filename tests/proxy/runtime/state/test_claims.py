"""Claims that the operator keeps."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
import pytest

from proxy.runtime.state import claims
from proxy.runtime.state.database import StateDatabase


async def test_set_read_replaced_forgotten(
    connection: asyncpg.Connection, state: StateDatabase
) -> None:
    await claims.put(connection, "alice", "tier", '"gold"', by="operator")
    await claims.put(connection, "alice", "limit", "1.10", by="operator")
    await claims.put(connection, "bob", "tier", '"iron"', by="operator")
    await claims.put(connection, "alice", "tier", '["a", "b"]', by="another")

    found = await claims.fetch(state, "alice", ["tier", "limit", "none"])
    assert found == {"tier": ["a", "b"], "limit": Decimal("1.10")}
    listed = await claims.listed(connection, "alice")
    assert [(one.name, one.value, one.set_by) for one in listed] == [
        ("limit", "1.10", "operator"),
        ("tier", '["a", "b"]', "another"),
    ]
    assert await claims.remove(connection, "alice", "tier")
    assert not await claims.remove(connection, "alice", "tier")
    assert await claims.fetch(state, "alice", ["tier"]) == {}
    assert len(await claims.listed(connection)) == 2


@pytest.mark.parametrize("value", ["gold", "", "{", '"' + "x" * 70_000 + '"'])
async def test_what_cannot_be_kept(connection: asyncpg.Connection, value: str) -> None:
    with pytest.raises(ValueError):
        await claims.put(connection, "alice", "tier", value, by="operator")
    assert await claims.listed(connection) == []
