"""A collector of OpenTelemetry's protocol over HTTP, decoded by OpenTelemetry's own messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"
WAITS_MAX = 600


@dataclass
class Collector:
    """`answers` are given first, one each: a status, or a number of spans that it rejects, negative;
    None: it does not answer. `bodies` are what came."""

    url: str = ""
    answers: list[int | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        """Everything that was taken."""
        return [
            span
            for request in self.requests
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    async def until(self, is_there: Callable[[list[Span]], object]) -> list[Span]:
        """The spans, once they are as wanted."""
        for _ in range(WAITS_MAX):
            if is_there(self.spans):
                return self.spans
            await asyncio.sleep(0.05)
        raise AssertionError(f"not there: {[span.name for span in self.spans]}")

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        told = self.answers.pop(0) if self.answers else 200
        if told is None:
            await asyncio.sleep(3600)
        assert told is not None
        if told >= 300:
            return web.Response(status=told)
        decoded = ExportTraceServiceRequest.FromString(body)
        self.requests.append(decoded)
        answer = ExportTraceServiceResponse()
        if told < 0:
            answer.partial_success.rejected_spans = -told
        return web.Response(body=answer.SerializeToString(), content_type="application/x-protobuf")


@asynccontextmanager
async def collecting(port: int = 0) -> AsyncIterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post(PATH, collector.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        yield collector
    finally:
        await runner.cleanup()


def facts(span: Span) -> dict[str, object]:
    """A span's attributes."""
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }
