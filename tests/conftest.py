"""Fixtures of real servers, shared by every test.

`postgres_server` is PostgreSQL 16 for the whole run. A test that must hold on each supported
version asks for `postgres_major_server`, or marks itself with
`@pytest.mark.parametrize("postgres_server", [14, 18], indirect=True)`. Servers of one major are
started once per run; a test that needs a database of its own uses `server.database(name)`, one
that stops or restarts its server uses `tests.servers.postgres.running`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest
import structlog

from proxy.runtime import log
from proxy.runtime.embedded import Cluster
from tests.servers import embedded, postgres

pytest_plugins = ["tests.sharing"]


@pytest.fixture(autouse=True)
def _log_configuration(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with the log as it comes, whatever a fixture that lives longer made of it; a
    command run inside a test configures that of the whole process: put it back after."""
    before = structlog.get_config()
    structlog.reset_defaults()
    monkeypatch.setattr(log, "_level_number", 0)  # what `tells` asks
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def _copied_clusters() -> Iterator[None]:
    with embedded.copied():
        yield


@pytest.fixture
def genuine_initdb(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of how a cluster is made."""
    monkeypatch.setattr(Cluster, "_initialise", embedded.GENUINE)


@pytest.fixture(scope="session")
def postgres_of() -> Iterator[Callable[[int], postgres.Server]]:
    """A function from a major version to its running server, started on first use."""
    servers: dict[int, postgres.Server] = {}
    with ExitStack() as stack:

        def server_of(major: int) -> postgres.Server:
            if major not in servers:
                servers[major] = stack.enter_context(postgres.running(major))
            return servers[major]

        yield server_of


@pytest.fixture(scope="session")
def postgres_server(
    request: pytest.FixtureRequest, postgres_of: Callable[[int], postgres.Server]
) -> postgres.Server:
    """The default PostgreSQL, or the major given by indirect parametrisation."""
    return postgres_of(getattr(request, "param", postgres.DEFAULT_MAJOR))


@pytest.fixture(scope="session", params=postgres.MAJORS, ids=lambda major: f"postgres{major}")
def postgres_major_server(
    request: pytest.FixtureRequest, postgres_of: Callable[[int], postgres.Server]
) -> postgres.Server:
    """Each supported PostgreSQL in turn."""
    return postgres_of(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test fails: a check that did not run must not read as one that passed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed here: {report.longreprtext}"
    return report
