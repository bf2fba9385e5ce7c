"""The demonstration's issuer: real signatures, a private key, and marks that others refuse."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest

from proxy.demo.issuer import AUDIENCE, LIFETIME_S_MAX, DemoIssuer, IssuerError
from proxy.demo.principal import PRINCIPALS
from proxy.runtime.demonstration import DEMO_ISSUER, is_demo_key_id

NOW = 1_790_000_000.0


def verified(issuer: DemoIssuer, token: str) -> dict[str, object]:
    """The payload, its signature checked against the published key set alone."""
    key_set = jwt.PyJWKSet.from_dict(json.loads(issuer.key_set_path.read_text()))
    key = key_set[jwt.get_unverified_header(token)["kid"]]
    payload: dict[str, object] = jwt.decode(
        token,
        key.key,
        algorithms=["EdDSA"],
        audience=AUDIENCE,
        issuer=DEMO_ISSUER,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return payload


@pytest.mark.parametrize("name", PRINCIPALS)
def test_a_token_says_who_and_until_when(tmp_path: Path, name: str) -> None:
    issuer = DemoIssuer.open(tmp_path)
    payload = verified(issuer, issuer.mint(name, now=NOW, lifetime_s=60))
    assert payload["sub"] == name
    assert payload["exp"] == NOW + 60
    assert payload["roles"] == list(PRINCIPALS[name].roles)
    assert "act" not in payload


def test_an_agent_acts_on_behalf_of_a_person(tmp_path: Path) -> None:
    issuer = DemoIssuer.open(tmp_path)
    payload = verified(issuer, issuer.mint("bob", now=NOW, agent="triage"))
    assert payload["sub"] == "bob"
    assert payload["act"] == {"sub": "triage"}


def test_the_key_survives_a_restart_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = DemoIssuer.open(tmp_path / "state")
    token = first.mint("alice", now=NOW)
    second = DemoIssuer.open(tmp_path / "state")
    assert verified(second, token)["sub"] == "alice"
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert files == {"issuer.pem": 0o600, "jwks.json": 0o644}
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_another_machine_has_another_key(tmp_path: Path) -> None:
    one, other = DemoIssuer.open(tmp_path / "one"), DemoIssuer.open(tmp_path / "other")
    assert one.key_id != other.key_id
    with pytest.raises(KeyError):
        verified(other, one.mint("alice", now=NOW))


def test_the_published_set_is_marked_and_holds_no_private_half(tmp_path: Path) -> None:
    issuer = DemoIssuer.open(tmp_path)
    (key,) = json.loads(issuer.key_set_path.read_text())["keys"]
    assert is_demo_key_id(key["kid"])
    assert "d" not in key


@pytest.mark.parametrize(
    ("name", "lifetime_s", "told"),
    [
        ("mallory", 60, "alice, bob, carol, dave"),
        ("alice", 0, "between 1 and"),
        ("alice", LIFETIME_S_MAX + 1, "between 1 and"),
    ],
)
def test_what_it_refuses_to_sign(tmp_path: Path, name: str, lifetime_s: int, told: str) -> None:
    with pytest.raises(IssuerError, match=told):
        DemoIssuer.open(tmp_path).mint(name, now=NOW, lifetime_s=lifetime_s)


def test_no_demonstration_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(IssuerError, match="no demonstration has run"):
        DemoIssuer.existing(tmp_path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    DemoIssuer.open(tmp_path)
    (tmp_path / "issuer.pem").chmod(0o640)
    with pytest.raises(IssuerError, match="readable by others"):
        DemoIssuer.existing(tmp_path)


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    DemoIssuer.open(tmp_path)
    (tmp_path / "issuer.pem").write_text("not a key")
    (tmp_path / "issuer.pem").chmod(0o600)
    with pytest.raises(IssuerError, match=r"issuer\.pem holds no private key"):
        DemoIssuer.open(tmp_path)


def test_the_key_is_not_in_any_repr(tmp_path: Path) -> None:
    issuer = DemoIssuer.open(tmp_path)
    secret = (tmp_path / "issuer.pem").read_text().splitlines()[1]
    assert secret not in repr(issuer)
    assert repr(issuer) == f"<DemoIssuer {issuer.key_id}>"
