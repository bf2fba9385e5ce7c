"""Stand-ins: a Postgres without the extension describes what one with it would."""

from __future__ import annotations

import asyncpg
import pytest

from proxy.catalog.introspect import introspect
from proxy.catalog.stand_in import stand_in_types, stand_ins
from proxy.extensions import trusted_extensions
from proxy.runtime.config_model import Extension
from tests.proxy.test_extensions import configured
from tests.servers.postgres import Server

STATEMENTS = {
    "SELECT NULL::citext = 'x', max(NULL::citext), 'a'::citext || 'b'": ["bool", "citext", "text"],
    "SELECT NULL::hstore -> 'a', 'a=>1'::hstore ? 'b', akeys('')": ["text", "bool", "text[]"],
    "SELECT * FROM each('a=>1'::hstore)": ["text", "text"],
    "SELECT x FROM (VALUES ('a=>1'::hstore)) v(x) GROUP BY x ORDER BY x": ["hstore"],
}


@pytest.mark.parametrize("sql", STATEMENTS)
async def test_types_are_those_of_the_extension(postgres_server: Server, sql: str) -> None:
    trusted = trusted_extensions(configured(Extension("citext"), Extension("hstore")))
    with postgres_server.database("real") as dsn, postgres_server.database("shadow") as shadow:
        real, plain = await asyncpg.connect(dsn), await asyncpg.connect(shadow)
        try:
            await real.execute("CREATE EXTENSION citext; CREATE EXTENSION hstore")
            catalog = await introspect(real, "main", extensions=trusted)
            for one in catalog.extensions:
                for text in (*stand_in_types(one), *stand_ins(one)):
                    await plain.execute(text)

            for connection in (real, plain):
                described = await connection.prepare(sql)
                assert [kind.type.name for kind in described.get_attributes()] == STATEMENTS[sql]
        finally:
            await real.close()
            await plain.close()


async def test_a_stand_in_is_never_run(postgres_server: Server) -> None:
    trusted = trusted_extensions(configured(Extension("hstore")))
    with postgres_server.database("real") as dsn, postgres_server.database("shadow") as shadow:
        real, plain = await asyncpg.connect(dsn), await asyncpg.connect(shadow)
        try:
            await real.execute("CREATE EXTENSION hstore")
            (hstore,) = (await introspect(real, "main", extensions=trusted)).extensions
            for text in (*stand_in_types(hstore), *stand_ins(hstore)):
                await plain.execute(text)

            with pytest.raises(asyncpg.FeatureNotSupportedError):
                await plain.fetch("SELECT 'a=>1'::hstore -> 'a'")
        finally:
            await real.close()
            await plain.close()
