"""What the audit log keeps of a run: before it begins, and how it ended.

OCSF's class API Activity (6003). This file must not know runs' inside, nor where the log lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from policies.identity import Identity
from proxy.runtime.audit import Principal
from proxy.runtime.audit.events import Json, TextForm, actor_of, envelope
from sidecars.python.limits import RunLimits

API_ACTIVITY = 6003
_CREATE = 1
_UNKNOWN, _SUCCESS, _FAILURE = 0, 1, 2
_ALLOWED = 1


def principal_of(identity: Identity) -> Principal:
    """The identity as records name it."""
    return Principal(
        subject=identity.subject,
        issuer=identity.issuer,
        agent=identity.actor,
        claims_digest=identity.claims_digest,
        roles=tuple(sorted(identity.roles)),
    )


@dataclass(frozen=True, slots=True)
class RunIntent:
    """A program that is about to run. `files`: names and sizes of what came with it."""

    principal: Principal
    run_id: str
    session_id: str | None
    code: str
    limits: RunLimits
    files: Mapping[str, int]

    def payload(self, time: float, text: TextForm) -> Json:
        """See `Event`. Where literals are redacted, of a program only the digest may be left."""
        record = envelope("intent", API_ACTIVITY, _CREATE, time, status=_UNKNOWN)
        record["action_id"] = _ALLOWED
        record["actor"] = actor_of(self.principal, self.session_id)
        record["api"] = {"operation": "python run", "request": {"uid": self.run_id}}
        record["unmapped"] |= {
            "run_id": self.run_id,
            "code": text(self.code),
            "limits": asdict(self.limits),
            "files": dict(self.files),
            "claims_digest": self.principal.claims_digest,
        }
        return record


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended. `error`: the exception's class or limit, empty for success."""

    run_id: str
    error: str
    duration_ms: float
    output_bytes: int
    statements: int
    rows: int
    files: Mapping[str, int]

    def payload(self, time: float, text: TextForm) -> Json:
        """See `Event`."""
        status = _FAILURE if self.error else _SUCCESS
        record = envelope("outcome", API_ACTIVITY, _CREATE, time, status=status)
        if self.error:
            record["status_code"] = self.error
        record["unmapped"] |= {
            "run_id": self.run_id,
            "duration_ms": {"run": round(self.duration_ms, 3)},
            "output_bytes": self.output_bytes,
            "statements": self.statements,
            "rows": self.rows,
            "files": dict(self.files),
        }
        return record
