"""A span, and a batch of them as OpenTelemetry's protocol has it (OTLP 1, protobuf encoding).

This file must not know statements or sockets. The messages are OpenTelemetry's own
(`opentelemetry-proto`); its SDK is not used, see README, "Decisions".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

Attribute: TypeAlias = str | int | float
CONTENT_TYPE = "application/x-protobuf"
SCOPE = "sallyport"

_TRACE_BYTES = 16
_SPAN_BYTES = 8


class SpanKind(Enum):
    """Who the span is of (OpenTelemetry, "SpanKind")."""

    INTERNAL = trace_pb2.Span.SPAN_KIND_INTERNAL
    SERVER = trace_pb2.Span.SPAN_KIND_SERVER
    CLIENT = trace_pb2.Span.SPAN_KIND_CLIENT


@dataclass(frozen=True, slots=True)
class Span:
    """Times in nanoseconds of unix time; ids hexadecimal, `parent_id` empty for a root."""

    name: str
    kind: SpanKind
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    is_error: bool = False


def new_trace_id() -> str:
    """Random, never zeros only."""
    return _random(_TRACE_BYTES)


def new_span_id() -> str:
    """Random, never zeros only."""
    return _random(_SPAN_BYTES)


def _random(size: int) -> str:
    while not any(found := os.urandom(size)):
        pass
    return found.hex()


def encoded(spans: Iterable[Span], resource: Mapping[str, Attribute]) -> bytes:
    """A request to a collector. `resource` describes this process."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add(resource=Resource(attributes=_attributes(resource)))
    of_scope = of_resource.scope_spans.add(scope=InstrumentationScope(name=SCOPE))
    of_scope.spans.extend(map(_message, spans))
    content: bytes = request.SerializeToString()
    return content


def rejected(answer: bytes) -> int:
    """How many spans a collector says it did not take. Raises ValueError for no answer of one."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(answer)
    except Exception as error:  # protobuf's own error class differs between its implementations
        raise ValueError("not an answer of a collector") from error
    return int(response.partial_success.rejected_spans)


def _message(span: Span) -> trace_pb2.Span:
    code = trace_pb2.Status.STATUS_CODE_ERROR if span.is_error else None
    return trace_pb2.Span(
        name=span.name,
        kind=span.kind.value,
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_attributes(span.attributes),
        status=None if code is None else trace_pb2.Status(code=code),
    )


def _attributes(attributes: Mapping[str, Attribute]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(one)) for name, one in attributes.items()]


def _value(attribute: Attribute) -> AnyValue:
    if isinstance(attribute, str):
        return AnyValue(string_value=attribute)
    if isinstance(attribute, int):
        return AnyValue(int_value=attribute)
    return AnyValue(double_value=attribute)
