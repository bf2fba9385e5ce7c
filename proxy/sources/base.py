"""What every source promises: the protocols that the gate is written against.

It must not know any one database, driver or socket, and nothing of policy.

Theory of operation. A source lends connections. Between `acquire` and `release` a connection
belongs to one session of one principal. On it one *stream* at a time is read: `execute`, `resume`
and `copy_out` start one, and it must be read to its end or closed (`aclose`) before the next call.
Rows travel as `RowBatch`: whole DataRow frames as the client will read them, never decoded.

*Held portals.* An Execute with `row_max` leaves its portal open. Inside an explicit transaction it
lives until that ends; outside one the source keeps its implicit transaction open until `sync` is
called, which is what a client's Sync message means (PostgreSQL documentation, 55.2.3 Extended
Query).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from proxy.wire.backend import CopyOutResponse, RowDescription
from proxy.wire.batch import CopyBatch, RowBatch

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment

TEXT_FORMAT = 0
BINARY_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Arguments:
    """The client's parameter values as received in Bind; no repr, for they are people's data.

    `formats` follows Bind's shorthand: empty for all text, one for all values, or one for each
    value.
    """

    values: tuple[bytes | None, ...] = field(default=(), repr=False)
    formats: tuple[int, ...] = ()

    def format_of_each(self) -> tuple[int, ...]:
        """Spell the shorthand out: one format code for each value."""
        match len(self.formats):
            case 0:
                return (TEXT_FORMAT,) * len(self.values)
            case 1:
                return self.formats * len(self.values)
            case _:
                return self.formats


class SourceState(Enum):
    """Where a source is in its life. DOWN is not an error: others are served, and it is retried."""

    NEW = "new"
    UP = "up"
    DOWN = "down"
    CLOSED = "closed"


@runtime_checkable
class RowStream(Protocol):
    """Rows of one Execute. The attributes below `description` are complete once iteration has
    ended.

    `description` is None for a statement without a result. `suspended`: the portal has (or may
    have) more rows. `truncated`: a row or byte limit of the fragment cut the result. `byte_count`
    counts DataRow frames with their headers, as the client receives them.
    """

    @property
    def description(self) -> RowDescription | None: ...
    @property
    def command_tag(self) -> str | None: ...
    @property
    def suspended(self) -> bool: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def row_count(self) -> int: ...
    @property
    def byte_count(self) -> int: ...
    def __aiter__(self) -> AsyncIterator[RowBatch]: ...
    async def __anext__(self) -> RowBatch: ...
    async def aclose(self) -> None:
        """Give up the rest: the connection is then ready for the next call, or has been closed.

        Never raises.
        """
        ...


@runtime_checkable
class CopyStream(Protocol):
    """Whole CopyData frames, in order. `header` is the source's CopyOutResponse."""

    @property
    def header(self) -> CopyOutResponse: ...
    @property
    def command_tag(self) -> str | None: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def row_count(self) -> int: ...
    @property
    def byte_count(self) -> int: ...
    def __aiter__(self) -> AsyncIterator[CopyBatch]: ...
    async def __anext__(self) -> CopyBatch: ...
    async def aclose(self) -> None: ...


class SourceConnection(Protocol):
    """One borrowed connection. Every method may raise SourceFault or LimitFault.

    After any fault `is_usable` tells whether the connection still works (an ordinary SQL error) or
    is gone (anything unexpected); `release` is right in both cases, always, exactly once.
    """

    @property
    def status(self) -> bytes:
        """`b"I"` idle, `b"T"` in a transaction, `b"E"` in a failed one, as in ReadyForQuery."""
        ...

    @property
    def is_usable(self) -> bool: ...

    def pin(self, pins: Mapping[str, str]) -> None:
        """Settings that hold from the next call on, inside a transaction, too, instead of those of
        `acquire`. Raises SourceFault 22023, UnsupportedFault while an implicit transaction is held.
        """
        ...

    async def begin(self, isolation: str | None = None, deferrable: bool = False) -> None:
        """Open a read-only transaction. `isolation` is one of base.ISOLATION_LEVELS, None the
        default.
        """
        ...

    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...
    async def savepoint(self, name: str) -> None: ...
    async def rollback_to(self, name: str) -> None: ...
    async def release_savepoint(self, name: str) -> None: ...

    async def execute(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        row_max: int = 0,
        portal: str = "",
        is_text_about_visible_data: bool = False,
    ) -> RowStream:
        """Run the fragment; `row_max` 0 means all rows. Returns once its description is known.

        `is_text_about_visible_data`: the caller has proved that nothing in the fragment is
        evaluated on a hidden row, so the source's primary message may be told.
        """
        ...

    async def open_portal(
        self,
        fragment: Fragment,
        arguments: Arguments,
        result_formats: tuple[int, ...] = (),
        *,
        portal: str,
        is_text_about_visible_data: bool = False,
    ) -> RowDescription | None:
        """Bind a portal without running it (DECLARE CURSOR); `resume` fetches from it."""
        ...

    async def resume(self, portal: str, row_max: int = 0) -> RowStream: ...
    async def close_portal(self, portal: str) -> None: ...

    async def sync(self) -> None:
        """The client's Sync: end the implicit transaction, if one is held open, and with it its
        portals.
        """
        ...

    async def copy_out(self, fragment: Fragment) -> CopyStream: ...

    async def cancel(self) -> None:
        """Ask the source to stop what this connection runs now, and nothing that runs later."""
        ...

    async def release(self) -> None:
        """Give the connection back: reset and proven clean, or closed. Never raises.

        Call it after the client has its answer: the reset costs one round trip that nobody should
        wait for.
        """
        ...


class Source(Protocol):
    """A database that lends connections."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> SourceState: ...
    @property
    def down_reason(self) -> str | None:
        """Why it is down, for the operator: no text of the source, no credential."""
        ...

    @property
    def is_contended(self) -> bool:
        """True while somebody waits for a connection: who holds one between statements, let go."""
        ...

    async def start(self) -> None:
        """Begin to connect. Does not raise when the source is unreachable: the state says so."""
        ...

    async def close(self) -> None: ...

    async def acquire(
        self, pins: Mapping[str, str], *, principal: Hashable = None
    ) -> SourceConnection:
        """Borrow a connection on which the settings `pins` hold. Waits boundedly, and fairly among
        principals: however many statements one has waiting, another's comes next.

        Raises LimitFault 53300 when the wait or the queue reached its limit, SourceFault 08006 when
        the source is down, SourceFault 22023 for a setting that may not be pinned.
        """
        ...


# PostgreSQL documentation, 13.2; READ UNCOMMITTED behaves as READ COMMITTED there and is accepted
# as its name.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
