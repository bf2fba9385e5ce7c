"""Claims from a table: what rows become, and that every failure is a missing claim and no value in
a log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from policies.claims import CLAIM_ELEMENTS_MAX, ClaimType, ClaimValue
from policies.identity import ClaimLookup, ClaimSource, Identity
from proxy.faults import SourceFault
from proxy.lookup import LOOKUP_BYTES_MAX, ClaimLookups
from proxy.runtime.state import claims as stored_claims
from proxy.runtime.state.database import opened, prepare
from proxy.runtime.state.place import StatePlace
from proxy.sources.base import Arguments
from proxy.sql.plan import Fragment
from proxy.wire.batch import RowBatch
from tests.proxy import doubles
from tests.servers import postgres

IDENTITY = Identity.create(
    subject="alice", issuer="i", roles=frozenset(), claims={"home": 7}, expires_at=1.0
)
TYPES = {"home": ClaimType.parse("bigint")}


class Stream(doubles.Stream):
    def __init__(self, rows: list[str], log: list[str]) -> None:
        super().__init__([], log, "", [])
        self._texts = rows

    async def __anext__(self) -> RowBatch:
        if not self._texts:
            raise StopAsyncIteration
        taken, self._texts = self._texts, []
        return RowBatch.of([(text.encode(),) for text in taken])


class Connection(doubles.Connection):
    """Answers with given JSON texts, or hangs, and keeps the fragment."""

    answer: list[str]
    is_cut = False
    hangs = False
    fragment: Fragment | None = None

    async def execute(self, fragment: Fragment, arguments: Arguments, *_: object) -> Stream:  # type: ignore[override]
        self._do("execute")
        self.fragment = fragment
        if self.hangs:
            await asyncio.sleep(60)
        stream = Stream(list(self.answer), self.log)
        stream.truncated = self.is_cut
        return stream


class Source(doubles.Source):
    def __init__(self, *answer: str) -> None:
        super().__init__()
        self.connection = Connection(self.log)
        self.connection.answer = list(answer)

    async def acquire(self, pins: Mapping[str, str]) -> Connection:
        assert not pins
        return self.connection


def declared(type_: str, *parameters: str, source: str = "main") -> dict[str, ClaimSource]:
    lookup = ClaimLookup(source, "SELECT c FROM t WHERE k = $1", parameters or ("subject",))
    return {"c": ClaimSource(ClaimType.parse(type_), lookup=lookup)}


async def fetch(source: Source, wanted: dict[str, ClaimSource]) -> Mapping[str, ClaimValue]:
    lookups = ClaimLookups({"main": source}, lambda: TYPES, seconds_max=0.1)  # type: ignore[dict-item]
    found = await lookups(IDENTITY, wanted)
    await asyncio.sleep(0)  # the connection is given back beside the caller
    return found


@pytest.mark.parametrize(
    ("type_", "rows", "value"),
    [
        ("bigint", ['{"c": 9007199254740993}'], 9007199254740993),
        ("text", ['{"c": "x"}'], "x"),
        ("numeric", ['{"c": 0.1}'], Decimal("0.1")),
        ("boolean", ['{"c": false}'], False),
        ("text[]", ['{"c": "a"}', '{"c": "b"}'], ("a", "b")),
        ("text[]", ['{"c": "a"}'], ("a",)),
        ("text[]", ['{"c": ["a", "b"]}'], ("a", "b")),
        ("text[]", ['{"c": []}'], ()),
    ],
)
async def test_rows_become_a_claim(type_: str, rows: list[str], value: ClaimValue) -> None:
    assert await fetch(Source(*rows), declared(type_)) == {"c": value}


@pytest.mark.parametrize(
    ("type_", "rows"),
    [("bigint", []), ("text[]", []), ("bigint", ['{"c": null}']), ("text", ['{"c": ""}'])],
)
async def test_no_row_and_no_value_are_a_missing_claim(type_: str, rows: list[str]) -> None:
    with capture_logs() as logs:
        assert await fetch(Source(*rows), declared(type_)) == {}
    assert logs == []


@pytest.mark.parametrize(
    ("type_", "rows"),
    [
        ("bigint", ['{"c": "hush"}']),
        ("text", ['{"c": {"a": "hush"}}']),
        ("text", ['{"c": "hush", "d": 1}']),
        ("text[]", ['{"c": "hush"}', '{"c": null}']),
        ("text[]", ['{"c": ["hush"]}', '{"c": ["hush"]}']),
        ("text", ["hush"]),
    ],
)
async def test_what_does_not_fit_is_missing_and_in_no_log(type_: str, rows: list[str]) -> None:
    with capture_logs() as logs:
        assert await fetch(Source(*rows), declared(type_)) == {}
    assert [(one["claim"], one["source"]) for one in logs] == [("c", "main")]
    assert "hush" not in str(logs)


async def test_a_failing_source_leaves_the_claim_missing() -> None:
    source = Source('{"c": "x"}')
    source.connection.fault = SourceFault("no such value: hush", sqlstate="22012")
    with capture_logs() as logs:
        assert await fetch(source, declared("text")) == {}
        assert await fetch(Source(), declared("text", source="other")) == {}

    assert [one["reason"] for one in logs] == ["SQLSTATE 22012", "SQLSTATE 08006"]
    assert "hush" not in str(logs)


async def test_a_slow_source_is_not_waited_for() -> None:
    source = Source('{"c": "x"}')
    source.connection.hangs = True
    with capture_logs() as logs:
        assert await fetch(source, declared("text")) == {}

    assert logs[0]["reason"] == "timeout"
    assert source.log[-1] == "give back"


async def test_part_of_an_answer_is_none() -> None:
    source = Source('{"c": "x"}')
    source.connection.is_cut = True
    with capture_logs() as logs:
        assert await fetch(source, declared("text")) == {}
    assert logs[0]["reason"] == "SQLSTATE 54000"


async def test_one_lookup_that_fails_spoils_no_other() -> None:
    bad = ClaimLookup("main", "DELETE FROM t", ())
    wanted = {"bad": ClaimSource(ClaimType.parse("text"), lookup=bad), **declared("text")}
    with capture_logs():
        assert await fetch(Source('{"c": "x"}'), wanted) == {"c": "x"}


async def test_parameters_are_typed_and_bounded_and_the_transaction_reads_only() -> None:
    source = Source('{"c": "x"}')
    assert await fetch(source, declared("text[]", "subject", "home")) == {"c": ("x",)}

    fragment = source.connection.fragment
    assert fragment is not None
    assert [slot.type_name for slot in fragment.claim_slots] == ["text", "bigint"]
    assert fragment.claim_values == ("alice", 7)
    assert (fragment.row_limit, fragment.byte_limit) == (CLAIM_ELEMENTS_MAX, LOOKUP_BYTES_MAX)
    assert source.log == ["begin None", "execute", "close stream", "give back"]


async def test_without_its_parameter_nothing_is_asked() -> None:
    source = Source('{"c": "x"}')
    assert await fetch(source, declared("text", "actor")) == {}
    assert source.log == []


async def test_an_end_of_the_connection_ends_the_lookup() -> None:
    """Cancellation is no failure to swallow."""
    source = Source()
    source.connection.hangs = True
    task = asyncio.get_running_loop().create_task(fetch(source, declared("text")))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert source.log[-1] == "give back"


async def test_a_claim_that_the_operator_keeps(
    postgres_server: postgres.Server, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(postgres_server.password)
    wanted = {
        name: ClaimSource(ClaimType.parse(type_), lookup=ClaimLookup("", "", (), stored))
        for name, type_, stored in (
            ("tier", "text", "tier"),
            ("teams", "text[]", "teams"),
            ("wrong", "bigint", "tier"),
            ("none", "text", "none"),
        )
    }
    with postgres_server.database("lookup_state") as dsn:
        place = StatePlace(
            dsn.replace(f":{postgres_server.password}@", "@"), str(tmp_path / "password")
        )
        await prepare(place)
        connection = await place.connect()
        await stored_claims.put(connection, "alice", "tier", '"gold"', by="operator")
        await stored_claims.put(connection, "alice", "teams", '["a", "b"]', by="operator")
        await stored_claims.put(connection, "bob", "none", '"his"', by="operator")
        await connection.close()
        async with opened(place) as state:
            found = await ClaimLookups({}, lambda: TYPES, state=state)(IDENTITY, wanted)
    assert found == {"tier": "gold", "teams": ("a", "b")}
    # Without a state database, or while it is away, they are missing.
    assert await ClaimLookups({}, lambda: TYPES)(IDENTITY, wanted) == {}
    async with opened(StatePlace("postgresql://x@127.0.0.1:1/x")) as state:
        assert await ClaimLookups({}, lambda: TYPES, state=state)(IDENTITY, wanted) == {}
