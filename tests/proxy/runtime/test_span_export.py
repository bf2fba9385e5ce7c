"""Spans reach a collector when it is there; when it is not, nobody waits and losses are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.runtime import span_export
from proxy.runtime.credential import PasswordSource
from proxy.runtime.span import Span, SpanKind, new_span_id, new_trace_id
from proxy.runtime.span_export import BATCH_SPANS_MAX, Collector, SpanExporter
from tests import collector as receiver
from tests.collector import collecting


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_export, "BATCH_SECONDS", 0.05)
    monkeypatch.setattr(span_export, "RETRY_SECONDS_FIRST", 0.05)


def spans(count: int) -> list[Span]:
    trace = new_trace_id()
    return [
        Span(f"span {number}", SpanKind.INTERNAL, trace, new_span_id(), "", number, number + 1)
        for number in range(count)
    ]


@asynccontextmanager
async def exporting(
    url: str, spans_max: int = 5_000, **more: object
) -> AsyncIterator[SpanExporter]:
    exporter = SpanExporter(Collector(url, {"service.name": "gate"}, **more), spans_max)  # type: ignore[arg-type]
    task = asyncio.ensure_future(exporter.run())
    try:
        yield exporter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(exporter: SpanExporter) -> None:
    for _ in range(600):
        if not exporter.waiting:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("spans still wait")


async def test_all_arrive_in_batches_and_order() -> None:
    async with collecting() as collector, exporting(collector.url) as exporter:
        sent = spans(2 * BATCH_SPANS_MAX + 3)
        exporter.add(sent)
        found = await collector.until(lambda found: len(found) == len(sent))
        await settled(exporter)
        assert [one.name for one in found] == [one.name for one in sent]
        assert len(collector.requests) == 3
        assert (exporter.sent, exporter.dropped, exporter.refused) == (len(sent), 0, 0)


async def test_an_overloaded_collector_is_tried_again() -> None:
    async with collecting() as collector, exporting(collector.url) as exporter:
        collector.answers += [503, 429, 502]
        exporter.add(spans(2))
        await settled(exporter)
        assert len(collector.bodies) == 4
        assert len(set(collector.bodies)) == 1, "the same batch each time"
        assert (exporter.sent, exporter.refused) == (2, 0)


async def test_what_it_will_never_take_is_dropped() -> None:
    async with collecting() as collector, exporting(collector.url) as exporter:
        collector.answers += [400, -1]
        exporter.add(spans(2))
        await settled(exporter)
        exporter.add(spans(5))
        await settled(exporter)
        assert (exporter.sent, exporter.refused) == (4, 3)
        assert len(collector.bodies) == 2


async def test_a_redirect_is_not_followed() -> None:
    async with collecting() as collector, exporting(collector.url) as exporter:
        collector.answers += [307]
        exporter.add(spans(1))
        await settled(exporter)
        assert (exporter.sent, exporter.refused) == (0, 1)


async def test_a_collector_that_is_away_holds_nobody_up_and_may_come_late() -> None:
    async with collecting() as before:
        url, port = before.url, int(before.url.split(":")[2].split("/")[0])
    async with exporting(url, spans_max=10) as exporter:
        exporter.add(spans(6))
        await asyncio.sleep(0.3)
        exporter.add(spans(6))  # returns at once, and has no room
        assert (exporter.waiting, exporter.dropped, exporter.sent) == (6, 6, 0)
        async with collecting(port) as collector:
            await settled(exporter)
            assert len(collector.spans) == 6
        assert (exporter.sent, exporter.dropped) == (6, 6)


async def test_one_that_never_answers_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_export, "SEND_SECONDS_MAX", 0.3)
    async with collecting() as collector, exporting(collector.url) as exporter:
        collector.answers += [None]
        exporter.add(spans(3))
        await settled(exporter)
        assert len(collector.bodies) == 2
        assert exporter.sent == 3


async def test_what_is_left_is_sent_at_the_end() -> None:
    async with collecting() as collector:
        exporter = SpanExporter(Collector(collector.url, {}), 100)
        exporter.add(spans(4))
        await exporter.close()
        assert (len(collector.spans), exporter.sent) == (4, 4)
        url = collector.url
    exporter.add(spans(4))
    await exporter.close()
    assert (exporter.sent, exporter.dropped, exporter.waiting) == (4, 4, 0)
    assert receiver.PATH in url


async def test_secret_headers_are_read_anew_and_shown_nowhere(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("first-key\n")
    headers = {"X-Api-Key": PasswordSource(key)}
    async with collecting() as collector, exporting(collector.url, headers=headers) as exporter:
        exporter.add(spans(1))
        await settled(exporter)
        key.write_text("second-key\n")
        exporter.add(spans(1))
        await settled(exporter)
        assert [one["X-Api-Key"] for one in collector.headers] == ["first-key", "second-key"]
        assert "key" not in repr(exporter)
        key.unlink()
        exporter.add(spans(1))
        await asyncio.sleep(0.3)
        assert exporter.waiting == 1, "without its key nothing is sent"
