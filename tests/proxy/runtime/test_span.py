"""Spans on the wire, read back by OpenTelemetry's own messages."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from proxy.runtime.span import Span, SpanKind, encoded, new_span_id, new_trace_id, rejected
from tests.collector import facts


def test_every_field_arrives() -> None:
    trace, span, parent = new_trace_id(), new_span_id(), new_span_id()
    given = {"text": "é", "count": 2**40, "share": 0.5}
    sent = Span("SELECT a.b", SpanKind.SERVER, trace, span, parent, 1, 10**18, given, is_error=True)
    root = Span("parse", SpanKind.INTERNAL, trace, new_span_id(), "", 3, 4)
    request = ExportTraceServiceRequest.FromString(encoded([sent, root], {"service.name": "gate"}))
    [of_resource] = request.resource_spans
    assert facts(of_resource.resource) == {"service.name": "gate"}  # type: ignore[arg-type]
    [of_scope] = of_resource.scope_spans
    found, second = of_scope.spans
    assert (found.name, found.kind) == ("SELECT a.b", trace_pb2.Span.SPAN_KIND_SERVER)
    assert (found.trace_id.hex(), found.span_id.hex()) == (trace, span)
    assert (found.parent_span_id.hex(), second.parent_span_id) == (parent, b"")
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (1, 10**18)
    assert facts(found) == given
    assert found.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert second.status.code == trace_pb2.Status.STATUS_CODE_UNSET
    assert not found.status.message


def test_ids() -> None:
    assert len({new_trace_id() for _ in range(100)}) == 100
    assert {len(new_trace_id()), len(new_span_id())} == {32, 16}


def test_what_a_collector_answers() -> None:
    answer = ExportTraceServiceResponse()
    assert rejected(answer.SerializeToString()) == 0
    answer.partial_success.rejected_spans = 7
    assert rejected(answer.SerializeToString()) == 7
    with pytest.raises(ValueError):
        rejected(b"<html>")
