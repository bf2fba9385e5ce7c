"""HMAC from sha256(bytea): the published vectors, Python's hmac, and Postgres agree."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from policies.claims import KEY_TYPE
from policies.keyed import (
    KeySlot,
    derive,
    fraction_sql,
    hmac_hex_sql,
    is_key_slot,
    pseudonym,
    slot_value,
    slots,
)
from policies.secret import Secret
from tests.policies.conftest import Execute
from tests.policies.writing import MASTER

# RFC 4231, test cases 1, 2 and 3 (keys shorter than a block).
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
]


@pytest.mark.parametrize(("key", "message", "digest"), RFC_4231)
def test_the_formula_gives_the_published_vectors(
    execute: Execute, key: bytes, message: bytes, digest: str
) -> None:
    """The formula of `hmac_hex_sql`, with a given key instead of a derived one."""
    padded = key.ljust(64, b"\x00")
    inner = "\\x" + bytes(byte ^ 0x36 for byte in padded).hex()
    outer = "\\x" + bytes(byte ^ 0x5C for byte in padded).hex()
    sql = hmac_hex_sql("MESSAGE", "k", "d").replace(
        "pg_catalog.convert_to(MESSAGE, 'UTF8')", f"'\\x{message.hex()}'::bytea"
    )
    one, two = slots("k", "d")
    found = execute(f"SELECT {sql}", {one.name: (inner, KEY_TYPE), two.name: (outer, KEY_TYPE)})
    assert found == [(digest,)]


@pytest.mark.parametrize("text", ["", "a", "ä€😀", "x" * 200])
def test_postgres_agrees_with_python(execute: Execute, text: str) -> None:
    claims = {s.name: (slot_value(MASTER, s), KEY_TYPE) for s in slots("k", "it's a domain")}
    claims = {name.replace("'", "''"): value for name, value in claims.items()}
    sql = hmac_hex_sql(_literal(text), "k", "it's a domain")
    found = execute(f"SELECT {sql}", claims)
    assert found == [(pseudonym(MASTER, "it's a domain", text),)]


def _literal(text: str) -> str:
    return f"CAST('{text}' AS text)"


def test_a_domain_has_its_own_key() -> None:
    assert derive(MASTER, "a") != derive(MASTER, "b")
    assert derive(MASTER, "a") != derive(Secret(b"x" * 32), "a")
    assert len(derive(MASTER, "a")) == 32
    own = hmac.new(derive(MASTER, "a"), b"v", hashlib.sha256).hexdigest()
    assert pseudonym(MASTER, "a", "v") == own


def test_the_master_key_is_in_no_slot() -> None:
    master = MASTER.reveal()
    for slot in slots("k", "d"):
        value = bytes.fromhex(slot_value(MASTER, slot).removeprefix("\\x"))
        pad = 0x36 if slot.half == "inner" else 0x5C
        assert master not in bytes(byte ^ pad for byte in value)
        assert len(value) == 64


def test_slot_names() -> None:
    one, two = slots("k", "d")
    assert one == KeySlot("k", "d", "inner")
    assert one.name != two.name
    assert is_key_slot(one.name)
    assert not is_key_slot("key")


@pytest.mark.parametrize(("digits", "fraction"), [("000000", -1), ("ffffff", 1), ("800000", 0)])
def test_fractions(execute: Execute, digits: str, fraction: float) -> None:
    rows = execute(f"SELECT {fraction_sql(_literal(digits + 'ab'))}::float8")
    found = rows[0][0]
    assert isinstance(found, float)
    assert abs(found - fraction) < 1e-6
