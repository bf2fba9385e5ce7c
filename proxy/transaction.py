"""The client's transaction, as the client sees it: idle, implicit, open or failed, with its
savepoints.

It spans three worlds that do not know each other: sources (begun lazily), the shadow (which has no
transaction of ours) and the gate's own refusals. Whatever fails in any of them puts all of it into
*failed*, until ROLLBACK or ROLLBACK TO (pitfall 23; attack case 77).

This file must not know sockets, sources or SQL text. `proxy/upstream.py` mirrors what happens here.

Theory of operation (PostgreSQL documentation, "Message Flow": Simple Query, Extended Query):

    IDLE      no transaction; one statement alone is its own
    IMPLICIT  several statements of one Query message, or the messages up to Sync, run as one
    OPEN      BEGIN was given; ReadyForQuery says T
    FAILED    an error in OPEN; ReadyForQuery says E; only ROLLBACK, COMMIT and ROLLBACK TO pass

An error in IMPLICIT ends it at once, so ReadyForQuery says I. BEGIN turns IMPLICIT into OPEN.
"""

from __future__ import annotations

from enum import Enum, auto

from proxy.faults import Fault
from proxy.settings import Settings

ABORTED = "current transaction is aborted, commands ignored until end of transaction block"


class Block(Enum):
    """Where the session stands; see the theory of operation."""

    IDLE = auto()
    IMPLICIT = auto()
    OPEN = auto()
    FAILED = auto()


class Transaction:
    """State of one session's transaction and of the settings that roll back with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.block = Block.IDLE
        self.savepoints: list[str] = []
        self.has_run = False
        """Whether a query ran in this transaction: from then on its isolation is settled."""
        self.is_alone = True
        """Whether nothing but a pipeline holds it together: no place for a cursor or SET LOCAL."""
        self.has_piped = False
        """Whether a message of the same pipeline ran before."""

    def __repr__(self) -> str:
        return f"Transaction({self.block.name}, savepoints={self.savepoints})"

    @property
    def status(self) -> bytes:
        """The byte of ReadyForQuery."""
        return {Block.OPEN: b"T", Block.FAILED: b"E"}.get(self.block, b"I")

    @property
    def is_block(self) -> bool:
        """Whether BEGIN was given, failed or not."""
        return self.block in (Block.OPEN, Block.FAILED)

    def check_usable(self) -> None:
        """Raise Fault 25P02 in a failed transaction."""
        if self.block is Block.FAILED:
            raise Fault(ABORTED, sqlstate="25P02")

    def check_mode(self, key: str, value: str) -> None:
        """Raise Fault 25001 where a mode of the transaction is settled: `key` is one of
        `settings.OF_THE_TRANSACTION`, `value` canonical (PostgreSQL source,
        check_transaction_isolation and check_transaction_deferrable)."""
        if key == "transaction_deferrable":
            if self.savepoints:
                when = "cannot be called within a subtransaction"
            elif self.has_run:
                when = "must be called before any query"
            else:
                return
            raise Fault(f"SET TRANSACTION [NOT] DEFERRABLE {when}", sqlstate="25001")
        if value == self._settings.of_transaction(key):
            return
        if self.has_run:
            when = "must be called before any query"
        elif self.savepoints:
            when = "must not be called in a subtransaction"
        else:
            return
        raise Fault(f"SET TRANSACTION ISOLATION LEVEL {when}", sqlstate="25001")

    def enter_implicit(self, *, is_alone: bool = False) -> None:
        """Statements are about to run as one, unless a block is open already.

        `is_alone`: they are messages of a pipeline, or a Query of one statement. Only several in
        one Query count as a block (PostgreSQL source, BeginImplicitTransactionBlock).
        """
        if self.block is Block.IDLE:
            self.block = Block.IMPLICIT
            self._settings.mark("")
            self.has_piped = False
        else:
            self.has_piped = True
        self.is_alone = is_alone and self.block is Block.IMPLICIT

    def leave_implicit(self, *, is_committed: bool) -> None:
        """The Query message or the pipeline ended. A block that BEGIN opened stays open."""
        if self.block is Block.IMPLICIT:
            self.finish(is_committed=is_committed)

    def begin(self) -> bool:
        """BEGIN. Returns False when a block was open already (a warning in Postgres)."""
        self.check_usable()
        if self.block is Block.OPEN:
            return False
        if self.block is Block.IDLE:
            self._settings.mark("")
        self.block = Block.OPEN
        self.is_alone = False
        return True

    def fail(self) -> None:
        """A statement failed. An implicit transaction is ended by its owner."""
        if self.block is Block.OPEN:
            self.block = Block.FAILED
            self._settings.undo()

    def finish(self, *, is_committed: bool) -> None:
        """COMMIT or ROLLBACK: settings set here stay or go, savepoints are forgotten."""
        self._settings.end(is_committed=is_committed)
        self.block = Block.IDLE
        self.is_alone = True
        self.has_piped = False
        self.savepoints.clear()
        self.has_run = False

    def savepoint(self, name: str) -> None:
        """SAVEPOINT. Raises Fault 25P01 outside a block, 25P02 in a failed one."""
        self.check_usable()
        self._demand_block("SAVEPOINT")
        self._settings.mark(name)
        self.savepoints.append(name)

    def release(self, name: str) -> None:
        """RELEASE SAVEPOINT. Raises Fault 3B001 when there is no such savepoint."""
        self.check_usable()
        self._demand_block("RELEASE SAVEPOINT")
        position = self._position(name)
        self._settings.release(name)
        del self.savepoints[position:]

    def rollback_to(self, name: str) -> None:
        """ROLLBACK TO SAVEPOINT: also the way out of a failed block. Raises Fault 3B001, 25P01."""
        self._demand_block("ROLLBACK TO SAVEPOINT")
        position = self._position(name)
        self._settings.restore(name)
        del self.savepoints[position + 1 :]
        self.block = Block.OPEN

    def _demand_block(self, what: str) -> None:
        if not self.is_block:
            raise Fault(f"{what} can only be used in transaction blocks", sqlstate="25P01")

    def _position(self, name: str) -> int:
        for position in range(len(self.savepoints) - 1, -1, -1):
            if self.savepoints[position] == name:
                return position
        raise Fault(f'savepoint "{name}" does not exist', sqlstate="3B001")
