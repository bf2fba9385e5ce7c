"""Revoking access tokens and service accounts."""

from __future__ import annotations

from pathlib import Path

from tests.proxy.commands.conftest import Run, Workplace


def test_revoked_for_good_and_on_record(kept: Workplace, alice: Path, sallyport: Run) -> None:
    sallyport("token", "create", "one", "--claims", alice)
    assert sallyport("token", "revoke", "one").code == 0
    (login,) = sallyport("token", "revoke", "one", "--json").objects
    assert (login["state"], login["secrets"][:0]) == ("revoked", [])
    assert "revoked" in sallyport("token", "list").out
    records = b"".join(file.read_bytes() for file in kept.directory.glob("audit/commands/*"))
    assert b"revoked" in records


def test_nobody_of_that_name(kept: Workplace, sallyport: Run) -> None:
    ended = sallyport("service", "revoke", "nobody")
    assert (ended.code, ended.out) == (2, "")
    assert 'no service "nobody"' in ended.err
