"""Whole logs, touched logs, rewritten logs, and no log at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.proxy.commands.conftest import Run, Workplace
from tests.proxy.commands.log_fixture import write_events, write_story
from tests.proxy.runtime.audit.samples import intent


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_story(tmp_path / "logs")
    return tmp_path / "logs"


def segment(directory: Path) -> Path:
    return max((directory / "gate-0").iterdir(), key=lambda path: path.stat().st_size)


def test_a_whole_log(directory: Path, sallyport: Run) -> None:
    ended = sallyport("audit", "verify", "--directory", directory)
    assert ended.code == 0
    assert ended.lines[0].startswith("gate-0: 3 records in 1 segments, anchor 3:")
    assert ended.lines[1].startswith("gate-1: 1 records in 1 segments, anchor 1:")
    assert ended.lines[2] == "intact"


def test_the_configured_directory_is_looked_at(workplace: Workplace, sallyport: Run) -> None:
    write_story(workplace.directory / "audit")
    assert sallyport("audit", "verify").code == 0


def test_a_flipped_bit(directory: Path, sallyport: Run) -> None:
    content = bytearray(segment(directory).read_bytes())
    content[len(content) // 2] ^= 1
    segment(directory).write_bytes(content)
    ended = sallyport("audit", "verify", "--directory", directory)
    assert ended.code == 1
    assert ended.lines[-1] == "NOT intact"
    (told,) = sallyport("audit", "verify", "--directory", directory, "--json").objects
    assert told["intact"] is False
    assert {one["kind"] for one in told["problems"]} == {"damaged"}
    assert told["problems"][0]["process"] == "gate-0"


def test_anchors_of_an_earlier_run_find_a_log_that_was_written_anew(
    directory: Path, tmp_path: Path, sallyport: Run
) -> None:
    anchors = tmp_path / "anchors.json"
    anchors.write_text(sallyport("audit", "verify", "--directory", directory, "--json").out)
    arguments = ("audit", "verify", "--directory", directory, "--anchors", anchors)
    assert sallyport(*arguments).code == 0
    # More records later are no contradiction.
    write_events(directory / "gate-0", (9, intent("select 9"), None))
    assert sallyport(*arguments).code == 0
    for path in (directory / "gate-1").iterdir():
        path.unlink()
    write_events(directory / "gate-1", (0, intent("select 'another story'"), None))
    assert sallyport("audit", "verify", "--directory", directory).code == 0
    ended = sallyport(*arguments)
    assert ended.code == 1
    assert "the chain was rewritten" in ended.out


def test_an_empty_directory_proves_nothing(tmp_path: Path, sallyport: Run) -> None:
    (tmp_path / "empty").mkdir()
    ended = sallyport("audit", "verify", "--directory", tmp_path / "empty", "--json")
    assert ended.code == 1
    assert "no log lies in" in ended.err
    assert ended.objects[0]["intact"] is False


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"processes": [{}]}', "nonsense"])
def test_anchors_that_are_none(
    content: str, directory: Path, tmp_path: Path, sallyport: Run
) -> None:
    file = tmp_path / "anchors.json"
    file.write_text(content)
    ended = sallyport("audit", "verify", "--directory", directory, "--anchors", file)
    assert ended.code == 2
    assert "is not the JSON of an earlier" in ended.err


def test_the_anchor_is_told_as_json(directory: Path, sallyport: Run) -> None:
    told = json.loads(sallyport("audit", "verify", "--directory", directory, "--json").out)
    anchor = told["processes"][0]["anchor"]
    assert anchor["count"] == 3
    assert len(bytes.fromhex(anchor["hash"])) == 32


def test_no_directory(tmp_path: Path, sallyport: Run) -> None:
    ended = sallyport("audit", "verify", "--directory", tmp_path / "absent")
    assert ended.code == 2
    assert "there is no directory" in ended.err
