"""SASL OAUTHBEARER: the messages of RFC 7628 and of libpq 18, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import ProtocolViolation
from proxy.wire.oauthbearer import bearer_token, error_status


@pytest.mark.parametrize(
    ("message", "token"),
    [
        (b"n,,\x01auth=Bearer abc.def-_~+/==\x01\x01", "abc.def-_~+/=="),
        (b"n,,\x01auth=bearer x\x01\x01", "x"),
        (b"y,,\x01auth=Bearer x\x01\x01", "x"),
        # RFC 7628 §4.1: host and port are for the mechanism's other uses.
        (
            b"n,,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmT\x01\x01",
            "vF9dft4qmT",
        ),
        (b"n,,\x01auth=\x01\x01", None),
    ],
)
def test_what_clients_send(message: bytes, token: str | None) -> None:
    assert bearer_token(message) == token


@pytest.mark.parametrize(
    "message",
    [
        None,
        b"",
        b"n,,",
        b"n,,\x01\x01",
        b"n,a=admin,\x01auth=Bearer x\x01\x01",
        b"p=tls-server-end-point,,\x01auth=Bearer x\x01\x01",
        b"n,,\x01auth=Basic eDp5\x01\x01",
        b"n,,\x01auth=Bearer\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        b"n,,\x01auth=Bearer a\x01",
        b"n,,\x01auth=Bearer a\x01\x01more",
        b"n,,\x01auth=Bearer \xff\x01\x01",
        b"n,,\x01auth=Bearer a\x00\x01\x01",
    ],
)
def test_what_is_refused(message: bytes | None) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        bearer_token(message)
    assert caught.value.message == "malformed OAUTHBEARER message"


@given(st.binary(max_size=200))
def test_garbage_is_one_documented_error(message: bytes) -> None:
    for whole in (message, b"n,,\x01auth=" + message):
        try:
            bearer_token(whole)
        except ProtocolViolation:
            continue


def test_the_error_says_where_to_go() -> None:
    status = json.loads(error_status("https://login.example.com/realm/", "openid email"))
    assert status == {
        "status": "invalid_token",
        "openid-configuration": "https://login.example.com/realm/.well-known/openid-configuration",
        "scope": "openid email",
    }
