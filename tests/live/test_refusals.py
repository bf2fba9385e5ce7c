"""Whatever a session is refused stands in the audit log before the client reads it (I6).

A broad script is sent; every ErrorResponse of it must have its record, as a refusal with the same
words or as the outcome of a statement that was allowed, and in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.runtime.audit import records
from proxy.wire import backend
from proxy.wire.frontend import (
    Bind,
    Close,
    Describe,
    Execute,
    FrontendMessage,
    Parse,
    Query,
    Sync,
)
from tests.live.gate import DATABASE, Gate
from tests.live.wire import RawClient

STATE_ERRORS = {"25P02", "26000", "34000"}
"""They say where the session stands and refuse nothing: they need no record."""

ITEMS = "SELECT id FROM shop.items"

SCRIPT: tuple[tuple[str, str], ...] = (
    ("SELEC 1", "42601"),
    ("SELECT '\\x'::bytea || 'x", "42601"),
    ("SELECT * FROM shop.secrets", "42P01"),
    ("SELECT hidden FROM shop.orders", "42703"),
    ("SELECT pg_read_file('/etc/passwd')", "42501"),
    ("SELECT $1", "42P02"),
    ("INSERT INTO shop.items VALUES (1)", "42501"),
    ("PREPARE a AS INSERT INTO shop.items VALUES (1)", "42501"),
    ("PREPARE a AS DELETE FROM shop.items", "42501"),
    ("PREPARE a AS SELECT * FROM shop.secrets", "42P01"),
    ("PREPARE a(nothing) AS SELECT $1", "42704"),
    ("PREPARE a AS SELECT pg_sleep(1)", "42501"),
    ("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM shop.secrets", "42P01"),
    ("ROLLBACK; DECLARE c CURSOR WITH HOLD FOR SELECT hidden FROM shop.orders", "42703"),
    ("BEGIN; DECLARE c BINARY CURSOR FOR SELECT 1", "0A000"),
    ("BEGIN; DECLARE c CURSOR FOR SELECT * FROM shop.secrets", "42P01"),
    ("DECLARE c CURSOR FOR SELECT 1", "25P01"),
    (f"BEGIN; DECLARE c CURSOR FOR {ITEMS}; FETCH BACKWARD 1 FROM c", "0A000"),
    (f"ROLLBACK; BEGIN; DECLARE c CURSOR FOR {ITEMS}; DECLARE c CURSOR FOR {ITEMS}", "42P03"),
    ("PREPARE good AS SELECT $1::int; PREPARE good AS SELECT 1", "42P05"),
    ("EXECUTE good", "42601"),
    ("EXECUTE good(pg_sleep(1))", "42501"),
    ("EXECUTE nothing", "26000"),
    ("BEGIN; FETCH 1 FROM nothing", "34000"),
    ("SET work_mem = '1GB'", "42501"),
    ("SET nothing = 1", "42704"),
    ("SET TimeZone = 'Nowhere/Land'", "22023"),
    ("SET LOCAL role TO postgres", "42501"),
    ("SHOW nothing", "42704"),
    ("RESET role_of_none", "42704"),
    ("SELECT set_config('nothing', 'x', false)", "42704"),
    ("BEGIN READ WRITE", "42501"),
    ("SAVEPOINT a", "25P01"),
    ("BEGIN; ROLLBACK TO nothing", "3B001"),
    ("BEGIN; DISCARD ALL", "25001"),
    ("COMMIT AND CHAIN", "25P01"),
    ("LISTEN channel", "0A000"),
    ("NOTIFY channel", "0A000"),
    ("COPY shop.items FROM STDIN", "42501"),
    ("COPY shop.secrets TO STDOUT", "42P01"),
    ("COPY (SELECT 1) TO '/tmp/x'", "42501"),
    ("VACUUM", "42501"),
    ("CALL nothing()", "42501"),
    ("DO 'x'", "42501"),
    ("SELECT * FROM shop.items FOR UPDATE", "0A000"),
    ("SELECT lo_get(1)", "42501"),
    ("SELECT nextval('x')", "42501"),
    ("EXPLAIN SELECT 1", "0A000"),
    ("EXPLAIN POLICY SELECT * FROM shop.secrets", "42P01"),
    ("SELECT 1 / (id - id) FROM shop.items", "22012"),
    ("SELECT id FROM shop.items WHERE id = 'x'", "22P02"),
)

PIPELINES: tuple[tuple[tuple[FrontendMessage | bytes, ...], str], ...] = (
    ((Parse("", "SELECT 1; SELECT 2"), Sync()), "42601"),
    ((Parse("n" * 64, "SELECT 1"), Sync()), "42622"),
    ((Parse("s", "SELECT $1::int"), Parse("s", "SELECT 1"), Sync()), "42P05"),
    ((Bind("", "s", (), ()), Sync()), "08P01"),
    ((Bind("", "s", (0, 0), (b"1",)), Sync()), "08P01"),
    ((Bind("", "nothing"), Sync()), "26000"),
    ((Describe(b"P", "nothing"), Sync()), "34000"),
    ((Parse("", "SELECT * FROM shop.secrets"), Bind("", ""), Execute(), Sync()), "42P01"),
    ((Parse("", "SET nothing = 1"), Bind("", ""), Execute(), Sync()), "42704"),
    ((Parse("", "PREPARE w AS DELETE FROM shop.items"), Bind("", ""), Execute(), Sync()), "42501"),
    (
        (Parse("", "DECLARE h BINARY CURSOR FOR SELECT 1"), Bind("", ""), Execute(), Sync()),
        "0A000",
    ),
    ((Parse("", "BEGIN"), Bind("", ""), Execute(), Execute(), Sync(), Query("ROLLBACK")), "55000"),
    ((Close(b"S", "s"), b"D\0\0\0\x05S", Sync()), "08P01"),
)


def told(messages: object) -> Iterator[tuple[str, str]]:
    for message in messages:  # type: ignore[attr-defined]
        if isinstance(message, backend.ErrorResponse):
            yield message.sqlstate, message.message


def recorded(gate: Gate, session: str) -> Iterator[tuple[str, str | None]]:
    """SQLSTATE and words of each refusal of a session; an outcome has no words."""
    intents = set()
    for one in records(gate.directory / "audit"):
        facts = one.facts
        if facts.get("actor", {}).get("session", {}).get("uid") == session:
            if one.phase == "intent":
                intents.add(one.sequence)
            elif one.phase == "refusal":
                yield facts["status_code"], facts["unmapped"]["told"]
        elif one.phase == "outcome" and one.facts["unmapped"]["intent"] in intents:
            yield facts.get("status_code", ""), None


async def test_every_error_of_a_session_is_on_record(gate: Gate) -> None:
    client = await RawClient.open(
        ("127.0.0.1", gate.port), {"user": "alice", "database": DATABASE}, gate.token()
    )
    (key,) = (m for m in client.greeting if isinstance(m, backend.BackendKeyData))
    errors: list[tuple[str, str]] = []
    for sql, sqlstate in SCRIPT:
        await client.converse([Query("ROLLBACK")])
        found = list(told(await client.converse([Query(sql)])))
        assert [code for code, _ in found] == [sqlstate], (sql, found)
        errors += found
    await client.converse([Query("ROLLBACK")])
    for messages, sqlstate in PIPELINES:
        readies = sum(isinstance(one, Sync | Query) for one in messages)
        found = list(told(await client.converse(messages, readies)))
        assert [code for code, _ in found] == [sqlstate], (messages, found)
        errors += found
    client.close()

    wanted = [one for one in errors if one[0] not in STATE_ERRORS]
    kept = [
        one for one in recorded(gate, str(key.process_id)) if one[0] and one[0] not in STATE_ERRORS
    ]
    assert [code for code, _ in kept] == [code for code, _ in wanted]
    for (code, words), (_, message) in zip(kept, wanted, strict=True):
        assert words in (None, message), code


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELEC 1", "SELEC 1"),
        ("SHOW nothing", "SHOW nothing"),
        ("PREPARE p AS DELETE FROM shop.items", "DELETE FROM shop.items"),
        ("PREPARE p(nothing) AS SELECT 1", "PREPARE p(nothing) AS SELECT 1"),
    ],
)
async def test_a_refusal_is_recorded_with_its_text_once(gate: Gate, sql: str, text: str) -> None:
    client = await RawClient.open(
        ("127.0.0.1", gate.port), {"user": "alice", "database": DATABASE}, gate.token()
    )
    (key,) = (m for m in client.greeting if isinstance(m, backend.BackendKeyData))
    await client.converse([Query(sql)])
    client.close()

    uid = str(key.process_id)
    found = [
        one.text
        for one in records(gate.directory / "audit")
        if one.phase == "refusal"
        and one.facts.get("actor", {}).get("session", {}).get("uid") == uid
    ]
    assert found == [text]
