# ruff: noqa: RUF009 - `setting` returns a `dataclasses.field`, which ruff knows by that name only.
"""Settings of what runs beside the gate: operators' figures, and agents' tools.

This file must not know YAML. A unit stands in each name that has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.runtime.config_setting import setting


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where operators ask: `/metrics` for Prometheus, `/health`, `/ready`. Tells of no person."""

    host: str = setting("address to listen on", default="127.0.0.1")
    port: int = setting("TCP port; 0: any free one", default=9432, minimum=0, maximum=65_535)


@dataclass(frozen=True, slots=True)
class TelemetryHeader:
    """A header that the collector asks for, such as an API key: from exactly one of the two."""

    name: str = setting("its name", minimum=1, maximum=100)
    file: Path | None = setting("file that holds its value", default=None)
    environment: str | None = setting("environment variable that holds its value", default=None)

    def check(self) -> str | None:
        """What is wrong with the values together, None if nothing."""
        if (self.file is None) == (self.environment is None):
            return "exactly one of `file`, `environment` is needed"
        return None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Traces for an OpenTelemetry collector: OTLP over HTTP, protobuf."""

    url: str = setting("where it takes traces: `https://collector:4318/v1/traces`", minimum=1)
    certificate_authority: Path | None = setting(
        "PEM file of its authority; default: the system's", default=None
    )
    headers: tuple[TelemetryHeader, ...] = setting(
        "headers of each request; only by https or on this machine", default=(), maximum=16
    )
    service_name: str = setting(
        "`service.name` of the traces", default="sallyport", minimum=1, maximum=255
    )
    sampled_share: float = setting(
        "share of the traces that begin here which are told; others as their callers say",
        default=1.0,
        minimum=0,
        maximum=1,
    )
    has_statements: bool = setting(
        "tell statements' texts, without their literals and comments", default=False
    )
    spans_max: int = setting(
        "spans that a worker process keeps for the collector; more are dropped, and counted",
        default=20_000,
        minimum=1_000,
        maximum=1_000_000,
    )


@dataclass(frozen=True, slots=True)
class McpLimits:
    """What one tool call may take and return."""

    rows_max: int = setting("rows of one result", default=200, minimum=1, maximum=10_000)
    bytes_max: int = setting(
        "JSON bytes of one result's rows", default=64_000, minimum=1_000, maximum=16 * 1024 * 1024
    )
    statement_ms_max: int = setting(
        "run time of one statement", default=30_000, minimum=100, maximum=3_600_000
    )
    unconfirmed_rows_max: int = setting(
        "visible rows of the tables that a statement reads; with more it needs a confirmation",
        default=1_000_000,
        minimum=1,
        maximum=1_000_000_000,
    )


@dataclass(frozen=True, slots=True)
class ServiceTls:
    """What the clients of a service see of TLS."""

    certificate: Path = setting("PEM file with the server's certificate chain")
    key: Path = setting("PEM file with its private key")


@dataclass(frozen=True, slots=True)
class Mcp:
    """The Model Context Protocol server on HTTP, for `sallyport mcp` and `sallyport up`."""

    url: str = setting("its public URL, which clients and tokens name: `https://…/mcp`", minimum=1)
    gate: str = setting(
        "where the gate is: `postgresql://host:port/database`, `?sslrootcert=file` for a private"
        " certificate authority",
        minimum=1,
    )
    host: str = setting("address to listen on", default="127.0.0.1")
    port: int = setting("TCP port; 0: any free one", default=8432, minimum=0, maximum=65_535)
    tls: ServiceTls | None = setting(
        "certificate for clients; required unless `host` is a loopback address", default=None
    )
    scopes: tuple[str, ...] = setting(
        "OAuth scopes that clients are told to ask for", default=(), maximum=32
    )
    limits: McpLimits = setting("caps of its tools", default=McpLimits())


@dataclass(frozen=True, slots=True)
class PythonLimits:
    """The most that one run may ask for."""

    wall_seconds_max: float = setting(
        "time from start to answer", default=120.0, minimum=1, maximum=3600
    )
    cpu_seconds_max: float = setting("processor time", default=60.0, minimum=1, maximum=3600)
    memory_bytes_max: int = setting(
        "memory", default=1024 * 1024 * 1024, minimum=256 * 1024 * 1024, maximum=4 * 1024**3
    )
    output_bytes_max: int = setting(
        "printed text", default=1024 * 1024, minimum=1024, maximum=16 * 1024 * 1024
    )
    files_bytes_max: int = setting(
        "all files in its folder together",
        default=64 * 1024 * 1024,
        minimum=1024,
        maximum=1024 * 1024 * 1024,
    )
    files_max: int = setting("files and folders", default=200, minimum=1, maximum=10_000)
    host_calls_max: int = setting("calls of `query`", default=100, minimum=1, maximum=10_000)
    query_rows_max: int = setting(
        "rows of one result", default=1_000_000, minimum=1, maximum=100_000_000
    )
    query_bytes_max: int = setting(
        "bytes of one result", default=256 * 1024 * 1024, minimum=1024, maximum=2 * 1024**3
    )


@dataclass(frozen=True, slots=True)
class Python:
    """The sandbox for agents' Python, for `sallyport python` and `sallyport up`."""

    gate: str = setting(
        "where the gate is, for `query`: `postgresql://host:port/database`, `?sslrootcert=file`",
        minimum=1,
    )
    host: str = setting("address to listen on", default="127.0.0.1")
    port: int = setting("TCP port; 0: any free one", default=8532, minimum=0, maximum=65_535)
    tls: ServiceTls | None = setting(
        "certificate for callers; required unless `host` is a loopback address", default=None
    )
    workers_max: int = setting("programs and sessions at a time", default=8, minimum=1, maximum=256)
    workers_warm_max: int = setting("processes that wait ready", default=2, minimum=0, maximum=64)
    runs_per_principal_max: int = setting(
        "runs of one principal", default=4, minimum=1, maximum=256
    )
    sessions_per_principal_max: int = setting(
        "open sessions of one principal", default=2, minimum=0, maximum=64
    )
    session_idle_seconds_max: float = setting(
        "age at which an unused session ends", default=900.0, minimum=1, maximum=86_400
    )
    limits: PythonLimits = setting("the most that a run may ask for", default=PythonLimits())
