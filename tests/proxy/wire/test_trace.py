"""Traces: a conversation as golden text, and nothing secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from proxy.wire import backend, frontend
from proxy.wire.batch import CopyBatch, RowBatch
from proxy.wire.message import Message
from proxy.wire.trace import trace_line, trace_lines
from tests.proxy.wire import strategies

GOLDEN = Path(__file__).parent / "golden"

ERROR = {"S": "ERROR", "C": "22012", "M": "division by zero", "F": "int.c", "L": "841", "R": "div"}

CONVERSATIONS: dict[str, list[Message | RowBatch | CopyBatch]] = {
    "startup": [
        frontend.SSLRequest(),
        frontend.StartupMessage((3, 2), {"user": "ann", "database": "shop", "_pq_.x": "1"}),
        backend.NegotiateProtocolVersion((3, 2), ("_pq_.x",)),
        backend.AuthenticationSASL(("SCRAM-SHA-256",)),
        frontend.SASLInitialResponse("SCRAM-SHA-256", b"n,,n=,r=nonce"),
        backend.AuthenticationSASLContinue(b"r=nonce,s=salt,i=4096"),
        frontend.SASLResponse(b"c=biws,r=nonce,p=proof"),
        backend.AuthenticationSASLFinal(b"v=signature"),
        backend.AuthenticationCleartextPassword(),
        frontend.PasswordMessage("token"),
        backend.AuthenticationOk(),
        backend.ParameterStatus("server_version", "16.4"),
        backend.BackendKeyData(4711, b"0123456789abcdef"),
        backend.ReadyForQuery(b"I"),
        frontend.CancelRequest(4711, b"0123456789abcdef"),
    ],
    "extended": [
        frontend.Parse("s", "SELECT $1::text, 'ünï'", (25, 16_500)),
        frontend.Describe(b"S", "s"),
        frontend.Bind("", "s", (0, 1), (b"a'b", b"\x00\xff", None), (1,)),
        frontend.Execute("", 10),
        frontend.Close(b"S", "s"),
        frontend.Flush(),
        frontend.Sync(),
        backend.ParseComplete(),
        backend.ParameterDescription((25, 16_500)),
        backend.RowDescription(
            (
                backend.FieldDescription("id", 16_384, 1, 23, 4),
                backend.FieldDescription("?column?", 0, 0, 25, -1, -1, 1),
            )
        ),
        backend.BindComplete(),
        RowBatch.of([(b"1", None), (b"22", b"\x00")]),
        backend.PortalSuspended(),
        backend.CloseComplete(),
        backend.NoData(),
        backend.ReadyForQuery(b"T"),
    ],
    "simple": [
        frontend.Query("SELECT 1/0;\n"),
        backend.ErrorResponse(ERROR),
        backend.NoticeResponse({"S": "NOTICE", "C": "00000", "M": "hello"}),
        backend.NotificationResponse(7, "channel", "payload"),
        backend.EmptyQueryResponse(),
        backend.ReadyForQuery(b"E"),
        backend.CommandComplete("ROLLBACK"),
        frontend.FunctionCall(16_400, (1,), (b"x",), 0),
        frontend.Terminate(),
    ],
    "copy": [
        backend.CopyOutResponse(0, (0, 0)),
        CopyBatch.of([b"1\tx\n", b"2\t\\N\n"]),
        backend.CopyDone(),
        backend.CopyInResponse(1, ()),
        frontend.CopyData(b"PGCOPY\n"),
        frontend.CopyDone(),
        frontend.CopyFail("enough"),
    ],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_golden(name: str) -> None:
    lines = [line for message in CONVERSATIONS[name] for line in trace_lines(message)]

    assert lines == (GOLDEN / f"{name}.trace").read_text(encoding="utf-8").splitlines()


def test_every_message_is_in_a_golden_trace() -> None:
    shown = {type(message) for messages in CONVERSATIONS.values() for message in messages}
    named = {
        value
        for module in (frontend, backend)
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and hasattr(value, "encode")
    }

    missing = {kind.__name__ for kind in named - shown}
    # Rows and COPY data come in batches; one request for encryption stands for both.
    assert missing == {"FrontendMessage", "BackendMessage", "DataRow", "GSSENCRequest", "CopyData"}


def test_the_full_mode_shows_what_differs_between_runs() -> None:
    description = backend.ParameterDescription((16_500,))
    assert trace_line(description) == "B\t10\tParameterDescription\t 1 NNNN"
    full = trace_line(description, is_regression=False)
    assert full == "B\t10\tParameterDescription\t 1 16500"

    error = trace_line(backend.ErrorResponse(ERROR), is_regression=False)
    assert 'F "int.c" L "841"' in error
    assert error.startswith("B\t54\t")


@pytest.mark.parametrize("is_regression", [True, False])
def test_secrets_are_never_shown(is_regression: bool) -> None:
    for message in (
        frontend.PasswordMessage("hunter2"),
        frontend.SASLInitialResponse("SCRAM-SHA-256", b"hunter2"),
        frontend.SASLResponse(b"hunter2"),
        frontend.CancelRequest(1, b"hunter2"),
        backend.BackendKeyData(1, b"hunter2"),
        backend.AuthenticationSASLContinue(b"hunter2"),
        backend.AuthenticationSASLFinal(b"hunter2"),
    ):
        assert "hunter2" not in trace_line(message, is_regression=is_regression)


@given(strategies.backend_messages | strategies.session_messages)
def test_a_message_is_one_line_whatever_it_holds(message: Message) -> None:
    line = trace_line(message)

    assert line.splitlines() == [line]
    assert line.split("\t")[2] == type(message).__name__
