"""Tokens: what is accepted, and every forgery of attack 88."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.errors import TokenReason, TokenRefused
from policies.keyset import KeySet
from policies.secret import Secret
from policies.token import TOKEN_BYTES_MAX, TokenRules, key_id, verify_token
from tests.policies.writing import NOW

ISSUER, AUDIENCE = "https://issuer.example", "sallyport"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
ALL = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
RULES = TokenRules(ISSUER, frozenset({AUDIENCE}), ALL, skew_seconds=30)


def public_jwk(key: Any, algorithm: str, kid: str) -> dict[str, object]:
    numbers = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**numbers, "kid": kid, "use": "sig"}


KEYS = KeySet.from_jwks(
    json.dumps(
        {
            "keys": [
                public_jwk(RSA_KEY, "RS256", "rsa-1"),
                public_jwk(EC_KEY, "ES256", "ec-1"),
                public_jwk(ED_KEY, "EdDSA", "ed-1"),
            ]
        }
    ).encode()
)
PAYLOAD: dict[str, object] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice",
    "exp": int(NOW) + 300,
    "iat": int(NOW) - 10,
    "nbf": int(NOW) - 10,
}


def part(content: object) -> str:
    encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


def signed(
    payload: object = None,
    header: Mapping[str, object] | None = None,
    *,
    key: Any = RSA_KEY,
    algorithm: str = "RS256",
) -> str:
    """A token signed over exactly these header and payload bytes."""
    full = {"alg": algorithm, "typ": "JWT", "kid": "rsa-1", **(header or {})}
    full = {name: value for name, value in full.items() if value is not ...}
    body = f"{part(full)}.{part(PAYLOAD if payload is None else payload)}"
    signer = jwt.get_algorithm_by_name(algorithm)
    return f"{body}.{part(signer.sign(body.encode(), key))}"


def refusal(token: str, rules: TokenRules = RULES, now: float = NOW) -> TokenReason:
    with pytest.raises(TokenRefused) as caught:
        verify_token(Secret(token), KEYS, rules, now)
    said = f"{caught.value!s} {caught.value!r}"
    assert caught.value.__cause__ is None
    for piece in token.split("."):
        assert len(piece) < 8 or piece not in said, "an error holds a part of the token"
    return caught.value.reason


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA_KEY, "RS256", "rsa-1"),
        (RSA_KEY, "PS256", "rsa-1"),
        (EC_KEY, "ES256", "ec-1"),
        (ED_KEY, "EdDSA", "ed-1"),
    ],
)
def test_allowed_algorithms_verify(key: Any, algorithm: str, kid: str) -> None:
    token = signed(header={"kid": kid}, key=key, algorithm=algorithm)
    assert verify_token(Secret(token), KEYS, RULES, NOW)["sub"] == "alice"


def test_a_token_without_kid_needs_exactly_one_fitting_key() -> None:
    token = signed(header={"kid": ...})
    assert verify_token(Secret(token), KEYS, RULES, NOW)["sub"] == "alice"
    two = KeySet((*KEYS.keys, *KEYS.keys))
    with pytest.raises(TokenRefused):
        verify_token(Secret(token), two, RULES, NOW)


def test_an_audience_may_be_a_list() -> None:
    token = signed({**PAYLOAD, "aud": ["other", AUDIENCE]})
    assert verify_token(Secret(token), KEYS, RULES, NOW)["sub"] == "alice"


def hs256(secret: bytes) -> str:
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa-1'})}.{part(PAYLOAD)}"
    return f"{body}.{part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
GOOD = signed()
HEADER_PART, PAYLOAD_PART, SIGNATURE_PART = GOOD.split(".")

FORGERIES: dict[str, tuple[str, TokenReason]] = {
    "alg none": (f"{part({'alg': 'none'})}.{PAYLOAD_PART}.", TokenReason.MALFORMED),
    "alg none, signature kept": (
        f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{PAYLOAD_PART}.{SIGNATURE_PART}",
        TokenReason.ALGORITHM,
    ),
    "alg None in capitals": (
        f"{part({'alg': 'NonE', 'kid': 'rsa-1'})}.{PAYLOAD_PART}.{SIGNATURE_PART}",
        TokenReason.ALGORITHM,
    ),
    "alg missing": (f"{part({'kid': 'rsa-1'})}.{PAYLOAD_PART}.xxxx", TokenReason.ALGORITHM),
    "alg a list": (f"{part({'alg': ['RS256']})}.{PAYLOAD_PART}.xxxx", TokenReason.ALGORITHM),
    "HS256 with the public key": (hs256(PEM), TokenReason.ALGORITHM),
    "signed by another key": (signed(key=OTHER_RSA_KEY), TokenReason.SIGNATURE),
    "payload changed": (
        f"{HEADER_PART}.{part({**PAYLOAD, 'sub': 'root'})}.{SIGNATURE_PART}",
        TokenReason.SIGNATURE,
    ),
    "signature cut": (GOOD[:-6], TokenReason.SIGNATURE),
    "signature empty": (f"{HEADER_PART}.{PAYLOAD_PART}.", TokenReason.MALFORMED),
    "kid unknown": (signed(header={"kid": "rsa-2"}), TokenReason.UNKNOWN_KEY),
    "kid of a key of another kind": (signed(header={"kid": "ec-1"}), TokenReason.UNKNOWN_KEY),
    "kid as path": (signed(header={"kid": "../../../dev/null"}), TokenReason.UNKNOWN_KEY),
    "kid as SQL": (signed(header={"kid": "x' OR '1'='1"}), TokenReason.UNKNOWN_KEY),
    "kid not text": (signed(header={"kid": 7}), TokenReason.HEADER),
    "kid too long": (signed(header={"kid": "k" * 257}), TokenReason.HEADER),
    "jku": (signed(header={"jku": "https://evil.example/jwks"}), TokenReason.HEADER),
    "x5u": (signed(header={"x5u": "https://evil.example/x"}), TokenReason.HEADER),
    "own key in the header": (
        signed(header={"jwk": public_jwk(OTHER_RSA_KEY, "RS256", "rsa-1")}, key=OTHER_RSA_KEY),
        TokenReason.HEADER,
    ),
    "crit": (signed(header={"crit": ["exp"]}), TokenReason.HEADER),
    "b64 false": (signed(header={"b64": False}), TokenReason.HEADER),
    "typ of something else": (signed(header={"typ": "logout+jwt"}), TokenReason.HEADER),
    "expired": (signed({**PAYLOAD, "exp": int(NOW) - 31}), TokenReason.EXPIRED),
    "no exp": (
        signed({k: v for k, v in PAYLOAD.items() if k != "exp"}),
        TokenReason.EXPIRED,
    ),
    "exp null": (signed({**PAYLOAD, "exp": None}), TokenReason.MALFORMED),
    "exp text": (signed({**PAYLOAD, "exp": "9999999999"}), TokenReason.MALFORMED),
    "exp true": (signed({**PAYLOAD, "exp": True}), TokenReason.MALFORMED),
    "exp beyond every date": (signed({**PAYLOAD, "exp": 10**40}), TokenReason.MALFORMED),
    "nbf in the future": (signed({**PAYLOAD, "nbf": int(NOW) + 31}), TokenReason.NOT_YET_VALID),
    "iat in the future": (
        signed({**PAYLOAD, "iat": int(NOW) + 31}),
        TokenReason.ISSUED_IN_FUTURE,
    ),
    "wrong issuer": (signed({**PAYLOAD, "iss": "https://evil.example"}), TokenReason.ISSUER),
    "issuer with a slash more": (signed({**PAYLOAD, "iss": ISSUER + "/"}), TokenReason.ISSUER),
    "no issuer": (signed({k: v for k, v in PAYLOAD.items() if k != "iss"}), TokenReason.ISSUER),
    "wrong audience": (signed({**PAYLOAD, "aud": "other"}), TokenReason.AUDIENCE),
    "audience a part": (signed({**PAYLOAD, "aud": "sally"}), TokenReason.AUDIENCE),
    "no audience": (
        signed({k: v for k, v in PAYLOAD.items() if k != "aud"}),
        TokenReason.AUDIENCE,
    ),
    "audience an object": (signed({**PAYLOAD, "aud": {AUDIENCE: 1}}), TokenReason.AUDIENCE),
    "no subject": (signed({**PAYLOAD, "sub": ""}), TokenReason.SUBJECT),
    "duplicate key in the payload": (
        signed(json.dumps(PAYLOAD)[:-1].encode() + b', "sub": "root"}'),
        TokenReason.DUPLICATE_KEY,
    ),
    "duplicate key, deep": (
        signed(json.dumps(PAYLOAD)[:-1].encode() + b', "a": {"r": 1, "r": 2}}'),
        TokenReason.DUPLICATE_KEY,
    ),
    "duplicate key in the header": (
        ".".join([part(b'{"alg":"RS256","alg":"none"}'), PAYLOAD_PART, SIGNATURE_PART]),
        TokenReason.DUPLICATE_KEY,
    ),
    "NaN": (
        signed(json.dumps(PAYLOAD)[:-1].encode() + b', "level": NaN}'),
        TokenReason.MALFORMED,
    ),
    "deeply nested": (signed(b"[" * 5000 + b"]" * 5000), TokenReason.TOO_LARGE),
    "payload a list": (signed([PAYLOAD]), TokenReason.MALFORMED),
    "payload not UTF-8": (signed(b"\xff\xfe"), TokenReason.MALFORMED),
    "1 MB": ("a" * 1_000_000, TokenReason.TOO_LARGE),
    "one byte too long": (GOOD + "A" * (TOKEN_BYTES_MAX - len(GOOD) + 1), TokenReason.TOO_LARGE),
    "empty": ("", TokenReason.MALFORMED),
    "two parts": (f"{HEADER_PART}.{PAYLOAD_PART}", TokenReason.MALFORMED),
    "encrypted token of five parts": ("a.b.c.d.e", TokenReason.MALFORMED),
    "padding": (f"{HEADER_PART}==.{PAYLOAD_PART}.{SIGNATURE_PART}", TokenReason.MALFORMED),
    "blank inside": (f"{HEADER_PART} .{PAYLOAD_PART}.{SIGNATURE_PART}", TokenReason.MALFORMED),
    "not ASCII": (f"{HEADER_PART}é.{PAYLOAD_PART}.{SIGNATURE_PART}", TokenReason.MALFORMED),
    "a NUL": (f"{HEADER_PART}\x00.{PAYLOAD_PART}.{SIGNATURE_PART}", TokenReason.MALFORMED),
    "a password": ("hunter2", TokenReason.MALFORMED),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(name: str) -> None:
    token, reason = FORGERIES[name]
    assert refusal(token) is reason


def test_the_good_token_is_good() -> None:
    """Otherwise the forgeries above might be refused for another reason."""
    assert verify_token(Secret(GOOD), KEYS, RULES, NOW)["sub"] == "alice"


@pytest.mark.parametrize("position", range(0, len(GOOD), 7))
def test_one_changed_character_is_refused(position: int) -> None:
    other = "A" if GOOD[position] != "A" else "B"
    changed = Secret(GOOD[:position] + other + GOOD[position + 1 :])
    with pytest.raises(TokenRefused):
        verify_token(changed, KEYS, RULES, NOW)


@pytest.mark.parametrize(
    ("offset", "accepted"),
    [(0, True), (299, True), (329, True), (330, False), (-39, True), (-41, False)],
)
def test_the_skew_is_exact(offset: float, accepted: bool) -> None:
    if accepted:
        assert verify_token(Secret(GOOD), KEYS, RULES, NOW + offset)
    else:
        assert refusal(GOOD, now=NOW + offset) in (TokenReason.EXPIRED, TokenReason.NOT_YET_VALID)


def test_an_algorithm_that_is_not_listed_is_refused() -> None:
    only_ed = TokenRules(ISSUER, frozenset({AUDIENCE}), frozenset({"EdDSA"}))
    assert refusal(GOOD, only_ed) is TokenReason.ALGORITHM


def test_age() -> None:
    young = TokenRules(ISSUER, frozenset({AUDIENCE}), ALL, age_seconds_max=60)
    assert verify_token(Secret(GOOD), KEYS, young, NOW)
    assert refusal(GOOD, young, NOW + 100) is TokenReason.TOO_OLD
    no_iat = signed({k: v for k, v in PAYLOAD.items() if k != "iat"})
    assert refusal(no_iat, young) is TokenReason.TOO_OLD


@pytest.mark.parametrize(
    "arguments",
    [
        {"issuer": ""},
        {"audiences": frozenset()},
        {"audiences": frozenset({""})},
        {"algorithms": frozenset({"HS256"})},
        {"algorithms": frozenset({"none"})},
        {"algorithms": frozenset()},
        {"skew_seconds": 61},
        {"skew_seconds": -1},
    ],
)
def test_lax_rules_cannot_be_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TokenRules(**{"issuer": ISSUER, "audiences": frozenset({AUDIENCE}), **arguments})


def test_key_id_reads_without_trusting() -> None:
    assert key_id(Secret(GOOD)) == "rsa-1"
    with pytest.raises(TokenRefused):
        key_id(Secret("x.y"))
