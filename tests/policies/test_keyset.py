"""Key sets: which keys enter, and for which algorithms (RFC 7517, RFC 8725)."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from policies.keyset import JWKS_BYTES_MAX, JWKS_KEYS_MAX, KeySet

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, algorithm: str, **members: object) -> dict[str, object]:
    return {
        **jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True),
        **members,
    }


RSA_JWK, EC_JWK = jwk(RSA_KEY, "RS256", kid="r"), jwk(EC_KEY, "ES256", kid="e")
ED_JWK = jwk(ED_KEY, "EdDSA", kid="d")


def jwks(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


def pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_keys_are_found_by_kid_and_algorithm() -> None:
    keys = KeySet.from_jwks(jwks(RSA_JWK, EC_JWK, ED_JWK))
    assert keys.find("r", "RS256") is keys.keys[0]
    assert keys.find("r", "PS512") is keys.keys[0]
    assert keys.find("e", "ES256") is keys.keys[1]
    assert keys.find("d", "EdDSA") is keys.keys[2]
    for kid, algorithm in [("r", "ES256"), ("e", "RS256"), ("e", "ES384"), ("x", "RS256")]:
        assert keys.find(kid, algorithm) is None
    for algorithm in ("HS256", "none", "ES256K"):
        assert keys.find("r", algorithm) is None


def test_without_kid_only_one_key_may_fit() -> None:
    assert KeySet.from_jwks(jwks(RSA_JWK, EC_JWK)).find(None, "RS256") is not None
    other = {**jwk(RSA_KEY, "RS256"), "kid": "r2"}
    assert KeySet.from_jwks(jwks(RSA_JWK, other)).find(None, "RS256") is None


def test_a_declared_algorithm_narrows() -> None:
    keys = KeySet.from_jwks(jwks({**RSA_JWK, "alg": "RS256"}))
    assert keys.find("r", "RS256") is not None
    assert keys.find("r", "PS256") is None


@pytest.mark.parametrize(
    "entry",
    [
        {**EC_JWK, "use": "enc", "kid": "x"},
        {**EC_JWK, "key_ops": ["deriveKey"], "kid": "x"},
        {**RSA_JWK, "alg": "RSA-OAEP", "kid": "x"},
        {"kty": "unheard-of", "kid": "x"},
    ],
)
def test_keys_for_other_uses_are_left_out(entry: dict[str, object]) -> None:
    keys = KeySet.from_jwks(jwks(RSA_JWK, entry))
    assert [key.kid for key in keys.keys] == ["r"]


SYMMETRIC = {"kty": "oct", "kid": "s", "k": base64.urlsafe_b64encode(b"x" * 32).decode()}
PRIVATE = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(RSA_KEY))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        jwks(),
        jwks("x"),
        jwks(SYMMETRIC),
        jwks(RSA_JWK, SYMMETRIC),
        jwks(PRIVATE),
        jwks(RSA_JWK, {**EC_JWK, "kid": "r"}),
        jwks({**RSA_JWK, "kid": 7}),
        jwks({**RSA_JWK, "n": "AQ"}),
        jwks({"kty": "RSA"}),
        jwks(jwk(SMALL_RSA_KEY, "RS256")),
        jwks({**EC_JWK, "alg": "RS256"}),
        jwks(*[{**EC_JWK, "kid": str(n)} for n in range(JWKS_KEYS_MAX + 1)]),
        jwks(RSA_JWK) + b" " * JWKS_BYTES_MAX,
        b"[" * 100_000,
    ],
)
def test_unusable_key_sets(document: bytes) -> None:
    with pytest.raises(ValueError):
        KeySet.from_jwks(document)


def test_pem() -> None:
    assert KeySet.from_pem(pem(ED_KEY), "k").find("k", "EdDSA") is not None
    private = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    dsa_key = dsa.generate_private_key(key_size=1024)
    for text in (
        b"",
        b"x",
        private,
        pem(SMALL_RSA_KEY),
        pem(dsa_key),
        pem(x25519.X25519PrivateKey.generate()),
    ):
        with pytest.raises(ValueError):
            KeySet.from_pem(text)


def test_the_repr_shows_no_numbers() -> None:
    assert "public_key" not in repr(KeySet.from_jwks(jwks(RSA_JWK)))
