"""Traces of a real gate at a real collector: what they tell, what they never tell, and at what cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest
import pytest_asyncio
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from proxy.runtime.audit.query import records
from tests.collector import Collector, collecting, facts
from tests.live.flights import NOTE, STARTUP, Flights, flying
from tests.live.gate import Gate, serving
from tests.live.wire import RawClient

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ORDERS = "SELECT shop.orders"


@dataclass
class Watched:
    """A gate, and where its traces go."""

    gate: Gate
    collector: Collector

    async def whole(self, text: str, name: str, **connecting: str) -> Span:
        """The span of a statement that is sent once; the statement may fail."""
        before = len(self.roots)
        dsn = self.gate.dsn(**connecting)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            with suppress(psycopg.Error):
                await connection.execute(text)
        await self.collector.until(lambda _: len(self.roots) > before)
        [span] = self.roots[before:]
        assert span.name == name
        return span

    @property
    def roots(self) -> list[Span]:
        return [one for one in self.collector.spans if one.kind == Span.SPAN_KIND_SERVER]

    def beneath(self, span: Span) -> dict[str, Span]:
        found = [one for one in self.collector.spans if one.parent_span_id == span.span_id]
        return {one.name: one for one in found}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched() -> AsyncIterator[Watched]:
    async with collecting() as collector:
        telemetry = {"url": collector.url, "has_statements": True, "service_name": "test gate"}
        async with serving(telemetry=telemetry) as gate:
            yield Watched(gate, collector)


async def test_a_statement_and_its_phases(watched: Watched) -> None:
    span = await watched.whole("SELECT note FROM shop.orders WHERE id = 4711", ORDERS)
    told = facts(span)
    intents = [one for one in records(watched.gate.directory / "audit") if one.phase == "intent"]
    assert told.pop("sallyport.audit.intent") == intents[-1].sequence
    assert int(str(told.pop("sallyport.session"))) > 0
    assert told == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.operation.name": "SELECT",
        "db.collection.name": "shop.orders",
        "db.response.returned_rows": 0,
        "db.query.text": "SELECT note FROM shop.orders WHERE id = ?",
        "sallyport.decision": "allowed",
        "sallyport.source": "main",
    }
    assert (span.parent_span_id, span.status.code) == (b"", Status.STATUS_CODE_UNSET)
    beneath = watched.beneath(span)
    assert set(beneath) >= {"parse", "decide", "source main"}
    assert beneath["source main"].kind == Span.SPAN_KIND_CLIENT
    for one in beneath.values():
        assert one.trace_id == span.trace_id
        assert span.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano
        assert one.end_time_unix_nano <= span.end_time_unix_nano
    assert beneath["parse"].start_time_unix_nano < beneath["decide"].start_time_unix_nano
    [of_resource] = watched.collector.requests[-1].resource_spans
    assert facts(of_resource.resource)["service.name"] == "test gate"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name", "sqlstate"),
    [
        ("SELECT * FROM shop.secrets", "SELECT", "42P01"),
        ("DELETE FROM shop.orders", "DELETE", "42501"),
        ("hunter2 is my password", "postgresql", "42601"),
        ("SELECT 1 / 0", "SELECT", "22012"),
    ],
)
async def test_what_fails_says_so(watched: Watched, text: str, name: str, sqlstate: str) -> None:
    span = await watched.whole(text, name)
    told = facts(span)
    assert (told["db.response.status_code"], told["error.type"]) == (sqlstate, sqlstate)
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "")


async def test_a_trace_goes_on_from_a_comment_or_a_setting(watched: Watched) -> None:
    comment = f"/*traceparent='00-{TRACE}-{PARENT}-01'*/"
    span = await watched.whole(f"SELECT count(*) FROM shop.orders {comment}", ORDERS)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    other = TRACE[::-1]
    options = f"-csallyport.trace=00-{other}-{PARENT}-01"
    span = await watched.whole("SELECT max(id) FROM shop.orders", ORDERS, options=options)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (other, PARENT)
    # The audit log has the trace, too, as its id alone.
    traces = {one.trace_id for one in records(watched.gate.directory / "audit")}
    assert {TRACE, other} <= traces
    span = await watched.whole(
        "SELECT min(id) FROM shop.orders", ORDERS, options="-csallyport.trace=no-trace"
    )
    assert span.parent_span_id == b""


async def test_who_does_not_want_to_be_traced_is_not(watched: Watched) -> None:
    before = len(watched.roots)
    dsn = watched.gate.dsn(options=f"-csallyport.trace=00-{TRACE}-{PARENT}-00")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SELECT 'unseen' FROM shop.orders")
    await watched.whole("SELECT 'seen' FROM shop.orders LIMIT 1", ORDERS)
    assert len(watched.roots) == before + 1


async def test_the_express_lane_is_traced(watched: Watched, flights: Flights) -> None:
    before = len(watched.roots)
    address = ("127.0.0.1", watched.gate.port)
    client = await RawClient.open(address, STARTUP, watched.gate.token())
    await flying(client, flights, NOTE, b"3")
    client.close()
    await watched.collector.until(lambda _: len(watched.roots) > before + 1)
    span = watched.roots[-1]
    assert flights.whole >= 1
    assert facts(span)["db.response.returned_rows"] == 1
    assert set(watched.beneath(span)) == {"decide", "source main"}


async def test_nothing_secret_leaves(watched: Watched) -> None:
    token = watched.gate.token()
    await watched.whole("SELECT 'hush-hush' || note FROM shop.orders WHERE note = 'hush'", ORDERS)
    everything = b"".join(watched.collector.bodies)
    for secret in ("hush", "hunter2", "4711", "emea", "alice", token, token.split(".")[1]):
        assert secret.encode() not in everything, secret


async def test_a_collector_that_is_away_costs_no_statement() -> None:
    telemetry = {"url": "http://127.0.0.1:1/v1/traces", "spans_max": 1_000}
    async with serving(telemetry=telemetry) as gate:
        dsn = gate.dsn()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            for number in range(400):
                cursor = await connection.execute(f"SELECT {number} FROM shop.orders LIMIT 1")
                assert await cursor.fetchone() == (number,)
        samples = gate.worker.report().samples
        name = "sallyport_trace_spans_total"
        assert samples[name, (("result", "dropped"),)] > 0
        assert samples[name, (("result", "sent"),)] == 0
        assert 990 < samples["sallyport_trace_spans_waiting", ()] <= 1_000
