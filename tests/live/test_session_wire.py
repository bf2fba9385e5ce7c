"""Settings, transaction modes and pipelines, told message by message by a real Postgres as well.

A companion of `test_wire`: what a session remembers, and what counts as a transaction block.
"""

from __future__ import annotations

import pytest

from proxy.wire.backend import BindComplete
from proxy.wire.frontend import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync
from tests.live.gate import Gate
from tests.live.test_wire import Conversation, compare, opened, run
from tests.live.wire import told

SIMPLE = [
    "SET DateStyle='SQL, DMY'; SET DateStyle='ISO'; SHOW DateStyle",
    "SET DateStyle='German'; SET DateStyle='ISO'; SHOW DateStyle",
    "SET DateStyle='SQL, YMD'; SET DateStyle='DEFAULT, DMY'; SHOW DateStyle",
    "SET DateStyle='SQL, YMD'; SET DateStyle=''; SHOW DateStyle",
    "SET DateStyle='SQL DMY'; SHOW DateStyle",
    "SET DateStyle='SQL, DMY'; RESET DateStyle; SHOW DateStyle",
    "BEGIN; SET LOCAL DateStyle='SQL, DMY'; SET DateStyle='ISO'; COMMIT; SHOW DateStyle",
    "SELECT set_config('DateStyle', 'SQL, DMY', false), set_config('DateStyle', 'ISO', false)",
    "BEGIN; SET transaction_isolation = 'serializable'; COMMIT; SHOW transaction_isolation",
    "BEGIN; SELECT 1; SET transaction_isolation = 'serializable'",
    "BEGIN; SELECT 1; SET transaction_isolation = 'read committed'; SHOW transaction_isolation",
    "BEGIN; SAVEPOINT a; SET transaction_isolation = 'serializable'",
    "SELECT 1; SET transaction_isolation = 'serializable'",
    "SELECT set_config('transaction_isolation', 'serializable', true)",
    "BEGIN; SELECT set_config('transaction_isolation', 'read committed', false)",
    "BEGIN; SELECT set_config('transaction_isolation', 'nonsense', true)",
    "RESET transaction_isolation",
    "BEGIN; SET transaction_isolation TO DEFAULT",
    "BEGIN; SELECT 1; SET TRANSACTION DEFERRABLE",
    "BEGIN; SAVEPOINT a; SET transaction_deferrable = on",
    "SET default_transaction_isolation = 'serializable'; SHOW transaction_isolation",
    "SELECT current_setting('TimeZone'), current_setting('nothing')",
    "SELECT 1; SELECT current_setting('nothing'); SELECT 2",
    "SELECT set_config('TimeZone', 'Nowhere', false)",
    "SELECT set_config('TimeZone', 'UTC', 'maybe')",
    "SELECT 'é'; SELECT current_setting('TimeZone', 'maybe'::boolean)",
]

AWARE = (
    "DECLARE c CURSOR FOR SELECT 1",
    "SET LOCAL lock_timeout = 70",
    "DISCARD ALL",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET transaction_isolation = 'serializable'",
    "SAVEPOINT a",
    "COMMIT AND CHAIN",
)
"""Statements that ask whether they stand in a transaction block."""

MISSING = ("FETCH 1 FROM c", "MOVE 1 FROM c", "EXECUTE p", "CLOSE c", "DEALLOCATE p")

ZONED = "SELECT '2020-01-01 00:00:00+00'::timestamptz, count(*) FROM shop.items"
FAILING = "SELECT 1 / (id - id) FROM shop.items"
TOKYO, ROME = "SET TimeZone = 'Asia/Tokyo'", "SET TimeZone = 'Europe/Rome'"
DATES = (
    "DECLARE c CURSOR FOR SELECT '2020-01-01 00:00:00+00'::timestamptz + id * interval '1 day'"
    " FROM shop.items ORDER BY id"
)

REPINNED = [
    ("BEGIN", ZONED, TOKYO, ZONED, "ROLLBACK", ZONED, "SHOW TimeZone"),
    ("BEGIN", ZONED, "SET LOCAL TimeZone = 'Asia/Tokyo'", ZONED, "COMMIT", ZONED),
    ("BEGIN", ZONED, TOKYO, "COMMIT", ZONED, "BEGIN", ROME, ZONED, FAILING, "ROLLBACK", ZONED),
    (
        *("BEGIN", ZONED, "SAVEPOINT a", TOKYO, ZONED, "ROLLBACK TO a", ZONED, ROME, ZONED),
        *("SAVEPOINT b", TOKYO, ZONED, FAILING, "ROLLBACK TO b", ZONED, "RELEASE b", "RELEASE a"),
        *(ZONED, "COMMIT", ZONED),
    ),
    (TOKYO, "BEGIN", FAILING, "ROLLBACK", ZONED),
    (TOKYO, "BEGIN", "SAVEPOINT a", FAILING, "ROLLBACK TO a", ZONED, "COMMIT", ZONED),
    (
        *("BEGIN", DATES, "FETCH 1 FROM c", "SET DateStyle = German", "FETCH 2 FROM c"),
        *("SAVEPOINT a", TOKYO, "FETCH 1 FROM c", "ROLLBACK TO a", "FETCH 1 FROM c", "COMMIT"),
    ),
    ("BEGIN", ZONED, "SELECT set_config('TimeZone', 'Asia/Tokyo', true)", ZONED, "COMMIT", ZONED),
    ("BEGIN", ZONED, TOKYO, f"COPY ({ZONED}) TO STDOUT", "ROLLBACK", f"COPY ({ZONED}) TO STDOUT"),
    (f"{ZONED}; {TOKYO}; {ZONED}; {FAILING}", ZONED),
    (f"BEGIN; {ZONED}; {TOKYO}; {ZONED}; RESET TimeZone; {ZONED}", "COMMIT", ZONED),
]
"""What changes output changes in the midst of a transaction that has read."""

PIPED = [
    (*run(ZONED), *run(TOKYO), *run(ZONED), Sync(), *run(ZONED), Sync()),
    (*run(ZONED), *run(TOKYO), *run(ZONED), *run(FAILING), Sync(), *run(ZONED), Sync()),
    (*run("BEGIN"), *run(ZONED), *run(TOKYO), *run(ZONED), *run("ROLLBACK"), *run(ZONED), Sync()),
]

ONE = "PREPARE p(int) AS SELECT $1 + 1, pg_typeof($1)"
EXECUTED = [
    f"{ONE}; EXECUTE p(1 + 2 * 3)",
    f"{ONE}; EXECUTE p(1.7)",
    f"{ONE}; EXECUTE p('5')",
    f"{ONE}; EXECUTE p('5'::text)",
    f"{ONE}; EXECUTE p(true)",
    f"{ONE}; EXECUTE p(1 / 0)",
    f"{ONE}; EXECUTE p('x'::int)",
    f"{ONE}; EXECUTE p((SELECT 1))",
    f"{ONE}; EXECUTE p(count(*))",
    f"{ONE}; EXECUTE p(generate_series(1, 3))",
    f"{ONE}; /* é( */ EXECUTE  p ( 1 + nope )",
    f"{ONE}; EXECUTE p(nope(1))",
    f"{ONE}; EXECUTE p($1)",
    f"{ONE}; EXECUTE p(NULL::int)",
    "PREPARE p(text, date) AS SELECT $1, $2; EXECUTE p(5, '2020-01-01'::date + 1)",
    "PREPARE p(text, date) AS SELECT $1, $2; EXECUTE p('a' || 'b', 5)",
    "PREPARE p(float8, numeric, real) AS SELECT $1, $2, $3; EXECUTE p(0.1 + 0.2, 1 / 3.0, 1.1)",
    "SET extra_float_digits = -10; PREPARE p(float8) AS SELECT $1 = 0.1::float8 + 0.2::float8;"
    " EXECUTE p(0.1::float8 + 0.2::float8)",
    "PREPARE p(bigint) AS SELECT id FROM shop.items WHERE id = $1; EXECUTE p(3 + 4)",
    "PREPARE p(timestamptz) AS SELECT $1; SET DateStyle = 'SQL, DMY';"
    " EXECUTE p('2020-02-01 00:00Z'::timestamptz + '1 day')",
    "PREPARE p(int[]) AS SELECT $1; EXECUTE p(ARRAY[1, 2] || 3)",
    "PREPARE p AS SELECT relname FROM pg_class WHERE relname = $1; EXECUTE p('pg_' || 'class')",
    "PREPARE p AS SELECT 1 / (id - id) FROM shop.items; EXECUTE p",
    "BEGIN; DECLARE c CURSOR FOR SELECT 1 / (id - id) FROM shop.items; FETCH 1 FROM c",
]

NULLS = "SELECT 1 / 0"


def bound(sql: str, *values: bytes) -> Conversation:
    return Parse("", sql), Bind("", "", (), values), Describe(b"P", ""), Execute("")


AT_BIND: dict[str, Conversation] = {
    "a constant": (*bound(NULLS), Sync()),
    "a constant beside rows": (*bound("SELECT 1 / 0 FROM shop.items"), Sync()),
    "a constant of the catalog": (*bound("SELECT 1 / 0 FROM pg_class"), Sync()),
    "a row": (*bound(FAILING), Sync()),
    "a row of the catalog": (*bound("SELECT 1 / (relnatts - relnatts) FROM pg_class"), Sync()),
    "when it is known": tuple(one for _ in range(3) for one in (*bound(NULLS), Sync())),
    "values": (
        *bound("SELECT $1::int / 1", b"1"),
        *bound("SELECT $1::int / 0", b"1"),
        *bound("SELECT 3"),
        Sync(),
    ),
    "another portal before": (
        Parse("a", NULLS),
        Parse("b", "SELECT 2"),
        Bind("b", "b"),
        Execute("b"),
        Bind("a", "a"),
        Execute("a"),
        Sync(),
    ),
    "in portions": (Parse("", NULLS), Bind("", ""), Describe(b"P", ""), Execute("", 1), Sync()),
    "by name": (*bound("PREPARE p AS SELECT 1 / 0"), *bound("EXECUTE p"), Sync()),
    "copy": (*bound("COPY (SELECT 1 / 0) TO STDOUT"), Sync()),
}
"""Errors that Postgres finds at Bind, and some that it finds later."""

LATE: dict[str, tuple[Conversation, int]] = {
    "a cursor made between Bind and Execute has no columns": (
        (
            Query("BEGIN"),
            Parse("f", "FETCH 1 FROM c"),
            Bind("late", "f"),
            *run("DECLARE c CURSOR FOR SELECT 1"),
            Execute("late"),
            Sync(),
            Query("ROLLBACK"),
        ),
        3,
    ),
    "another cursor of the same name brings its own columns": (
        (
            Query("BEGIN; DECLARE c CURSOR FOR SELECT 1"),
            Parse("f", "FETCH 1 FROM c"),
            *run("CLOSE c"),
            *run("DECLARE c CURSOR FOR SELECT 'x'::text, 2"),
            Bind("", "f"),
            Describe(b"P", ""),
            Execute(""),
            Sync(),
            Query("ROLLBACK"),
        ),
        3,
    ),
}


@pytest.mark.parametrize("sql", SIMPLE)
async def test_a_simple_query(gate: Gate, sql: str) -> None:
    await compare(gate, (Query(sql),), 1)


@pytest.mark.parametrize("sql", EXECUTED)
async def test_arguments_of_execute(gate: Gate, sql: str) -> None:
    await compare(gate, (Query(sql),), 1)


@pytest.mark.parametrize("argument", ["1 + 1", "1 / 0", "nope"])
async def test_arguments_of_execute_in_a_pipeline(gate: Gate, argument: str) -> None:
    await compare(gate, (Query(ONE), *run(f"EXECUTE p({argument})"), Sync()), 2)


@pytest.mark.parametrize("name", AT_BIND)
async def test_errors_stand_where_postgres_finds_them(gate: Gate, name: str) -> None:
    messages = AT_BIND[name]

    await compare(gate, messages, sum(isinstance(one, Sync) for one in messages))


async def test_errors_of_what_is_known_by_heart_stand_there_too(gate: Gate) -> None:
    ours, theirs = await opened(gate)
    try:
        for value in (b"2", b"2", b"2", b"0", b"0"):
            for messages in (
                (*bound("SELECT 10 / $1::int FROM shop.items WHERE id = 1", value), Sync()),
                (Bind("", "s", (), (value,)), Describe(b"P", ""), Execute(""), Sync()),
                (Close(b"S", "s"), Parse("s", "SELECT 10 / $1::int FROM shop.items"), Sync()),
            ):
                expected = told(await theirs.converse(messages))
                assert told(await ours.converse(messages)) == expected
    finally:
        ours.close()
        theirs.close()


async def test_what_was_handed_on_is_not_taken_back(gate: Gate) -> None:
    ours, theirs = await opened(gate)
    theirs.close()
    ours.write(Parse("", NULLS), Bind("", ""), Flush())
    while not any(isinstance(one, BindComplete) for one in await ours.read_some()):
        pass
    found = told(await ours.converse((Execute(""), Sync())))
    ours.close()

    assert [line.split(" ")[0].split("(")[0] for line in found] == [
        "ErrorResponse",
        "ReadyForQuery",
    ]


@pytest.mark.parametrize("sql", AWARE)
async def test_what_counts_as_a_block(gate: Gate, sql: str) -> None:
    pipelines = (
        run(sql),
        (*run("SELECT 1"), *run(sql), *run("SELECT 2")),
        (*run("SHOW DateStyle"), *run(sql), *run("SHOW lock_timeout")),
        (*run(sql), *run(sql)),
        (*run("COMMIT"), *run(sql)),
    )
    for messages in pipelines:
        await compare(gate, (*messages, Sync(), Query("SHOW lock_timeout")), 2)
    for text in (sql, f"SELECT 1; {sql}", f"{sql}; SELECT 1", f"BEGIN; {sql}"):
        await compare(gate, (Query(text), Query("SHOW lock_timeout")), 2)


@pytest.mark.parametrize("sql", MISSING)
async def test_what_is_missing_is_told_when_it_is_run(gate: Gate, sql: str) -> None:
    await compare(gate, (*run(sql), Sync()), 1)
    await compare(gate, (Parse("", sql), Describe(b"S", ""), Sync()), 1)
    await compare(gate, (Query("BEGIN"), *run(sql), Sync(), Query("ROLLBACK")), 3)


@pytest.mark.parametrize("name", LATE)
async def test_what_came_late(gate: Gate, name: str) -> None:
    messages, readies = LATE[name]

    await compare(gate, messages, readies)


@pytest.mark.parametrize("statements", REPINNED)
async def test_output_follows_the_settings(gate: Gate, statements: tuple[str, ...]) -> None:
    await compare(gate, tuple(Query(sql) for sql in statements), len(statements))


@pytest.mark.parametrize("messages", PIPED)
async def test_output_follows_the_settings_of_a_pipeline(
    gate: Gate, messages: Conversation
) -> None:
    await compare(gate, messages, sum(isinstance(one, Sync) for one in messages))


async def test_settings_do_not_change_under_a_portal_of_a_pipeline(gate: Gate) -> None:
    ours, theirs = await opened(gate)
    theirs.close()
    found = told(
        await ours.converse(
            (*run("SELECT id FROM shop.items", 1), *run(TOKYO), *run(ZONED), Sync())
        )
    )
    again = told(await ours.converse((Query(TOKYO), Query(ZONED)), 2))
    ours.close()

    assert any("0A000 settings that change output" in line for line in found)
    assert not any(line.startswith("ErrorResponse") for line in again)
