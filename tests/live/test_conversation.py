"""Random conversations about transactions, told message by message by a real Postgres as well.

The two servers get the same messages one at a time; the first answer that differs ends the test and
shows the whole conversation up to it. What stands in `STATEMENTS` is what both must do alike: words
that the gate refuses on purpose are not here.
"""

from __future__ import annotations

import random

import pytest

from proxy.wire.frontend import Bind, Describe, Execute, FrontendMessage, Parse, Query, Sync
from tests.live.gate import Gate
from tests.live.test_wire import opened
from tests.live.wire import RawClient, told

CONVERSATIONS = 40
TURNS = 25
"""Per conversation: 1,000 turns in all, a few seconds."""

ITEMS = "SELECT id FROM shop.items ORDER BY id"
STATEMENTS = (
    "BEGIN",
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "SAVEPOINT a",
    "RELEASE a",
    "RELEASE b",
    "ROLLBACK TO a",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "SET application_name = 'one'",
    "SET LOCAL application_name = 'two'",
    "RESET application_name",
    "SHOW application_name",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET LOCAL TimeZone = 'Europe/Rome'",
    "SELECT '2020-01-01 00:00:00+00'::timestamptz, count(*) FROM shop.items",
    "SELECT '2020-01-01 00:00:00+00'::timestamptz, count(*) FROM shop.items",
    "SET lock_timeout = '2s'",
    "SET LOCAL lock_timeout = 70",
    "SELECT set_config('lock_timeout', '3min', true)",
    "SELECT set_config('lock_timeout', '4min', false)",
    "SHOW lock_timeout",
    "SHOW lock_timeout",
    "SHOW transaction_isolation",
    "SET transaction_isolation = 'repeatable read'",
    "SET LOCAL transaction_deferrable = on",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET default_transaction_isolation = 'repeatable read'",
    "SELECT set_config('transaction_isolation', 'serializable', false)",
    "RESET transaction_isolation",
    "SELECT current_setting('nothing')",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT 1 / (id - id) FROM shop.items",
    "SELECT count(*) FROM shop.items",
    "SELECT nothing",
    "SELECT 1 / 0",
    "SELECT 1 / 0 FROM pg_class",
    f"DECLARE c CURSOR FOR {ITEMS}",
    "DECLARE d CURSOR FOR VALUES (1), (2)",
    f"DECLARE h CURSOR WITH HOLD FOR {ITEMS} LIMIT 5",
    "FETCH 2 FROM h",
    "MOVE h",
    "FETCH 2 FROM c",
    "FETCH c",
    "MOVE 3 IN c",
    "FETCH ALL FROM d",
    "CLOSE c",
    "CLOSE ALL",
    "PREPARE p AS SELECT 'p'::text",
    "EXECUTE p",
    "DEALLOCATE p",
)


def simple(chance: random.Random) -> tuple[FrontendMessage, ...]:
    """A Query of one statement, or of a few that run as one."""
    count = chance.choice((1, 1, 1, 2, 3))
    return (Query("; ".join(chance.choices(STATEMENTS, k=count))),)


def extended(chance: random.Random) -> tuple[FrontendMessage, ...]:
    """A pipeline of a few statements and a Sync."""
    messages: list[FrontendMessage] = []
    for sql in chance.choices(STATEMENTS, k=chance.choice((1, 1, 2, 3))):
        messages += [Parse("", sql), Bind("", ""), Describe(b"P", ""), Execute("")]
    return (*messages, Sync())


async def answers(client: RawClient, turn: tuple[FrontendMessage, ...]) -> list[str]:
    return told(await client.converse(turn))


@pytest.mark.parametrize("seed", range(CONVERSATIONS))
async def test_a_conversation_goes_as_with_postgres(gate: Gate, seed: int) -> None:
    chance = random.Random(seed)
    speak = (simple, extended)[seed % 2]
    ours, theirs = await opened(gate)
    said: list[str] = []
    try:
        for _ in range(TURNS):
            turn = speak(chance)
            said += [
                "; ".join(message.sql for message in turn if isinstance(message, Query | Parse))
            ]
            expected, found = await answers(theirs, turn), await answers(ours, turn)
            assert found == expected, "\n".join(said)
    finally:
        ours.close()
        theirs.close()
