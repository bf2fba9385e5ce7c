"""The express way is a promise that a source may make, and the gate can tell who made it."""

from __future__ import annotations

from proxy.sources.express import ExpressSource
from proxy.sources.postgres import PostgresSource
from tests.proxy.sources.live import options_of
from tests.servers.postgres import Server


async def test_who_has_an_express_way_is_known(postgres_server: Server) -> None:
    assert isinstance(PostgresSource(options_of(postgres_server)), ExpressSource)
    assert not isinstance(object(), ExpressSource)
