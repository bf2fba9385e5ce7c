"""asyncpg: binary only, its own introspection of types, Flush between Parse and Bind, a pool that resets."""

import asyncio
import io
import re
import ssl

import asyncpg
from steps import CERTIFICATE, PASSWORD, error, run_async

Connection = asyncpg.Connection
SLOW = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"


async def _connect(**options: object) -> Connection:
    return await asyncpg.connect(ssl=ssl.create_default_context(cafile=CERTIFICATE), **options)


async def _failure(awaited: object) -> object:
    try:
        return await awaited
    except Exception as raised:
        return error(raised)


def version(_: Connection) -> object:
    return asyncpg.__version__, len(PASSWORD) > 4096


async def settings(connection: Connection) -> object:
    told = connection.get_settings()
    return (
        told.TimeZone,
        told.client_encoding,
        told.is_superuser,
        connection.get_server_version().major,
    )


async def tables(connection: Connection) -> object:
    return [
        tuple(row)
        for row in await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2",
            ["app", "trade"],
        )
    ]


async def describe(connection: Connection) -> object:
    statement = await connection.prepare("SELECT * FROM app.posts WHERE id = $1 AND status = $2")
    return (
        [(a.name, a.type.name, a.type.kind, a.type.schema) for a in statement.get_attributes()],
        [(p.name, p.kind) for p in statement.get_parameters()],
        statement.get_statusmsg(),
    )


async def every_type(connection: Connection) -> object:
    found = []
    for table in (
        "numbers",
        "texts",
        "times",
        "bits",
        "nets",
        "shapes",
        "lists",
        "documents",
        "spans",
    ):
        rows = str(await _failure(connection.fetch(f"SELECT * FROM {table} ORDER BY id")))
        found.append(re.sub(r" at 0x\w+", "", rows))
    return found


async def own_types(connection: Connection) -> object:
    row = await connection.fetchrow(
        "SELECT status, tags, metadata, views FROM app.posts WHERE status = $1 ORDER BY id LIMIT 1",
        "published",
    )
    return dict(row)


async def composites(connection: Connection) -> object:
    return str(await connection.fetchval("SELECT home FROM app.users WHERE id = 1"))


async def arrays_of_own_types(connection: Connection) -> object:
    return str(
        [
            tuple(row)
            for row in await connection.fetch("SELECT s, e, a FROM lists WHERE id < 3 ORDER BY id")
        ]
    )


async def codec(connection: Connection) -> object:
    import json

    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )
    return await connection.fetchval("SELECT metadata FROM app.posts WHERE id = 1")


async def prepared(connection: Connection) -> object:
    statement = await connection.prepare("SELECT title FROM app.posts WHERE id = $1")
    return [await statement.fetchval(n) for n in range(1, 7)], statement.get_name() is not None


async def statement_cache(connection: Connection) -> object:
    """Statements that the driver believes in and the server has dropped (asyncpg 198)."""
    found = []
    for n in range(4):
        found.append(await connection.fetchval("SELECT count(*) FROM app.users WHERE id > $1", n))
    await connection.execute("DEALLOCATE ALL")
    found.append(
        await _failure(connection.fetchval("SELECT count(*) FROM app.users WHERE id > $1", 1))
    )
    await connection.reload_schema_state()
    found.append(await connection.fetchval("SELECT count(*) FROM app.users WHERE id > $1", 1))
    return found


async def without_cache(_: Connection) -> object:
    second = await _connect(statement_cache_size=0)
    found = [await second.fetchval("SELECT $1::int + 1", n) for n in range(3)]
    await second.close()
    return found


async def many(connection: Connection) -> object:
    return await _failure(connection.executemany("SELECT $1::int", [(n,) for n in range(10)])), [
        tuple(r) for r in await connection.fetchmany("SELECT $1::int", [(n,) for n in range(5)])
    ]


async def cursors(connection: Connection) -> object:
    async with connection.transaction():
        found = [
            row["id"]
            async for row in connection.cursor("SELECT id FROM app.posts ORDER BY id", prefetch=11)
        ]
        cursor = await connection.cursor("SELECT id FROM app.posts WHERE id > $1 ORDER BY id", 10)
        first = await cursor.fetch(2)
        await cursor.forward(5)
        return len(found), [row["id"] for row in first], (await cursor.fetchrow())["id"]


async def simple_protocol(connection: Connection) -> object:
    return await connection.execute(
        "SELECT 1; SELECT 2; SET application_name = 'several'; RESET application_name"
    )


async def copied(connection: Connection) -> object:
    table, query, binary = io.BytesIO(), io.BytesIO(), io.BytesIO()
    status = await connection.copy_from_table(
        "labels", schema_name="app", output=table, format="csv", header=True
    )
    await connection.copy_from_query(
        "SELECT id, name FROM app.labels WHERE id > $1 ORDER BY id", 3, output=query
    )
    await connection.copy_from_query(
        "SELECT id FROM app.labels ORDER BY id", output=binary, format="binary"
    )
    return status, table.getvalue(), query.getvalue(), binary.getvalue()


async def transactions(connection: Connection) -> object:
    found: list[object] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found.append(await connection.fetchval("SHOW transaction_isolation"))
        try:
            async with connection.transaction():
                await connection.fetch("SELECT * FROM app.missing")
        except asyncpg.PostgresError as raised:
            found.append(error(raised))
        found.append(await connection.fetchval("SELECT count(*) FROM app.posts"))
    async with connection.transaction(isolation="serializable", readonly=True, deferrable=True):
        found.append(await connection.fetchval("SHOW transaction_isolation"))
    return found


async def cancel(connection: Connection) -> object:
    found = await _failure(connection.fetch(SLOW, timeout=0.3))
    return found, await connection.fetchval("SELECT 1")


async def pool(_: Connection) -> object:
    options = {"ssl": ssl.create_default_context(cafile=CERTIFICATE), "min_size": 1, "max_size": 2}
    async with asyncpg.create_pool(**options) as opened:
        async with opened.acquire() as first:
            await first.execute("SET statement_timeout = 12345; SET search_path = app")
            inside = await first.fetchval("SELECT count(*) FROM labels")
        async with opened.acquire() as second:  # after the reset that the pool sends
            return (
                inside,
                await second.fetchval("SHOW statement_timeout"),
                await second.fetchval("SHOW search_path"),
            )


async def reset(connection: Connection) -> object:
    await connection.execute("SET TimeZone = 'Asia/Tokyo'")
    await connection.reset()
    return await connection.fetchval("SHOW TimeZone"), connection.get_reset_query()


async def server_settings(_: Connection) -> object:
    second = await _connect(
        server_settings={
            "application_name": "named",
            "search_path": "app",
            "jit": "off",
            "statement_timeout": "4000",
        }
    )
    found = [
        await second.fetchval(f"SHOW {name}")
        for name in ("application_name", "search_path", "jit", "statement_timeout")
    ]
    await second.close()
    return found


async def listening(connection: Connection) -> object:
    return await _failure(connection.add_listener("news", lambda *_: None))


async def errors(connection: Connection) -> object:
    found = []
    for sql in (
        "SELECT * FROM app.missing",
        "SELEC 1",
        "SELECT 1 / (id - 1) FROM app.labels",
        "UPDATE app.labels SET name = ''",
        "SELECT $1::int",
    ):
        found.append(await _failure(connection.fetch(sql)))
    return found


async def parameter_of_wrong_type(connection: Connection) -> object:
    return await _failure(connection.fetch("SELECT id FROM app.posts WHERE id = $1", "three"))


async def concurrent_use(connection: Connection) -> object:
    found = await asyncio.gather(
        connection.fetch("SELECT 1"), connection.fetch("SELECT 2"), return_exceptions=True
    )
    return [type(one).__name__ for one in found]


async def schema_path(connection: Connection) -> object:
    await connection.execute("SET search_path = app, public")
    found = (
        await connection.fetchval("SELECT count(*) FROM labels"),
        await connection.fetchval("SHOW search_path"),
    )
    await connection.execute("RESET search_path")
    return found


if __name__ == "__main__":
    asyncio.run(run_async(_connect, globals()))
