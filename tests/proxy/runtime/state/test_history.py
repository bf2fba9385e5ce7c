"""The history of policy loads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from proxy.runtime.state import history
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.history import changes, digest_of, files_of


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


async def noted(
    state: StateDatabase, folder: Path, before: str, after: str, reason: str = ""
) -> None:
    await history.note(
        state,
        files_of([folder]),
        version_before=before,
        version_after=after,
        is_accepted=not reason,
        reason=reason,
    )


async def test_what_changed_when_and_whose(
    connection: asyncpg.Connection, state: StateDatabase, tmp_path: Path
) -> None:
    write(tmp_path, one="a", two="b")
    await noted(state, tmp_path, "", "v1")
    write(tmp_path, two="c", three="d")
    (tmp_path / "one.yaml").unlink()
    await noted(state, tmp_path, "v1", "", reason="two.yaml:1: broken")

    newest, oldest = await history.history(connection, 10)
    marks = {Path(file.path).name: file.change for file in newest.files}
    assert marks == {"one.yaml": "removed", "two.yaml": "changed", "three.yaml": "added"}
    assert (newest.is_accepted, newest.reason) == (False, "two.yaml:1: broken")
    assert (oldest.version_after, oldest.is_accepted) == ("v1", True)
    assert newest.digest == digest_of(files_of([tmp_path])) != oldest.digest
    assert all(file.owner == (tmp_path / "two.yaml").owner() for file in oldest.files)
    assert newest.at > oldest.at
    assert len(await history.history(connection, 1)) == 1


async def test_the_same_news_from_many_processes_is_one_row(
    connection: asyncpg.Connection, state: StateDatabase, tmp_path: Path
) -> None:
    write(tmp_path, one="a")
    await asyncio.gather(*(noted(state, tmp_path, "", "v1") for _ in range(8)))
    assert len(await history.history(connection, 10)) == 1
    await noted(state, tmp_path, "v1", "", reason="broken")
    await noted(state, tmp_path, "v1", "v1")  # back to what it was: that is news
    assert [one.is_accepted for one in await history.history(connection, 10)] == [True, False, True]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (gone,) = files_of([tmp_path / "gone.yaml"])
    assert (gone.change, gone.sha256) == ("unreadable", "")


def test_removed_files_do_not_come_back(tmp_path: Path) -> None:
    write(tmp_path, one="a")
    first = changes((), files_of([tmp_path]))
    (tmp_path / "one.yaml").unlink()
    second = changes(first, files_of([tmp_path]))
    assert [file.change for file in second] == ["removed"]
    assert changes(second, files_of([tmp_path])) == ()
