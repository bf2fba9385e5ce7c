"""Our own few statements: constants, fixed lists, quoted names, on real servers."""

from __future__ import annotations

import pytest

from proxy.faults import SourceFault
from proxy.sources import postgres_command as command
from tests.servers.postgres import Server


@pytest.mark.parametrize(
    ("isolation", "deferrable", "sql"),
    [
        (None, False, "BEGIN READ ONLY"),
        ("repeatable read", False, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        ("SERIALIZABLE", True, "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"),
    ],
)
def test_begin_is_always_read_only(isolation: str | None, deferrable: bool, sql: str) -> None:
    assert command.begin(isolation, deferrable).sql == sql


@pytest.mark.parametrize("isolation", ["", "READ WRITE", "SERIALIZABLE; DROP TABLE t"])
def test_isolation_is_one_of_a_list(isolation: str) -> None:
    with pytest.raises(SourceFault):
        command.begin(isolation, False)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("a", '"a"'), ('a"; DROP TABLE t; --', '"a""; DROP TABLE t; --"'), ("ü b", '"ü b"')],
)
def test_names_are_quoted(name: str, quoted: str) -> None:
    assert command.savepoint(name).sql == f"SAVEPOINT {quoted}"
    assert command.rollback_to(name).sql == f"ROLLBACK TO SAVEPOINT {quoted}"
    assert command.release_savepoint(name).sql == f"RELEASE SAVEPOINT {quoted}"


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "ü" * 32])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(SourceFault) as caught:
        command.quoted_identifier(name)
    assert caught.value.sqlstate == "42602"


def test_reset_and_settings_run_on_each_major(postgres_major_server: Server) -> None:
    with postgres_major_server.connect() as connection:
        answer = connection.pgconn
        for sql in ("BEGIN READ ONLY", "COMMIT", command.RESET.sql):
            assert answer.exec_(sql.encode()).error_message == b""
        for sql in (command.SET_FOR_SESSION, command.SET_FOR_TRANSACTION):
            result = answer.exec_params(sql.encode(), [b"{TimeZone}", b"{Asia/Tokyo}"])
            assert (result.error_message, result.ntuples) == (b"", 0)
        assert answer.parameter_status(b"TimeZone") == b"Asia/Tokyo"
