"""The express way at real servers and at ones that answer strangely."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from policies.claims import ClaimType
from proxy.faults import SourceFault
from proxy.sources.express import UnderWay
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_express import PostgresDispatch, PostgresOrder, rows_of
from proxy.sources.postgres_options import Pooling
from proxy.sql.claim import ClaimSlot
from proxy.sql.plan import Fragment
from proxy.wire.backend import (
    BindComplete,
    CommandComplete,
    DataRow,
    NoticeResponse,
    ParameterStatus,
    ReadyForQuery,
)
from proxy.wire.protocol import ClientProtocol
from tests.proxy.sources.live import (
    borrowed,
    fragment,
    numbers_of,
    options_of,
    series,
    started,
    upto,
)
from tests.servers.postgres import Server

PLAIN = series(leaves_nothing=True, result_oids=(23,))
NO_FORMATS = b"\0\0"


@dataclass
class Traveller:
    """A receiver that remembers, and surrenders when surprised."""

    dispatch: PostgresDispatch | None = None
    is_granted: bool = False
    is_given_up: bool = False
    answer: tuple[bytes, int, int] | None = None
    under_way: UnderWay | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def over(self) -> None:
        async with asyncio.timeout(10):
            await self.done.wait()

    def granted(self) -> None:
        self.is_granted = True
        self.done.set()

    def given_up(self) -> None:
        self.is_given_up = True
        self.done.set()

    def answered(self, data: bytes, rows: int, row_bytes: int) -> None:
        self.answer = (data, rows, row_bytes)
        self.done.set()

    def surprised(self) -> None:
        assert self.dispatch is not None
        self.under_way = self.dispatch.surrender()
        self.done.set()


def order_of(source: PostgresSource, asked: Fragment = PLAIN) -> PostgresOrder:
    made = source.order(asked, {}, ())
    assert made is not None
    return made


def body(order: PostgresOrder, value: bytes) -> bytes:
    return order.body(NO_FORMATS, len(value).to_bytes(4, "big") + value, NO_FORMATS)


def dispatched(source: PostgresSource, order: PostgresOrder) -> Traveller:
    traveller = Traveller()
    traveller.dispatch = source.dispatch(order, traveller)
    return traveller


async def warmed(source: PostgresSource, asked: Fragment = PLAIN) -> None:
    async with borrowed(source) as connection:
        assert await numbers_of(await connection.execute(asked, upto(1))) == [1]


async def test_one_write_one_answer(source: PostgresSource) -> None:
    await warmed(source)
    order = order_of(source)
    for last in (3, 0, 12):
        traveller = dispatched(source, order)
        assert traveller.dispatch is not None
        assert traveller.dispatch.is_reserved
        traveller.dispatch.send(body(order, str(last).encode()))
        await traveller.over()
        assert traveller.answer is not None
        rows = b"".join(DataRow((str(n).encode(),)).encode() for n in range(1, last + 1))
        end = CommandComplete(f"SELECT {last}").encode() + ReadyForQuery(b"I").encode()
        assert traveller.answer == (rows + end, last, len(rows))
    assert "idle=1 busy=0" in repr(source)
    await warmed(source)


async def test_claims_follow_the_clients_values(source: PostgresSource) -> None:
    slots = tuple(
        ClaimSlot(name, kind, ClaimType.parse(kind).oid)
        for name, kind in (("name", "text"), ("none", "text"))
    )
    asked = replace(
        fragment("SELECT $1 WHERE $2::text = 'alice' AND $3::text IS NULL", 23),
        claim_slots=slots,
        claim_values=("alice", None),
        leaves_nothing=True,
    )
    await warmed(source, asked)
    order = order_of(source, asked)
    traveller = dispatched(source, order)
    assert traveller.dispatch is not None
    traveller.dispatch.send(body(order, b"7"))
    await traveller.over()
    assert traveller.answer is not None
    assert traveller.answer[1] == 1
    assert "alice" not in repr(traveller.dispatch)


@pytest.mark.parametrize(
    "changes",
    [{"leaves_nothing": False}, {"row_limit": 5}, {"byte_limit": 5}, {"copy_format": "csv"}],
    ids=str,
)
async def test_what_needs_more_care_has_no_order(
    source: PostgresSource, changes: dict[str, object]
) -> None:
    assert source.order(replace(PLAIN, **changes), {}, ()) is None  # type: ignore[arg-type]


async def test_settings_of_the_client_have_no_order_unless_they_are_those_of_birth(
    source: PostgresSource,
) -> None:
    assert source.order(PLAIN, {"TimeZone": "UTC"}, ()) is not None
    assert source.order(PLAIN, {"TimeZone": "Asia/Tokyo"}, ()) is None
    with pytest.raises(SourceFault):
        source.order(PLAIN, {"work_mem": "1GB"}, ())


async def test_only_what_is_prepared_and_described_so_is_dispatched(
    source: PostgresSource,
) -> None:
    assert source.dispatch(order_of(source), Traveller()) is None
    await warmed(source)
    order = order_of(source)
    others = (
        replace(order, result_formats=(1,)),
        replace(order, result_oids=(20,)),
        order_of(source, replace(PLAIN, sql="SELECT $1")),
    )
    for other in others:
        assert source.dispatch(other, Traveller()) is None
    assert "idle=1 busy=0" in repr(source)


async def test_a_pooler_in_between_has_no_express_way(postgres_server: Server) -> None:
    options = options_of(postgres_server, pooling=Pooling.TRANSACTION)
    async with started(options) as source:
        await warmed(source)
        assert source.dispatch(order_of(source), Traveller()) is None


async def test_many_rows_are_handed_over(source: PostgresSource) -> None:
    await warmed(source)
    order = order_of(source)
    traveller = dispatched(source, order)
    assert traveller.dispatch is not None
    traveller.dispatch.send(body(order, b"100000"))
    await traveller.over()
    assert traveller.answer is None
    assert traveller.under_way is not None
    numbers = await numbers_of(await traveller.under_way.join())
    assert numbers == list(range(1, 100_001))
    await traveller.under_way.connection.release()
    assert "idle=1 busy=0" in repr(source)


async def test_an_error_is_handed_over(source: PostgresSource) -> None:
    await warmed(source)
    order = order_of(source)
    traveller = dispatched(source, order)
    assert traveller.dispatch is not None
    traveller.dispatch.send(body(order, b"three"))
    await traveller.over()
    assert traveller.under_way is not None
    with pytest.raises(SourceFault) as caught:
        await traveller.under_way.join()
    assert caught.value.sqlstate == "22P02"
    assert traveller.under_way.connection.is_usable
    await traveller.under_way.connection.release()
    await warmed(source)


async def test_what_is_given_up_in_flight_reaches_nobody_else(source: PostgresSource) -> None:
    """Attack 99: rows of one checkout never arrive in another."""
    await warmed(source)
    order = order_of(source)
    traveller = dispatched(source, order)
    assert traveller.dispatch is not None
    traveller.dispatch.send(body(order, b"5000000"))
    under_way = traveller.dispatch.surrender()
    assert under_way is not None
    await under_way.connection.release()
    async with borrowed(source) as connection:
        assert await numbers_of(await connection.execute(PLAIN, upto(2))) == [1, 2]


async def test_a_reservation_is_given_back(source: PostgresSource) -> None:
    await warmed(source)
    traveller = dispatched(source, order_of(source))
    assert traveller.dispatch is not None
    assert "idle=0 busy=1" in repr(source)
    assert traveller.dispatch.surrender() is None
    assert "idle=1 busy=0" in repr(source)
    assert traveller.dispatch.surrender() is None


async def test_a_queue_for_those_who_find_none(source: PostgresSource) -> None:
    await warmed(source)
    order = order_of(source)
    async with borrowed(source) as one, borrowed(source) as other:
        waiting, leaving = dispatched(source, order), dispatched(source, order)
        assert waiting.dispatch is not None
        assert leaving.dispatch is not None
        assert not waiting.dispatch.is_reserved
        assert waiting.dispatch.overdue() is None
        assert leaving.dispatch.surrender() is None
        await one.release()
        await waiting.over()
        # Whichever connection it was, it either knows the statement or is given up.
        assert waiting.is_granted != waiting.is_given_up
        assert not leaving.done.is_set()
        waiting.dispatch.surrender()
        await other.release()
    assert "idle=2 busy=0" in repr(source)


# Answers

ROW = DataRow((b"1",)).encode()
BOUND = BindComplete().encode()
ONE = CommandComplete("SELECT 1").encode()
READY = ReadyForQuery(b"I").encode()
WHOLE = BOUND + ROW + ONE + READY


def counted(data: bytes) -> tuple[int, int]:
    wire = ClientProtocol()
    wire.expected_columns = 1
    return rows_of(data, wire.row_run)


def test_a_whole_answer_is_understood() -> None:
    assert counted(WHOLE) == (1, len(ROW))
    assert counted(BOUND + CommandComplete("SELECT 0").encode() + READY) == (0, 0)


STRANGE = {
    "cut": WHOLE[:-1],
    "more": WHOLE + READY,
    "in a transaction": BOUND + ROW + ONE + ReadyForQuery(b"T").encode(),
    "another tag": BOUND + ROW + CommandComplete("INSERT 0 1").encode() + READY,
    "another count": BOUND + ROW + CommandComplete("SELECT 2").encode() + READY,
    "no tag": BOUND + ROW + READY,
    "two tags": BOUND + ROW + ONE + ONE + READY,
    "a notice": BOUND
    + NoticeResponse({"S": "NOTICE", "C": "00000", "M": "a"}).encode()
    + ROW
    + ONE
    + READY,
    "a setting": BOUND + ROW + ParameterStatus("a", "b").encode() + ONE + READY,
    "no row frame": BOUND + b"D\0\0\0\4" + ONE + READY,
    "a row of another width": BOUND + DataRow((b"1", b"2")).encode() + ONE + READY,
    "a row that is too long": BOUND + b"D\0\0\1\0\0\1" + ONE + READY,
    "nothing": b"",
    "only bound": BOUND,
    "only ready": READY,
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_answer_is_for_others(data: bytes) -> None:
    assert counted(data) == (-1, -1)


def test_every_cut_of_an_answer_is_for_others() -> None:
    for end in range(len(WHOLE)):
        assert counted(WHOLE[:end]) == (-1, -1)
