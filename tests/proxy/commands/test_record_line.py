"""One record on one line, whatever a client wrote into it."""

from __future__ import annotations

from pathlib import Path

from proxy.commands.record_line import (
    TEXT_CHARACTERS_SHOWN,
    line_of_record,
    person,
    printable,
    statement,
)
from proxy.runtime.audit import Record, records
from tests.proxy.commands.log_fixture import write_events, write_story
from tests.proxy.runtime.audit.samples import intent


def read(directory: Path) -> list[Record]:
    return list(records(directory))


def test_each_phase_says_what_matters(tmp_path: Path) -> None:
    write_story(tmp_path)
    allowed, ended, refused, other = map(line_of_record, read(tmp_path))
    assert allowed == (
        "2023-11-14T22:13:20.000+00:00  gate-0#1  intent  alice (through agent-7)"
        "  select salary from employees"
    )
    assert ended.endswith("gate-0#2  outcome  of #1: 7 rows")
    assert "refusal  alice (through agent-7)  42P01  no rule grants main.public.secrets" in refused
    assert other.endswith("gate-1#1  intent  bob  select 2")


def test_a_long_statement_is_cut_and_stays_on_one_line(tmp_path: Path) -> None:
    write_events(tmp_path / "gate", (0, intent("select\n  1" + " + 1" * 500), None))
    (record,) = read(tmp_path)
    shown = statement(record)
    assert shown is not None
    assert len(shown) == TEXT_CHARACTERS_SHOWN
    assert shown.startswith("select 1 + 1")
    assert shown.endswith("…")


def test_a_client_cannot_write_to_the_operators_terminal(tmp_path: Path) -> None:
    hostile = "select '\x1b]0;owned\x07\x1b[2J\u202e'"
    write_events(tmp_path / "gate", (0, intent(hostile), None))
    (record,) = read(tmp_path)
    line = line_of_record(record)
    assert line.isprintable()
    assert "owned" in line
    assert printable("a\tb") == "a\N{REPLACEMENT CHARACTER}b"


def test_who_acts(tmp_path: Path) -> None:
    write_story(tmp_path)
    found = read(tmp_path)
    assert [person(found[index]) for index in (0, 1, 3)] == [
        "alice (through agent-7)",
        "nobody",
        "bob",
    ]
