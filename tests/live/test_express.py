"""The express lane on a real gate: the same bytes as without it, and every brake still acts.

A test that means the lane first proves that its statement flies (`Flights`).
"""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from proxy.wire import backend, frontend
from tests.live.flights import (
    BUSY,
    COUNT,
    LONG,
    NOTE,
    NUMBERS,
    STARTUP,
    SYNC,
    Flights,
    airborne,
    arrived,
    execute,
    flying,
    joined,
    key_of,
)
from tests.live.gate import Gate, policy_set, serving
from tests.live.wire import RawClient, told

ROUNDS = {
    "prepared": execute("s", b"3"),
    "not described": execute("s", b"3", is_described=False),
    "binary rows": execute("b", b"3", formats=(1,)),
    "formats of each": execute("b", b"3", formats=(1, 0)),
    "no row": execute("s", b"4"),
    "null": joined([frontend.Bind("", "s", (0,), (None,)), frontend.Execute(), SYNC]),
    "binary value": joined(
        [frontend.Bind("", "b", (1,), (struct.pack(">q", 3),)), frontend.Execute(), SYNC]
    ),
    "unnamed": joined([frontend.Parse("", NOTE)]) + execute("", b"3"),
    "simple": joined([frontend.Query("SELECT id, note FROM shop.orders WHERE id < 9")]),
    "simple, nothing lifted": joined([frontend.Query("SELECT count(*) FROM shop.orders")]),
}


@pytest.mark.parametrize("sent", ROUNDS.values(), ids=ROUNDS.keys())
async def test_the_answer_is_the_same(client: RawClient, flights: Flights, sent: bytes) -> None:
    await client.converse([frontend.Parse("s", NOTE), frontend.Parse("b", NUMBERS), SYNC])
    usual = told(await client.converse([sent]))
    assert flights.whole == 0
    answers = [told(await client.converse([sent])) for _ in range(3)]
    assert answers == [usual] * 3
    assert flights.whole >= 2, "it never flew"
    assert flights.landed == 0


async def test_what_has_to_be_recoded_does_not_fly(client: RawClient, flights: Flights) -> None:
    await flying(client, flights, NOTE, b"3")
    flown = flights.whole
    in_binary = joined(
        [frontend.Bind("", "s", (1,), (struct.pack(">q", 3),)), frontend.Execute(), SYNC]
    )
    for sent in (execute("s", b"3", formats=(1,)), in_binary):
        answers = {tuple(told(await client.converse([sent]))) for _ in range(3)}
        assert len(answers) == 1
    assert flights.whole == flown


async def test_other_work_goes_on_between_flights(client: RawClient, flights: Flights) -> None:
    await flying(client, flights, NOTE, b"3")
    begin = told(await client.converse([frontend.Query("BEGIN")]))
    assert begin[-1] == "ReadyForQuery(status=b'T')"
    before = flights.whole
    inside = told(await client.converse([execute("s", b"3")]))
    assert inside[-1] == "ReadyForQuery(status=b'T')"
    assert flights.whole == before, "a block is no place for the lane"
    await client.converse([frontend.Query("COMMIT")])
    await airborne(client, flights, b"3")


async def test_pipelined_and_split_messages(client: RawClient, flights: Flights) -> None:
    await flying(client, flights, NOTE, b"3")
    one = execute("s", b"3")
    expected = told(await client.converse([one]))
    two = await client.converse([one + one], readies=2)
    assert len(told(two)) == 2 * len(expected)
    for cut in range(1, len(one)):
        client.write(one[:cut])
        await client.writer.drain()
        await asyncio.sleep(0)
        assert told(await client.converse([one[cut:]])) == expected


async def test_a_statement_that_is_gone_or_another(client: RawClient, flights: Flights) -> None:
    await flying(client, flights, NOTE, b"3")
    close = [frontend.Close(frontend.STATEMENT, "s"), SYNC]
    await client.converse(close)
    assert any(" 26000 " in line for line in told(await client.converse([execute("s", b"3")])))
    await client.converse([frontend.Parse("s", "SELECT $1::int8 + 1"), SYNC])
    answer = told(await client.converse([execute("s", b"3")]))
    assert "DataRow (b'4',)" in answer


async def test_an_unnamed_statement_is_the_one_that_flew(
    client: RawClient, flights: Flights
) -> None:
    sent = joined([frontend.Parse("", NOTE)]) + execute("", b"3")
    for _ in range(3):
        await client.converse([sent])
    other = joined([frontend.Parse("", "SELECT 7 AS seven WHERE $1 = 1")]) + execute("", b"1")
    await client.converse([other])
    flown = flights.whole
    usual = told(await client.converse([sent]))
    assert flights.whole == flown + 1
    # Bind alone now means the statement that flew last.
    again = told(await client.converse([execute("", b"3")]))
    assert [line for line in again if line in usual] == again
    await client.converse([frontend.Query("SELECT count(*) FROM shop.orders")])
    gone = told(await client.converse([execute("", b"3")]))
    assert any(" 26000 " in line for line in gone)


# What must still act


async def test_a_new_policy_acts_at_once(own: Gate, client: RawClient, flights: Flights) -> None:
    await flying(client, flights, "SELECT note FROM shop.orders WHERE id = $1", b"3")
    own.policy[0] = policy_set("express 2", note_clear=True)
    await own.worker.upkeep.reload_policy()
    assert "DataRow (b'note 3',)" in told(await client.converse([execute("s", b"3")]))
    own.policy[0] = policy_set("express 3")
    await own.worker.upkeep.reload_policy()
    for _ in range(3):
        assert "DataRow (b'[withheld]',)" in told(await client.converse([execute("s", b"3")]))
    own.policy[0] = policy_set("express 4", without_column="note")
    await own.worker.upkeep.reload_policy()
    assert any("ErrorResponse" in one for one in told(await client.converse([execute("s", b"3")])))
    own.policy[0] = policy_set("express 5")
    await own.worker.upkeep.reload_policy()


async def test_an_expired_identity_runs_nothing(own: Gate, flights: Flights) -> None:
    expires_at = int(time.time()) + 3
    token = own.changed_token({"exp": expires_at})
    client = await RawClient.open(("127.0.0.1", own.port), STARTUP, token)
    await flying(client, flights, NOTE, b"3")
    deadline = time.monotonic() + 10
    answer: list[str] = []
    while time.monotonic() < deadline and not any(" FATAL 57P01 " in line for line in answer):
        # Until just before the end; then it only listens, so that nothing it sends is refused.
        is_listening = flights.whole > 1 and time.time() > expires_at - 0.5
        answer = told(await client.converse([] if is_listening else [execute("s", b"3")]))
        assert is_listening or answer[-1] == "ReadyForQuery(status=b'I')"
        await asyncio.sleep(0.05)
    assert time.time() >= expires_at
    assert any(" FATAL 57P01 " in line for line in answer)
    assert not any("DataRow" in line for line in answer)
    assert flights.whole > 1, "it flew as long as it could"
    client.close()


async def test_claims_are_the_sessions_own(own: Gate, client: RawClient, flights: Flights) -> None:
    other = await RawClient.open(
        ("127.0.0.1", own.port), STARTUP, own.token("carol", regions=("amer",))
    )
    regions = "SELECT DISTINCT region FROM shop.orders WHERE id < $1"
    await flying(client, flights, regions, b"100")
    await flying(other, flights, regions, b"100")
    for _ in range(3):
        assert "DataRow (b'emea',)" in told(await client.converse([execute("s", b"100")]))
        assert "DataRow (b'amer',)" in told(await other.converse([execute("s", b"100")]))
    other.close()


async def test_a_changed_setting_acts_at_once(client: RawClient, flights: Flights) -> None:
    await flying(client, flights, NOTE, b"3")
    before = told(await client.converse([execute("s", b"3")]))
    await client.converse([frontend.Query("SET TimeZone = 'Asia/Tokyo'")])
    tokyo = told(await client.converse([execute("s", b"3")]))
    assert tokyo != before
    await client.converse([frontend.Query("RESET TimeZone")])
    flown = flights.whole
    for _ in range(3):
        assert told(await client.converse([execute("s", b"3")])) == before
    assert flights.whole > flown


async def test_an_error_is_told_as_ever(client: RawClient, flights: Flights) -> None:
    division = "SELECT 10 / (g - 3) FROM generate_series(1, $1::int4) g"
    await client.converse([frontend.Parse("s", division), SYNC])
    usual = told(await client.converse([execute("s", b"5")]))
    assert any(" 22012 " in line for line in usual)
    await client.converse([execute("s", b"2")])
    await client.converse([execute("s", b"2")])
    assert flights.whole == 1
    assert told(await client.converse([execute("s", b"5")])) == usual
    assert flights.landed == 1
    await airborne(client, flights, b"2")
    wrong = told(await client.converse([execute("s", b"no number")]))
    assert any(" 22P02 " in line for line in wrong)
    assert flights.landed == 2
    await client.converse([execute("s", b"2")])
    assert told(await client.converse([execute("s", b"2")]))[-1] == "ReadyForQuery(status=b'I')"


async def test_rows_that_take_several_reads(client: RawClient, flights: Flights) -> None:
    rows = "SELECT g, repeat('x', 100) FROM generate_series(1, $1::int4) g"
    await flying(client, flights, rows, b"2")
    answer = await client.converse([execute("s", b"50000")])
    assert flights.landed == 1
    assert sum(line.startswith("DataRow") for line in told(answer)) == 50_000
    assert "CommandComplete(tag='SELECT 50000')" in told(answer)


async def cancelled(gate: Gate, key: backend.BackendKeyData) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(frontend.CancelRequest(key.process_id, key.secret_key).encode())
    await writer.drain()
    writer.close()


@pytest.mark.usefixtures("long_flights")
async def test_a_cancel_stops_a_flight(own: Gate, client: RawClient, flights: Flights) -> None:
    await flying(client, flights, COUNT, b"2")
    running = asyncio.ensure_future(client.converse([execute("s", LONG)]))
    await arrived(own)
    assert flights.landed == 0
    await cancelled(own, key_of(client))
    answer = told(await running)
    assert flights.landed == 1
    assert any("57014 canceling statement due to user request" in line for line in answer)
    assert answer[-1] == "ReadyForQuery(status=b'I')"
    assert "DataRow (b'2',)" in told(await client.converse([execute("s", b"2")]))


async def test_a_timeout_stops_a_flight(client: RawClient, flights: Flights) -> None:
    await client.converse([frontend.Query("SET statement_timeout = '1500ms'")])
    await flying(client, flights, COUNT, b"2")
    start = time.monotonic()
    answer = told(await client.converse([execute("s", LONG)]))
    assert any("57014 canceling statement due to statement timeout" in line for line in answer)
    assert time.monotonic() - start >= 1.4
    assert flights.landed == 1


async def test_a_client_that_vanishes_stops_its_flight(
    own: Gate, client: RawClient, flights: Flights
) -> None:
    await flying(client, flights, COUNT, b"2")
    client.write(execute("s", LONG))
    await client.writer.drain()
    await arrived(own)
    client.writer.transport.abort()
    admin = await own.source.connect()
    for _ in range(100):
        if not await admin.fetchval(BUSY):
            break
        await asyncio.sleep(0.1)
    assert await admin.fetchval(BUSY) == 0
    await admin.close()
    assert flights.landed == 1


async def test_a_source_that_dies_in_flight(own: Gate, client: RawClient, flights: Flights) -> None:
    await flying(client, flights, COUNT, b"2")
    running = asyncio.ensure_future(client.converse([execute("s", LONG)]))
    await arrived(own)
    admin = await own.source.connect()
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gate'"
    )
    await admin.close()
    answer = told(await running)
    assert any("ErrorResponse" in line for line in answer)
    assert answer[-1] == "ReadyForQuery(status=b'I')"
    assert "DataRow (b'2',)" in told(await client.converse([execute("s", b"2")]))


async def test_drain_lets_a_flight_end(flights: Flights) -> None:
    async with serving(listen={"port": 0, "drain_seconds_max": 60}) as gate:
        client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        await flying(client, flights, COUNT, b"2")
        running = asyncio.ensure_future(client.converse([execute("s", b"3000000")], readies=2))
        await arrived(gate)
    answer = told(await running)
    assert "DataRow (b'3000000',)" in answer
    assert "57P01" in answer[-1]
    client.close()


async def test_drain_cuts_a_flight_that_does_not_end(flights: Flights) -> None:
    async with serving(listen={"port": 0, "drain_seconds_max": 0.3}) as gate:
        client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        await flying(client, flights, COUNT, b"2")
        running = asyncio.ensure_future(client.converse([execute("s", LONG)], readies=2))
        await arrived(gate)
    answer = told(await running)
    assert not any("DataRow" in line for line in answer)
    client.close()
