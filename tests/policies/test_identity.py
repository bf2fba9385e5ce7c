"""From a verified payload to an identity: pointers, types, defaults, roles, actor (attacks 85, 87)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from policies.claims import ClaimType
from policies.errors import ClaimRefused, TokenReason, TokenRefused
from policies.identity import (
    ROLES_MAX,
    ClaimLookup,
    ClaimMapping,
    ClaimSource,
    Identity,
    check_pointer,
    digest,
    resolve_pointer,
)

MAPPING = ClaimMapping(
    claims={
        "tenant": ClaimSource(ClaimType.parse("text"), "/app/tenant"),
        "regions": ClaimSource(ClaimType.parse("text[]"), "/regions", default=()),
        "level": ClaimSource(ClaimType.parse("bigint"), "/level"),
        "clearance": ClaimSource(
            ClaimType.parse("bigint"), lookup=ClaimLookup("main", "select 1", ("subject",))
        ),
    },
    roles_pointer="/realm_access/roles",
    default_roles=frozenset({"everybody"}),
)
PAYLOAD: dict[str, Any] = {
    "sub": "alice",
    "iss": "https://issuer.example",
    "exp": 1_000,
    "app": {"tenant": "t1"},
    "regions": ["north"],
    "level": 3,
    "realm_access": {"roles": ["analyst"]},
}


def identify(**changes: Any) -> Identity:
    return MAPPING.identify({**PAYLOAD, **changes})


def test_a_whole_identity() -> None:
    found = identify()
    assert (found.subject, found.issuer, found.actor) == ("alice", "https://issuer.example", None)
    assert found.roles == {"analyst", "everybody"}
    assert dict(found.claims) == {"tenant": "t1", "regions": ("north",), "level": 3}
    assert found.expires_at == 1_000.0
    assert MAPPING.identify(PAYLOAD, skew_seconds=30).expires_at == 1_030.0


@pytest.mark.parametrize("tenant", [None, ""], ids=["null", "empty text"])
def test_null_and_empty_claims_are_missing(tenant: object) -> None:
    assert "tenant" not in identify(app={"tenant": tenant}).claims


def test_an_absent_claim_is_missing_or_its_default() -> None:
    found = MAPPING.identify({"sub": "a", "exp": 1})
    assert dict(found.claims) == {"regions": ()}
    assert found.roles == {"everybody"}


def test_an_empty_list_is_a_value() -> None:
    assert identify(regions=[]).claims["regions"] == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "3"},
        {"level": 3.5},
        {"level": True},
        {"level": {"value": 3}},
        {"level": [3]},
        {"regions": "north"},
        {"regions": {"0": "north"}},
        {"regions": [None]},
        {"app": {"tenant": ["t1"]}},
        {"app": {"tenant": "t1\x00"}},
        {"app": {"tenant": "x" * 1_000_000}},
    ],
)
def test_a_wrong_type_refuses_the_identity(changes: dict[str, Any]) -> None:
    with pytest.raises(ClaimRefused) as caught:
        identify(**changes)
    assert "t1" not in str(caught.value)
    assert "north" not in str(caught.value)


def test_an_injection_stays_a_value() -> None:
    found = identify(app={"tenant": "t1' OR '1'='1"})
    assert found.claims["tenant"] == "t1' OR '1'='1"


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        (["a", "b"], {"a", "b"}),
        ("a b", {"a", "b"}),
        ("", set()),
        ([], set()),
        (None, set()),
    ],
)
def test_roles_as_list_or_text(given: object, roles: set[str]) -> None:
    assert identify(realm_access={"roles": given}).roles == roles | {"everybody"}


@pytest.mark.parametrize("given", [7, {"a": True}, [1], [""], ["a" * 129], ["r"] * (ROLES_MAX + 1)])
def test_unusable_roles(given: object) -> None:
    with pytest.raises(ClaimRefused):
        identify(realm_access={"roles": given})


def test_the_actor_is_the_outermost_act() -> None:
    found = identify(act={"sub": "agent-7", "act": {"sub": "agent-1"}})
    assert (found.subject, found.actor) == ("alice", "agent-7")


@pytest.mark.parametrize(
    "act", ["agent", {}, {"sub": ""}, {"sub": 7}, ["agent"], {"sub": "x" * 513}]
)
def test_an_unusable_actor(act: object) -> None:
    with pytest.raises(TokenRefused) as caught:
        identify(act=act)
    assert caught.value.reason is TokenReason.SUBJECT


@pytest.mark.parametrize(
    "changes",
    [{"sub": ""}, {"sub": 7}, {"sub": "x" * 513}, {"exp": None}, {"exp": "1"}, {"exp": True}],
)
def test_no_subject_or_expiry(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        identify(**changes)


def test_claims_fetched_elsewhere_are_added_and_never_replace() -> None:
    found = identify()
    assert set(MAPPING.lookups) == {"clearance"}
    more = found.with_claims({"clearance": 5})
    assert more.claims["clearance"] == 5
    assert more.claims_digest != found.claims_digest
    assert "clearance" not in found.claims
    assert "clearance" not in found.with_claims({"clearance": None}).claims
    with pytest.raises(ClaimRefused, match="must not replace"):
        found.with_claims({"tenant": "t2"})


def test_the_digest_tells_identities_apart_and_hides_values() -> None:
    digests = {
        identify().claims_digest,
        identify(level=4).claims_digest,
        identify(regions=["south"]).claims_digest,
        identify(act={"sub": "agent"}).claims_digest,
        identify(realm_access={"roles": ["support"]}).claims_digest,
        identify(sub="bob").claims_digest,
    }
    assert len(digests) == 6
    assert all(len(found) == 64 for found in digests)
    assert identify(exp=2_000).claims_digest == identify().claims_digest


def test_the_digest_does_not_mix_types() -> None:
    def of(value: Any) -> str:
        return Identity.create(
            subject="a", issuer="i", roles=frozenset(), claims={"c": value}, expires_at=1
        ).claims_digest

    assert len({of("1"), of(1), of(True), of(Decimal(1)), of(("1",))}) == 5
    assert of(Decimal("1.0")) == of(Decimal("1.00"))


def test_the_repr_shows_no_claims() -> None:
    assert "t1" not in repr(identify())
    assert "north" not in str(identify())


def test_claims_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        identify().claims["tenant"] = "t2"  # type: ignore[index]
    assert digest(identify()) == identify().claims_digest


# RFC 6901, section 5.
RFC_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC_DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/00", None),
        ("/foo/-", None),
        ("/foo/2", None),
        ("/foo/-1", None),
        ("/foo/" + "9" * 30, None),
        ("/foo/٣", None),
        ("/foo/bar", None),
        ("/m~0n/x", None),
        ("/nothing", None),
    ],
)
def test_pointers(pointer: str, value: object) -> None:
    assert resolve_pointer(RFC_DOCUMENT, pointer) == value


def test_tilde_escapes_are_resolved_in_the_right_sequence() -> None:
    assert resolve_pointer({"~1": "right", "/": "wrong"}, "/~01") == "right"


@pytest.mark.parametrize("pointer", ["foo", "/~", "/~2", "/a~"])
def test_malformed_pointers(pointer: str) -> None:
    with pytest.raises(ValueError):
        check_pointer(pointer)


def test_sources_only_ever_narrow() -> None:
    whole = Identity.create(subject="a", issuer="i", roles=frozenset(), claims={}, expires_at=1.0)
    assert whole.limited_to(None) is whole
    bound = whole.limited_to(frozenset({"a", "b"}))
    assert bound.limited_to(frozenset({"b", "c"})).sources == {"b"}
    assert bound.with_claims({"x": "y"}).sources == {"a", "b"}
    assert bound.claims_digest != whole.claims_digest
