"""What is recorded: one frozen dataclass per kind of event, and its OCSF form.

The shape follows OCSF 1.9 (https://schema.ocsf.io): class, activity, actor, query and status have
their places there, and what OCSF has no place for lies under `unmapped`, as the schema asks. This
file must not know files, the clock or SQL: times are arguments, and texts go through a `TextForm`
that the log chooses (clear or redacted).

Every text is capped (`TEXT_CHARACTERS_MAX`); a capped one keeps the length and SHA-256 of the
whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.runtime.audit.redact import redact

Json = dict[str, Any]
TextForm = Callable[[str], Json]

# Two texts per intent and up to 12 bytes of JSON per character stay below frame.PAYLOAD_BYTES_MAX.
TEXT_CHARACTERS_MAX = 1024 * 1024
# Reasons and names: an auditor reads them, a flood does not fill the disk.
REASON_CHARACTERS_MAX = 8 * 1024

OCSF_VERSION = "1.9.0"
_PRODUCT = {"name": "Sallyport", "vendor_name": "Sallyport"}

# OCSF class ids and, per class, the activities used here.
AUTHENTICATION = 3002
ENTITY_MANAGEMENT = 3004
DATASTORE_ACTIVITY = 6005
EVENT_LOG_ACTIVITY = 1008
_LOGON, _LOGOFF, _UPDATE, _QUERY, _RESTART = 1, 2, 3, 4, 8
_CREATE, _DELETE = 1, 4
_UNKNOWN, _SUCCESS, _FAILURE = 0, 1, 2
_INFORMATIONAL, _MEDIUM, _HIGH = 1, 3, 4
_ALLOWED, _DENIED = 1, 2


class Event(Protocol):
    """Anything the log can hold."""

    def payload(self, time: float, text: TextForm) -> Json:
        """The record as JSON values. `time` in Unix seconds; SQL goes through `text`."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: `subject`, through `agent` if one acts on their behalf (the `act` claim)."""

    subject: str
    issuer: str
    agent: str | None = None
    claims_digest: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RelationAccess:
    """One relation of a statement: the columns it reads, and the masks by column."""

    source: str
    schema: str
    name: str
    columns: tuple[str, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SqlIntent:
    """A statement that policy allowed, before anything of it reaches a source."""

    principal: Principal
    session_id: str
    policy_version: str
    statement_kind: str
    original_text: str
    guarded_text: str
    source: str
    relations: tuple[RelationAccess, ...] = ()
    trace_id: str | None = None

    def payload(self, time: float, text: TextForm) -> Json:
        record = envelope("intent", DATASTORE_ACTIVITY, _QUERY, time, status=_UNKNOWN)
        record["action_id"] = _ALLOWED
        record["actor"] = actor_of(self.principal, self.session_id)
        record["database"] = {"name": self.source}
        record["query_info"] = {"query_string": text(self.original_text)}
        _trace(record, self.trace_id)
        record["unmapped"] |= {
            "statement_kind": self.statement_kind,
            "guarded": text(self.guarded_text),
            "policy_version": self.policy_version,
            "claims_digest": self.principal.claims_digest,
            "relations": [
                {
                    "source": relation.source,
                    "schema": relation.schema,
                    "name": relation.name,
                    "columns": list(relation.columns),
                    "masks": dict(relation.masks),
                }
                for relation in self.relations
            ],
        }
        return record


@dataclass(frozen=True, slots=True)
class SqlOutcome:
    """How an allowed statement ended. `duration_ms` per phase; `sqlstate` None for success."""

    rows: int = 0
    bytes: int = 0
    duration_ms: Mapping[str, float] = field(default_factory=dict)
    sqlstate: str | None = None
    is_truncated: bool = False

    def payload(self, time: float, text: TextForm) -> Json:
        is_failed = self.sqlstate is not None
        status = _FAILURE if is_failed else _SUCCESS
        record = envelope("outcome", DATASTORE_ACTIVITY, _QUERY, time, status=status)
        if is_failed:
            record["status_code"] = self.sqlstate
        record["unmapped"] |= {
            "rows": self.rows,
            "bytes": self.bytes,
            "duration_ms": {phase: round(spent, 3) for phase, spent in self.duration_ms.items()},
            "is_truncated": self.is_truncated,
        }
        return record


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was denied, before it is told. `reason` is for auditors and may name hidden things.

    `principal` is None where there is none yet: a token that did not verify. `told` is the message
    the client got.
    """

    reason: str
    sqlstate: str
    told: str = ""
    principal: Principal | None = None
    session_id: str | None = None
    original_text: str | None = None
    policy_version: str = ""
    relations: tuple[str, ...] = ()
    trace_id: str | None = None

    def payload(self, time: float, text: TextForm) -> Json:
        record = envelope(
            "refusal",
            DATASTORE_ACTIVITY if self.original_text is not None else AUTHENTICATION,
            _QUERY if self.original_text is not None else _LOGON,
            time,
            status=_FAILURE,
            severity=_MEDIUM,
        )
        record["action_id"] = _DENIED
        record["status_code"] = self.sqlstate
        record["status_detail"] = self.reason[:REASON_CHARACTERS_MAX]
        if self.principal is not None:
            record["actor"] = actor_of(self.principal, self.session_id)
            record["unmapped"]["claims_digest"] = self.principal.claims_digest
        elif self.session_id is not None:
            record["actor"] = {"session": {"uid": self.session_id}}
        if self.original_text is not None:
            record["query_info"] = {"query_string": text(self.original_text)}
        _trace(record, self.trace_id)
        record["unmapped"] |= {
            "told": self.told[:REASON_CHARACTERS_MAX],
            "policy_version": self.policy_version,
            "denied_relations": list(self.relations),
        }
        return record


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A principal was authenticated. `client_address` as `host:port`, `is_encrypted`: under TLS.

    `credential`: the access token or service account, and the public id of its secret; empty for a
    token of an identity provider.
    """

    principal: Principal
    session_id: str
    client_address: str
    application_name: str = ""
    is_encrypted: bool = False
    credential: str = ""

    def payload(self, time: float, text: TextForm) -> Json:
        record = envelope("session_opened", AUTHENTICATION, _LOGON, time)
        record["actor"] = actor_of(self.principal, self.session_id)
        record["src_endpoint"] = {"name": self.client_address}
        record["unmapped"] |= {
            "application_name": self.application_name[:REASON_CHARACTERS_MAX],
            "is_encrypted": self.is_encrypted,
            "credential": self.credential,
            "claims_digest": self.principal.claims_digest,
        }
        return record


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session ended.

    `reason` such as `client`, `expired`, `idle`, `drain`, `protocol violation`.
    """

    principal: Principal
    session_id: str
    reason: str
    statements: int = 0

    def payload(self, time: float, text: TextForm) -> Json:
        record = envelope("session_closed", AUTHENTICATION, _LOGOFF, time)
        record["actor"] = actor_of(self.principal, self.session_id)
        record["status_detail"] = self.reason[:REASON_CHARACTERS_MAX]
        record["unmapped"]["statements"] = self.statements
        return record


@dataclass(frozen=True, slots=True)
class LoginChange:
    """An access token or service account was created, rotated or revoked, by whom and for whom.

    `login` such as `token.tableau`, `secrets` the public ids of those that are valid now.
    """

    change: str
    login: str
    subject: str
    by: str
    purpose: str = ""
    sources: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    expires_at: float = 0.0
    secrets: tuple[str, ...] = ()

    def payload(self, time: float, text: TextForm) -> Json:
        activity = {"created": _CREATE, "revoked": _DELETE}.get(self.change, _UPDATE)
        record = envelope("login_change", ENTITY_MANAGEMENT, activity, time)
        record["entity"] = {"name": self.login}
        record["actor"] = {"user": {"uid": self.by}}
        record["status_detail"] = f"{self.change} {self.login} of {self.subject}"
        record["unmapped"] |= {
            "subject": self.subject,
            "purpose": self.purpose[:REASON_CHARACTERS_MAX],
            "sources": None if self.sources is None else list(self.sources),
            "networks": None if self.networks is None else list(self.networks),
            "expires_at": round(self.expires_at * 1000),
            "secrets": list(self.secrets),
        }
        return record


@dataclass(frozen=True, slots=True)
class Reload:
    """Policy or configuration was read again. A refused one left the old version in force."""

    subject: str
    version_before: str
    version_after: str
    is_accepted: bool
    reason: str = ""

    def payload(self, time: float, text: TextForm) -> Json:
        status = _SUCCESS if self.is_accepted else _FAILURE
        record = envelope("reload", ENTITY_MANAGEMENT, _UPDATE, time, status=status)
        record["entity"] = {"name": self.subject, "version": self.version_before}
        if self.is_accepted:
            record["entity_result"] = {"name": self.subject, "version": self.version_after}
        record["status_detail"] = self.reason[:REASON_CHARACTERS_MAX]
        record["unmapped"]["offered_version"] = self.version_after
        return record


@dataclass(frozen=True, slots=True)
class Recovery:
    """The log itself was broken and goes on. Written by the log, first thing after.

    `bytes_cut` of an incomplete record at the tail with their SHA-256 in `cut_digest`;
    `records_missing` that a head file knew of and the segments have no more; `records_dropped` that
    could not be kept while nothing could be written.
    """

    reason: str
    bytes_cut: int = 0
    cut_digest: str = ""
    records_missing: int = 0
    records_dropped: int = 0

    def payload(self, time: float, text: TextForm) -> Json:
        is_loss = self.records_missing > 0 or self.records_dropped > 0
        record = envelope(
            "recovery",
            EVENT_LOG_ACTIVITY,
            _RESTART,
            time,
            severity=_HIGH if is_loss else _MEDIUM,
        )
        record["log_name"] = "audit"
        record["status_detail"] = self.reason[:REASON_CHARACTERS_MAX]
        record["unmapped"] |= {
            "bytes_cut": self.bytes_cut,
            "cut_digest": self.cut_digest,
            "records_missing": self.records_missing,
            "records_dropped": self.records_dropped,
        }
        return record


def clear_text(text: str) -> Json:
    """The text itself, capped."""
    if len(text) <= TEXT_CHARACTERS_MAX:
        return {"text": text}
    return {"text": text[:TEXT_CHARACTERS_MAX], **_whole(text)}


def redacted_text(text: str) -> Json:
    """The text without its literals; a digest only if it cannot be lexed.

    Never both: with the skeleton known, the digest of a short literal is found by trying all of
    them.
    """
    redacted = redact(text)
    if redacted is None:
        return _whole(text)
    return {"text": redacted[:TEXT_CHARACTERS_MAX], "is_redacted": True}


def _whole(text: str) -> Json:
    encoded = text.encode("utf-8", "surrogatepass")
    return {"sha256": hashlib.sha256(encoded).hexdigest(), "characters": len(text)}


def envelope(
    phase: str,
    class_uid: int,
    activity_id: int,
    time: float,
    *,
    status: int = _SUCCESS,
    severity: int = _INFORMATIONAL,
) -> Json:
    """What every record has: OCSF class and activity, `time` in Unix seconds, `phase` of ours."""
    return {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity_id,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": severity,
        "status_id": status,
        # OCSF's timestamp_t is in milliseconds.
        "time": round(time * 1000),
        # The writer puts the record's number in place of this 0.
        "metadata": {"version": OCSF_VERSION, "product": _PRODUCT, "sequence": 0},
        "unmapped": {"phase": phase},
    }


def actor_of(principal: Principal, session_id: str | None) -> Json:
    """Who acted, as OCSF's `actor`."""
    actor: Json = {
        "user": {
            "uid": principal.subject,
            "groups": [{"name": role} for role in sorted(principal.roles)],
        },
        "session": {"uid": session_id, "issuer": principal.issuer},
    }
    if principal.agent is not None:
        actor["invoked_by"] = principal.agent
    return actor


def _trace(record: Json, trace_id: str | None) -> None:
    if trace_id is not None:
        record["metadata"]["correlation_uid"] = trace_id[:REASON_CHARACTERS_MAX]
