"""The server role: conversations, byte-splits at every offset, refusals, garbage.

The client role is in `test_protocol_client.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import backend, frontend
from proxy.wire.errors import MalformedMessage, ProtocolViolation, UnsupportedMessage
from proxy.wire.limits import PASSWORD_MESSAGE_BYTES_MAX, STARTUP_PACKET_BYTES_MAX
from proxy.wire.message import BackendMessage, FrontendMessage
from proxy.wire.phase import Phase
from proxy.wire.protocol import ServerProtocol
from tests.proxy.wire import strategies

STARTUP = frontend.StartupMessage((3, 0), {"user": "ann"})
COPY_IN = backend.CopyInResponse(0, ())
ERROR = backend.ErrorResponse({"S": "ERROR", "C": "42501", "M": "no"})


def events_of(protocol: ServerProtocol, data: bytes = b"") -> list[FrontendMessage]:
    protocol.receive_data(data)
    events = []
    while (event := protocol.next_event()) is not None:
        events.append(event)
    return events


def asked(request: BackendMessage) -> ServerProtocol:
    """A conversation in which we have just asked for a proof of identity."""
    protocol = ServerProtocol()
    assert events_of(protocol, STARTUP.encode()) == [STARTUP]
    protocol.send(request)
    return protocol


def session() -> ServerProtocol:
    """A conversation in which the client is authenticated."""
    protocol = asked(backend.AuthenticationOk())
    assert protocol.phase is Phase.SESSION
    return protocol


# --- startup and encryption -----------------------------------------------------------------------


def test_a_whole_conversation() -> None:
    protocol = ServerProtocol()
    assert events_of(protocol, frontend.SSLRequest().encode()) == [frontend.SSLRequest()]
    assert protocol.answer_negotiation(accepted=True) == b"S"
    protocol.encryption_started()
    assert events_of(protocol, STARTUP.encode()) == [STARTUP]
    asking = backend.AuthenticationCleartextPassword()
    assert protocol.send(asking) == asking.encode()
    password = frontend.PasswordMessage("token")
    assert events_of(protocol, password.encode()) == [password]
    protocol.send(backend.AuthenticationOk())
    query = frontend.Query("SELECT 1")
    assert events_of(protocol, query.encode()) == [query]
    assert events_of(protocol, frontend.Terminate().encode()) == [frontend.Terminate()]
    assert protocol.phase is Phase.CLOSED


def test_the_same_conversation_byte_by_byte() -> None:
    protocol = ServerProtocol()
    events = []
    for byte in STARTUP.encode():
        events += events_of(protocol, bytes([byte]))
    protocol.send(backend.AuthenticationOk())
    for byte in frontend.Query("SELECT 1").encode() + frontend.Sync().encode():
        events += events_of(protocol, bytes([byte]))

    assert events == [STARTUP, frontend.Query("SELECT 1"), frontend.Sync()]


def test_both_kinds_of_encryption_may_be_asked_for_once() -> None:
    protocol = ServerProtocol()
    assert events_of(protocol, frontend.GSSENCRequest().encode()) == [frontend.GSSENCRequest()]
    assert protocol.answer_negotiation(accepted=False) == b"N"
    assert events_of(protocol, frontend.SSLRequest().encode()) == [frontend.SSLRequest()]
    assert protocol.answer_negotiation(accepted=False) == b"N"

    for request in (frontend.SSLRequest(), frontend.GSSENCRequest()):
        other = ServerProtocol()
        assert events_of(other, request.encode()) == [request]
        other.answer_negotiation(accepted=False)
        with pytest.raises(ProtocolViolation, match="encryption was already asked for"):
            events_of(other, request.encode())
        assert other.phase is Phase.CLOSED


def test_gss_encryption_has_its_own_answer() -> None:
    protocol = ServerProtocol()
    events_of(protocol, frontend.GSSENCRequest().encode())

    assert protocol.answer_negotiation(accepted=True) == b"G"


def test_encryption_inside_encryption_is_refused() -> None:
    protocol = ServerProtocol()
    protocol.encryption_started()  # direct TLS

    with pytest.raises(ProtocolViolation):
        events_of(protocol, frontend.SSLRequest().encode())


@pytest.mark.parametrize("early", [b"x", STARTUP.encode(), b"\x16\x03\x01"])
def test_bytes_in_one_segment_with_the_ssl_request_are_refused(early: bytes) -> None:
    protocol = ServerProtocol()

    with pytest.raises(ProtocolViolation, match="received unencrypted data"):
        events_of(protocol, frontend.SSLRequest().encode() + early)
    assert events_of(protocol, STARTUP.encode()) == []


def test_bytes_between_the_ssl_request_and_the_handshake_are_refused() -> None:
    for is_answered in (False, True):
        protocol = ServerProtocol()
        events_of(protocol, frontend.SSLRequest().encode())
        if is_answered:
            protocol.answer_negotiation(accepted=True)
        with pytest.raises(ProtocolViolation, match="received unencrypted data"):
            protocol.receive_data(STARTUP.encode())


def test_bytes_buffered_before_direct_tls_are_refused() -> None:
    protocol = ServerProtocol()
    protocol.receive_data(b"\0\0")

    with pytest.raises(ProtocolViolation, match="received unencrypted data"):
        protocol.encryption_started()


def test_a_cancel_request_ends_its_conversation() -> None:
    protocol = ServerProtocol()
    cancel = frontend.CancelRequest(5, b"k" * 32)

    assert events_of(protocol, cancel.encode() + b"trailing") == [cancel]
    assert protocol.phase is Phase.CLOSED
    assert events_of(protocol, STARTUP.encode()) == []


def test_startup_packets_are_small() -> None:
    protocol = ServerProtocol()
    protocol.receive_data((STARTUP_PACKET_BYTES_MAX + 1).to_bytes(4, "big"))

    with pytest.raises(ProtocolViolation, match="invalid length of startup packet"):
        protocol.next_event()


def test_another_protocol_is_refused_at_once() -> None:
    protocol = ServerProtocol()
    protocol.receive_data(b"GET / HTTP/1.1\r\n")

    with pytest.raises(ProtocolViolation, match="invalid length of startup packet"):
        protocol.next_event()


# --- authentication -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "proof"),
    [
        (backend.AuthenticationCleartextPassword(), frontend.PasswordMessage("x")),
        (backend.AuthenticationSASL(("X",)), frontend.SASLInitialResponse("X", b"n,,")),
        (backend.AuthenticationSASLContinue(b"r="), frontend.SASLResponse(b"c=")),
    ],
)
def test_the_question_decides_what_p_means_and_is_good_for_one_answer(
    request_: BackendMessage, proof: FrontendMessage
) -> None:
    protocol = asked(request_)
    assert events_of(protocol, proof.encode()) == [proof]

    with pytest.raises(ProtocolViolation, match="expected password response"):
        events_of(protocol, proof.encode())


@pytest.mark.parametrize(
    "message",
    [frontend.Query("SELECT 1"), frontend.Parse("", "SELECT 1"), frontend.Sync(), STARTUP],
)
def test_nothing_is_said_before_authentication(message: FrontendMessage) -> None:
    protocol = asked(backend.AuthenticationCleartextPassword())

    with pytest.raises(ProtocolViolation):
        events_of(protocol, message.encode())
    assert protocol.phase is Phase.CLOSED


def test_a_proof_before_the_question_is_refused() -> None:
    protocol = ServerProtocol()

    with pytest.raises(ProtocolViolation, match="expected password response"):
        events_of(protocol, STARTUP.encode() + frontend.PasswordMessage("x").encode())


def test_a_password_after_authentication_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="unexpected frontend message type 112"):
        events_of(session(), frontend.PasswordMessage("x").encode())


def test_a_token_of_8_kilobytes_passes_and_a_megabyte_does_not() -> None:
    token = frontend.PasswordMessage("t" * 8_192)
    assert events_of(asked(backend.AuthenticationCleartextPassword()), token.encode()) == [token]

    protocol = asked(backend.AuthenticationCleartextPassword())
    protocol.receive_data(b"p" + (PASSWORD_MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolViolation, match="invalid message length"):
        protocol.next_event()


def test_an_unauthenticated_client_cannot_fill_memory() -> None:
    protocol = asked(backend.AuthenticationCleartextPassword())
    protocol.receive_data(b"p\0\0\x3f\xff")
    for _ in range(32):
        protocol.receive_data(bytes(1_000))

    with pytest.raises(ProtocolViolation, match="too many bytes sent before authentication"):
        protocol.receive_data(bytes(1_000))
    assert protocol.unread_bytes == 0


def test_a_malformed_proof_is_final() -> None:
    protocol = asked(backend.AuthenticationCleartextPassword())

    with pytest.raises(ProtocolViolation) as caught:
        events_of(protocol, b"p\0\0\0\x06ab")
    assert caught.value.is_fatal
    assert protocol.phase is Phase.CLOSED


# --- the session ----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(strategies.session_messages, max_size=5), st.data())
def test_a_pipeline_split_anywhere_gives_the_same_events(
    messages: list[FrontendMessage], data: st.DataObject
) -> None:
    stream = b"".join(message.encode() for message in messages)
    offset = data.draw(st.integers(0, len(stream)))
    protocol = session()

    assert events_of(protocol, stream[:offset]) + events_of(protocol, stream[offset:]) == messages


def test_a_pipeline_split_at_every_offset() -> None:
    messages = [
        frontend.Parse("s", "SELECT $1", (23,)),
        frontend.Bind("", "s", (1,), (b"\0\0\0\x05",), (1,)),
        frontend.Describe(b"P", ""),
        frontend.Execute("", 10),
        frontend.Sync(),
    ]
    stream = b"".join(message.encode() for message in messages)
    for offset in range(len(stream) + 1):
        protocol = session()
        events = events_of(protocol, stream[:offset]) + events_of(protocol, stream[offset:])
        assert events == messages


@pytest.mark.parametrize("message_type", sorted(set(range(256)) - set(b"QPBDCEHSX")))
def test_every_other_type_byte_is_refused(message_type: int) -> None:
    protocol = session()

    with pytest.raises(ProtocolViolation) as caught:
        events_of(protocol, bytes([message_type]) + b"\0\0\0\x04")
    assert caught.value.sqlstate == ("0A000" if message_type == ord("F") else "08P01")
    assert caught.value.is_fatal
    assert events_of(protocol, frontend.Sync().encode()) == []


def test_the_fast_path_is_refused_before_its_body_comes() -> None:
    protocol = session()
    protocol.receive_data(b"F")

    with pytest.raises(UnsupportedMessage, match="function call"):
        protocol.next_event()


def test_a_malformed_body_is_consumed_and_the_next_message_is_read() -> None:
    protocol = session()
    protocol.receive_data(b"B\0\0\0\x06ab" + frontend.Sync().encode())

    with pytest.raises(MalformedMessage) as caught:
        protocol.next_event()
    assert caught.value.message_type == b"B"
    assert protocol.phase is Phase.SESSION
    assert events_of(protocol) == [frontend.Sync()]


def test_the_limit_for_large_messages_is_configurable() -> None:
    protocol = ServerProtocol(message_bytes_max=100)
    events_of(protocol, STARTUP.encode())
    protocol.send(backend.AuthenticationOk())
    assert len(events_of(protocol, frontend.Query("x" * 95).encode())) == 1

    with pytest.raises(ProtocolViolation, match="invalid message length: 101 bytes"):
        events_of(protocol, frontend.Query("x" * 96).encode())


def test_skipping_drops_everything_up_to_sync() -> None:
    protocol = session()
    protocol.skip_until_sync()
    skipped = [
        frontend.Parse("", "SELECT 1"),
        frontend.Bind("", ""),
        frontend.Describe(b"P", ""),
        frontend.Execute(),
        frontend.Close(b"S", "s"),
        frontend.Flush(),
        frontend.Query("SELECT 1"),
        frontend.CopyData(b"x"),
    ]
    stream = b"".join(message.encode() for message in skipped)

    # Skipped messages are not even decoded.
    assert events_of(protocol, stream + b"B\0\0\0\x05x") == []
    after = [frontend.Sync(), frontend.Query("SELECT 2")]
    assert events_of(protocol, b"".join(message.encode() for message in after)) == after


def test_a_client_may_leave_while_we_skip() -> None:
    protocol = session()
    protocol.skip_until_sync()

    assert events_of(protocol, frontend.Terminate().encode()) == [frontend.Terminate()]
    assert protocol.phase is Phase.CLOSED


def test_copy_in_ends_by_the_client() -> None:
    for end in (frontend.CopyDone(), frontend.CopyFail("no")):
        protocol = session()
        protocol.send(COPY_IN)
        data = frontend.CopyData(b"1\n")
        ignored = frontend.Flush().encode() + frontend.Sync().encode()
        assert events_of(protocol, data.encode() + ignored + end.encode()) == [data, end]
        assert protocol.phase is Phase.SESSION


def test_copy_in_ends_by_our_error_and_what_is_under_way_is_dropped() -> None:
    protocol = session()
    protocol.send(COPY_IN)
    protocol.send(ERROR)
    stream = frontend.CopyData(b"x").encode() + frontend.CopyDone().encode()

    assert events_of(protocol, stream) == []
    assert events_of(protocol, frontend.Sync().encode()) == [frontend.Sync()]
    with pytest.raises(ProtocolViolation, match="unexpected frontend message type 100"):
        events_of(protocol, stream)


def test_no_statement_comes_during_copy_in() -> None:
    protocol = session()
    protocol.send(COPY_IN)

    with pytest.raises(ProtocolViolation):
        events_of(protocol, frontend.Query("SELECT 1").encode())


def test_an_error_in_a_session_changes_no_phase() -> None:
    protocol = session()
    assert protocol.send(ERROR) == ERROR.encode()

    assert protocol.phase is Phase.SESSION


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.booleans())
def test_any_bytes_are_messages_or_one_documented_error(
    portions: list[bytes], is_authenticated: bool
) -> None:
    protocol = session() if is_authenticated else ServerProtocol()
    try:
        for portion in portions:
            for event in events_of(protocol, portion):
                assert isinstance(event, FrontendMessage)
    except ProtocolViolation as violation:
        fatal = violation.is_fatal
    else:
        fatal = False
    # After a fatal error nothing more is read or kept.
    assert not fatal or (protocol.phase is Phase.CLOSED and protocol.unread_bytes == 0)


@settings(max_examples=200)
@given(
    st.lists(strategies.session_messages | strategies.copy_messages, min_size=1, max_size=4),
    st.data(),
)
def test_a_flipped_byte_is_a_message_or_one_documented_error(
    messages: list[FrontendMessage], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(message.encode() for message in messages))
    index = data.draw(st.integers(0, len(stream) - 1))
    stream[index] ^= data.draw(st.integers(1, 255))
    protocol = session()
    seen: list[FrontendMessage] = []
    violations: list[ProtocolViolation] = []
    protocol.receive_data(bytes(stream))
    # Each round consumes a frame, so there are no more rounds than bytes.
    for _ in stream:
        try:
            event = protocol.next_event()
        except ProtocolViolation as violation:
            violations.append(violation)
            continue
        if event is None:
            break
        seen.append(event)

    assert len([violation for violation in violations if violation.is_fatal]) <= 1
    assert len(seen) + len(violations) <= len(stream)


def test_repr_shows_the_phase_and_no_content() -> None:
    protocol = session()
    protocol.receive_data(b"Q\0\0\0\x0dSELECT")

    assert repr(protocol) == "ServerProtocol(SESSION, 11 bytes unread)"
