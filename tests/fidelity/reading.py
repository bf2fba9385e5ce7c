"""Asking one end, in every way a client may ask, and what came back as a plain value.

libpq is used below psycopg's own types, so that the very bytes are compared; asyncpg reads the
catalog by itself to decode what it gets. This file must not know which end it asks, nor compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import asyncpg
import psycopg
from psycopg import pq

from proxy.wire.type_oids import FIRST_OWN_OID
from tests.fidelity.corpus import Argument
from tests.fidelity.pair import SEARCH_PATH, Access

TIME_ZONE = "UTC"  # the gate's own default; a source's is its operator's
_TYPE_NAME = """
SELECT n.nspname || '.' || t.typname FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = %d
"""


class Way(StrEnum):
    """How a statement is sent."""

    SIMPLE = "simple"
    PREPARED = "prepared"
    COPY = "copy"
    ASYNCPG = "asyncpg"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client read: columns as (name, type, modifier), rows as shown, or an error.

    `sqlstate` is None for an answer; `failure` the message, or what the client library said when
    the fault is its own (`sqlstate` is then the exception's name).
    """

    columns: tuple[tuple[str, str, int], ...] = ()
    rows: tuple[object, ...] = ()
    tag: str = ""
    sqlstate: str | None = None
    failure: str = ""


class LibpqReader:
    """One connection of libpq; a lost one is opened again."""

    def __init__(self, access: Access) -> None:
        options = {
            "host": access.host,
            "port": str(access.port),
            "user": access.user,
            "password": access.password,
            "dbname": access.database,
            "sslmode": "disable",
            "gssencmode": "disable",
        }
        self._conninfo = psycopg.conninfo.make_conninfo(**options).encode()
        self._connection = self._open()
        self._types: dict[int, str] = {}

    def _open(self) -> pq.abc.PGconn:
        connection = pq.PGconn.connect(self._conninfo)
        if connection.status != pq.ConnStatus.OK:
            raise ConnectionError(connection.get_error_message())
        settings = f"SET search_path TO {SEARCH_PATH}; SET TimeZone TO {TIME_ZONE}"
        result = connection.exec_(settings.encode())
        assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message
        return connection

    def close(self) -> None:
        self._connection.finish()

    def read(self, way: Way, text: str, arguments: Sequence[Argument] = ()) -> Outcome:
        """Ask once; `arguments` are used by the prepared way alone."""
        if self._connection.status != pq.ConnStatus.OK:
            self._connection.finish()
            self._connection = self._open()
        sql = text.encode()
        match way:
            case Way.SIMPLE:
                return self._outcome(self._connection.exec_(sql))
            case Way.PREPARED:
                return self._prepared(sql, [_as_text(value) for value in arguments])
            case Way.COPY:
                return self._copied(sql)
        raise ValueError(f"libpq does not ask by {way}")

    def _prepared(self, sql: bytes, arguments: list[bytes | None]) -> Outcome:
        prepared = self._connection.prepare(b"", sql)
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            return self._outcome(prepared)
        result = self._connection.exec_prepared(
            b"",
            arguments,  # type: ignore[arg-type]  # the stub forgets that an argument may be NULL
            result_format=pq.Format.BINARY,
        )
        return self._outcome(result)

    def _copied(self, sql: bytes) -> Outcome:
        # The line break ends a comment at the end of the statement.
        copy = b"COPY (" + sql + b"\n) TO STDOUT (FORMAT csv, HEADER)"
        result = self._connection.exec_(copy)
        if result.status != pq.ExecStatus.COPY_OUT:
            return self._outcome(result)
        lines: list[object] = []
        while True:
            length, data = self._connection.get_copy_data(0)
            if length < 0:
                break
            lines.append(bytes(data))
        last = self._connection.get_result()
        assert last is not None, "libpq gives a result after the data"
        while self._connection.get_result() is not None:
            pass
        outcome = self._outcome(last)
        if outcome.sqlstate is not None:
            return outcome
        return Outcome(rows=tuple(lines), tag=outcome.tag)

    def _outcome(self, result: pq.abc.PGresult) -> Outcome:
        if result.status not in (
            pq.ExecStatus.TUPLES_OK,
            pq.ExecStatus.COMMAND_OK,
            pq.ExecStatus.EMPTY_QUERY,
        ):
            state = result.error_field(pq.DiagnosticField.SQLSTATE)
            message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
            shown = message or result.error_message
            return Outcome(
                sqlstate=state.decode() if state else "lost", failure=shown.decode().strip()
            )
        columns = tuple(
            (
                (result.fname(number) or b"").decode(),
                self._type_name(result.ftype(number)),
                result.fmod(number),
            )
            for number in range(result.nfields)
        )
        rows = tuple(
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        )
        return Outcome(columns, rows, (result.command_status or b"").decode())

    def _type_name(self, oid: int) -> str:
        if oid < FIRST_OWN_OID:  # the same on every server of one major
            return str(oid)
        if oid not in self._types:
            result = self._connection.exec_((_TYPE_NAME % oid).encode())
            found = result.get_value(0, 0) if result.ntuples else None
            self._types[oid] = found.decode() if found else f"unknown type {oid}"
        return self._types[oid]


def _shown(value: object) -> str:
    """`repr`, and for asyncpg's paths and polygons, which have none, their points."""
    if isinstance(value, asyncpg.Path):
        return f"{type(value).__name__}({value.is_closed}, {tuple(value)!r})"
    return repr(value)


def _as_text(value: object) -> bytes | None:
    """An argument in PostgreSQL's text format; a tuple is an array."""
    if value is None:
        return None
    if isinstance(value, tuple):
        inner = (_as_text(one) for one in value)
        return b"{" + b",".join(b"NULL" if one is None else one for one in inner) + b"}"
    return str(value).encode()


@contextmanager
def libpq(access: Access) -> Iterator[LibpqReader]:
    """A reader for the length of the block."""
    reader = LibpqReader(access)
    try:
        yield reader
    finally:
        reader.close()


class AsyncpgReader:
    """One connection of asyncpg; a lost one is opened again."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._connection: asyncpg.Connection | None = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def read(self, text: str, arguments: Sequence[Argument] = ()) -> Outcome:
        """Ask once; values are shown by `repr`, so that 1.5 and 1.50 differ and NaN equals NaN."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._open()
        try:
            statement = await self._connection.prepare(text)
            records = await statement.fetch(*arguments)
        except asyncpg.PostgresError as error:
            return Outcome(sqlstate=error.sqlstate or "lost", failure=str(error.args[0]))
        except Exception as error:  # whatever the library raises is what its user gets
            return Outcome(sqlstate=type(error).__name__, failure=str(error.args[0]))
        columns = tuple(
            (one.name, f"{one.type.schema}.{one.type.name}", 0)
            for one in statement.get_attributes()
        )
        rows = tuple(tuple(map(_shown, record.values())) for record in records)
        return Outcome(columns, rows, statement.get_statusmsg() or "")

    async def _open(self) -> asyncpg.Connection:
        access = self._access
        return await asyncpg.connect(
            host=access.host,
            port=access.port,
            user=access.user,
            password=access.password,
            database=access.database,
            ssl=False,
            statement_cache_size=0,
            server_settings={"search_path": SEARCH_PATH, "TimeZone": TIME_ZONE},
        )
