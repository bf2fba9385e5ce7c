"""GRANTs and row-level security of a real server, read back."""

from __future__ import annotations

import asyncpg
import pytest

from proxy.catalog.introspect import introspect
from proxy.commands.right import Grant, Rights, RowPolicy, read_rights
from tests.proxy.commands.conftest import Workplace


@pytest.fixture
async def rights(workplace: Workplace) -> dict[str, Rights]:
    connection = await asyncpg.connect(workplace.dsn)
    try:
        catalog = await introspect(connection, "shop")
        found = await read_rights(connection, list(catalog.relations.values()))
    finally:
        await connection.close()
    return {
        relation.name: found[relation.oid]
        for relation in catalog.relations.values()
        if relation.oid in found
    }


async def test_grants_of_whole_tables_and_of_columns(rights: dict[str, Rights]) -> None:
    assert rights["sales"].grants == (Grant("shop_gate"),)
    assert rights["people"].grants == (Grant("PUBLIC", ("id", "salary")),)
    assert not rights["sales"].has_row_security


async def test_row_level_security(rights: dict[str, Rights]) -> None:
    orders = rights["orders"]
    assert orders.has_row_security
    assert orders.is_forced
    permissive, restrictive = orders.row_policies
    assert permissive == RowPolicy(
        "everything", ("shop_gate",), "((region <> 'hidden'::text) OR (id = 0))"
    )
    assert restrictive == RowPolicy(
        "small", ("PUBLIC",), "(amount < (1000)::numeric)", is_permissive=False
    )


async def test_what_has_no_rights_is_left_out(rights: dict[str, Rights]) -> None:
    assert "credentials" not in rights


async def test_security_without_a_policy(workplace: Workplace) -> None:
    connection = await asyncpg.connect(workplace.dsn)
    try:
        await connection.execute("CREATE SCHEMA closed; CREATE TABLE closed.box (id int)")
        await connection.execute("ALTER TABLE closed.box ENABLE ROW LEVEL SECURITY")
        (relation,) = (await introspect(connection, "shop", ["closed"])).relations.values()
        found = await read_rights(connection, [relation])
        assert found[relation.oid] == Rights(has_row_security=True)
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS closed CASCADE")
        await connection.close()
