"""The express way to run a statement at a Postgres: one write, one answer, no message decoded.

It must not know policy, or who asks. INVARIANT I1: no text is sent here at all, only the name of a
statement that a `Fragment` was parsed as (`postgres_opening.py`), and values.

Theory of operation. Most executions are alike: a connection is idle and has the statement prepared
and described; Bind, Execute and Sync go out in one write; the answer is BindComplete, rows,
CommandComplete and ReadyForQuery "idle" in one read. This does so much and nothing else. Bytes are
taken over only if all of that answer is there and every frame of it is in its place. Anything else
(an error, a notice, a changed setting, rows that take several reads, a lost connection, somebody
who wants to stop it) is a *surprise*: the connection is then handed over as an ordinary checkout
with its answer still to be read, by code that knows what to do.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policies.claims import ClaimType, to_text
from proxy.faults import Fault
from proxy.runtime.tasks import spawn
from proxy.sources.express import Answered
from proxy.sources.pool import Pool
from proxy.sources.postgres_backend import PostgresBackend
from proxy.sources.postgres_connection import PostgresConnection
from proxy.sources.postgres_opening import Opening
from proxy.sources.postgres_statement import Statement, StatementKey
from proxy.sources.postgres_stream import PostgresRowStream
from proxy.wire.body import UINT16, UINT32
from proxy.wire.errors import WireError
from proxy.wire.frontend import Execute, Sync
from proxy.wire.limits import PARAMETERS_MAX

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment

_EXECUTE_AND_SYNC = Execute("", 0).encode() + Sync().encode()
_BIND_COMPLETE = b"2\0\0\0\4"
_BIND_COMPLETE_BYTES = len(_BIND_COMPLETE)
_READY_IDLE = b"Z\0\0\0\5I"
_READY_IDLE_BYTES = len(_READY_IDLE)
_HEADER = struct.Struct(">BI")
_HEADER_BYTES = _HEADER.size
_ROW, _COMPLETE = b"DC"
_OTHER = (-1, -1)

TakeBack = Callable[[PostgresBackend, bool], None]


@dataclass(frozen=True, slots=True)
class PostgresOrder:
    """Implements express.Order. `claims` are the identity's values as Bind sends them."""

    key: StatementKey
    result_formats: tuple[int, ...]
    result_oids: tuple[int, ...] | None
    count: bytes
    claims: bytes

    def body(self, formats: bytes, values: bytes, results: bytes) -> bytes:
        """See `express.Order`."""
        return b"%b%b%b%b%b" % (formats, self.count, values, self.claims, results)


def order_of(
    fragment: Fragment,
    pins: Mapping[str, str],
    born: Mapping[str, str | None],
    result_formats: tuple[int, ...],
) -> PostgresOrder | None:
    """The order of a fragment; None for what needs more than one write, or may leave a trace."""
    has_limit = fragment.row_limit is not None or fragment.byte_limit is not None
    is_changed = any(born[name] != value for name, value in pins.items())
    if has_limit or is_changed or not fragment.leaves_nothing or fragment.copy_format is not None:
        return None
    claims = b""
    for slot, value in zip(fragment.claim_slots, fragment.claim_values, strict=True):
        text = to_text(value, ClaimType.parse(slot.type_name))
        encoded = b"" if text is None else text.encode()
        claims += (b"\xff\xff\xff\xff" if text is None else UINT32.pack(len(encoded))) + encoded
    count = len(fragment.parameter_oids) + len(fragment.claim_slots)
    if count > PARAMETERS_MAX:
        return None
    oids = fragment.parameter_oids + tuple(slot.type_oid for slot in fragment.claim_slots)
    key = (fragment.sql, oids)
    return PostgresOrder(key, result_formats, fragment.result_oids, UINT16.pack(count), claims)


class PostgresDispatch:
    """Implements express.Dispatch. Make it by `dispatch`."""

    __slots__ = ("_backend", "_order", "_pool", "_receiver", "_statement", "_take_back", "_waiter")

    def __init__(
        self,
        pool: Pool[PostgresBackend],
        order: PostgresOrder,
        receiver: Answered,
        take_back: TakeBack,
    ) -> None:
        self._pool = pool
        self._order = order
        self._receiver = receiver
        self._take_back = take_back
        self._backend: PostgresBackend | None = None
        self._statement: Statement | None = None
        self._waiter: asyncio.Future[PostgresBackend | None] | None = None

    # Reserving

    @property
    def is_reserved(self) -> bool:
        """See `express.Dispatch`."""
        return self._backend is not None

    def reserve(self, backend: PostgresBackend) -> bool:
        """Keep a borrowed backend if it can run the order in one write; give it back otherwise."""
        order = self._order
        statement = backend.statements.peek(order.key)
        if (
            statement is not None
            and statement.is_parsed
            and statement.described is not None
            and statement.described_formats == order.result_formats
            and statement.accepted_oids == order.result_oids
            and backend.conversation.channel.is_writable
        ):
            self._backend, self._statement = backend, statement
            return True
        self._take_back(backend, backend.is_clean)
        return False

    def queue_up(self, owner: Hashable) -> bool:
        """Wait for a backend; False where that is not for us to do."""
        waiter = self._waiter = self._pool.queue_up(owner)
        if waiter is None:
            return False
        waiter.add_done_callback(self._granted)
        return True

    def _granted(self, waiter: asyncio.Future[PostgresBackend | None]) -> None:
        if self._waiter is None or waiter.cancelled():
            return
        self._waiter = None
        backend = None if waiter.exception() is not None else waiter.result()
        if backend is None:
            self._pool.leave(waiter)
            self._receiver.given_up()
        elif self.reserve(backend):
            self._receiver.granted()
        else:
            self._receiver.given_up()

    def overdue(self) -> Fault | None:
        """See `express.Dispatch`."""
        return None if self._waiter is None else self._pool.overdue(self._waiter)

    # Running

    def send(self, body: bytes) -> None:
        """See `express.Dispatch`."""
        backend, statement = self._backend, self._statement
        assert backend is not None, "reserved before"
        assert statement is not None, "reserved before"
        assert statement.described is not None, "described when reserved"
        name = statement.name.encode("ascii")
        length = UINT32.pack(len(name) + len(body) + 6)
        conversation = backend.conversation
        conversation.channel.expect_columns(len(statement.described.fields))
        try:
            conversation.express(b"B%b\0%b\0%b%b" % (length, name, body, _EXECUTE_AND_SYNC), self)
        except Fault:
            self._backend = None
            self._take_back(backend, False)
            raise

    def received(self, data: bytes) -> bool:
        """See `postgres_channel.Receiver`."""
        backend = self._backend
        assert backend is not None, "sent before"
        channel = backend.conversation.channel
        rows, row_bytes = rows_of(data, channel.count_rows)
        if rows < 0:
            self._receiver.surprised()
            return False
        channel.expect_columns(None)
        backend.conversation.express_ended(is_answered=True)
        self._receiver.answered(data[_BIND_COMPLETE_BYTES:], rows, row_bytes)
        if backend.is_untouched:
            backend.checked_in()
            self._take_back(backend, True)
        else:
            spawn(PostgresConnection(backend, {}, self._take_back).release(), name="release")
        return True

    def lost(self) -> None:
        """See `postgres_channel.Receiver`."""
        self._receiver.surprised()

    def surrender(self) -> PostgresUnderWay | None:
        """See `express.Dispatch`."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._pool.leave(waiter)
        backend, self._backend = self._backend, None
        if backend is None:
            return None
        if not backend.conversation.is_owed:
            self._take_back(backend, backend.is_clean)
            return None
        assert self._statement is not None, "reserved before"
        backend.conversation.express_ended(is_answered=False)
        connection = PostgresConnection(backend, {}, self._take_back)
        return PostgresUnderWay(connection, Opening.under_way(backend, self._statement))


def dispatch(
    pool: Pool[PostgresBackend],
    order: PostgresOrder,
    receiver: Answered,
    take_back: TakeBack,
    owner: Hashable,
) -> PostgresDispatch | None:
    """See `express.ExpressSource.dispatch`."""
    made = PostgresDispatch(pool, order, receiver, take_back)
    backend = pool.take_now()
    is_made = made.queue_up(owner) if backend is None else made.reserve(backend)
    return made if is_made else None


@dataclass(frozen=True, slots=True)
class PostgresUnderWay:
    """Implements express.UnderWay."""

    connection: PostgresConnection
    _opening: Opening

    async def join(self) -> PostgresRowStream:
        """See `express.UnderWay`."""
        return await self.connection.join(self._opening)


def rows_of(data: bytes, count_rows: Callable[[bytes, int], tuple[int, int]]) -> tuple[int, int]:
    """How many rows a whole and ordinary answer holds, and their bytes; −1 for any other bytes."""
    if not data.startswith(_BIND_COMPLETE) or not data.endswith(_READY_IDLE):
        return _OTHER
    rows, position = 0, _BIND_COMPLETE_BYTES
    try:
        if data[position] == _ROW:
            _, length = _HEADER.unpack_from(data, position)
            if position + 1 + length > len(data):
                return _OTHER
            rows, position = count_rows(data, position)
        kind, length = _HEADER.unpack_from(data, position)
    except (WireError, struct.error, IndexError):
        return _OTHER  # the usual reader meets the same bytes, and says what is wrong
    end = len(data) - _READY_IDLE_BYTES
    if kind != _COMPLETE or position + 1 + length != end:
        return _OTHER
    if data[position + _HEADER_BYTES : end] != b"SELECT %d\0" % rows:
        return _OTHER
    return rows, position - _BIND_COMPLETE_BYTES
