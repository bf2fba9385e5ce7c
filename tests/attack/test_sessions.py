"""Attacks that need a session: a running gate, raw messages, and all five parts of the judgement.

Goal: whatever is sent, no hidden byte comes back, the session stays in sync, and the log knows.
Method: each script of `sessions/` is a conversation of simple queries in one session.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from proxy.runtime.audit import query
from proxy.wire import backend, frontend
from proxy.wire.batch import CopyBatch, RowBatch
from tests.live.gate import DATABASE, Gate, serving
from tests.live.wire import Message, RawClient

FOLDER = Path(__file__).parent / "sessions"
# What alice may not see, as bytes: masked notes, the hidden column, other regions; and our own SQL.
HIDDEN = re.compile(rb"note \d|secret \d|apac|amer|OFFSET 0|sp0_|\$1::")


@dataclass(frozen=True)
class Step:
    """One query and what must come of it (see the files)."""

    sql: str
    states: tuple[str, ...] | None = ()
    status: str = "I"
    rows: int | None = None
    first: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Script:
    """The steps of one case."""

    number: int
    steps: tuple[Step, ...]


def _scripts() -> tuple[Script, ...]:
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            found.append(Script(entry["case"], tuple(map(_step, entry["steps"]))))
    return tuple(found)


def _step(entry: dict[str, Any]) -> Step:
    given = dict(entry)
    repeat = given.pop("repeat", None)
    if isinstance(repeat, dict):
        times = repeat["times"]
        body = repeat["open"] * times + repeat["core"] + repeat["close"] * times
        given["sql"] = f"SELECT {body}"
    if isinstance(given.get("states"), list):
        given["states"] = tuple(given["states"])
    return Step(**given)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked_gate() -> AsyncIterator[Gate]:
    """A gate of this module's own: hostile sessions share it with nobody else's tests."""
    async with serving() as found:
        yield found


async def _client(gate: Gate) -> RawClient:
    parameters = {"user": "alice", "database": DATABASE}
    return await RawClient.open(("127.0.0.1", gate.port), parameters, gate.token())


@pytest.mark.parametrize("script", _scripts(), ids=lambda script: f"case{script.number}")
async def test_session(script: Script, attacked_gate: Gate) -> None:
    client = await _client(attacked_gate)
    try:
        for step in script.steps:
            answer = await client.converse([frontend.Query(step.sql)])

            assert HIDDEN.search(_bytes(answer)) is None, step.sql
            _as_expected(step, answer)
        await client.converse([frontend.Query("ROLLBACK")])
        in_sync = await client.converse([frontend.Query("SELECT 41 + 1")])

        assert [bytes(v or b"") for row in _rows(in_sync) for v in row] == [b"42"]
    finally:
        client.close()


def _as_expected(step: Step, answer: Sequence[Message]) -> None:
    states = [m.sqlstate for m in answer if isinstance(m, backend.ErrorResponse)]
    ready = [m for m in answer if isinstance(m, backend.ReadyForQuery)]
    assert len(ready) == 1, step.sql
    if step.states is not None:
        assert len(states) == len(step.states), (step.sql, states)
        for found, wanted in zip(states, step.states, strict=True):
            assert re.fullmatch(wanted, found), (step.sql, states)
    if step.status != "*":
        assert ready[0].status == step.status.encode(), step.sql
    rows = _rows(answer)
    if step.rows is not None:
        assert len(rows) == step.rows, step.sql
    if step.first is not None:
        assert (rows[0][0] or b"").decode() == step.first
    if step.tag is not None:
        assert [m.tag for m in answer if isinstance(m, backend.CommandComplete)][-1] == step.tag


def _rows(answer: Sequence[Message]) -> list[tuple[bytes | None, ...]]:
    return [row for m in answer if isinstance(m, RowBatch) for row in m.rows()]


def _bytes(answer: Sequence[Message]) -> bytes:
    """Everything that came back, rows, errors and notices alike."""
    pieces = []
    for message in answer:
        if isinstance(message, RowBatch | CopyBatch):
            pieces.append(bytes(message.data))
        else:
            pieces.append(repr(message).encode())
    return b"\n".join(pieces)


async def test_a_refusal_is_on_record(attacked_gate: Gate) -> None:
    client = await _client(attacked_gate)
    marker = "SELECT 7411 FROM shop.secrets"
    await client.converse([frontend.Query(marker)])
    client.close()
    log = attacked_gate.directory / "audit"

    assert any(marker in str(denial.record.facts) for denial in query.denied(log))


@pytest.mark.parametrize("oid", [2205, 142, 2249, 26, 24, 3220], ids=str)
async def test_a_lie_about_a_parameters_type(attacked_gate: Gate, oid: int) -> None:
    client = await _client(attacked_gate)
    sql = "SELECT id, note FROM shop.orders WHERE region = $1"
    answer = await client.converse(
        [
            frontend.Parse("", sql, (oid,)),
            frontend.Bind("", "", (0,), (b"shop.secrets",), ()),
            frontend.Execute("", 0),
            frontend.Sync(),
        ]
    )
    client.close()

    assert any(isinstance(message, backend.ErrorResponse) for message in answer)
    assert HIDDEN.search(_bytes(answer)) is None
    assert _rows(answer) == []


@pytest.mark.parametrize("oid", [2205, 2210, 4096, 4089, 2206, 1033, 3734], ids=str)
async def test_a_name_in_a_parameter_is_not_looked_up_at_the_source(
    attacked_gate: Gate, oid: int
) -> None:
    client = await _client(attacked_gate)
    answers = [
        await client.converse(
            [
                frontend.Parse("", "SELECT $1::text", (oid,)),
                frontend.Bind("", "", (0,), (name,), ()),
                frontend.Execute("", 0),
                frontend.Sync(),
            ]
        )
        for name in (b"shop.secrets", b"shop.absent", b"gate", b"nobody")
    ]
    client.close()

    assert len({_bytes(answer) for answer in answers}) == 1
    assert _rows(answers[0]) == []


async def test_a_row_of_a_table_is_no_parameter(attacked_gate: Gate) -> None:
    """The source's row has more columns than the principal's: a value of it would count them."""
    client = await _client(attacked_gate)
    found = "SELECT reltype, oid FROM pg_class WHERE oid = 'shop.orders'::regclass"
    ((row_type, _),) = _rows(await client.converse([frontend.Query(found)]))
    answers = [
        await client.converse(
            [
                frontend.Parse("", "SELECT $1::text", (int(row_type or b""),)),
                frontend.Bind("", "", (0,), (b"(" + b"," * commas + b")",), ()),
                frontend.Execute("", 0),
                frontend.Sync(),
            ]
        )
        for commas in range(9)
    ]
    client.close()

    assert [_rows(answer) for answer in answers] == [[]] * 9 or all(map(_rows, answers))
    states = [
        [m.sqlstate for m in answer if isinstance(m, backend.ErrorResponse)] for answer in answers
    ]
    assert all(state == states[0] for state in states), states


async def test_statements_of_another_session_do_not_exist(attacked_gate: Gate) -> None:
    one, two = await _client(attacked_gate), await _client(attacked_gate)
    await one.converse([frontend.Parse("mine", "SELECT 1", ()), frontend.Sync()])
    answer = await two.converse(
        [frontend.Bind("", "mine", (), (), ()), frontend.Execute("", 0), frontend.Sync()]
    )
    one.close()
    two.close()

    assert [m.sqlstate for m in answer if isinstance(m, backend.ErrorResponse)] == ["26000"]


async def test_an_ill_formed_pattern_is_refused_at_bind(attacked_gate: Gate) -> None:
    client = await _client(attacked_gate)
    answer = await client.converse(
        [
            frontend.Parse("", "SELECT id FROM shop.orders WHERE tags[1] || region LIKE $1", ()),
            frontend.Bind("", "", (0,), (b"aam%\\",), ()),
            frontend.Execute("", 0),
            frontend.Sync(),
        ]
    )
    client.close()

    assert [m.sqlstate for m in answer if isinstance(m, backend.ErrorResponse)] == ["22025"]


async def test_nothing_of_a_session_reaches_the_next(attacked_gate: Gate) -> None:
    first = await _client(attacked_gate)
    for sql in (
        "SET timezone = 'Asia/Tokyo'",
        "PREPARE left_over AS SELECT 1",
        "BEGIN",
        "SET LOCAL statement_timeout = 1234",
        "SELECT count(*) FROM shop.orders",
    ):
        await first.converse([frontend.Query(sql)])
    first.close()
    second = await _client(attacked_gate)
    zone = await second.converse([frontend.Query("SHOW timezone")])
    timeout = await second.converse([frontend.Query("SHOW statement_timeout")])
    prepared = await second.converse([frontend.Query("EXECUTE left_over")])
    second.close()

    assert _rows(zone)[0][0] != b"Asia/Tokyo"
    assert _rows(timeout)[0][0] != b"1234ms"
    assert [m.sqlstate for m in prepared if isinstance(m, backend.ErrorResponse)] == ["26000"]
