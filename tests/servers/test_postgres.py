"""The test server itself: TLS, SCRAM, restart with its data, and clean ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.servers import install, postgres


def test_each_major_speaks_tls_and_is_the_version_it_claims(
    postgres_major_server: postgres.Server,
) -> None:
    with postgres_major_server.connect() as connection:
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, ssl, version, "
            "(SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = current_user) "
            "FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (postgres_major_server.major, True, "TLSv1.3", "SCRAM-SHA-256")


def test_a_wrong_password_is_refused(postgres_server: postgres.Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn_of(password="wrong"))


def test_the_password_is_not_in_the_repr(postgres_server: postgres.Server) -> None:
    assert postgres.PASSWORD not in repr(postgres_server)


def test_a_database_is_dropped_with_its_connections(postgres_server: postgres.Server) -> None:
    with postgres_server.database("throwaway") as dsn:
        lingering = psycopg.connect(dsn)
    with postgres_server.connect() as connection:
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    lingering.close()
    assert ("throwaway",) not in names


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "crash"])
def test_restart_keeps_port_and_committed_rows_after_a_clean_stop(how: signal.Signals) -> None:
    with postgres.running() as server:
        port = server.port
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.restart(how)
        assert server.port == port
        with server.connect() as connection:
            answer = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'kept'")
            # After a crash without durability the table may be gone; the server must be back.
            assert answer.fetchone() == (1,) or how == signal.SIGQUIT
        directory = server.directory
    assert not directory.exists()


def test_a_killed_test_run_leaves_no_server_behind(tmp_path: Path) -> None:
    output = tmp_path / "dsn"
    with output.open("wb") as stream:
        owner = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.postgres", "start"],
            stdout=stream,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
    deadline = time.monotonic() + 30
    while not output.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    dsn = output.read_text().strip()
    psycopg.connect(dsn).close()
    owner.kill()
    owner.wait()
    gone = False
    while not gone and time.monotonic() < deadline:
        try:
            psycopg.connect(dsn).close()
            time.sleep(0.05)
        except psycopg.OperationalError:
            gone = True
    assert gone, "the server outlived its killed owner"


def test_a_missing_program_is_a_failure_that_names_the_package() -> None:
    with pytest.raises(install.ServerUnavailable, match="apt-get install no-such-package"):
        install.program("no-such-program-anywhere", "no-such-package")


def test_an_unknown_major_is_refused() -> None:
    with pytest.raises(install.ServerUnavailable, match="no PostgreSQL 9 among the test servers"):
        install.postgres(9)
