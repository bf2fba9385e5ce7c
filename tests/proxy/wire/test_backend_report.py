"""Errors, notices, notifications, settings."""

from __future__ import annotations

import pytest

from proxy.wire import backend
from proxy.wire.errors import MalformedMessage, UnencodableMessage

FIELDS = {"S": "ERROR", "V": "ERROR", "C": "42P01", "M": 'relation "x" does not exist', "P": "15"}
BODY = b'SERROR\0VERROR\0C42P01\0Mrelation "x" does not exist\0P15\0\0'

VECTORS = [
    (backend.ErrorResponse(FIELDS), b"E\0\0\0\x3b" + BODY),
    (backend.NoticeResponse(FIELDS), b"N\0\0\0\x3b" + BODY),
    (backend.NotificationResponse(5, "c", "p"), b"A\0\0\0\x0c\0\0\0\x05c\0p\0"),
    (backend.ParameterStatus("TimeZone", "UTC"), b"S\0\0\0\x11TimeZone\0UTC\0"),
]


@pytest.mark.parametrize(("message", "encoded"), VECTORS, ids=lambda item: str(item)[:25])
def test_vectors_both_ways(message: backend.BackendMessage, encoded: bytes) -> None:
    assert message.encode() == encoded
    assert backend.DECODERS[encoded[0]](encoded[5:]) == message


def test_the_two_fields_everybody_reads_have_names() -> None:
    error = backend.ErrorResponse(FIELDS)

    assert (error.sqlstate, error.message) == ("42P01", 'relation "x" does not exist')


def test_unknown_fields_are_kept() -> None:
    body = b"SERROR\0C42P01\0Mno\0zfuture\0\0"

    assert backend.ErrorResponse.decode(body).fields["z"] == "future"


@pytest.mark.parametrize(
    "body",
    [
        b"\0",
        b"SERROR\0Mno SQLSTATE\0\0",
        b"SERROR\0C42P01\0\0",
        b"C42P01\0Mno severity\0\0",
        b"SERROR\0C42P0\0Mshort\0\0",
        b"SERROR\0C42P01;\0Mlong\0\0",
        b"SERROR\0C42 01\0Mblank\0\0",
        b"SERROR\0C42P01\0Mone\0Mtwo\0\0",
        b"SERROR\0C42P01\0Mno end\0",
        b"SERROR\0C42P01\0Mafter\0\0x",
        b"\rcontrol\0SERROR\0C42P01\0Mno\0\0",
        b"\xffbyte\0SERROR\0C42P01\0Mno\0\0",
    ],
)
def test_a_report_that_says_too_little_is_refused(body: bytes) -> None:
    for kind in (backend.ErrorResponse, backend.NoticeResponse):
        with pytest.raises(MalformedMessage):
            kind.decode(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"S": "ERROR", "M": "no SQLSTATE"},
        {"S": "ERROR", "C": "4", "M": "short"},
        {"S": "ERROR", "C": "42P01", "M": "a", "XX": "two letters"},
        {"S": "ERROR", "C": "42P01", "M": "with\0nul"},
    ],
)
def test_we_do_not_send_what_we_would_refuse(fields: dict[str, str]) -> None:
    with pytest.raises(UnencodableMessage):
        backend.ErrorResponse(fields).encode()
