"""The demonstration's own issuer: a key pair of this machine, and tokens for the sample's people.

This file must not know the gate or the policies. The private key is made at the first start, in the
state directory, readable by its owner alone; the public half lies beside it as a JSON Web Key Set
(RFC 7517), which is all that the gate reads. Issuer and key id carry the marks of
`proxy/runtime/demonstration.py`, which a real configuration refuses.

Algorithm: EdDSA with Ed25519 (RFC 8037): short keys, short tokens, no parameters to choose.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proxy.demo.principal import PRINCIPALS
from proxy.runtime.demonstration import DEMO_ISSUER, DEMO_KEY_PREFIX

AUDIENCE: Final = "sallyport"
ALGORITHM: Final = "EdDSA"
LIFETIME_S_DEFAULT: Final = 12 * 3600
"""A working day: the printed lines should work until the terminal is closed."""
LIFETIME_S_MAX: Final = 7 * 24 * 3600

_KEY_FILE: Final = "issuer.pem"
_KEY_SET_FILE: Final = "jwks.json"
_KEY_ID_CHARACTERS: Final = 12


class IssuerError(Exception):
    """The demonstration's issuer cannot do what was asked; the message is for the terminal."""


class DemoIssuer:
    """Signs tokens with the key in `directory`. Obtain one by `open` or `existing`."""

    def __init__(self, directory: Path, key: Ed25519PrivateKey) -> None:
        self.key_set_path = directory / _KEY_SET_FILE
        self._key = key
        self.key_id = DEMO_KEY_PREFIX + _thumbprint(key)[:_KEY_ID_CHARACTERS]

    def __repr__(self) -> str:
        return f"<DemoIssuer {self.key_id}>"

    @classmethod
    def open(cls, directory: Path) -> DemoIssuer:
        """The issuer of this directory, made now if it has none. Raises IssuerError, OSError."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = directory / _KEY_FILE
        if not path.exists():
            _write_private(path, _encode_private(Ed25519PrivateKey.generate()))
        issuer = cls.existing(directory)
        key_set = json.dumps({"keys": [issuer._public_jwk()]}, indent=2) + "\n"
        if not issuer.key_set_path.exists() or issuer.key_set_path.read_text() != key_set:
            _replace(issuer.key_set_path, key_set.encode(), mode=0o644)
        return issuer

    @classmethod
    def existing(cls, directory: Path) -> DemoIssuer:
        """The issuer of a demonstration that has run here before. Raises IssuerError."""
        path = directory / _KEY_FILE
        try:
            text, mode = path.read_bytes(), path.stat().st_mode
        except FileNotFoundError as error:
            raise IssuerError(f"no demonstration has run in {directory} yet") from error
        if mode & 0o077:
            raise IssuerError(f"{path} is readable by others: chmod 600, or delete it")
        try:
            key = serialization.load_pem_private_key(text, password=None)
        except ValueError as error:
            raise IssuerError(f"{path} holds no private key: delete it for a new one") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise IssuerError(f"{path} holds a key of another kind: delete it for a new one")
        return cls(directory, key)

    def mint(
        self,
        name: str,
        *,
        now: float,
        lifetime_s: int = LIFETIME_S_DEFAULT,
        agent: str | None = None,
    ) -> str:
        """A signed token for the principal `name`, valid from `now` (unix seconds).

        `agent` acts on the principal's behalf (RFC 8693 §4.1, `act`). Raises IssuerError.
        """
        principal = PRINCIPALS.get(name)
        if principal is None:
            raise IssuerError(f'nobody is called "{name}" here; there are {", ".join(PRINCIPALS)}')
        if not 0 < lifetime_s <= LIFETIME_S_MAX:
            raise IssuerError(f"a token lives between 1 and {LIFETIME_S_MAX} seconds")
        issued_at = int(now)
        payload: dict[str, object] = {
            "iss": DEMO_ISSUER,
            "aud": AUDIENCE,
            "sub": principal.name,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + lifetime_s,
            "jti": secrets.token_urlsafe(12),
            **principal.claims(),
        }
        if agent is not None:
            payload["act"] = {"sub": agent}
        return jwt.encode(payload, self._key, algorithm=ALGORITHM, headers={"kid": self.key_id})

    def _public_jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _base64url(_public_bytes(self._key)),
            "kid": self.key_id,
            "use": "sig",
            "alg": ALGORITHM,
        }


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """SHA-256 of the public half: another key never gets the same id by chance."""
    return hashlib.sha256(_public_bytes(key)).hexdigest()


def _public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _encode_private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _write_private(path: Path, content: bytes) -> None:
    _replace(path, content, mode=0o600)


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    """Write whole or not at all: a reader never finds half a key."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
