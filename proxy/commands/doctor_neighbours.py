"""What `sallyport doctor` learns from others: issuers' keys and clocks, sources' clocks and room.

This file must not judge policies or roles (`check.py` does). It changes nothing anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import asyncpg

from proxy import assembly
from proxy.commands.doctor_state import state_database
from proxy.commands.doctor_telemetry import collector
from proxy.commands.finding import Finding
from proxy.commands.live import unreadable
from proxy.faults import Fault
from proxy.runtime.config import Configuration, Files, Issuer, Source
from proxy.runtime.demonstration import is_demo_issuer
from proxy.runtime.keys import KeySetError, SigningKeys
from proxy.runtime.server_time import server_time
from proxy.server import worker_count

DATE_SECONDS = 1.0
"""A `Date` header has whole seconds, so it says no more than this."""

SOURCE_SKEW_SECONDS_MAX = 30.0
"""Conditions with now() run there, time windows of policies here."""

_ADVICE = "set both clocks by NTP (timedatectl, chronyc tracking)"


async def neighbours(
    configuration: Configuration, clock: Callable[[], float] = time.time
) -> list[Finding]:
    """Everything that has to be asked for. `clock` gives our Unix seconds."""
    findings = []
    for issuer in configuration.identity.issuers:
        findings += await _issuer(issuer, clock)
    workers = worker_count(configuration)
    for source in configuration.databases:
        findings += await _source(source, workers, clock)
    for files in configuration.folders:
        findings += await _folder(files)
    findings += await state_database(configuration.state)
    findings += await collector(configuration.telemetry)
    return findings


async def _issuer(issuer: Issuer, clock: Callable[[], float]) -> list[Finding]:
    subject = f"issuer {issuer.issuer}"
    keys = SigningKeys(issuer.jwks, is_demonstration=is_demo_issuer(issuer.issuer))
    try:
        await keys.refresh()
        count = len((await keys.current()).keys)
    except KeySetError as error:
        advice = f"look at {issuer.jwks.url or issuer.jwks.file}: nobody can log in without it"
        return [Finding(subject, "problem", f"its keys: {error}", advice)]
    findings = [Finding(subject, "ok", f"{count} keys")]
    if issuer.jwks.url is not None:
        told = await server_time(issuer.jwks.url)
        if told is not None:
            skew = max(abs(told - clock()) - DATE_SECONDS, 0.0)
            findings.append(_clock(f"clock of {issuer.issuer}", skew, issuer.skew_seconds))
    return findings


def _clock(subject: str, skew: float, skew_max: float) -> Finding:
    text = f"{skew:.1f} s from ours, {skew_max:g} s tolerated"
    if skew > skew_max:
        return Finding(subject, "problem", text, _ADVICE)
    if skew > skew_max / 2:
        return Finding(subject, "warning", text, _ADVICE)
    return Finding(subject, "ok", text)


async def _source(source: Source, workers: int, clock: Callable[[], float]) -> list[Finding]:
    subject = f"source {source.name}"
    try:
        connection = await assembly.introspection_connection(assembly.source_options(source))
    except Exception as error:
        advice = "try `sallyport check`; see `sources` in the configuration"
        return [Finding(subject, "problem", str(unreadable(error)), advice)]
    try:
        before = clock()
        now, most, reserved = await connection.fetchrow(
            "SELECT extract(epoch FROM clock_timestamp())::float8,"
            " current_setting('max_connections')::int,"
            " current_setting('superuser_reserved_connections')::int"
        )
        skew = max(before - now, now - clock(), 0.0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return [Finding(subject, "problem", str(unreadable(error)))]
    finally:
        await connection.close()
    return [
        _clock(f"clock of source {source.name}", skew, SOURCE_SKEW_SECONDS_MAX),
        _room(subject, workers * source.pool.connections_max, most - reserved),
    ]


async def _folder(files: Files) -> list[Finding]:
    subject = f"source {files.name}"
    source = assembly.files_source(files)
    try:
        tables = await source.tables()
    except Fault as fault:
        advice = f"may the gate's user read {files.folder}?"
        return [Finding(subject, "problem", fault.message, advice)]
    finally:
        await source.close()
    problems = [problem for table in tables for problem in table.problems()]
    findings = [Finding(subject, "warning", problem) for problem in problems]
    readable = sum(table.failure is None for table in tables)
    return [Finding(subject, "ok", f"{readable} tables of files"), *findings]


def _room(subject: str, wanted: int, available: int) -> Finding:
    """All workers together, if every pool is full."""
    text = f"up to {wanted} connections of ours, {available} allowed there for everybody"
    if wanted < available:
        return Finding(subject, "ok", text)
    advice = "lower pool.connections_max or listen.workers, raise max_connections, or use a pooler"
    return Finding(subject, "warning", text, advice)
