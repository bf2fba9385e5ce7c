"""`describe` below the protocol: tables that cannot be read now, names that lead nowhere."""

from __future__ import annotations

from typing import Any

from policies.secret import Secret
from proxy.runtime.gate_address import GateAddress
from sidecars.mcp.arguments import DescribeArguments
from sidecars.mcp.describe import describe
from sidecars.mcp.gate import Caller, logged_in
from sidecars.mcp.limits import SAMPLE_ROWS
from sidecars.mcp.sizes import Sizes
from tests.live.gate import DATABASE, Gate


async def ask(gate: Gate, token: str, **arguments: object) -> dict[str, Any]:
    caller = Caller(Secret(token), "alice")
    address = GateAddress("127.0.0.1", gate.port, DATABASE)
    asked = DescribeArguments.model_validate(arguments)
    async with logged_in(address, caller, statement_ms_max=10_000) as session:
        return await describe(session, caller, asked, Sizes())


async def test_a_table_and_its_masks(shop: Gate) -> None:
    answer = await ask(shop, shop.token(), tables=["orders", "shop.orders", "shop.secrets"])

    (first, *_) = answer["tables"]
    masked = {one["name"]: one["masked"] for one in first["columns"] if "masked" in one}
    assert masked == {"note": "withheld"}
    assert first["visible_rows"] == 1_000
    assert len(first["sample_rows"]) == SAMPLE_ROWS
    assert {row[3] for row in first["sample_rows"]} == {"[withheld]"}
    assert [one["name"] for one in answer["tables_that_do_not_exist"]] == ["shop.secrets"]


async def test_a_missing_claim_is_told_beside_the_columns(shop: Gate) -> None:
    token = shop.changed_token({"regions": None})
    (table,) = (await ask(shop, token, tables=["shop.orders"]))["tables"]

    assert table["columns"]
    assert table["not_readable_now"]["sqlstate"] == "42501"


async def test_nobody_without_a_role_sees_a_table(shop: Gate) -> None:
    answer = await ask(shop, shop.token(roles=()))

    assert answer["tables"] == []
    assert "no table at all" in answer["advice"]
