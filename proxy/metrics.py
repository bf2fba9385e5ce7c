"""Every metric that there is, its name and meaning once; samples, their sums, and their text.

This file must not know where figures come from (`report.py`) or go (`operations.py`). The text is
Prometheus' exposition format 0.0.4. Labels hold no principal and no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.counters import Counters, Histogram

Labels: TypeAlias = tuple[tuple[str, str], ...]
Samples: TypeAlias = dict[tuple[str, Labels], float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. Figures of all workers are added up, or one of them stands for all: their
    greatest, or their least."""

    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    over_workers: Literal["sum", "greatest", "least"] = "sum"


FAMILIES: Mapping[str, Family] = {
    "sallyport_statements_total": Family(
        "counter",
        "Statements by decision; refused ones by class of SQLSTATE.",
        ("decision", "source", "sqlstate_class"),
    ),
    "sallyport_statement_outcomes_total": Family(
        "counter",
        "Statements that were allowed, by how they ended.",
        ("outcome", "sqlstate_class"),
    ),
    "sallyport_statement_seconds": Family(
        "histogram", "Where the time of allowed statements went.", ("phase",)
    ),
    "sallyport_rows_total": Family("counter", "Rows told to clients."),
    "sallyport_bytes_total": Family("counter", "Bytes of rows told to clients."),
    "sallyport_results_cut_total": Family("counter", "Results cut at a limit of a policy."),
    "sallyport_decisions_total": Family(
        "counter", "Decisions by whether they were remembered or made.", ("from",)
    ),
    "sallyport_sessions": Family("gauge", "Connections of clients, those that log in too."),
    "sallyport_sessions_opened_total": Family("counter", "Clients that were let in."),
    "sallyport_sessions_ended_total": Family(
        "counter", "Sessions by how they ended; `expired`: the token.", ("reason",)
    ),
    "sallyport_clients_turned_away_total": Family(
        "counter", "Clients that were not let in, by class of SQLSTATE.", ("sqlstate_class",)
    ),
    "sallyport_token_lifetime_seconds": Family(
        "histogram", "What the credentials of those who were let in had left."
    ),
    "sallyport_keys_age_seconds": Family(
        "gauge", "Age of an issuer's signing keys.", ("issuer",), "greatest"
    ),
    "sallyport_certificate_seconds": Family(
        "gauge", "What is left of the certificate that clients see.", (), "least"
    ),
    "sallyport_logins": Family(
        "gauge", "Access tokens and service accounts that are valid.", ("kind",), "greatest"
    ),
    "sallyport_logins_expiring": Family(
        "gauge", "Those of them that end within a week.", ("kind",), "greatest"
    ),
    "sallyport_source_up": Family(
        "gauge", "Workers for which the source is up and its role fit.", ("source",)
    ),
    "sallyport_pool_connections": Family(
        "gauge", "Connections to a source, by state.", ("source", "state")
    ),
    "sallyport_pool_connections_max": Family("gauge", "Most connections allowed.", ("source",)),
    "sallyport_pool_waiting": Family("gauge", "Statements that wait for one.", ("source",)),
    "sallyport_audit_failed": Family("gauge", "Workers whose audit log cannot be written."),
    "sallyport_audit_unsynced_bytes": Family("gauge", "Written, and not yet on the device."),
    "sallyport_audit_waiting": Family("gauge", "Records that wait to be written."),
    "sallyport_trace_spans_total": Family(
        "counter",
        "Spans by what became of them; `dropped`: for want of room, `refused`: by the collector.",
        ("result",),
    ),
    "sallyport_trace_spans_waiting": Family("gauge", "Spans that wait for the collector."),
    "sallyport_policy_reloads_total": Family(
        "counter", "Policies that were read again, by whether they came into force.", ("result",)
    ),
    "sallyport_policy": Family(
        "gauge", "Workers by the policy in force (the first 12 digits).", ("version",)
    ),
    "sallyport_shadow_classes": Family("gauge", "Visibility classes with a database."),
    "sallyport_workers": Family("gauge", "Worker processes that answer."),
    "sallyport_workers_expected": Family("gauge", "Worker processes that there should be."),
    "sallyport_worker_restarts_total": Family("counter", "Workers that died and were replaced."),
    "sallyport_draining": Family("gauge", "1 once it was told to end."),
}


def sample(samples: Samples, name: str, value: float, **labels: str) -> None:
    """Add one figure; `from_` stands for the label `from`."""
    family = FAMILIES[name]
    given = {key.rstrip("_"): text for key, text in labels.items()}
    assert tuple(sorted(given)) == tuple(sorted(family.labels)), f"{name} has other labels"
    key = (name, tuple((label, given[label]) for label in family.labels))
    samples[key] = samples.get(key, 0) + value


def of_counters(counters: Counters) -> Samples:
    """The figures of one worker's counters."""
    samples: Samples = {}
    for (decision, source, state), count in counters.statements.items():
        sample(
            samples,
            "sallyport_statements_total",
            count,
            decision=decision,
            source=source,
            sqlstate_class=state,
        )
    for (outcome, state), count in counters.ended.items():
        name = "sallyport_statement_outcomes_total"
        sample(samples, name, count, outcome=outcome, sqlstate_class=state)
    for phase, histogram in counters.latencies.items():
        _histogram(samples, "sallyport_statement_seconds", (("phase", phase),), histogram)
    sample(samples, "sallyport_rows_total", counters.rows)
    sample(samples, "sallyport_bytes_total", counters.bytes)
    sample(samples, "sallyport_results_cut_total", counters.cut)
    name = "sallyport_decisions_total"
    sample(samples, name, counters.decisions_remembered, from_="memory")
    sample(samples, name, counters.decisions_made, from_="scratch")
    sample(samples, "sallyport_sessions_opened_total", counters.sessions_opened)
    name = "sallyport_token_lifetime_seconds"
    _histogram(samples, name, (), counters.lifetimes)
    for reason, count in counters.sessions_ended.items():
        sample(samples, "sallyport_sessions_ended_total", count, reason=reason)
    for state, count in counters.turned_away.items():
        sample(samples, "sallyport_clients_turned_away_total", count, sqlstate_class=state)
    for result, count in counters.reloads.items():
        sample(samples, "sallyport_policy_reloads_total", count, result=result)
    return samples


def _histogram(samples: Samples, name: str, labels: Labels, histogram: Histogram) -> None:
    """Buckets hold everything up to their bound, so each includes the ones before."""
    total = 0
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    for bound, count in zip(bounds, histogram.counts, strict=True):
        total += count
        samples[f"{name}_bucket", (*labels, ("le", bound))] = total
    samples[f"{name}_sum", labels] = histogram.seconds
    samples[f"{name}_count", labels] = total


def added(parts: Iterable[Samples]) -> Samples:
    """The figures of several processes as one."""
    total: Samples = {}
    for part in parts:
        for key, value in part.items():
            total[key] = _joined(key[0], total[key], value) if key in total else value
    return total


def _joined(name: str, one: float, other: float) -> float:
    match family_of(name)[1].over_workers:
        case "greatest":
            return max(one, other)
        case "least":
            return min(one, other)
        case _:
            return one + other


def only_growing(samples: Samples) -> Samples:
    """What stays true of a process that has died: its counters."""
    return {
        (name, labels): value
        for (name, labels), value in samples.items()
        if family_of(name)[1].kind != "gauge"
    }


def family_of(name: str) -> tuple[str, Family]:
    """The family of a sample's name. Raises KeyError."""
    for ending in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(ending)
        if base != name and base in FAMILIES and FAMILIES[base].kind == "histogram":
            return base, FAMILIES[base]
    return name, FAMILIES[name]


def as_text(samples: Samples) -> str:
    """For Prometheus: families in the order of the table, each with its meaning."""
    lines: list[str] = []
    by_family: dict[str, list[tuple[str, Labels, float]]] = {}
    for (name, labels), value in samples.items():
        by_family.setdefault(family_of(name)[0], []).append((name, labels, value))
    for name, family in FAMILIES.items():
        found = by_family.get(name, [])
        if found:
            lines += [f"# HELP {name} {family.meaning}", f"# TYPE {name} {family.kind}"]
            lines += [f"{one}{_braces(labels)} {value:g}" for one, labels, value in found]
    return "\n".join(lines) + "\n"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def as_json(samples: Samples) -> list[list[object]]:
    """For a line between processes."""
    return [
        [name, [list(pair) for pair in labels], value] for (name, labels), value in samples.items()
    ]


def from_json(content: Sequence[Sequence[object]]) -> Samples:
    """Back from `as_json`. Raises ValueError, TypeError for anything else."""
    samples: Samples = {}
    for name, labels, value in content:
        if not isinstance(name, str) or not isinstance(value, int | float):
            raise TypeError("not samples")
        if not isinstance(labels, list):
            raise TypeError("not samples")
        samples[name, tuple((str(key), str(text)) for key, text in labels)] = float(value)
    return samples
