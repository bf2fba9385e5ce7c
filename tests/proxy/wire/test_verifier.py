"""Verifiers: derivation, the stored form of Postgres, mocks, SASLprep."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import limits, verifier
from proxy.wire.errors import InvalidValue
from proxy.wire.verifier import ScramVerifier

SALT = bytes(range(16))
SECRET = bytes(32)
STORED = ScramVerifier.derive("pencil", salt=SALT).to_text()


def test_the_stored_form_reads_back() -> None:
    assert STORED.startswith("SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$")
    assert ScramVerifier.parse(STORED) == ScramVerifier.derive("pencil", salt=SALT)


def test_derivation_follows_the_rfc() -> None:
    derived = ScramVerifier.derive("pencil", salt=SALT)
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", SALT, 4096)
    client_key = verifier.hmac_sha256(salted, b"Client Key")

    assert derived.stored_key == hashlib.sha256(client_key).digest()
    assert derived.server_key == verifier.hmac_sha256(salted, b"Server Key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "md5e8a48653851e28c69d0506508fb27fc5",
        "pencil",
        STORED.replace("SHA-256", "SHA-1"),
        STORED.replace("4096", "0"),
        STORED.replace("4096", "9999999999"),
        STORED.replace("4096", "-1"),
        STORED[:-5],
        STORED.replace("==$", "=!$"),
        STORED + "\n",
    ],
)
def test_what_is_not_a_verifier_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        ScramVerifier.parse(text)

    assert caught.value.message == "not a SCRAM-SHA-256 verifier"


@pytest.mark.parametrize("iterations", [0, 1, 4_095, limits.SCRAM_ITERATIONS_MAX + 1, 2**31])
def test_iterations_are_bounded_before_any_is_run(iterations: int) -> None:
    with pytest.raises(InvalidValue, match="iteration count"):
        verifier.salted_password("x", SALT, iterations)


@pytest.mark.parametrize("size", [0, 7, 1_025])
def test_salts_are_bounded(size: int) -> None:
    with pytest.raises(InvalidValue, match="salt"):
        verifier.salted_password("x", bytes(size), 4_096)


def test_passwords_are_bounded() -> None:
    with pytest.raises(InvalidValue, match="more than 16384 characters"):
        verifier.normalized("x" * 16_385)


def test_a_mock_is_stable_and_differs_between_users_and_processes() -> None:
    mock = ScramVerifier.mock("ann", SECRET)

    assert mock.is_mock
    assert mock == ScramVerifier.mock("ann", SECRET)
    others = [ScramVerifier.mock("bob", SECRET), ScramVerifier.mock("ann", bytes([1] * 32))]
    assert len({mock.salt, *(other.salt for other in others)}) == 3
    assert len(mock.salt) == len(SALT)
    assert mock.iterations == ScramVerifier.derive("x", salt=SALT).iterations


def test_nothing_of_a_verifier_is_in_its_repr() -> None:
    assert repr(ScramVerifier.parse(STORED)) == "ScramVerifier(iterations=4096, is_mock=False)"


# --- SASLprep -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("I\u00adX", b"IX"),  # RFC 4013 §3, examples 1 to 5
        ("user", b"user"),
        ("USER", b"USER"),
        ("\u00aa", b"a"),
        ("\u2168", b"IX"),
        ("a\u00a0b", b"a b"),
        ("\u00e9", "\u00e9".encode()),
        ("e\u0301", "\u00e9".encode()),
        # Prohibited or not bidirectional: the password as given, as Postgres does.
        ("\u0627\u0031", "\u0627\u0031".encode()),
        ("é\u0007", "é\u0007".encode()),
        ("\u00ad", "\u00ad".encode()),
        ("\u0007", b"\x07"),
        ("é\u0221", "é\u0221".encode()),  # unassigned in Unicode 3.2
    ],
)
def test_normalized_passwords(password: str, expected: bytes) -> None:
    assert verifier.normalized(password) == expected


@given(st.text(max_size=20))
def test_any_password_has_bytes(password: str) -> None:
    assert isinstance(verifier.normalized(password), bytes)
