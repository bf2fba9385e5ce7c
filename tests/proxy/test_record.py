"""What is written about sessions: names and digests, never claim values; full reasons for
auditors."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from policies.identity import Identity
from proxy.faults import DeniedFault, Fault
from proxy.record import Recorder, outcome, principal_of, reason_of, tell_decision
from proxy.runtime.audit import AuditLog, records
from proxy.runtime.log import Latency
from proxy.sql.parse import parse
from tests.proxy.doubles import Allowed, make_session


def test_a_principal_has_no_claim_values() -> None:
    identity = Identity.create(
        subject="alice", issuer="i", roles=frozenset({"b", "a"}), claims={"code": "hush"},
        expires_at=1.0, actor="agent",
    )  # fmt: skip
    principal = principal_of(identity)

    assert (principal.subject, principal.agent, principal.roles) == ("alice", "agent", ("a", "b"))
    assert "hush" not in repr(principal)


def test_the_reason_behind_a_fault_is_told_to_auditors() -> None:
    fault = DeniedFault("permission denied")
    assert reason_of(fault) == "permission denied"
    fault.__cause__ = ValueError("the rule that denies")

    assert "the rule that denies" in reason_of(fault)
    assert fault.message == "permission denied"


def test_a_reason_is_told_once() -> None:
    fault = Fault('column "salary" does not exist')
    fault.__cause__ = Fault('column "salary" does not exist')
    assert reason_of(fault) == 'column "salary" does not exist'

    fault.__cause__.__cause__ = ValueError("what lies behind")
    assert reason_of(fault) == 'column "salary" does not exist (ValueError: what lies behind)'

    fault.__cause__ = fault
    assert reason_of(fault) == 'column "salary" does not exist'


async def test_a_session_from_door_to_door(tmp_path: Path) -> None:
    log = await AuditLog.open(tmp_path, "fast")
    recorder, session = Recorder(log), make_session()
    session.settings.set("sallyport.trace", "t-1", is_local=False)
    (statement,) = parse("SELECT 1")
    await recorder.turned_away("peer", Fault("authentication failed", sqlstate="28P01"), "expired")
    await recorder.opened(session, is_encrypted=True)
    intent = await recorder.allowed(session, statement, Allowed(), "v1")
    await recorder.ended(
        intent,
        outcome(
            rows=1, bytes_told=2, latency=Latency(parse_ms=1, relay_ms=2), fault=None, is_cut=True
        ),
    )
    await recorder.refused(session, "SELECT x", Fault("no", sqlstate="42P01"), "v1")
    await recorder.closed(session, "client", 2)
    await log.close()

    found = list(records(tmp_path))
    assert [one.phase for one in found] == [
        "refusal", "session_opened", "intent", "outcome", "refusal", "session_closed",
    ]  # fmt: skip
    assert found[0].facts["status_detail"] == "expired (from peer)"
    assert found[2].facts["metadata"]["correlation_uid"] == "t-1"
    assert found[2].facts["query_info"]["query_string"]["text"] == "SELECT 1"
    assert found[2].facts["unmapped"]["policy_version"] == "v1"
    assert found[3].facts["unmapped"]["is_truncated"]
    assert found[3].facts["unmapped"]["duration_ms"] == {
        "parse": 1, "decide": 0, "source": 0, "relay": 2, "total": 3,
    }  # fmt: skip


async def test_a_statements_own_trace_gives_way_to_the_sessions(tmp_path: Path) -> None:
    log = await AuditLog.open(tmp_path, "fast")
    recorder, session = Recorder(log), make_session()
    (statement,) = parse("SELECT 1")
    for name in ("", "of the session"):
        session.settings.set("sallyport.trace", name, is_local=False)
        await recorder.allowed(session, statement, Allowed(), "v1", trace="own")
        await recorder.refused(session, "x", Fault("no"), "v1", trace="own")
    await log.close()

    found = [one.facts["metadata"]["correlation_uid"] for one in records(tmp_path)]
    assert found == ["own", "own", "of the session", "of the session"]


def test_the_line_of_a_decision_names_who_and_how_long_and_nothing_more() -> None:
    with capture_logs() as logs:
        tell_decision(make_session(), "failed", Latency(1, 2, 3, 4.00049), sqlstate="22012", rows=7)

    assert logs == [
        {
            "event": "decision", "log_level": "info", "verdict": "failed",
            "subject": "alice", "actor": None, "session": "0", "sqlstate": "22012", "rows": 7,
            "parse_ms": 1, "decide_ms": 2, "source_ms": 3, "relay_ms": 4.0, "total_ms": 10.0,
        }
    ]  # fmt: skip
