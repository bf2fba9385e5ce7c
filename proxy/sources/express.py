"""What a source promises that can run a statement the express way: one write, one answer, no task.

This file must not know any one database. Who has no express way is asked as `base.Source` says.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from proxy.faults import Fault
from proxy.sources.base import RowStream, SourceConnection

if TYPE_CHECKING:
    # A type only: the pipeline that makes fragments is no business of a source.
    from proxy.sql.plan import Fragment


class Answered(Protocol):
    """Who waits for a dispatch. After `answered` or `given_up` it is over; `surprised` asks to end
    it by `surrender`."""

    def granted(self) -> None:
        """A connection is reserved: `send` may be called. Not called if it was reserved at once."""
        ...

    def given_up(self) -> None:
        """No connection could be reserved: ask in the usual way."""
        ...

    def answered(self, data: bytes, rows: int, row_bytes: int) -> None:
        """`data`: so many rows in so many bytes, CommandComplete, ReadyForQuery, as they came."""
        ...

    def surprised(self) -> None:
        """The answer is not of the usual kind: call `surrender` now, and read it."""
        ...


class UnderWay(Protocol):
    """A checkout on which a statement was sent, its answer not yet read."""

    @property
    def connection(self) -> SourceConnection: ...
    async def join(self) -> RowStream:
        """Read on; once. Raises SourceFault."""
        ...


class Dispatch(Protocol):
    """One execution: reserved, sent, answered."""

    @property
    def is_reserved(self) -> bool:
        """Whether a connection is at hand that has prepared the statement."""
        ...

    def overdue(self) -> Fault | None:
        """Why it need not wait for a connection any longer, once it has waited for the limit."""
        ...

    def send(self, body: bytes) -> None:
        """Run it. `body` as of `Order.body`. Raises SourceFault: then it is over."""
        ...

    def surrender(self) -> UnderWay | None:
        """Stop waiting. Returns what was sent; None when nothing was: it is over then."""
        ...


class Order(Protocol):
    """What is the same in all executions of one fragment for one identity."""

    def body(self, formats: bytes, values: bytes, results: bytes) -> bytes:
        """Bind, behind the statement's name. `formats` and `results`: a count and format codes as
        on the wire; `values`: the client's values with their lengths."""
        ...


@runtime_checkable
class ExpressSource(Protocol):
    """A source with an express way."""

    def order(
        self, fragment: Fragment, pins: Mapping[str, str], result_formats: tuple[int, ...]
    ) -> Order | None:
        """The order of a fragment, None where it must go the usual way. Raises SourceFault 22023
        for a setting that may not be pinned."""
        ...

    def dispatch(
        self, order: Order, receiver: Answered, *, principal: Hashable = None
    ) -> Dispatch | None:
        """Reserve a connection, or a place in the queue for one, among whose principals waiting is
        shared fairly; None: ask in the usual way."""
        ...
