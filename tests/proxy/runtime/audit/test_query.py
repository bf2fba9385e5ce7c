"""Questions to a log: who saw a column, what was denied, and records as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.runtime.audit import query as query_module
from proxy.runtime.audit.appender import Appender, encode
from proxy.runtime.audit.disk import Disk
from proxy.runtime.audit.events import Event, SqlOutcome, clear_text
from proxy.runtime.audit.query import denied, follow, records, who_saw
from proxy.runtime.audit.segment import segment_path
from tests.proxy.runtime.audit.samples import ALICE, NOON, intent, outcome, refusal, write_log

BOB = replace(ALICE, subject="bob", agent=None)


def _write(place: Path, *events: tuple[float, Event, int | None]) -> None:
    appender = Appender.open(place, Disk())
    for seconds, event, intent_id in events:
        payload = event.payload(NOON + seconds, clear_text)
        if intent_id is not None:
            payload["unmapped"]["intent"] = intent_id
        appender.append([encode(payload)])
    appender.sync()
    appender.close()


def test_who_saw_pairs_intents_with_their_outcomes(tmp_path: Path) -> None:
    _write(
        tmp_path / "gate-0",
        (0, intent(mask="last4"), None),
        (1, outcome(rows=7), 1),
        (5, intent(principal=BOB), None),
        (9, SqlOutcome(sqlstate="57014"), 3),
    )
    # The same numbers in another process are other records.
    _write(tmp_path / "gate-1", (2, intent("select 2"), None), (3, outcome(rows=1), 1))
    masked, other, failed = sorted(
        who_saw(tmp_path, "public.employees", "salary"), key=lambda sighting: sighting.intent.time
    )
    assert (masked.intent.subject, masked.intent.agent) == ("alice", "agent-7")
    assert (masked.mask, masked.rows, masked.sqlstate) == ("last4", 7, None)
    assert masked.intent.trace_id == "trace-1"
    assert (other.intent.process, other.mask, other.rows) == ("gate-1", None, 1)
    assert (failed.intent.subject, failed.sqlstate) == ("bob", "57014")


def test_who_saw_by_period_name_and_column(tmp_path: Path) -> None:
    _write(tmp_path / "gate", (0, intent(), None), (10, intent(), None), (20, outcome(), 2))
    found = who_saw(tmp_path, "main.public.employees", "salary", since=NOON + 5, until=NOON + 15)
    # Begun inside the period; its outcome came after it.
    assert [(sighting.intent.sequence, sighting.rows) for sighting in found] == [(2, 3)]
    assert who_saw(tmp_path, "public.employees", "salary", until=NOON) == []
    assert who_saw(tmp_path, "public.employees", "name") == []
    assert who_saw(tmp_path, "public.orders", "salary") == []
    assert who_saw(tmp_path, "other.public.employees", "salary") == []


def test_a_statement_without_outcome_is_shown_as_such(tmp_path: Path) -> None:
    _write(tmp_path / "gate", (0, intent(), None))
    [sighting] = who_saw(tmp_path, "public.employees", "id")
    assert sighting.rows is None


def test_what_was_denied(tmp_path: Path) -> None:
    _write(
        tmp_path / "gate",
        (0, intent(), None),
        (1, refusal(), None),
        (2, replace(refusal("expired"), principal=BOB), None),
        (3, replace(refusal("bad signature"), principal=None, original_text=None), None),
    )
    assert [denial.reason for denial in denied(tmp_path)] == [
        "no rule grants main.public.secrets",
        "expired",
        "bad signature",
    ]
    [of_bob] = denied(tmp_path, subject="bob")
    assert of_bob.sqlstate == "42P01"
    assert of_bob.record.text == "select * from secrets where pin = 4711"
    assert list(denied(tmp_path, since=NOON + 4)) == []


def test_processes_are_merged_by_time_and_kept_in_order_within(tmp_path: Path) -> None:
    _write(tmp_path / "a", (0, intent("a0"), None), (4, intent("a4"), None))
    _write(tmp_path / "b", (2, intent("b2"), None), (6, intent("b6"), None))
    assert [record.text for record in records(tmp_path)] == ["a0", "b2", "a4", "b6"]
    assert [record.text for record in records(tmp_path, where=lambda r: r.process == "b")] == [
        "b2",
        "b6",
    ]


def test_damage_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    place = write_log(tmp_path, 6, per_segment=3)
    path = segment_path(place, 1)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    told: list[str] = []
    found = [record.sequence for record in records(tmp_path, on_damage=told.append)]
    assert found == [1, 2, 4, 5, 6]
    assert len(told) == 1
    assert "segment 1" in told[0]


def test_follow_reads_large_segments_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path, 1)
    monkeypatch.setattr(query_module, "_FOLLOW_BYTES_MAX", 3000)
    steps = iter([True, False])

    def wait() -> bool:
        if not (is_first := next(steps)):
            return False
        write_log(tmp_path, 20, per_segment=10)
        return is_first

    assert [record.sequence for record in follow(tmp_path, wait)] == list(range(2, 22))


def test_follow_gives_what_comes_after_across_rotation_and_new_processes(tmp_path: Path) -> None:
    place = write_log(tmp_path, 2)
    seen: list[tuple[str, int]] = []
    steps = iter(range(4))

    def wait() -> bool:
        match next(steps):
            case 0:
                write_log(tmp_path, 3, per_segment=2)
            case 1:
                _write(tmp_path / "gate-1", (0, intent(), None))
            case 2:
                # A record half written is left for the next look.
                with segment_path(place, 5).open("wb") as file:
                    file.write(segment_path(place, 2).read_bytes()[:-3])
            case _:
                return False
        return True

    for record in follow(tmp_path, wait):
        seen.append((record.process, record.sequence))
    assert seen[:4] == [("gate", 3), ("gate", 4), ("gate", 5), ("gate-1", 1)]
