"""Authentication, version and key as a server sends them."""

from __future__ import annotations

import pytest

from proxy.wire import backend
from proxy.wire.backend_start import decode_authentication
from proxy.wire.errors import MalformedMessage, UnencodableMessage, UnsupportedMessage

VECTORS = [
    (backend.AuthenticationOk(), b"R\0\0\0\x08\0\0\0\0"),
    (backend.AuthenticationCleartextPassword(), b"R\0\0\0\x08\0\0\0\x03"),
    (
        backend.AuthenticationSASL(("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")),
        b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
    ),
    (backend.AuthenticationSASLContinue(b"r="), b"R\0\0\0\x0a\0\0\0\x0br="),
    (backend.AuthenticationSASLFinal(b"v="), b"R\0\0\0\x0a\0\0\0\x0cv="),
    (
        backend.NegotiateProtocolVersion((3, 2), ("_pq_.x",)),
        b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0",
    ),
    (backend.BackendKeyData(7, b"\x01" * 32), b"K\0\0\0\x28\0\0\0\x07" + b"\x01" * 32),
]


@pytest.mark.parametrize(("message", "encoded"), VECTORS, ids=lambda item: str(item)[:40])
def test_vectors_both_ways(message: backend.BackendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded
    assert backend.DECODERS[encoded[0]](encoded[5:]) == message


@pytest.mark.parametrize(
    ("code", "method"), [(5, "MD5 password"), (7, "GSSAPI"), (9, "SSPI"), (99, "number 99")]
)
def test_unsupported_methods_are_named(code: int, method: str) -> None:
    with pytest.raises(UnsupportedMessage, match=method) as caught:
        decode_authentication(code.to_bytes(4, "big") + b"salt")

    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0", b"\0\0\0\0x", b"\0\0\0\x0aSCRAM-SHA-256\0", b"\0\0\0\x0a\0x"],
)
def test_malformed_requests_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_authentication(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\0\x03\0\x02\xff\xff\xff\xff",
        b"\0\x03\0\x02\x7f\xff\xff\xff",  # a count that would allocate for a minute
        b"\0\x03\0\x02\0\0\0\x01",
        b"\0\x03\0\x02\0\0\0\0x",
    ],
)
def test_a_negotiation_must_add_up(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        backend.NegotiateProtocolVersion.decode(body)


@pytest.mark.parametrize("size", [0, 3, 257])
def test_a_key_has_4_to_256_bytes_both_ways(size: int) -> None:
    with pytest.raises(UnencodableMessage):
        backend.BackendKeyData(1, bytes(size)).encode()
    with pytest.raises(MalformedMessage):
        backend.BackendKeyData.decode(b"\0\0\0\x01" + bytes(size))


def test_a_mechanism_needs_a_name() -> None:
    with pytest.raises(UnencodableMessage):
        backend.AuthenticationSASL(("",)).encode()


def test_no_secret_is_in_a_repr() -> None:
    for message in (
        backend.BackendKeyData(1, b"hunter2"),
        backend.AuthenticationSASLContinue(b"hunter2"),
        backend.AuthenticationSASLFinal(b"hunter2"),
    ):
        assert "hunter2" not in repr(message)
