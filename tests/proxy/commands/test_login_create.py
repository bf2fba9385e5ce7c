"""Making access tokens and service accounts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.proxy.commands.conftest import Run, Workplace

SECRET = re.compile(r"sallyport_[a-z2-7]{12}_[a-z2-7]{52}")


def test_the_secret_alone_on_standard_output(kept: Workplace, alice: Path, sallyport: Run) -> None:
    ended = sallyport("token", "create", "tableau", "--claims", alice, "--purpose", "dashboards")
    assert ended.code == 0
    assert SECRET.fullmatch(ended.out.strip())
    assert "token.tableau" in ended.err
    assert ended.out.strip() not in ended.err
    listed = sallyport("token", "list").out
    assert "dashboards" in listed
    assert ended.out.strip().rpartition("_")[2] not in listed


def test_for_scripts(kept: Workplace, alice: Path, sallyport: Run) -> None:
    bounds = ("--source", "shop", "--network", "10.0.0.0/8", "--network", "192.0.2.0/24")
    ended = sallyport("service", "create", "nightly", "--claims", alice, *bounds, "--json")
    (made,) = ended.objects
    assert SECRET.fullmatch(made["secret"])
    assert (made["user"], made["subject"], made["state"]) == ("service.nightly", "alice", "active")
    assert made["sources"] == ["shop"]
    assert made["networks"] == ["10.0.0.0/8", "192.0.2.0/24"]


def test_it_is_on_record_before_it_can_be_used(
    kept: Workplace, alice: Path, sallyport: Run
) -> None:
    secret = sallyport("token", "create", "seen", "--claims", alice).out.strip()
    records = b"".join(file.read_bytes() for file in kept.directory.glob("audit/commands/*"))
    assert b"token.seen" in records
    assert b"created" in records
    assert secret.encode() not in records


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Bad Name",), "cannot be a name"),
        (("x", "--source", "shp"), 'no source is called "shp"; there are shop'),
        (("x", "--network", "10.0.0.1/8"), "host bits set"),
        (("x", "--days", "0"), "lives between"),
        (("x", "--days", "9999"), "lives between"),
    ],
)
def test_what_is_refused(
    kept: Workplace, alice: Path, sallyport: Run, arguments: tuple[str, ...], told: str
) -> None:
    ended = sallyport("token", "create", *arguments, "--claims", alice)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_claims_that_the_policy_cannot_read(kept: Workplace, alice: Path, sallyport: Run) -> None:
    alice.write_text('{"sub": "alice", "roles": ["analyst"], "region": 7}')
    ended = sallyport("token", "create", "x", "--claims", alice)
    assert ended.code == 2
    assert "the claims cannot be used" in ended.err


def test_a_name_twice(kept: Workplace, alice: Path, sallyport: Run) -> None:
    assert sallyport("token", "create", "x", "--claims", alice).code == 0
    ended = sallyport("token", "create", "x", "--claims", alice)
    assert (ended.code, ended.out) == (2, "")
    assert "never used twice" in ended.err
