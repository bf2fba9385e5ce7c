"""psycopg 3, asynchronous: the same protocol by other code, and several statements at once."""

import asyncio

import psycopg
from steps import error, run_async

Connection = psycopg.AsyncConnection
SLOW = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"


async def _connect() -> Connection:
    return await psycopg.AsyncConnection.connect(autocommit=True)


def version(_: Connection) -> object:
    return psycopg.__version__


async def plain(connection: Connection) -> object:
    cursor = await connection.execute(
        "SELECT id, title, status, tags, created_at FROM app.posts ORDER BY id LIMIT 5"
    )
    return await cursor.fetchall()


async def prepared(connection: Connection) -> object:
    cursor = connection.cursor(binary=True)
    found = []
    for number in range(6):
        await cursor.execute(
            "SELECT o_totalprice FROM trade.orders WHERE o_orderkey = %s", (number,), prepare=True
        )
        found.append(await cursor.fetchone())
    return found


async def many(connection: Connection) -> object:
    cursor = connection.cursor()
    await cursor.executemany("SELECT %s::int * 2", [(n,) for n in range(20)], returning=True)
    found = []
    while True:
        found.append(await cursor.fetchone())
        if not cursor.nextset():
            return found


async def pipeline(connection: Connection) -> object:
    async with connection.pipeline():
        cursors = [await connection.execute("SELECT %s::int", (n,)) for n in range(50)]
        return [await cursor.fetchone() for cursor in cursors]


async def server_cursor(connection: Connection) -> object:
    async with connection.transaction(), connection.cursor("c") as cursor:
        await cursor.execute("SELECT id FROM app.posts ORDER BY id")
        cursor.itersize = 10
        return [row[0] async for row in cursor]


async def copied(connection: Connection) -> object:
    async with connection.cursor().copy("COPY app.labels TO STDOUT (FORMAT csv, HEADER)") as copy:
        return [bytes(line).decode() async for line in copy]


async def cancelled_task(connection: Connection) -> object:
    task = asyncio.ensure_future(connection.execute(SLOW))
    await asyncio.sleep(0.3)
    task.cancel()
    found = await asyncio.gather(task, return_exceptions=True)
    alive = await connection.execute("SELECT 1")
    return [type(one).__name__ for one in found], await alive.fetchone()


async def at_once(_: Connection) -> object:
    async def one(number: int) -> object:
        async with await _connect() as own:
            cursor = await own.execute("SELECT id FROM app.users WHERE id = %s", (number,))
            return await cursor.fetchone()

    return await asyncio.gather(*(one(number) for number in range(1, 9)))


async def failing(connection: Connection) -> object:
    try:
        await connection.execute("SELECT * FROM app.missing")
    except psycopg.Error as raised:
        return error(raised)
    return "no error"


if __name__ == "__main__":
    asyncio.run(run_async(_connect, globals()))
