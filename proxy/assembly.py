"""From configuration to the parts that a worker is made of.

Translation only: every value of the configuration becomes an argument of the part that it is for.
This file must not know sessions, statements or rules, and starts nothing.
"""

from __future__ import annotations

import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg

from proxy.extensions import schemas, trusted_extensions
from proxy.limits import SessionLimits
from proxy.runtime import config
from proxy.runtime.credential import PasswordSource
from proxy.setting_values import quoted
from proxy.sources.files import FilesSource
from proxy.sources.files_process import ReaderOptions
from proxy.sources.pool import PoolLimits
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_dial import tls_context
from proxy.sources.postgres_options import (
    DEFAULT_PORT,
    Address,
    Pooling,
    PostgresOptions,
    TlsMode,
    TlsOptions,
)

if TYPE_CHECKING:
    from proxy.runtime.span_export import SpanExporter


def session_limits(configuration: config.Configuration) -> SessionLimits:
    """The limits of client sessions."""
    limits = configuration.limits
    return SessionLimits(
        connections_max=limits.sessions_max,
        strangers_per_address_max=limits.strangers_per_address_max,
        authentication_seconds_max=limits.authentication_seconds_max,
        statement_ms_max=limits.statement_ms_max,
        idle_seconds_max=limits.idle_seconds_max,
        idle_in_transaction_seconds_max=limits.idle_in_transaction_seconds_max,
        prepared_statements_max=limits.prepared_statements_max,
        portals_max=limits.portals_max,
        inbound_bytes_max=limits.inbound_bytes_max,
        outbound_bytes_max=limits.outbound_bytes_max,
        drain_seconds_max=configuration.listen.drain_seconds_max,
    )


def session_defaults(configuration: config.Configuration) -> dict[str, str]:
    """What sessions begin with where the operator chose it: settings by lower-case name."""
    return {"search_path": ", ".join(quoted(name) for name in configuration.search_path)}


def source_options(
    source: config.Source, extension_schemas: tuple[str, ...] = ()
) -> PostgresOptions:
    """How to reach one source. Raises ValueError for values that do not go together."""
    return PostgresOptions(
        name=source.name,
        addresses=tuple(_address(host) for host in source.hosts),
        database=source.database,
        user=source.user,
        password=_password(source.password),
        tls=TlsOptions(
            mode=TlsMode(source.tls.mode),
            certificate_authority_file=source.tls.certificate_authority,
            client_certificate_file=source.tls.certificate,
            client_key_file=source.tls.key,
        ),
        pooling=Pooling(source.pooling),
        pool=PoolLimits(
            connections_max=source.pool.connections_max,
            waiters_max=source.pool.waiting_max,
            wait_ms_max=source.pool.waiting_ms_max,
            idle_s_max=source.pool.idle_seconds_max,
        ),
        statement_timeout_ms=source.statement_ms_max,
        connect_seconds_max=source.connect_ms_max / 1000,
        extension_schemas=extension_schemas,
    )


def _password(password: config.Password | None) -> PasswordSource | None:
    if password is None:
        return None
    return PasswordSource(password.file, password.environment, password.command)


def _address(text: str) -> Address:
    """`host`, `host:port`, `[v6]:port` or a directory."""
    if text.startswith("/"):
        return Address(text)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        return Address(text.strip("[]"))
    return Address(host.strip("[]"), int(port))


async def introspection_connection(options: PostgresOptions) -> asyncpg.Connection:
    """A connection of asyncpg's to the source, as the gate's own role, for reading its schema.

    The caller closes it. Raises OSError, asyncpg's errors, CredentialError.
    """
    password = None if options.password is None else await options.password.read()
    addresses = options.addresses
    return await asyncpg.connect(
        host=[address.host for address in addresses],
        port=[address.port or DEFAULT_PORT for address in addresses],
        user=options.user,
        password=None if password is None else password.reveal(),
        database=options.database,
        ssl=tls_context(options.tls) or False,
        timeout=options.connect_seconds_max,
        statement_cache_size=0,
        server_settings={"application_name": options.application_name},
    )


def span_exporter(telemetry: config.Telemetry | None, worker: int) -> SpanExporter | None:
    """What sends the spans of worker number `worker`, not running; None where nobody wants any.

    Raises OSError, ssl.SSLError for an unreadable certificate.
    """
    if telemetry is None:
        return None
    # It brings an HTTP client, a seventh of a worker's start.
    from proxy.runtime.span_export import Collector, SpanExporter

    authority = telemetry.certificate_authority
    collector = Collector(
        telemetry.url,
        # OpenTelemetry, semantic conventions for resources: "Service".
        {
            "service.name": telemetry.service_name,
            "service.version": version("sallyport"),
            "service.instance.id": str(uuid4()),
            "sallyport.worker": worker,
        },
        {one.name: PasswordSource(one.file, one.environment) for one in telemetry.headers},
        None if authority is None else ssl.create_default_context(cafile=authority),
    )
    return SpanExporter(collector, telemetry.spans_max)


def sources(configuration: config.Configuration) -> dict[str, PostgresSource | FilesSource]:
    """The sources by name, not started. Raises OSError, ssl.SSLError, ValueError."""
    found = schemas(trusted_extensions(configuration))
    return {
        one.name: PostgresSource(source_options(one, found))
        if isinstance(one, config.Source)
        else files_source(one)
        for one in configuration.sources
    }


def files_source(files: config.Files) -> FilesSource:
    """A source of files, not started."""
    readers = files.readers
    options = ReaderOptions(
        name=files.name,
        folder=files.folder.resolve(),
        memory_bytes_max=readers.memory_bytes_max,
        temporary_bytes_max=readers.spill_bytes_max,
        threads=readers.threads,
        statement_seconds_max=files.statement_ms_max / 1000,
    )
    limits = PoolLimits(
        connections_max=readers.count_max,
        waiters_max=readers.waiting_max,
        wait_ms_max=readers.waiting_ms_max,
        idle_s_max=readers.idle_seconds_max,
    )
    return FilesSource(options, files.schema or files.name, limits)
