"""Fixtures of real servers, shared by every test.

`postgres_server` is PostgreSQL 16 for the whole run. A test that must hold on each supported
version asks for `postgres_major_server`, or marks itself with
`@pytest.mark.parametrize("postgres_server", [14, 18], indirect=True)`. Servers of one major are
started once per run; a test that needs a database of its own uses `server.database(name)`, one
that stops or restarts its server uses `tests.servers.postgres.running`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import structlog

from tests.servers import keycloak as keycloak_server
from tests.servers import postgres


@pytest.fixture(autouse=True)
def _log_configuration() -> Iterator[None]:
    """A command run inside a test configures the log of the whole process: put it back after."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


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


_keycloak: list[keycloak_server.Background] = []


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keycloak takes a minute or two: it is prepared beside the first tests, if any needs it."""
    is_needed = any("keycloak" in getattr(item, "fixturenames", ()) for item in session.items)
    if is_needed and not session.config.option.collectonly and not _keycloak:
        _keycloak.append(keycloak_server.Background())


def pytest_sessionfinish() -> None:
    """Stop what ran beside the tests."""
    for one in _keycloak:
        one.close()
    _keycloak.clear()


@pytest.fixture(scope="session")
def keycloak() -> keycloak_server.Keycloak:
    """A real Keycloak with the realm of `tests/servers/keycloak-realm.json`."""
    return _keycloak[0].get()
