"""Events as JSON: the OCSF places, the caps, and that nothing secret has a place."""

from __future__ import annotations

import hashlib
import json

import pytest

from proxy.runtime.audit.appender import encode
from proxy.runtime.audit.events import (
    REASON_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Event,
    LoginChange,
    Recovery,
    Refusal,
    Reload,
    SessionClosed,
    SessionOpened,
    SqlOutcome,
    clear_text,
    redacted_text,
)
from tests.proxy.runtime.audit.samples import ALICE, NOON, intent, outcome, refusal

EVENTS: list[tuple[Event, str, int, int]] = [
    (intent(), "intent", 6005, 4),
    (outcome(), "outcome", 6005, 4),
    (refusal(), "refusal", 6005, 4),
    (Refusal("bad signature", "28P01"), "refusal", 3002, 1),
    (SessionOpened(ALICE, "s", "127.0.0.1:5"), "session_opened", 3002, 1),
    (SessionClosed(ALICE, "s", "client"), "session_closed", 3002, 2),
    (Reload("policies", "a", "b", True), "reload", 3004, 3),
    (Recovery("torn"), "recovery", 1008, 8),
    (LoginChange("created", "token.bi", "alice", "op@host"), "login_change", 3004, 1),
    (LoginChange("rotated", "service.job", "alice", "op@host"), "login_change", 3004, 3),
    (LoginChange("revoked", "token.bi", "alice", "op@host"), "login_change", 3004, 4),
]


@pytest.mark.parametrize(("event", "phase", "class_uid", "activity"), EVENTS)
def test_every_event_has_the_ocsf_envelope(
    event: Event, phase: str, class_uid: int, activity: int
) -> None:
    record = json.loads(encode(event.payload(NOON + 0.25, clear_text)))
    assert record["class_uid"] == class_uid
    assert record["category_uid"] == class_uid // 1000
    assert record["type_uid"] == class_uid * 100 + activity
    assert record["time"] == 1_700_000_000_250
    assert record["metadata"]["version"] == "1.9.0"
    assert record["unmapped"]["phase"] == phase
    assert {"severity_id", "status_id", "activity_id"} <= record.keys()


def test_an_intent_says_everything_that_was_decided() -> None:
    record = intent(mask="last4").payload(NOON, clear_text)
    assert record["actor"]["user"]["uid"] == "alice"
    assert record["actor"]["invoked_by"] == "agent-7"
    assert record["actor"]["user"]["groups"] == [{"name": "analyst"}, {"name": "sales"}]
    assert record["actor"]["session"] == {"uid": "session-1", "issuer": "https://login.example"}
    assert record["query_info"]["query_string"] == {"text": "select salary from employees"}
    assert record["metadata"]["correlation_uid"] == "trace-1"
    facts = record["unmapped"]
    assert facts["guarded"]["text"].startswith("/* guarded */")
    assert facts["claims_digest"] == "ab" * 32
    assert facts["policy_version"] == "v1"
    assert facts["relations"] == [
        {
            "source": "main",
            "schema": "public",
            "name": "employees",
            "columns": ["id", "salary"],
            "masks": {"salary": "last4"},
        }
    ]


def test_outcomes_succeed_or_fail() -> None:
    assert outcome().payload(NOON, clear_text)["status_id"] == 1
    failed = SqlOutcome(sqlstate="57014", is_truncated=True).payload(NOON, clear_text)
    assert (failed["status_id"], failed["status_code"]) == (2, "57014")
    assert failed["unmapped"]["is_truncated"] is True


def test_a_recovery_that_lost_something_is_graver() -> None:
    mild = Recovery("torn", bytes_cut=3).payload(NOON, clear_text)["severity_id"]
    grave = Recovery("cut", records_missing=1).payload(NOON, clear_text)["severity_id"]
    assert grave > mild


def test_a_long_text_is_cut_and_stays_identifiable() -> None:
    text = "é" * (TEXT_CHARACTERS_MAX + 1)
    stored = clear_text(text)
    assert stored["text"] == text[:TEXT_CHARACTERS_MAX]
    assert stored["characters"] == TEXT_CHARACTERS_MAX + 1
    assert stored["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_largest_event_fits_a_record() -> None:
    worst = "\U0001f600" * (TEXT_CHARACTERS_MAX + 1)
    encode(intent(worst).payload(NOON, clear_text))


def test_a_flood_in_a_reason_is_cut() -> None:
    record = Refusal("x" * 100_000, "42501", told="y" * 100_000).payload(NOON, clear_text)
    assert len(record["status_detail"]) == REASON_CHARACTERS_MAX
    assert len(record["unmapped"]["told"]) == REASON_CHARACTERS_MAX


def test_redacted_texts_hold_no_literal_and_no_digest_of_one() -> None:
    assert redacted_text("select * from t where ssn = '078-05-1120'") == {
        "text": "select * from t where ssn = ?",
        "is_redacted": True,
    }


def test_a_text_that_cannot_be_lexed_is_a_digest_only() -> None:
    stored = redacted_text("select 'open")
    assert stored == {
        "sha256": hashlib.sha256(b"select 'open").hexdigest(),
        "characters": 12,
    }


def test_lone_surrogates_do_not_stop_a_record() -> None:
    assert clear_text("\ud800") == {"text": "\ud800"}
    assert "sha256" in redacted_text("'\ud800")
    encode(intent("\ud800").payload(NOON, clear_text))


def test_a_changed_login_says_whose_and_what_it_is_bound_to() -> None:
    change = LoginChange(
        "created",
        "token.bi",
        "alice",
        "op@host",
        purpose="boards",
        sources=("main",),
        networks=("10.0.0.0/8",),
        expires_at=NOON,
        secrets=("abc",),
    )
    record = change.payload(NOON, clear_text)
    assert record["status_detail"] == "created token.bi of alice"
    assert record["actor"]["user"]["uid"] == "op@host"
    facts = record["unmapped"]
    assert (facts["sources"], facts["networks"]) == (["main"], ["10.0.0.0/8"])
    assert (facts["expires_at"], facts["secrets"]) == (NOON * 1000, ["abc"])


def test_a_session_names_its_credential() -> None:
    event = SessionOpened(ALICE, "s", "127.0.0.1:5", credential="token.bi abc")
    assert event.payload(NOON, clear_text)["unmapped"]["credential"] == "token.bi abc"
