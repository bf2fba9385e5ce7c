"""Records of runs: who, what, how it ended; and nothing of literals where those are redacted."""

from __future__ import annotations

from policies.identity import Identity
from proxy.runtime.audit import clear_text
from proxy.runtime.audit.events import redacted_text
from sidecars.python.limits import RunLimits
from sidecars.python.record import RunIntent, RunOutcome, principal_of

IDENTITY = Identity.create(
    subject="alice",
    issuer="https://i",
    roles=frozenset({"r"}),
    claims={},
    expires_at=0,
    actor="bot",
)


def intent(code: str) -> RunIntent:
    return RunIntent(principal_of(IDENTITY), "run_1", None, code, RunLimits(), {"a": 3})


def test_an_intent_names_the_person_and_the_agent() -> None:
    record = intent("print(1)").payload(12.5, clear_text)
    assert record["actor"]["user"]["uid"] == "alice"
    assert record["actor"]["invoked_by"] == "bot"
    assert (record["time"], record["class_uid"]) == (12_500, 6003)
    assert record["unmapped"]["code"] == {"text": "print(1)"}
    assert record["unmapped"]["files"] == {"a": 3}


def test_redaction_holds_for_programs_too() -> None:
    record = intent("x = 'secret word'").payload(0, redacted_text)
    assert "secret word" not in str(record)


def test_an_outcome_tells_how_it_ended() -> None:
    record = RunOutcome("run_1", "ValueError", 1.23456, 5, 2, 7, {}).payload(0, clear_text)
    assert (record["status_code"], record["status_id"]) == ("ValueError", 2)
    assert record["unmapped"]["duration_ms"] == {"run": 1.235}
    assert "status_code" not in RunOutcome("run_1", "", 1, 5, 2, 7, {}).payload(0, clear_text)
