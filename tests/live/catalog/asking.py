"""Asks an entry of the corpus over the wire, in text or binary, and makes answers comparable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.wire import backend, frontend
from proxy.wire.batch import RowBatch
from tests.live.wire import Message, RawClient
from tests.proxy.catalog.queries import NOBODY_OID, Entry

_NAMES = """
SELECT CASE WHEN c.relname ~ '^pg_toast_[0-9]+(_index)?$'
            THEN concat_ws(' ', 'toast', substring(c.relname from '_index$'),
                           substring(c.relname from '[0-9]+')::oid::regclass)
            ELSE n.nspname || '.' || c.relname END, c.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
UNION ALL SELECT 'type:' || n.nspname || '.' || t.typname, t.oid FROM pg_type t
  JOIN pg_namespace n ON n.oid = typnamespace
UNION ALL SELECT 'proc:' || n.nspname || '.' || p.proname, p.oid FROM pg_proc p
  JOIN pg_namespace n ON n.oid = pronamespace
UNION ALL SELECT 'schema:' || nspname, oid FROM pg_namespace
UNION ALL SELECT 'con:' || n.nspname || '.' || k.conrelid::regclass || '.' || k.conname, k.oid
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = connamespace
UNION ALL SELECT 'label:' || t.typname || '.' || e.enumlabel, e.oid FROM pg_enum e
  JOIN pg_type t ON t.oid = enumtypid
UNION ALL SELECT 'trigger:' || tgrelid::regclass || '.' || row_number() OVER
  (PARTITION BY tgrelid ORDER BY tgfoid, tgconstraint), oid FROM pg_trigger
UNION ALL SELECT 'rule:' || ev_class::regclass || '.' || rulename, oid FROM pg_rewrite
UNION ALL SELECT 'database:' || datname, oid FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'role:' || rolname, oid FROM pg_roles WHERE oid >= 16384
"""


@dataclass
class Reply:
    """One entry's answer: rows of all its statements, columns, and the first error if any."""

    rows: list[tuple[bytes | None, ...]] = field(default_factory=list)
    columns: list[tuple[str, int, int]] = field(default_factory=list)
    error: str = ""
    data: bytes = b""


async def oid_finder(client: RawClient) -> Callable[[str], int]:
    """From names to OIDs, as this server numbers its own objects; NOBODY_OID for what is absent."""
    reply = await ask(client, Entry(0, "the test", _NAMES))
    assert not reply.error, reply.error
    known = {row[0].decode(): int(row[1]) for row in reply.rows if row[0] and row[1]}
    find: Callable[[str], int] = lambda name: known.get(name, NOBODY_OID)  # noqa: E731
    find.known = known  # type: ignore[attr-defined]
    return find


async def ask(client: RawClient, entry: Entry, result_format: int = 0) -> Reply:
    """The whole answer. Without parameters and in text: one Query, as psql sends it."""
    if entry.parameters or result_format:
        parameters = tuple(None if one is None else one.encode() for one in entry.parameters)
        formats = (result_format,) if result_format else ()
        request = [
            frontend.Parse("", entry.sql),
            frontend.Bind("", "", (), parameters, formats),
            frontend.Describe(b"P", ""),
            frontend.Execute(),
            frontend.Sync(),
        ]
        return _reply(await client.converse(request))
    return _reply(await client.converse([frontend.Query(entry.sql)]))


def _reply(messages: list[Message]) -> Reply:
    reply = Reply()
    for message in messages:
        match message:
            case RowBatch():
                reply.rows += message.rows()
                reply.data += message.data
            case backend.RowDescription():
                reply.columns += [(f.name, f.type_oid, f.type_modifier) for f in message.fields]
                reply.data += message.encode()
            case backend.ErrorResponse():
                reply.error = reply.error or f"{message.sqlstate} {message.message}"
                reply.data += message.encode()
            case backend.NoticeResponse():
                reply.data += message.encode()
    return reply


_NUMBER = re.compile(rb"(?<![\d.])\d{5,10}(?![\d.])")


def without_oids(value: bytes | None, names: Mapping[int, str]) -> bytes | None:
    """The text with each number that is some object's OID replaced by that object's name."""
    if value is None:
        return None

    def named(found: re.Match[bytes]) -> bytes:
        name = names.get(int(found[0]))
        return found[0] if name is None else f"<{name}>".encode()

    return _NUMBER.sub(named, value)
