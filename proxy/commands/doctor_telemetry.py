"""What `sallyport doctor` learns about the collector of traces: does it take an empty batch.

This file must not know what traces tell.
"""

from __future__ import annotations

from proxy import assembly
from proxy.commands.finding import Finding
from proxy.runtime.config import Telemetry
from proxy.runtime.credential import CredentialError
from proxy.runtime.span_export import CollectorAway, SpanRefused

SUBJECT = "collector of traces"
ADVICE = "statements run all the same, their traces are lost: see `telemetry`"


async def collector(telemetry: Telemetry | None) -> list[Finding]:
    """One finding, or none without a `telemetry` section."""
    if telemetry is None:
        return []
    try:
        exporter = assembly.span_exporter(telemetry, worker=0)
        assert exporter is not None, "there is a section"
        await exporter.probe()
    except SpanRefused as refusal:
        return [Finding(SUBJECT, "warning", f"it refuses: {refusal}", ADVICE)]
    except CredentialError as error:
        return [Finding(SUBJECT, "warning", f"a header: {error}", ADVICE)]
    except CollectorAway as error:
        return [Finding(SUBJECT, "warning", f"unreachable: {error}", ADVICE)]
    return [Finding(SUBJECT, "ok", "it takes traces")]
