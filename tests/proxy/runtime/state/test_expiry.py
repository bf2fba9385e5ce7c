"""Logins that are valid and those that end soon, as a state database has them."""

from __future__ import annotations

import asyncpg

from proxy.runtime.state import register
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.expiry import ExpiryCount, LoginCount
from proxy.runtime.state.login import Kind
from tests.proxy.runtime.state.conftest import Recorded, new_login


async def test_only_what_is_valid_counts(
    state: StateDatabase, connection: asyncpg.Connection, recorded: Recorded
) -> None:
    found = ExpiryCount(state)
    assert found.by_kind == {}
    for name, days in (("soon", 3), ("late", 30), ("gone", 3)):
        await register.create(connection, new_login(name, days=days), recorded)
    await register.create(connection, new_login("job", Kind.SERVICE, days=30), recorded)
    await register.revoke(connection, Kind.TOKEN, "gone", by="test", record=recorded)
    await found.count()
    assert found.by_kind == {"token": LoginCount(2, 1), "service": LoginCount(1, 0)}
