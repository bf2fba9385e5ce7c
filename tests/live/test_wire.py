"""Conversations compared message by message with a real Postgres that allows the same.

Each row is what a client sends. Both servers must answer with the same messages: same order, same
columns and rows, same SQLSTATE, text and position of errors, same transaction status.
"""

from __future__ import annotations

import dataclasses

import pytest

from proxy.wire.frontend import (
    Bind,
    Close,
    Describe,
    Execute,
    Flush,
    FrontendMessage,
    Parse,
    Query,
    Sync,
)
from tests.live.gate import DATABASE, Gate
from tests.live.wire import RawClient, told

Conversation = tuple[FrontendMessage, ...]

ITEMS = "SELECT id, sku FROM shop.items ORDER BY id"


def run(sql: str, row_max: int = 0, *, formats: tuple[int, ...] = ()) -> Conversation:
    return (
        Parse("", sql),
        Bind("", "", (), (), formats),
        Describe(b"P", ""),
        Execute("", row_max),
    )


SIMPLE = [
    "SELECT 1",
    "",
    ";",
    "  -- nothing\n",
    "SELECT 1; SELECT 2",
    "SELECT 1; SELEC 2",
    "SELECT 1; SELECT nope; SELECT 3",
    "SELECT 1/0",
    "SELECT nope FROM shop.items",
    "SELECT * FROM shop.item",
    "SELECT id FROM shop.items WHERE id = 'x'",
    "SELECT 1; SELECT id FROM shop.items WHERE id = 'x'",
    "SELECT 1; SELECT id FROM shop.items WHERE id > 5 AND sku = 'sku5' AND id < 'y'",
    "SELECT id FROM shop.items WHERE id = 99999999999999999999",
    "SELECT id FROM shop.items WHERE sku = 'it''s' OR id = 7",
    "SELECT count(*) FROM shop.items WHERE id < 10",
    "BEGIN; SELECT 1; COMMIT",
    "BEGIN; SELECT 1/0; SELECT 2; COMMIT",
    "SELECT 1; BEGIN; SELECT 2",
    "BEGIN; BEGIN; ROLLBACK; ROLLBACK",
    "COMMIT",
    "SAVEPOINT a",
    "BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a; COMMIT",
    "BEGIN; RELEASE nothing",
    "SELECT 1; SAVEPOINT a",
    "SHOW DateStyle",
    "SHOW nothing",
    "SET TimeZone TO 'Europe/Rome'; SHOW TimeZone",
    "SET DateStyle TO 'nonsense'",
    "SET LOCAL TimeZone TO 'UTC'",
    "SET IntervalStyle = sql_standard",
    "RESET ALL",
    "DISCARD ALL",
    "BEGIN; DISCARD ALL",
    "DECLARE c CURSOR FOR SELECT 1",
    "BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH 1 FROM c; FETCH 1 FROM c; CLOSE c; COMMIT",
    f"BEGIN; DECLARE c CURSOR FOR {ITEMS}; MOVE 2 FROM c; FETCH 2 FROM c; COMMIT",
    "BEGIN; FETCH 1 FROM c",
    "CLOSE nothing",
    "CLOSE ALL",
    "PREPARE p AS SELECT $1::int; EXECUTE p(7); DEALLOCATE p; EXECUTE p(8)",
    "PREPARE p AS SELECT 1; PREPARE p AS SELECT 2",
    "EXECUTE nothing",
    "DEALLOCATE ALL",
    "COPY (SELECT id, sku FROM shop.items ORDER BY id LIMIT 2) TO STDOUT",
    "COPY (SELECT id, sku FROM shop.items ORDER BY id LIMIT 2) TO STDOUT (FORMAT csv, HEADER)",
    "SELECT 'a' AS \"A b\", NULL::int, '{1,2}'::int[], 1.50",
    "VALUES (1, 'x'), (2, 'y')",
    "TABLE shop.items LIMIT 0",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY, DEFERRABLE; COMMIT",
    "BEGIN; COMMIT AND CHAIN; ROLLBACK",
    "COMMIT AND CHAIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; RESET ALL; SHOW transaction_isolation; COMMIT",
    f"BEGIN; SAVEPOINT a; DECLARE c CURSOR FOR {ITEMS}; RELEASE a; SAVEPOINT b; ROLLBACK TO b;"
    " FETCH 1 FROM c; COMMIT",
    f"BEGIN; SAVEPOINT a; DECLARE c CURSOR FOR {ITEMS}; ROLLBACK TO a; FETCH 1 FROM c",
    "SET search_path = ''; SHOW search_path",
    "SET TimeZone TO '+05:30'; SELECT '2020-01-01 00:00:00+00'::timestamptz",
    "SET TimeZone TO 5.5; SELECT '2020-01-01 00:00:00+00'::timestamptz",
    "SET DateStyle TO German; SHOW DateStyle",
    "SELECT set_config('TimeZone', 'Europe/Rome', 'yes'); SHOW TimeZone",
]

# Postgres raises at Bind what it can compute then (see `test_session_wire`), this at Execute.
FAILING = "SELECT 1 / (id - id) FROM shop.items"

EXTENDED: dict[str, tuple[Conversation, int]] = {
    "one": ((*run("SELECT 1"), Sync()), 1),
    "a transaction may choose its isolation after a query of its own": (
        (Query(ITEMS), Query("BEGIN ISOLATION LEVEL SERIALIZABLE"), Query("COMMIT")),
        3,
    ),
    "a local setting ends with the statement that made it": (
        (Query("SELECT set_config('TimeZone', 'Asia/Tokyo', true)"), Query("SHOW TimeZone")),
        2,
    ),
    "SET LOCAL alone, then SET, then an error": (
        (
            *run("SET LOCAL TimeZone TO 'Asia/Tokyo'"),
            *run("SET TimeZone TO 'Europe/Rome'"),
            *run(FAILING),
            Sync(),
            Query("SHOW TimeZone"),
        ),
        2,
    ),
    "empty": ((*run(""), Sync()), 1),
    "binary": ((*run("SELECT 1, 'x'::text", formats=(1,)), Sync()), 1),
    "limited": (
        (*run(ITEMS, 2), Execute("", 2), Execute("", 1), Sync()),
        1,
    ),
    "limit is the end": ((*run("VALUES (1), (2)", 2), Execute("", 2), Sync()), 1),
    "run again after its end": ((*run("VALUES (1)"), Execute(""), Sync()), 1),
    "portal is gone after sync": ((*run(ITEMS, 2), Sync(), Execute("", 2), Sync()), 2),
    "portal lives in a block": (
        (Query("BEGIN"), *run(ITEMS, 2), Sync(), Execute("", 2), Sync(), Query("ROLLBACK")),
        4,
    ),
    "error skips to sync": (
        (Parse("", "SELECT nope"), Bind("", ""), Execute(), Sync(), *run("SELECT 2"), Sync()),
        2,
    ),
    "two errors, one ready each": (
        (Parse("", "SELEC"), Sync(), Bind("", "missing"), Sync(), Execute("missing"), Sync()),
        3,
    ),
    "error at execute": ((*run(FAILING), *run("SELECT 2"), Sync()), 1),
    "sync storm": ((Sync(), Sync(), Sync()), 3),
    "several commands": ((Parse("", "SELECT 1; SELECT 2"), Sync()), 1),
    "named statement": (
        (
            Parse("s", "SELECT $1::int + $2"),
            Describe(b"S", "s"),
            Bind("", "s", (), (b"1", b"2")),
            Execute(),
            Bind("", "s", (), (b"3", None)),
            Execute(),
            Sync(),
            Parse("s", "SELECT 1"),
            Sync(),
            Close(b"S", "s"),
            Bind("", "s", (), (b"1", b"2")),
            Sync(),
        ),
        3,
    ),
    "wrong number of parameters": (
        (Parse("", "SELECT $1::int"), Bind("", "", (), ()), Sync()),
        1,
    ),
    "wrong number of formats": (
        (Parse("", "SELECT 1, 2"), Bind("", "", (), (), (0, 1, 0)), Sync()),
        1,
    ),
    "close what is not there": ((Close(b"S", "x"), Close(b"P", "x"), Sync()), 1),
    "describe what is not there": ((Describe(b"S", "x"), Sync(), Describe(b"P", "x"), Sync()), 2),
    "block and failure": (
        (
            *run("BEGIN"),
            Sync(),
            *run(FAILING),
            Sync(),
            *run("SELECT 1"),
            Sync(),
            *run("ROLLBACK"),
            Sync(),
        ),
        4,
    ),
    "pipeline is one transaction": (
        (*run("SET TimeZone TO 'Europe/Rome'"), *run(FAILING), Sync(), Query("SHOW TimeZone")),
        2,
    ),
    "flush": ((Parse("", "SELECT 1"), Flush(), Bind("", ""), Flush(), Execute(), Sync()), 1),
    "show": ((Parse("", "SHOW TimeZone"), Describe(b"S", ""), Bind("", ""), Execute(), Sync()), 1),
    "utility twice": ((*run("BEGIN"), Execute(), Sync(), Query("ROLLBACK")), 2),
    "cursor described": (
        (
            Query(f"BEGIN; DECLARE c CURSOR FOR {ITEMS}"),
            Describe(b"P", "c"),
            Sync(),
            *run("FETCH 2 FROM c"),
            Sync(),
            Query("ROLLBACK"),
        ),
        4,
    ),
    "portal of its own name": (
        (
            Query("BEGIN"),
            Parse("", ITEMS),
            Bind("a", ""),
            Bind("b", ""),
            Execute("a", 1),
            Execute("b", 2),
            Execute("a", 1),
            Bind("a", ""),
            Sync(),
            Query("ROLLBACK"),
        ),
        3,
    ),
    "copy": ((*run("COPY (SELECT 1) TO STDOUT"), Sync()), 1),
}


async def opened(gate: Gate) -> tuple[RawClient, RawClient]:
    """The same session at the gate and at the source; both 16-like in what is compared."""
    parameters = {"user": "alice", "database": DATABASE, "TimeZone": "UTC"}
    ours = await RawClient.open(("127.0.0.1", gate.port), parameters, gate.token())
    theirs = await RawClient.open(
        gate.source.socket_path,
        {
            "user": "reader",
            "database": DATABASE,
            "TimeZone": "UTC",
            "default_transaction_read_only": "on",
            "client_encoding": "UTF8",
        },
    )
    return ours, theirs


async def compare(gate: Gate, messages: Conversation, readies: int) -> None:
    ours, theirs = await opened(gate)
    try:
        expected = told(await theirs.converse(messages, readies))
        found = told(await ours.converse(messages, readies))
    finally:
        ours.close()
        theirs.close()

    assert found == expected


@pytest.mark.parametrize("sql", SIMPLE)
async def test_simple_query_answers_as_postgres(gate: Gate, sql: str) -> None:
    await compare(gate, (Query(sql),), 1)


@pytest.mark.parametrize("name", EXTENDED)
async def test_extended_query_answers_as_postgres(gate: Gate, name: str) -> None:
    messages, readies = EXTENDED[name]

    await compare(gate, messages, readies)


async def test_every_split_of_a_pipeline_gives_the_same_answer(gate: Gate) -> None:
    messages = (*run("SELECT 1"), *run("SELECT 2"), Sync())
    whole = b"".join(message.encode() for message in messages)
    ours, theirs = await opened(gate)
    theirs.close()
    expected = told(await ours.converse(messages))

    for position in range(1, len(whole), 7):
        ours.write(whole[:position])
        await ours.writer.drain()
        assert told(await ours.converse([whole[position:]])) == expected
    ours.close()


def test_conversations_are_values() -> None:
    """Messages are shared between rows: nothing may change one."""
    assert all(
        dataclasses.is_dataclass(message) and message.__dataclass_params__.frozen
        for messages, _ in EXTENDED.values()
        for message in messages
    )
