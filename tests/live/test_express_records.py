"""What is on record of flights, and simple queries that differ in a value only."""

from __future__ import annotations

import asyncio
import time

import pytest

from proxy.runtime.audit import Record, records
from proxy.wire import frontend
from tests.live.flights import (
    COUNT,
    NOTE,
    STARTUP,
    Flights,
    execute,
    flying,
    key_of,
    prepared,
)
from tests.live.gate import Gate, serving
from tests.live.wire import RawClient, told

# The record


def of_session(gate: Gate, client: RawClient) -> list[Record]:
    uid = str(key_of(client).process_id)
    intents = [
        one
        for one in records(gate.directory / "audit")
        if one.phase == "intent" and one.facts["actor"]["session"]["uid"] == uid
    ]
    return intents


async def test_flights_are_recorded_like_everything(
    own: Gate, client: RawClient, flights: Flights
) -> None:
    await flying(client, flights, NOTE, b"3")
    usual, flown = of_session(own, client)
    assert flown.facts["unmapped"] == usual.facts["unmapped"]
    assert flown.facts["query_info"] == usual.facts["query_info"]
    outcomes = {
        one.facts["unmapped"]["intent"]: one.facts
        for one in records(own.directory / "audit")
        if one.phase == "outcome"
    }
    first, second = outcomes[usual.sequence], outcomes[flown.sequence]
    assert set(first["unmapped"]) == set(second["unmapped"])
    assert first["unmapped"]["rows"] == second["unmapped"]["rows"] == 1
    assert first["unmapped"]["bytes"] == second["unmapped"]["bytes"]
    assert abs(second["time"] - time.time() * 1000) < 60_000


async def test_a_flight_that_fails_has_an_outcome(
    own: Gate, client: RawClient, flights: Flights
) -> None:
    await flying(client, flights, COUNT, b"2")
    await client.converse([execute("s", b"no number")])
    intent = of_session(own, client)[-1]
    (outcome,) = (
        one.facts
        for one in records(own.directory / "audit")
        if one.phase == "outcome" and one.facts["unmapped"]["intent"] == intent.sequence
    )
    assert outcome["status_code"] == "22P02"


async def test_without_a_log_nothing_flies(
    own: Gate, client: RawClient, flights: Flights, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flying(client, flights, NOTE, b"3")
    before = flights.whole

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("proxy.runtime.audit.disk.Disk.write", full)
        for _ in range(3):
            answer = told(await client.converse([execute("s", b"3")]))
            assert any(" 53100 " in line for line in answer), answer
            assert not any("DataRow" in line for line in answer)
    assert flights.whole == before
    assert flights.landed == 1, "the first finds the disk full, the others know"
    for _ in range(100):
        answer = told(await client.converse([execute("s", b"3")]))
        if any("DataRow" in line for line in answer):
            break
        await asyncio.sleep(0.1)
    assert any("DataRow" in line for line in answer)


async def test_strict_audit_flies_too(flights: Flights) -> None:
    async with serving(audit={"directory": "audit", "mode": "strict"}) as gate:
        client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        await flying(client, flights, NOTE, b"3")
        assert len(of_session(gate, client)) == 2
        client.close()


async def test_more_clients_than_connections(own: Gate, flights: Flights) -> None:
    clients = [
        await RawClient.open(("127.0.0.1", own.port), STARTUP, own.token()) for _ in range(40)
    ]
    for client in clients:
        await prepared(client, NOTE, b"3")
    rounds = 5
    for _ in range(rounds):
        answers = await asyncio.gather(
            *(client.converse([execute("s", b"3")]) for client in clients)
        )
        assert {tuple(told(answer)) for answer in answers} == {tuple(told(answers[0]))}
    assert flights.whole > 40
    for client in clients:
        client.close()


# Simple queries that differ in a value


async def test_texts_that_differ_in_a_value_fly(client: RawClient, flights: Flights) -> None:
    form = " SELECT id, note FROM shop.orders WHERE id = {} AND region <> '{}' ;"

    async def ask(number: object, region: str) -> list[str]:
        return told(await client.converse([frontend.Query(form.format(number, region))]))

    usual = [await ask(3, "amer"), await ask(6, "apac")]
    assert flights.whole == 0
    assert await ask(3, "amer") == usual[0]
    assert await ask(6, "apac") == usual[1]
    assert len(await ask(9, "it is no region")) == len(usual[0])
    assert flights.whole == 3
    nothing = await ask(9, "emea")
    assert not any("DataRow" in line for line in nothing)
    assert flights.whole == 4
    # Another kind of literal is another statement.
    assert not any("ErrorResponse" in line for line in await ask("9999999999", "x"))
    assert not any("ErrorResponse" in line for line in await ask("- 3", "x"))
    assert flights.whole == 4


async def test_an_error_in_a_lifted_value_is_told_as_ever(
    client: RawClient, flights: Flights
) -> None:
    form = "SELECT id FROM shop.orders WHERE placed > '{}' AND id < 9"
    wrong = [frontend.Query(form.format("no time"))]
    usual = told(await client.converse(wrong))
    assert any(" 22007 " in line for line in usual)
    for day in ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"):
        await client.converse([frontend.Query(form.format(day))])
    assert flights.whole >= 1
    assert told(await client.converse(wrong)) == usual
    assert flights.landed == 1


async def test_a_text_that_flew_is_recorded_as_it_was(
    own: Gate, client: RawClient, flights: Flights
) -> None:
    for number in (3, 6, 9):
        query = f"  SELECT id FROM shop.orders WHERE id = {number} ; "
        await client.converse([frontend.Query(query)])
    assert flights.whole == 1
    intents = of_session(own, client)
    texts = [one.facts["query_info"]["query_string"] for one in intents]
    assert texts == [{"text": f"SELECT id FROM shop.orders WHERE id = {n}"} for n in (3, 6, 9)]
    guarded = {str(one.facts["unmapped"]) for one in intents}
    assert len(guarded) == 1


async def test_lifted_values_do_not_reach_a_redacted_log(flights: Flights) -> None:
    audit = {"directory": "audit", "mode": "fast", "redact_literals": True}
    async with serving(audit=audit) as gate:
        client = await RawClient.open(("127.0.0.1", gate.port), STARTUP, gate.token())
        for word in ("amer", "apac", "forbidden"):
            query = f"SELECT id FROM shop.orders WHERE region = '{word}'"
            await client.converse([frontend.Query(query)])
        assert flights.whole == 1
        assert "forbidden" not in str([one.facts for one in of_session(gate, client)])
        client.close()
