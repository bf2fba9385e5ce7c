"""What a trace tells of a statement: one span, and one beneath it for each phase.

This file must not know how spans leave the process. Names and attributes are OpenTelemetry's
(semantic conventions for databases) where it has any. INVARIANT I8: no literal, claim or name of a
person is in a span; the statement's text only where the operator asks for it, without literals.

A phase that goes on and off, as rows come from the source and go to the client, is one span from
its first beginning to its last end, with the time that was really spent in `sallyport.busy_ms`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.decision import Decided
from proxy.faults import Fault
from proxy.phases import Phase, Phases
from proxy.record import session_id, told_trace
from proxy.runtime.audit.redact import redact
from proxy.runtime.span import Attribute, Span, SpanKind, new_span_id, new_trace_id
from proxy.runtime.trace_parent import TraceParent, trace_parent
from proxy.session import Session
from proxy.workspace import Prepared

SYSTEM = "postgresql"
TEXT_CHARACTERS_MAX = 8_192
OPERATIONS = frozenset(
    "ALTER ANALYZE CALL COPY CREATE DECLARE DELETE DO DROP EXECUTE EXPLAIN FETCH GRANT INSERT LOCK"
    " MERGE MOVE PREPARE REFRESH REINDEX REVOKE SELECT SET SHOW TABLE TRUNCATE UPDATE VACUUM VALUES"
    " WITH".split()
)
"""First words that name an operation; anything else may be a secret that was pasted wrongly."""

# Atomic and possessive: a text of comments only must not be tried in every possible way.
_LEAD = re.compile(r"(?>\s+|\(|/\*.*?\*/|--[^\n]*(?:\n|$))*+([A-Za-z]{1,10})\b", re.DOTALL)
_RANDOM_DIGITS = 14
"""Of a trace id, its last seven bytes are random (W3C Trace Context 2, "Random Trace ID Flag")."""

_NAMES = {Phase.PARSE: "parse", Phase.DECIDE: "decide", Phase.RELAY: "relay"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose statement, and which. `decided` None: it was refused."""

    session: Session
    text: str
    trace: str | None = None
    decided: Decided | None = None


def subject_of(session: Session, prepared: Prepared) -> Subject:
    """The statement that `prepared` is."""
    return Subject(session, prepared.statement.text, prepared.trace, prepared.decided)


class Tracer:
    """Gives finished spans to `add`. `sampled_share` of the traces that nobody else began are told
    of; those of others as these say. `has_text`: redacted texts are told.
    """

    def __init__(
        self,
        add: Callable[[Sequence[Span]], None],
        *,
        sampled_share: float = 1.0,
        has_text: bool = False,
    ) -> None:
        self._add = add
        self._sampled_share = sampled_share
        self._has_text = has_text

    def ended(
        self,
        subject: Subject,
        phases: Phases,
        *,
        rows: int = 0,
        intent: int | None = None,
        fault: Fault | None = None,
    ) -> None:
        """A statement is over. `intent` is the number of its record, None for one refused."""
        parent = self._parent(subject)
        if not parent.is_sampled:
            return
        offset_ns = time.time_ns() - int(phases.now() * 1e9)

        def moment(seconds: float) -> int:
            return offset_ns + int(seconds * 1e9)

        stretches = phases.stretches()
        now = phases.now()
        begins = min((one.began for one in stretches.values()), default=now)
        ends = max((one.ended for one in stretches.values()), default=now)
        operation = _operation(subject)
        target = _target(subject)
        whole = Span(
            f"{operation} {target}".strip() or SYSTEM,
            SpanKind.SERVER,
            parent.trace_id,
            new_span_id(),
            parent.span_id,
            moment(begins),
            moment(ends),
            self._attributes(subject, operation, target, rows, intent, fault),
            is_error=fault is not None,
        )
        spans = [whole]
        for phase, stretch in stretches.items():
            source = "" if subject.decided is None else subject.decided.source
            is_source = phase is Phase.SOURCE
            spans.append(
                Span(
                    f"source {source}".strip() if is_source else _NAMES[phase],
                    SpanKind.CLIENT if is_source else SpanKind.INTERNAL,
                    parent.trace_id,
                    new_span_id(),
                    whole.span_id,
                    moment(stretch.began),
                    moment(stretch.ended),
                    {"sallyport.busy_ms": round(stretch.spent_ms, 3)}
                    | ({"db.system.name": SYSTEM} if is_source else {}),
                )
            )
        self._add(spans)

    def _parent(self, subject: Subject) -> TraceParent:
        """What the client told, or a new trace."""
        told = trace_parent(told_trace(subject.session, subject.trace))
        if told is not None:
            return told
        made = new_trace_id()
        drawn = int(made[-_RANDOM_DIGITS:], 16) / 16**_RANDOM_DIGITS
        return TraceParent(made, is_sampled=drawn < self._sampled_share)

    def _attributes(
        self,
        subject: Subject,
        operation: str,
        target: str,
        rows: int,
        intent: int | None,
        fault: Fault | None,
    ) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {
            "db.system.name": SYSTEM,
            "db.namespace": subject.session.database,
            "sallyport.decision": "refused" if intent is None else "allowed",
            "sallyport.session": session_id(subject.session),
        }
        if operation:
            found["db.operation.name"] = operation
        if target:
            found["db.collection.name"] = target
        if subject.decided is not None and subject.decided.source:
            found["sallyport.source"] = subject.decided.source
        if intent is not None:
            found["sallyport.audit.intent"] = intent
        if fault is None:
            found["db.response.returned_rows"] = rows
        else:
            found["db.response.status_code"] = found["error.type"] = fault.sqlstate
        # A refused text may be anything, a password that was pasted wrongly among it.
        if self._has_text and subject.decided is not None:
            text = redact(subject.text)
            if text is not None:
                found["db.query.text"] = text[:TEXT_CHARACTERS_MAX]
        return found


def _operation(subject: Subject) -> str:
    """The first word, where it is one of SQL's."""
    found = _LEAD.match(subject.text[:TEXT_CHARACTERS_MAX])
    word = "" if found is None else found[1].upper()
    return word if word in OPERATIONS else ""


def _target(subject: Subject) -> str:
    """The one relation that is read; several have no name that would group well."""
    accesses = () if subject.decided is None else subject.decided.accesses
    names = {f"{one.schema}.{one.name}" for one in accesses}
    return names.pop() if len(names) == 1 else ""
