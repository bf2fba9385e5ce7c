"""One server process that we hold: its conversation, settings, prepared statements, and how to stop
or renew it.

It must not know who borrows it (`postgres_connection.py`) nor the pool. It lives from login to
close, through many checkouts; INVARIANT I12: `reset` proves that nothing of a checkout is left, or
raises, and then it is closed.

Theory of operation. There are two proofs. A checkout that sent nothing but Bind, Execute and Sync
of fragments that leave nothing behind, and whose last ReadyForQuery said idle, is as clean as it
was born: `is_untouched`. Whatever else happens calls `touch`, and then the server itself is told to
forget, in a round trip whose every answer is checked. That is done now and then in any case, so
that no mistake in the first proof lasts.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from typing import Final

from policies.claims import ClaimType, to_text
from proxy.faults import SourceFault
from proxy.sources.condition import edit_error
from proxy.sources.postgres_channel import Channel
from proxy.sources.postgres_command import RESET, ROLLBACK, SET_FOR_SESSION, SET_FOR_TRANSACTION
from proxy.sources.postgres_conversation import (
    COMMAND_MESSAGES_MAX,
    COMMAND_SECONDS_MAX,
    IDLE,
    IN_TRANSACTION,
    SYNC,
    Conversation,
    Lead,
)
from proxy.sources.postgres_dial import DialError, dial
from proxy.sources.postgres_login import Session
from proxy.sources.postgres_options import Address, Pooling, PostgresOptions
from proxy.sources.postgres_pins import ParameterWatch, Pins, born_settings
from proxy.sources.postgres_statement import StatementCache
from proxy.wire.backend import (
    BindComplete,
    CommandComplete,
    ErrorResponse,
    NoData,
    ParseComplete,
    RowDescription,
)
from proxy.wire.batch import Row, RowBatch
from proxy.wire.frontend import Bind, CancelRequest, Execute, Parse, Terminate

TERMINATE: Final = Terminate().encode()
CANCEL_SECONDS_MAX: Final = 5.0
# Checkouts in a row that may go without a reset; one reset in a hundred costs less than a percent.
UNTOUCHED_CHECKOUTS_MAX: Final = 100

_SET_STATEMENT: Final = "pins"
_TEXT_ARRAY: Final = ClaimType.parse("text[]")
_SET_OIDS: Final = (_TEXT_ARRAY.oid, _TEXT_ARRAY.oid)


class PostgresBackend:
    """Args: `address` is where the connection really is (a cancel must go there), `server_name`
    whom its certificate names.
    """

    def __init__(
        self,
        channel: Channel,
        session: Session,
        options: PostgresOptions,
        *,
        address: Address,
        context: ssl.SSLContext | None,
        watch: ParameterWatch,
        server_name: str,
    ) -> None:
        self.options = options
        self.session = session
        self.is_pooled_by_transaction = options.pooling is Pooling.TRANSACTION
        self.conversation = Conversation(channel, watch, options.silence_seconds_max)
        self.pins = Pins(born_settings(options))
        # Behind a transaction pooler the next transaction may run on a server that knows no name of
        # ours.
        cached_max = 0 if self.is_pooled_by_transaction else options.statements_cached_max
        self.statements = StatementCache(cached_max)
        self._address = address
        self._context = context
        self._server_name = server_name
        self._knows_set_statement = False
        self._was_cancelled = False
        self._is_touched = False
        self._untouched_checkouts = 0

    def __repr__(self) -> str:
        return f"<PostgresBackend {self.session.server_version} {self.conversation!r}>"

    @property
    def is_usable(self) -> bool:
        """True between statements of a connection that showed no anomaly."""
        conversation = self.conversation
        is_quiet = not (conversation.is_owed or conversation.is_cancelling)
        return conversation.channel.is_open and is_quiet and not conversation.channel.queued

    @property
    def is_clean(self) -> bool:
        """True when it may be lent: usable, and in no transaction."""
        return self.is_usable and self.conversation.status == IDLE and not self.conversation.is_held

    @property
    def is_untouched(self) -> bool:
        """True when the checkout that ends now did nothing that a reset would have to take back."""
        is_trusted = self._untouched_checkouts < UNTOUCHED_CHECKOUTS_MAX
        return not self._is_touched and is_trusted and self.is_clean

    def touch(self) -> None:
        """Something was sent, or went wrong, that may leave a trace: a full reset is due."""
        self._is_touched = True

    def abort(self) -> None:
        """Close now. A healthy server gets a Terminate, so that its log stays quiet."""
        if self.is_usable:
            self.conversation.channel.terminate(TERMINATE)
        else:
            self.conversation.channel.break_off("closed")

    # --- settings -------------------------------------------------------------------------------

    def lead_settings(self) -> None:
        """Put what must be set in front of the next statement (session pooling)."""
        changes = self.pins.difference()
        if not changes or self.conversation.is_held:
            # Inside a held implicit transaction a Sync would end it: the change waits for the
            # client's Sync.
            return
        self.touch()
        parse = b""
        if not self._knows_set_statement:
            parse = Parse(_SET_STATEMENT, SET_FOR_SESSION, _SET_OIDS).encode()

        def confirm() -> None:
            self._knows_set_statement = True
            is_in_transaction = self.conversation.status == IN_TRANSACTION
            self.pins.note_set(changes, is_in_transaction=is_in_transaction)

        payload = parse + _set_payload(_SET_STATEMENT, changes)
        self.conversation.lead(Lead(payload, ("SELECT 0",), self.conversation.status, confirm))

    def lead_local_settings(self) -> None:
        """Put every setting in front, for this transaction only (transaction pooling)."""
        settings = {**self.pins.born, **self.pins.wanted}
        del settings["application_name"]
        parse = Parse("", SET_FOR_TRANSACTION, _SET_OIDS).encode()
        payload = parse + _set_payload("", settings)
        self.conversation.lead(Lead(payload, ("SELECT 0",), IN_TRANSACTION))

    # --- own queries ----------------------------------------------------------------------------

    async def ping(self) -> None:
        """One empty round trip. Raises SourceFault."""
        await self.conversation.sync()

    async def query(
        self, sql: str, values: tuple[str | None, ...], oids: tuple[int, ...]
    ) -> list[Row]:
        """Run one constant query of `postgres_role.py`; text format. Raises SourceFault.

        INVARIANT I1: private to this package, and never called with a text from outside.
        """
        conversation = self.conversation
        encoded = tuple(None if value is None else value.encode() for value in values)
        bind = Bind("", "", (), encoded, ()).encode()
        conversation.send(Parse("", sql, oids).encode() + bind + Execute("", 0).encode() + SYNC)
        await conversation.absorb_leads()
        rows: list[Row] = []
        error: ErrorResponse | None = None
        for _ in range(COMMAND_MESSAGES_MAX):
            message = await conversation.read(COMMAND_SECONDS_MAX)
            if conversation.take_ready(message):
                break
            match message:
                case RowBatch():
                    rows.extend(message.rows())
                case ErrorResponse():
                    error = message
                case (
                    ParseComplete()
                    | BindComplete()
                    | NoData()
                    | RowDescription()
                    | CommandComplete()
                ):
                    pass
                case _:
                    raise conversation.anomaly(type(message).__name__)
        else:
            raise conversation.anomaly("an endless one")
        if error is not None:
            raise edit_error(error.fields)
        return rows

    # --- cancel and reset -----------------------------------------------------------------------

    async def cancel(self) -> None:
        """Ask the server to stop the statement that runs now; do nothing when none runs.

        Nothing is sent on this connection until the server has closed the request's own connection,
        which it does after the signal is delivered: so the request cannot hit a successor. When
        that is not seen in time, the connection is broken off instead.
        """
        conversation = self.conversation
        key, process_id = self.session.cancel_key, self.session.process_id
        if (
            not conversation.is_owed
            or conversation.is_cancelling
            or key is None
            or process_id is None
        ):
            return
        self._was_cancelled = True
        self.touch()
        work_number = conversation.work_number
        conversation.cancel_begins()
        try:
            dialled = await dial(
                self._address, self._context, CANCEL_SECONDS_MAX, server_name=self._server_name
            )
            try:
                if conversation.is_owed and conversation.work_number == work_number:
                    dialled.channel.write(CancelRequest(process_id, key).encode())
                    if not await dialled.channel.wait_closed(CANCEL_SECONDS_MAX):
                        conversation.channel.break_off("a cancel request was not answered")
            finally:
                dialled.channel.break_off("done")
        except DialError:
            # The statement runs on to its timeout; its caller still reads it to its end.
            return
        except SourceFault:
            conversation.channel.break_off("a cancel request was cut short")
        finally:
            conversation.cancel_ended()

    async def reset(self) -> None:
        """Prove the connection clean, by either proof. Raises SourceFault when it cannot be."""
        if self.is_untouched:
            self.checked_in()
            return
        conversation = self.conversation
        await conversation.settle_cancel()
        if conversation.drop_leads():
            # Nothing of them was sent: the transaction they were to open never was.
            conversation.status = IDLE
        if conversation.is_held:
            await conversation.sync()
        if conversation.status != IDLE:
            await conversation.command(ROLLBACK)
        if self.is_pooled_by_transaction:
            # All settings were local to transactions. After a cancel the pooler's bookkeeping is
            # not ours to trust.
            if self._was_cancelled:
                raise conversation.anomaly("a cancelled statement behind a pooler")
        else:
            await conversation.command(RESET)
        self.pins.note_reset()
        self._was_cancelled = self._is_touched = False
        self._untouched_checkouts = 0
        if not self.is_clean:
            raise conversation.anomaly("a reset without effect")

    def checked_in(self) -> None:
        """A checkout is over that was `is_untouched`: it leaves nothing but its number."""
        self._untouched_checkouts += 1
        self.pins.wanted = {}


def _set_payload(statement: str, settings: Mapping[str, str | None]) -> bytes:
    names, values = _text_array(settings.keys()), _text_array(settings.values())
    bind = Bind("", statement, (), (names, values), ()).encode()
    return bind + Execute("", 0).encode() + SYNC


def _text_array(texts: Iterable[str | None]) -> bytes:
    """An array literal. Claims have no NULL inside, settings do: each element is printed alone."""
    literals = (None if one is None else to_text((one,), _TEXT_ARRAY) for one in texts)
    elements = ("NULL" if one is None else one[1:-1] for one in literals)
    return ("{" + ",".join(elements) + "}").encode()
