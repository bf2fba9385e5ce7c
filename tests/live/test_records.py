"""What one statement leaves behind: its records with trace and durations, and the operator's line."""

from __future__ import annotations

import psycopg
from structlog.testing import capture_logs

from proxy.runtime.audit import records
from tests.live.gate import Gate

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"traceparent='00-{TRACE}-b7ad6b7169203331-01'"
PHASES = ("parse", "decide", "source", "relay")


async def test_a_statement_is_followed_from_comment_to_outcome(gate: Gate) -> None:
    token = gate.changed_token({"act": {"sub": "agent-7"}})
    query = f"SELECT id, 'hush' FROM shop.orders /*action='list',{PARENT}*/"
    with capture_logs() as logs:
        async with await psycopg.AsyncConnection.connect(gate.dsn(token=token)) as connection:
            rows = await (await connection.execute(query)).fetchall()

    (line,) = (one for one in logs if one["event"] == "decision")
    assert (line["verdict"], line["subject"], line["actor"]) == ("allowed", "alice", "agent-7")
    assert (line["rows"], line["sqlstate"]) == (len(rows), None)
    assert min(line[f"{phase}_ms"] for phase in ("parse", "decide", "source")) > 0
    assert "hush" not in str(line)

    found = list(records(gate.directory / "audit"))
    (at,) = (i for i, one in enumerate(found) if _trace(one.facts) == TRACE)
    assert found[at].phase == "intent"
    ended = next(one for one in found[at:] if one.phase == "outcome")
    spent = ended.facts["unmapped"]["duration_ms"]
    assert {f"{phase}_ms": spent[phase] for phase in PHASES} == {
        f"{phase}_ms": line[f"{phase}_ms"] for phase in PHASES
    }


async def test_a_setting_goes_before_a_comment(gate: Gate) -> None:
    async with await psycopg.AsyncConnection.connect(gate.dsn()) as connection:
        await connection.execute("SET sallyport.trace = 'set-by-hand'")
        await connection.execute(f"/*{PARENT}*/ SELECT id FROM shop.items LIMIT 1")

    found = [_trace(one.facts) for one in records(gate.directory / "audit")]
    assert "set-by-hand" in found


def _trace(facts: dict[str, object]) -> object:
    metadata = facts["metadata"]
    assert isinstance(metadata, dict)
    return metadata.get("correlation_uid")
