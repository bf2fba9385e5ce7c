"""What can be checked without building PgBouncer: the tests of the pooler exercise the rest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.servers import install, pgbouncer


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without PgBouncer and with an empty cache."""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "pgbouncer" else f"/{name}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_an_ordinary_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, nothing_installed: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pgbouncer, "_can_be_built", lambda: False)
    with pytest.raises(install.ServerUnavailable, match=r"apt-get install .*libevent-dev"):
        pgbouncer.binary()


def test_a_recent_one_on_the_path_is_used_and_an_old_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pgbouncer, "_can_be_built", lambda: False)
    program = tmp_path / "pgbouncer"
    program.write_text("#!/bin/sh\necho 'PgBouncer 1.24.1'\n")
    program.chmod(0o755)
    assert pgbouncer.binary() == program
    program.write_text("#!/bin/sh\necho 'PgBouncer 1.18.0'\n")
    with pytest.raises(install.ServerUnavailable, match=r"PgBouncer 1\.21 or newer"):
        pgbouncer.binary()


def test_a_built_one_in_the_cache_is_used(nothing_installed: Path) -> None:
    built = nothing_installed / "sallyport" / "pgbouncer-trixie" / "pgbouncer"
    built.parent.mkdir(parents=True)
    built.touch()
    assert pgbouncer.binary() == built


def test_the_password_is_not_in_the_repr() -> None:
    assert "hidden" not in repr(pgbouncer.Peer(1, "postgres", "hidden"))
