"""What a server keeps instead of a password: the SCRAM-SHA-256 verifier, and how it is derived.

This file must not know the exchange (`scram.py`). Keys and salts have no printable form here except
`to_text`, which writes what Postgres stores in `pg_authid.rolpassword`.
Sources: RFC 5802 §3, RFC 7677, RFC 4013 (SASLprep), PostgreSQL docs §54.3.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass, field
from typing import Final, Self

from proxy.wire.errors import InvalidValue
from proxy.wire.limits import (
    SCRAM_ITERATIONS_MAX,
    SCRAM_ITERATIONS_MIN,
    SCRAM_PASSWORD_CHARACTERS_MAX,
    SCRAM_SALT_BYTES_MAX,
    SCRAM_SALT_BYTES_MIN,
)

KEY_BYTES: Final = hashlib.sha256().digest_size

_STORED = re.compile(r"SCRAM-SHA-256\$([0-9]{1,10}):([^$:]+)\$([^$:]+):([^$:]+)")


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256, 32 bytes (RFC 5802's HMAC)."""
    return hmac.digest(key, message, "sha256")


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Return Hi(password, salt, iterations), 32 bytes.

    Blocks for about half a microsecond per iteration. Raises InvalidValue when the iterations, the
    salt or the password are outside their limits: a hostile peer chooses the first two.
    """
    if not SCRAM_ITERATIONS_MIN <= iterations <= SCRAM_ITERATIONS_MAX:
        raise InvalidValue(
            f"SCRAM iteration count {iterations} is outside"
            f" {SCRAM_ITERATIONS_MIN} to {SCRAM_ITERATIONS_MAX}"
        )
    if not SCRAM_SALT_BYTES_MIN <= len(salt) <= SCRAM_SALT_BYTES_MAX:
        raise InvalidValue("SCRAM salt has an unacceptable length")
    return hashlib.pbkdf2_hmac("sha256", normalized(password), salt, iterations)


def normalized(password: str) -> bytes:
    """Return the bytes of a password that are hashed: SASLprep, or as given where that fails.

    Postgres falls back in the same way (scram-common.c, pg_saslprep), so that passwords with
    prohibited characters still work.
    """
    if len(password) > SCRAM_PASSWORD_CHARACTERS_MAX:
        raise InvalidValue(f"password has more than {SCRAM_PASSWORD_CHARACTERS_MAX} characters")
    prepared = password if password.isascii() else _maybe_saslprep(password)
    # A lone surrogate cannot be encoded; such a string did not come over a wire.
    return (prepared or password).encode("utf-8", "surrogatepass")


def _maybe_saslprep(text: str) -> str | None:
    """Return the SASLprep form (RFC 4013 §2), or None if the text is prohibited."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or any(_is_prohibited(character) for character in prepared):
        return None
    # RFC 3454 §6: right-to-left text begins and ends right-to-left and holds nothing else.
    if any(map(stringprep.in_table_d1, prepared)) and (
        any(map(stringprep.in_table_d2, prepared))
        or not stringprep.in_table_d1(prepared[0])
        or not stringprep.in_table_d1(prepared[-1])
    ):
        return None
    return prepared


def _is_prohibited(character: str) -> bool:
    return (
        stringprep.in_table_a1(character)
        or stringprep.in_table_c12(character)
        or stringprep.in_table_c21_c22(character)
        or stringprep.in_table_c3(character)
        or stringprep.in_table_c4(character)
        or stringprep.in_table_c5(character)
        or stringprep.in_table_c6(character)
        or stringprep.in_table_c7(character)
        or stringprep.in_table_c8(character)
        or stringprep.in_table_c9(character)
    )


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """Proves a password without holding it.

    `is_mock` marks one that stands for a user who does not exist: the exchange runs in full and
    fails at its end, whatever the proof.
    """

    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    is_mock: bool = False

    @classmethod
    def derive(cls, password: str, *, salt: bytes, iterations: int = SCRAM_ITERATIONS_MIN) -> Self:
        """Make the verifier of a password; `salt` comes from a secure source of randomness.

        Raises InvalidValue as `salted_password` does.
        """
        salted = salted_password(password, salt, iterations)
        client_key = hmac_sha256(salted, b"Client Key")
        stored_key = hashlib.sha256(client_key).digest()
        return cls(salt, iterations, stored_key, hmac_sha256(salted, b"Server Key"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form of `pg_authid.rolpassword`; InvalidValue (its text shows nothing of it)."""
        match = _STORED.fullmatch(text)
        if match is None:
            raise InvalidValue("not a SCRAM-SHA-256 verifier")
        iterations = int(match[1])
        try:
            salt, stored_key, server_key = (
                base64.b64decode(match[group], validate=True) for group in (2, 3, 4)
            )
        except (binascii.Error, ValueError):
            raise InvalidValue("not a SCRAM-SHA-256 verifier") from None
        if len(stored_key) != KEY_BYTES or len(server_key) != KEY_BYTES:
            raise InvalidValue("not a SCRAM-SHA-256 verifier")
        # The server never hashes, so its own stored count may be small, as Postgres allows.
        if not 1 <= iterations <= SCRAM_ITERATIONS_MAX or not salt:
            raise InvalidValue("not a SCRAM-SHA-256 verifier")
        return cls(salt, iterations, stored_key, server_key)

    @classmethod
    def mock(cls, user: str, secret: bytes, *, iterations: int = SCRAM_ITERATIONS_MIN) -> Self:
        """Make the verifier of a user who does not exist.

        The salt depends on `user` and on `secret` (32 random bytes of the process, never shown), so
        that asking twice gives the same salt, as it does for a real user (Postgres:
        mock_scram_secret in auth-scram.c). `iterations` must be what real users have.
        """
        assert len(secret) >= KEY_BYTES, "a short secret lets an outsider compute the mock salt"
        name = user.encode("utf-8", "surrogatepass")
        salt = hmac_sha256(secret, b"salt\0" + name)[:16]
        stored_key = hmac_sha256(secret, b"stored\0" + name)
        server_key = hmac_sha256(secret, b"server\0" + name)
        return cls(salt, iterations, stored_key, server_key, is_mock=True)

    def to_text(self) -> str:
        """Return the form of `pg_authid.rolpassword`. It is as secret as a password hash."""
        salt, stored_key, server_key = (
            base64.b64encode(part).decode()
            for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored_key}:{server_key}"
