"""The source of files: its state, its readers, and what a connection can be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.faults import SourceFault, UnsupportedFault
from proxy.sources.base import Arguments, SourceState
from proxy.sources.files import FilesSource
from proxy.sources.files_process import ReaderOptions
from proxy.sources.pool import PoolLimits
from proxy.sql.plan import FileQuery

ALL = FileQuery("SELECT * FROM web.a", (), (("n", "bigint"),), (("web", "a"),))


@pytest_asyncio.fixture
async def source(tmp_path: Path) -> AsyncIterator[FilesSource]:
    (tmp_path / "a.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(50_000)))
    options = ReaderOptions("web", tmp_path, 64 << 20, 1 << 20, 1, 30.0)
    made = FilesSource(options, "web", PoolLimits(connections_max=2, wait_ms_max=20_000))
    yield made
    await made.close()


async def test_its_state_is_that_of_the_folder(source: FilesSource, tmp_path: Path) -> None:
    assert source.state is SourceState.NEW
    await source.start()
    assert (source.state, source.down_reason, source.is_unfit) == (SourceState.UP, None, False)
    assert source.table("a").format == "csv"
    with pytest.raises(SourceFault) as caught:
        source.table("b")
    assert caught.value.sqlstate == "58P01"
    await source.close()
    assert source.state is SourceState.CLOSED
    with pytest.raises(SourceFault):
        await source.acquire({})


async def test_a_folder_that_cannot_be_read_is_down(tmp_path: Path) -> None:
    options = ReaderOptions("web", tmp_path / "none", 64 << 20, 1 << 20, 1, 30.0)
    source = FilesSource(options, "web", PoolLimits())
    await source.start()
    assert source.state is SourceState.DOWN
    assert source.down_reason
    await source.close()


async def test_rows_come_in_batches_and_the_reader_goes_back(source: FilesSource) -> None:
    await source.start()
    connection = await source.acquire({})
    for _ in range(3):
        stream = await connection.read(ALL, [])
        batches = [batch async for batch in stream]
        await stream.aclose()
        assert sum(batch.count for batch in batches) == 50_000
        assert b"".join(batch.data for batch in batches).count(b"\n") == 50_000
    assert (source.pool_figures.busy, source.pool_figures.idle) == (0, 1)


async def test_a_stream_that_is_given_up_ends_its_reader(source: FilesSource) -> None:
    await source.start()
    connection = await source.acquire({})
    stream = await connection.read(ALL, [])
    await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert (source.pool_figures.busy, source.pool_figures.idle) == (0, 0)


async def test_cancel_ends_what_is_read(source: FilesSource) -> None:
    await source.start()
    connection = await source.acquire({})
    endless = FileQuery(
        "SELECT r.range AS n FROM web.a, range(100000000) r", (), ALL.columns, ALL.relations
    )
    stream = await connection.read(endless, [])
    await anext(stream)
    await connection.cancel()
    with pytest.raises(SourceFault):
        async for _ in stream:
            pass
    await stream.aclose()
    assert source.pool_figures.busy == 0


async def test_cancel_does_not_meet_a_reader_that_went_on_to_another(source: FilesSource) -> None:
    await source.start()
    one, other = await source.acquire({}), await source.acquire({})
    stream = await one.read(ALL, [])
    assert sum([batch.count async for batch in stream]) == 50_000
    stream = await other.read(ALL, [])
    first = await anext(stream)
    await one.cancel()
    assert first.count + sum([batch.count async for batch in stream]) == 50_000


async def test_a_transaction_is_the_clients_and_a_whole_statement_nobodys(
    source: FilesSource,
) -> None:
    connection = await source.acquire({})
    assert connection.status == b"I"
    await connection.begin("REPEATABLE READ")
    assert connection.status == b"T"
    await connection.savepoint("s")
    await connection.rollback_to("s")
    await connection.release_savepoint("s")
    await connection.commit()
    assert connection.status == b"I"
    await connection.begin()
    await connection.rollback()
    connection.pin({})
    await connection.sync()
    await connection.close_portal("x")
    for refused in (
        connection.execute(None, Arguments()),  # type: ignore[arg-type]
        connection.open_portal(None, Arguments(), portal="p"),  # type: ignore[arg-type]
        connection.resume("p"),
        connection.copy_out(None),  # type: ignore[arg-type]
    ):
        with pytest.raises(UnsupportedFault):
            await refused
    await connection.release()
    assert connection.is_usable
