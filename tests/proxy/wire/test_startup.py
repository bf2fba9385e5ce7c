"""Startup packets, version negotiation in both roles, the answer to SSLRequest, `options`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import backend, frontend, startup
from proxy.wire.errors import ProtocolViolation, UnsupportedMessage
from proxy.wire.limits import STARTUP_PARAMETERS_MAX
from tests.proxy.wire import strategies

V3_0 = b"\0\x03\0\0"


@given(strategies.startup_packets)
def test_decode_reverses_encode(message: frontend.FrontendMessage) -> None:
    encoded = message.encode()

    assert int.from_bytes(encoded[:4], "big") == len(encoded)
    assert startup.decode_startup_packet(encoded[4:]) == message


@given(
    st.binary(max_size=60), st.sampled_from([b"", V3_0, b"\x04\xd2\x16\x2e", b"\x04\xd2\x16\x2f"])
)
def test_garbage_is_a_packet_or_the_documented_error(body: bytes, code: bytes) -> None:
    outcome: frontend.FrontendMessage | ProtocolViolation
    try:
        outcome = startup.decode_startup_packet(code + body)
    except ProtocolViolation as violation:
        outcome = violation

    if isinstance(outcome, ProtocolViolation):
        assert outcome.sqlstate in ("08P01", "0A000", "22021")
    else:
        assert outcome.encode()[4:] == code + body


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (V3_0, "expected terminator as last byte"),
        (V3_0 + b"user\0ann\0", "expected terminator as last byte"),
        (V3_0 + b"user\0ann\0\0x", "expected terminator as last byte"),
        (V3_0 + b"user\0ann\0\0\0", "expected terminator as last byte"),
        (V3_0 + b"user\0\0", "expected terminator as last byte"),
        (V3_0 + b"user\0ann\0\0hidden\0x\0\0", "expected terminator as last byte"),
        (V3_0 + b"user\0ann\0user\0bob\0\0", "names a parameter twice"),
        (V3_0 + b"user\0\xff\0\0", "not UTF-8"),
        (b"\x04\xd2\x16\x2f\0", "invalid length of startup packet"),
        (b"\x04\xd2\x16\x2e\0\0\0\x01abc", "invalid length of cancel request packet"),
        (b"\x04\xd2\x16\x2e\0\0\0\x01" + bytes(257), "invalid length of cancel request packet"),
        (b"\x04\xd2\x16\x2e", "invalid length of cancel request packet"),
    ],
)
def test_packets_that_do_not_add_up_are_refused(packet: bytes, words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words):
        startup.decode_startup_packet(packet)


def test_the_number_of_parameters_is_bounded() -> None:
    def packet(count: int) -> bytes:
        return V3_0 + b"".join(b"k%d\0v\0" % index for index in range(count)) + b"\0"

    message = startup.decode_startup_packet(packet(STARTUP_PARAMETERS_MAX))
    assert isinstance(message, frontend.StartupMessage)
    assert len(message.parameters) == STARTUP_PARAMETERS_MAX
    with pytest.raises(ProtocolViolation, match="more than 64 parameters"):
        startup.decode_startup_packet(packet(STARTUP_PARAMETERS_MAX + 1))


@pytest.mark.parametrize("version", [b"\0\x02\0\0", b"\0\x04\0\0", b"\x04\xd2\x16\x99", b"GET "])
def test_another_major_version_is_refused(version: bytes) -> None:
    with pytest.raises(UnsupportedMessage, match=r"server supports 3\.0 to 3\.2") as caught:
        startup.decode_startup_packet(version + b"\0")

    assert caught.value.sqlstate == "0A000"


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "spoken", "is_answered"),
    [
        ((3, 0), (3, 0), False),
        ((3, 1), (3, 0), True),  # reserved: nobody speaks it
        ((3, 2), (3, 2), False),
        ((3, 3), (3, 2), True),
        ((3, 9999), (3, 2), True),  # what libpq sends to test that servers negotiate
    ],
)
def test_the_server_chooses_a_version(
    asked: startup.Version, spoken: startup.Version, is_answered: bool
) -> None:
    negotiated = startup.negotiate(frontend.StartupMessage(asked, {"user": "ann"}))

    assert negotiated.version == spoken
    answer = backend.NegotiateProtocolVersion(spoken, ()) if is_answered else None
    assert negotiated.answer == answer
    assert negotiated.allows_long_cancel_key == (spoken == (3, 2))


def test_unknown_protocol_options_are_reported_and_not_kept() -> None:
    message = frontend.StartupMessage(
        (3, 0), {"user": "ann", "_pq_.a": "1", "_pq_.b": "2", "_pq": "setting"}
    )

    negotiated = startup.negotiate(message)
    assert negotiated.answer == backend.NegotiateProtocolVersion((3, 0), ("_pq_.a", "_pq_.b"))
    assert dict(negotiated.parameters) == {"user": "ann", "_pq": "setting"}


def test_the_client_accepts_what_it_offered() -> None:
    asked = frontend.StartupMessage((3, 2), {"user": "ann", "_pq_.a": "1"})

    answer = backend.NegotiateProtocolVersion((3, 0), ("_pq_.a",))
    assert startup.accept_negotiation(asked, answer) == (3, 0)
    answer = backend.NegotiateProtocolVersion((3, 2), ("_pq_.a",))
    assert startup.accept_negotiation(asked, answer) == (3, 2)


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ((3, 3), ()),  # newer than offered
        ((3, 1), ()),  # reserved
        ((2, 0), ()),
        ((3, 2), ()),  # nothing to negotiate
        ((3, 0), ("_pq_.other",)),
        ((3, 0), ("_pq_.a", "_pq_.other")),
    ],
)
def test_the_client_refuses_what_makes_no_sense(
    version: startup.Version, options: tuple[str, ...]
) -> None:
    asked = frontend.StartupMessage((3, 2), {"user": "ann", "_pq_.a": "1"})

    with pytest.raises(ProtocolViolation):
        startup.accept_negotiation(asked, backend.NegotiateProtocolVersion(version, options))


# --- encryption -----------------------------------------------------------------------------------


def test_a_server_answers_with_one_byte() -> None:
    assert startup.encryption_accepted(b"S") is True
    assert startup.encryption_accepted(b"N") is False


@pytest.mark.parametrize(
    "answer", [b"", b"SE", b"N\0", b"S\x16\x03", b"E", b"EFATAL\0", b"G", b"s"]
)
def test_any_other_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        startup.encryption_accepted(answer)


def test_direct_tls_is_told_by_its_first_byte() -> None:
    assert startup.is_direct_tls(b"\x16\x03\x01\x02\0")
    assert not startup.is_direct_tls(b"\0\0\0\x08")
    assert not startup.is_direct_tls(b"")


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("-c a=1", (("a", "1"),)),
        ("-ca=1 --b=2", (("a", "1"), ("b", "2"))),
        ("--search-path=x", (("search_path", "x"),)),
        ("-c search_path=a,b\t-c x=", (("search_path", "a,b"), ("x", ""))),
        (r"-c a=one\ two\\three", (("a", "one two\\three"),)),
        ("-c a=b=c", (("a", "b=c"),)),
        ("-c a=\u00a0x", (("a", "\u00a0x"),)),
    ],
)
def test_options_are_settings(text: str, expected: tuple[tuple[str, str], ...]) -> None:
    assert startup.split_options(text) == expected


@pytest.mark.parametrize(
    "text", ["-c", "-c a", "-c =1", "-d 5", "--help", "a=1", "-", "--=x", "-c a=1 -F"]
)
def test_other_switches_are_refused(text: str) -> None:
    with pytest.raises(ProtocolViolation, match="invalid command-line argument") as caught:
        startup.split_options(text)

    assert caught.value.sqlstate == "42601"


def test_the_number_of_options_is_bounded() -> None:
    with pytest.raises(ProtocolViolation):
        startup.split_options("-c a=1 " * (STARTUP_PARAMETERS_MAX + 1))
