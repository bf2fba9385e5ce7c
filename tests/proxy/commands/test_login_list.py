"""Listing access tokens and service accounts."""

from __future__ import annotations

from pathlib import Path

from tests.proxy.commands.conftest import Run, Workplace


def test_each_kind_for_itself_and_by_person(kept: Workplace, alice: Path, sallyport: Run) -> None:
    sallyport("token", "create", "one", "--claims", alice)
    sallyport("service", "create", "two", "--claims", alice)
    (token,) = sallyport("token", "list", "--json").objects
    (service,) = sallyport("service", "list", "--json", "--subject", "alice").objects
    assert (token["user"], service["user"]) == ("token.one", "service.two")
    assert token["last_used_at"] is None
    assert "secret" not in token
    assert "never used" in sallyport("token", "list").out
    ended = sallyport("token", "list", "--subject", "bob")
    assert (ended.code, ended.out) == (0, "")
    assert "create --help" in ended.err
