"""Public keys that tokens are verified with: read from a JWKS document or PEM text, found by `kid`.

This file must not know tokens or how keys are fetched. Only asymmetric public keys enter a KeySet:
no symmetric key (so an RSA public key can never become an HMAC secret), no private key, no key
meant for encryption. A key fits an algorithm by its type and curve, not by what a token claims (RFC
8725, 3.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

JWKS_BYTES_MAX = 262_144
JWKS_KEYS_MAX = 100
RSA_BITS_MIN = 2_048  # RFC 7518, 3.3

PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)

_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_ALGORITHMS: Mapping[str, str] = {
    "secp256r1": "ES256",
    "secp384r1": "ES384",
    "secp521r1": "ES512",
    "secp256k1": "ES256K",
}
ALGORITHMS = _RSA_ALGORITHMS | {"ES256", "ES384", "ES512", "EdDSA"}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key with the algorithms it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    public_key: PublicKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """The key for a token; without a `kid` only when exactly one key fits the algorithm."""
        fitting = [
            key
            for key in self.keys
            if algorithm in key.algorithms and (kid is None or key.kid == kid)
        ]
        return fitting[0] if len(fitting) == 1 else None

    @staticmethod
    def from_jwks(document: bytes) -> KeySet:
        """The usable keys of a JWKS document (RFC 7517).

        Keys for encryption and of unknown kinds are left out (RFC 7517, 5). ValueError for a
        document without usable keys, with a symmetric or private key, or with a repeated `kid`.
        """
        if len(document) > JWKS_BYTES_MAX:
            raise ValueError(f"a key set is at most {JWKS_BYTES_MAX} bytes")
        try:
            parsed = json.loads(document)
        except (ValueError, RecursionError):
            raise ValueError("a key set is a JSON document") from None
        entries = parsed.get("keys") if isinstance(parsed, dict) else None
        if not isinstance(entries, list) or len(entries) > JWKS_KEYS_MAX:
            raise ValueError(f'a key set has a list "keys" of at most {JWKS_KEYS_MAX}')
        keys = [key for entry in entries if (key := _from_jwk(entry)) is not None]
        kids = [key.kid for key in keys if key.kid is not None]
        if not keys or len(kids) != len(set(kids)):
            raise ValueError("a key set needs usable keys with distinct ids")
        return KeySet(tuple(keys))

    @staticmethod
    def from_pem(text: bytes, kid: str | None = None) -> KeySet:
        """A key set of one PEM public key. ValueError for anything else."""
        try:
            public_key = load_pem_public_key(text)
        except (ValueError, TypeError):
            raise ValueError("not a PEM public key") from None
        return KeySet((_verification_key(kid, public_key, None),))


def _from_jwk(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict):
        raise ValueError("a key is a JSON object")
    if entry.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(entry):
        raise ValueError("a key set of public keys holds a symmetric or private key")
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("a key id is text")
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        return None
    if algorithm is not None and algorithm not in ALGORITHMS:
        return None
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        # The algorithm only steers the library's parser; which ones are allowed is decided below.
        public_key = jwt.PyJWK(entry, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise ValueError("a key of the key set is malformed") from None
    return _verification_key(kid, public_key, algorithm)


def _verification_key(
    kid: str | None, public_key: object, algorithm: str | None
) -> VerificationKey:
    algorithms = _fitting(public_key)
    if algorithm is not None:
        algorithms &= {algorithm}
    if not algorithms:
        raise ValueError("a key does not fit any allowed algorithm")
    assert isinstance(public_key, PublicKey)
    return VerificationKey(kid, algorithms, public_key)


def _fitting(public_key: object) -> frozenset[str]:
    match public_key:
        case rsa.RSAPublicKey():
            if public_key.key_size < RSA_BITS_MIN:
                raise ValueError(f"an RSA key has at least {RSA_BITS_MIN} bits")
            return _RSA_ALGORITHMS
        case ec.EllipticCurvePublicKey():
            name = _CURVE_ALGORITHMS.get(public_key.curve.name, "")
            return frozenset({name}) & ALGORITHMS
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return frozenset({"EdDSA"})
        case _:
            return frozenset()
