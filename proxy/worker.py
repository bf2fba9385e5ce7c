"""One worker: all parts of a gate put together, serving clients on one event loop.

This file must not know what the parts do. Each is opened in the order in which it is needed and
closed in reverse, however the worker ends: clients drain first, the audit log closes last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import structlog

from proxy import assembly, reception_desk
from proxy.cancel import CancelDesk
from proxy.catalog.extension import TrustedExtension
from proxy.catalog.files import file_catalog
from proxy.catalog.introspect import introspect
from proxy.catalog.shadow import RunningCluster, Shadow
from proxy.catalog.virtual import CatalogError, SourceCatalog
from proxy.counters import Counters
from proxy.decider import PolicyDecider
from proxy.extensions import allow, trusted_extensions
from proxy.faults import Fault
from proxy.federation.engine import MergeEngine
from proxy.federation.merge import Merger
from proxy.gate import WITHOUT_MERGER, Gate
from proxy.handshake import Reception
from proxy.listener import Listener
from proxy.lookup import ClaimLookups
from proxy.record import Recorder
from proxy.report import Expiring, Parts, Report, report
from proxy.runtime import config
from proxy.runtime.audit import AuditFault, AuditLog
from proxy.runtime.config import Configuration
from proxy.runtime.credential import CredentialError
from proxy.runtime.log import Format
from proxy.runtime.state import database
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.expiry import ExpiryCount
from proxy.runtime.state.journal import PolicyJournal
from proxy.runtime.state.place import StatePlace
from proxy.runtime.state.revocation import RevocationWatch
from proxy.runtime.tasks import spawn
from proxy.sources.base import Source, SourceState
from proxy.sources.files import FilesSource
from proxy.sources.postgres import PostgresSource
from proxy.sources.postgres_options import PostgresOptions
from proxy.sources.postgres_role import inspect_role, reasons_not_read_only
from proxy.tls import certificate_end, server_context
from proxy.tracing import Tracer
from proxy.upkeep import LoadPolicy, ReadCatalog, StartRefused, Upkeep

if TYPE_CHECKING:
    from proxy.runtime.span_export import SpanExporter

ADMISSION_SECONDS = 0.5
"""Between attempts to check the role of a source that was down at the start."""

_logger = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Post:
    """Where one worker stands: its `number` from 0, the shared shadow cluster, the directory
    through which workers reach each other (0700), the state database, if there is one, and the
    cluster of the merge engine, if there are several sources."""

    number: int
    cluster: RunningCluster
    directory: Path
    state: StatePlace | None = None
    predecessors: int = 0
    """Sockets that listen on the port already and will be closed: new clients come here."""
    is_successor: bool = False
    merge: RunningCluster | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that serves. `port` is the one it listens on."""

    port: int
    upkeep: Upkeep
    listener: Listener
    shadow: Shadow
    parts: Parts
    log_format: Format

    def report(self) -> Report:
        """What it says of itself now."""
        return report(
            self.parts,
            policy_version=self.upkeep.estate().policy.version,
            sessions=self.listener.clients,
            shadow_classes=self.shadow.class_count,
        )


@asynccontextmanager
async def opened(
    configuration: Configuration, post: Post, load_policy: LoadPolicy
) -> AsyncIterator[Worker]:
    """A serving worker; clients drain when the context is left.

    Raises StartRefused, AuditFault, OSError, ssl.SSLError.
    """
    counters = Counters()
    allow(trusted_extensions(configuration))
    async with AsyncExitStack() as stack:
        audit = await _audit_log(configuration.audit, post)
        stack.push_async_callback(audit.close)
        sources = assembly.sources(configuration)
        for source in sources.values():
            stack.push_async_callback(source.close)
            await source.start()
            if source.is_unfit:
                raise StartRefused(f"source {source.name}: {source.down_reason}")
            if source.state is SourceState.DOWN:
                _logger.warning("source is down", source=source.name, reason=source.down_reason)
        state = None
        if post.state is not None:
            state = await stack.enter_async_context(database.opened(post.state))
        readers = _schema_readers(configuration, sources)
        upkeep = await _kept_up(configuration, load_policy, readers, audit, state, stack, counters)
        admitted: dict[str, Source] = {}
        refused = await _admit(sources, upkeep, admitted)
        if refused:
            raise StartRefused("\n".join(refused.values()))
        _beside(_admit_late(sources, upkeep, admitted), "admission", stack)
        shadow = Shadow(
            post.cluster,
            configuration.database,
            configuration.shadow.classes_max,
            configuration.shadow.bytes_max,
        )
        await shadow.start()
        stack.push_async_callback(shadow.close)
        merger = _merger(configuration, post, stack)
        spans = assembly.span_exporter(configuration.telemetry, post.number)
        if spans is not None:
            stack.push_async_callback(spans.close)
            _beside(spans.run(), "telemetry", stack)
        desk = CancelDesk(post.number, post.directory, time.monotonic)
        desk.open()
        stack.callback(desk.close)
        watch = reception_desk.watch(configuration, state)
        if watch is not None:
            _beside(watch.run(), "revocation", stack)
        lookups = ClaimLookups(admitted, lambda: upkeep.estate().policy.claim_types, state=state)
        judges = reception_desk.judges(
            configuration, lambda: upkeep.estate().policy.mapping, lookups, state
        )
        reception = Reception(
            judges=judges,
            recorder=Recorder(audit, counters, _tracer(configuration.telemetry, spans)),
            desk=desk,
            limits=assembly.session_limits(configuration),
            facts=shadow.facts,
            defaults=assembly.session_defaults(configuration),
        )
        listener = _listener(configuration, upkeep, shadow, merger, reception, admitted, watch)
        listen = configuration.listen
        stack.push_async_callback(listener.close)
        port = await listener.open(listen.host, listen.port)
        if post.predecessors:
            listener.prefer(post.predecessors)
        expiring = _expiring(configuration, state, judges.key_ages, stack)
        parts = Parts(counters, audit, sources, admitted, spans, expiring)
        yield Worker(port, upkeep, listener, shadow, parts, configuration.log.format)


async def _audit_log(audit: config.Audit, post: Post) -> AuditLog:
    """The log of this worker; a predecessor that hands over may still write one of that name.

    Raises AuditFault.
    """
    name = f"gate-{post.number}"
    for process in (name, f"{name}-next") if post.is_successor else (name,):
        try:
            return await AuditLog.open(
                audit.directory,
                audit.mode,
                redact_literals=audit.redact_literals,
                process=process,
                segment_bytes_max=audit.segment_bytes_max,
            )
        except AuditFault as fault:
            refused = fault
            if not isinstance(fault.__cause__, BlockingIOError):
                raise
    raise refused


def _expiring(
    configuration: Configuration,
    state: StateDatabase | None,
    key_ages: Callable[[], Mapping[str, float]],
    stack: AsyncExitStack,
) -> Expiring:
    logins = None
    if state is not None:
        logins = ExpiryCount(state)
        _beside(logins.run(), "expiry", stack)
    tls = configuration.listen.tls
    end = None if tls is None else certificate_end(tls.certificate)
    return Expiring(key_ages, end, logins)


def _tracer(telemetry: config.Telemetry | None, spans: SpanExporter | None) -> Tracer | None:
    if telemetry is None or spans is None:
        return None
    return Tracer(
        spans.add, sampled_share=telemetry.sampled_share, has_text=telemetry.has_statements
    )


def _merger(configuration: Configuration, post: Post, stack: AsyncExitStack) -> Merger:
    if post.merge is None:
        return WITHOUT_MERGER
    federation = configuration.federation
    engine = MergeEngine(
        post.merge,
        configuration.database,
        statement_ms_max=configuration.limits.statement_ms_max,
        connections_max=federation.connections_max,
    )
    stack.push_async_callback(engine.close)
    return Merger(engine, federation.table_bytes_max, federation.keys_max)


async def _kept_up(
    configuration: Configuration,
    load_policy: LoadPolicy,
    readers: Mapping[str, ReadCatalog],
    audit: AuditLog,
    state: StateDatabase | None,
    stack: AsyncExitStack,
    counters: Counters,
) -> Upkeep:
    journal = None if state is None else PolicyJournal(state, configuration.policies)
    upkeep = Upkeep(configuration.policies, load_policy, readers, audit, journal, counters)
    await upkeep.start()
    _beside(upkeep.run(), "upkeep", stack)
    return upkeep


def _beside(work: Coroutine[None, None, None], name: str, stack: AsyncExitStack) -> None:
    """Run `work` until the stack is left."""
    task = spawn(work, name=name)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


def _schema_readers(
    configuration: Configuration, sources: Mapping[str, PostgresSource | FilesSource]
) -> dict[str, ReadCatalog]:
    found: dict[str, ReadCatalog] = {}
    databases = {one.name: one for one in configuration.databases}
    for name, source in sources.items():
        if isinstance(source, FilesSource):
            found[name] = FolderReader(source)
        else:
            options = assembly.source_options(databases[name])
            found[name] = SchemaReader(name, options, trusted_extensions(configuration))
    return found


@dataclass(slots=True)
class FolderReader:
    """Reads what a folder holds. `told` are the failures that the operator knows of."""

    source: FilesSource
    told: frozenset[str] = frozenset()

    async def __call__(self) -> SourceCatalog:
        try:
            tables = await self.source.tables()
        except Fault as fault:
            raise CatalogError(f"source `{self.source.name}`: {fault.message}") from fault
        problems = frozenset(problem for table in tables for problem in table.problems())
        for problem in sorted(problems - self.told):
            _logger.warning("not offered", source=self.source.name, what=problem)
        self.told = problems
        return file_catalog(self.source.name, self.source.schema, tables)


@dataclass(frozen=True, slots=True)
class SchemaReader:
    """Reads one source's schema."""

    name: str
    options: PostgresOptions
    extensions: tuple[TrustedExtension, ...] = ()

    async def __call__(self) -> SourceCatalog:
        try:
            connection = await assembly.introspection_connection(self.options)
            try:
                return await introspect(connection, self.name, extensions=self.extensions)
            finally:
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, CredentialError) as error:
            raise CatalogError(f"source `{self.name}`: {type(error).__name__}") from error


async def _admit(
    sources: dict[str, PostgresSource | FilesSource], upkeep: Upkeep, admitted: dict[str, Source]
) -> dict[str, str]:
    """Put every source whose role is fit into `admitted`, the only ones that sessions may use.

    Returns why others are unfit, by name: their role could step around policy, or the server let
    the gate write. A source that is down is in neither, and must be asked about again.
    """
    refused = {}
    for name, source in sources.items():
        if name in admitted or source.state is not SourceState.UP:
            continue
        if isinstance(source, FilesSource):  # it reads as the gate does: there is no role
            admitted[name] = source
            continue
        keys = upkeep.estate().policy.tables
        wanted = {(key.schema, key.name) for key in keys if key.source == name}
        try:
            connection = await source.acquire({})
            try:
                report = await inspect_role(connection, wanted)
                writable = await reasons_not_read_only(connection)
            finally:
                await connection.release()
        except Fault as fault:
            _logger.warning("role not checked", source=name, reason=fault.message)
            continue
        reasons = (*report.reasons_to_refuse(), *writable)
        if reasons:
            refused[name] = f"source {name}: " + "; ".join(reasons)
        else:
            admitted[name] = source
    return refused


async def _admit_late(
    sources: dict[str, PostgresSource | FilesSource], upkeep: Upkeep, admitted: dict[str, Source]
) -> None:
    """Admit what was down at the start once it is up, and what was unfit once it is mended."""
    told: dict[str, str] = {}
    while len(admitted) < len(sources):
        await asyncio.sleep(ADMISSION_SECONDS)
        refused = await _admit(sources, upkeep, admitted)
        for name, reason in refused.items():
            if told.get(name) != reason:
                _logger.error("source not served", reason=reason)
        told = refused


def _listener(
    configuration: Configuration,
    upkeep: Upkeep,
    shadow: Shadow,
    merger: Merger,
    reception: Reception,
    sources: dict[str, Source],
    watch: RevocationWatch | None,
) -> Listener:
    decider = PolicyDecider(
        upkeep.estate,
        shadow,
        server_version=shadow.server_version,
        counters=reception.recorder.counters,
    )
    tls = configuration.listen.tls
    return Listener(
        Gate(decider, reception.recorder, merger),
        reception,
        sources,
        database=configuration.database,
        tls_context=None
        if tls is None
        else server_context(tls.certificate, tls.key, minimum_version=tls.minimum_version),
        watch=watch,
    )
