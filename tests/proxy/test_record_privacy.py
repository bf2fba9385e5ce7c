"""What the log's bytes may hold of a person, and what an auditor must find there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from policies.identity import Identity
from proxy.faults import DeniedFault, Fault, SourceFault
from proxy.limits import SessionLimits
from proxy.record import Recorder, outcome
from proxy.runtime.audit import AuditLog, RelationAccess, records
from proxy.runtime.log import Latency
from proxy.session import Session
from proxy.settings import Settings
from proxy.sql.parse import parse
from tests.proxy.doubles import Allowed

CLAIM = "value-of-a-claim"
Write = Callable[[Recorder, Session], Awaitable[object]]


def make_session() -> Session:
    identity = Identity.create(
        subject="alice", issuer="https://issuer.test", roles=frozenset({"analyst"}),
        claims={"region": CLAIM}, expires_at=1e12, actor="assistant",
    )  # fmt: skip
    session = Session(identity, "shop", "al", "192.0.2.1:5", SessionLimits(), Settings({}))
    session.number = 4711
    return session


async def write(directory: Path, *actions: Write) -> list[dict[str, Any]]:
    log = await AuditLog.open(directory, "strict")
    recorder, session = Recorder(log), make_session()
    for action in actions:
        await action(recorder, session)
    await log.close()
    assert CLAIM.encode() not in content(directory)
    return [dict(one.facts) for one in records(directory)]


def content(directory: Path) -> bytes:
    """Every byte that the log wrote."""
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


ACCESS = RelationAccess("main", "shop", "orders", ("id", "note"), {"note": "short"})
DENIED = DeniedFault("permission denied for table orders")
DENIED.__cause__ = LookupError("rule emea-only")


def opened(recorder: Recorder, session: Session) -> Awaitable[object]:
    return recorder.opened(session, is_encrypted=False)


def refused(recorder: Recorder, session: Session) -> Awaitable[object]:
    return recorder.refused(session, "SELECT hidden FROM orders", DENIED, "v9")


def turned_away(recorder: Recorder, session: Session) -> Awaitable[object]:
    return recorder.turned_away(session.peer, Fault("no", sqlstate="28000"), "signature")


async def allowed(recorder: Recorder, session: Session) -> None:
    (statement,) = parse("COPY orders TO STDOUT")
    found = Allowed(accesses=(ACCESS,))
    intent = await recorder.allowed(session, statement, found, "v9")
    fault = SourceFault("division by zero", sqlstate="22012")
    await recorder.ended(
        intent,
        outcome(
            rows=3, bytes_told=99, latency=Latency(source_ms=1.23456), fault=fault, is_cut=False
        ),
    )


@pytest.mark.parametrize("action", [opened, refused, allowed])
async def test_both_who_act_are_named_and_no_claim_is(tmp_path: Path, action: Write) -> None:
    first = (await write(tmp_path, action))[0]
    text = json.dumps(first)

    for fact in ("alice", "assistant", "https://issuer.test", "4711"):
        assert fact in text
    assert '"al"' not in text  # what the client called itself proves nothing


async def test_a_refusal_tells_the_auditor_more_than_the_client(tmp_path: Path) -> None:
    (found,) = await write(tmp_path, refused)
    text = json.dumps(found)

    assert found["status_code"] == "42501"
    assert "rule emea-only" in found["status_detail"]
    assert "SELECT hidden FROM orders" in text
    assert "v9" in text


async def test_a_stranger_is_recorded_without_a_principal(tmp_path: Path) -> None:
    (found,) = await write(tmp_path, turned_away)

    assert found["status_detail"] == "signature (from 192.0.2.1:5)"
    assert found["status_code"] == "28000"
    assert "alice" not in json.dumps(found)


async def test_a_statement_is_on_record_with_its_columns_masks_and_end(tmp_path: Path) -> None:
    intent, ended = await write(tmp_path, allowed)

    assert intent["unmapped"]["statement_kind"] == "copy_to"
    assert intent["unmapped"]["guarded"]["text"] == "guarded"
    assert intent["unmapped"]["relations"] == [
        {"source": "main", "schema": "shop", "name": "orders", "columns": ["id", "note"],
         "masks": {"note": "short"}},
    ]  # fmt: skip
    assert ended["status_code"] == "22012"
    assert (ended["unmapped"]["rows"], ended["unmapped"]["bytes"]) == (3, 99)
    assert ended["unmapped"]["duration_ms"] == {
        "parse": 0, "decide": 0, "source": 1.235, "relay": 0, "total": 1.235,
    }  # fmt: skip
    assert not ended["unmapped"]["is_truncated"]


async def test_a_trace_of_the_client_joins_its_records(tmp_path: Path) -> None:
    async def traced(recorder: Recorder, session: Session) -> None:
        session.settings.set("sallyport.trace", "trace-7", is_local=False)
        await refused(recorder, session)
        session.settings.reset("sallyport.trace")
        await refused(recorder, session)

    first, second = await write(tmp_path, traced)

    assert first["metadata"]["correlation_uid"] == "trace-7"
    assert "correlation_uid" not in second["metadata"]
