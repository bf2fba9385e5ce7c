"""HMAC-SHA-256 inside a source that has only `sha256(bytea)`, without showing it the master key.

This file must not know masks or rules.

HMAC(K, m) = H((K ⊕ opad) ‖ H((K ⊕ ipad) ‖ m)) (RFC 2104). The two padded keys are computed here and
travel as two `bytea` parameters ("key slots") of the guarded statement; the source concatenates and
hashes.

Why parameters and not literals: the guarded text is written to the audit log, to `pg_stat_activity`
and, by default (`log_min_error_statement = error`), to the source's log whenever a statement fails;
parameter values are in none of these (`log_parameter_max_length_on_error` is 0 by default). A
source that logs every statement with its parameters does record them, and COPY has no parameters.
Therefore the master key never leaves this process: each domain (by default one column of one table)
has a key derived from it, so what a log can give away is the link between the pseudonyms and values
of that one column, to somebody who can guess the values.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal

from policies.expression import cast, quote_text
from policies.secret import Secret

KEY_BYTES_MIN = 32
_BLOCK_BYTES = 64  # SHA-256 (FIPS 180-4)
_DERIVATION_LABEL = b"sallyport pseudonym key v1\x00"
_SLOT_PREFIX = "key:"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One half of a derived key, as a parameter. `key` is the declared name, `domain` what it is
    for."""

    key: str
    domain: str
    half: Literal["inner", "outer"]

    @property
    def name(self) -> str:
        """The name under which SQL asks for it: `claim('key:…')`. No policy can declare such a
        claim."""
        return f"{_SLOT_PREFIX}{self.key}:{self.domain}:{self.half}"


def is_key_slot(claim: str) -> bool:
    """True for the names that `KeySlot.name` gives."""
    return claim.startswith(_SLOT_PREFIX)


def slots(key: str, domain: str) -> tuple[KeySlot, KeySlot]:
    """The two slots that `hmac_hex_sql` reads."""
    return KeySlot(key, domain, "inner"), KeySlot(key, domain, "outer")


def hmac_hex_sql(message_sql: str, key: str, domain: str) -> str:
    """SQL for the HMAC, in hexadecimal, of a text expression; NULL for NULL.

    Total in a database whose encoding is UTF8: there `convert_to` copies.
    """
    inner, outer = (f"claim({quote_text(slot.name)})" for slot in slots(key, domain))
    message = f"pg_catalog.convert_to({message_sql}, 'UTF8')"
    digest = f"pg_catalog.sha256(({inner} || {message}))"
    return f"pg_catalog.encode(pg_catalog.sha256(({outer} || {digest})), 'hex')"


def derive(master: Secret[bytes], domain: str) -> bytes:
    """The 32-byte key of one domain."""
    label = _DERIVATION_LABEL + domain.encode("utf-8")
    return hmac.new(master.reveal(), label, hashlib.sha256).digest()


def slot_value(master: Secret[bytes], slot: KeySlot) -> str:
    """The slot's value as Postgres bytea text (`\\x…`)."""
    pad = 0x36 if slot.half == "inner" else 0x5C
    padded = derive(master, slot.domain).ljust(_BLOCK_BYTES, b"\x00")
    return "\\x" + bytes(byte ^ pad for byte in padded).hex()


def pseudonym(master: Secret[bytes], domain: str, text: str) -> str:
    """What the source computes, computed here: for tests, and for re-identification by the key's
    owner."""
    return hmac.new(derive(master, domain), text.encode("utf-8"), hashlib.sha256).hexdigest()


def fraction_sql(hexadecimal_sql: str) -> str:
    """A number from -1 to 1, uniform in 24 bits, from a hexadecimal digest expression."""
    bits = (
        f"('x' || pg_catalog.\"left\"({hexadecimal_sql}, 6))::pg_catalog.bit(24)::pg_catalog.int4"
    )
    return f"({cast(bits, 'numeric')} / 8388607.5 - 1)"
