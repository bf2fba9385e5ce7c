"""The last records, and following without a gap and without showing anything twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.commands import audit_tail
from tests.proxy.commands.conftest import Run
from tests.proxy.commands.log_fixture import write_events, write_story
from tests.proxy.runtime.audit.samples import intent


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_story(tmp_path / "logs")
    return tmp_path / "logs"


def test_the_last_records_of_all_processes(directory: Path, sallyport: Run) -> None:
    ended = sallyport("audit", "tail", "--directory", directory, "-n", "2")
    assert ended.code == 0
    assert [line.split()[1] for line in ended.lines] == ["gate-0#3", "gate-1#1"]
    assert len(sallyport("audit", "tail", "--directory", directory).lines) == 4


def test_records_as_they_are(directory: Path, sallyport: Run) -> None:
    (told,) = sallyport("audit", "tail", "--directory", directory, "-n", "1", "--json").objects
    assert told["process"] == "gate-1"
    assert told["unmapped"]["phase"] == "intent"
    assert told["query_info"]["query_string"]["text"] == "select 2"


@pytest.mark.parametrize("number", ["-1", "100001"])
def test_a_number_out_of_bounds(number: str, directory: Path, sallyport: Run) -> None:
    ended = sallyport("audit", "tail", "--directory", directory, "-n", number)
    assert ended.code == 2


def test_damage_is_told_and_the_rest_is_shown(directory: Path, sallyport: Run) -> None:
    segment = max((directory / "gate-0").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    ended = sallyport("audit", "tail", "--directory", directory)
    assert ended.code == 1
    assert "audit verify" in ended.err
    assert any("gate-1#1" in line for line in ended.lines)


def test_following_shows_each_record_once(
    directory: Path, sallyport: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written before, between the two looks at the log, and after: all three, in this order."""
    waits = []
    real_last = audit_tail._Tail.show_last

    def written_meanwhile(tail: audit_tail._Tail) -> None:
        write_events(directory / "gate-0", (3, intent("select 'meanwhile'"), None))
        real_last(tail)

    def wait() -> bool:
        waits.append(1)
        if len(waits) == 1:
            write_events(directory / "gate-2", (4, intent("select 'later'"), None))
            return True
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_tail._Tail, "show_last", written_meanwhile)
    monkeypatch.setattr(audit_tail, "_sleep", wait)
    ended = sallyport("audit", "tail", "--directory", directory, "--follow", "-n", "2")
    assert ended.code == 0
    assert [line.split()[1] for line in ended.lines] == ["gate-0#4", "gate-1#1", "gate-2#1"]
