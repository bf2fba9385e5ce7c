"""What a worker says of itself when its parent asks: is it ready, and its figures.

This file must not know processes or HTTP. It reads the parts and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.counters import Counters
from proxy.metrics import Samples, as_json, from_json, of_counters, sample
from proxy.runtime.audit import AuditLog
from proxy.runtime.state.expiry import ExpiryCount
from proxy.sources.base import SourceState
from proxy.sources.files import FilesSource
from proxy.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from proxy.runtime.span_export import SpanExporter


@dataclass(frozen=True, slots=True)
class Report:
    """One worker, now. `audit_failure` None: it can be written. `sources`: `up`, or why not."""

    policy_version: str
    audit_failure: str | None
    sources: Mapping[str, str]
    samples: Samples = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """For a line between processes."""
        return {
            "policy_version": self.policy_version,
            "audit_failure": self.audit_failure,
            "sources": dict(self.sources),
            "samples": as_json(self.samples),
        }

    @staticmethod
    def from_json(content: dict[str, object]) -> Report:
        """Raises KeyError, TypeError, ValueError."""
        sources, samples = content["sources"], content["samples"]
        failure = content["audit_failure"]
        if not isinstance(sources, dict) or not isinstance(samples, list):
            raise TypeError("not a report")
        return Report(
            str(content["policy_version"]),
            None if failure is None else str(failure),
            {str(name): str(state) for name, state in sources.items()},
            from_json(samples),
        )


@dataclass(frozen=True, slots=True)
class Expiring:
    """What ends by itself one day. `key_ages` in seconds by issuer; `certificate_end` of the one
    that clients see, in unix seconds; `logins` where there is a state database."""

    key_ages: Callable[[], Mapping[str, float]]
    certificate_end: float | None = None
    logins: ExpiryCount | None = None

    def add_to(self, samples: Samples, now: float) -> None:
        """Its figures at `now`, in unix seconds."""
        for issuer, age in self.key_ages().items():
            sample(samples, "sallyport_keys_age_seconds", age, issuer=issuer)
        if self.certificate_end is not None:
            sample(samples, "sallyport_certificate_seconds", self.certificate_end - now)
        for kind, count in (self.logins.by_kind if self.logins else {}).items():
            sample(samples, "sallyport_logins", count.valid, kind=kind)
            sample(samples, "sallyport_logins_expiring", count.ending, kind=kind)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is looked at. `admitted` names the sources whose role was found fit."""

    counters: Counters
    audit: AuditLog
    sources: Mapping[str, PostgresSource | FilesSource]
    admitted: Mapping[str, object]
    spans: SpanExporter | None = None
    expiring: Expiring | None = None


def report(parts: Parts, *, policy_version: str, sessions: int, shadow_classes: int) -> Report:
    """The figures and states of this moment."""
    samples = of_counters(parts.counters)
    sample(samples, "sallyport_sessions", sessions)
    sample(samples, "sallyport_shadow_classes", shadow_classes)
    sample(samples, "sallyport_policy", 1, version=policy_version[:12])
    sample(samples, "sallyport_workers", 1)
    audit = parts.audit
    sample(samples, "sallyport_audit_failed", int(audit.failure is not None))
    sample(samples, "sallyport_audit_unsynced_bytes", audit.unsynced_bytes)
    sample(samples, "sallyport_audit_waiting", audit.waiting)
    spans = parts.spans
    if spans is not None:
        for result in ("sent", "dropped", "refused"):
            count = getattr(spans, result)
            sample(samples, "sallyport_trace_spans_total", count, result=result)
        sample(samples, "sallyport_trace_spans_waiting", spans.waiting)
    if parts.expiring is not None:
        parts.expiring.add_to(samples, time.time())
    states = {}
    for name, source in parts.sources.items():
        states[name] = _state(source, name in parts.admitted)
        sample(samples, "sallyport_source_up", int(states[name] == "up"), source=name)
        figures = source.pool_figures
        for state, count in (("busy", figures.busy), ("idle", figures.idle)):
            sample(samples, "sallyport_pool_connections", count, source=name, state=state)
        sample(samples, "sallyport_pool_connections_max", figures.connections_max, source=name)
        sample(samples, "sallyport_pool_waiting", figures.waiting, source=name)
    return Report(policy_version, audit.failure, states, samples)


def _state(source: PostgresSource | FilesSource, is_admitted: bool) -> str:
    if source.state is not SourceState.UP:
        return source.down_reason or source.state.value
    return "up" if is_admitted else "its role was not found fit"
