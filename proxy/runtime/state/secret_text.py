"""What a person is shown once, and what is kept of it.

    sallyport_k3v9q2m7t4xw_5f2c…      public id (60 random bits), secret (256 random bits)

Lower-case letters and digits only: the same text goes into a connection string, a password file,
an ODBC or JDBC field and an HTTP header without quoting. Kept are a SCRAM-SHA-256 verifier of the
whole text (RFC 5802, RFC 7677) and its SHA-256. Neither needs a slow hash or a key to stay safe:
there is nothing to guess in 256 random bits.

This file must not know who a secret belongs to, nor where it is kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from policies.secret import Secret
from proxy.wire.limits import SCRAM_ITERATIONS_MIN
from proxy.wire.verifier import ScramVerifier

PREFIX: Final = "sallyport_"
"""Secret scanners find what begins with a word of its own."""
ID_CHARACTERS: Final = 12
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
"""As Postgres (SCRAM_DEFAULT_SALT_LEN)."""
ITERATIONS: Final = SCRAM_ITERATIONS_MIN
"""Every login has the same number: a different one would tell that a name is known."""

_TEXT: Final = re.compile(rf"{PREFIX}([a-z2-7]{{{ID_CHARACTERS}}})_([a-z2-7]{{52}})")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that was just made. `text` is shown once; the rest is kept."""

    id: str
    text: Secret[str]
    verifier: str = field(repr=False)
    digest: bytes = field(repr=False)


def make(salt: bytes) -> NewSecret:
    """A new secret for a login with this SCRAM salt. Takes about 2 ms."""
    identifier = _letters(secrets.token_bytes(ID_CHARACTERS))[:ID_CHARACTERS]
    text = f"{PREFIX}{identifier}_{_letters(secrets.token_bytes(SECRET_BYTES))}"
    verifier = ScramVerifier.derive(text, salt=salt, iterations=ITERATIONS)
    return NewSecret(identifier, Secret(text), verifier.to_text(), digest(text))


def digest(text: str) -> bytes:
    """SHA-256 of the whole text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def looks_like_one(text: str) -> bool:
    """Whether a password is meant as an access token: a JWT never begins so."""
    return text.startswith(PREFIX)


def public_id(text: str) -> str | None:
    """The id in a text that has the right form, None for any other."""
    match = _TEXT.fullmatch(text)
    return None if match is None else match[1]


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
