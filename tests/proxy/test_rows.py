"""Answers of the gate's own and the messages that tell faults."""

from __future__ import annotations

import pytest

from proxy.faults import ConnectionFault, Fault
from proxy.rows import (
    MESSAGE_CHARACTERS_MAX,
    encode_rows,
    error_message,
    notice_message,
    text_fields,
    with_formats,
)
from proxy.wire.backend import DataRow


def test_rows_of_texts() -> None:
    (frame,) = encode_rows([("é", None, "")])

    assert DataRow.decode(frame[5:]).values == ("é".encode(), None, b"")


@pytest.mark.parametrize(("formats", "given"), [((), (0, 0)), ((1,), (1, 1)), ((0, 1), (0, 1))])
def test_formats_by_the_shorthand_of_bind(formats: tuple[int, ...], given: tuple[int, ...]) -> None:
    assert tuple(one.format for one in with_formats(text_fields("a", "b"), formats)) == given


def test_a_wrong_number_of_formats() -> None:
    with pytest.raises(Fault) as caught:
        with_formats(text_fields("a", "b"), (0, 1, 1))

    assert caught.value.sqlstate == "08P01"


def test_a_fault_with_everything() -> None:
    fault = Fault("no", sqlstate="42P01", detail="d", hint="h", position=3)

    assert error_message(fault).fields == {
        "S": "ERROR", "V": "ERROR", "C": "42P01", "M": "no", "D": "d", "H": "h", "P": "3",
    }  # fmt: skip
    assert error_message(ConnectionFault("x")).fields["S"] == "FATAL"
    assert error_message(fault, is_fatal=True).fields["V"] == "FATAL"


@pytest.mark.parametrize(
    ("sqlstate", "message", "routine"),
    [
        ("26000", 'prepared statement "s" does not exist', "FetchPreparedStatement"),
        ("0A000", "cached plan must not change result type", "RevalidateCachedQuery"),
        ("0A000", "cursors go forward only", None),
        ("42P01", 'prepared statement "s" does not exist', None),
    ],
)
def test_a_statement_to_prepare_again_is_told_by_its_routine(
    sqlstate: str, message: str, routine: str | None
) -> None:
    assert error_message(Fault(message, sqlstate=sqlstate)).fields.get("R") == routine


def test_texts_are_bounded_and_without_zero_bytes() -> None:
    fields = error_message(Fault("a\0b" + "x" * 100_000)).fields

    assert fields["M"].startswith("a?b")
    assert len(fields["M"]) == MESSAGE_CHARACTERS_MAX


def test_notices() -> None:
    assert notice_message("n", "25P01").fields["S"] == "WARNING"
