"""Questions to the log as they are typed: people, periods, nonsense, damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxy.commands.conftest import Run
from tests.proxy.commands.log_fixture import write_story


@pytest.fixture
def ask(tmp_path: Path, sallyport: Run) -> Run:
    write_story(tmp_path / "logs")

    def asked(*arguments: str) -> object:
        return sallyport("audit", "query", *arguments, "--directory", tmp_path / "logs")

    return asked  # type: ignore[return-value]


def test_who_saw_a_column(ask: Run) -> None:
    ended = ask("saw", "public.employees", "salary")
    assert ended.code == 0
    assert ended.err == "found: 2\n"
    assert ended.lines == [
        "2023-11-14T22:13:20.000+00:00  alice (through agent-7)  masked by ten_thousands  7 rows"
        "  select salary from employees",
        "2023-11-15T22:13:20.000+00:00  bob  clear  no outcome recorded  select 2",
    ]


@pytest.mark.parametrize(
    ("arguments", "subjects"),
    [
        (("--since", "2023-11-14", "--until", "2023-11-14"), ["alice"]),
        (("--since", "2023-11-15"), ["bob"]),
        (("--until", "2023-11-15"), ["alice", "bob"]),
        (("--until", "2023-11-15T00:00"), ["alice"]),
        (("--since", "2023-11-15T23:13:20+01:00"), ["bob"]),
        (("--subject", "bob"), ["bob"]),
        (("--subject", "carol"), []),
    ],
)
def test_between_two_dates_and_of_one_person(
    arguments: tuple[str, ...], subjects: list[str], ask: Run
) -> None:
    ended = ask("saw", "main.public.employees", "salary", "--json", *arguments)
    assert [one["subject"] for one in ended.objects] == subjects


def test_a_sighting_for_scripts(ask: Run) -> None:
    told = ask("saw", "public.employees", "salary", "--json").objects[0]
    assert told == {
        "time": "2023-11-14T22:13:20.000+00:00",
        "process": "gate-0",
        "sequence": 1,
        "subject": "alice",
        "agent": "agent-7",
        "statement": "select salary from employees",
        "trace_id": "trace-1",
        "relation": "main.public.employees",
        "column": "salary",
        "mask": "ten_thousands",
        "rows": 7,
        "sqlstate": None,
    }


def test_what_was_denied(ask: Run) -> None:
    ended = ask("denied")
    assert (ended.code, len(ended.lines)) == (0, 1)
    for part in ("alice (through agent-7)", "42P01", "no rule grants main.public.secrets"):
        assert part in ended.lines[0]
    (told,) = ask("denied", "--json", "--subject", "alice").objects
    assert (told["sqlstate"], told["reason"]) == ("42P01", "no rule grants main.public.secrets")
    assert ask("denied", "--subject", "bob").lines == []
    assert ask("denied", "--since", "2023-11-15").lines == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("saw", "employees", "salary"),
        ("saw", "a.b.c.d", "salary"),
        ("denied", "--since", "last week"),
        ("denied", "--since", "2024-01-02", "--until", "2024-01-01"),
        ("saw", "public.employees"),
    ],
)
def test_questions_that_make_no_sense(arguments: tuple[str, ...], ask: Run) -> None:
    ended = ask(*arguments)
    assert (ended.code, ended.out) == (2, "")


def test_an_answer_from_a_damaged_log_says_so(ask: Run, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "gate-0"
    segment = max(log.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    segment.write_bytes(content)
    ended = ask("saw", "public.employees", "salary", "--json")
    assert ended.code == 1
    assert "gate-0 segment" in ended.err
    assert [one["subject"] for one in ended.objects] == ["bob"]
