"""What can be checked of the installation without installing: locks, refusals, half-filled folders."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.clients import install
from tests.clients.roster import CLIENTS, Client
from tests.servers.install import ServerUnavailable

HERE = Path(install.__file__).parent


def test_an_ordinary_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "isql" else f"/{name}")
    with pytest.raises(ServerUnavailable, match=r"apt-get install .*unixodbc"):
        install.debian()


def test_a_folder_that_was_not_finished_is_filled_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def cut_off() -> None:
        with install._made_once("x-1") as (folder, _):
            (folder / "half").touch()
            raise RuntimeError("line cut")

    with pytest.raises(RuntimeError, match="line cut"):
        cut_off()
    with install._made_once("x-1") as (folder, is_new):
        assert (is_new, (folder / "half").exists()) == (True, False)
    with install._made_once("x-1") as (_, is_new):
        assert not is_new


def test_another_lock_makes_another_folder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("a")
    before = install.digest(lock)
    lock.write_text("b")
    assert install.digest(lock) != before


def test_a_jar_with_another_digest_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(install, "program", lambda name, _package: f"/{name}")

    def fetch(command: list[str], **_: object) -> None:
        (folder,) = [word for word in command if word.startswith("-DoutputDirectory=")]
        jar = Path(folder.partition("=")[2]) / f"postgresql-{install.PGJDBC_VERSION}.jar"
        jar.write_bytes(b"something else")

    monkeypatch.setattr(install, "run", fetch)
    for _ in range(2):  # the second time as well: what was refused is not kept
        with pytest.raises(ServerUnavailable, match="came with the digest"):
            install.java()


def test_locks_pin_by_hash_and_name_no_registry() -> None:
    packages = json.loads((HERE / "node" / "package-lock.json").read_text())["packages"]
    installed = {name: one for name, one in packages.items() if name}
    assert all("integrity" in one and "resolved" not in one for one in installed.values())
    assert "checksum = " in (HERE / "rust" / "Cargo.lock").read_text()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_has_a_pinned_version(client: Client) -> None:
    assert client.version


def test_names_of_clients_are_their_own() -> None:
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)
