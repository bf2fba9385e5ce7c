"""What is shown once, and what is kept of it."""

from __future__ import annotations

import hashlib
import re

import pytest

from proxy.runtime.state import secret_text
from proxy.wire.scram import ScramClient, ScramServer
from proxy.wire.verifier import ScramVerifier

SALT = bytes(range(16))


def test_the_text_needs_no_quoting_anywhere() -> None:
    made = secret_text.make(SALT)
    text = made.text.reveal()
    assert re.fullmatch(r"sallyport_[a-z2-7]{12}_[a-z2-7]{52}", text)
    assert secret_text.looks_like_one(text)
    assert secret_text.public_id(text) == made.id


def test_what_is_kept_proves_the_text_and_does_not_hold_it() -> None:
    made = secret_text.make(SALT)
    text = made.text.reveal()
    assert made.digest == hashlib.sha256(text.encode()).digest()
    verifier = ScramVerifier.parse(made.verifier)
    assert (verifier.salt, verifier.iterations) == (SALT, secret_text.ITERATIONS)
    client = ScramClient(text, nonce=bytes(18))
    server = ScramServer(verifier, nonce=bytes(range(18)))
    challenge = server.first(client.choose(server.mechanisms), client.first())
    client.verify(server.final(client.final(challenge)))
    assert client.is_verified
    assert text.rpartition("_")[2] not in made.verifier + repr(made)


def test_no_two_are_alike() -> None:
    made = [secret_text.make(SALT) for _ in range(20)]
    assert len({one.id for one in made}) == len({one.text.reveal() for one in made}) == 20


@pytest.mark.parametrize(
    "text",
    ["", "sallyport_", "sallyport_x_y", "a.b.c", "sallyport_" + "A" * 12 + "_" + "b" * 52],
)
def test_other_texts_have_no_id(text: str) -> None:
    assert secret_text.public_id(text) is None


def test_a_jwt_does_not_look_like_one() -> None:
    assert not secret_text.looks_like_one("eyJhbGciOiJFZERTQSJ9.e30.x")
