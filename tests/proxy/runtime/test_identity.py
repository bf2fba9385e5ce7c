"""From a token to an identity: several issuers, rotation, lookups, one wording for all refusals."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from policies.claims import ClaimType, ClaimValue
from policies.errors import ClaimRefused, TokenReason, TokenRefused
from policies.identity import ClaimLookup, ClaimMapping, ClaimSource, Identity
from proxy.faults import ConnectionFault
from proxy.runtime.config import Issuer, Jwks
from proxy.runtime.demonstration import DEMO_ISSUER, DEMO_KEY_PREFIX
from proxy.runtime.identity import REFUSED, TokenAuthenticator, TrustedIssuer
from proxy.runtime.keys import KeysUnavailable

NOW = 1_700_000_000.0
TEXT = ClaimType.parse("text")
MAPPING = ClaimMapping(claims={"region": ClaimSource(TEXT, "/region")})


@dataclass
class Provider:
    """An identity provider with a key file."""

    directory: Path
    issuer: str = "https://login.example.com"
    kid: str = "k1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def path(self) -> Path:
        return self.directory / f"{self.kid}.json"

    def publish(self, path: Path | None = None) -> None:
        jwk = {**OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid}
        (path or self.path).write_text(json.dumps({"keys": [jwk]}))

    def token(self, **changes: Any) -> str:
        payload = {
            "iss": self.issuer,
            "aud": "sallyport",
            "sub": "alice",
            "exp": int(NOW) + 600,
            "roles": ["analyst"],
            "region": "north",
            **changes,
        }
        return jwt.encode(payload, self.key, "EdDSA", headers={"kid": self.kid})

    def trusted(self) -> TrustedIssuer:
        self.publish()
        location = Jwks(file=self.path, unknown_key_seconds_min=0.0)
        return TrustedIssuer.configured(Issuer(self.issuer, "sallyport", location))


def _authenticator(*providers: Provider, **options: Any) -> TokenAuthenticator:
    issuers = [provider.trusted() for provider in providers]
    return TokenAuthenticator(issuers, lambda: MAPPING, clock=lambda: NOW, **options)


async def _refused(authenticator: TokenAuthenticator, token: str) -> BaseException:
    with pytest.raises(ConnectionFault) as caught:
        await authenticator.identify(token, is_local=True)
    assert (caught.value.message, caught.value.sqlstate) == (REFUSED, "28P01")
    assert caught.value.detail is None
    assert caught.value.hint is None
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


async def test_a_good_token_becomes_an_identity(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    token = provider.token(act={"sub": "agent-7"})
    identity = await _authenticator(provider).identify(token, is_local=False)
    assert (identity.subject, identity.actor) == ("alice", "agent-7")
    assert identity.issuer == provider.issuer
    assert identity.roles == {"analyst"}
    assert identity.claims == {"region": "north"}
    assert identity.expires_at == NOW + 600


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": int(NOW) - 31}, TokenReason.EXPIRED),
        ({"nbf": int(NOW) + 31}, TokenReason.NOT_YET_VALID),
        ({"aud": "other"}, TokenReason.AUDIENCE),
        ({"iss": "https://evil.example"}, TokenReason.ISSUER),
        ({"sub": ""}, TokenReason.SUBJECT),
    ],
)
async def test_every_refusal_says_the_same(
    tmp_path: Path, changes: dict[str, Any], reason: TokenReason
) -> None:
    provider = Provider(tmp_path)
    cause = await _refused(_authenticator(provider), provider.token(**changes))
    assert isinstance(cause, TokenRefused)
    assert cause.reason is reason


async def test_a_forged_signature_and_a_foreign_key(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    forger = Provider(tmp_path, key=Ed25519PrivateKey.generate())
    authenticator = _authenticator(provider)
    cause = await _refused(authenticator, forger.token())
    assert isinstance(cause, TokenRefused)
    assert cause.reason is TokenReason.SIGNATURE
    stranger = Provider(tmp_path, kid="other")
    cause = await _refused(authenticator, stranger.token())
    assert isinstance(cause, TokenRefused)
    assert cause.reason is TokenReason.UNKNOWN_KEY


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "\0", "x" * 10_000])
async def test_what_is_no_token(tmp_path: Path, token: str) -> None:
    cause = await _refused(_authenticator(Provider(tmp_path)), token)
    assert isinstance(cause, TokenRefused)


async def test_a_claim_of_the_wrong_type(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    cause = await _refused(_authenticator(provider), provider.token(region={"a": 1}))
    assert isinstance(cause, ClaimRefused)


async def test_each_issuer_serves_its_own_tokens_only(tmp_path: Path) -> None:
    first = Provider(tmp_path, "https://one.example", "k1")
    second = Provider(tmp_path, "https://two.example", "k2")
    authenticator = _authenticator(first, second)
    for provider in (first, second):
        identity = await authenticator.identify(provider.token(), is_local=True)
        assert identity.issuer == provider.issuer
    # The second issuer may not speak in the first one's name.
    cause = await _refused(authenticator, second.token(iss=first.issuer))
    assert isinstance(cause, TokenRefused)
    assert cause.reason is TokenReason.ISSUER


async def test_a_rotated_key_is_found_without_restart(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    authenticator = _authenticator(provider)
    await authenticator.identify(provider.token(), is_local=True)
    rotated = Provider(tmp_path, kid="k2")
    rotated.publish(provider.path)
    identity = await authenticator.identify(rotated.token(), is_local=True)
    assert identity.subject == "alice"


async def test_without_keys_nobody_is_let_in(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    authenticator = _authenticator(provider)
    provider.path.unlink()
    with pytest.raises(KeysUnavailable):
        await authenticator.identify(provider.token(), is_local=True)


async def test_demonstration_tokens_are_local(tmp_path: Path) -> None:
    demo = Provider(tmp_path, DEMO_ISSUER, DEMO_KEY_PREFIX + "1")
    authenticator = _authenticator(demo)
    assert (await authenticator.identify(demo.token(), is_local=True)).subject == "alice"
    with pytest.raises(ConnectionFault):
        await authenticator.identify(demo.token(), is_local=False)


async def test_a_demonstration_key_under_a_real_issuer_is_refused(tmp_path: Path) -> None:
    provider = Provider(tmp_path, kid=DEMO_KEY_PREFIX + "1")
    with pytest.raises(KeysUnavailable):
        await _authenticator(provider).identify(provider.token(), is_local=True)


async def test_lookups_add_claims_and_never_replace_one(tmp_path: Path) -> None:
    provider = Provider(tmp_path)
    mapping = ClaimMapping(
        claims={
            **MAPPING.claims,
            "team": ClaimSource(TEXT, lookup=ClaimLookup("main", "select 1", ())),
        }
    )
    answer: dict[str, ClaimValue] = {"team": "blue"}

    async def lookup(
        identity: Identity, wanted: Mapping[str, ClaimSource]
    ) -> Mapping[str, ClaimValue]:
        assert identity.subject == "alice"
        assert list(wanted) == ["team"]
        return answer

    authenticator = TokenAuthenticator(
        [provider.trusted()], lambda: mapping, lookup=lookup, clock=lambda: NOW
    )
    identity = await authenticator.identify(provider.token(), is_local=True)
    assert identity.claims == {"region": "north", "team": "blue"}
    answer["region"] = "south"
    assert isinstance(await _refused(authenticator, provider.token()), ClaimRefused)


def test_no_issuer_is_an_error() -> None:
    with pytest.raises(ValueError):
        TokenAuthenticator([], lambda: MAPPING)


async def test_the_token_is_nowhere_in_what_is_raised_or_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = Provider(tmp_path)
    token = provider.token(exp=1)
    cause = await _refused(_authenticator(provider), token)
    for part in token.split("."):
        assert part not in str(cause)
        assert part not in caplog.text
