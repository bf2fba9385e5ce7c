"""Logging in at the gate: with the caller's token, and with nothing else."""

from __future__ import annotations

import asyncpg
import pytest

from policies.secret import Secret
from proxy.runtime.gate_address import GateAddress
from proxy.runtime.trace_parent import TraceParent
from sidecars.mcp.gate import APPLICATION_NAME, Caller, GateUnreachable, logged_in, subject_of
from tests.live.gate import DATABASE, Gate


def address(gate: Gate) -> GateAddress:
    return GateAddress("127.0.0.1", gate.port, DATABASE)


async def test_settings_of_the_session(shop: Gate) -> None:
    caller = Caller(Secret(shop.token()), "alice", trace=TraceParent("ab" * 16, "cd" * 8))
    async with logged_in(address(shop), caller, statement_ms_max=4_000) as session:
        shown = [
            await session.connection.fetchval(f"SHOW {name}")
            for name in ("application_name", "statement_timeout", "sallyport.trace")
        ]

    assert shown == [APPLICATION_NAME, "4s", f"00-{'ab' * 16}-{'cd' * 8}-01"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_without_a_good_token_nobody_gets_in(shop: Gate, token: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with logged_in(address(shop), Caller(Secret(token), "alice"), statement_ms_max=1_000):
            pass

    assert caught.value.sqlstate in ("28P01", "28000")


async def test_an_address_where_nobody_answers(shop: Gate) -> None:
    with pytest.raises(GateUnreachable):
        async with logged_in(
            GateAddress("127.0.0.1", 1, "shop"), Caller(Secret("x"), "a"), statement_ms_max=1_000
        ):
            pass


async def test_whatever_goes_wrong_the_connection_ends(shop: Gate) -> None:
    kept = []

    async def fail() -> None:
        caller = Caller(Secret(shop.token()), "alice")
        async with logged_in(address(shop), caller, statement_ms_max=1_000) as session:
            kept.append(session.connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert kept[0].is_closed()


def test_a_caller_does_not_print_its_token(shop: Gate) -> None:
    token = shop.token()
    caller = Caller(Secret(token), "alice")
    other = Caller(Secret(shop.token("bob")), "bob")

    assert token[:20] not in repr(caller)
    assert caller.fingerprint != other.fingerprint
    assert token not in caller.fingerprint


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.W10.c", "a.e30.c", "a.eyJzdWIiOjV9.c"])
def test_an_unreadable_token_names_nobody(token: str) -> None:
    assert subject_of(Secret(token)) == "agent"


def test_the_subject_is_read(shop: Gate) -> None:
    assert subject_of(Secret(shop.token("bob"))) == "bob"
