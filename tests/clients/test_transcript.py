"""How a program's output becomes steps, and what counts as a difference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients import transcript
from tests.clients.pair import End
from tests.clients.transcript import ClientFailed, Transcript, differences, read, take

END = End("nowhere", 1, "secret", Path("/none"))


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_lines_of_json_and_of_text_are_steps() -> None:
    found = read(
        '{"step": "a", "said": [1, null]}\n{"error": "42P01", "step": "b"}\n== c\none\ntwo'
    )

    assert found == {"a": "[1, null]", "b": 'error "42P01"', "c": "one\ntwo\n"}
    assert Transcript(found).errors == ["b"]


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("psql:tests/x.sql:12: ERROR:  no", "psql: ERROR:  no"),
        ("Time: 12.345 ms", "Time: … ms"),
        ("Time: 1712.345 ms (00:01.712)", "Time: … ms"),
        ("ERROR:  permission denied for table labels", "ERROR:  permission denied"),
        ("ERROR:  relation is missing", "ERROR:  relation is missing"),
    ],
)
def test_what_no_two_runs_have_in_common(line: str, same: str) -> None:
    assert transcript.normalised(line) == same


def test_a_missing_step_is_a_difference() -> None:
    direct = Transcript({"a": "1", "b": "2", "c": "3"})
    gate = Transcript({"a": "1", "b": "x", "d": "4"})

    assert differences(direct, gate) == {"b": ("2", "x"), "c": ("3", ""), "d": ("", "4")}


async def test_a_program_is_told_where_to_go_and_keeps_nothing_else() -> None:
    text = "import os, json; print(json.dumps({'step': 'end', 'said': sorted(k for k in os.environ if k[:2] == 'PG')}))"
    told = await take(program(text), END)

    assert told.steps["end"].count("PG") == 8
    assert "secret" not in repr(END)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('== a'); raise SystemExit('broken')", "broken"),
        ("import time; print('== a', flush=True); time.sleep(60)", "no end at nowhere"),
    ],
)
async def test_a_program_that_does_not_end_well_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setattr(transcript, "RUN_SECONDS_MAX", 3.0)
    with pytest.raises(ClientFailed, match=said):
        await take(program(text), END)
