"""What the gate writes into the audit log about a session, in the log's own terms.

INVARIANT I6: `allowed` returns before anything reaches a source, `refused` before the client is
told.

A line for the operator's log goes with each decision: `tell_decision`.

This file must not know sockets or SQL trees. It holds no state but the log.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from policies.identity import Identity
from proxy.counters import Counters, sqlstate_class
from proxy.decision import Decided
from proxy.faults import Fault
from proxy.runtime import log
from proxy.runtime.audit import (
    AuditLog,
    Form,
    Principal,
    Refusal,
    RelationAccess,
    SessionClosed,
    SessionOpened,
    Slot,
    SqlIntent,
    SqlOutcome,
    Then,
    as_json,
    clear_text,
)
from proxy.runtime.state.admission import Credential
from proxy.runtime.trace_parent import trace_parent
from proxy.session import Session
from proxy.sql.parse import Statement
from proxy.sql.pipeline import Guarded

if TYPE_CHECKING:
    from proxy.tracing import Tracer

_logger = structlog.get_logger("gate")


def principal_of(identity: Identity) -> Principal:
    """An identity as the audit log names it: no claim values."""
    return Principal(
        subject=identity.subject,
        issuer=identity.issuer,
        agent=identity.actor,
        claims_digest=identity.claims_digest,
        roles=tuple(sorted(identity.roles)),
    )


class Recorder:
    """Writes records of sessions and statements. Every method may raise AuditFault (I5)."""

    def __init__(
        self, log: AuditLog, counters: Counters | None = None, tracer: Tracer | None = None
    ) -> None:
        self._log = log
        self.counters = counters or Counters()
        self.tracer = tracer
        """Tells of statements to whoever traces them; None: nobody does."""

    async def opened(
        self, session: Session, *, is_encrypted: bool, credential: Credential | None = None
    ) -> None:
        """A client was let in; call it before telling so."""
        await self._log.record(
            SessionOpened(
                principal=principal_of(session.identity),
                session_id=session_id(session),
                client_address=session.peer,
                application_name=session.settings.get("application_name"),
                is_encrypted=is_encrypted,
                credential="" if credential is None else str(credential),
            )
        )
        self.counters.let_in(session.identity.expires_at - time.time())

    async def closed(self, session: Session, reason: str, statements: int) -> None:
        """A session ended. `reason` is a word of ours or a SQLSTATE."""
        self.counters.session_ended(reason)
        await self._log.record(
            SessionClosed(principal_of(session.identity), session_id(session), reason, statements),
            must_survive=True,
        )

    async def turned_away(self, peer: str, fault: Fault, reason: str) -> None:
        """A client was not let in. `reason` is for auditors and holds no part of a token."""
        self.counters.turned_away[sqlstate_class(fault.sqlstate)] += 1
        await self._log.refusal(
            Refusal(reason=f"{reason} (from {peer})", sqlstate=fault.sqlstate, told=fault.message)
        )

    async def allowed(
        self,
        session: Session,
        statement: Statement,
        decided: Decided,
        version: str,
        *,
        trace: str | None = None,
    ) -> int:
        """A statement is about to run under policy `version`. Returns the id for `ended`.

        `trace` is the statement's own; what the session was set to goes before it.
        """
        self.counters.allowed(decided.source)
        return await self._log.intent(_intent(session, statement, decided, version, trace))

    def form_of_intent(
        self,
        session: Session,
        statement: Statement,
        decided: Decided,
        version: str,
        *,
        trace: str | None,
        has_text: bool,
    ) -> Form:
        """The record of `allowed` with slots: the text, unless `has_text`, then the time."""
        event = _intent(session, statement, decided, version, trace)
        record = event.payload(0.0, self._log.text_form)
        record["time"] = Slot("%d")
        if not has_text:
            record["query_info"]["query_string"] = Slot("%b")
        return Form(record)

    def text(self, text: str) -> bytes:
        """A statement's text for the slot of an intent."""
        return as_json(self._log.text_form(text))

    def post_intent(self, record: bytes, source: str, then: Then) -> None:
        """Put an intent on record without waiting; `then` is called once it is, or cannot be."""
        self.counters.allowed(source)
        self._log.post(record, then)

    def post_outcome(
        self, intent: int, now: float, rows: int, bytes_told: int, latency: log.Latency
    ) -> None:
        """Record that a statement succeeded, without waiting. `now` in unix seconds."""
        spent = (latency.decide_ms, latency.source_ms, latency.total_ms)
        self.counters.flown(rows, bytes_told, spent)
        self._log.post(_OUTCOME.filled(int(now * 1000), bytes_told, *spent, intent, rows), None)

    @property
    def is_writable(self) -> bool:
        """Whether new work may be recorded now."""
        return self._log.failure is None

    async def ended(self, intent: int, outcome: SqlOutcome) -> None:
        """A statement that was allowed is over."""
        self.counters.finished(outcome)
        await self._log.outcome(intent, outcome)

    async def refused(
        self,
        session: Session,
        text: str,
        fault: Fault,
        version: str,
        *,
        trace: str | None = None,
    ) -> None:
        """A statement was refused; call it before telling so. `trace` as in `allowed`."""
        self.counters.refused(fault.sqlstate)
        await self._log.refusal(
            Refusal(
                reason=reason_of(fault),
                sqlstate=fault.sqlstate,
                told=fault.message,
                principal=principal_of(session.identity),
                session_id=session_id(session),
                original_text=text,
                policy_version=version,
                trace_id=recorded_trace(session, trace),
            )
        )


def told_trace(session: Session, trace: str | None) -> str:
    """Where a statement belongs: what its session was set to, or else what came with it."""
    return session.settings.get("sallyport.trace") or trace or ""


def recorded_trace(session: Session, trace: str | None) -> str | None:
    """The same as records have it: of a `traceparent` the trace's id, other names as they are."""
    told = told_trace(session, trace)
    parent = trace_parent(told)
    return (told or None) if parent is None else parent.trace_id


def _intent(
    session: Session, statement: Statement, decided: Decided, version: str, trace: str | None
) -> SqlIntent:
    return SqlIntent(
        principal=principal_of(session.identity),
        session_id=session_id(session),
        policy_version=version,
        statement_kind=statement.kind.name.lower(),
        original_text=statement.text,
        guarded_text=decided.guarded_sql,
        source=decided.source,
        relations=decided.accesses,
        trace_id=recorded_trace(session, trace),
    )


def _form_of_success() -> Form:
    """The outcome of a statement that was relayed as it came: parsing and relaying cost nothing."""
    record = SqlOutcome().payload(0.0, clear_text)
    record["time"] = Slot("%d")
    record["unmapped"] |= {
        "bytes": Slot("%d"),
        "duration_ms": {
            "decide": Slot("%.3f"),
            "parse": 0.0,
            "relay": 0.0,
            "source": Slot("%.3f"),
            "total": Slot("%.3f"),
        },
        "intent": Slot("%d"),
        "rows": Slot("%d"),
    }
    return Form(record)


_OUTCOME = _form_of_success()


def tell_decision(
    session: Session,
    verdict: log.Verdict,
    latency: log.Latency,
    *,
    sqlstate: str | None = None,
    rows: int = 0,
) -> None:
    """Write the operator's one line about a statement. It may be lost, unlike the record."""
    if not log.tells("info"):
        return
    log.decision(
        _logger,
        verdict,
        subject=session.identity.subject,
        latency=latency,
        actor=session.identity.actor,
        session=session_id(session),
        sqlstate=sqlstate,
        rows=rows,
    )


def session_id(session: Session) -> str:
    """How records name a session: unique while it lives, and told to the client as its process
    id."""
    return str(session.number)


def reason_of(fault: Fault) -> str:
    """The full reason: what the fault hides from the client stands in its cause.

    A cause in the same words, as of a fault that was raised on, adds nothing: the one behind it is
    looked at.
    """
    hidden, seen = fault.__cause__, {id(fault)}
    while hidden is not None and id(hidden) not in seen and str(hidden) == fault.message:
        seen.add(id(hidden))
        hidden = hidden.__cause__
    if hidden is None or id(hidden) in seen:
        return fault.message
    return f"{fault.message} ({type(hidden).__name__}: {hidden})"


def outcome(
    *,
    rows: int,
    bytes_told: int,
    latency: log.Latency,
    fault: Fault | None,
    is_cut: bool,
) -> SqlOutcome:
    """The outcome record of one statement."""
    return SqlOutcome(
        rows=rows,
        bytes=bytes_told,
        duration_ms={
            "parse": latency.parse_ms,
            "decide": latency.decide_ms,
            "source": latency.source_ms,
            "relay": latency.relay_ms,
            "total": latency.total_ms,
        },
        sqlstate=None if fault is None else fault.sqlstate,
        is_truncated=is_cut,
    )


def accesses(guarded: Guarded) -> tuple[RelationAccess, ...]:
    """What a guarded statement reads: relations, their columns, and which of them are masked."""
    return tuple(
        RelationAccess(
            source=one.key.source,
            schema=one.key.schema,
            name=one.key.name,
            columns=one.columns_read,
            masks={
                column.name: column.mask
                for column in one.decision.columns
                if column.mask is not None and column.name in one.columns_read
            },
        )
        for one in guarded.guards
    )
