"""What introspection reads of an extension, and when it refuses one."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest

from proxy.catalog.extension import Extension, TrustedExtension
from proxy.catalog.introspect_extension import introspect_extensions
from proxy.catalog.virtual import CatalogError
from tests.servers.postgres import Server

HSTORE = TrustedExtension(
    "hstore",
    "public",
    functions=frozenset({"akeys", "each"}),
    operators=frozenset({"->(hstore,text)", "=(hstore,hstore)"}),
)


async def read(
    server: Server, setup: str, trusted: Sequence[TrustedExtension]
) -> tuple[Extension, ...]:
    with server.database("extensions") as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(setup)
            await connection.execute("SET search_path TO pg_catalog")
            return await introspect_extensions(connection, "main", trusted)
        finally:
            await connection.close()


async def test_only_what_is_trusted_is_read(postgres_server: Server) -> None:
    (hstore,) = await read(postgres_server, "CREATE EXTENSION hstore", [HSTORE])

    assert {one.name for one in hstore.functions} >= {"akeys", "each", "fetchval"}
    assert "delete" not in {one.name for one in hstore.functions}
    each = next(one for one in hstore.functions if one.name == "each")
    assert each.outputs == (("key", "text"), ("value", "text"))
    assert {(one.name, one.right) for one in hstore.operators} == {
        ("->", "text"),
        ("=", "public.hstore"),
    }


async def test_an_absent_extension_is_left_out(postgres_server: Server) -> None:
    assert await read(postgres_server, "SELECT 1", [HSTORE]) == ()


async def test_an_implicit_cast_to_where_operators_are_not_listed_is_left_out(
    postgres_server: Server,
) -> None:
    few = TrustedExtension("citext", "public", operators=frozenset({"=(citext,citext)"}))
    (citext,) = await read(postgres_server, "CREATE EXTENSION citext", [few])

    assert {one.context for one in citext.casts} == {"a"}


@pytest.mark.parametrize(
    ("setup", "trusted", "told"),
    [
        ("CREATE SCHEMA e; CREATE EXTENSION hstore SCHEMA e", HSTORE, "in the schema `e`"),
        (
            "CREATE EXTENSION hstore",
            TrustedExtension("hstore", "public", version_min="99.0"),
            "for 99.0 and later",
        ),
        (
            "CREATE EXTENSION hstore; CREATE OPERATOR public.+ (LEFTARG = text, RIGHTARG = text,"
            " FUNCTION = textcat)",
            HSTORE,
            "operator \\+",
        ),
        ("CREATE EXTENSION hstore; CREATE EXTENSION citext", HSTORE, "list the extension"),
        (
            "CREATE EXTENSION citext;"
            " CREATE FUNCTION public.max(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
            TrustedExtension("citext", "public", shared_functions=frozenset({"max"})),
            "function max",
        ),
        (
            "CREATE EXTENSION hstore",
            TrustedExtension("hstore", "public", operator_names=frozenset({"@>"})),
            "total_operators",
        ),
    ],
)
async def test_what_cannot_be_trusted_is_refused(
    postgres_server: Server, setup: str, trusted: TrustedExtension, told: str
) -> None:
    with pytest.raises(CatalogError, match=told):
        await read(postgres_server, setup, [trusted])


async def test_an_operator_that_is_never_tried_may_be_listed_by_name(
    postgres_server: Server,
) -> None:
    quiet = TrustedExtension("hstore", "public", operator_names=frozenset({"->", "||"}))
    (hstore,) = await read(postgres_server, "CREATE EXTENSION hstore", [quiet])

    assert {one.name for one in hstore.operators} == {"->", "||"}
