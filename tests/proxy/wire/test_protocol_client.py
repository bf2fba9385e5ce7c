"""The client role: rows stay in their frames, a hostile server is refused, garbage is one error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import backend
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.errors import MalformedMessage, ProtocolViolation, UnsupportedMessage
from proxy.wire.limits import ASYNCHRONOUS_MESSAGES_MAX
from proxy.wire.message import BackendMessage
from proxy.wire.protocol import ClientProtocol
from tests.proxy.wire import strategies

ROW = backend.DataRow((b"1", None))
NOTICE = backend.NoticeResponse({"S": "NOTICE", "C": "00000", "M": "hello"})


def session(message_bytes_max: int = 1_000_000) -> ClientProtocol:
    protocol = ClientProtocol(message_bytes_max)
    assert protocol.receive_data(backend.AuthenticationOk().encode()) == [
        backend.AuthenticationOk()
    ]
    return protocol


def flattened(messages: list[BackendMessage | RowBatch | CopyBatch]) -> list[BackendMessage]:
    """Undo the batching, so that splits compare equal however batches fell."""
    flat: list[BackendMessage] = []
    for message in messages:
        match message:
            case RowBatch():
                flat += [backend.DataRow(row) for row in message.rows()]
            case CopyBatch():
                flat += [backend.CopyData(portion) for portion in message.portions()]
            case _:
                flat.append(message)
    return flat


def test_a_run_of_rows_is_one_batch_of_the_bytes_received() -> None:
    stream = ROW.encode() * 3 + backend.CommandComplete("SELECT 3").encode() + ROW.encode()

    assert session().receive_data(stream) == [
        RowBatch(3, ROW.encode() * 3),
        backend.CommandComplete("SELECT 3"),
        RowBatch(1, ROW.encode()),
    ]


def test_a_run_of_copy_data_is_one_batch() -> None:
    start, data = backend.CopyOutResponse(0, (0,)), backend.CopyData(b"x\n")
    stream = start.encode() + data.encode() * 2 + backend.CopyDone().encode()

    assert session().receive_data(stream) == [
        start,
        CopyBatch(2, data.encode() * 2),
        backend.CopyDone(),
    ]


@settings(max_examples=100)
@given(st.lists(strategies.plain_backend_messages | strategies.data_rows, max_size=6), st.data())
def test_any_portions_give_the_same_messages(
    messages: list[BackendMessage], data: st.DataObject
) -> None:
    stream = b"".join(message.encode() for message in messages)
    protocol = session()
    received: list[BackendMessage | RowBatch | CopyBatch] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += protocol.receive_data(stream[:size])
        stream = stream[size:]

    assert flattened(received) == messages


def test_split_at_every_offset() -> None:
    messages: list[BackendMessage] = [
        backend.RowDescription((backend.FieldDescription("n", 0, 0, 23, 4),)),
        ROW,
        ROW,
        backend.CommandComplete("SELECT 2"),
        backend.CopyOutResponse(0, ()),
        backend.CopyData(b"x"),
        backend.CopyDone(),
        backend.ReadyForQuery(b"I"),
    ]
    stream = b"".join(message.encode() for message in messages)
    for offset in range(len(stream) + 1):
        protocol = session()
        received = protocol.receive_data(stream[:offset]) + protocol.receive_data(stream[offset:])
        assert flattened(received) == messages


def test_a_row_of_many_portions_costs_linear_time() -> None:
    row = backend.DataRow((b"z" * 900_000,)).encode()
    protocol = session()
    received = []
    for start in range(0, len(row), 7):
        received += protocol.receive_data(row[start : start + 7])

    assert received == [RowBatch(1, row)]


# --- a hostile server -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        ROW,
        backend.ReadyForQuery(b"I"),
        backend.ParameterStatus("a", "b"),
        backend.BackendKeyData(1, b"abcd"),
        backend.CommandComplete("SELECT 1"),
    ],
)
def test_nothing_but_authentication_comes_before_it_is_done(message: BackendMessage) -> None:
    with pytest.raises(ProtocolViolation, match="unexpected backend message type"):
        ClientProtocol().receive_data(message.encode())


def test_an_unauthenticated_server_may_send_little() -> None:
    with pytest.raises(ProtocolViolation, match="allowed are 4 to 30000"):
        ClientProtocol().receive_data(b"E\0\x01\0\0")


def test_authentication_messages_pass_before() -> None:
    messages: list[BackendMessage] = [
        backend.NegotiateProtocolVersion((3, 0)),
        backend.AuthenticationSASL(("SCRAM-SHA-256",)),
        backend.AuthenticationSASLContinue(b"r="),
        backend.AuthenticationSASLFinal(b"v="),
        backend.AuthenticationOk(),
        backend.ParameterStatus("a", "b"),
    ]
    protocol = ClientProtocol()

    received = protocol.receive_data(b"".join(message.encode() for message in messages))
    assert received == messages
    assert protocol.is_authenticated


@pytest.mark.parametrize("length", [0, 3, 1_000_001, 2**32 - 1])
@pytest.mark.parametrize("message_type", [b"D", b"C"])
def test_lengths_are_refused_on_the_header(message_type: bytes, length: int) -> None:
    with pytest.raises(ProtocolViolation, match="invalid message length"):
        session().receive_data(message_type + length.to_bytes(4, "big"))


@pytest.mark.parametrize("bad", [b"D\0\0\0\x04", b"D\0\0\0\x05\0", b"D\xff\xff\xff\xff\0\0"])
def test_a_bad_row_in_a_run_is_refused(bad: bytes) -> None:
    for stream in (bad, ROW.encode() + bad, bad + ROW.encode(), ROW.encode() + bad + ROW.encode()):
        with pytest.raises(ProtocolViolation, match="invalid message length"):
            session().receive_data(stream)


def test_a_row_with_another_number_of_columns_is_refused() -> None:
    protocol = session()
    protocol.expected_columns = 2
    assert protocol.receive_data(ROW.encode()) == [RowBatch(1, ROW.encode())]

    with pytest.raises(ProtocolViolation, match="a row has 3 columns, 2 were described"):
        protocol.receive_data(ROW.encode() + backend.DataRow((None,) * 3).encode())


def test_copy_data_outside_copy_is_refused() -> None:
    data = backend.CopyData(b"x").encode()
    with pytest.raises(ProtocolViolation, match="unexpected backend message type 100"):
        session().receive_data(data)

    protocol = session()
    protocol.receive_data(backend.CopyOutResponse(0, ()).encode() + backend.CopyDone().encode())
    with pytest.raises(ProtocolViolation, match="unexpected backend message type 100"):
        protocol.receive_data(data)


@pytest.mark.parametrize("message_type", sorted(set(range(256)) - set(b"RSKZTDCI123nstENAHGdc")))
def test_every_other_type_byte_is_refused(message_type: int) -> None:
    with pytest.raises(ProtocolViolation, match="backend message type"):
        session().receive_data(bytes([message_type]) + b"\0\0\0\x04")


def test_notices_without_end_are_refused_and_an_honest_number_is_not() -> None:
    protocol = session()
    cycle = NOTICE.encode() * (ASYNCHRONOUS_MESSAGES_MAX - 1)
    for _ in range(2):
        protocol.receive_data(cycle + backend.ReadyForQuery(b"I").encode())

    with pytest.raises(ProtocolViolation, match="notices without end"):
        protocol.receive_data(NOTICE.encode() * (ASYNCHRONOUS_MESSAGES_MAX + 1))


def test_a_second_authentication_closes_the_session_again() -> None:
    protocol = session()
    protocol.receive_data(backend.AuthenticationCleartextPassword().encode())

    with pytest.raises(ProtocolViolation):
        protocol.receive_data(ROW.encode())


def test_after_a_violation_the_same_violation_is_raised() -> None:
    protocol = session()
    with pytest.raises(UnsupportedMessage) as first:
        protocol.receive_data(b"R\0\0\0\x0c\0\0\0\x05salt")
    with pytest.raises(UnsupportedMessage) as second:
        protocol.receive_data(backend.ReadyForQuery(b"I").encode())

    assert second.value is first.value


def test_an_error_without_a_sqlstate_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        session().receive_data(b"E\0\0\0\x0fSERROR\0Mx\0\0")


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.booleans())
def test_any_bytes_are_messages_or_one_documented_error(
    portions: list[bytes], is_authenticated: bool
) -> None:
    protocol = session() if is_authenticated else ClientProtocol()
    violations = []
    for portion in portions:
        try:
            for message in protocol.receive_data(portion):
                assert isinstance(message, BackendMessage | RowBatch | CopyBatch)
        except ProtocolViolation as violation:
            violations.append(violation)

    assert len(set(violations)) <= 1


def test_repr_shows_no_content() -> None:
    protocol = session()
    protocol.receive_data(ROW.encode()[:-2])

    assert repr(protocol) == f"ClientProtocol(authenticated, {len(ROW.encode()) - 2} bytes unread)"
