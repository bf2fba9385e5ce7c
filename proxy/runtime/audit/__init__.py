"""The audit log: typed events in, a hash-chained append-only file out, and the tools that read it.

    events   what is recorded           redact   literals out of SQL text
    frame    bytes of one record        segment  files of one process, and its head file
    disk     the system calls           appender one writer: append, sync, rotate, recover
    form     records encoded once
    log      AuditLog, the async front  verify   is it intact      query   who saw what

It must not know SQL trees, policies or sockets. Import from here; the modules are its inside.

INVARIANT I6: a decision is recorded before its effect, a refusal before it is told. I5: a log that
cannot be written refuses new work.

The chain proves that nothing in the middle was touched. It is not keyed: whoever may write the
directory can rewrite all of it, head file included. Note `ProcessReport.anchor` somewhere else and
hand it to `verify` to find that too.
"""

from proxy.runtime.audit.events import (
    Event,
    LoginChange,
    Principal,
    Recovery,
    Refusal,
    RelationAccess,
    Reload,
    SessionClosed,
    SessionOpened,
    SqlIntent,
    SqlOutcome,
    clear_text,
)
from proxy.runtime.audit.form import Form, Slot, as_json
from proxy.runtime.audit.log import AuditFault, AuditLog, Mode, Then
from proxy.runtime.audit.query import Denial, Record, Sighting, denied, follow, records, who_saw
from proxy.runtime.audit.redact import redact
from proxy.runtime.audit.verify import Anchor, Problem, ProcessReport, Report, verify

__all__ = [
    "Anchor",
    "AuditFault",
    "AuditLog",
    "Denial",
    "Event",
    "Form",
    "LoginChange",
    "Mode",
    "Principal",
    "Problem",
    "ProcessReport",
    "Record",
    "Recovery",
    "Refusal",
    "RelationAccess",
    "Reload",
    "Report",
    "SessionClosed",
    "SessionOpened",
    "Sighting",
    "Slot",
    "SqlIntent",
    "SqlOutcome",
    "Then",
    "as_json",
    "clear_text",
    "denied",
    "follow",
    "records",
    "redact",
    "verify",
    "who_saw",
]
