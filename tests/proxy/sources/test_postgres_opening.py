"""The messages of an opening, and the answers they are owed, without a server."""

from __future__ import annotations

import asyncio

import pytest

from policies.claims import ClaimType
from proxy.faults import InternalFault, LimitFault
from proxy.sources.base import Arguments
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_channel import Channel
from proxy.sources.postgres_login import Session
from proxy.sources.postgres_opening import Opening
from proxy.sources.postgres_options import Address, PostgresOptions
from proxy.sources.postgres_pins import ParameterWatch
from proxy.sql.claim import ClaimSlot
from proxy.sql.plan import Fragment
from proxy.wire.frontend import Bind, Describe, Parse
from tests.proxy.sources.live import INTEGER_OID, fragment


def backend(statements_cached_max: int = 10) -> PostgresBackend:
    options = PostgresOptions(
        "main",
        (Address("db"),),
        "app",
        "reader",
        statements_cached_max=statements_cached_max,
    )
    return PostgresBackend(
        Channel(),
        Session(1, b"keys", 160_000),
        options,
        address=Address("db"),
        context=None,
        watch=ParameterWatch(is_strict=True),
        server_name="db",
    )


def answers(opened: Opening) -> list[str]:
    return [answer.__name__ for answer in opened.answers]


async def test_the_first_use_parses_and_describes() -> None:
    opened = Opening(backend(), fragment("SELECT $1", INTEGER_OID), Arguments((b"7",)), (1,), "p")
    expected = (
        Parse("s1", "SELECT $1", (INTEGER_OID,)).encode()
        + Bind("p", "s1", (), (b"7",), (1,)).encode()
        + Describe(b"P", "p").encode()
    )
    assert opened.payload == expected
    assert answers(opened) == ["ParseComplete", "BindComplete", "RowDescription"]


async def test_later_uses_only_bind() -> None:
    mine = backend()
    asked = fragment("SELECT 1")
    first = Opening(mine, asked, Arguments(), (), "")
    first.portal.statement.is_parsed = True
    first.portal.statement.describe(None, ())
    again = Opening(mine, asked, Arguments(), (), "")
    assert answers(again) == ["BindComplete"]
    other_format = Opening(mine, asked, Arguments(), (1,), "")
    assert answers(other_format) == ["BindComplete", "RowDescription"]


async def test_what_the_cache_drops_is_closed_first() -> None:
    mine = backend(statements_cached_max=1)
    Opening(mine, fragment("SELECT 1"), Arguments(), (), "").portal.statement.is_parsed = True
    opened = Opening(mine, fragment("SELECT 2"), Arguments(), (), "")
    assert answers(opened)[0] == "CloseComplete"
    assert opened.payload.startswith(b"C\0\0\0\x08Ss1\0")


CLAIMS: list[tuple[Arguments, tuple[int, ...]]] = [
    (Arguments((b"a", b"b")), (0, 0, 0)),
    (Arguments((b"a", b"b"), (1,)), (1, 1, 0)),
    (Arguments((b"a", b"b"), (0, 1)), (0, 1, 0)),
]


@pytest.mark.parametrize(("arguments", "formats"), CLAIMS)
async def test_claims_come_last_and_in_text(arguments: Arguments, formats: tuple[int, ...]) -> None:
    slot = ClaimSlot("regions", "text[]", ClaimType.parse("text[]").oid)
    asked = fragment("SELECT $3", 25, 25, claim_slots=(slot,), claim_values=(("emea", '"'),))
    opened = Opening(backend(), asked, arguments, (), "")
    bind = Bind("", "s1", formats, (b"a", b"b", b'{"emea","\\""}'), ()).encode()
    assert bind in opened.payload
    assert Parse("s1", "SELECT $3", (25, 25, slot.type_oid)).encode() in opened.payload


@pytest.mark.parametrize(
    "asked",
    [
        fragment("SELECT $1", INTEGER_OID),
        fragment("SELECT 1"),
    ],
)
async def test_numbers_must_agree(asked: Fragment) -> None:
    values = (b"1",) * (2 if asked.parameter_oids else 1)
    with pytest.raises(InternalFault):
        Opening(backend(), asked, Arguments(values), (), "")


async def test_too_many_parameters() -> None:
    with pytest.raises(LimitFault):
        Opening(backend(), fragment("SELECT 1"), Arguments((b"",) * 65_536), (), "")


async def test_limits_travel_to_the_portal() -> None:
    opened = Opening(backend(), fragment("", row_limit=3, byte_limit=4), Arguments(), (), "")
    assert (opened.portal.row_limit, opened.portal.byte_limit) == (3, 4)
    await asyncio.sleep(0)
